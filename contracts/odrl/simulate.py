"""What if: the decision at another date, after more uses, for another party; and when it will change.

Pure, like the decision itself. Nothing here grants anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

from contracts.errors import RequestError
from contracts.odrl.decision import Decision, Request, World
from contracts.odrl.evaluate import evaluate
from contracts.odrl.model import Condition, Constraint, Policy
from contracts.odrl.values import Duration, Instant, parse_duration, parse_instant

_REQUEST = frozenset(field.name for field in fields(Request))
_WORLD = frozenset(field.name for field in fields(World))
_TICK = timedelta(microseconds=1)

# Where the clock of a constraint starts.
_CLOCKS = {
    "elapsedTime": "first_use",
    "ex:sinceAgreement": "agreement_start",
    "delayPeriod": "agreement_start",
    "timeInterval": "last_use",
}
MAX_USES = 1_000_000


def simulate(policy: Policy, request: Request, world: World, **changes: Any) -> Decision:
    """The decision with some of the facts changed.

    `changes` are fields of Request (`at`, `assignee`, `purpose`, …) or of World (`paid_fen`, `first_use`, …); `count=n`
    says that there were n uses under every rule so far; `attributes` and `counts` are added to those there are.
    Raises RequestError for a name that neither has, and for a time without zone.
    """
    if "count" in changes:
        changes["counts"] = dict.fromkeys(_keys(policy), changes.pop("count")) | changes.get("counts", {})
    unknown = sorted(set(changes) - _REQUEST - _WORLD)
    if unknown:
        known = ", ".join(sorted({"count"} | _REQUEST | _WORLD))
        raise RequestError(
            f"There is nothing named {unknown[0]} to change.",
            f"没有名为 {unknown[0]} 的可变更项。",
            mend_en=f"Use: {known}.",
            mend_zh=f"可用：{known}。",
        )
    for name in ("counts", "attributes"):
        if name in changes:
            changes[name] = {**getattr(world, name), **changes[name]}
    # What both have is a fact of the world, which is believed over the request.
    asked = replace(request, **{name: value for name, value in changes.items() if name in _REQUEST - _WORLD})
    known_world = replace(world, **{name: value for name, value in changes.items() if name in _WORLD})
    return evaluate(policy, asked, known_world)


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of time in which the decision stays the same: from `start` on, up to but without `end`."""

    start: datetime
    end: datetime
    decision: Decision


def timeline(policy: Policy, request: Request, world: World, until: datetime) -> tuple[Segment, ...]:
    """The decisions from `request.at` to `until` if nothing happens but time, each with the stretch it holds for.

    Neighbours with the same answer are one segment, which carries the decision of its first moment. Raises RequestError
    for a time without zone, and where `until` is not after `request.at`.
    """
    simulate(policy, request, world, at=until)
    if until <= request.at:
        raise RequestError(
            "The end of the timeline is not after its start.", "时间线的终点不晚于起点。", mend_en="Choose a later end."
        )
    moments = sorted({request.at, *(at for at in _turns(policy, world) if request.at < at < until)})
    segments: list[Segment] = []
    for start, end in zip(moments, [*moments[1:], until], strict=True):
        decision = simulate(policy, request, world, at=start)
        if segments and segments[-1].decision.permitted is decision.permitted:
            segments[-1] = replace(segments[-1], end=end)
        else:
            segments.append(Segment(start, end, decision))
    return tuple(segments)


def uses_left(policy: Policy, request: Request, world: World, most: int = MAX_USES) -> int | None:
    """How many uses in a row would be permitted from now on, all else unchanged; None where there is no end before `most`.

    Where rules count apart, the uses so far are taken as the greatest of their counts.
    """
    if not simulate(policy, request, world).permitted:
        return 0
    done = max((count for key, count in world.counts.items() if key in _keys(policy)), default=0)
    turns = sorted({limit for limit in _counts(policy) if done < limit <= done + most})
    # Between two numbers that the policy names, every use is decided alike.
    for limit in turns:
        for number in (limit - 1, limit):
            if number > done and not simulate(policy, request, world, count=number).permitted:
                return number - done
    return None


def _atoms(policy: Policy) -> Iterator[Constraint]:
    for rule in (*policy.permissions, *policy.prohibitions, *policy.obligations):
        yield from _flat((*rule.constraints, *rule.action.refinements))
        for member in (*rule.assignees, *rule.targets):
            if not isinstance(member, str):
                yield from _flat(member.refinements)
    for duty in (*policy.obligations, *(duty for rule in policy.permissions for duty in rule.duties)):
        yield from _flat((*duty.constraints, *duty.action.refinements))


def _flat(conditions: tuple[Condition, ...]) -> Iterator[Constraint]:
    for condition in conditions:
        if isinstance(condition, Constraint):
            yield condition
        else:
            yield from _flat(condition.operands)


def _turns(policy: Policy, world: World) -> Iterator[datetime]:
    """Every moment at which a constraint may turn: it, and the next one."""
    for constraint in _atoms(policy):
        for value in constraint.right:
            for at in _moments(constraint.left_operand, value.text, world):
                yield from (at, at + _TICK)


def _moments(left_operand: str, text: str, world: World) -> Iterator[datetime]:
    try:
        if left_operand == "dateTime":
            instant: Instant = parse_instant(text)
            yield from (instant.start, instant.last)
        elif left_operand in _CLOCKS:
            start: datetime | None = getattr(world, _CLOCKS[left_operand])
            length: Duration = parse_duration(text)
            if start is not None:
                yield length.after(start)
        elif left_operand == "event":
            yield from _period(world, text)
    except (ValueError, OverflowError):
        # What cannot be read denies at any time, so nothing turns.
        return


def _period(world: World, name: str) -> Iterator[datetime]:
    events = world.attributes.get("event")
    period = events.get(name) if isinstance(events, Mapping) else None
    if isinstance(period, (tuple, list)):
        yield from (at for at in period if isinstance(at, datetime) and at.tzinfo is not None)


def _keys(policy: Policy) -> frozenset[str]:
    """Every name under which the uses of a rule may be counted."""
    rules = (*policy.permissions, *policy.prohibitions)
    return frozenset(key for rule in rules for key in (rule.uid or rule.path, rule.path, rule.action.name))


def _counts(policy: Policy) -> Iterator[int]:
    for constraint in _atoms(policy):
        if constraint.left_operand == "count":
            yield from (int(value.text) for value in constraint.right if value.text.isascii() and value.text.isdigit())
