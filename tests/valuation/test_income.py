"""The income approach meets its worked example to the cent in all variants and keeps its axioms."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import canonical
from valuation.approaches import Estimate, IncomeInputs
from valuation.approaches.income import estimate, rate_slope
from valuation.errors import EstimateError


def thousands(*yuan: int) -> tuple[int, ...]:
    return tuple(value * 1000 * 100 for value in yuan)


DIRECT = IncomeInputs("direct", thousands(400, 480, 520, 450), Decimal("0.12"))
REVENUE = thousands(2600, 2900, 3100, 2800)
ROYALTY = IncomeInputs("royalty", REVENUE, Decimal("0.12"), royalty=(Decimal("0.18"),))
INCREMENTAL = IncomeInputs("incremental", REVENUE, Decimal("0.12"), without=thousands(2150, 2390, 2560, 2330))
EXCESS = IncomeInputs("excess", REVENUE, Decimal("0.12"), charges=thousands(2150, 2390, 2560, 2330))


def elasticity(found: Estimate, name: str) -> Decimal:
    return next(Decimal(value.elasticity) for value in found.sensitivities if value.input == name)


@pytest.mark.parametrize(
    ("inputs", "fen"),
    [(DIRECT, 139590478), (ROYALTY, 155146684), (INCREMENTAL, 149140942), (EXCESS, 149140942)],
    ids=lambda value: getattr(value, "variant", ""),
)
def test_every_variant_meets_the_worked_example(inputs: IncomeInputs, fen: int) -> None:
    found = estimate(inputs)
    assert found.value_fen == fen
    assert found.low_fen < fen < found.high_fen
    canonical.encode(found.to_json())
    assert IncomeInputs.from_json(inputs.to_json()) == inputs


def test_duration_and_slope_are_those_of_the_worked_example() -> None:
    found = estimate(DIRECT)
    duration = next(Decimal(step.value) for step in found.steps if step.label_en == "Duration")
    assert round(duration, 6) == Decimal("2.419047")
    assert round(rate_slope(DIRECT) / 100, 2) == Decimal("-3014963.13")


@pytest.mark.parametrize(("inputs", "name"), [(DIRECT, "rate"), (INCREMENTAL, "without"), (EXCESS, "charges")])
def test_the_elasticities_agree_with_small_differences(inputs: IncomeInputs, name: str) -> None:
    step = Decimal("1e-6")

    def scaled(factor: Decimal) -> Decimal:
        value = getattr(inputs, name)
        # Amounts are whole fen and these are round, so that a millionth of them is whole, too.
        new: Any = value * factor if name == "rate" else tuple(int(item * factor) for item in value)
        return estimate(replace(inputs, **{name: new})).exact

    slope = (scaled(1 + step) - scaled(1 - step)) / estimate(inputs).exact / (2 * step)
    assert abs(slope - elasticity(estimate(inputs), name)) < Decimal("1e-9")


@settings(deadline=None)
@given(st.lists(st.integers(1, 10**10), min_size=1, max_size=6), st.integers(2, 90))
def test_the_value_is_homogeneous_in_the_currency(revenue: list[int], factor: int) -> None:
    one = estimate(replace(DIRECT, revenue=tuple(revenue)))
    many = estimate(replace(DIRECT, revenue=tuple(value * factor for value in revenue)))
    assert abs(many.exact - one.exact * factor) < Decimal("1e-10")


@settings(deadline=None)
@given(st.decimals(0, 1, places=4), st.decimals(0, 1, places=4))
def test_a_higher_rate_never_raises_the_value_of_gains(one: Decimal, other: Decimal) -> None:
    low, high = sorted((one, other))
    assert estimate(replace(DIRECT, rate=low)).exact >= estimate(replace(DIRECT, rate=high)).exact


def test_a_zero_rate_and_a_year_of_loss_are_stated_on_the_report() -> None:
    found = estimate(IncomeInputs("direct", (-100, 500), Decimal(0)))
    assert found.value_fen == 400
    assert [limitation.code for limitation in found.limitations] == ["undiscounted", "losses", "forecast"]
    assert "1" in found.limitations[1].text_en


def test_data_that_earn_nothing_have_no_value_by_income() -> None:
    with pytest.raises(EstimateError, match="earn nothing"):
        estimate(IncomeInputs("direct", (-100, 50), Decimal("0.1")))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"variant": "guess"}, "variant"),
        ({"revenue": ()}, "revenue"),
        ({"revenue": (1,) * 51}, "revenue"),
        ({"revenue": (1.5, 2)}, r"revenue\[0\]"),
        ({"rate": Decimal("-0.1")}, "rate"),
        ({"rate": Decimal("1.1")}, "rate"),
        ({"rate": 0.12}, "rate"),
        ({"rate": Decimal("NaN")}, "rate"),
        ({"royalty": (Decimal("0.1"),)}, "royalty"),
        ({"charges": (1, 2, 3, 4)}, "charges"),
        ({"variant": "royalty"}, "royalty"),
        ({"variant": "royalty", "royalty": (Decimal("1.1"),)}, r"royalty\[0\]"),
        ({"variant": "excess", "charges": (1, 2)}, "charges has 2 years"),
    ],
    ids=str,
)
def test_contradictory_inputs_are_refused_by_name(change: dict[str, Any], named: str) -> None:
    with pytest.raises(EstimateError, match=named):
        replace(DIRECT, **change)


def test_a_document_that_lacks_something_is_refused() -> None:
    document = DIRECT.to_json()
    del document["charges"]
    with pytest.raises(EstimateError, match="charges"):
        IncomeInputs.from_json(document)
