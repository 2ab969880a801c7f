"""Whether conditions can hold together at all: the reasoning behind the linter of policies.

Conditions are brought into alternatives of constraints, each said or denied, and an alternative is impossible where the
constraints on one left operand leave it no value. Where that cannot be told (units that differ, terms that may be kinds of
each other, too many alternatives), the answer is that it can hold. So "impossible" is certain, if all facts are known.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import combinations, product
from typing import Any, TypeAlias

from contracts.odrl.model import Condition, Constraint, LogicalConstraint
from contracts.odrl.operands import OPERANDS, Kind, quantity
from contracts.odrl.operators import NotUnderstoodError, build
from contracts.odrl.values import (
    Duration,
    parse_decimal,
    parse_duration,
    parse_fen,
    parse_flag,
    parse_instant,
    parse_integer,
    parse_span,
    parse_version,
)

MAX_ALTERNATIVES = 512
_FEWEST = 1000

# A constraint, and whether it is said or denied.
Literal: TypeAlias = tuple[Constraint, bool]
Alternative: TypeAlias = tuple[Literal, ...]

_DENIED = {"eq": "neq", "neq": "eq", "lt": "gteq", "gteq": "lt", "gt": "lteq", "lteq": "gt"}
_DENIED |= {"isAnyOf": "isNoneOf", "isNoneOf": "isAnyOf"}


class _TooManyError(Exception):
    """There are more alternatives than are worth looking at."""


def alternatives(conditions: Iterable[Condition], denied: bool = False) -> list[Alternative] | None:
    """The ways in which all conditions hold (or, `denied`, not all of them do); None where there are too many."""
    try:
        whole = LogicalConstraint("and", tuple(conditions))
        return _alternatives(whole, not denied)
    except _TooManyError:
        return None


def can_hold(*parts: list[Alternative] | None) -> bool:
    """Whether one alternative of each part can hold together with one of each other part."""
    known = [part for part in parts if part is not None]
    try:
        return any(_possible(tuple(chain)) for chain in _joined(known))
    except _TooManyError:
        return True


def implies(stronger: Iterable[Condition], weaker: Iterable[Condition]) -> bool:
    """Whether the weaker conditions hold wherever the stronger do. False where that cannot be told."""
    one, other = alternatives(stronger), alternatives(weaker, denied=True)
    return one is not None and other is not None and not can_hold(one, other)


def _alternatives(condition: Condition, said: bool) -> list[Alternative]:
    if isinstance(condition, Constraint):
        return _of_constraint(condition, said)
    parts = condition.operands
    if condition.operator == "xone":
        return _exactly_one(parts) if said else _not_exactly_one(parts)
    if (condition.operator == "or") is said:
        return _limited(found for part in parts for found in _alternatives(part, said))
    return _joined([_alternatives(part, said) for part in parts])


def _of_constraint(constraint: Constraint, said: bool) -> list[Alternative]:
    operator = constraint.operator if said else _DENIED.get(constraint.operator, "")
    if operator in {"isAnyOf", "isNoneOf"}:
        # One of several values, or none of them, is an alternative or a sequence of single ones.
        single = [
            (Constraint(constraint.left_operand, "eq", (value,), unit=constraint.unit), operator == "isAnyOf")
            for value in constraint.right
        ]
        return [(literal,) for literal in single] if operator == "isAnyOf" else [tuple(single)]
    return [((constraint, said),)]


def _exactly_one(parts: tuple[Condition, ...]) -> list[Alternative]:
    return _limited(
        found
        for index in range(len(parts))
        for found in _joined([_alternatives(part, place == index) for place, part in enumerate(parts)])
    )


def _not_exactly_one(parts: tuple[Condition, ...]) -> list[Alternative]:
    none = _joined([_alternatives(part, False) for part in parts])
    two = (found for pair in combinations(parts, 2) for found in _joined([_alternatives(part, True) for part in pair]))
    return _limited([*none, *two])


def _joined(parts: list[list[Alternative]]) -> list[Alternative]:
    return _limited(tuple(literal for each in chosen for literal in each) for chosen in product(*parts))


def _limited(found: Iterable[Alternative]) -> list[Alternative]:
    kept: list[Alternative] = []
    for alternative in found:
        kept.append(alternative)
        if len(kept) > MAX_ALTERNATIVES:
            raise _TooManyError
    return kept


def _possible(alternative: Alternative) -> bool:
    by_operand: dict[str, list[Literal]] = {}
    for literal in alternative:
        by_operand.setdefault(_subject(literal[0]), []).append(literal)
    return all(_possible_for(literals) for literals in by_operand.values())


def _subject(constraint: Constraint) -> str:
    """What a constraint speaks of: its left operand, and of events each one apart."""
    event = constraint.left_operand == "event" and len(constraint.right) == 1
    return f"event {constraint.right[0].text}" if event else constraint.left_operand


def _possible_for(literals: list[Literal]) -> bool:
    said = {(constraint.operator, constraint.right, constraint.unit, yes) for constraint, yes in literals}
    if any((operator, right, unit, not yes) in said for operator, right, unit, yes in said):
        return False
    operand = OPERANDS.get(literals[0][0].left_operand)
    if operand is None or not all(_is_understood(constraint) for constraint, _ in literals):
        return True
    if operand.kind is Kind.TERM:
        return _terms_possible(literals)
    if operand.kind is Kind.STATE:
        return _states_possible(literals)
    bounds = [_bound(constraint, said_so, operand.kind) for constraint, said_so in literals]
    return _interval_possible([bound for bound in bounds if bound is not None], operand.name, operand.kind)


def _is_understood(constraint: Constraint) -> bool:
    try:
        build(OPERANDS[constraint.left_operand], constraint)
    except NotUnderstoodError:
        return False
    return True


def _terms_possible(literals: list[Literal]) -> bool:
    """Whether a single term is left. Kinds and parts are judged by the terms' own form only."""
    within = OPERANDS[literals[0][0].left_operand].within
    wanted: set[str] | None = None
    barred: set[str] = set()
    for constraint, said in literals:
        values = {value.text for value in constraint.right}
        if (constraint.operator, said) in {("eq", True), ("neq", False)}:
            wanted = values if wanted is None else wanted & values
        elif (constraint.operator, said) in {("neq", True), ("eq", False)}:
            barred |= values
    if wanted is None:
        return True
    left = wanted - barred
    for constraint, said in literals:
        if constraint.operator in {"isA", "isPartOf"} and said and within is not None:
            outer = constraint.right[0].text
            left = {term for term in left if term == outer or within(term, outer) is not False}
    return bool(left)


def _states_possible(literals: list[Literal]) -> bool:
    needed: set[str] = set()
    barred: set[str] = set()
    for constraint, said in literals:
        values = {value.text for value in constraint.right}
        if (constraint.operator in {"eq", "hasPart", "isAllOf"}) and said:
            needed |= values
        elif (constraint.operator == "neq") is said and constraint.operator in {"neq", "eq"}:
            barred |= values
    return not needed & barred


@dataclass(frozen=True, slots=True)
class _Bound:
    """From `low` to `high` (None: open-ended), each end in or out; or, `barred`, all but one value."""

    low: Any = None
    low_in: bool = True
    high: Any = None
    high_in: bool = True
    barred: bool = False


def _bound(constraint: Constraint, said: bool, kind: Kind) -> _Bound | None:
    operator = constraint.operator if said else _DENIED.get(constraint.operator)
    if kind is Kind.WAIT and constraint.operator == "eq":
        operator = "gteq" if said else "lt"
    if operator is None or len(constraint.right) != 1:
        return None
    start, end = _value(constraint.right[0].text, constraint.unit, kind)
    if start is None:
        return None
    # A day begins at its start and has passed at its end; any other value is both.
    day = end is not None
    last = end if day else start
    return {
        "eq": _Bound(start, True, last, not day),
        "neq": _Bound(start, barred=True) if not day else None,
        "lt": _Bound(high=start, high_in=False),
        "lteq": _Bound(high=last, high_in=not day),
        "gt": _Bound(last, low_in=day),
        "gteq": _Bound(start),
    }.get(operator)


def _value(text: str, unit: str | None, kind: Kind) -> tuple[Any, Any]:
    """A right operand as something with an order, and its end where it is a day; (None, None) where there is none."""
    try:
        if kind is Kind.INSTANT:
            instant = parse_instant(text)
            return instant.start, instant.end
        if kind is Kind.EVENT:
            return 0, None
        if kind is Kind.QUANTITY:
            return quantity(text, unit), None
        return _READERS[kind](text), None
    except (ValueError, KeyError):
        return None, None


def _length(text: str) -> timedelta | None:
    """Lengths with months are of no fixed length, so they are not compared."""
    duration: Duration = parse_duration(text)
    return duration.rest if duration.months == 0 else None


_READERS: dict[Kind, Any] = {
    Kind.ELAPSED: _length,
    Kind.WAIT: _length,
    Kind.SPAN: parse_span,
    Kind.INTEGER: parse_integer,
    Kind.MONEY: parse_fen,
    Kind.DECIMAL: parse_decimal,
    Kind.VERSION: parse_version,
    Kind.FLAG: lambda text: int(parse_flag(text)),
}

# The values that an operand can have at all.
_WHOLE = {"count": _Bound(1), "ex:grade": _Bound(1, high=3), "ex:securityLevel": _Bound(1, high=5)}
_DOMAINS: dict[Kind, _Bound] = {
    Kind.ELAPSED: _Bound(timedelta(0)),
    Kind.WAIT: _Bound(timedelta(0)),
    Kind.SPAN: _Bound(timedelta(0)),
    Kind.MONEY: _Bound(0),
    Kind.DECIMAL: _Bound(0, high=100),
    Kind.FLAG: _Bound(0, high=1),
    Kind.EVENT: _Bound(-1, high=1),
    Kind.INSTANT: _Bound(datetime(1, 1, 1, tzinfo=UTC)),
}
_DISCRETE = frozenset({Kind.INTEGER, Kind.MONEY, Kind.FLAG, Kind.EVENT})


def _interval_possible(bounds: list[_Bound], name: str, kind: Kind) -> bool:
    domain = _WHOLE.get(name) or _DOMAINS.get(kind)
    bounds = [*bounds, domain] if domain is not None else bounds
    barred = {bound.low for bound in bounds if bound.barred}
    try:
        low, low_in = _highest_low([bound for bound in bounds if not bound.barred])
        high, high_in = _lowest_high([bound for bound in bounds if not bound.barred])
        if low is None or high is None:
            return True
        if kind in _DISCRETE:
            return _has_whole(low + (not low_in), high - (not high_in), barred)
        if low == high:
            return low_in and high_in and low not in barred
        return bool(low < high)
    except TypeError:
        # Quantities of different kinds have no order.
        return True


def _has_whole(low: int, high: int, barred: set[Any]) -> bool:
    if high - low > _FEWEST:
        return True
    return any(number not in barred for number in range(low, high + 1))


def _highest_low(bounds: list[_Bound]) -> tuple[Any, bool]:
    low, low_in = None, True
    for bound in bounds:
        if bound.low is not None and (low is None or bound.low > low or (bound.low == low and not bound.low_in)):
            low, low_in = bound.low, bound.low_in
    return low, low_in


def _lowest_high(bounds: list[_Bound]) -> tuple[Any, bool]:
    high, high_in = None, True
    for bound in bounds:
        if bound.high is not None and (high is None or bound.high < high or (bound.high == high and not bound.high_in)):
            high, high_in = bound.high, bound.high_in
    return high, high_in
