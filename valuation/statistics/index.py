"""Price indices by the matched model: only what was traded in both periods is compared.

Within a class the elementary index is Jevons', the geometric mean of the price relatives; where quantities are
known, Fisher's is the geometric mean of Laspeyres' and Paasche's (CPI Manual, IMF and others 2020, chapters 6
and 8). Below five matched products nothing is published: it would be an anecdote, and it would give prices away.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from valuation import numbers
from valuation.errors import StatisticsError

FEWEST_MATCHED: Final = 5
_DIGITS: Final = 12


@dataclass(frozen=True)
class Movement:
    """A product in two periods: prices in fen, above zero, and quantities from 0 on, where they are known."""

    product: str
    price_before: int
    price_after: int
    quantity_before: int | None = None
    quantity_after: int | None = None


@dataclass(frozen=True)
class PriceIndex:
    """Indices as ratios after / before; None where too few products match or the quantities are not known."""

    matched: int
    jevons: float | None
    laspeyres: float | None
    paasche: float | None
    fisher: float | None

    @property
    def sufficient(self) -> bool:
        """Whether enough products match to publish a number."""
        return self.jevons is not None

    def to_json(self) -> dict[str, Any]:
        """The indices as JSON values, ratios as text of twelve significant digits."""
        ratios = {name: getattr(self, name) for name in ("jevons", "laspeyres", "paasche", "fisher")}
        return {
            "matched": self.matched,
            "sufficient": self.sufficient,
            **{name: None if value is None else numbers.significant(value, _DIGITS) for name, value in ratios.items()},
        }


def price_index(movements: Sequence[Movement], *, fewest: int = FEWEST_MATCHED) -> PriceIndex:
    """The indices over `movements`; Fisher's and its parts only where every quantity is known and some were sold.

    Raises StatisticsError for a product that stands twice, a price that is not above zero, or a quantity
    below zero.
    """
    seen = set()
    for found in movements:
        if found.product in seen:
            raise StatisticsError(f"The product {found.product} stands twice; give one price a period.")
        seen.add(found.product)
        if min(found.price_before, found.price_after) <= 0:
            raise StatisticsError(f"A price of {found.product} is not above zero; leave out what was free.")
        if any(quantity is not None and quantity < 0 for quantity in (found.quantity_before, found.quantity_after)):
            raise StatisticsError(f"A quantity of {found.product} is below zero.")
    if len(movements) < max(1, fewest):
        return PriceIndex(len(movements), None, None, None, None)
    relatives = math.fsum(math.log(found.price_after / found.price_before) for found in movements)
    jevons = math.exp(relatives / len(movements))
    laspeyres, paasche = _weighted(movements, "quantity_before"), _weighted(movements, "quantity_after")
    fisher = None if laspeyres is None or paasche is None else math.sqrt(laspeyres * paasche)
    return PriceIndex(len(movements), jevons, laspeyres, paasche, fisher)


def _weighted(movements: Sequence[Movement], quantity: str) -> float | None:
    """Σ p1·q / Σ p0·q in exact integers, or None where a quantity is unknown or all are zero."""
    quantities = [getattr(found, quantity) for found in movements]
    if any(value is None for value in quantities):
        return None
    before = sum(found.price_before * value for found, value in zip(movements, quantities, strict=True))
    after = sum(found.price_after * value for found, value in zip(movements, quantities, strict=True))
    return after / before if before else None
