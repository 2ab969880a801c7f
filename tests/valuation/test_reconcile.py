"""Three approaches become the one value of the worked example, or say that they disagree."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ledger import canonical
from tests.valuation.test_cost import WORKED as COST
from tests.valuation.test_income import DIRECT
from tests.valuation.test_market import WORKED as MARKET
from valuation.approaches import IncomeInputs, MarketInputs, cost, income, market, reconcile
from valuation.approaches.infonomics import economic_value, intrinsic_value
from valuation.errors import EstimateError

ALL = (cost.estimate(COST), income.estimate(DIRECT), market.estimate(MarketInputs(MARKET)))


def test_the_worked_example_comes_to_1289744_01() -> None:
    found = reconcile(ALL)
    assert found.value_fen == 1_289_744_01
    assert round(found.spread, 4) == Decimal("1.5049")
    assert (found.low_fen, found.high_fen) == (973_282_36, 1_464_657_98)
    assert sum(found.weights.values()) == 1
    canonical.encode(found.to_json())


def test_a_tenth_more_of_each_input_moves_the_whole_by_the_percents_of_the_worked_example() -> None:
    found = reconcile(ALL)
    assert found.value_fen is not None
    moved = {}
    for item in found.sensitivities:
        end = item.low_fen if item.input == "income.rate" else item.high_fen
        moved[item.input] = round(Decimal(end - found.value_fen) / found.value_fen * 100, 4)
    assert moved["cost.cost"] == moved["cost.remaining_life"] == Decimal("2.2639")
    assert moved["cost.margin"] == Decimal("0.1677")
    assert moved["income.rate"] == Decimal("-1.0990")
    assert moved["income.cash_flow"] == Decimal("4.3292")
    assert sum(value for name, value in moved.items() if name.startswith("market.")) == pytest.approx(
        Decimal("3.4069"), abs=Decimal("0.0002")
    )


def test_the_weight_of_a_missing_approach_is_shared_in_proportion() -> None:
    found = reconcile(ALL[:2])
    assert set(found.weights) == {"cost", "income"}
    assert found.weights["income"] / found.weights["cost"] == pytest.approx(Decimal(4) / 3)
    assert reconcile(ALL[:1]).value_fen == ALL[0].value_fen


def test_methods_that_disagree_give_a_range_and_no_value() -> None:
    high = income.estimate(IncomeInputs("direct", (10 * 973_282_36,), Decimal("0.12")))
    found = reconcile((ALL[0], high))
    assert found.value_fen is None
    assert found.exact is None
    assert found.to_json()["agree"] is False
    assert found.sensitivities == ()
    assert found.low_fen == 973_282_36


@pytest.mark.parametrize(
    "weights",
    [
        {"cost": Decimal("0.3"), "income": Decimal("0.4"), "market": Decimal("0.4")},
        {"cost": Decimal("1.3"), "income": Decimal("-0.3"), "market": Decimal(0)},
        {"cost": 0.5, "income": 0.5},
        {"cost": Decimal(1)},
    ],
    ids=str,
)
def test_weights_that_do_not_sum_to_one_or_lack_an_approach_are_refused(weights: dict[str, Decimal]) -> None:
    with pytest.raises(EstimateError, match="weight"):
        reconcile(ALL, weights)


def test_nothing_and_the_same_approach_twice_are_refused() -> None:
    for estimates in ((), (ALL[0], ALL[0])):
        with pytest.raises(EstimateError, match="once"):
            reconcile(estimates)


def test_the_cross_checks_of_infonomics() -> None:
    assert intrinsic_value(Decimal("0.9"), Decimal("0.8"), Decimal("0.25"), Decimal(4)) == Decimal("2.16")
    assert economic_value(500_00, 300_00, 50_00, measured_days=Decimal(90), life_days=Decimal(720)) == 1200_00
    with pytest.raises(EstimateError, match="correctness"):
        intrinsic_value(Decimal(2), Decimal(1), Decimal(0), Decimal(1))
    with pytest.raises(EstimateError, match="trial"):
        economic_value(1, 1, 1, measured_days=Decimal(0), life_days=Decimal(1))
