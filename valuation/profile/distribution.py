"""How the values of a column lie: quantiles and histograms of numbers, forms of texts."""

# ruff: noqa: S608  (The SQL is made of this module's own identifiers; no name or value of the data enters
# it.)
from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from valuation.profile.model import ColumnProfile, FormatCount, Histogram, Quantiles
from valuation.source import Source

QUANTILES: Final = ("0.01", "0.05", "0.25", "0.5", "0.75", "0.95", "0.99")
BINS: Final = 20
# A rank read from two million evenly spaced rows has a standard error of at most 0.04 %.
_QUANTILE_ROWS: Final = 2_000_000
_QUANTILE_CELLS: Final = 4_000_000
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
    """The same profiles, in order, with quantiles and histograms for numbers and forms for texts."""
    every = max(1, math.ceil(source.rows / _QUANTILE_ROWS))
    sampled = max(1, source.rows // every)
    size = max(1, min(40, _QUANTILE_CELLS // sampled))
    texts = sum(1 for profile in profiles if profile.kind == "string")
    for start in range(0, len(profiles), size):
        group = profiles[start : start + size]
        spread = _spread(source, [p for p in group if _is_number(p)], every)
        forms = _forms(source, [p for p in group if p.kind == "string" and p.values], texts)
        for profile in group:
            yield forms.get(profile.position) or spread.get(profile.position) or profile


def _is_number(profile: ColumnProfile) -> bool:
    return profile.kind in ("integer", "decimal", "float") and profile.values > 0


def _spread(source: Source, profiles: Sequence[ColumnProfile], every: int) -> dict[int, ColumnProfile]:
    """Quantiles from every `every`-th row and histograms from all, keyed by the column's place."""
    if not profiles:
        return {}
    shares = ", ".join(QUANTILES)
    counted, taken, parameters = [], [], []
    for profile in profiles:
        value = f"c{profile.position}::DOUBLE"
        keep = f"FILTER (isfinite({value}))" if profile.kind == "float" else f"FILTER ({value} IS NOT NULL)"
        lower, width = _bounds(profile)
        counted.append(f"histogram(least({BINS - 1}, floor(({value} - ?) / ? * {BINS}))::INTEGER) {keep}")
        parameters += [lower, width]
        taken.append(f"(quantile_disc(c{profile.position}, [{shares}]) {keep})::VARCHAR[]")
    bins = source.row(f"SELECT {', '.join(counted)} FROM s", parameters)
    ranks = source.row(f"SELECT {', '.join(taken)} FROM s WHERE r % ? = 0", [every])
    return {
        profile.position: replace(profile, histogram=_histogram(profile, counts), quantiles=_quantiles(values, every))
        for profile, counts, values in zip(profiles, bins, ranks, strict=True)
    }


def _bounds(profile: ColumnProfile) -> tuple[float, float]:
    """The lower edge and the width of all bins together; a width of one where all values are equal."""
    lower, upper = float(profile.minimum or 0), float(profile.maximum or 0)
    width = upper - lower
    return lower, width if width > 0 else 1.0


def _histogram(profile: ColumnProfile, counts: dict[int, int] | None) -> Histogram | None:
    if counts is None or profile.minimum is None or profile.maximum is None:
        return None
    if not math.isfinite(_bounds(profile)[1]):
        return None  # The range itself is beyond a float, so there are no equal bins.
    number = 1 if profile.minimum == profile.maximum else BINS
    return Histogram(profile.minimum, profile.maximum, tuple(counts.get(k, 0) for k in range(number)))


def _quantiles(values: list[str] | None, every: int) -> Quantiles | None:
    return None if values is None else Quantiles(dict(zip(QUANTILES, values, strict=True)), every)


def _forms(source: Source, profiles: Sequence[ColumnProfile], texts: int) -> dict[int, ColumnProfile]:
    """How many of a sample of evenly spaced rows have each form, keyed by the column's place."""
    if not profiles:
        return {}
    wanted = max(1, min(_FORMAT_ROWS, _FORMAT_CELLS // texts))
    every = max(1, source.rows // wanted)
    parts: list[str] = []
    parameters: list[Any] = []
    for profile in profiles:
        value = f"left(c{profile.position}, 400)"
        parts.append(f"count(c{profile.position})")
        parts += [f"count(*) FILTER (regexp_full_match({value}, ?))"] * len(FORMATS)
        parameters += FORMATS.values()
    row = source.row(f"SELECT {', '.join(parts)} FROM s WHERE r % ? = 0", [*parameters, every])
    width = 1 + len(FORMATS)
    return {
        profile.position: replace(profile, formats=_found(row[k * width : (k + 1) * width]))
        for k, profile in enumerate(profiles)
    }


def _found(counts: Sequence[int]) -> tuple[FormatCount, ...]:
    tested = counts[0]
    return tuple(
        FormatCount(name, matched, tested) for name, matched in zip(FORMATS, counts[1:], strict=True) if matched
    )
