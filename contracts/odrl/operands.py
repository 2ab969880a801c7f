"""The left operands: what each reads from the request and the world, and how its values are ordered or
contained.

Source: W3C, ODRL Vocabulary & Expression 2.2, section 4.5. A reader answers None when the fact is not known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum, auto
from types import MappingProxyType
from typing import Any

from contracts.odrl.decision import Request, World
from contracts.odrl.model import JSON
from contracts.odrl.values import (
    iso_duration,
    parse_decimal,
    parse_flag,
    parse_integer,
    parse_version,
    rfc3339,
    yuan,
)
from contracts.odrl.vocabulary import UNIT_NAMES, UNITS

_LONG_AGO = datetime(1, 1, 2, tzinfo=UTC)


class Kind(Enum):
    """The kind of value on the right of an operand."""

    INSTANT = auto()
    ELAPSED = auto()
    INTEGER = auto()
    MONEY = auto()
    TERM = auto()
    VERSION = auto()
    EVENT = auto()
    WAIT = auto()
    SPAN = auto()
    DECIMAL = auto()
    QUANTITY = auto()
    FLAG = auto()
    STATE = auto()


# The keys under which the uses of a rule may be counted: its uid, its path, its action.
Reader = Callable[[Request, World, tuple[str, ...]], Any]
Within = Callable[[str, str], bool | None]


@dataclass(frozen=True, slots=True)
class Operand:
    """One left operand.

    `within` says whether one of its terms lies in another, None when that is not known. `bounds` are the least and
    the greatest value that means something.
    """

    name: str
    kind: Kind
    read: Reader
    show: Callable[[Any], JSON]
    within: Within | None = None
    bounds: tuple[int, int] | None = None


def _elapsed_since(field: str) -> Reader:
    def read(request: Request, world: World, _keys: tuple[str, ...]) -> Any:
        start: datetime | None = getattr(world, field)
        if start is None and field == "first_use":
            # Before the first use no time has passed.
            start = request.at
        return None if start is None else (start, request.at)

    return read


def _since_last_use(request: Request, world: World, _keys: tuple[str, ...]) -> Any:
    if world.last_use is not None:
        return (world.last_use, request.at)
    # Before the first use any interval has passed; after it, the last one must be known.
    return (_LONG_AGO, request.at) if world.first_use is None else None


def _metered(_request: Request, world: World, keys: tuple[str, ...]) -> timedelta | None:
    for key in keys:
        metered = world.meters.get(key)
        if isinstance(metered, timedelta):
            return metered
    return None


def _fact(name: str, read: Callable[[Any], Any], *, claimed: bool = False) -> Reader:
    """A fact of the world under the operand's name; `claimed` ones may be stated by the request as well."""

    def fact(request: Request, world: World, _keys: tuple[str, ...]) -> Any:
        value = world.attributes.get(name)
        if value is None and claimed:
            value = request.attributes.get(name)
        try:
            return None if value is None else read(value)
        except (ValueError, TypeError, ArithmeticError):
            return None

    return fact


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise TypeError(value)
    return parse_integer(str(value))


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal, float)):
        raise TypeError(value)
    return parse_decimal(str(value))


def _flag(value: Any) -> bool:
    return value if isinstance(value, bool) else parse_flag(value)


def quantity(number: str, unit: str | None) -> tuple[str, Decimal]:
    """A number with its unit as what it measures and how much of the base unit. Raises ValueError or KeyError."""
    measured, factor = UNITS[UNIT_NAMES[unit or ""]]
    return measured, parse_decimal(number) * Decimal(factor)


def _quantity(value: Any) -> tuple[str, Decimal, str]:
    number, _, unit = str(value).partition(" ")
    if unit not in UNIT_NAMES:
        raise ValueError(value)
    return (*quantity(number, unit), f"{number} {UNIT_NAMES[unit]}")


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


def _language_within(inner: str, outer: str) -> bool | None:
    """BCP 47: `zh-CN` lies in `zh`."""
    return inner.lower().startswith(f"{outer.lower()}-")


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
            Operand("timeInterval", Kind.WAIT, _since_last_use, _show_elapsed),
            Operand("delayPeriod", Kind.WAIT, _elapsed_since("agreement_start"), _show_elapsed),
            Operand("meteredTime", Kind.SPAN, _metered, iso_duration),
            Operand("percentage", Kind.DECIMAL, _fact("percentage", _decimal, claimed=True), str, bounds=(0, 100)),
            Operand(
                "resolution", Kind.QUANTITY, _fact("resolution", _quantity, claimed=True), lambda actual: actual[2]
            ),
            Operand("language", Kind.TERM, _attribute("language"), _show_terms, _language_within),
            # What the national rules ask for is never believed of a request.
            Operand("ex:grade", Kind.INTEGER, _fact("ex:grade", _whole), lambda actual: actual, bounds=(1, 3)),
            Operand("ex:dataCategory", Kind.TERM, _fact("ex:dataCategory", _terms), _show_terms),
            Operand("ex:crossBorder", Kind.FLAG, _fact("ex:crossBorder", _flag), lambda actual: str(actual).lower()),
            Operand(
                "ex:securityLevel",
                Kind.INTEGER,
                _fact("ex:securityLevel", _whole),
                lambda actual: actual,
                bounds=(1, 5),
            ),
            Operand("ex:artefactState", Kind.STATE, _fact("ex:artefactState", _terms), _show_terms),
        )
    }
)
