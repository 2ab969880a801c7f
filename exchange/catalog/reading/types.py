"""Column types, how they are spelled, and the conversion of written cells into them.

A spelling is what is shown to the publisher and what an override may name:

    text  int64  float64  bool  date  timestamp  timestamp_utc

Where a type can be read from more than one notation, the notation stands in brackets: `int64[thousands]`,
`float64[decimal-comma]`, `float64[thousands]`, `date[dd/mm/yyyy]`, `timestamp[yyyy年m月d日]`. A `timestamp` has no
zone and none is invented; `timestamp_utc` is an instant, written with an offset in the file.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from exchange.catalog.reading.errors import ReadingError
from exchange.catalog.reading.forms import CHINESE_ORDER, DATE_FORMS, MISSING_MARKS, ORDERS, SPECIAL

ISO = "yyyy-mm-dd"
DATE_TYPES = ("date", "timestamp", "timestamp_utc")
_NOTATIONS = {"int64": ("thousands",), "float64": ("decimal-comma", "thousands")}
_ARROW = {
    "text": pa.string(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamp_utc": pa.timestamp("us", "UTC"),
}


@dataclass(frozen=True)
class ColumnType:
    """A type and the notation that its cells are written in (empty: the plain one)."""

    name: str
    notation: str = ""
    nanoseconds: bool = False

    @property
    def spelling(self) -> str:
        """How this type is shown and named in an override."""
        plain = self.notation in ("", ISO)
        return self.name if plain else f"{self.name}[{self.notation}]"

    @property
    def arrow(self) -> pa.DataType:
        """The type of the column in Parquet."""
        if self.nanoseconds:
            return pa.timestamp("ns", "UTC" if self.name == "timestamp_utc" else None)
        return _ARROW[self.name]


TEXT = ColumnType("text")
INT64 = ColumnType("int64")
FLOAT64 = ColumnType("float64")
BOOL = ColumnType("bool")
SPELLINGS = tuple(_ARROW)


def parse_type(spelling: str, column: str) -> ColumnType:
    """Return the type that an override of `column` spells. Raises ReadingError for an unknown spelling."""
    name, _, rest = spelling.partition("[")
    notation = rest.removesuffix("]")
    if name in DATE_TYPES:
        allowed: tuple[str, ...] = ORDERS
    else:
        allowed = _NOTATIONS.get(name, ())
    if name not in _ARROW or (rest and (not rest.endswith("]") or notation not in allowed)):
        known = ", ".join(SPELLINGS)
        raise ReadingError(
            "unknown-type",
            field=column,
            reason=(f"“{spelling}” is not a column type.", f"“{spelling}”不是列类型。"),
            mend=(
                f"Use one of {known}, or for dates an order such as date[dd/mm/yyyy].",
                f"请使用 {known}；日期可写明次序，例如 date[dd/mm/yyyy]。",
            ),
        )
    return ColumnType(name, notation or (ISO if name in DATE_TYPES else ""))


def parse_cells(cells: pa.StringArray, kind: ColumnType) -> pa.Array:
    """Return `cells` as values of `kind`: blanks and missing-value marks become null, text stays verbatim.

    Raises pa.ArrowInvalid where a cell is no value of that type.
    """
    if kind.name == "text":
        return cells
    if kind in (INT64, FLOAT64):
        try:
            return _finite(cells, pc.cast(cells, kind.arrow))
        except pa.ArrowInvalid:
            pass  # Blanks, marks or plus signs stand among the numbers: the longer way takes them.
    values = without_missing(trim(cells))
    if kind.name in DATE_TYPES:
        return _dates(values, kind)
    if kind.name == "bool":
        return pc.cast(pc.ascii_lower(values), pa.bool_())
    if kind.notation == "thousands":
        values = pc.replace_substring(values, ",", "")
    elif kind.notation == "decimal-comma":
        values = pc.replace_substring(values, ",", ".")
    if kind.name == "int64":
        return pc.cast(pc.utf8_ltrim(values, "+"), pa.int64())
    return _finite(values, pc.cast(values, pa.float64()))


def _finite(cells: pa.StringArray, numbers: pa.Array) -> pa.Array:
    """Return `numbers`, or raise where Arrow turned an exponent beyond float64 into infinity without a word."""
    if pa.types.is_floating(numbers.type):
        infinite = pc.is_inf(numbers)
        written = f"^(?:{SPECIAL.body})$"
        if pc.any(infinite).as_py() and not pc.all(pc.match_substring_regex(cells.filter(infinite), written)).as_py():
            raise pa.ArrowInvalid("a number is beyond the range of float64")
    return numbers


def trim(cells: pa.StringArray) -> pa.StringArray:
    """Return `cells` without the blanks around them; a cell of blanks only becomes null."""
    trimmed = pc.ascii_trim_whitespace(cells)
    blank = pc.equal(trimmed, "")
    return pc.if_else(blank, None, trimmed) if pc.any(blank).as_py() else trimmed


def without_missing(values: pa.StringArray) -> pa.StringArray:
    """Return trimmed `values` with every missing-value mark as null."""
    marked = pc.is_in(values, value_set=pa.array(MISSING_MARKS))
    return pc.if_else(marked, None, values) if pc.any(marked).as_py() else values


def to_iso(values: pa.StringArray, order: str) -> pa.StringArray:
    """Return dates and times of one `order` rewritten to ISO 8601 with all figures padded."""
    if order == CHINESE_ORDER:
        values = pc.replace_substring_regex(values, r"^(\d{4})年(\d{1,2})月(\d{1,2})日 ?", r"\1-\2-\3 ")
        values = pc.ascii_rtrim_whitespace(values)
    elif order.startswith("yyyy"):
        if order != ISO:
            values = pc.replace_substring_regex(values, r"^(\d{4}).(\d{1,2}).(\d{1,2})", r"\1-\2-\3")
    elif order.startswith("dd"):
        values = pc.replace_substring_regex(values, r"^(\d{1,2}).(\d{1,2}).(\d{4})", r"\3-\2-\1")
    else:
        values = pc.replace_substring_regex(values, r"^(\d{1,2}).(\d{1,2}).(\d{4})", r"\3-\1-\2")
    for unpadded, padded in (
        (r"^(\d{4})-(\d)-", r"\1-0\2-"),
        (r"^(\d{4}-\d{2})-(\d)([ T]|$)", r"\1-0\2\3"),
        (r"[ T](\d):", r" 0\1:"),
    ):
        if pc.any(pc.match_substring_regex(values, unpadded)).as_py():
            values = pc.replace_substring_regex(values, unpadded, padded)
    return values


def _dates(values: pa.StringArray, kind: ColumnType) -> pa.Array:
    """Return trimmed date cells as `kind`, read in the order of its notation."""
    if kind.notation != ISO:
        _require_order(values, kind.notation)
    iso = to_iso(values, kind.notation)
    if kind.name == "timestamp_utc":
        # Arrow takes an offset only directly after the time.
        iso = pc.replace_substring_regex(iso, r" (Z|[+-]\d{2}:?\d{2})$", r"\1")
    return pc.cast(iso, kind.arrow)


def _require_order(values: pa.StringArray, order: str) -> None:
    """Raise pa.ArrowInvalid unless all values can be read in `order`; a rewrite would pass the others unseen."""
    bodies = [form.body for form in DATE_FORMS if order in form.order.split("|")]
    if not pc.all(pc.match_substring_regex(values, f"^(?:{'|'.join(bodies)})$"), min_count=0).as_py():
        raise pa.ArrowInvalid(f"a value is not written as {order}")
