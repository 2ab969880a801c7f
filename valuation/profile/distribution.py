"""How the values of a column lie: quantiles and histograms of numbers, forms of texts."""

# ruff: noqa: S608  (The SQL is made of this module's own identifiers; no name or value of the data enters
# it.)
from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from valuation.profile.columns import chunks, stacked
from valuation.profile.model import ColumnProfile, FormatCount, Histogram, Quantiles
from valuation.source import Source

QUANTILES: Final = ("0.01", "0.05", "0.25", "0.5", "0.75", "0.95", "0.99")
BINS: Final = 20
# A rank read from two million evenly spaced rows has a standard error of at most 0.04 %.
_QUANTILE_ROWS: Final = 2_000_000
_FORMAT_ROWS: Final = 5_000
_FORMAT_CELLS: Final = 1_000_000

# What a text column may really hold. Each form is tried on the whole value, white space around it included.
FORMATS: Final = {
    "integer": r"[+-]?[0-9]+",
    "decimal": r"[+-]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?",
    "date": r"[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}",
    "day-first date": r"[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{4}",
    "timestamp": r"[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}[T ][0-9]{1,2}:[0-9]{2}.*",
    "day-first timestamp": r"[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{4} [0-9]{1,2}:[0-9]{2}.*",
    "truth value": r"(?i:true|false|yes|no|是|否)",
    "e-mail": r"[^@\s]+@[^@\s]+\.[^@\s]+",
    "web address": r"(?i:https?|ftp)://\S+",
    "uuid": r"(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    "formula": r"(?s)[=@].+",
    "padded": r"(?s)(\s.*|.*\s)",
}


def add_distributions(source: Source, profiles: Sequence[ColumnProfile]) -> Iterator[ColumnProfile]:
    """The same profiles with quantiles and histograms for numbers and forms for texts, in another order."""
    every = max(1, math.ceil(source.rows / _QUANTILE_ROWS))
    texts = sum(1 for profile in profiles if profile.kind == "string")
    for group in chunks(source, profiles, lambda profile: (profile.type, profile.values > 0)):
        if group[0].kind in ("integer", "decimal", "float") and group[0].values:
            yield from _with_spread(source, group, every)
        elif group[0].kind == "string" and group[0].values:
            yield from _with_forms(source, group, texts)
        else:
            yield from group


def _with_spread(source: Source, group: Sequence[ColumnProfile], every: int) -> Iterator[ColumnProfile]:
    """Histograms of all rows and quantiles of every `every`-th row."""
    places = [profile.position for profile in group]
    keep = "WHERE isfinite(v)" if group[0].kind == "float" else "WHERE v IS NOT NULL"
    lowers, widths = zip(*(_bounds(profile) for profile in group), strict=True)
    bins = source.query(
        f"SELECT k, TRY_CAST(least({BINS - 1}, floor((v::DOUBLE - lower) / width * {BINS})) AS INTEGER) bin, "
        f"count(*) FROM ({stacked(places, 'lower', 'width')}) {keep} GROUP BY ALL",
        [list(lowers), list(widths)],
    )
    ranks = source.query(
        f"SELECT k, quantile_disc(v, [{', '.join(QUANTILES)}])::VARCHAR[] "
        f"FROM ({stacked(places)}) {keep} AND r % ? = 0 GROUP BY k",
        [every],
    )
    counted = {(place, number): count for place, number, count in bins}
    taken = dict(ranks)
    for profile in group:
        counts = [counted.get((profile.position, number), 0) for number in range(BINS)]
        values = taken.get(profile.position)
        yield replace(
            profile,
            histogram=_histogram(profile, counts),
            quantiles=None if values is None else Quantiles(dict(zip(QUANTILES, values, strict=True)), every),
        )


def _bounds(profile: ColumnProfile) -> tuple[float, float]:
    """The lower edge and the width of all bins together; a width of one where all values are equal."""
    lower, upper = float(profile.minimum or 0), float(profile.maximum or 0)
    width = upper - lower
    return lower, width if width > 0 else 1.0


def _histogram(profile: ColumnProfile, counts: Sequence[int]) -> Histogram | None:
    if profile.minimum is None or profile.maximum is None or not math.isfinite(_bounds(profile)[1]):
        return None  # A range beyond a float has no equal bins.
    number = 1 if profile.minimum == profile.maximum else BINS
    return Histogram(profile.minimum, profile.maximum, tuple(counts[:number]))


def _with_forms(source: Source, group: Sequence[ColumnProfile], texts: int) -> Iterator[ColumnProfile]:
    """How many of a sample of evenly spaced rows have each form."""
    wanted = max(1, min(_FORMAT_ROWS, _FORMAT_CELLS // texts))
    every = max(1, source.rows // wanted)
    tried = ", ".join(["count(*) FILTER (regexp_full_match(p, ?))"] * len(FORMATS))
    rows = source.query(
        f"SELECT k, count(*), {tried} FROM (SELECT k, left(v, 400) p "
        f"FROM ({stacked([profile.position for profile in group])}) WHERE v IS NOT NULL AND r % ? = 0) GROUP BY k",
        [*FORMATS.values(), every],
    )
    found = {row[0]: _matched(row[1], row[2:]) for row in rows}
    for profile in group:
        yield replace(profile, formats=found.get(profile.position, ()))


def _matched(tested: int, counts: Sequence[int]) -> tuple[FormatCount, ...]:
    return tuple(FormatCount(name, matched, tested) for name, matched in zip(FORMATS, counts, strict=True) if matched)
