"""The least loss for which a table is k-anonymous: exact search of the lattice of full-domain generalisations.

Every node is decided on the counts of one GROUP BY. Generalising further never makes a group smaller, so a node that
fails rules out all below it and one that passes all above it (Kohlmayer et al. 2012, "Flash"); the loss is monotone
too, so nodes are asked for in the order of their loss and the first that passes is the optimum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from contracts.desensitization.risk.groups import Groups, merged
from contracts.errors import PlanError

Loss = Literal["entropy", "precision"]
_MOST_NODES = 2_000_000


@dataclass(frozen=True)
class Hierarchy:
    """The ever coarser words for the values of one column: `words[value]` are those of level 1, 2, … in order."""

    column: str
    words: Mapping[str, Sequence[str]]

    @property
    def height(self) -> int:
        """The number of levels above the values themselves."""
        return len(next(iter(self.words.values())))

    def __post_init__(self) -> None:
        if not self.words or len({len(levels) for levels in self.words.values()}) != 1:
            raise PlanError(
                f"The hierarchy of {self.column!r} needs the same number of levels for every value.",
                f"“{self.column}”的泛化层次中各值的级数应相同。",
            )

    def rule(self, level: int) -> dict[str, str]:
        """The parameter `hierarchy` of a generalize rule that shows this level (1 or more)."""
        return {value: levels[level - 1] for value, levels in self.words.items()}


@dataclass(frozen=True)
class Node:
    """One generalisation: a level for each hierarchy, its loss, and how many rows it leaves in groups below k."""

    levels: tuple[int, ...]
    loss: float
    suppressed: int
    checked: int


def search(
    groups: Groups, hierarchies: Sequence[Hierarchy], k: int, *, suppression: float = 0.0, loss: Loss = "entropy"
) -> Node | None:
    """The node of least loss with at most the share `suppression` of rows in groups below k; None where none has.

    `loss` is non-uniform entropy in bits (De Waal and Willenborg 1999: the entropy of the values that the shown words
    leave open), or precision (Sweeney 2002: the mean height of the levels). Neither counts suppressed rows, which
    keeps it monotone. Raises PlanError for a value that a hierarchy lacks, or a lattice of over two million nodes.
    """
    columns = [hierarchy.column for hierarchy in hierarchies]
    base = merged(groups, columns)
    levels = [_levels(base, hierarchy) for hierarchy in hierarchies]
    heights = [len(column) for column in levels]
    if np.prod(heights, dtype=float) > _MOST_NODES:
        raise PlanError("The lattice has more than two million nodes.", "泛化格超过两百万个节点。")
    nodes = np.array(list(product(*(range(height) for height in heights))), np.int8)
    costs = [_costs(base, column, loss) for column in levels]
    total = sum((cost[nodes[:, place]] for place, cost in enumerate(costs)), np.zeros(len(nodes)))
    decider = _Decider(base.sizes, levels, k, suppression * base.rows)
    return decider.first(nodes, np.asarray(total))


def _levels(base: Groups, hierarchy: Hierarchy) -> list[NDArray[np.int64]]:
    """For each level, the code of every group's word."""
    values = base.values.column(hierarchy.column).cast(pa.string())
    known = pa.array(list(hierarchy.words), pa.string())
    index = pc.index_in(values, known)
    if index.null_count:
        raise PlanError(
            f"The hierarchy of {hierarchy.column!r} lacks values that the table has.",
            f"“{hierarchy.column}”的泛化层次缺少表中的取值。",
            mend_en="Add them, with their words of every level.",
            mend_zh="请补充这些取值及其各级词语。",
        )
    place = np.array(index.combine_chunks() if isinstance(index, pa.ChunkedArray) else index, np.int64)
    columns = [list(hierarchy.words), *zip(*hierarchy.words.values(), strict=True)]
    return [np.unique(np.array(words, object), return_inverse=True)[1][place] for words in columns]


def _costs(base: Groups, levels: list[NDArray[np.int64]], loss: Loss) -> NDArray[np.float64]:
    if loss == "precision":
        return np.arange(len(levels)) / max(1, len(levels) - 1)
    fine = np.bincount(levels[0], base.sizes)
    used = np.flatnonzero(fine)
    # Which word of a level stands for each value.
    costs = []
    for level in levels:
        word = np.zeros(len(fine), np.int64)
        word[levels[0]] = level
        coarse = np.bincount(level, base.sizes)
        costs.append(float(-(fine[used] * np.log2(fine[used] / coarse[word[used]])).sum()))
    return np.array(costs)


class _Decider:
    """Whether a node leaves few enough rows in small groups, with what is known of other nodes taken along."""

    def __init__(self, sizes: NDArray[np.int64], levels: list[list[NDArray[np.int64]]], k: int, most: float) -> None:
        self._sizes, self._levels, self._k, self._most = sizes, levels, k, most
        self.checked = 0

    def small(self, node: Sequence[int]) -> int:
        """The rows that the node leaves in groups below k."""
        self.checked += 1
        code = np.zeros(len(self._sizes), np.int64)
        span = 1
        for column, level in zip(self._levels, node, strict=True):
            part = column[level]
            width = int(part.max(initial=0)) + 1
            if span > 2**62 // width:
                _, code = np.unique(code, return_inverse=True)
                span = len(self._sizes)
            code, span = code * width + part, span * width
        if span <= 4 * len(code):
            counts = np.bincount(code, self._sizes)
        else:
            _, place = np.unique(code, return_inverse=True)
            counts = np.bincount(place, self._sizes)
        return int(counts[counts < self._k].sum())

    def first(self, nodes: NDArray[np.int8], total: NDArray[np.float64]) -> Node | None:
        """The node of least loss that passes; of several with that loss the one with the lowest levels."""
        order = np.lexsort((*nodes.T[::-1], nodes.sum(axis=1), total))
        fails, passes = np.zeros(len(nodes), np.bool_), np.zeros(len(nodes), np.bool_)
        top = nodes.max(axis=0)
        for index in order:
            if fails[index]:
                continue
            if not passes[index]:
                self._climb(nodes, index, top, fails, passes)
            if passes[index]:
                levels = tuple(int(level) for level in nodes[index])
                checked = self.checked
                return Node(levels, float(total[index]), self.small(levels), checked)
        return None

    def _climb(
        self, nodes: NDArray[np.int8], index: int, top: Any, fails: NDArray[np.bool_], passes: NDArray[np.bool_]
    ) -> None:
        """Decide a node by halving a path from it to the top: each answer on the way decides many other nodes."""
        path = [nodes[index].copy()]
        while (path[-1] < top).any():
            step = path[-1].copy()
            # The column with the most levels left is raised, which keeps the path amid the lattice.
            step[int(np.argmax(top - step))] += 1
            path.append(step)
        low, high = 0, len(path) - 1
        while not (fails[index] or passes[index]):
            middle = (low + high) // 2
            if self.small(path[middle].tolist()) <= self._most:
                passes |= (nodes >= path[middle]).all(axis=1)
                high = max(low, middle - 1)
            else:
                fails |= (nodes <= path[middle]).all(axis=1)
                low = middle + 1
