"""Two of Gartner's Infonomics measures as cross-checks: IVI (non-financial) and EVI (economic value). Laney 2015."""

from __future__ import annotations

from decimal import Decimal

from valuation import numbers
from valuation.approaches.inputs import decimal, fen, share
from valuation.errors import EstimateError


def intrinsic_value(correctness: Decimal, completeness: Decimal, held_by: Decimal, life: Decimal) -> Decimal:
    """IVI = correctness · completeness · (1 - share of the market that has the data) · life.

    The first three are shares from 0 to 1, `life` is the useful life in years from 0 on; so is the result.
    """
    one, two, held = (
        share(name, value)
        for name, value in (("correctness", correctness), ("completeness", completeness), ("held_by", held_by))
    )
    years = decimal("life", life)
    if years < 0:
        raise EstimateError("A useful life is not negative.")
    with numbers.arithmetic():
        return one * two * (1 - held) * years


def economic_value(
    revenue_with: int, revenue_control: int, costs: int, *, measured_days: Decimal, life_days: Decimal
) -> Decimal:
    """EVI = (R_with - R_control - costs of acquiring, administering and applying) · T / t, in fen, not rounded.

    Revenues and costs are fen of the `measured_days` t of the trial, T is the useful life.
    """
    gained = fen("revenue_with", revenue_with) - fen("revenue_control", revenue_control) - fen("costs", costs)
    days, life = decimal("measured_days", measured_days), decimal("life_days", life_days)
    if days <= 0 or life < 0:
        raise EstimateError("A trial lasts longer than nothing, and a useful life is not negative.")
    with numbers.arithmetic():
        return gained * life / days
