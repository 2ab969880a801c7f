"""Privacy models on counts of groups.

k-anonymity: Samarati and Sweeney 1998. l-diversity: Machanavajjhala et al. 2006. t-closeness: Li, Li and
Venkatasubramanian 2007 (ordered distance for numbers, equal distance for words). Delta-presence: Nergiz et al. 2007.
Prosecutor, journalist and marketer risk: El Emam and Dankar 2008.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from contracts.desensitization.risk.groups import Groups, merged, numbers
from contracts.errors import PlanError


@dataclass(frozen=True)
class Risks:
    """How likely an attacker is right who links a row to a person by the quasi-identifiers.

    The prosecutor knows that the person is in the table, the journalist knows it of the population alone, the
    marketer wants as many as possible. `unique` is the share of rows that stand alone, `at_risk` the share whose own
    prosecutor risk lies above `threshold`.
    """

    rows: int
    groups: int
    smallest: int
    unique: float
    prosecutor_highest: float
    prosecutor_average: float
    journalist_highest: float
    journalist_average: float
    marketer: float
    at_risk: float
    threshold: float


def k_anonymity(groups: Groups) -> int:
    """The size of the smallest group; 0 for a table without rows."""
    return int(groups.sizes.min(initial=np.iinfo(np.int64).max)) if len(groups.sizes) else 0


def risks(groups: Groups, population: Groups | None = None, *, threshold: float = 0.2) -> Risks:
    """The risks of a table grouped by its quasi-identifiers.

    `population` are the groups, by the same columns, of everybody who might be in the table; without it the table
    stands for the population, which overstates the journalist's and the marketer's risk. A group that the population
    lacks counts as large as it is in the table.
    """
    sizes, rows = groups.sizes, groups.rows
    if rows == 0:
        return Risks(0, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, threshold)
    known = np.maximum(sizes, _matching(groups, population)) if population is not None else sizes
    average = len(sizes) / rows
    linked = float((sizes / known).sum() / rows)
    return Risks(
        rows,
        len(sizes),
        int(sizes.min()),
        float(sizes[sizes == 1].sum() / rows),
        float(1 / sizes.min()),
        average,
        float(1 / known.min()),
        linked,
        linked,
        float(sizes[1 / sizes > threshold].sum() / rows),
        threshold,
    )


def presence(groups: Groups, population: Groups) -> tuple[float, float]:
    """The delta-presence bounds: the least and the highest probability that a member of the population is in the table."""
    inside = _matching(population, groups)
    share = np.minimum(inside, population.sizes) / population.sizes
    return (float(share.min()), float(share.max())) if len(share) else (0.0, 0.0)


def _matching(groups: Groups, others: Groups) -> NDArray[np.int64]:
    """The size in `others` of every group in `groups`, 0 where it is not there."""
    both = Groups(
        groups.columns,
        pa.concat_tables([groups.values, others.values.select(list(groups.columns)).cast(groups.values.schema)]),
        np.concatenate([groups.sizes, others.sizes]),
    )
    code = both.codes(groups.columns)
    mine, theirs = code[: len(groups.sizes)], code[len(groups.sizes) :]
    return np.bincount(theirs, others.sizes, int(code.max(initial=-1)) + 1).astype(np.int64)[mine]


class _Classes(NamedTuple):
    """One line for every group of the quasi-identifiers and value of the sensitive column in it."""

    group: NDArray[np.int64]
    value: NDArray[np.int64]
    size: NDArray[np.int64]
    totals: NDArray[np.int64]


def _classes(groups: Groups, quasi: Sequence[str], sensitive: str) -> _Classes:
    for name in (*quasi, sensitive):
        if name not in groups.columns:
            raise PlanError(f"The groups are not counted by {name!r}.", f"分组未按“{name}”统计。")
    both = merged(groups, [*quasi, sensitive])
    group, value = both.codes(quasi), both.codes([sensitive])
    order = np.argsort(group, kind="stable")
    group, value, size = group[order], value[order], both.sizes[order]
    return _Classes(group, value, size, np.bincount(group, size).astype(np.int64))


def distinct_diversity(groups: Groups, quasi: Sequence[str], sensitive: str) -> int:
    """The least number of different sensitive values in a group; `groups` are counted by both."""
    found = _classes(groups, quasi, sensitive)
    return int(np.bincount(found.group).min()) if len(found.group) else 0


def entropy_diversity(groups: Groups, quasi: Sequence[str], sensitive: str) -> float:
    """The l of entropy l-diversity: the least exp(entropy) of the sensitive values in a group."""
    found = _classes(groups, quasi, sensitive)
    if not len(found.group):
        return 0.0
    share = found.size / found.totals[found.group]
    return float(np.exp(np.bincount(found.group, -share * np.log(share)).min()))


def recursive_diversity(groups: Groups, quasi: Sequence[str], sensitive: str, c: float) -> int:
    """The largest l for which recursive (c, l)-diversity holds: r1 < c (r_l + … + r_m) in every group."""
    found = _classes(groups, quasi, sensitive)
    if not len(found.group):
        return 0
    # Within each group the counts fall, so the tail sums are read from the back.
    order = np.lexsort((-found.size, found.group))
    size, group = found.size[order], found.group[order]
    starts = np.flatnonzero(np.append(True, group[1:] != group[:-1]))
    lengths = np.diff(np.append(starts, len(group)))
    before = np.cumsum(size) - size
    tail = (before[starts] + found.totals)[group] - before
    holds = size[starts][group] < c * tail
    # The tail shrinks with the place, so the places that hold are the first ones.
    return int(np.add.reduceat(holds, starts).min()) if len(lengths) else 0


def closeness(groups: Groups, quasi: Sequence[str], sensitive: str) -> float:
    """The t of t-closeness: the largest distance between a group's sensitive values and those of the whole table.

    Numbers are compared by the ordered distance over the values that occur, words by the equal distance.
    """
    found = _classes(groups, quasi, sensitive)
    if not len(found.group):
        return 0.0
    values = int(found.value.max()) + 1
    whole = np.bincount(found.value, found.size, values) / found.size.sum()
    share = found.size / found.totals[found.group]
    both = merged(groups, [*quasi, sensitive])
    ordered = numbers(both, sensitive)
    if ordered is None:
        expected = whole[found.value]
        apart = np.bincount(found.group, np.abs(share - expected) - expected) + 1
        return float(0.5 * apart.max())
    if values == 1:
        return 0.0
    order = np.argsort(both.codes(quasi), kind="stable")
    return _ordered_distance(found, ordered[order], share, whole)


def _ordered_distance(
    found: _Classes, values: NDArray[np.float64], share: NDArray[np.float64], whole: NDArray[np.float64]
) -> float:
    """The largest (1 / (m - 1)) Σ |P_i - Q_i|, P and Q cumulative over the m values; work grows with the lines alone."""
    count = len(whole)
    first = np.zeros(count)
    first[found.value] = values
    rank = np.empty(count, np.int64)
    # A null sorts last, as one more value.
    rank[np.argsort(first, kind="stable")] = np.arange(count)
    total = np.zeros(count)
    total[rank] = whole
    cumulative = np.cumsum(total)
    # Sums of the cumulative distribution over its first places.
    sums = np.append(0.0, np.cumsum(cumulative))
    place = rank[found.value]
    order = np.lexsort((place, found.group))
    place, group, share = place[order], found.group[order], share[order]
    starts = np.flatnonzero(np.append(True, group[1:] != group[:-1]))
    running = np.cumsum(share)
    level = running - (running[starts] - share[starts])[group]
    # From one of its values to the next a group's own distribution stays at one level.
    end = np.append(place[1:], count)
    end[np.append(starts[1:], len(place)) - 1] = count
    cross = np.clip(np.searchsorted(cumulative, level, "left"), place, end)
    below = level * (cross - place) - (sums[cross] - sums[place])
    above = (sums[end] - sums[cross]) - level * (end - cross)
    distance = np.bincount(group, below + above)
    # Before its first value a group's distribution is zero.
    distance += sums[place[starts]]
    return float(distance.max() / (count - 1))


def describe(groups: Groups, quasi: Sequence[str], sensitive: Sequence[str]) -> dict[str, Any]:
    """Every model's figure for each sensitive column, as plain data."""
    return {
        name: {
            "distinct": distinct_diversity(groups, quasi, name),
            "entropy": entropy_diversity(groups, quasi, name),
            "recursive_c3": recursive_diversity(groups, quasi, name, 3.0),
            "t": closeness(groups, quasi, name),
        }
        for name in sensitive
    }
