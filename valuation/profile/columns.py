"""What one column holds, from one GROUP BY of its values: exact counts, extremes, moments, frequent values.

The groups of a column are few where values repeat, and spill to disk where they do not, so memory stays
bounded and every count, distinct included, is exact.
"""

# ruff: noqa: S608  (The SQL is made of this module's own identifiers; no name or value of the data enters
# it.)
from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Final, TypeVar

from valuation import numbers
from valuation.profile.model import ColumnProfile, Lengths, TopValue
from valuation.source import Column, Source

Item = TypeVar("Item")

SHOWN_CHARACTERS: Final = 200
TOP_VALUES: Final = 10

# Words that stand in a cell in place of a value, in lower case.
PLACEHOLDERS: Final = (
    *("n/a", "na", "#n/a", "nan", "null", "none", "nil", "-", "--", "---", "?", "unknown", "undefined"),
    *("missing", "tbd", "#ref!", "#value!", "#div/0!", "无", "空", "未知", "不详", "缺失", "待定"),
)
_LONGEST_PLACEHOLDER: Final = max(len(word.encode()) for word in PLACEHOLDERS)
BLANK: Final = " \t\r\n\u00a0\u3000"
_REPLACEMENT: Final = "\ufffd"  # What a decoder leaves where the bytes were in another encoding.
_CHUNK_COLUMNS: Final = 500
_CHUNK_CELLS: Final = 1_000_000
# The results for a column of a table without rows.
_NOTHING: Final = (0,) * 10 + (None,) * 8
_FINITE_KINDS: Final = frozenset({"float", "date", "timestamp"})
_ORDERED_KINDS: Final = frozenset({"integer", "decimal", "float", "boolean", "date", "timestamp", "time", "string"})


def measure(source: Source, columns: Sequence[Column]) -> Iterator[ColumnProfile]:
    """Profiles of the columns, without quantiles, histograms and formats, which need a second look.

    Columns of the same type come together, so the order is not that of the table.
    """
    for group in chunks(source, columns, lambda column: (column.type, column.long)):
        found = {row[0]: row for row in source.query(_statement(group), _parameters(group[0]))}
        for column in group:
            yield _profile(column, found.get(column.index, _NOTHING))


def chunks(source: Source, columns: Sequence[Item], kind: Callable[[Item], object]) -> Iterator[Sequence[Item]]:
    """Columns alike in `kind` that are measured in one statement: many in a short table, one in a long table."""
    size = max(1, min(_CHUNK_COLUMNS, _CHUNK_CELLS // max(source.rows, 1)))
    alike: dict[object, list[Item]] = {}
    for column in columns:
        alike.setdefault(kind(column), []).append(column)
    for group in alike.values():
        for start in range(0, len(group), size):
            yield group[start : start + size]


def stacked(indices: Sequence[int], *extra: str) -> str:
    """SQL that puts columns of one type below each other: the column's place `k`, its value `v`, the row's
    `r`.

    `extra` names further values `x0`, `x1`, … of each column, given as one parameter, a list, each.
    """
    if len(indices) == 1:
        further = "".join(f", list_extract(?, 1) {name}" for name in extra)
        return f"SELECT {indices[0]}::BIGINT k, c{indices[0]} v, r{further} FROM s"
    places, values = ", ".join(map(str, indices)), ", ".join(f"c{k}" for k in indices)
    further = "".join(f", unnest(?) {name}" for name in extra)
    return f"SELECT unnest([{places}]::BIGINT[]) k, unnest([{values}]) v, r{further} FROM s"


def _parameters(column: Column) -> tuple[object, ...]:
    if column.kind != "string":
        return ()
    return (_REPLACEMENT, "\u3000", BLANK, list(PLACEHOLDERS))


def _hashed(column: Column) -> bool:
    """Whether values are compared by their SHA-256 and only their beginnings are kept."""
    return column.long and column.kind in ("string", "binary")


def _grouped(group: Sequence[Column]) -> str:
    """The values `v` of each column `k` and their number `n`; of long ones also what `_forms` names."""
    table = stacked([member.index for member in group])
    if not _hashed(group[0]):
        return f"SELECT k, v, count(*) n FROM ({table}) GROUP BY ALL"
    kept = zip(_forms(group[0], raw=True), "plb", strict=True)
    return (
        f"SELECT k, sha256(v) v, {', '.join(f'any_value({form}) {name}' for form, name in kept)}, count(*) n "
        f"FROM ({table}) GROUP BY ALL"
    )


def _forms(column: Column, *, raw: bool) -> tuple[str, str, str]:
    """SQL for what is shown of a value, its bytes, and whether it was badly decoded."""
    if _hashed(column) and not raw:
        return "p", "l", "b"
    if column.kind == "string":
        shown = f"left(v, {SHOWN_CHARACTERS + 1})" if raw else "v"
        return shown, "strlen(v)", "contains(v, ?)"
    return "v", "octet_length(v)" if column.kind == "binary" else "0", "false"


def _statement(group: Sequence[Column]) -> str:
    """The statement of columns of one type: a row of results for each column that has rows."""
    kind = group[0].kind
    p, length, bad = _forms(group[0], raw=False)
    # PostgreSQL and DuckDB know infinite dates; like infinite numbers they are counted and left out.
    ok = "v IS NOT NULL AND isfinite(v)" if kind in _FINITE_KINDS else "v IS NOT NULL"
    finite, text = kind in _FINITE_KINDS, kind == "string"
    sized, ordered = kind in ("string", "binary"), kind in _ORDERED_KINDS
    total, deviation = _moments(group[0], ok)
    counts = {
        "v IS NULL": True,
        "isnan(v)": kind == "float",
        "v = 'infinity'": finite,
        "v = '-infinity'": finite,
        ok: True,
        bad: text,
        f"v IS NOT NULL AND ({p} < '!' OR starts_with({p}, ?)) AND trim({p}, ?) = ''": text,
        f"{length} <= {_LONGEST_PLACEHOLDER} AND list_contains(?, lower({p}))": text,
    }
    counted = [
        f"coalesce(sum(n) FILTER ({claim}), 0)::BIGINT" if known else "0::BIGINT" for claim, known in counts.items()
    ]
    results = [
        *counted,
        f"count(*) FILTER ({ok})",
        f"(min({p}) FILTER ({ok}))::VARCHAR" if ordered else "NULL",
        f"(max({p}) FILTER ({ok}))::VARCHAR" if ordered else "NULL",
        total,
        deviation,
        f"min({length}) FILTER (v IS NOT NULL)" if sized else "NULL",
        f"max({length}) FILTER (v IS NOT NULL)" if sized else "NULL",
    ]
    frequent = (
        f"SELECT k, {p} p, n FROM g WHERE n > 1 AND {ok} AND {'true' if ordered else 'false'} "
        f"QUALIFY row_number() OVER (PARTITION BY k ORDER BY n DESC, p) <= {TOP_VALUES}"
    )
    return (
        f"WITH g AS MATERIALIZED ({_grouped(group)}), "
        f"m AS (SELECT k, {_mean_of(group[0], ok)} AS mean FROM g GROUP BY k), "
        f"a AS (SELECT k, {', '.join(results)} FROM g JOIN m USING (k) GROUP BY k), "
        f"t AS (SELECT k, list(left(p::VARCHAR, {SHOWN_CHARACTERS + 1}) ORDER BY n DESC, p) shown, list(n ORDER BY n DESC, p) often "
        f"FROM ({frequent}) GROUP BY k) SELECT a.*, shown, often FROM a LEFT JOIN t USING (k)"
    )


def _mean_of(column: Column, ok: str) -> str:
    if column.kind not in ("integer", "decimal", "float"):
        return "NULL"
    return f"fsum(v::DOUBLE * n) FILTER ({ok}) / sum(n) FILTER ({ok})"


def _moments(column: Column, ok: str) -> tuple[str, str]:
    """SQL for the exact or compensated sum of the values, as text, and for their standard deviation."""
    if column.kind not in ("integer", "decimal", "float"):
        return "NULL", "NULL"
    deviation = f"sqrt(fsum((v::DOUBLE - mean) ** 2 * n) FILTER ({ok}) / sum(n) FILTER ({ok}))"
    if not _summed_exactly(column):
        total = f"fsum(v::DOUBLE * n) FILTER ({ok})"
    elif column.kind == "integer":
        total = "sum(v::HUGEINT * n)"
    else:
        total = f"sum(v * n::DECIMAL(18, 0)) FILTER ({ok})"
    return f"({total})::VARCHAR", deviation


def _summed_exactly(column: Column) -> bool:
    """Whether 128 bits hold the sum of such values: not of floats, nor of the widest integers and decimals."""
    if column.kind == "decimal":
        return _precision(column.type) <= 18
    return column.kind == "integer" and "HUGE" not in column.type


def _precision(decimal_type: str) -> int:
    """The digits of `DECIMAL(digits,scale)`."""
    return int(decimal_type[len("DECIMAL(") :].split(",", maxsplit=1)[0])


def _profile(column: Column, row: tuple[Any, ...]) -> ColumnProfile:
    _, nulls, nan, above, below, values, bad, blank, holders, distinct, *rest = row
    least, most, total, deviation, shortest, longest, shown, counts = rest
    return ColumnProfile(
        position=column.index,
        name=column.name,
        type=column.type,
        kind=column.kind,
        nulls=nulls,
        nan=nan,
        positive_infinity=above,
        negative_infinity=below,
        values=values,
        distinct=distinct,
        blank=blank,
        placeholders=holders,
        undecodable=bad,
        minimum=_shown(column, least),
        maximum=_shown(column, most),
        mean=_mean(column, total, values),
        deviation=_rounded(deviation, 9),
        lengths=None if shortest is None else Lengths(shortest, longest),
        top=tuple(
            TopValue(str(_shown(column, value)), count, len(value) > SHOWN_CHARACTERS)
            for value, count in zip(shown or (), counts or (), strict=True)
        ),
    )


def _shown(column: Column, value: str | None) -> str | None:
    """A value as text: cut to what is shown, times in the form of RFC 3339."""
    if value is None or column.kind != "timestamp":
        return None if value is None else value[:SHOWN_CHARACTERS]
    return value.replace(" ", "T", 1).replace("+00", "Z", 1)


def _mean(column: Column, total: str | None, values: int) -> str | None:
    if total is None or values == 0:
        return None
    if not _summed_exactly(column):
        return _rounded(float(total) / values, 12)
    with numbers.arithmetic():
        mean = Decimal(total) / values
    return numbers.text(mean)


def _rounded(value: float | None, digits: int) -> str | None:
    return None if value is None or not math.isfinite(value) else numbers.significant(value, digits)
