"""From what was found in a column to its type, the other types that would hold it, and the remarks on it.

The rule is that no value is lost: what one type cannot hold exactly makes the column text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from exchange.catalog.reading.errors import ReadingWarning
from exchange.catalog.reading.forms import (
    BOOL as BOOL_FORM,
)
from exchange.catalog.reading.forms import (
    COMMA_AMBIGUOUS,
    COMMA_DECIMAL,
    DECIMAL,
    EXPONENT,
    HUGE,
    INTEGER,
    LONG,
    MISSING,
    PADDED,
    PLUS_LED,
    SIGNED,
    SPECIAL,
    THOUSANDS,
    THOUSANDS_POINT,
    ZERO_LED,
    Form,
)
from exchange.catalog.reading.profile import Profile
from exchange.catalog.reading.types import BOOL, FLOAT64, INT64, TEXT, ColumnType

_MOSTLY = 0.8
_PLAIN = frozenset({INTEGER, SIGNED})
_THOUSANDS_INT, _THOUSANDS_FLOAT = ColumnType("int64", "thousands"), ColumnType("float64", "thousands")
_DECIMAL_COMMA = ColumnType("float64", "decimal-comma")
# (forms that may occur, forms of which one must, the type and its alternatives); a long integer beside decimals, or
# one with leading zeros, is in no rule but the last, so that it stays text.
_NUMBER_RULES: tuple[tuple[frozenset[Form], frozenset[Form], tuple[ColumnType, ...]], ...] = (
    (_PLAIN | {LONG}, frozenset(), (INT64, FLOAT64)),
    (_PLAIN | {DECIMAL, EXPONENT, SPECIAL}, frozenset(), (FLOAT64,)),
    (_PLAIN | {SPECIAL, COMMA_DECIMAL, COMMA_AMBIGUOUS}, frozenset({COMMA_DECIMAL}), (_DECIMAL_COMMA,)),
    (_PLAIN | {THOUSANDS, COMMA_AMBIGUOUS}, frozenset({THOUSANDS}), (_THOUSANDS_INT, _THOUSANDS_FLOAT)),
    (_PLAIN | {COMMA_AMBIGUOUS}, frozenset(), (TEXT, _THOUSANDS_INT, _DECIMAL_COMMA)),
    # A point in the column leaves the comma only one meaning.
    (
        _PLAIN | {DECIMAL, SPECIAL, THOUSANDS, THOUSANDS_POINT, COMMA_AMBIGUOUS},
        frozenset({DECIMAL, THOUSANDS, THOUSANDS_POINT}),
        (_THOUSANDS_FLOAT,),
    ),
    (_PLAIN | {LONG, ZERO_LED}, frozenset(), (TEXT, INT64)),
)
_DATE_NAMES = {"date": "date", "datetime": "timestamp", "zoned": "timestamp_utc"}


@dataclass(frozen=True)
class Decision:
    """The type of a column and the other types that hold all its values."""

    kind: ColumnType
    alternatives: tuple[ColumnType, ...] = ()


def decide(profile: Profile) -> Decision:
    """Return the narrowest type that holds every value of the profiled column exactly."""
    forms = {form for form in profile.forms if form is not MISSING}
    if profile.free or not forms:
        return Decision(TEXT)
    if all(form.family == "date" for form in forms):
        return _decide_dates(profile, forms)
    if forms == {BOOL_FORM}:
        return _or_text(profile, BOOL)
    return _decide_numbers(profile, forms)


def _or_text(profile: Profile, kind: ColumnType, *others: ColumnType) -> Decision:
    """Return `kind`, unless the source itself says that the cells are text (a quoted string in JSON, a text cell)."""
    if profile.declared_text:
        return Decision(TEXT, (kind, *others))
    return Decision(kind, (*others, TEXT))


def _decide_numbers(profile: Profile, forms: set[Form]) -> Decision:
    """Return the type of a column whose forms are not all dates: the first rule that covers all of them."""
    if PADDED in forms and DECIMAL in forms and profile.forms[PADDED].count <= profile.forms[DECIMAL].count:
        forms = forms - {PADDED}
    for allowed, needed, kinds in _NUMBER_RULES:
        if forms <= allowed and (not needed or forms & needed):
            return Decision(TEXT, kinds[1:]) if kinds[0] is TEXT else _or_text(profile, *kinds)
    return Decision(TEXT)


def _decide_dates(profile: Profile, forms: set[Form]) -> Decision:
    """Return the type of a column of dates; more than one order, or an order that stays open, leaves it text."""
    orders = possible_orders(forms)
    parts = {form.parts for form in forms}
    fine = any(form.nanoseconds for form in forms)
    if profile.declared_time and parts == {"date", "datetime"}:
        parts = {"datetime"}
    kinds = tuple(ColumnType(_DATE_NAMES[max(parts)], order, fine) for order in sorted(orders))
    if len(parts) == 1 and len(orders) == 1:
        return Decision(kinds[0], (TEXT,))
    if "zoned" in parts and len(parts) > 1:
        return Decision(TEXT)
    return Decision(TEXT, kinds)


def possible_orders(forms: Iterable[Form]) -> set[str]:
    """Return the orders of day, month and year in which all date `forms` can be read; none if they are mixed."""
    readings = [set(form.order.split("|")) for form in forms if form.family == "date"]
    return set.intersection(*readings) if readings else set()


def remarks(profile: Profile, kind: ColumnType) -> list[ReadingWarning]:
    """Return what the publisher should know about the column, given the type it was read as."""
    found: list[ReadingWarning] = []
    if not profile.values() and profile.rows:
        found.append(_remark(profile, "empty-column", profile.rows, "has no value.", "没有任何值。"))
    if kind.name == "text":
        found += _text_remarks(profile)
    else:
        found += _typed_remarks(profile, kind)
    return found


def _remark(profile: Profile, code: str, count: int, english: str, chinese: str) -> ReadingWarning:
    name = profile.name
    return ReadingWarning(code, name, f"Column “{name}” {english}", f"列“{name}”{chinese}", count)


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count:,} cells"


def _typed_remarks(profile: Profile, kind: ColumnType) -> list[ReadingWarning]:
    """Return the remarks on a column that became numbers, truth values or times."""
    found = []
    missing, special = profile.forms.get(MISSING), profile.forms.get(SPECIAL)
    if missing:
        english = (
            f"has {_cells(missing.count)} with a missing-value mark (first in row {missing.row}), read as no value."
        )
        chinese = f"有 {missing.count} 个缺失值标记（首个在第 {missing.row} 行），已按空值读取。"
        found.append(_remark(profile, "missing-marks", missing.count, english, chinese))
    if special:
        english = f"has {_cells(special.count)} with NaN or infinity (first in row {special.row}), kept as they are."
        chinese = f"有 {special.count} 个 NaN 或无穷值（首个在第 {special.row} 行），已原样保留。"
        found.append(_remark(profile, "nan-or-infinity", special.count, english, chinese))
    if kind.notation in ("decimal-comma", "thousands"):
        candidates = (COMMA_DECIMAL,) if kind.notation == "decimal-comma" else (THOUSANDS, THOUSANDS_POINT)
        form = next((form for form in (*candidates, COMMA_AMBIGUOUS) if form in profile.forms), None)
        if form:
            seen = profile.forms[form]
            english = f"is written with {form.label[0]} (first in row {seen.row}); it is read as {kind.name}."
            chinese = f"使用{form.label[1]}（首个在第 {seen.row} 行）；已按 {kind.name} 读取。"
            found.append(_remark(profile, kind.notation, seen.count, english, chinese))
    padded = profile.forms.get(PADDED)
    if padded:
        english = f"has {_cells(padded.count)} padded with zeros (first in row {padded.row}), read as numbers."
        chinese = f"有 {padded.count} 个以零填充的数字（首个在第 {padded.row} 行），已按数值读取。"
        found.append(_remark(profile, "padded-numbers", padded.count, english, chinese))
    if kind.name == "timestamp_utc":
        english, chinese = "carries offsets; the instants are kept in UTC.", "带有时区偏移，时刻以 UTC 保存。"
        found.append(_remark(profile, "offsets-to-utc", profile.values(), english, chinese))
    return found


def _text_remarks(profile: Profile) -> list[ReadingWarning]:
    """Return the remarks on a column that stayed text."""
    found = []
    if profile.formulas:
        seen = profile.formulas
        english = (
            f"has {_cells(seen.count)} that could be taken for formulas (first in row {seen.row}), "
            "kept as data, character for character."
        )
        chinese = f"有 {seen.count} 个单元格形似公式（首个在第 {seen.row} 行），已作为数据逐字保留。"
        found.append(_remark(profile, "formula-like", seen.count, english, chinese))
    if profile.line_breaks:
        seen = profile.line_breaks
        english = f"has {_cells(seen.count)} of several lines (first in row {seen.row})."
        chinese = f"有 {seen.count} 个含换行的单元格（首个在第 {seen.row} 行）。"
        found.append(_remark(profile, "line-breaks", seen.count, english, chinese))
    dates = [form for form in profile.forms if form.family == "date"]
    numbers = [form for form in profile.forms if form.family not in ("date", "missing")]
    if dates and not numbers and not profile.free:
        found += _date_remarks(profile, dates)
    elif profile.free:
        found += _stray_remarks(profile, [*dates, *numbers])
    elif profile.declared_text:
        found += _declared_remarks(profile, numbers)
    else:
        found += _number_remarks(profile, [*numbers, *dates])
    return found


def _date_remarks(profile: Profile, forms: list[Form]) -> list[ReadingWarning]:
    """Return the remark on dates that stayed text: of mixed forms, or of an order that nothing decides."""
    orders = sorted(possible_orders(forms))
    if len(orders) == 2 and len({form.parts for form in forms}) == 1:
        row = profile.forms[forms[0]].row
        first, second = orders
        english = (
            f"holds dates, the first in row {row}, that can be {first} or {second}, and no row decides; it stays text. "
            f"Name the order in the column's type, for example date[{first}]."
        )
        chinese = (
            f"的日期（首个在第 {row} 行）既可为 {first} 也可为 {second}，没有任何一行能够确定，故保留为文本。"
            f"请在列类型中写明次序，例如 date[{first}]。"
        )
        return [_remark(profile, "ambiguous-dates", profile.values(), english, chinese)]
    if len(forms) > 1:
        return [_mixed(profile, "mixed-dates", forms, ("dates of mixed forms", "多种写法的日期"))]
    return []


def _declared_remarks(profile: Profile, numbers: list[Form]) -> list[ReadingWarning]:
    """Return the remark on numbers that the file itself calls text: quoted in JSON, or text cells of a sheet."""
    if not numbers or any(form.family not in ("integer", "decimal") for form in numbers):
        return []
    seen = profile.forms[numbers[0]]
    english = f"holds numbers that the file stores as text (first in row {seen.row}); it stays text."
    chinese = f"的数字在文件中存为文本（首个在第 {seen.row} 行）；保留为文本。"
    return [_remark(profile, "numbers-as-text", profile.values(), english, chinese)]


def _number_remarks(profile: Profile, forms: list[Form]) -> list[ReadingWarning]:
    """Return the remark on figures that stayed text so that nothing is lost."""
    if len({form.family for form in forms}) > 1 and any(form.family in ("date", "bool") for form in forms):
        return [_mixed(profile, "mixed-forms", forms, ("values of mixed kinds", "多种类型的值"))]
    for form, code in (
        (ZERO_LED, "leading-zeros"),
        (PADDED, "leading-zeros"),
        (PLUS_LED, "plus-signs"),
        (HUGE, "long-numbers"),
    ):
        seen = profile.forms.get(form)
        if seen:
            english = f"holds {form.label[0]} (first in row {seen.row}); it stays text, exactly as written."
            chinese = f"含{form.label[1]}（首个在第 {seen.row} 行）；为保持原样，按文本读取。"
            return [_remark(profile, code, seen.count, english, chinese)]
    if set(forms) <= {INTEGER, SIGNED, COMMA_AMBIGUOUS} and COMMA_AMBIGUOUS in forms:
        seen = profile.forms[COMMA_AMBIGUOUS]
        english = (
            f"holds values, the first in row {seen.row}, whose comma can be a decimal comma or a thousands separator; "
            "it stays text. Choose float64[decimal-comma] or int64[thousands] as the column's type."
        )
        chinese = (
            f"的值（首个在第 {seen.row} 行）中的逗号既可为小数点也可为千位分隔符，故保留为文本。"
            "请选择列类型 float64[decimal-comma] 或 int64[thousands]。"
        )
        return [_remark(profile, "ambiguous-comma", seen.count, english, chinese)]
    if len(forms) > 1:
        return [_mixed(profile, "mixed-forms", forms, ("numbers of mixed forms", "多种写法的数字"))]
    return []


def _mixed(profile: Profile, code: str, forms: list[Form], what: tuple[str, str]) -> ReadingWarning:
    """Return the remark that names each of the forms with its first row."""
    listed = sorted(forms, key=lambda form: -profile.forms[form].count)[:4]
    both = [(form, profile.forms[form]) for form in listed]
    english = "; ".join(f"{form.label[0]} (row {seen.row}, {_cells(seen.count)})" for form, seen in both)
    chinese = "；".join(f"{form.label[1]}（第 {seen.row} 行，共 {seen.count} 格）" for form, seen in both)
    count = sum(seen.count for _, seen in both[1:])
    return _remark(
        profile, code, count, f"holds {what[0]} and stays text: {english}.", f"含{what[1]}，保留为文本：{chinese}。"
    )


def _stray_remarks(profile: Profile, forms: list[Form]) -> list[ReadingWarning]:
    """Return the remark on a column that would be numbers or dates but for a few cells."""
    free = profile.free
    typed = sum(profile.forms[form].count for form in forms)
    if free is None or not typed or typed < _MOSTLY * (typed + free.count):
        return []
    dates = [form for form in forms if form.family == "date"]
    if len(dates) > 1 and not possible_orders(dates):
        return [_mixed(profile, "mixed-dates", dates, ("dates of mixed forms", "多种写法的日期"))]
    label = max(forms, key=lambda form: profile.forms[form].count).label
    english = f"would be read as {label[0]} but for {_cells(free.count)}, the first in row {free.row}; it stays text."
    chinese = f"除 {free.count} 个单元格外均为{label[1]}，首个例外在第 {free.row} 行；保留为文本。"
    return [_remark(profile, "stray-text", free.count, english, chinese)]
