"""What one column holds, from one GROUP BY of its values: exact counts, extremes, moments, frequent values.

The groups of a column are few where values repeat, and spill to disk where they do not, so memory stays
bounded and every count, distinct included, is exact.
"""

# ruff: noqa: S608  (The SQL is made of this module's own identifiers; no name or value of the data enters
# it.)
from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

from valuation import numbers
from valuation.profile.model import ColumnProfile, Lengths, TopValue
from valuation.source import Column, Source

SHOWN_CHARACTERS: Final = 200
TOP_VALUES: Final = 10

# Words that stand in a cell in place of a value, in lower case.
PLACEHOLDERS: Final = (
    *("n/a", "na", "#n/a", "nan", "null", "none", "nil", "-", "--", "---", "?", "unknown", "undefined"),
    *("missing", "tbd", "#ref!", "#value!", "#div/0!", "无", "空", "未知", "不详", "缺失", "待定"),
)
_LONGEST_PLACEHOLDER: Final = max(len(word.encode()) for word in PLACEHOLDERS)
_WHITE_SPACE: Final = " \t\r\n\u00a0\u3000"
_REPLACEMENT: Final = "\ufffd"  # What a decoder leaves where the bytes were in another encoding.
_FINITE_KINDS: Final = frozenset({"float", "date", "timestamp"})
_ORDERED_KINDS: Final = frozenset({"integer", "decimal", "float", "boolean", "date", "timestamp", "time", "string"})


def measure(source: Source, columns: Sequence[Column]) -> Iterator[ColumnProfile]:
    """Profiles of the columns, in order, without quantiles, histograms and formats, which need a second look."""
    for group in _groups(source, columns):
        parameters: list[object] = []
        branches = []
        for column in group:
            branches.append(f"({_branch(column)})")
            parameters.extend(_parameters(column))
        for row in sorted(source.query(" UNION ALL ".join(branches), parameters)):
            yield _profile(source.columns[row[0]], row)


def _groups(source: Source, columns: Sequence[Column]) -> Iterator[Sequence[Column]]:
    """Columns that share a statement: many where the table is short, one at a time where it is long."""
    size = max(1, min(40, 200_000 // max(source.rows, 1)))
    for start in range(0, len(columns), size):
        yield columns[start : start + size]


def _parameters(column: Column) -> tuple[object, ...]:
    if column.kind != "string":
        return ()
    return (_REPLACEMENT, "\u3000", _WHITE_SPACE, list(PLACEHOLDERS))


def _grouped(column: Column) -> str:
    """The values `v`, what is shown of them `p`, their bytes `l`, whether badly decoded `b`, and their number `n`."""
    ref = column.ref
    length = {"string": f"strlen({ref})", "binary": f"octet_length({ref})"}.get(column.kind, "0")
    shown = f"left({ref}, {SHOWN_CHARACTERS + 1})" if column.kind == "string" else ref
    bad = f"contains({ref}, ?)" if column.kind == "string" else "false"
    if column.long and column.kind in ("string", "binary"):
        return (
            f"SELECT sha256({ref}) v, any_value({shown}) p, any_value({length}) l, any_value({bad}) b, "
            f"count(*) n FROM s GROUP BY v"
        )
    inner = f"SELECT {ref}, count(*) n FROM s GROUP BY {ref}"
    return f"SELECT {ref} v, {shown} p, {length} l, {bad} b, n FROM ({inner})"


def _branch(column: Column) -> str:
    """The statement of one column: one row of fifteen results, all of the same types for every column."""
    kind = column.kind
    # PostgreSQL and DuckDB know infinite dates; like infinite numbers they are counted and left out.
    ok = "v IS NOT NULL AND isfinite(v)" if kind in _FINITE_KINDS else "v IS NOT NULL"
    nan = "sum(n) FILTER (isnan(v))" if kind == "float" else "0"
    infinite = "'infinity'"
    above = f"sum(n) FILTER (v = {infinite})" if kind in _FINITE_KINDS else "0"
    below = "sum(n) FILTER (v = '-infinity')" if kind in _FINITE_KINDS else "0"
    least = f"min(p) FILTER ({ok})" if kind in _ORDERED_KINDS else "NULL"
    most = f"max(p) FILTER ({ok})" if kind in _ORDERED_KINDS else "NULL"
    total, deviation = _moments(column, ok)
    text = kind == "string"
    sized = kind in ("string", "binary")
    blank = "sum(n) FILTER (v IS NOT NULL AND (p < '!' OR starts_with(p, ?)) AND trim(p, ?) = '')"
    holder = f"sum(n) FILTER (l <= {_LONGEST_PLACEHOLDER} AND list_contains(?, lower(p)))"
    top = "NULL::VARCHAR[], NULL::BIGINT[]"
    if kind in _ORDERED_KINDS:
        top = "(SELECT list(p::VARCHAR ORDER BY n DESC, p) FROM t), (SELECT list(n ORDER BY n DESC, p) FROM t)"
    return (
        f"WITH g AS MATERIALIZED ({_grouped(column)}), t AS (SELECT p, n FROM g WHERE n > 1 AND {ok} "
        f"ORDER BY n DESC, p LIMIT {TOP_VALUES}) SELECT {column.index}::BIGINT, "
        f"coalesce(sum(n) FILTER (v IS NULL), 0)::BIGINT, coalesce({nan}, 0)::BIGINT, "
        f"coalesce({above}, 0)::BIGINT, coalesce({below}, 0)::BIGINT, "
        f"count(*) FILTER ({ok}), coalesce(sum(n) FILTER ({ok}), 0)::BIGINT, "
        f"coalesce({'sum(n) FILTER (b)' if text else '0'}, 0)::BIGINT, "
        f"coalesce({blank if text else '0'}, 0)::BIGINT, coalesce({holder if text else '0'}, 0)::BIGINT, "
        f"({least})::VARCHAR, ({most})::VARCHAR, ({total})::VARCHAR, ({deviation})::DOUBLE, "
        f"{'min(l) FILTER (v IS NOT NULL)' if sized else 'NULL'}::BIGINT, "
        f"{'max(l) FILTER (v IS NOT NULL)' if sized else 'NULL'}::BIGINT, {top} FROM g"
    )


def _moments(column: Column, ok: str) -> tuple[str, str]:
    """SQL for the exact or compensated sum of the values, and for their standard deviation."""
    if column.kind not in ("integer", "decimal", "float"):
        return "NULL", "NULL"
    real = f"fsum(v::DOUBLE * n) FILTER ({ok})"
    mean = f"(SELECT fsum(v::DOUBLE * n) / sum(n) FROM g WHERE {ok})"
    deviation = f"sqrt(fsum((v::DOUBLE - {mean}) ** 2 * n) FILTER ({ok}) / (sum(n) FILTER ({ok})))"
    if column.kind == "integer" and "HUGE" not in column.type:
        return "sum(v::HUGEINT * n)", deviation
    if column.kind == "decimal" and _precision(column.type)[0] <= 18:
        return f"sum(v * n::DECIMAL(18, 0)) FILTER ({ok})", deviation
    return real, deviation


def _precision(decimal_type: str) -> tuple[int, int]:
    """Digits and scale of `DECIMAL(p,s)`."""
    precision, scale = decimal_type[len("DECIMAL(") : -1].split(",")
    return int(precision), int(scale)


def _profile(column: Column, row: tuple[Any, ...]) -> ColumnProfile:
    (_, nulls, nan, above, below, distinct, values, bad, blank, holders, *rest) = row
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
    if column.kind == "float" or "e" in total.lower() or not total.lstrip("-").replace(".", "", 1).isdigit():
        return _rounded(float(total) / values, 12)
    with numbers.arithmetic():
        mean = Decimal(total) / values
    return numbers.text(mean)


def _rounded(value: float | None, digits: int) -> str | None:
    return None if value is None or not math.isfinite(value) else numbers.significant(value, digits)
