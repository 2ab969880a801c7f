"""The market approach meets its worked example and gives nobody's terms away."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import canonical
from valuation.approaches import Aggregate, Comparable, MarketInputs, Trade
from valuation.approaches.market import COEFFICIENTS, estimate
from valuation.errors import EstimateError


def comparable(reference: str, yuan: int, *values: str) -> Comparable:
    given = values or ("1",) * 5
    return Comparable(reference, yuan * 100, dict(zip(COEFFICIENTS, map(Decimal, given), strict=True)))


WORKED = (
    comparable("a", 1_500_000, ".98", "1.05", "1.02", ".90", "1"),
    comparable("b", 1_320_000, "1.03", "1", "1.04", "1.10", ".97"),
    comparable("c", 1_750_000, ".95", ".96", "1", ".92", "1"),
)


def trades(count: int, **facts: Any) -> list[Trade]:
    return [Trade(comparable(f"t{n}", 123_456 + 1_000 * n), f"firm {n}", **facts) for n in range(count)]


def test_the_worked_example_comes_to_1464657_98() -> None:
    found = estimate(MarketInputs(WORKED))
    assert found.value_fen == 1_464_657_98
    assert [step.value for step in found.steps[:3]] == ["1416933.00", "1508720.93", "1468320.00"]
    assert found.steps[3].value == "1468320.00"
    assert found.low_fen <= 1_416_933_00 < found.value_fen <= 1_508_720_93 <= found.high_fen
    assert round(sum(Decimal(item.elasticity) for item in found.sensitivities), 20) == 1


def test_a_trade_that_is_more_alike_weighs_more() -> None:
    near = (replace(WORKED[0], similarity=Decimal(1)), *(replace(c, similarity=Decimal("0.1")) for c in WORKED[1:]))
    assert estimate(MarketInputs(near)).value_fen < estimate(MarketInputs(WORKED)).value_fen


def test_related_and_flagged_trades_are_left_out_and_counted() -> None:
    known = [Trade(found, "own", own=True) for found in WORKED]
    spoiled = trades(2, related=True, consent=True) + trades(1, flagged=True, consent=True)
    inputs = MarketInputs.select(known + spoiled)
    assert inputs.comparables == WORKED
    assert inputs.left_out == {"related": 2, "flagged": 1, "confidential": 0}
    found = estimate(inputs)
    assert found.value_fen == 1_464_657_98
    assert "2 between related parties, 1 under suspicion" in found.limitations[0].text_en


def test_prices_without_consent_enter_from_five_firms_on_and_never_one_by_one() -> None:
    with pytest.raises(EstimateError, match="0 can be used"):
        MarketInputs.select(trades(4))
    inputs = MarketInputs.select(trades(7))
    assert inputs.aggregate is not None
    assert (inputs.aggregate.trades, inputs.aggregate.providers) == (7, 7)
    assert inputs.aggregate.mean_fen == 126_000_00
    written = json.dumps(inputs.to_json())
    assert not any(
        str(trade.comparable.price_fen) in written or trade.comparable.reference in written for trade in trades(7)
    )
    assert estimate(inputs).value_fen == 126_000_00


def test_many_trades_of_few_firms_are_no_aggregate() -> None:
    crowd = [replace(trade, provider=f"firm {n % 4}") for n, trade in enumerate(trades(40))]
    with pytest.raises(EstimateError):
        MarketInputs.select(crowd)


def test_a_firm_with_most_of_the_trades_counts_once() -> None:
    dear = [Trade(comparable(f"d{n}", 10_000_000), "dear") for n in range(30)]
    cheap = [Trade(comparable(f"c{n}", 1_000_000), f"cheap {n}") for n in range(4)]
    aggregate = MarketInputs.select(dear + cheap).aggregate
    assert aggregate is not None
    assert aggregate.mean_fen == 2_800_000_00
    assert aggregate.median_fen == 1_000_000_00


def test_two_comparables_are_too_few() -> None:
    with pytest.raises(EstimateError, match="at least 3"):
        MarketInputs(WORKED[:2])


def test_a_trade_counts_once() -> None:
    with pytest.raises(EstimateError, match="twice"):
        MarketInputs((*WORKED, WORKED[0]))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"price_fen": 0}, "zero"),
        ({"price_fen": -5}, "price of a"),
        ({"price_fen": 1.5}, "price of a"),
        ({"similarity": Decimal(0)}, "similarity"),
        ({"similarity": 0.5}, "similarity"),
        ({"coefficients": {"quality": Decimal(1)}}, "exactly"),
        ({"coefficients": dict.fromkeys(COEFFICIENTS, Decimal("0.4"))}, "quality of a"),
        ({"coefficients": dict.fromkeys(COEFFICIENTS, Decimal("2.1"))}, "quality of a"),
    ],
    ids=str,
)
def test_what_is_no_comparable_is_refused_by_name(change: dict[str, Any], named: str) -> None:
    with pytest.raises(EstimateError, match=named):
        replace(WORKED[0], **change)


@pytest.mark.parametrize(
    "change", [{"trades": 4}, {"providers": 4}, {"providers": 9}, {"mean_fen": 0}, {"similarity": 9}]
)
def test_an_aggregate_of_fewer_than_five_firms_is_refused(change: dict[str, Any]) -> None:
    whole: dict[str, Any] = {"trades": 6, "providers": 6, "mean_fen": 5, "median_fen": 5, "similarity": Decimal(6)}
    assert Aggregate(**whole).to_json()["similarity"] == "6"
    with pytest.raises(EstimateError):
        Aggregate(**{**whole, **change})


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 10**9), min_size=3, max_size=8), st.integers(2, 50))
def test_the_value_is_homogeneous_in_the_currency(yuan: list[int], factor: int) -> None:
    one = estimate(MarketInputs(tuple(comparable(str(n), value) for n, value in enumerate(yuan))))
    many = estimate(MarketInputs(tuple(comparable(str(n), value * factor) for n, value in enumerate(yuan))))
    assert abs(many.exact - one.exact * factor) < Decimal("1e-10")
    assert one.low_fen <= one.value_fen <= one.high_fen


def test_the_inputs_survive_being_written_as_json() -> None:
    for inputs in (MarketInputs(WORKED), MarketInputs.select(trades(6) + trades(0))):
        assert MarketInputs.from_json(inputs.to_json()) == inputs
        canonical.encode(estimate(inputs).to_json())
    with pytest.raises(EstimateError, match="aggregate"):
        MarketInputs.from_json({"comparables": []})
