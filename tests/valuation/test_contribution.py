"""Splits meet the published games, the axioms and the shares measured on real turbines; payouts sum to the fen."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from fractions import Fraction
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from valuation.contribution import (
    Bundle,
    Publisher,
    Samples,
    contributions,
    exact,
    payouts,
    row_values,
    sampled,
)
from valuation.contribution.models import score
from valuation.errors import ContributionError, EstimateError

small_games = st.integers(1, 5).flatmap(
    lambda players: st.tuples(
        st.just(players), st.lists(st.integers(-1000, 1000), min_size=2**players, max_size=2**players)
    )
)


def game(worths: list[int]) -> Callable[[frozenset[int]], float]:
    """The game whose worths stand in the order of the coalitions' bit masks; nobody is worth nothing."""
    return lambda coalition: float(worths[sum(1 << player for player in coalition)]) if coalition else 0.0


def airport(costs: list[Fraction]) -> list[Fraction]:
    """The exact Shapley values of the game where a coalition's worth is its largest cost (Littlechild, Owen 1973)."""
    ordered, values, before = sorted(costs), [], Fraction(0)
    paid = Fraction(0)
    for place, cost in enumerate(ordered):
        paid += (cost - before) / (len(ordered) - place)
        values.append(paid)
        before = cost
    return values


def test_the_gloves_game_in_closed_form() -> None:
    # One left glove and two right ones; two left and three right (exact by enumeration over orders).
    def pairs(left: int) -> Callable[[frozenset[int]], float]:
        return lambda coalition: float(min(sum(p < left for p in coalition), sum(p >= left for p in coalition)))

    assert exact(3, pairs(1)).values == pytest.approx([2 / 3, 1 / 6, 1 / 6], abs=1e-15)
    assert exact(5, pairs(2)).values == pytest.approx([13 / 20] * 2 + [7 / 30] * 3, abs=1e-15)


def test_the_airport_game_of_a_hundred_players_within_its_standard_errors() -> None:
    # Castro, Gómez, Tejada 2009: 8 players at 1, 12 at 2, 6 at 3, 14 at 4, 8, 9, 13, 10, 10 and 10 at 10; here in tenths.
    counts = (8, 12, 6, 14, 8, 9, 13, 10, 10, 10)
    costs = [Fraction(level, 10) * 10 for level, count in enumerate(counts, 1) for _ in range(count)]
    prices, truth = [float(cost) for cost in costs], [float(value) for value in airport(costs)]
    assert truth[0] == 0.01
    assert truth[8] == pytest.approx(0.020869565, abs=5e-10)
    assert truth[-1] == pytest.approx(0.289369662, abs=5e-10)
    found = sampled(100, lambda coalition: max((prices[p] for p in coalition), default=0.0), orders=400, seed=7)
    assert found.total == pytest.approx(10)
    assert math.fsum(found.values) == pytest.approx(10)
    # A cheap player gains something in so few orders that its own standard error means little; the dear ones' holds.
    apart = [abs(value - true) for value, true in zip(found.values, truth, strict=True)]
    assert max(apart) < 0.3
    assert max(one / error for one, error in list(zip(apart, found.errors, strict=True))[60:]) < 4


def test_the_same_seed_gives_the_same_values_and_another_seed_others() -> None:
    def worth(coalition: frozenset[int]) -> float:
        return float(max(coalition, default=0))

    one, again, other = (sampled(12, worth, orders=50, seed=seed) for seed in (1, 1, 2))
    assert one == again
    assert one.values != other.values


@settings(deadline=None, max_examples=60)
@given(small_games)
def test_the_split_is_efficient_and_equals_the_mean_over_all_orders(drawn: tuple[int, list[int]]) -> None:
    players, worths = drawn
    found = exact(players, game(worths))
    assert math.fsum(found.values) == pytest.approx(found.total, abs=1e-9)
    means = [0.0] * players
    for mask in range(2**players):
        coalition = frozenset(p for p in range(players) if mask >> p & 1)
        for player in set(range(players)) - coalition:
            size = len(coalition)
            weight = math.factorial(size) * math.factorial(players - size - 1) / math.factorial(players)
            means[player] += weight * (game(worths)(coalition | {player}) - game(worths)(coalition))
    assert found.values == pytest.approx(means, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(small_games, st.integers(2, 9))
def test_the_axioms_hold(drawn: tuple[int, list[int]], factor: int) -> None:
    players, worths = drawn
    worth = game(worths)
    found = exact(players, worth).values
    # A null player gets nothing and changes nothing; its twin gets the same; values scale with the worth.
    with_null = exact(players + 1, lambda coalition: worth(coalition - {players})).values
    assert with_null[-1] == 0
    assert with_null[:-1] == pytest.approx(found, abs=1e-9)
    scaled = exact(players, lambda coalition: factor * worth(coalition)).values
    assert scaled == pytest.approx([factor * value for value in found], abs=1e-8)

    def twins(coalition: frozenset[int]) -> float:
        return worth(coalition - {players} | ({0} if players in coalition else set()))

    two = exact(players + 1, twins).values
    assert two[0] == pytest.approx(two[-1], abs=1e-9)


@pytest.mark.parametrize("players", [0, 11])
def test_too_few_and_too_many_players_are_refused(players: int) -> None:
    with pytest.raises(ContributionError, match=str(players)):
        exact(players, lambda coalition: 0.0)


def test_a_worth_that_is_no_number_is_refused() -> None:
    for split in (lambda worth: exact(2, worth), lambda worth: sampled(2, worth, orders=2, seed=0)):
        with pytest.raises(ContributionError, match="nan"):
            split(lambda coalition: math.nan)
    with pytest.raises(ContributionError, match="orders"):
        sampled(2, lambda coalition: 0.0, orders=1, seed=0)


def turbine(path: Path) -> tuple[Samples, Samples]:
    """The rows of a year to fit, and every tenth row held out: nine sensors, and NOx to predict."""
    table = np.loadtxt(path, delimiter=",", skiprows=1)
    held = np.arange(len(table)) % 10 == 0
    return tuple(Samples(table[rows][:, :9], table[rows][:, 10]) for rows in (~held, held))  # type: ignore[return-value]


@pytest.fixture(scope="module")
def turbines(real_data: Path) -> tuple[list[Publisher], Samples]:
    folder = real_data / "gas_turbine"
    publishers, held_out = [], []
    for year in range(2011, 2016):
        path = folder / f"gt_{year}.csv"
        fit, held = turbine(path)
        publishers.append(Publisher(str(year), hashlib.sha256(path.read_bytes()).hexdigest(), fit))
        held_out.append(held)
    return publishers, Samples.join(held_out)


def test_five_years_of_a_real_turbine_share_as_measured(turbines: tuple[list[Publisher], Samples]) -> None:
    publishers, held_out = turbines
    found = contributions(publishers, held_out, Bundle("ridge/1"))
    assert found.total == pytest.approx(0.5219, abs=5e-5)
    assert [round(100 * share, 2) for share in found.shares()] == [20.65, 23.09, 25.08, 11.95, 19.23]
    assert (found.coalitions, found.merged, found.seed) == (32, (), None)


def test_listing_the_same_file_twice_earns_nothing_more(turbines: tuple[list[Publisher], Samples]) -> None:
    publishers, held_out = turbines
    copy = Publisher("2011 again", publishers[0].content, publishers[0].samples)
    found = contributions([*publishers, copy], held_out, Bundle("ridge/1"))
    assert found.merged == (("2011", "2011 again"),)
    shares = dict(zip(found.publishers, found.shares(), strict=True))
    assert round(100 * (shares["2011"] + shares["2011 again"]), 2) == 20.65
    # Without the merge the attack pays.
    disguised = Publisher("2011 again", "something else", publishers[0].samples)
    attacked = contributions([*publishers, disguised], held_out, Bundle("ridge/1")).shares()
    assert round(100 * (attacked[0] + attacked[-1]), 2) == 28.49


def test_eleven_publishers_are_split_by_seeded_orders() -> None:
    random = np.random.default_rng(3)
    features = random.normal(size=(240, 2))
    samples = Samples(features, features @ np.array([1.0, -2.0]) + random.normal(scale=0.5, size=240))
    parts = [Samples(samples.features[n::12], samples.target[n::12]) for n in range(12)]
    publishers = [Publisher(f"p{n}", str(n), part) for n, part in enumerate(parts[:11])]
    found = contributions(publishers, parts[11], Bundle("ridge/1", seed=5, orders=40))
    assert found.seed == 5
    assert math.fsum(found.values) == pytest.approx(found.total)
    assert all(error > 0 for error in found.errors)
    assert found == contributions(publishers, parts[11], Bundle("ridge/1", seed=5, orders=40))


def test_what_a_bundle_cannot_be_is_refused(turbines: tuple[list[Publisher], Samples]) -> None:
    publishers, held_out = turbines
    with pytest.raises(ContributionError, match="nearest/1"):
        Bundle("pickle/1")
    with pytest.raises(ContributionError, match="seed"):
        Bundle("ridge/1", seed=-1)
    with pytest.raises(ContributionError, match="once"):
        contributions([publishers[0]] * 2, held_out, Bundle("ridge/1"))
    with pytest.raises(ContributionError, match="missing"):
        Samples(np.array([[math.nan]]), np.array([1.0]))
    with pytest.raises(ContributionError, match="other features"):
        score("ridge/1", Samples(np.ones((3, 2)), np.ones(3)), held_out)
    with pytest.raises(ContributionError, match="held out"):
        score("ridge/1", publishers[0].samples, Samples(np.ones((1, 9)), np.ones(1)))


def test_five_neighbours_classify() -> None:
    random = np.random.default_rng(1)
    features = np.concatenate([random.normal(0, 1, (60, 3)), random.normal(8, 1, (60, 3))])
    target = np.repeat([0.0, 1.0], 60)
    fit, held = Samples(features[::2], target[::2]), Samples(features[1::2], target[1::2])
    assert score("nearest/1", fit, held) == 1.0
    assert score("nearest/1", fit, Samples(held.features, 1 - held.target)) == 0.0
    assert score("nearest/1", Samples(features[:1], target[:1]), held) == 0.0


def likelihood(chosen: tuple[int, ...], fit: Samples, asked: np.ndarray, wanted: float, neighbours: int) -> float:
    """The share of right labels among the nearest of the chosen rows, over K: the worth of a set of rows."""
    apart = [float(((fit.features[row] - asked) ** 2).sum()) for row in chosen]
    ranked = [row for _, row in sorted(zip(apart, chosen, strict=True))][:neighbours]
    return sum(fit.target[row] == wanted for row in ranked) / neighbours


@pytest.mark.parametrize("neighbours", [1, 2, 3, 5, 7, 12])
def test_row_values_are_those_of_brute_force_also_where_k_exceeds_n(neighbours: int) -> None:
    random = np.random.default_rng(neighbours)
    rows = 7
    fit = Samples(random.normal(size=(rows, 2)), random.integers(0, 2, rows).astype(float))
    held = Samples(random.normal(size=(3, 2)), random.integers(0, 2, 3).astype(float))
    truth = np.zeros(rows)
    for asked, wanted in zip(held.features, held.target, strict=True):
        worth = {
            chosen: likelihood(chosen, fit, asked, wanted, neighbours)
            for size in range(rows + 1)
            for chosen in combinations(range(rows), size)
        }
        for row in range(rows):
            for chosen, value in worth.items():
                if row not in chosen:
                    size = len(chosen)
                    weight = math.factorial(size) * math.factorial(rows - size - 1) / math.factorial(rows)
                    truth[row] += weight * (worth[tuple(sorted((*chosen, row)))] - value) / len(held)
    assert row_values(fit, held, neighbours=neighbours) == pytest.approx(truth, abs=1e-12)


def test_the_order_of_the_rows_changes_no_value_even_among_equals() -> None:
    random = np.random.default_rng(0)
    features = random.integers(0, 3, (40, 2)).astype(float)  # Many rows are equally far.
    fit = Samples(features, random.integers(0, 2, 40).astype(float))
    held = Samples(random.integers(0, 3, (9, 2)).astype(float), random.integers(0, 2, 9).astype(float))
    shuffled = random.permutation(40)
    moved = Samples(fit.features[shuffled], fit.target[shuffled])
    values, others = row_values(fit, held, neighbours=3), row_values(moved, held, neighbours=3)
    kinds: dict[bytes, list[float]] = {}
    for samples, found in ((fit, values), (moved, others)):
        totals: dict[bytes, float] = {}
        for row, target, value in zip(samples.features, samples.target, found, strict=True):
            key = row.tobytes() + target.tobytes()
            totals[key] = totals.get(key, 0.0) + value
        for key, total in totals.items():
            kinds.setdefault(key, []).append(total)
    assert all(one == pytest.approx(other, abs=1e-12) for one, other in kinds.values())


def test_payouts_sum_to_the_revenue_by_the_largest_remainder() -> None:
    found = payouts({"a": 1.0, "b": 1.0, "c": 1.0, "d": -0.5}, 100)
    assert [(payout.publisher, payout.amount_fen, payout.clipped) for payout in found] == [
        ("a", 34, False),
        ("b", 33, False),
        ("c", 33, False),
        ("d", 0, True),
    ]
    with pytest.raises(ContributionError, match="Nobody"):
        payouts({"a": 0.0, "b": -1.0}, 100)
    with pytest.raises(EstimateError, match="revenue"):
        payouts({"a": 1.0}, -1)


@settings(deadline=None, max_examples=50)
@given(
    st.dictionaries(st.text(min_size=1, max_size=3), st.floats(0.001, 1e6), min_size=1, max_size=12),
    st.integers(0, 10**12),
)
def test_payouts_are_whole_fen_near_the_due_share(values: dict[str, float], revenue: int) -> None:
    found = payouts(values, revenue)
    assert sum(payout.amount_fen for payout in found) == revenue
    assert all(abs(payout.amount_fen - revenue * payout.share) < 1 for payout in found)
