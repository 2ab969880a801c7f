"""How a delimited text file is laid out, judged from its beginning: its delimiter, and whether it has a header."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from exchange.catalog.reading.errors import ReadingError, shorten
from exchange.catalog.reading.forms import INTEGER, MISSING, Form, classify

DELIMITERS = (",", ";", "\t", "|")
_FOREIGN = (":", "^", "~", "，", "；", "\x1f", "\x01")
_NAMES = {
    ",": ("comma", "逗号"),
    ";": ("semicolon", "分号"),
    "\t": ("tab", "制表符"),
    "|": ("vertical bar", "竖线"),
}
_RECORDS = 100


@dataclass(frozen=True)
class Sample:
    """The beginning of a file as text; `complete` says that it is the whole file."""

    text: str
    complete: bool

    def blank_lines(self) -> int:
        """Return how many lines before the first record are empty."""
        breaks = self.text[: len(self.text) - len(self.text.lstrip("\r\n"))]
        return len(breaks.splitlines())

    def records(self, delimiter: str, most: int = _RECORDS) -> list[list[str]]:
        """Return the first records that are not blank, without one that the end of the sample cuts."""
        rows: list[list[str]] = []
        reader = csv.reader(io.StringIO(self.text, newline=""), delimiter=delimiter)
        try:
            for row in reader:
                if row:
                    rows.append(row)
                if len(rows) > most:
                    return rows[:most]
        except csv.Error:
            return rows  # A cell is beyond what the module reads; what stands before it is enough.
        return rows if self.complete else rows[:-1]


def name_of(delimiter: str) -> tuple[str, str]:
    """Return how a delimiter is called in English and Chinese."""
    return _NAMES.get(delimiter, (f"“{shorten(delimiter)}”", f"“{shorten(delimiter)}”"))


@dataclass(frozen=True)
class _Fit:
    """How well a delimiter cuts the sample: the width of the first record and the share of others that have it."""

    delimiter: str
    width: int
    share: float
    body_width: int
    body_share: float


def _fit(sample: Sample, delimiter: str) -> _Fit:
    rows = sample.records(delimiter)
    widths = [len(row) for row in rows]
    body = widths[1:]
    if not body:
        return _Fit(delimiter, widths[0] if widths else 0, 1.0, 0, 0.0)
    common, count = Counter(body).most_common(1)[0]
    return _Fit(delimiter, widths[0], body.count(widths[0]) / len(body), common, count / len(body))


def detect_delimiter(sample: Sample, file: str, preferred: str = ",") -> str:
    """Return the delimiter of the sample. Raises ReadingError where the header has one that the rows do not use."""
    candidates = sorted(DELIMITERS, key=lambda delimiter: delimiter != preferred)
    fits = [_fit(sample, delimiter) for delimiter in candidates]
    cutting = [fit for fit in fits if fit.width > 1]
    best = max(cutting, key=lambda fit: (fit.share, fit.width), default=None)
    if best and best.share >= 0.5:
        return best.delimiter
    # The rows agree among themselves: then the first line is what stands out, and is named as such later.
    body = max(fits, key=lambda fit: (fit.body_width > 1, fit.body_share, fit.body_width))
    if body.body_width > 1 and body.body_share >= 0.8:
        return body.delimiter
    if best and best.body_width > 1:
        return best.delimiter
    check_single_column(sample, preferred, file)
    return preferred


def check_single_column(sample: Sample, delimiter: str, file: str) -> None:
    """Raise ReadingError if `delimiter` leaves the header in one piece although it contains another delimiter."""
    rows = sample.records(delimiter)
    if not rows or len(rows[0]) != 1:
        return
    others = [other for other in DELIMITERS if other != delimiter and _fit(sample, other).width > 1]
    for foreign in _FOREIGN:
        inside = sum(foreign in row[0] for row in rows)
        if foreign in rows[0][0] and len(rows) > 1 and inside >= 0.9 * len(rows):
            others.append(foreign)
    if others:
        used, found = name_of(delimiter), name_of(others[0])
        raise ReadingError(
            "wrong-delimiter",
            field=file,
            reason=(
                f"Cut at every {used[0]} the table has one column, but its first line contains the delimiter "
                f"{found[0]}.",
                f"按{used[1]}切分只有一列，但首行含分隔符{found[1]}。",
            ),
            mend=(
                "Write header and rows with one delimiter: comma, semicolon, tab or vertical bar; put a name that "
                "contains it in quotation marks.",
                "表头与数据行请使用同一分隔符：逗号、分号、制表符或竖线；名称中若含分隔符，请加引号。",
            ),
        )


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the first record names the columns: it does unless a value stands in it.

    Years as names ("machine;2023;2024") are taken for names where the rows below hold other values, and so are
    numbers counted from zero, which programs write for columns without names.
    """
    first, body = rows[0], rows[1:]
    values = [position for position, cell in enumerate(first) if _is_value(cell)]
    if not values:
        return True
    if body and _counts_from_zero(first) and not any(_counts_from_zero(row) for row in body):
        return True
    if len(values) == len(first) or not body:
        return False
    return all(_is_year(first[position]) and not _all_years(body, position) for position in values)


def _form(cell: str) -> Form | None:
    form = classify(cell.strip())
    return None if form is MISSING else form


def _is_value(cell: str) -> bool:
    return _form(cell) is not None


def _counts_from_zero(row: Sequence[str]) -> bool:
    """Return whether a row is 0, 1, 2 and so on, maybe after a cell of its own for the index."""
    counted = [cell.strip() for cell in (row[1:] if row and row[0].strip() != "0" else row)]
    return len(counted) > 2 and counted == [str(number) for number in range(len(counted))]


def _is_year(cell: str) -> bool:
    return _form(cell) is INTEGER and len(cell.strip()) == 4 and cell.strip()[:2] in ("19", "20")


def _all_years(body: Sequence[Sequence[str]], position: int) -> bool:
    return all(_is_year(row[position]) for row in body if position < len(row))
