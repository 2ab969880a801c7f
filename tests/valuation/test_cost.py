"""The cost approach meets its worked example to the cent and keeps its axioms."""

from __future__ import annotations

import decimal
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import canonical
from valuation.approaches import CostInputs, Estimate, account, chart
from valuation.approaches.cost import estimate
from valuation.errors import EstimateError, PricingError
from valuation.pricing import SMALLEST_PRICE_FEN, suggest

YUAN = 100
WORKED = CostInputs(
    items={
        "preliminary": 120_000 * YUAN,
        "direct": 860_000 * YUAN,
        "indirect": 210_000 * YUAN,
        "opportunity": 60_000 * YUAN,
        "taxes": 30_000 * YUAN,
    },
    margin=Decimal("0.08"),
    age_years=Decimal("1.5"),
    life_years=Decimal(5),
    quality=Decimal("0.9555"),
)
amounts = st.integers(1, 10**11)
shares = st.decimals(0, 1, places=4)


def elasticity(found: Estimate, name: str) -> Decimal:
    return next(Decimal(value.elasticity) for value in found.sensitivities if value.input == name)


def test_the_worked_example_comes_to_973282_36() -> None:
    found = estimate(WORKED)
    assert found.value_fen == 973_282_36
    assert (found.steps[-1].value, found.steps[-1].unit) == ("973282.36", "CNY")
    values = {step.label_en: step.value for step in found.steps}
    assert values["Total cost"] == "1280000.00"
    assert values["Total cost with margin"] == "1382400"
    assert values["Share of useful life left"] == "0.7"
    assert found.low_fen < found.value_fen < found.high_fen


def test_the_closed_form_sensitivities_are_those_of_the_worked_example() -> None:
    found = estimate(WORKED)
    for name in ("cost", "remaining_life", "quality"):
        assert elasticity(found, name) == 1
    # With the weight 0.3 in the reconciled 1,289,744.01 a tenth more of an input moves the whole by these percents.
    share = Decimal("0.3") * found.exact / 100 / Decimal("1289744.01")
    assert round(10 * share * elasticity(found, "cost"), 4) == Decimal("2.2639")
    assert round(10 * share * elasticity(found, "margin"), 4) == Decimal("0.1677")


@pytest.mark.parametrize("name", ["margin", "life_years", "quality"])
def test_the_elasticities_agree_with_small_differences(name: str) -> None:
    step = Decimal("1e-9")
    up = estimate(replace(WORKED, **{name: getattr(WORKED, name) * (1 + step)})).exact
    down = estimate(replace(WORKED, **{name: getattr(WORKED, name) * (1 - step)})).exact
    slope = (up - down) / estimate(WORKED).exact / (2 * step)
    assert abs(slope - elasticity(estimate(WORKED), name)) < Decimal("1e-7")


@settings(deadline=None)
@given(amounts, st.integers(2, 90))
def test_the_value_is_homogeneous_in_the_currency(fen: int, factor: int) -> None:
    one = estimate(replace(WORKED, items={"direct": fen}))
    many = estimate(replace(WORKED, items={"direct": fen * factor}))
    assert abs(many.exact - one.exact * factor) < Decimal("1e-12")
    assert abs(many.value_fen - one.value_fen * factor) <= factor


@settings(deadline=None)
@given(shares, shares)
def test_better_quality_never_lowers_the_value(one: Decimal, other: Decimal) -> None:
    worse, better = sorted((one, other))
    low, high = (estimate(replace(WORKED, quality=quality)).value_fen for quality in (worse, better))
    assert low <= high


@settings(deadline=None)
@given(st.lists(amounts, min_size=2, max_size=5))
def test_it_does_not_matter_on_which_account_a_cost_stands(costs: list[int]) -> None:
    ids = [found.id for found in chart()]
    spread = estimate(replace(WORKED, items=dict(zip(ids, costs, strict=False))))
    assert spread.exact == estimate(replace(WORKED, items={"direct": sum(costs)})).exact


@settings(deadline=None)
@given(shares, st.decimals("0.6", 1, places=4))
def test_the_range_holds_the_value_and_widens_as_less_was_assessed(quality: Decimal, coverage: Decimal) -> None:
    full = estimate(replace(WORKED, quality=quality))
    partly = estimate(replace(WORKED, quality=quality, coverage=coverage))
    assert partly.low_fen <= partly.value_fen <= partly.high_fen
    assert partly.value_fen == full.value_fen
    assert partly.low_fen <= full.low_fen
    assert full.high_fen <= partly.high_fen


def test_a_life_that_is_over_leaves_nothing_and_says_so() -> None:
    found = estimate(replace(WORKED, age_years=Decimal(6)))
    assert found.value_fen == 0
    assert found.limitations[0].code == "expired"


def test_the_quality_coefficient_is_held_within_its_bounds_and_says_so() -> None:
    poor = estimate(replace(WORKED, quality=Decimal("0.1")))
    assert poor.exact == estimate(replace(WORKED, quality=Decimal("0.2"))).exact
    assert {limitation.code for limitation in poor.limitations} >= {"clipped", "cost_only"}
    assert elasticity(poor, "quality") == 0


def test_no_value_rests_on_less_than_six_tenths_of_the_quality() -> None:
    with pytest.raises(EstimateError, match=r"0\.59"):
        estimate(replace(WORKED, coverage=Decimal("0.59")))


@pytest.mark.parametrize(
    "change",
    [
        {"items": {}},
        {"items": {"direct": 0}},
        {"items": {"direct": -1}},
        {"items": {"direct": 1.5}},
        {"items": {"direct": True}},
        {"items": {"direct": 10**14}},
        {"items": {"bribes": 1}},
        {"margin": Decimal(-1)},
        {"margin": 0.08},
        {"margin": Decimal("NaN")},
        {"margin": "much"},
        {"age_years": Decimal(-1)},
        {"life_years": Decimal(0)},
        {"quality": Decimal("1.01")},
        {"quality_reference": Decimal(0)},
        {"coverage": Decimal(2)},
    ],
    ids=str,
)
def test_contradictory_inputs_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(EstimateError):
        replace(WORKED, **change)  # type: ignore[arg-type]


def test_the_inputs_survive_being_written_as_json() -> None:
    assert CostInputs.from_json(WORKED.to_json()) == WORKED
    canonical.encode(estimate(WORKED).to_json())
    with pytest.raises(EstimateError):
        CostInputs.from_json({"items": {"direct": 1}})


def test_the_largest_cost_ledger_is_still_exact_in_json() -> None:
    items = {found.id: 10**13 for found in chart()}
    found = estimate(replace(WORKED, items=items, margin=Decimal(10), age_years=Decimal(0)))
    canonical.encode(found.to_json())


def test_every_account_has_a_group_and_two_names() -> None:
    groups = {"preliminary", "direct", "indirect", "opportunity", "taxes"}
    assert {found.group for found in chart()} == groups
    assert all(account(found.id) is found and found.name_en and found.name_zh for found in chart())


def test_a_licence_costs_its_share_of_the_value() -> None:
    plans = suggest(estimate(WORKED), expected_licences=8)
    assert [(plan.kind, plan.recommended) for plan in plans] == [("one-off", True), ("free", False)]
    assert plans[0].amount_fen == 121_660_29
    assert plans[0].low_fen < plans[0].amount_fen < plans[0].high_fen
    assert plans[1].amount_fen == 0
    canonical.encode([plan.to_json() for plan in plans])


@settings(deadline=None)
@given(amounts, st.integers(1, 10_000))
def test_licences_together_never_exceed_the_value_by_more_than_rounding(fen: int, licences: int) -> None:
    found = estimate(replace(WORKED, items={"direct": fen}))
    plan = next(plan for plan in suggest(found, expected_licences=licences) if plan.kind == "one-off")
    assert abs(plan.amount_fen * licences - found.exact) <= licences
    assert plan.recommended == (plan.amount_fen >= SMALLEST_PRICE_FEN)


@pytest.mark.parametrize("licences", [0, -1, True, 1.5])
def test_a_price_needs_a_licence(licences: int) -> None:
    with pytest.raises(PricingError):
        suggest(estimate(WORKED), expected_licences=licences)


def test_the_callers_decimal_context_changes_nothing() -> None:
    with decimal.localcontext(decimal.Context(prec=5, rounding=decimal.ROUND_UP)):
        found = estimate(WORKED)
    assert found == estimate(WORKED)
