"""The contributions of publishers to a bundle: the Shapley values of a utility model named in the agreement.

A publisher's rows are worth what a model of the menu gains from them on held-out rows. Identical content is
one player, whoever lists it and however often: else who lists a file twice earns twice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from valuation.contribution import shapley
from valuation.contribution.models import MENU, Samples, score
from valuation.errors import ContributionError

DEFAULT_ORDERS: Final = 2_000


@dataclass(frozen=True)
class Publisher:
    """A publisher's samples in a bundle; `content` is a digest of the data, equal for equal data."""

    name: str
    content: str
    samples: Samples


@dataclass(frozen=True)
class Bundle:
    """What an agreement names before anything is computed: the model, the seed, and how many orders are drawn."""

    model: str
    seed: int = 0
    orders: int = DEFAULT_ORDERS

    def __post_init__(self) -> None:
        if self.model not in MENU:
            raise ContributionError(f"There is no model {self.model!r}; the menu has {', '.join(MENU)}.")
        if type(self.seed) is not int or not 0 <= self.seed < 2**53:
            raise ContributionError(f"The seed is a whole number from 0 to 2^53 - 1, not {self.seed!r}.")


@dataclass(frozen=True)
class Shares:
    """Each publisher's value φ and standard error, in the order given, and what the whole bundle is worth.

    `merged` lists the groups of publishers whose content is the same; each of a group has its part of φ.
    """

    publishers: tuple[str, ...]
    values: tuple[float, ...]
    errors: tuple[float, ...]
    total: float
    model: str
    seed: int | None
    coalitions: int
    merged: tuple[tuple[str, ...], ...]

    def shares(self) -> tuple[float, ...]:
        """Each value as a share of the values above zero; negative ones count as zero."""
        kept = [max(0.0, value) for value in self.values]
        whole = math.fsum(kept)
        return tuple(value / whole if whole else 0.0 for value in kept)

    def to_json(self) -> dict[str, Any]:
        """The shares as JSON values."""
        return {**vars(self), "merged": [list(group) for group in self.merged]}


def contributions(publishers: Sequence[Publisher], held_out: Samples, bundle: Bundle) -> Shares:
    """The contributions of `publishers`: exact up to ten distinct contents, by seeded orders above.

    Publishers of identical content share that content's value equally. Raises ContributionError for no
    publisher, a name that stands twice, and what `models.score` refuses.
    """
    names = [publisher.name for publisher in publishers]
    if not names or len(set(names)) != len(names):
        raise ContributionError("A bundle needs at least one publisher, and each name once.")
    groups: dict[str, list[Publisher]] = {}
    for publisher in publishers:
        groups.setdefault(publisher.content, []).append(publisher)
    players = [group[0] for group in groups.values()]

    def worth(coalition: frozenset[int]) -> float:
        if not coalition:
            return 0.0
        joined = Samples.join([players[number].samples for number in sorted(coalition)])
        return score(bundle.model, joined, held_out)

    if len(players) <= shapley.MOST_EXACT:
        found = shapley.exact(len(players), worth)
    else:
        found = shapley.sampled(len(players), worth, orders=bundle.orders, seed=bundle.seed)
    place = {content: number for number, content in enumerate(groups)}
    parts = [(place[publisher.content], len(groups[publisher.content])) for publisher in publishers]
    return Shares(
        tuple(names),
        tuple(found.values[number] / many for number, many in parts),
        tuple(found.errors[number] / many for number, many in parts),
        found.total,
        bundle.model,
        found.seed,
        found.coalitions,
        tuple(tuple(publisher.name for publisher in group) for group in groups.values() if len(group) > 1),
    )
