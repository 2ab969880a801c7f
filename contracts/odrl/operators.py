"""The twelve operators, as tests over what a left operand reads.

Source: W3C, ODRL Vocabulary & Expression 2.2, section 4.3. A test answers True, False, or None where it
cannot be decided: a fact is missing, or the values of a left operand that has several do not agree. Callers
take None as "not permitted" in a permission and as "applies" in a prohibition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from contracts.odrl.decision import World
from contracts.odrl.model import OPAQUE, Constraint, Value
from contracts.odrl.operands import Kind, Operand, Within, quantity
from contracts.odrl.values import (
    Duration,
    Instant,
    parse_decimal,
    parse_duration,
    parse_fen,
    parse_flag,
    parse_instant,
    parse_integer,
    parse_span,
    parse_version,
)
from contracts.odrl.vocabulary import UNIT_NAMES, UNITS

Test = Callable[[Any, World], bool | None]

# Where the actual value stands: before (-1), at (0) or after (1) a right operand; None when that is not
# known.
Position = Callable[[Any, Any], int | None]

ORDER: Mapping[str, Callable[[int], bool]] = MappingProxyType(
    {
        "eq": lambda position: position == 0,
        "neq": lambda position: position != 0,
        "lt": lambda position: position < 0,
        "lteq": lambda position: position <= 0,
        "gt": lambda position: position > 0,
        "gteq": lambda position: position >= 0,
    }
)
_COMPARING = frozenset({"lt", "lteq", "gt", "gteq"})
_LISTS = frozenset({"isAnyOf", "isNoneOf", "isAllOf"})
_CONTAINMENT = frozenset({"isA", "isPartOf", "hasPart"})

_PERCENT = frozenset({None, "%", "http://qudt.org/vocab/unit/PERCENT"})
_CURRENCIES = frozenset(
    {"CNY", "iso4217a:CNY", "http://cvx.iptc.org/iso4217a/CNY", "http://dbpedia.org/resource/Renminbi"}
)


class NotUnderstoodError(Exception):
    """A part of a constraint has no meaning here. `part` is its property, `value` what it says."""

    def __init__(self, part: str, value: Any, expected: Any) -> None:
        self.part = part
        self.value = value
        self.expected = expected
        super().__init__(part, value)


# A wait has no end, so it is only reached or passed; `eq` says how long it is.
_FEW: Mapping[Kind, tuple[str, ...]] = MappingProxyType(
    {
        Kind.WAIT: ("eq", "gt", "gteq"),
        Kind.FLAG: ("eq", "neq"),
        Kind.STATE: ("eq", "neq", *sorted(_LISTS), "hasPart"),
    }
)


def operators_of(kind: Kind) -> tuple[str, ...]:
    """The operators that mean something for a kind of value."""
    ordered = (*ORDER, *sorted(_LISTS))
    if kind is Kind.TERM:
        return ("eq", "neq", *sorted(_LISTS), *sorted(_CONTAINMENT))
    if kind in _FEW:
        return _FEW[kind]
    return (*ordered, *sorted(_CONTAINMENT)) if kind is Kind.VERSION else ordered


def build(operand: Operand, constraint: Constraint) -> Test:
    """The test of a constraint.

    Raises NotUnderstoodError for an operator, unit or value that has no meaning here.
    """
    operator = constraint.operator
    if operator not in operators_of(operand.kind):
        raise NotUnderstoodError("operator", operator, list(operators_of(operand.kind)))
    _check_unit(operand, constraint)
    values = [_parse(operand, value, constraint.unit) for value in constraint.right]
    if not values or (len(values) > 1 and operator not in _LISTS):
        wanted = "one value" if operator not in _LISTS else "at least one value"
        raise NotUnderstoodError("rightOperand", [value.text for value in constraint.right], wanted)
    if operand.kind is Kind.TERM or (operand.kind is Kind.VERSION and operator not in _COMPARING):
        return _term_test(operator, tuple(values), operand.within)
    if operand.kind is Kind.STATE:
        return _state_test(operator, frozenset(values))
    if operand.kind is Kind.WAIT and operator == "eq":
        operator = "gteq"
    if operand.kind is Kind.VERSION and parse_version(values[0]) is None:
        raise NotUnderstoodError("rightOperand", values[0], "version")
    return _ordered_test(operator, values, _POSITIONS[operand.kind])


def _check_unit(operand: Operand, constraint: Constraint) -> None:
    unit = constraint.unit
    if operand.kind is Kind.MONEY:
        if unit not in _CURRENCIES:
            raise NotUnderstoodError("unit", unit, ["CNY"])
    elif operand.kind is Kind.QUANTITY:
        if unit not in UNIT_NAMES:
            raise NotUnderstoodError("unit", unit, list(UNITS))
    elif operand.kind is Kind.DECIMAL:
        if unit not in _PERCENT:
            raise NotUnderstoodError("unit", unit, ["%"])
    elif unit is not None:
        raise NotUnderstoodError("unit", unit, [])


_DATATYPES: Mapping[Kind, tuple[str, ...]] = MappingProxyType(
    {
        Kind.INSTANT: ("xsd:dateTime", "xsd:dateTimeStamp", "xsd:date"),
        Kind.ELAPSED: ("xsd:duration", "xsd:dayTimeDuration", "xsd:yearMonthDuration"),
        Kind.INTEGER: ("xsd:integer", "xsd:nonNegativeInteger", "xsd:positiveInteger", "xsd:int", "xsd:long"),
        Kind.MONEY: ("xsd:decimal", "xsd:integer"),
        Kind.TERM: ("@id", "xsd:string", "xsd:anyURI"),
        Kind.VERSION: ("@id", "xsd:string"),
        Kind.EVENT: ("@id", "xsd:string", "xsd:anyURI"),
        Kind.WAIT: ("xsd:duration", "xsd:dayTimeDuration", "xsd:yearMonthDuration"),
        Kind.SPAN: ("xsd:dayTimeDuration", "xsd:duration"),
        Kind.DECIMAL: ("xsd:decimal", "xsd:integer"),
        Kind.QUANTITY: ("xsd:decimal", "xsd:integer"),
        # JSON's own true and false are kept as they are.
        Kind.FLAG: ("xsd:boolean", OPAQUE),
        Kind.STATE: ("@id", "xsd:string", "xsd:anyURI"),
    }
)


def _text(lexical: str) -> str:
    if not lexical:
        raise ValueError(lexical)
    return lexical


_PARSERS: Mapping[Kind, Callable[[str], Any]] = MappingProxyType(
    {
        Kind.INSTANT: parse_instant,
        Kind.ELAPSED: parse_duration,
        Kind.INTEGER: parse_integer,
        Kind.MONEY: parse_fen,
        Kind.TERM: _text,
        Kind.VERSION: _text,
        Kind.EVENT: _text,
        Kind.WAIT: parse_duration,
        Kind.SPAN: parse_span,
        Kind.DECIMAL: parse_decimal,
        Kind.FLAG: parse_flag,
        Kind.STATE: _text,
    }
)


def _parse(operand: Operand, value: Value, unit: str | None) -> Any:
    expected = _DATATYPES[operand.kind]
    if value.datatype and value.datatype not in expected:
        raise NotUnderstoodError("rightOperand", value.text, expected[0])
    try:
        parsed: Any = (
            quantity(value.text, unit) if operand.kind is Kind.QUANTITY else _PARSERS[operand.kind](value.text)
        )
    except ValueError:
        raise NotUnderstoodError("rightOperand", value.text, _FORM.get(operand.name, expected[0])) from None
    if operand.bounds and not operand.bounds[0] <= parsed <= operand.bounds[1]:
        raise NotUnderstoodError("rightOperand", value.text, _FORM[operand.name])
    return parsed


# What a value should look like where its datatype alone does not say it.
_FORM = {"percentage": "percentage", "resolution": "number", "ex:grade": "grade", "ex:securityLevel": "level"}


def _instant_position(value: Instant, actual: datetime) -> int | None:
    return value.position(actual)


def _elapsed_position(value: Duration, actual: tuple[datetime, datetime]) -> int | None:
    start, at = actual
    try:
        end = value.after(start)
    except (OverflowError, ValueError):
        return None
    return (at > end) - (at < end)


def _quantity_position(value: tuple[str, Any], actual: tuple[str, Any, str]) -> int | None:
    """Quantities of different kinds, such as dots and seconds, cannot be compared."""
    return None if value[0] != actual[0] else _number_position(value[1], actual[1])


def _number_position(value: Any, actual: Any) -> int | None:
    return int(actual > value) - int(actual < value)


def _version_position(value: str, actual: tuple[str, ...]) -> int | None:
    wanted = parse_version(value)
    found = [parse_version(version) for version in actual]
    if wanted is None or len(found) != 1 or found[0] is None:
        return None
    return (found[0] > wanted) - (found[0] < wanted)


def _event_position(value: str, actual: tuple[Mapping[str, Any], datetime]) -> int | None:
    """Whether now lies before, in or after an event: (start, end), open where None."""
    events, at = actual
    period = events.get(value)
    if not isinstance(period, (tuple, list)) or len(period) != 2:
        return None
    start, end = period
    try:
        if start is None or at < start:
            return -1
        return 1 if end is not None and at > end else 0
    except TypeError:
        # A time without zone, or no time at all, is a fact that is not known.
        return None


_POSITIONS: Mapping[Kind, Position] = MappingProxyType(
    {
        Kind.INSTANT: _instant_position,
        Kind.ELAPSED: _elapsed_position,
        Kind.INTEGER: _number_position,
        Kind.MONEY: _number_position,
        Kind.VERSION: _version_position,
        Kind.EVENT: _event_position,
        Kind.WAIT: _elapsed_position,
        Kind.SPAN: _number_position,
        Kind.DECIMAL: _number_position,
        Kind.QUANTITY: _quantity_position,
        Kind.FLAG: _number_position,
    }
)


def _ordered_test(operator: str, values: list[Any], position: Position) -> Test:
    if operator in ORDER:
        value, holds = values[0], ORDER[operator]

        def single(actual: Any, _world: World) -> bool | None:
            where = position(value, actual)
            return None if where is None else holds(where)

        return single

    def several(actual: Any, _world: World) -> bool | None:
        places = [position(value, actual) for value in values]
        equal = [None if place is None else place == 0 for place in places]
        if operator == "isAllOf":
            return all_of(equal)
        found = any_of(equal)
        return found if operator == "isAnyOf" or found is None else not found

    return several


def all_of(results: list[bool | None]) -> bool | None:
    """Three-valued and: false when one is false, else unknown when one is unknown."""
    if False in results:
        return False
    return None if None in results else True


def any_of(results: list[bool | None]) -> bool | None:
    """Three-valued or: true when one is true, else unknown when one is unknown."""
    if True in results:
        return True
    return None if None in results else False


def one_of(results: list[bool | None]) -> bool | None:
    """Three-valued exactly-one: false as soon as two are true, whatever the unknown ones are."""
    if results.count(True) > 1:
        return False
    return None if None in results else results.count(True) == 1


def _state_test(operator: str, wanted: frozenset[str]) -> Test:
    """A thing is in several states at once, so that `eq` asks for one of them and `neq` for its absence."""
    if operator in {"isAllOf", "eq", "hasPart"}:
        return lambda actual, _world: wanted.issubset(actual)
    if operator == "isAnyOf":
        return lambda actual, _world: not wanted.isdisjoint(actual)
    return lambda actual, _world: wanted.isdisjoint(actual)


def _term_test(operator: str, values: tuple[str, ...], within: Within | None) -> Test:
    wanted = frozenset(values)
    if operator == "isAllOf":
        return lambda actual, _world: wanted.issubset(actual)
    if operator == "hasPart":
        return lambda actual, world: any_of([lies_in(values[0], term, within, world) for term in actual])
    if operator in {"isA", "isPartOf"}:
        return lambda actual, world: _agreed([lies_in(term, values[0], within, world) for term in actual])
    expected = operator in {"eq", "isAnyOf"}

    def member(actual: tuple[str, ...], _world: World) -> bool | None:
        if len(actual) == 1:
            return (actual[0] in wanted) is expected
        return _agreed([(term in wanted) is expected for term in actual])

    return member


def _agreed(results: list[bool | None]) -> bool | None:
    """What every value of a left operand says alike; unknown when they differ."""
    return results[0] if len(set(results)) == 1 else None


def lies_in(inner: str, outer: str, within: Within | None, world: World) -> bool | None:
    """Whether one term is the other or a kind or part of it, by its own form or by what the world says."""
    if inner == outer:
        return True
    known = within(inner, outer) if within is not None else None
    if known:
        return True
    seen = {inner}
    waiting = [inner]
    stated = False
    while waiting:
        broader = world.broader.get(waiting.pop())
        if broader is None:
            continue
        stated = True
        if outer in broader:
            return True
        fresh = set(broader) - seen
        seen |= fresh
        waiting.extend(fresh)
    return False if stated else known
