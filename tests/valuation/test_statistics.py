"""Indices and weights meet their worked examples and publish nothing that rests on too little."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import canonical
from valuation.errors import EstimateError, StatisticsError, ValuationError
from valuation.statistics import Movement, composite, critic, entropy, price_index

EXAMPLE = [Movement("a", 100, 110, 5, 4), Movement("b", 200, 190, 3, 4), Movement("c", 50, 55, 10, 9)]
TABLE = {"x": [1, 2, 3, 4], "y": [10, 20, 30, 45], "z": [3, 2, 1, 1]}
ROWS = ["r1", "r2", "r3", "r4"]


def test_the_indices_of_the_worked_example() -> None:
    found = price_index(EXAMPLE, fewest=3)
    assert found.jevons == pytest.approx(1.0475376920949917, abs=1e-15)
    assert found.laspeyres == pytest.approx(1.04375)
    assert found.paasche == pytest.approx(1.0272727, abs=1e-7)
    assert found.fisher == pytest.approx(1.0354786, abs=1e-7)
    canonical.encode(found.to_json())


def test_below_five_matched_products_there_is_no_number() -> None:
    found = price_index(EXAMPLE)
    assert (found.matched, found.sufficient, found.jevons, found.fisher) == (3, False, None, None)
    assert found.to_json()["jevons"] is None


def test_without_quantities_there_is_jevons_alone() -> None:
    found = price_index([Movement(str(n), 100 + n, 120 + n) for n in range(5)])
    assert found.sufficient
    assert (found.laspeyres, found.paasche, found.fisher) == (None, None, None)
    assert price_index([Movement(str(n), 100, 100, 0, 0) for n in range(5)]).fisher is None


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 10**9), st.integers(1, 10**9)), min_size=5, max_size=20))
def test_jevons_is_time_reversible(prices: list[tuple[int, int]]) -> None:
    there = price_index([Movement(str(n), before, after) for n, (before, after) in enumerate(prices)]).jevons
    back = price_index([Movement(str(n), after, before) for n, (before, after) in enumerate(prices)]).jevons
    assert there is not None
    assert back is not None
    assert there * back == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize(
    ("movements", "named"),
    [
        ([EXAMPLE[0], EXAMPLE[0]], "twice"),
        ([Movement("free", 0, 1)], "free"),
        ([Movement("owed", 1, 1, -1, 0)], "owed"),
    ],
    ids=["twice", "free", "negative"],
)
def test_what_is_no_movement_is_refused_by_name(movements: list[Movement], named: str) -> None:
    with pytest.raises(StatisticsError, match=named):
        price_index(movements)


def test_entropy_and_critic_weights_of_the_worked_example() -> None:
    by_entropy = composite(ROWS, TABLE, weights="entropy")
    by_critic = composite(ROWS, TABLE, weights="critic")
    assert by_entropy.weights == pytest.approx([0.245507, 0.263479, 0.491014], abs=1e-6)
    assert by_critic.weights == pytest.approx([0.240024, 0.233016, 0.526961], abs=1e-6)
    assert math.fsum(by_critic.weights) == pytest.approx(1)
    canonical.encode(by_critic.to_json())


def test_an_indicator_that_is_the_same_everywhere_has_no_weight() -> None:
    table = {**TABLE, "same": [7, 7, 7, 7]}
    for method in ("entropy", "critic"):
        found = composite(ROWS, table, weights=method)  # type: ignore[arg-type]
        assert found.weights[3] == 0
        assert found.weights[:3] == pytest.approx(composite(ROWS, TABLE, weights=method).weights)  # type: ignore[arg-type]
    assert composite(ROWS, {"x": TABLE["x"], "same": [7] * 4}, weights="critic").weights == (1.0, 0.0)


def test_fixed_weights_and_direction() -> None:
    half = Decimal("0.5")
    found = composite(
        ["a", "b"], {"up": [0, 1], "down": [5, 9]}, lower_is_better=["down"], weights={"up": half, "down": half}
    )
    assert found.values == (0.5, 0.5)
    assert found.method == "fixed"
    up = composite(["a", "b"], {"up": [0, 1], "down": [5, 9]}, weights={"up": half, "down": half})
    assert up.values == (0.0, 1.0)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"rows": []}, "at least one row"),
        ({"indicators": {}}, "at least one row"),
        ({"indicators": {"x": [1, 2]}}, "x has 2 values"),
        ({"indicators": {**TABLE, "x": [1, 2, 3, math.nan]}}, "no number"),
        ({"lower_is_better": ["w"]}, "w"),
        ({"weights": {"x": Decimal(1)}}, "x, y, z"),
        ({"weights": {"x": Decimal(2), "y": Decimal(-1), "z": Decimal(0)}}, "negative"),
        ({"weights": {"x": Decimal("0.3"), "y": Decimal("0.3"), "z": Decimal("0.3")}}, "sum to 0.9"),
        ({"weights": {"x": 0.3, "y": 0.3, "z": 0.4}}, "float"),
        ({"indicators": {"x": [1, 1, 1, 1]}, "weights": "entropy"}, "tells the rows apart"),
        ({"indicators": {"x": [1, 1, 1, 1]}, "weights": "critic"}, "tells the rows apart"),
    ],
    ids=str,
)
def test_what_is_no_index_is_refused_by_name(change: dict[str, Any], named: str) -> None:
    given: dict[str, Any] = {"rows": ROWS, "indicators": TABLE, "weights": "critic", **change}
    with pytest.raises(ValuationError, match=named) as caught:
        composite(given.pop("rows"), given.pop("indicators"), **given)
    assert isinstance(caught.value, StatisticsError | EstimateError)


def test_one_row_gives_no_weights() -> None:
    for weights in (entropy, critic):
        with pytest.raises(StatisticsError, match="two rows"):
            weights(np.array([[0.5, 0.5]]))
