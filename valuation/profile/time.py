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
    # A window without an order is computed while the rows stream by in the order of the files.
    steps = f"SELECT x - lag(x) OVER () d FROM (SELECT {stamp} x FROM s WHERE isfinite({ref})) WHERE x IS NOT NULL"
    row = source.row(
        f"WITH g AS MATERIALIZED (SELECT d, count(*) n FROM ({steps}) WHERE d IS NOT NULL GROUP BY d), "
        "m AS (SELECT d, n FROM g WHERE d > 0 ORDER BY n DESC, d LIMIT 1), c AS (SELECT max(d) d FROM m) "
        "SELECT (SELECT max(d) FROM m), (SELECT max(n) FROM m), coalesce(sum(n), 0)::BIGINT, "
        "coalesce(sum(n) FILTER (g.d < 0), 0)::BIGINT, coalesce(sum(n) FILTER (g.d = 0), 0)::BIGINT, "
        "coalesce(sum(n) FILTER (g.d * 2 > c.d * 3), 0)::BIGINT, "
        "coalesce(sum(n * (round(g.d / c.d)::HUGEINT - 1)) FILTER (g.d * 2 > c.d * 3), 0)::VARCHAR, "
        "max(g.d) FILTER (g.d * 2 > c.d * 3) FROM g, c"
    )
    cadence, regular, total, backward, standing, gaps, missing, longest = row
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
        cadence_steps=regular or 0,
        gaps=gaps,
        missing=int(missing),
        longest_gap=_seconds(longest, unit),
    )


def _seconds(ticks: int | None, places: int) -> str | None:
    return None if ticks is None else numbers.text(Decimal(ticks).scaleb(-places))
