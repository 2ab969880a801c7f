"""The Shapley value of a game (Shapley 1953): φ_i = Σ_S |S|!(n-|S|-1)!/n! · [v(S ∪ i) - v(S)].

Exact over all coalitions up to ten players; beyond, over seeded random orders with a standard error (Castro,
Gómez, Tejada 2009). It is the only split that is efficient, symmetric, additive and gives a null player nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import Final

import numpy as np

from valuation.errors import ContributionError

# The worth of a coalition of players, who are numbered from 0 on. v of nobody is taken as it is, mostly 0.
Worth = Callable[[frozenset[int]], float]
MOST_EXACT: Final = 10
MOST_PLAYERS: Final = 1_000
MOST_ORDERS: Final = 1_000_000
_MOST_REMEMBERED: Final = 100_000


@dataclass(frozen=True)
class Allocation:
    """φ of each player. They sum to `total` = v(everybody) - v(nobody).

    `errors` are standard errors, all zero for an exact allocation; `coalitions` says how many were valued,
    `seed` from which orders were drawn (None where exact).
    """

    values: tuple[float, ...]
    errors: tuple[float, ...]
    total: float
    coalitions: int
    seed: int | None = None


def exact(players: int, worth: Worth) -> Allocation:
    """The Shapley values of `players` players over all 2^n coalitions, each valued once.

    Sums are made in exact fractions of the floats that `worth` returns, so the result does not hang on an
    order of summation. Raises ContributionError for no or more than ten players or a worth that is no number.
    """
    if not 1 <= players <= MOST_EXACT:
        raise ContributionError(f"An exact split is for 1 to {MOST_EXACT} publishers, not {players}.")
    known = {
        frozenset(members): _number(worth(frozenset(members)))
        for size in range(players + 1)
        for members in combinations(range(players), size)
    }
    ways = math.factorial(players)
    weights = [Fraction(math.factorial(n) * math.factorial(players - n - 1), ways) for n in range(players)]
    values = []
    for player in range(players):
        gains = [Fraction(0)] * players
        for coalition, value in known.items():
            if player not in coalition:
                gains[len(coalition)] += known[coalition | {player}] - value
        values.append(sum((weight * gain for weight, gain in zip(weights, gains, strict=True)), Fraction(0)))
    total = known[frozenset(range(players))] - known[frozenset()]
    return Allocation(tuple(map(float, values)), (0.0,) * players, float(total), len(known))


def sampled(players: int, worth: Worth, *, orders: int, seed: int) -> Allocation:
    """Estimates of the Shapley values from `orders` random orders, drawn by PCG64 from `seed`.

    Every order adds up to the total, so the estimates do. The same seed gives the same result. Raises
    ContributionError for fewer than two orders, too many players or a worth that is no number.
    """
    if not 1 <= players <= MOST_PLAYERS:
        raise ContributionError(f"A split is for 1 to {MOST_PLAYERS} publishers, not {players}.")
    if not 2 <= orders <= MOST_ORDERS:
        raise ContributionError(f"The orders drawn are from 2 to {MOST_ORDERS}, not {orders}.")
    random = np.random.Generator(np.random.PCG64(seed))
    remembered: dict[int, float] = {}
    valued = 0

    def value(coalition: frozenset[int]) -> float:
        nonlocal valued
        key = sum(1 << player for player in coalition)
        if (known := remembered.get(key)) is not None:
            return known
        found = float(_number(worth(coalition)))
        valued += 1
        if len(remembered) < _MOST_REMEMBERED:
            remembered[key] = found
        return found

    # Welford's update: means and squared deviations without keeping every order.
    mean, squares = np.zeros(players), np.zeros(players)
    for number in range(1, orders + 1):
        gains, coalition, before = np.zeros(players), frozenset[int](), value(frozenset())
        for player in map(int, random.permutation(players)):
            coalition |= {player}
            after = value(coalition)
            gains[player], before = after - before, after
        apart = gains - mean
        mean += apart / number
        squares += apart * (gains - mean)
    errors = np.sqrt(squares / (orders - 1) / orders)
    total = value(frozenset(range(players))) - value(frozenset())
    return Allocation(tuple(mean.tolist()), tuple(errors.tolist()), total, valued, seed)


def _number(value: float) -> Fraction:
    if not math.isfinite(value):
        raise ContributionError(f"The worth of a coalition is {value}, which is no number to split.")
    return Fraction(value)
