"""Whatever cells a file has, none of their values is lost: checked on cells that chance makes."""

from __future__ import annotations

import csv
import io
import tempfile
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.catalog.reading import ReadingError, to_parquet
from exchange.catalog.reading.forms import MISSING_MARKS

NUMBERS = st.one_of(
    st.integers(-(10**25), 10**25).map(str),
    st.integers(-999, 999).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.from_regex(r"[+-]?[0-9]{1,20}(\.[0-9]{0,8})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
)
DATES = st.one_of(
    st.dates().map(str),
    st.datetimes().map(str),
    st.from_regex(r"[0-3]?[0-9]/[01]?[0-9]/20[0-9]{2}", fullmatch=True),
)
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
CELLS = st.one_of(NUMBERS, DATES, TEXTS, st.sampled_from([*MISSING_MARKS, "", "NaN", "inf", "true", "False"]))
COLUMNS = st.one_of(*(st.lists(kind, min_size=1, max_size=12) for kind in (NUMBERS, DATES, CELLS)))


def same(written: str, value: object) -> bool:
    """Return whether `value` says no less than the cell that was written."""
    if isinstance(value, str):
        return written == value
    if value is None:
        return written.strip() in ("", *MISSING_MARKS)
    if isinstance(value, bool):
        return written.strip().lower() == str(value).lower()
    if isinstance(value, int):
        return Decimal(written.strip().replace(",", "")) == value
    if isinstance(value, float):
        return str(float(written.strip())) == str(value)
    return str(value.year) in written and str(value.day) in written


@settings(max_examples=150, deadline=None)
@given(COLUMNS)
def test_no_value_of_any_column_is_lost(cells):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        text = io.StringIO()
        writer = csv.writer(text, quoting=csv.QUOTE_ALL)
        writer.writerow(["anchor", "x"])
        writer.writerows(["anchor text", cell] for cell in cells)
        path.write_bytes(text.getvalue().encode())
        try:
            table = to_parquet([(path, "a.csv")], Path(folder) / "out")
        except ReadingError as error:
            raise AssertionError(str(error)) from error
        column = pq.read_table(table.files[0].path)["x"].to_pylist()
    assert len(column) == len(cells)
    for written, value in zip(cells, column, strict=True):
        assert same(written, value), (written, value)
