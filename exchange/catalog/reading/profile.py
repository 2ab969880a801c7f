"""What one pass over a column finds: which written forms occur, how often, and where first.

A profile only grows: whatever later rows bring, the forms found before remain, so that the type decided at the end
holds every value. Clean columns are recognised by one cast of a whole batch; only the others are matched by form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from exchange.catalog.reading.errors import shorten
from exchange.catalog.reading.forms import (
    DATE_FORMS,
    DECIMAL,
    INTEGER,
    PLAIN_NUMBER,
    Form,
    Mask,
    as_mask,
    classify,
)
from exchange.catalog.reading.types import ISO, ColumnType, parse_cells, trim

_ISO_DATE = next(form for form in DATE_FORMS if form.order == ISO and form.parts == "date")
_ISO_DATETIME = next(form for form in DATE_FORMS if form.order == ISO and form.parts == "datetime")
_DATE_TYPE = {"date": "date", "datetime": "timestamp", "zoned": "timestamp_utc"}
_LOOKS_LIKE_FORMULA = r"^\s*[=+\-@]."
_SIGNED_FIGURES = r"^\s*(?:[+-][0-9]*[.,]?[0-9]*(?:[eE][+-]?[0-9]+)?|-+)\s*$"
_SAMPLE = 64


@dataclass
class Seen:
    """How many cells, and the row of the first of them as the publisher counts rows (the header is row 1).

    No value: a remark is kept and shown, and what stands in a cell can be somebody's name.
    """

    count: int
    row: int


@dataclass
class Profile:
    """The findings on one column. `declared_text` and `declared_time` say that the source typed some cells itself."""

    name: str
    rows: int = 0
    nulls: int = 0
    forms: dict[Form, Seen] = field(default_factory=dict)
    free: Seen | None = None
    formulas: Seen | None = None
    line_breaks: Seen | None = None
    declared_text: bool = False
    declared_time: bool = False
    example: str | None = None
    _fast: Callable[[pa.StringArray], Form | None] | None = None
    _counted: list[Form] = field(default_factory=list)

    def observe(self, cells: pa.StringArray, first_row: int) -> None:
        """Take in the next cells; `first_row` is the row number of the first of them."""
        self.rows += len(cells)
        self.nulls += cells.null_count
        if cells.null_count == len(cells):
            return
        if self.example is None:
            self.example = shorten(cells.drop_null()[0].as_py(), 80)
        if self.free:
            self._count_text(cells, first_row)
        elif not self._recognise(cells, first_row):
            self._match(cells, first_row)

    def values(self) -> int:
        """Return how many cells hold a value."""
        return self.rows - self.nulls

    def _recognise(self, cells: pa.StringArray, first_row: int) -> bool:
        """Return whether one quick test held for all cells; the first value says which tests are worth trying."""
        # A cast that fails on every cell is slow, since Arrow words an error for each.
        form = classify(cells.drop_null()[0].as_py())
        tests = _TESTS.get(form, ()) if form else ()
        for test in sorted(tests, key=lambda test: test is not self._fast):
            found = test(cells)
            if found:
                self._fast = test
                self._see(found, len(cells) - cells.null_count, first_row, cells, None)
                return True
        return False

    def _see(self, form: Form, count: int, first_row: int, cells: pa.Array, index: int | None) -> None:
        """Record `count` cells of `form`, the first at `index` (None: the first that is not null)."""
        known = self.forms.get(form)
        if known:
            known.count += count
            return
        if index is None:
            index = int(np.flatnonzero(as_mask(pc.is_valid(cells)))[0])
        self.forms[form] = Seen(count, first_row + index)

    def _match(self, cells: pa.StringArray, first_row: int) -> None:
        """Sort the cells into their forms; the first value of no form makes the column free text."""
        values = trim(cells)
        self.nulls += values.null_count - cells.null_count
        remaining = as_mask(pc.is_valid(values))
        while remaining.any():
            index = int(remaining.argmax())
            form = classify(values[index].as_py())
            if form is None:
                break
            hits = form.mask(values) & remaining
            wrong = _first_wrong(values, hits, form)
            if wrong is not None:
                index = wrong
                break
            self._see(form, int(hits.sum()), first_row, values, index)
            remaining &= ~hits
        else:
            return
        self.free = Seen(1, first_row + index)
        remaining[index] = False
        self._begin_text(values, remaining, first_row)
        self._count_hazards(cells, first_row)

    def _begin_text(self, values: pa.Array, remaining: np.ndarray, first_row: int) -> None:
        """Decide which forms are worth counting on in text: those seen, and those common among the values at hand."""
        places = np.flatnonzero(remaining)
        sample = [classify(values[int(place)].as_py()) for place in places[:: max(1, len(places) // _SAMPLE)][:_SAMPLE]]
        common = {form for form in sample if form} if sum(map(bool, sample)) * 2 > len(sample) else set()
        self._counted = sorted({*self.forms, *common}, key=lambda form: form.name)
        left = int(remaining.sum())
        for form in self._counted:
            hits = form.mask(values) & remaining
            if hits.any():
                self._see(form, int(hits.sum()), first_row, values, int(hits.argmax()))
                left -= int(hits.sum())
                remaining &= ~hits
        self._count_free(left)

    def _count_text(self, cells: pa.StringArray, first_row: int) -> None:
        """Go on counting in a column that is text already."""
        left = len(cells) - cells.null_count
        if self._counted:
            values = trim(cells)
            for form in self._counted:
                hits = form.mask(values)
                if hits.any():
                    self._see(form, int(hits.sum()), first_row, values, int(hits.argmax()))
                    left -= int(hits.sum())
        self._count_free(left)
        self._count_hazards(cells, first_row)

    def _count_free(self, count: int) -> None:
        if self.free:
            self.free.count += count

    def _count_hazards(self, cells: pa.StringArray, first_row: int) -> None:
        """Count cells that a spreadsheet program would take for a formula, and cells of several lines."""
        hits = as_mask(pc.match_substring_regex(cells, _LOOKS_LIKE_FORMULA))
        if hits.any():
            hits &= ~as_mask(pc.match_substring_regex(cells, _SIGNED_FIGURES))
        self.formulas = _sum(self.formulas, _first_hit(hits, first_row))
        self.line_breaks = _sum(self.line_breaks, _first_hit(as_mask(pc.match_substring(cells, "\n")), first_row))


def _first_hit(hits: Mask, first_row: int) -> Seen | None:
    if not hits.any():
        return None
    place = int(hits.argmax())
    return Seen(int(hits.sum()), first_row + place)


def _sum(first: Seen | None, second: Seen | None) -> Seen | None:
    """Return both counts as one, keeping the row of the first."""
    if first is None or second is None:
        return first or second
    return Seen(first.count + second.count, first.row)


def merge(profiles: Iterable[Profile]) -> Profile:
    """Return the profile of one column over several files, in their order."""
    whole: Profile | None = None
    for profile in profiles:
        if whole is None:
            whole = Profile(profile.name)
        whole.rows += profile.rows
        whole.nulls += profile.nulls
        for form, seen in profile.forms.items():
            whole.forms[form] = _sum(whole.forms.get(form), seen) or seen
        whole.free = _sum(whole.free, profile.free)
        whole.formulas = _sum(whole.formulas, profile.formulas)
        whole.line_breaks = _sum(whole.line_breaks, profile.line_breaks)
        whole.declared_text |= profile.declared_text
        whole.declared_time |= profile.declared_time
        whole.example = whole.example or profile.example
    if whole is None:
        raise ValueError("no profiles to merge")
    return whole


def _first_wrong(values: pa.Array, hits: np.ndarray, form: Form) -> int | None:
    """Return the place of the first date among `hits` that is in no calendar, or None."""
    if form.family != "date" or not hits.any():
        return None
    kind = ColumnType(_DATE_TYPE[form.parts], form.order.split("|")[0], form.nanoseconds)
    places = np.flatnonzero(hits)
    wrong = first_unreadable(values.take(pa.array(places)), kind)
    return None if wrong is None else int(places[wrong])


def first_unreadable(cells: pa.StringArray, kind: ColumnType) -> int | None:
    """Return the place of the first cell that is no value of `kind`, found by halving; None if all are."""
    if _readable(cells, kind):
        return None
    start, stop = 0, len(cells)
    while stop - start > 1:
        middle = (start + stop) // 2
        if _readable(cells.slice(start, middle - start), kind):
            start = middle
        else:
            stop = middle
    return start


def _readable(cells: pa.StringArray, kind: ColumnType) -> bool:
    try:
        parse_cells(cells, kind)
    except pa.ArrowInvalid:
        return False
    return True


def _all_integers(cells: pa.StringArray) -> Form | None:
    """Return INTEGER if writing the parsed numbers again gives the same cells: no zeros led, no sign was dropped."""
    try:
        numbers = pc.cast(cells, pa.int64())
    except pa.ArrowInvalid:
        return None
    limits = pc.min_max(numbers).as_py()
    if limits["min"] <= -(10**15) or limits["max"] >= 10**15:
        return None  # Long integers are counted apart, since they are not exact beside decimals.
    return INTEGER if pc.all(pc.equal(pc.cast(numbers, pa.string()), cells)).as_py() else None


def _all_numbers(cells: pa.StringArray) -> Form | None:
    return DECIMAL if pc.all(pc.match_substring_regex(cells, f"^(?:{PLAIN_NUMBER})$")).as_py() else None


def _all_iso_times(cells: pa.StringArray) -> Form | None:
    return _ISO_DATETIME if _all_iso(cells, 16, 26, pa.timestamp("us")) else None


def _all_iso_dates(cells: pa.StringArray) -> Form | None:
    return _ISO_DATE if _all_iso(cells, 10, 10, pa.date32()) else None


def _all_iso(cells: pa.StringArray, shortest: int, longest: int, kind: pa.DataType) -> bool:
    """Return whether all cells are padded ISO 8601 without a zone; Arrow's parser knows no other notation."""
    lengths = pc.min_max(pc.binary_length(cells)).as_py()
    if lengths["min"] < shortest or lengths["max"] > longest:
        return False
    try:
        pc.cast(cells, kind)
    except pa.ArrowInvalid:
        return False
    return True


_TESTS: dict[Form, tuple[Callable[[pa.StringArray], Form | None], ...]] = {
    INTEGER: (_all_integers, _all_numbers),
    DECIMAL: (_all_numbers,),
    _ISO_DATETIME: (_all_iso_times,),
    _ISO_DATE: (_all_iso_dates,),
}
