"""Price plans suggested from an estimate, with their reasons; the provider decides.

Data is not used up by a sale, so a licence costs the value divided by the number of licences expected.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal, Protocol

from valuation import numbers
from valuation.approaches.estimate import CURRENCY
from valuation.errors import PricingError

# Below this a payment costs more trouble than it brings.
SMALLEST_PRICE_FEN: Final = 10_000


class Valued(Protocol):
    """A value in fen with its range and the approach it comes from: an estimate, or several reconciled."""

    @property
    def approach(self) -> str: ...
    @property
    def exact(self) -> Decimal | None: ...
    @property
    def low_fen(self) -> int: ...
    @property
    def high_fen(self) -> int: ...


@dataclass(frozen=True)
class PricePlan:
    """A price plan: `free`, or `one-off` for one licence, with the range it may be negotiated in."""

    kind: Literal["free", "one-off"]
    amount_fen: int
    low_fen: int
    high_fen: int
    recommended: bool
    reason_en: str
    reason_zh: str
    currency: str = CURRENCY

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON values."""
        return dict(vars(self))


def suggest(estimate: Valued, *, expected_licences: int = 1) -> tuple[PricePlan, ...]:
    """The plans, the recommended one first.

    A one-off price is the value over the expected licences, rounded half-even to fen, its range likewise;
    where that is less than the smallest sensible price, free is recommended. Raises PricingError for less
    than one licence, and where the methods disagree.
    """
    if type(expected_licences) is not int or expected_licences < 1:
        raise PricingError("A price needs at least one expected licence.")
    if estimate.exact is None:
        raise PricingError("The methods disagree, so there is no value to make a price of.")
    amount, low, high = (
        _share(value, expected_licences)
        for value in (estimate.exact, Decimal(estimate.low_fen), Decimal(estimate.high_fen))
    )
    value = numbers.yuan(numbers.to_fen(estimate.exact))
    sells = amount >= SMALLEST_PRICE_FEN
    one_off = PricePlan(
        "one-off",
        amount,
        low,
        high,
        sells,
        f"The value of {value} CNY by {_APPROACHES[estimate.approach][0]}, shared by "
        f"{expected_licences} expected licences.",
        f"按{_APPROACHES[estimate.approach][1]}评估值 {value} 元，由预计 {expected_licences} 份许可分摊。",
    )
    free = PricePlan(
        "free",
        0,
        0,
        0,
        not sells,
        f"Without payment; recommended where a licence would cost less than {numbers.yuan(SMALLEST_PRICE_FEN)} CNY.",
        f"无偿提供；单份许可低于 {numbers.yuan(SMALLEST_PRICE_FEN)} 元时建议采用。",
    )
    return (one_off, free) if sells else (free, one_off)


_APPROACHES: Final = {
    "cost": ("the cost approach", "成本法"),
    "income": ("the income approach", "收益法"),
    "market": ("the market approach", "市场法"),
    "reconciled": ("several approaches together", "多种方法综合"),
}


def _share(fen: Decimal, licences: int) -> int:
    with numbers.arithmetic():
        return numbers.to_fen(fen / licences)
