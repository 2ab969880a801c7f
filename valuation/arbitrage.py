"""Price lists that nobody can get around by buying smaller pieces.

More must not cost less (monotone), and no collection of cheaper offers may make up a dearer one (subadditive in
what adds up: rows, cells, or the precision 1 / variance of noisy answers, whose mean of k answers of variance
k·V has the variance V). Chen, Koutris, Kumar 2019; Li, Li, Miklau, Suciu 2014 for the price c / V.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final, Literal

from valuation import numbers
from valuation.approaches.inputs import decimal, fen
from valuation.errors import PricingError

MOST_STEPS: Final = 200
# Prices are whole fen, so a way around that saves less than a thousandth may come from rounding alone.
TOLERANCE: Final = Fraction(1, 1000)
_MOST_STATES: Final = 50_000


@dataclass(frozen=True)
class Tier:
    """One step of a price list: `amount` of what adds up (rows, cells or 1 / variance), above 0, and its price."""

    amount: Decimal | Fraction
    price_fen: int


@dataclass(frozen=True)
class Arbitrage:
    """A way around a price list: `tier` can be had for `cost_fen` by buying `instead` (place of a tier, how often)."""

    tier: int
    kind: Literal["monotone", "subadditive"]
    instead: tuple[tuple[int, int], ...]
    cost_fen: int
    reason_en: str
    reason_zh: str


def tiers_by_variance(prices: Sequence[tuple[Decimal, int]]) -> tuple[Tier, ...]:
    """The tiers of a list of variances and prices, measured by precision. Raises PricingError for a variance of 0."""
    found = []
    for number, (variance, price) in enumerate(prices):
        value = decimal(f"variance[{number}]", variance)
        if value <= 0:
            raise PricingError(f"variance[{number}] is {value}; an answer without noise has no price by variance.")
        found.append(Tier(1 / Fraction(value), price))
    return tuple(found)


def check(tiers: Sequence[Tier]) -> tuple[Arbitrage, ...]:
    """The ways around a price list, the cheapest one of each tier, in the order of the tiers; empty where none.

    Every collection of tiers is considered, not pairs alone; a way counts where it saves more than a
    thousandth. Raises PricingError for no tier, too many, an
    amount that is not above zero or stands twice, a price that is no whole fen, or a list whose steps are
    too many and too small to be searched.
    """
    amounts = _amounts(tiers)
    found = []
    for number in range(len(tiers)):
        way = _cheapest(number, amounts, [tier.price_fen for tier in tiers])
        if way is not None:
            found.append(_described(number, way, tiers))
    return tuple(found)


def answer_price(unit_fen: int, variance: Decimal) -> int:
    """The price in fen of a noisy aggregate answer, c / V, free of arbitrage; half-even to whole fen, at least 1.

    Raises PricingError where the variance is not above zero: an exact answer is not sold this way.
    """
    unit, value = fen("unit_fen", unit_fen), decimal("variance", variance)
    if value <= 0:
        raise PricingError(f"The variance is {value}; it must be above zero.")
    with numbers.arithmetic():
        return max(1, numbers.to_fen(unit / value))


def _amounts(tiers: Sequence[Tier]) -> list[Fraction]:
    if not 1 <= len(tiers) <= MOST_STEPS:
        raise PricingError(f"A price list has 1 to {MOST_STEPS} steps, not {len(tiers)}.")
    amounts = []
    for number, tier in enumerate(tiers):
        amount = tier.amount
        if not isinstance(amount, Fraction):
            amount = Fraction(decimal(f"amount[{number}]", amount))
        fen(f"price_fen[{number}]", tier.price_fen)
        if amount <= 0:
            raise PricingError(f"amount[{number}] is {amount}; it must be above zero.")
        amounts.append(amount)
    if len(set(amounts)) != len(amounts):
        raise PricingError("An amount stands twice in the price list.")
    return amounts


def _cheapest(wanted: int, amounts: Sequence[Fraction], prices: Sequence[int]) -> tuple[int, dict[int, int]] | None:
    """The cheapest collection of tiers that covers the wanted amount for less than its price, by Dijkstra's order.

    States come in the order of their cost, so one that covers no more than an earlier one is dominated. What
    is still missing costs at least as much as it would at the best price for an amount.
    """
    target, limit = amounts[wanted], prices[wanted] * (1 - TOLERANCE)
    useful = [n for n in range(len(amounts)) if n != wanted and prices[n] < limit]
    cheapest = min((Fraction(prices[n]) / amounts[n] for n in useful), default=Fraction(0))
    queue: list[tuple[int, Fraction, int, tuple[int, ...]]] = [(0, Fraction(0), 0, ())]
    most, counter = Fraction(-1), 0
    while queue:
        cost, less_covered, _, chosen = heapq.heappop(queue)
        covered = -less_covered
        if covered >= target:
            return cost, {tier: chosen.count(tier) for tier in dict.fromkeys(chosen)}
        if covered <= most:
            continue
        most = covered
        for tier in useful:
            paid, have = cost + prices[tier], covered + amounts[tier]
            if paid + max(Fraction(0), target - have) * cheapest < limit:
                counter += 1
                heapq.heappush(queue, (paid, -have, counter, (*chosen, tier)))
        if counter > _MOST_STATES:
            raise PricingError(f"Step {wanted + 1} is so much larger than others that the list cannot be searched.")
    return None


def _described(number: int, way: tuple[int, dict[int, int]], tiers: Sequence[Tier]) -> Arbitrage:
    cost, chosen = way
    tier = tiers[number]
    instead = tuple(sorted(chosen.items()))
    kind: Literal["monotone", "subadditive"] = "monotone" if sum(chosen.values()) == 1 else "subadditive"
    english = " and ".join(f"{times} times {_text(tiers[place].amount)}" for place, times in instead)
    chinese = "加".join(f"{times}份{_text(tiers[place].amount)}" for place, times in instead)
    price, paid = numbers.yuan(tier.price_fen), numbers.yuan(cost)
    return Arbitrage(
        number,
        kind,
        instead,
        cost,
        f"Step {number + 1}, {_text(tier.amount)} for {price} CNY, can be had for {paid} CNY by buying {english}.",
        f"第{number + 1}档（{_text(tier.amount)}，{price} 元）可改购{chinese}，仅需 {paid} 元。",
    )


def _text(amount: Decimal | Fraction) -> str:
    """The amount as plain text, to six digits where it is no short decimal."""
    if isinstance(amount, Fraction):
        with numbers.arithmetic():
            amount = Decimal(amount.numerator) / amount.denominator
            amount = round(amount, max(0, 5 - amount.adjusted()))
    return numbers.text(amount)
