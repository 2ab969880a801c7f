"""The left operands: what each reads from the request and the world, and how its values are ordered or
contained.

Source: W3C, ODRL Vocabulary & Expression 2.2, section 4.5. A reader answers None when the fact is not known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from types import MappingProxyType
from typing import Any

from contracts.odrl.decision import Request, World
from contracts.odrl.model import JSON
from contracts.odrl.values import iso_duration, parse_version, rfc3339, yuan


class Kind(Enum):
    """The kind of value on the right of an operand."""

    INSTANT = auto()
    ELAPSED = auto()
    INTEGER = auto()
    MONEY = auto()
    TERM = auto()
    VERSION = auto()
    EVENT = auto()


# The keys under which the uses of a rule may be counted: its uid, its path, its action.
Reader = Callable[[Request, World, tuple[str, ...]], Any]
Within = Callable[[str, str], bool | None]


@dataclass(frozen=True, slots=True)
class Operand:
    """One left operand.

    `within` says whether one of its terms lies in another, None when that is not known.
    """

    name: str
    kind: Kind
    read: Reader
    show: Callable[[Any], JSON]
    within: Within | None = None


def _elapsed_since(field: str) -> Reader:
    def read(request: Request, world: World, _keys: tuple[str, ...]) -> Any:
        start: datetime | None = getattr(world, field)
        if start is None and field == "first_use":
            # Before the first use no time has passed.
            start = request.at
        return None if start is None else (start, request.at)

    return read


def _count(_request: Request, world: World, keys: tuple[str, ...]) -> int | None:
    for key in keys:
        count = world.counts.get(key)
        if isinstance(count, int):
            # The use that is asked about is one more.
            return count + 1
    return None


def _paid(_request: Request, world: World, _keys: tuple[str, ...]) -> int:
    return world.paid_fen


def _events(request: Request, world: World, _keys: tuple[str, ...]) -> Any:
    events = world.attributes.get("event")
    return (events, request.at) if isinstance(events, Mapping) else None


def _terms(value: object) -> tuple[str, ...] | None:
    if isinstance(value, str):
        return (value,) if value else None
    if not isinstance(value, (list, tuple, set, frozenset)):
        return None
    words = [item for item in value if isinstance(item, str) and item]
    return tuple(sorted(words)) if words and len(words) == len(value) else None


def _stated(field: str) -> Reader:
    def read(request: Request, _world: World, _keys: tuple[str, ...]) -> Any:
        return _terms(getattr(request, field))

    return read


def _attribute(name: str) -> Reader:
    def read(request: Request, world: World, _keys: tuple[str, ...]) -> Any:
        value = world.attributes.get(name)
        return _terms(request.attributes.get(name) if value is None else value)

    return read


def _show_elapsed(actual: tuple[datetime, datetime]) -> JSON:
    return iso_duration(actual[1] - actual[0])


def _show_terms(actual: tuple[str, ...]) -> JSON:
    return actual[0] if len(actual) == 1 else list(actual)


_PLACE = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?", re.ASCII)
_BRANCH = re.compile(r"[A-Z]\d{0,4}", re.ASCII)


def _place_within(inner: str, outer: str) -> bool | None:
    """ISO 3166: `CN-31` lies in `CN`. Anything else is not known here."""
    if _PLACE.fullmatch(inner) and _PLACE.fullmatch(outer):
        return inner.startswith(f"{outer}-")
    return None


def _branch_within(inner: str, outer: str) -> bool | None:
    """GB/T 4754: the class `C3411` lies in `C341`, `C34` and `C`. Anything else is not known here."""
    if _BRANCH.fullmatch(inner) and _BRANCH.fullmatch(outer):
        return inner.startswith(outer)
    return None


def _format_within(inner: str, outer: str) -> bool | None:
    """Media types: `text/csv` lies in `text`. Anything else is not known here."""
    return inner.startswith(f"{outer}/") if "/" in inner else None


def _version_within(inner: str, outer: str) -> bool | None:
    """Dotted versions: `1.2.3` lies in `1.2`. Anything else is not known here."""
    if parse_version(inner) is None or parse_version(outer) is None:
        return None
    return inner.startswith(f"{outer}.")


OPERANDS: Mapping[str, Operand] = MappingProxyType(
    {
        operand.name: operand
        for operand in (
            Operand("dateTime", Kind.INSTANT, lambda request, _w, _k: request.at, rfc3339),
            Operand("elapsedTime", Kind.ELAPSED, _elapsed_since("first_use"), _show_elapsed),
            Operand("ex:sinceAgreement", Kind.ELAPSED, _elapsed_since("agreement_start"), _show_elapsed),
            Operand("count", Kind.INTEGER, _count, lambda actual: actual),
            Operand("payAmount", Kind.MONEY, _paid, lambda actual: f"{yuan(actual)} CNY"),
            Operand("purpose", Kind.TERM, _stated("purpose"), _show_terms),
            Operand("recipient", Kind.TERM, _stated("recipient"), _show_terms),
            Operand("spatial", Kind.TERM, _attribute("spatial"), _show_terms, _place_within),
            Operand("industry", Kind.TERM, _attribute("industry"), _show_terms, _branch_within),
            Operand("fileFormat", Kind.TERM, _attribute("fileFormat"), _show_terms, _format_within),
            Operand("version", Kind.VERSION, _attribute("version"), _show_terms, _version_within),
            Operand("event", Kind.EVENT, _events, lambda actual: rfc3339(actual[1])),
        )
    }
)
