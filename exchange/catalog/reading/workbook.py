"""The parts of an XLSX workbook beside its sheets: which sheets there are, date formats, shared texts (ECMA-376 18)."""

from __future__ import annotations

import posixpath
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc
from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format, is_timedelta_format

from exchange.catalog.reading.archive import Walk, local
from exchange.catalog.reading.errors import ReadingError
from exchange.catalog.reading.model import Limits
from exchange.catalog.reading.refusals import cell_too_long, damaged

# The Chinese editions have further built-in dates and times that no format string spells out (18.8.30).
_CHINESE_DATES = frozenset((*range(27, 37), *range(50, 59)))
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")
_SHARED_BATCH = 16_384
_CACHED = 65_536


@dataclass(frozen=True)
class Sheet:
    """A worksheet: the name on its tab, its part in the archive, whether it is shown."""

    name: str
    part: str
    visible: bool


@dataclass(frozen=True)
class Workbook:
    """Sheets in the order of their tabs, the style indexes that mean a date or a duration, and the 1904 calendar."""

    sheets: tuple[Sheet, ...]
    dates: frozenset[int]
    durations: frozenset[int]
    from_1904: bool
    shared_part: str | None


def read_workbook(archive: zipfile.ZipFile, file: str, limits: Limits) -> Workbook:
    """Return what the workbook says about itself. Raises ReadingError where a part is missing or damaged."""
    root = _relations(archive, "_rels/.rels", "", file, limits)
    main = next((target for kind, target in root.values() if kind == "officeDocument"), "xl/workbook.xml")
    folder, name = posixpath.split(main)
    relations = _relations(archive, f"{folder}/_rels/{name}.rels", folder, file, limits)
    listed: list[tuple[str, str, bool]] = []
    calendar: list[bool] = []

    def start(element: str, attributes: dict[str, str]) -> None:
        if local(element) == "sheet":
            identifier = next((value for key, value in attributes.items() if local(key) == "id"), "")
            listed.append((attributes.get("name", ""), identifier, attributes.get("state", "visible") == "visible"))
        elif local(element) == "workbookPr":
            calendar.append(attributes.get("date1904", "0") in ("1", "true"))

    walk = Walk(archive, main, file, limits)
    walk.handle(start=start)
    walk.read()
    sheets = tuple(
        Sheet(title, relations[identifier][1], visible)
        for title, identifier, visible in listed
        if relations.get(identifier, ("", ""))[0] == "worksheet"
    )
    part_of = dict(relations.values())
    dates, durations = _date_styles(archive, part_of.get("styles"), file, limits)
    return Workbook(sheets, dates, durations, any(calendar), part_of.get("sharedStrings"))


def _relations(
    archive: zipfile.ZipFile, part: str, folder: str, file: str, limits: Limits
) -> dict[str, tuple[str, str]]:
    """Return id to (kind, part) of one relations part; a part without relations has none."""
    found: dict[str, tuple[str, str]] = {}
    if part not in archive.NameToInfo:
        return found

    def start(element: str, attributes: dict[str, str]) -> None:
        if local(element) == "Relationship" and attributes.get("TargetMode") != "External":
            target = attributes.get("Target", "")
            path = target.lstrip("/") if target.startswith("/") else posixpath.join(folder, target)
            kind = attributes.get("Type", "").rpartition("/")[2]
            found[attributes.get("Id", "")] = (kind, posixpath.normpath(path))

    walk = Walk(archive, part, file, limits)
    walk.handle(start=start)
    walk.read()
    return found


def _date_styles(
    archive: zipfile.ZipFile, part: str | None, file: str, limits: Limits
) -> tuple[frozenset[int], frozenset[int]]:
    """Return the cell style indexes whose number format shows a date or time, and those that show a duration."""
    codes: dict[int, str] = dict(BUILTIN_FORMATS)
    formats: list[int] = []
    inside: list[str] = []

    def start(element: str, attributes: dict[str, str]) -> None:
        name = local(element)
        if name == "numFmt":
            codes[_integer(attributes.get("numFmtId"))] = attributes.get("formatCode", "")
        elif name == "xf" and inside and inside[-1] == "cellXfs":
            formats.append(_integer(attributes.get("numFmtId")))
        inside.append(name)

    def end(_: str) -> None:
        inside.pop()

    if part is None or part not in archive.NameToInfo:
        return frozenset(), frozenset()
    walk = Walk(archive, part, file, limits)
    walk.handle(start=start, end=end)
    walk.read()
    durations = {index for index, number in enumerate(formats) if is_timedelta_format(codes.get(number, "General"))}
    dates = {
        index
        for index, number in enumerate(formats)
        if is_date_format(codes.get(number, "General")) or (number in _CHINESE_DATES and number not in codes)
    }
    return frozenset(dates - durations), frozenset(durations)


def _integer(value: str | None) -> int:
    return int(value) if value and value.isdigit() else 0


class SharedTexts:
    """The workbook's table of texts, kept on disk and looked up by number; the memory is that of a small cache."""

    def __init__(self, archive: zipfile.ZipFile, part: str | None, path: Path, file: str, limits: Limits) -> None:
        self._file, self._limits = file, limits
        self._waiting: list[str] = []
        self._current: list[str] = []
        self._size = 0
        self._taking = False
        self._phonetic = 0
        self._cache: dict[int, str] = {}
        self._batches: list[pa.StringArray] = []
        if part is None or part not in archive.NameToInfo:
            return
        if archive.getinfo(part).file_size > limits.shared_text_bytes:
            raise damaged(file, "The workbook's table of texts is too large.", "工作簿的共享文本表过大。")
        walk = Walk(archive, part, file, limits)
        walk.handle(start=self._start, end=self._end, text=self._text)
        schema = pa.schema([("text", pa.string())])
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            for _ in walk.pieces():
                while len(self._waiting) >= _SHARED_BATCH:
                    writer.write_batch(self._batch(schema, _SHARED_BATCH))
            if self._waiting:
                writer.write_batch(self._batch(schema, len(self._waiting)))
        self._map = pa.memory_map(str(path))
        reader = pa.ipc.open_file(self._map)
        self._batches = [reader.get_batch(number).column(0) for number in range(reader.num_record_batches)]

    def _batch(self, schema: pa.Schema, size: int) -> pa.RecordBatch:
        taken, self._waiting = self._waiting[:size], self._waiting[size:]
        return pa.record_batch([pa.array(taken, pa.string())], schema=schema)

    def _start(self, element: str, _: dict[str, str]) -> None:
        name = local(element)
        if name == "si":
            self._current, self._size = [], 0
        elif name == "rPh":
            self._phonetic += 1
        self._taking = name == "t" and not self._phonetic

    def _text(self, text: str) -> None:
        if self._taking:
            self._current.append(text)
            self._size += len(text)
            if self._size > self._limits.max_cell_bytes:
                raise cell_too_long(self._file, 0, "sharedStrings", self._size, self._limits)

    def _end(self, element: str) -> None:
        name = local(element)
        self._taking = False
        if name == "si":
            self._waiting.append(unescape("".join(self._current)))
        elif name == "rPh":
            self._phonetic -= 1

    def __getitem__(self, index: int) -> str:
        """Return a text. Raises IndexError for a number that is not in the table."""
        known = self._cache.get(index)
        if known is None:
            if index < 0:
                raise IndexError(index)
            known = str(self._batches[index // _SHARED_BATCH][index % _SHARED_BATCH].as_py())
            if len(self._cache) >= _CACHED:
                self._cache.clear()
            self._cache[index] = known
        return known


def unescape(text: str) -> str:
    """Return a text with Excel's escapes (_x000D_) as the characters they stand for (ECMA-376 22.4.2.4)."""
    if "_x" not in text:
        return text
    return _ESCAPE.sub(_character, text)


def _character(match: re.Match[str]) -> str:
    code = int(match[1], 16)
    return match[0] if code == 0 or 0xD800 <= code < 0xE000 else chr(code)


def no_sheet(file: str, names: list[str], wanted: str | None) -> ReadingError:
    """Return the error for a workbook in which no sheet holds data, or in which the named one is missing."""
    listed = ", ".join(f"“{name}”" for name in names) or "none"
    if wanted is not None:
        reason = (
            f"There is no sheet “{wanted}”; there are: {listed}.",
            f"没有名为“{wanted}”的工作表；现有：{listed}。",
        )
        return ReadingError(
            "unknown-sheet",
            field=file,
            reason=reason,
            mend=("Name one of the sheets.", "请指定其中一个工作表。"),
        )
    return ReadingError(
        "empty-file",
        field=file,
        reason=(f"No sheet holds data (sheets: {listed}).", f"没有任何工作表含有数据（工作表：{listed}）。"),
        mend=("Save the workbook again with its rows.", "请重新保存含数据的工作簿。"),
    )
