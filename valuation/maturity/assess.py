"""A firm's own assessment: the conformity of each item with each level, with evidence, becomes levels and gaps.

An item reaches the highest level up to which it conforms without a break at or above the threshold; a domain is
the mean of its items and the whole the mean of the domains. The standard publishes neither thresholds nor weights of
items, so the threshold is stated in the result, which is a self-assessment and no certificate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from valuation import numbers
from valuation.errors import MaturityError
from valuation.maturity.catalogue import DEFAULT_EDITION, Catalogue, catalogue

CONFORMITIES: Final = tuple(Decimal(quarter) / 4 for quarter in range(5))
DEFAULT_THRESHOLD: Final = Decimal("0.75")
LEVELS: Final = 5
_MOST_EVIDENCE: Final = 2_000


@dataclass(frozen=True)
class Answer:
    """The conformity of an item with the levels 1 to 5, each 0, 0.25, 0.5, 0.75 or 1, and what shows it.

    `evidence` is needed as soon as anything conforms. Raises MaturityError otherwise.
    """

    conformity: tuple[Decimal, ...]
    evidence: str = ""

    def __post_init__(self) -> None:
        if len(self.conformity) != LEVELS or any(value not in CONFORMITIES for value in self.conformity):
            raise MaturityError("An answer has five conformities, for the levels 1 to 5, each 0, 0.25, 0.5, 0.75 or 1.")
        if any(self.conformity) and not self.evidence.strip():
            raise MaturityError("What conforms needs evidence: a document, a system, a record.")
        if len(self.evidence) > _MOST_EVIDENCE:
            raise MaturityError(f"Evidence is at most {_MOST_EVIDENCE} characters; refer to a document instead.")

    def level(self, threshold: Decimal) -> int:
        """The highest level reached without a break, 0 where not even the first is."""
        reached = 0
        for value in self.conformity:
            if value < threshold:
                break
            reached += 1
        return reached


@dataclass(frozen=True)
class ItemLevel:
    """The level of an item, 0 to 5, its evidence, and how far the next level is: its conformity, None at the top."""

    item: str
    level: int
    evidence: str
    next_conformity: Decimal | None


@dataclass(frozen=True)
class DomainLevel:
    """The level of a domain, the mean of its items that were answered; None where none was."""

    domain: str
    level: Decimal | None
    answered: int
    items: int


@dataclass(frozen=True)
class SelfAssessment:
    """Levels of items, domains and the whole; `level` is None until every domain has an answer.

    `coverage` is the share of the items that were answered.
    """

    edition: str
    standard: str
    catalogue_version: str
    threshold: Decimal
    items: tuple[ItemLevel, ...]
    domains: tuple[DomainLevel, ...]
    level: Decimal | None
    coverage: Decimal

    def gaps(self, target: int) -> tuple[ItemLevel, ...]:
        """The items below `target`, the lowest first, and among equals those nearest to their next level first."""
        below = [item for item in self.items if item.level < target]
        return tuple(sorted(below, key=lambda item: (item.level, -(item.next_conformity or 0))))

    def to_json(self) -> dict[str, Any]:
        """The assessment as JSON values, decimals as text; says what it is."""

        def text(value: Decimal | None) -> str | None:
            return None if value is None else numbers.text(value)

        return {
            "kind": "self-assessment",
            "edition": self.edition,
            "standard": self.standard,
            "catalogue_version": self.catalogue_version,
            "threshold": text(self.threshold),
            "level": text(self.level),
            "coverage": text(self.coverage),
            "domains": [{**vars(found), "level": text(found.level)} for found in self.domains],
            "items": [{**vars(found), "next_conformity": text(found.next_conformity)} for found in self.items],
        }


def assess(
    answers: Mapping[str, Answer], *, edition: str = DEFAULT_EDITION, threshold: Decimal = DEFAULT_THRESHOLD
) -> SelfAssessment:
    """The self-assessment from `answers` by item id; items without an answer count in no mean and lower the coverage.

    Raises MaturityError for an unknown edition or item, and a threshold outside 0 to 1 (0 excluded).
    """
    book = catalogue(edition)
    known = {item.id for item in book.items}
    if unknown := sorted(set(answers) - known):
        raise MaturityError(
            f"{book.standard} has no item {unknown[0]!r}; its items begin with those of {book.domains[0].id}."
        )
    if not 0 < threshold <= 1:
        raise MaturityError(f"The threshold is above 0 and at most 1, not {threshold}.")
    items = tuple(_item(name, answers[name], threshold) for name in (item.id for item in book.items) if name in answers)
    levels = {found.item: found.level for found in items}
    with numbers.arithmetic():
        domains = _domains(book, levels)
        means = [found.level for found in domains]
        whole = None if None in means else _mean([mean for mean in means if mean is not None])
        coverage = Decimal(len(items)) / len(known)
    return SelfAssessment(edition, book.standard, book.version, threshold, items, domains, whole, coverage)


def _item(name: str, answer: Answer, threshold: Decimal) -> ItemLevel:
    level = answer.level(threshold)
    return ItemLevel(name, level, answer.evidence, answer.conformity[level] if level < LEVELS else None)


def _domains(book: Catalogue, levels: Mapping[str, int]) -> tuple[DomainLevel, ...]:
    found = []
    for domain in book.domains:
        reached = [Decimal(levels[item.id]) for item in domain.items if item.id in levels]
        found.append(DomainLevel(domain.id, _mean(reached) if reached else None, len(reached), len(domain.items)))
    return tuple(found)


def _mean(values: Sequence[Decimal]) -> Decimal:
    return sum(values, Decimal(0)) / len(values)
