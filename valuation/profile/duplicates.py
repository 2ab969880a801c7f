"""Rows that occur again, counted exactly."""

# ruff: noqa: S608  (The SQL is made of this module's own identifiers; no name or value of the data enters
# it.)
from __future__ import annotations

from collections.abc import Sequence

from valuation.profile.model import ColumnProfile
from valuation.source import Source


def count_duplicates(source: Source, columns: Sequence[ColumnProfile]) -> int:
    """Rows less distinct rows; two rows are equal when every cell is, an empty cell being equal to an empty
    one.

    Hashes of 64 bits only choose the candidates; candidates are compared cell by cell, long values by
    SHA-256.
    """
    if any(column.distinct == source.rows for column in columns):
        return 0  # A column in which no value repeats leaves no two rows equal.
    refs = ", ".join(column.ref for column in source.columns)
    suspects = source.row(f"SELECT count(*) FROM (SELECT hash({refs}) h FROM s GROUP BY h HAVING count(*) > 1)")[0]
    if suspects == 0:
        return 0
    cells = ", ".join(
        f"sha256({column.ref})" if column.long and column.kind in ("string", "binary") else column.ref
        for column in source.columns
    )
    return int(
        source.row(
            f"WITH h AS (SELECT hash({refs}) h FROM s GROUP BY h HAVING count(*) > 1) "
            f"SELECT coalesce(sum(n - 1), 0)::BIGINT FROM (SELECT count(*) n FROM s "
            f"WHERE hash({refs}) IN (SELECT h FROM h) GROUP BY {cells})"
        )[0]
    )
