"""JSON lines: one object a line, its keys the columns.

Numbers keep the digits that are written. A quoted value is text unless it is a date, since JSON has no other way to
write one; nested values are kept as compact JSON text, with a remark.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from exchange.catalog.reading.encoding import detect_encoding
from exchange.catalog.reading.errors import ReadingError, ReadingWarning, shorten
from exchange.catalog.reading.forms import MISSING_MARKS
from exchange.catalog.reading.model import Hints, Limits
from exchange.catalog.reading.names import check_column_count, clean_names
from exchange.catalog.reading.refusals import cell_too_long, empty_file
from exchange.catalog.reading.source import Report
from exchange.catalog.reading.spool import Spool
from exchange.catalog.reading.streams import Utf8Stream, lines

_NO_TEXT = frozenset((*MISSING_MARKS, ""))


class _Number(str):
    """The digits of a JSON number, told apart from a quoted value."""

    __slots__ = ()


class _RepeatedKeyError(ValueError):
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise _RepeatedKeyError(next(name for name in names if names.count(name) > 1))
    return found


_DECODER = json.JSONDecoder(parse_float=_Number, parse_int=_Number, parse_constant=_Number, object_pairs_hook=_object)


class JsonLinesSource:
    """One file of JSON lines, parsed once into a spool in `workspace`. Raises ReadingError where it is no table."""

    format = "jsonl"
    delimiter: str | None = None
    header: bool | None = None
    first_row = 1

    def __init__(self, path: Path, file: str, hints: Hints, limits: Limits, *, workspace: Path, report: Report) -> None:
        self.file, self._limits = file, limits
        encoding = detect_encoding(path, file, hints.encoding)
        self.encoding: str | None = encoding.label
        self._text: set[str] = set()
        self._nested: dict[str, int] = {}
        self._spool = Spool(workspace / "rows.arrow")
        size = max(1, path.stat().st_size)
        stream = Utf8Stream(path, encoding)
        try:
            for number, line in enumerate(lines(stream, limits.max_row_bytes), start=1):
                self._take(line, number)
                if number % 4096 == 0:
                    report(min(1.0, stream.consumed / size))
        finally:
            stream.close()
            self._spool.finish()
        if not self._spool.rows:
            raise empty_file(file)
        self._keys = tuple(self._spool.keys)
        self.names, self.remarks = self._name_columns()
        renamed = dict(zip(self._keys, self.names, strict=True))
        self.declared_text = frozenset(renamed[key] for key in self._text)
        self.declared_time: frozenset[str] = frozenset()

    def _take(self, line: str, number: int) -> None:
        """Add one line to the spool."""
        if len(line) >= self._limits.max_row_bytes:
            raise self._refuse("row-too-long", number, "The line is too long.", "该行过长。")
        if not line.strip():
            return
        try:
            value = _DECODER.decode(line.strip())
        except _RepeatedKeyError as error:
            name = shorten(str(error))
            raise self._refuse(
                "repeated-name", number, f"The key “{name}” occurs twice.", f"键“{name}”出现两次。"
            ) from error
        except (ValueError, RecursionError) as error:
            where = f" (column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
            raise self._refuse(
                "invalid-json", number, f"This is not valid JSON{where}.", f"不是有效的 JSON{where}。"
            ) from error
        if not isinstance(value, dict):
            raise self._refuse("not-an-object", number, "The line is no JSON object.", "该行不是 JSON 对象。")
        check_column_count(max(len(value), len(self._spool.keys)), self.file, self._limits)
        plain = {
            key: cell if cell is None or type(cell) is _Number else self._cell(key, cell, number)
            for key, cell in value.items()
        }
        self._spool.append(plain, len(line))

    def _cell(self, key: str, value: Any, number: int) -> str | None:
        """Return a value that is neither missing nor a number as it stands in a text column."""
        if isinstance(value, str):
            if value not in _NO_TEXT:
                self._text.add(key)
            if len(value) <= self._limits.max_cell_bytes and value.isascii():
                return value
        elif isinstance(value, bool):
            return "true" if value else "false"
        try:
            if not isinstance(value, str):
                self._nested[key] = self._nested.get(key, 0) + 1
                self._text.add(key)
                value = _dump(value)
            size = len(value.encode())
        except UnicodeEncodeError as error:
            raise self._refuse(
                "undecodable", number, f"“{key}” holds half a character.", f"“{key}”含不完整的字符。"
            ) from error
        except RecursionError as error:
            raise self._refuse(
                "invalid-json", number, f"“{key}” is nested too deeply.", f"“{key}”嵌套过深。"
            ) from error
        if size > self._limits.max_cell_bytes:
            raise cell_too_long(self.file, number, key, size, self._limits)
        return str(value)

    def _refuse(self, code: str, number: int, english: str, chinese: str) -> ReadingError:
        return ReadingError(
            code,
            field=f"{self.file}: line {number}",
            reason=(english, f"第 {number} 行：{chinese}"),
            mend=("Write one JSON object a line.", "请每行写一个 JSON 对象。"),
        )

    def _name_columns(self) -> tuple[tuple[str, ...], list[ReadingWarning]]:
        names, remarks = clean_names(self._keys, self.file, self._limits)
        for key, count in self._nested.items():
            remarks.append(
                ReadingWarning(
                    "nested-values",
                    key,
                    f"Column “{key}” has {count:,} nested values; they are kept as JSON text.",
                    f"列“{key}”有 {count:,} 个嵌套值，已保留为 JSON 文本。",
                    count,
                )
            )
        return names, remarks

    def batches(self, report: Report) -> Iterator[pa.RecordBatch]:
        """Yield the rows in order, a missing key as null."""
        done = 0
        for batch in self._spool.batches(self._keys, self.names):
            done += batch.num_rows
            report(done / self._spool.rows)
            yield batch


def _dump(value: Any) -> str:
    """Return a parsed value as compact JSON, numbers with the digits that were written."""
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, dict):
        return (
            "{" + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{_dump(item)}" for key, item in value.items()) + "}"
        )
    if isinstance(value, list):
        return "[" + ",".join(map(_dump, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def is_object_line(text: str) -> bool:
    """Return whether the first line of `text` that is not blank is a JSON object."""
    first = next((line for line in io.StringIO(text) if line.strip()), "")
    try:
        return isinstance(_DECODER.decode(first.strip()), dict)
    except (ValueError, RecursionError):
        return False
