"""Price lists that can be got around are found with the way around them; those that cannot pass."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from valuation.arbitrage import Tier, answer_price, check, tiers_by_variance
from valuation.errors import EstimateError, PricingError

VARIANCES = [Decimal(n) / 2 for n in range(1, 19)]


def by_variance(price: Callable[[float], float]) -> tuple[Tier, ...]:
    return tiers_by_variance([(variance, round(price(float(variance)) * 10_000)) for variance in VARIANCES])


@pytest.mark.parametrize(
    "price",
    [lambda v: 100 / v, lambda v: 100 / math.sqrt(v), lambda v: 100 * math.log(1 + 1 / v), lambda v: 100],
    ids=["c/V", "c/sqrt(V)", "c log(1+1/V)", "flat"],
)
def test_prices_that_are_subadditive_in_precision_pass(price: Callable[[float], float]) -> None:
    assert check(by_variance(price)) == ()


def test_the_linear_ladder_fails_and_says_for_which_step() -> None:
    found = check(by_variance(lambda v: 100 - 10 * v))
    assert found
    way = found[0]
    # Six answers of variance 9 for 10 each are as good as one of variance 1.5 for 85.
    assert (way.tier, way.kind, way.instead, way.cost_fen) == (2, "subadditive", ((17, 6),), 600_000)
    assert "Step 3" in way.reason_en
    assert "第3档" in way.reason_zh


def test_a_price_that_grows_with_the_square_of_precision_fails_where_smaller_steps_exist() -> None:
    found = check(by_variance(lambda v: 100 / v**2))
    assert {way.tier for way in found} == set(range(12))


@pytest.mark.parametrize(("power", "sound"), [(0.8, True), (1.0, True), (1.2, False)])
def test_powers_of_rows(power: float, sound: bool) -> None:
    tiers = [Tier(Decimal(rows), round(rows**power * 100_000)) for rows in (1, 2, 3, 5, 10, 20, 50)]
    found = check(tiers)
    assert bool(found) != sound
    assert sound or {way.tier for way in found} == {1, 2, 3, 4, 5, 6}


def test_more_for_less_is_named_as_such() -> None:
    (way,) = check([Tier(Decimal(100), 500), Tier(Decimal(200), 400)])
    assert (way.tier, way.kind, way.instead, way.cost_fen) == (0, "monotone", ((1, 1),), 400)


def test_a_mixture_of_three_tiers_is_found_too() -> None:
    tiers = [Tier(Decimal(2), 20), Tier(Decimal(3), 30), Tier(Decimal(7), 70), Tier(Decimal(12), 121)]
    (way,) = check(tiers)
    assert way.tier == 3
    assert way.cost_fen == 120


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 3000)), min_size=1, max_size=4, unique_by=lambda t: t[0]))
def test_the_search_agrees_with_trying_every_collection(drawn: list[tuple[int, int]]) -> None:
    found = {way.tier: way.cost_fen for way in check([Tier(Decimal(a), p) for a, p in drawn])}
    for number, (amount, price) in enumerate(drawn):
        best = min(
            (
                sum(n * p for n, (_, p) in zip(times, drawn, strict=True))
                for times in product(range(10), repeat=len(drawn))
                if times[number] == 0 and sum(n * a for n, (a, _) in zip(times, drawn, strict=True)) >= amount
            ),
            default=price,
        )
        assert found.get(number) == (best if best < price * 0.999 else None)


@pytest.mark.parametrize(
    ("tiers", "named"),
    [
        ([], "steps"),
        ([Tier(Decimal(0), 1)], r"amount\[0\]"),
        ([Tier(Decimal(1), 1), Tier(Decimal(1), 2)], "twice"),
        ([Tier(Decimal(1), 1)] * 201, "200"),
    ],
    ids=["none", "zero", "twice", "many"],
)
def test_what_is_no_price_list_is_refused(tiers: list[Tier], named: str) -> None:
    with pytest.raises(PricingError, match=named):
        check(tiers)


@pytest.mark.parametrize("tier", [Tier(1.5, 1), Tier(Decimal(1), -1), Tier(Decimal(1), 1.5)], ids=str)  # type: ignore[arg-type]
def test_floats_and_negative_prices_are_refused(tier: Any) -> None:
    with pytest.raises(EstimateError):
        check([tier])


def test_a_noisy_answer_costs_c_over_v() -> None:
    assert answer_price(1000, Decimal(4)) == 250
    assert answer_price(1, Decimal(1000)) == 1
    for variance in (Decimal(0), Decimal(-1)):
        with pytest.raises(PricingError, match="variance"):
            answer_price(1000, variance)
    with pytest.raises(PricingError, match="variance"):
        tiers_by_variance([(Decimal(0), 1)])
