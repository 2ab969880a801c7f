"""Terms in plain words of the reader's language, for the pages of both sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contracts.desensitization.plan import Plan
from contracts.errors import ContractsError
from contracts.odrl import describe, parse
from exchange.negotiation.terms import Difference


@dataclass(frozen=True)
class Sentences:
    """How a term that is put in sentences changed: those that went, those that came."""

    removed: tuple[str, ...]
    added: tuple[str, ...]


def of_policy(document: dict[str, Any], locale: str) -> list[str]:
    """Return a policy as sentences; one that cannot be read says so, and where."""
    try:
        return describe(parse(document), locale)
    except ContractsError as error:
        return [error.text(locale)]


def of_plan(document: dict[str, Any], locale: str) -> list[str]:
    """Return a desensitization plan as sentences, filters first, then one a column."""
    try:
        return list(Plan.from_json(document).describe(locale))
    except ContractsError as error:
        return [error.text(locale)]


def of_change(change: Difference, locale: str) -> Sentences | None:
    """Return what changed in a policy, sentence by sentence; None for a term that is a single value."""
    if change.term != "policy":
        return None
    before, after = of_policy(change.before, locale), of_policy(change.after, locale)
    return Sentences(_without(before, after), _without(after, before))


def _without(sentences: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    return tuple(sentence for sentence in sentences if sentence not in others)
