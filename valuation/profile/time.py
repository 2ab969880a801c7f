"""The order of time columns: cadence, gaps, repeats and steps backward, in the order of the rows."""

# ruff: noqa: S608  (The SQL is made of this module's own identifiers; no name or value of the data enters
# it.)
from __future__ import annotations

from decimal import Decimal
from typing import Final

from valuation import numbers
from valuation.profile.model import ColumnProfile, TimeProfile
from valuation.source import Source

KINDS: Final = frozenset({"timestamp", "date"})


def measure_order(source: Source, column: ColumnProfile) -> TimeProfile:
    """The order of one timestamp or date column. Times that are null or infinite are passed over."""
    nanoseconds = column.type == "TIMESTAMP_NS"
    ref = f"c{column.position}"
    # Dates beyond what a timestamp holds become null here and are passed over as well.
    stamp = f"epoch_ns({ref})" if nanoseconds else f"epoch_us(TRY_CAST({ref} AS TIMESTAMP))"
    if column.type == "TIMESTAMP WITH TIME ZONE":
        stamp = f"epoch_us({ref})"
    times = f"SELECT x FROM (SELECT {stamp} x FROM s WHERE isfinite({ref})) WHERE x IS NOT NULL"
    # A window without an order is computed while the rows stream by in the order of the files.
    steps = f"SELECT x - lag(x) OVER () d FROM ({times})"
    total, backward, standing = source.row(
        f"SELECT count(d), count(*) FILTER (d < 0), count(*) FILTER (d = 0) FROM ({steps})"
    )
    # Rows that never step back are in ascending order already; only the others are sorted.
    ascending = f"SELECT x - lag(x) OVER (ORDER BY x) d FROM (SELECT DISTINCT x FROM ({times}))"
    cadence, gaps, missing, longest = _gaps(source, ascending if backward else steps)
    regular = source.row(f"SELECT count(*) FROM ({steps}) WHERE d = ?", [cadence])[0] if cadence else 0
    unit = 9 if nanoseconds else 6
    return TimeProfile(
        column=column.name,
        position=column.position,
        first=column.minimum,
        last=column.maximum,
        values=column.values,
        distinct=column.distinct,
        steps=total,
        backward_steps=backward,
        standing_steps=standing,
        cadence=_seconds(cadence, unit),
        cadence_steps=regular,
        gaps=gaps,
        missing=missing,
        longest_gap=_seconds(longest, unit),
    )


def _gaps(source: Source, differences: str) -> tuple[int | None, int, int, int | None]:
    """The most frequent positive difference, and number, left-out times and longest of those beyond 1.5 times it."""
    gap = "g.d * 2 > c.d * 3"
    cadence, gaps, missing, longest = source.row(
        f"WITH g AS MATERIALIZED (SELECT d, count(*) n FROM ({differences}) WHERE d > 0 GROUP BY d), "
        "c AS (SELECT d FROM g ORDER BY n DESC, d LIMIT 1) "
        f"SELECT max(c.d), coalesce(sum(n) FILTER ({gap}), 0)::BIGINT, "
        f"coalesce(sum(n * (round(g.d / c.d)::HUGEINT - 1)) FILTER ({gap}), 0)::VARCHAR, "
        f"max(g.d) FILTER ({gap}) FROM g, c"
    )
    return cadence, gaps, int(missing), longest


def _seconds(ticks: int | None, places: int) -> str | None:
    return None if ticks is None else numbers.text(Decimal(ticks).scaleb(-places))
