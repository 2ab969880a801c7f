"""Revenue shared by contribution: whole fen that sum to the revenue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from valuation import numbers
from valuation.approaches.inputs import fen
from valuation.errors import ContributionError


@dataclass(frozen=True)
class Payout:
    """What one publisher gets: its value φ, its share of the revenue, and whole fen. `clipped` where φ was negative."""

    publisher: str
    value: float
    share: Decimal
    amount_fen: int
    clipped: bool


def payouts(values: Mapping[str, float], revenue_fen: int) -> tuple[Payout, ...]:
    """payout_i = revenue · max(φ_i, 0) / Σ max(φ, 0), in whole fen by the largest remainder.

    Who spoilt the bundle pays nothing and gets nothing. Equal remainders go to the publisher that sorts
    first, so that a stranger comes to the same sums. Raises ContributionError where nobody contributed, and
    EstimateError where the revenue is no whole number of fen from 0 on.
    """
    revenue = fen("The revenue", revenue_fen)
    kept = {name: max(Fraction(value), Fraction(0)) for name, value in values.items()}
    total = sum(kept.values(), Fraction(0))
    if total == 0:
        raise ContributionError("Nobody contributed anything above zero, so there is no key to share the revenue by.")
    due = {name: revenue * value / total for name, value in kept.items()}
    amounts = {name: int(value) for name, value in due.items()}
    left = revenue - sum(amounts.values())
    for name in sorted(due, key=lambda name: (amounts[name] - due[name], name))[:left]:
        amounts[name] += 1
    with numbers.arithmetic():
        shares = {
            name: Decimal(value.numerator * total.denominator) / Decimal(value.denominator * total.numerator)
            for name, value in kept.items()
        }
    return tuple(Payout(name, value, shares[name], amounts[name], value < 0) for name, value in values.items())
