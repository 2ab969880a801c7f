"""One worksheet of a workbook, row by row (ECMA-376 18.3)."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

from openpyxl.utils.cell import get_column_letter
from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900, from_excel

from exchange.catalog.reading.archive import LocalNames, Walk
from exchange.catalog.reading.errors import shorten
from exchange.catalog.reading.forms import MISSING_MARKS
from exchange.catalog.reading.model import Limits
from exchange.catalog.reading.names import check_column_count
from exchange.catalog.reading.refusals import cell_too_long, damaged
from exchange.catalog.reading.workbook import SharedTexts, Workbook, unescape

_LAST_ROW = 1_048_576
_LETTERS = re.compile(r"[A-Z]{1,3}")
_DIGITS = re.compile(r"-?(?:0|[1-9][0-9]*)\Z")
_NO_TEXT = frozenset((*MISSING_MARKS, ""))
Row = dict[int, str]


class SheetReader:
    """The rows of one worksheet as dictionaries of column number (from 0) to text, and what was met on the way.

    `last_text` and `last_time` name the last row in which a column held a text or a time, headers included.
    """

    def __init__(self, walk: Walk, book: Workbook, texts: SharedTexts | None, file: str, limits: Limits) -> None:
        self._walk = walk
        self._walk.handle(start=self._start, end=self._end, text=self._text)
        self._book, self._texts, self._file, self._limits = book, texts, file, limits
        self._calendar = CALENDAR_MAC_1904 if book.from_1904 else CALENDAR_WINDOWS_1900
        self._local = LocalNames()
        self._done: list[tuple[int, Row]] = []
        self._row: Row = {}
        self._number = 0
        self._column = -1
        self._columns: dict[str, int] = {}
        self._type, self._style = "n", 0
        self._parts: list[str] = []
        self._size = 0
        self._taking = False
        self._phonetic = False
        self._formula = False
        self.last_text: dict[int, int] = {}
        self.last_time: dict[int, int] = {}
        self.formulas = self.uncached = self.merged = self.rounded = 0

    @property
    def share(self) -> float:
        """How much of the sheet was read, 0 to 1."""
        return self._walk.share

    def rows(self) -> Iterator[tuple[int, Row]]:
        """Yield (row number, cells) in order; rows without values are left out."""
        for _ in self._walk.pieces():
            done, self._done = self._done, []
            yield from done

    def _start(self, element: str, attributes: dict[str, str]) -> None:
        name = self._local[element]
        if name == "c":
            self._begin_cell(attributes)
        elif name in ("v", "t"):
            self._taking = not self._phonetic
        elif name == "f":
            self._formula = True
        elif name == "row":
            given = attributes.get("r", "")
            self._number = max(self._number + 1, int(given) if given.isdigit() and len(given) < 9 else 0)
            self._row, self._column = {}, -1
            if self._number > _LAST_ROW:
                raise damaged(
                    self._file, "The sheet has more rows than Excel allows.", "工作表的行数超过 Excel 的上限。"
                )
        elif name == "rPh":
            self._phonetic = True
        elif name == "mergeCell":
            self.merged += 1

    def _begin_cell(self, attributes: dict[str, str]) -> None:
        place = attributes.get("r")
        if place:
            letters = place.rstrip("0123456789")
            if letters not in self._columns:
                self._columns[letters] = _column_number(letters, self._file)
                check_column_count(self._columns[letters] + 1, self._file, self._limits)
            self._column = self._columns[letters]
        else:
            self._column += 1
            check_column_count(self._column + 1, self._file, self._limits)
        self._type = attributes.get("t", "n")
        style = attributes.get("s", "0")
        self._style = int(style) if style.isdigit() else 0
        self._parts, self._size, self._formula = [], 0, False

    def _text(self, text: str) -> None:
        if self._taking:
            self._parts.append(text)
            self._size += len(text)
            if self._size > self._limits.max_cell_bytes:
                letter = get_column_letter(self._column + 1)
                raise cell_too_long(self._file, self._number, letter, self._size, self._limits)

    def _end(self, element: str) -> None:
        name = self._local[element]
        if name in ("v", "t"):
            self._taking = False
        elif name == "c":
            self._end_cell()
        elif name == "row":
            if self._row:
                self._done.append((self._number, self._row))
        elif name == "rPh":
            self._phonetic = False

    def _end_cell(self) -> None:
        if self._formula:
            self.formulas += 1
            self.uncached += not self._parts
        if not self._parts:
            return
        written = "".join(self._parts)
        try:
            value = self._value(written)
        except (ValueError, IndexError, OverflowError) as error:
            cell = f"{get_column_letter(self._column + 1)}{self._number}"
            raise damaged(self._file, f"The cell {cell} cannot be read.", f"无法读取单元格 {cell}。") from error
        if value:
            self._row[self._column] = value

    def _value(self, written: str) -> str:
        """Return the cell as text, as a person would write it in a CSV file."""
        kind = self._type
        if kind in ("s", "str", "inlineStr"):
            # Without the table of texts, only the presence of data is asked for.
            value = (self._texts[int(written)] if self._texts else written) if kind == "s" else unescape(written)
            if value not in _NO_TEXT:
                self.last_text[self._column] = self._number
            return value
        if kind == "b":
            return "true" if written.strip() in ("1", "true") else "false"
        if kind == "e":
            return written
        if kind == "d":
            self.last_time[self._column] = self._number
            return written.strip().removesuffix("T00:00:00")
        if self._style in self._book.dates or self._style in self._book.durations:
            return self._time(written.strip())
        return self._numeral(written.strip())

    def _numeral(self, written: str) -> str:
        number = float(written)
        if abs(number) >= 1e15:
            self.rounded += 1
        return written if _DIGITS.match(written) else repr(number)

    def _time(self, written: str) -> str:
        """Return a serial number that is shown as a date, time or duration in ISO notation."""
        serial = float(written)
        try:
            value = from_excel(serial, self._calendar, timedelta=self._style in self._book.durations)
        except (OverflowError, ValueError):
            return self._numeral(written)  # Excel itself shows such a cell as #####.
        if isinstance(value, dt.datetime):
            self.last_time[self._column] = self._number
            day, _, clock = value.isoformat(" ").partition(" ")
            return day if clock == "00:00:00" else f"{day} {clock}"
        self.last_text[self._column] = self._number
        return str(value)


def _column_number(letters: str, file: str) -> int:
    if not _LETTERS.fullmatch(letters):
        raise damaged(file, f"“{shorten(letters)}” is no column.", f"“{shorten(letters)}”不是列号。")
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1
