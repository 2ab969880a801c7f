"""XLSX: one worksheet read row by row into a spool of text cells (ECMA-376 18.3).

openpyxl's row reader keeps an element for every row it has passed and the whole table of texts in memory, so the rows
are read here; its number formats and calendar decide what is a date. Formulas count as their cached values.
"""

from __future__ import annotations

import itertools
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from exchange.catalog.reading.archive import Walk, open_archive
from exchange.catalog.reading.dialect import has_header
from exchange.catalog.reading.errors import ReadingWarning
from exchange.catalog.reading.model import Hints, Limits
from exchange.catalog.reading.names import clean_names, numbered_names
from exchange.catalog.reading.refusals import header_only
from exchange.catalog.reading.sheet import Row, SheetReader
from exchange.catalog.reading.source import Report
from exchange.catalog.reading.spool import Spool
from exchange.catalog.reading.workbook import SharedTexts, Sheet, Workbook, no_sheet, read_workbook

_HEAD_ROWS = 100
_TITLE_WIDTH = 3


class XlsxSource:
    """The first sheet with data (or the named one) of a workbook. Raises ReadingError where it is no table."""

    format = "xlsx"
    encoding: str | None = None
    delimiter: str | None = None

    def __init__(self, path: Path, file: str, hints: Hints, limits: Limits, *, workspace: Path, report: Report) -> None:
        self.file, self._limits, self._hints = file, limits, hints
        self.remarks: list[ReadingWarning] = []
        with open_archive(path, file, limits) as archive:
            book = read_workbook(archive, file, limits)
            sheet = self._choose(archive, book)
            texts = SharedTexts(archive, book.shared_part, workspace / "texts.arrow", file, limits)
            reader = SheetReader(Walk(archive, sheet.part, file, limits), book, texts, file, limits)
            self._spool = Spool(workspace / "rows.arrow")
            try:
                self._load(reader, sheet, report)
            finally:
                self._spool.finish()
        self._name_columns(reader)
        self._remark(reader, sheet)

    def _choose(self, archive: zipfile.ZipFile, book: Workbook) -> Sheet:
        """Return the sheet to read, and remark the others that hold data."""
        names = [sheet.name for sheet in book.sheets]
        wanted = self._hints.sheet
        if wanted is not None:
            named = [sheet for sheet in book.sheets if sheet.name == wanted]
            if not named:
                raise no_sheet(self.file, names, wanted)
            return named[0]
        filled = [
            sheet
            for sheet in sorted(book.sheets, key=lambda sheet: not sheet.visible)
            if self._has_data(archive, sheet, book)
        ]
        if not filled:
            raise no_sheet(self.file, names, None)
        others = "”, “".join(sheet.name for sheet in filled[1:])
        if others:
            self.remarks.append(
                ReadingWarning(
                    "other-sheets",
                    self.file,
                    f"{self.file}: the sheet “{filled[0].name}” was read; these hold data too: “{others}”.",
                    f"{self.file}：已读取工作表“{filled[0].name}”；以下工作表也含数据：“{others}”。",
                    len(filled) - 1,
                )
            )
        return filled[0]

    def _has_data(self, archive: zipfile.ZipFile, sheet: Sheet, book: Workbook) -> bool:
        walk = Walk(archive, sheet.part, self.file, self._limits)
        return next(SheetReader(walk, book, None, self.file, self._limits).rows(), None) is not None

    def _load(self, reader: SheetReader, sheet: Sheet, report: Report) -> None:
        """Find the header, then put all rows below it into the spool, empty rows between them included."""
        rows = reader.rows()
        head = list(itertools.islice(rows, _HEAD_ROWS))
        if not head:
            raise no_sheet(self.file, [sheet.name], None)
        head = self._skip_titles(head)
        width = max(max(row) for _, row in head) + 1
        table = [[row.get(column, "") for column in range(width)] for _, row in head]
        filled = [column for column in range(width) if table[0][column]]
        if self._hints.header is None:
            self.header: bool | None = has_header([[line[column] for column in filled] for line in table])
        else:
            self.header = self._hints.header
        self._first = head.pop(0)[1] if self.header else {}
        number = head[0][0] if head else 0
        self.first_row, empty = number, 0
        for at, row in itertools.chain(head, rows):
            for _ in range(at - number):
                self._spool.append({}, 1)
            empty += at - number
            number = at + 1
            self._spool.append({str(column): value for column, value in row.items()}, sum(map(len, row.values())))
            if self._spool.rows % 4096 == 0:
                report(reader.share)
        if not self._spool.rows:
            raise header_only(self.file)
        if empty:
            self._say("empty-rows", empty, f"{empty:,} rows between others are empty", f"中间有 {empty:,} 个空行")

    def _skip_titles(self, head: list[tuple[int, Row]]) -> list[tuple[int, Row]]:
        """Leave out lines of one cell above a wider table, and say so."""
        width = max(len(row) for _, row in head)
        skipped = 0
        while width >= _TITLE_WIDTH and len(head[skipped][1]) == 1:
            skipped += 1
        if skipped:
            self._say(
                "title-skipped",
                skipped,
                f"{skipped} lines above the table, from row {head[0][0]} on, are left out",
                f"表格上方自第 {head[0][0]} 行起的 {skipped} 行已略去",
            )
        return head[skipped:]

    def _name_columns(self, reader: SheetReader) -> None:
        """Name the columns by the header; columns without name and values do not exist."""
        used = {int(key) for key, count in self._spool.keys.items() if key and count}
        columns = sorted({*self._first, *used})
        if self.header:
            self.names, remarks = clean_names([self._first.get(column) for column in columns], self.file, self._limits)
            self.remarks += remarks
        else:
            self.names = numbered_names(len(columns))
            self._say(
                "no-header",
                1,
                "the first row holds values, so the columns are numbered",
                "首行是数据而非表头，各列已编号",
            )
        self._keys = tuple(map(str, columns))
        named = dict(zip(columns, self.names, strict=True))
        self.declared_text = self._typed_below_header(reader.last_text, named)
        self.declared_time = self._typed_below_header(reader.last_time, named)

    def _typed_below_header(self, last: dict[int, int], named: dict[int, str]) -> frozenset[str]:
        return frozenset(named[column] for column, row in last.items() if row >= self.first_row and column in named)

    def _remark(self, reader: SheetReader, sheet: Sheet) -> None:
        if reader.formulas:
            self._say(
                "formulas",
                reader.formulas,
                f"{reader.formulas:,} cells of “{sheet.name}” are formulas; their stored results are read",
                f"“{sheet.name}”中有 {reader.formulas:,} 个公式单元格，读取的是其已存结果",
            )
        if reader.uncached:
            self._say(
                "formulas-without-result",
                reader.uncached,
                f"{reader.uncached:,} formulas have no stored result and are read as no value; open and save the "
                "workbook in a spreadsheet program",
                f"{reader.uncached:,} 个公式没有已存结果，按空值读取；请用电子表格软件打开并保存该工作簿",
            )
        if reader.merged:
            self._say(
                "merged-cells",
                reader.merged,
                f"{reader.merged:,} ranges are merged; only their first cell has the value",
                f"有 {reader.merged:,} 处合并单元格，仅首个单元格有值",
            )
        if reader.rounded:
            self._say(
                "rounded-by-spreadsheet",
                reader.rounded,
                f"{reader.rounded:,} numbers have more than 15 digits, which spreadsheet programs round; store such "
                "identifiers as text",
                f"有 {reader.rounded:,} 个数字超过 15 位，电子表格软件会对其取整；此类编号请存为文本",
            )

    def _say(self, code: str, count: int, english: str, chinese: str) -> None:
        self.remarks.append(
            ReadingWarning(code, self.file, f"{self.file}: {english}.", f"{self.file}：{chinese}。", count)
        )

    def batches(self, report: Report) -> Iterator[pa.RecordBatch]:
        """Yield the rows in order, an empty cell as null."""
        done = 0
        for batch in self._spool.batches(self._keys, self.names):
            done += batch.num_rows
            report(done / self._spool.rows)
            yield batch
