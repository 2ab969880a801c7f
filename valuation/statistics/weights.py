"""Composite indices such as openness and vitality: indicators scaled to 0 … 1, and weights that are published.

Weights are given, or follow from the data: by entropy (Shannon; an indicator that is the same everywhere says
nothing) or by CRITIC (Diakoulaki and others 1995: spread times the conflict with the other indicators).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from valuation import numbers
from valuation.approaches.inputs import decimal
from valuation.errors import StatisticsError

Floats = npt.NDArray[np.float64]
Method = Literal["fixed", "entropy", "critic"]
_DIGITS: Final = 12


@dataclass(frozen=True)
class Composite:
    """The composite of each row from 0 to 1, with the weights that made it; they sum to one."""

    rows: tuple[str, ...]
    values: tuple[float, ...]
    indicators: tuple[str, ...]
    weights: tuple[float, ...]
    method: Method

    def to_json(self) -> dict[str, Any]:
        """The composite as JSON values, floats as text of twelve significant digits."""
        return {
            "method": self.method,
            "weights": {
                name: numbers.significant(weight, _DIGITS)
                for name, weight in zip(self.indicators, self.weights, strict=True)
            },
            "values": {
                name: numbers.significant(value, _DIGITS) for name, value in zip(self.rows, self.values, strict=True)
            },
        }


def composite(
    rows: Sequence[str],
    indicators: Mapping[str, Sequence[float]],
    *,
    lower_is_better: Sequence[str] = (),
    weights: Mapping[str, Decimal] | Literal["entropy", "critic"],
) -> Composite:
    """The composite index of `rows` from `indicators`, a list of one number for each row by name.

    Each indicator is scaled to 0 … 1 between its smallest and its largest value, turned round where lower is
    better; one that is the same everywhere scales to 0. Raises StatisticsError for no row or indicator, a list
    of another length, a value that is no number, or weights that are negative, of other indicators, or do
    not sum to one.
    """
    names = tuple(indicators)
    if not rows or not names:
        raise StatisticsError("A composite index needs at least one row and one indicator.")
    for name in names:
        if len(indicators[name]) != len(rows):
            raise StatisticsError(f"The indicator {name} has {len(indicators[name])} values for {len(rows)} rows.")
    if unknown := set(lower_is_better) - set(names):
        raise StatisticsError(f"There is no indicator {sorted(unknown)[0]} that could be lower.")
    table = np.array([indicators[name] for name in names], dtype=np.float64).T
    if not np.isfinite(table).all():
        raise StatisticsError("An indicator holds a value that is no number; leave that row out, and say so.")
    scaled = _scaled(table, [name in lower_is_better for name in names])
    method: Method = weights if isinstance(weights, str) else "fixed"
    if isinstance(weights, str):
        used = entropy(scaled) if weights == "entropy" else critic(scaled)
    else:
        used = _given(weights, names)
    return Composite(tuple(rows), tuple((scaled @ used).tolist()), names, tuple(used.tolist()), method)


def entropy(scaled: Floats) -> Floats:
    """The entropy weights of a table (rows, indicators) of values from 0 on: 1 - H_j over its sum, H_j in 0 … 1.

    Raises StatisticsError where no indicator tells rows apart.
    """
    if len(scaled) < 2:
        raise StatisticsError("Weights that follow from the data need at least two rows.")
    totals = scaled.sum(axis=0)
    shares = np.divide(scaled, totals, out=np.full_like(scaled, 1 / len(scaled)), where=totals > 0)
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return _normal(1 + (shares * logs).sum(axis=0) / np.log(len(scaled)))


def critic(scaled: Floats) -> Floats:
    """The CRITIC weights of a table (rows, indicators): w_j ∝ σ_j · Σ_k (1 - r_jk), σ with n - 1.

    An indicator that is the same everywhere has no spread and no weight. Raises StatisticsError where no
    indicator tells rows apart.
    """
    if len(scaled) < 2:
        raise StatisticsError("Weights that follow from the data need at least two rows.")
    spread = scaled.std(axis=0, ddof=1)
    moving = spread > 0
    related = np.zeros((scaled.shape[1],) * 2)
    if moving.any():
        related[np.ix_(moving, moving)] = np.atleast_2d(np.corrcoef(scaled[:, moving], rowvar=False))
    conflict = (1 - related)[:, moving].sum(axis=1)
    if moving.sum() == 1:
        return np.where(moving, 1.0, 0.0)
    return _normal(spread * conflict)


def _scaled(table: Floats, lower: Sequence[bool]) -> Floats:
    low, high = table.min(axis=0), table.max(axis=0)
    wide = high > low
    scaled = np.divide(table - low, high - low, out=np.zeros_like(table), where=wide)
    turned: Floats = np.where(np.array(lower) & wide, 1 - scaled, scaled)
    return turned


def _normal(raw: Floats) -> Floats:
    kept = np.where(raw > 1e-12, raw, 0.0)
    if not kept.any():
        raise StatisticsError("No indicator tells the rows apart, so the data give no weights; publish fixed ones.")
    shares: Floats = kept / kept.sum()
    return shares


def _given(weights: Mapping[str, Decimal], names: Sequence[str]) -> Floats:
    if set(weights) != set(names):
        raise StatisticsError(f"The weights must be those of {', '.join(names)}.")
    given = {name: decimal(f"The weight of {name}", value) for name, value in weights.items()}
    if any(value < 0 for value in given.values()):
        raise StatisticsError("A weight is not negative.")
    if (total := sum(given.values(), Decimal(0))) != 1:
        raise StatisticsError(f"The weights sum to {numbers.text(total)}; they must sum to 1.")
    return np.array([float(given[name]) for name in names])
