"""Delimited text (CSV, TSV) as a stream of batches in which every cell is a string.

pyarrow cuts the rows; everything that a person has to understand afterwards (which line is ragged, where a quotation
mark was left open) is found by reading that part again slowly.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from exchange.catalog.reading.dialect import Sample, check_single_column, detect_delimiter, has_header, name_of
from exchange.catalog.reading.encoding import detect_encoding
from exchange.catalog.reading.errors import ReadingError, ReadingWarning, shorten
from exchange.catalog.reading.model import MEBIBYTE, Hints, Limits
from exchange.catalog.reading.names import check_column_count, clean_names, numbered_names
from exchange.catalog.reading.refusals import check_cells, empty_file, header_only
from exchange.catalog.reading.source import Report
from exchange.catalog.reading.streams import Utf8Stream, lines

_SAMPLE_BYTES = MEBIBYTE
# Larger blocks are not faster, and the memory that the allocators keep grows with them.
_BLOCK = MEBIBYTE // 2
_NAMED_LINES = 5
_FURTHER_LINES = 100_000


class _RowBeyondBlockError(Exception):
    pass


class CsvSource:
    """One delimited text file, its layout detected. Raises ReadingError where it is no table."""

    format = "csv"
    declared_text: frozenset[str] = frozenset()
    declared_time: frozenset[str] = frozenset()

    def __init__(self, path: Path, file: str, hints: Hints, limits: Limits) -> None:
        self.path, self.file, self._limits = path, file, limits
        self._encoding = detect_encoding(path, file, hints.encoding)
        self.encoding: str | None = self._encoding.label
        self.sample = self._read_sample()
        preferred = "\t" if file.lower().endswith((".tsv", ".tab")) else ","
        self.delimiter: str | None = hints.delimiter or detect_delimiter(self.sample, file, preferred)
        if hints.delimiter is not None:
            _check_delimiter(hints.delimiter, file)
            check_single_column(self.sample, hints.delimiter, file)
        rows = self.sample.records(self._delimiter)
        self._check_first_row(rows)
        self.width = len(rows[0])
        check_column_count(self.width, file, limits)
        self.header: bool | None = has_header(rows) if hints.header is None else hints.header
        self.remarks: list[ReadingWarning] = []
        self.names = self._name_columns(rows[0])
        self.first_row = 2 if self.header else 1

    @property
    def _delimiter(self) -> str:
        return self.delimiter or ","

    def _read_sample(self) -> Sample:
        stream = Utf8Stream(self.path, self._encoding)
        try:
            data = stream.read(_SAMPLE_BYTES + 16)
        finally:
            stream.close()
        complete = stream.consumed >= self.path.stat().st_size
        return Sample(codecs.getincrementaldecoder("utf-8")().decode(data), complete)

    def _check_first_row(self, rows: list[list[str]]) -> None:
        if rows:
            return
        if self.sample.complete:
            raise empty_file(self.file)
        raise self._too_long("The first line", "首行")

    def _name_columns(self, first: list[str]) -> tuple[str, ...]:
        if self.header:
            names, remarks = clean_names(first, self.file, self._limits)
            self.remarks += remarks
            return names
        self.remarks.append(
            ReadingWarning(
                "no-header",
                self.file,
                f"{self.file}: the first line holds values, so the columns are named column_1 and so on.",
                f"{self.file}：首行是数据而非表头，各列命名为 column_1 等。",
            )
        )
        return numbered_names(self.width)

    def batches(self, report: Report) -> Iterator[pa.RecordBatch]:
        """Yield the rows in order as batches of strings, an empty unquoted cell as null.

        Raises ReadingError for ragged rows, a cell or row beyond the limits, an open quotation mark, no rows.
        """
        rows, last = 0, None
        for block in sorted({min(_BLOCK, self._limits.max_row_bytes), self._limits.max_row_bytes}):
            try:
                for batch in self._read(block, rows, report):
                    check_cells(batch, self.file, rows + self.first_row, self._limits)
                    rows += batch.num_rows
                    last = batch
                    yield batch
                break
            except _RowBeyondBlockError:
                continue
        else:
            if not self._only_header(rows):
                row = rows + self.first_row - 1
                raise self._too_long(f"A row after row {row}", f"第 {row} 行之后的一行")
        if last is None:
            raise header_only(self.file)
        if self._encoding.quotes % 2:
            self._check_open_quote(last, rows)

    def _read(self, block: int, skip: int, report: Report) -> Iterator[pa.RecordBatch]:
        """Yield the rows after the first `skip`. Raises _RowBeyondBlockError for a row of more than `block` bytes."""
        stream = Utf8Stream(self.path, self._encoding)
        ragged: list[Any] = []
        size = max(1, self.path.stat().st_size)
        try:
            for batch in self._cut(stream, ragged, block):
                fresh = batch.slice(min(skip, batch.num_rows))
                skip -= batch.num_rows - fresh.num_rows
                report(stream.consumed / size)
                if fresh.num_rows:
                    yield fresh
        except pa.ArrowInvalid as error:
            if ragged:
                raise self._ragged(ragged[0]) from None
            if "straddling" in str(error):
                raise _RowBeyondBlockError from error
            raise self._unreadable() from None
        finally:
            stream.close()

    def _cut(self, stream: Utf8Stream, ragged: list[Any], block: int) -> Iterator[pa.RecordBatch]:
        """Yield pyarrow's batches; a row of another width is put into `ragged` and stops the reading."""

        def refuse(row: Any) -> str:
            ragged.append(row)
            return "error"

        # Numbers as names keep pyarrow from stumbling over what stands in a header.
        columns = [str(position) for position in range(self.width)]
        with pa.csv.open_csv(
            pa.PythonFile(stream, mode="r"),
            read_options=pa.csv.ReadOptions(
                block_size=block,
                use_threads=False,
                column_names=columns,
                # Blank lines above the header would be skipped in place of the header.
                skip_rows=self.sample.blank_lines(),
                skip_rows_after_names=1 if self.header else 0,
            ),
            parse_options=pa.csv.ParseOptions(
                delimiter=self._delimiter,
                newlines_in_values=True,
                # In a single column an empty line is a row without a value.
                ignore_empty_lines=self.width > 1,
                invalid_row_handler=refuse,
            ),
            convert_options=pa.csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                check_utf8=False,  # The whole file was decoded before.
            ),
        ) as reader:
            for batch in reader:
                yield batch.rename_columns(list(self.names))

    def _only_header(self, rows: int) -> bool:
        """Return whether the file ends with its header, without a line break: pyarrow calls that straddling too."""
        return not rows and self.sample.complete and len(self.sample.records(self._delimiter)) == 1

    def _check_open_quote(self, last: pa.RecordBatch, rows: int) -> None:
        """Raise if the last row swallowed lines: with an odd number of quotation marks, one was left open there."""
        for name, column in zip(self.names, last.columns, strict=True):
            cell = column[len(column) - 1].as_py()
            if cell and ("\n" in cell.rstrip("\r\n") or "\r" in cell.rstrip("\r\n")):
                row = rows + self.first_row - 1
                raise ReadingError(
                    "open-quote",
                    field=f"{self.file}: row {row}, {name}",
                    reason=(
                        "The quotation mark at the start of this cell is never closed.",
                        "该单元格开头的引号没有闭合。",
                    ),
                    mend=("Close it, or write it twice where it is data.", "请闭合引号；若引号本身是数据，请写两次。"),
                )

    def _ragged(self, row: Any) -> ReadingError:
        """Return the error that names the first lines whose number of cells differs."""
        lines = list(self._ragged_lines())
        if lines:
            listed = ", ".join(str(line) for line, _ in lines)
            widths = ", ".join(str(width) for width in dict.fromkeys(width for _, width in lines))
        else:
            # pyarrow counts its rows from 1 below the blank lines, without what is inside of quotation marks.
            listed, widths = str(row.number), str(row.actual_columns)
        return ReadingError(
            "ragged-rows",
            field=f"{self.file}: line {listed.partition(',')[0]}",
            reason=(
                f"The first line has {self.width} cells, but others have {widths}: line {listed}.",
                f"首行有 {self.width} 个单元格，但其他行有 {widths} 个：第 {listed} 行。",
            ),
            mend=(
                f"Give every line the same number of cells, and put cells that contain a {name_of(self._delimiter)[0]} in "
                "quotation marks; remove lines above the header.",
                f"请使每行单元格数一致，含{name_of(self._delimiter)[1]}的单元格请加引号，并删除表头之上的行。",
            ),
        )

    def _ragged_lines(self) -> Iterator[tuple[int, int]]:
        """Yield (line, number of cells) of the first ragged rows; an unreadable part ends the search."""
        stream = Utf8Stream(self.path, self._encoding)
        reader = csv.reader(lines(stream, self._limits.max_row_bytes), delimiter=self._delimiter)
        found, line, stop = 0, 1, None
        try:
            for row in reader:
                if row and len(row) != self.width:
                    found += 1
                    stop = stop or line + _FURTHER_LINES
                    yield line, len(row)
                line = reader.line_num + 1
                if found == _NAMED_LINES or (stop and line > stop):
                    return
        except csv.Error:
            return
        finally:
            stream.close()

    def _too_long(self, english: str, chinese: str) -> ReadingError:
        limit = self._limits.max_row_bytes // MEBIBYTE
        return ReadingError(
            "row-too-long",
            field=self.file,
            reason=(f"{english} is longer than {limit} MiB.", f"{chinese}超过 {limit} MiB。"),
            mend=(
                "Close the quotation mark that was left open, or keep large contents in files of their own.",
                "请检查是否有引号未闭合；大块内容请另存为单独的文件。",
            ),
        )

    def _unreadable(self) -> ReadingError:
        return ReadingError(
            "unreadable",
            field=self.file,
            # What pyarrow says quotes the row, which may hold anything.
            reason=("The rows cannot be cut into cells.", "无法将行切分为单元格。"),
            mend=("Export the file again.", "请重新导出该文件。"),
        )


def _check_delimiter(delimiter: str, file: str) -> None:
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n\0':
        raise ReadingError(
            "unknown-delimiter",
            field=file,
            reason=(f"“{shorten(delimiter)}” cannot be a delimiter.", f"“{shorten(delimiter)}”不能作分隔符。"),
            mend=("Name one ASCII character.", "请指定一个 ASCII 字符。"),
        )
