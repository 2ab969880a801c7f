"""What a policy limits in plain numbers: the most uses it can permit, and the moment after which it permits none.

For a record that others check without an ODRL reader. A limit is stated only where the policy states one
whatever else is true; None says that it states none, and the decision (`contracts.odrl.evaluate`) is always
as strict as the limits, and often stricter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from contracts.odrl.compiler import compiled, known_action
from contracts.odrl.model import Condition, Constraint, Policy
from contracts.odrl.values import parse_instant, parse_integer

_ALL_HOLD = frozenset({"and", "andSequence"})
B = TypeVar("B", int, datetime)


@dataclass(frozen=True, slots=True)
class Limits:
    """`uses`: no use beyond this number is permitted. `until`: no use after this moment is. None: not stated."""

    uses: int | None
    until: datetime | None


def limits(policy: Policy, action: str = "use") -> Limits:
    """Return the plain limits of a policy for an action. Never raises; what is not understood limits nothing."""
    asked = known_action(action)
    covering = {rule.path for rule in compiled(policy).permissions if asked in rule.covers}
    granting = [rule for rule in policy.permissions if rule.path in covering]
    conditions = [(*rule.constraints, *rule.action.refinements) for rule in granting]
    if not conditions:
        return Limits(0, None)
    return Limits(
        _widest([_bound(each, _most_uses) for each in conditions]),
        _widest([_bound(each, _last_moment) for each in conditions]),
    )


def _bound(conditions: Iterable[Condition], read: Callable[[Constraint], B | None]) -> B | None:
    """Return the tightest limit of conditions that must all hold."""
    found = [_bound_of(condition, read) for condition in conditions]
    known: list[Any] = [limit for limit in found if limit is not None]
    return min(known) if known else None


def _bound_of(condition: Condition, read: Callable[[Constraint], B | None]) -> B | None:
    if isinstance(condition, Constraint):
        return read(condition)
    if condition.operator in _ALL_HOLD:
        return _bound(condition.operands, read)
    return _widest([_bound_of(operand, read) for operand in condition.operands])


def _widest(found: list[B | None]) -> B | None:
    """Return the limit of alternatives: none, unless each of them has one."""
    known: list[Any] = [limit for limit in found if limit is not None]
    return max(known) if known and len(known) == len(found) else None


def _most_uses(constraint: Constraint) -> int | None:
    if constraint.left_operand != "count" or len(constraint.right) != 1:
        return None
    try:
        stated = parse_integer(constraint.right[0].text)
    except ValueError:
        return None
    return {"lteq": stated, "eq": stated, "lt": max(0, stated - 1)}.get(constraint.operator)


def _last_moment(constraint: Constraint) -> datetime | None:
    if constraint.left_operand != "dateTime" or len(constraint.right) != 1:
        return None
    try:
        stated = parse_instant(constraint.right[0].text)
    except ValueError:
        return None
    return {"lteq": stated.last, "eq": stated.last, "lt": stated.start}.get(constraint.operator)
