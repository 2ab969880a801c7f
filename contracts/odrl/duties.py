"""Duties ready to be turned into obligations.

A duty is either performed by the exchange (`log`, `inform`, `anonymize`), checked before release
(`compensate`), or left to the consumer with a deadline (`delete`, `attribute`). Only constraints that say
when, how much or to whom have a meaning here; any other is reported and denies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from contracts.odrl.conditions import Report, report_others
from contracts.odrl.decision import Obligation, Reason, Request, World
from contracts.odrl.model import Collection, Condition, Constraint, Duty
from contracts.odrl.operands import OPERANDS
from contracts.odrl.operators import NotUnderstoodError, build
from contracts.odrl.values import (
    Duration,
    Instant,
    parse_duration,
    parse_fen,
    parse_instant,
    rfc3339,
    yuan,
)
from contracts.odrl.vocabulary import DUTIES

# Which constraints mean something in which duty, with which operators.
_LATEST = ("lt", "lteq", "eq")
_TIMES = {"dateTime": (*_LATEST, "gt", "gteq"), "elapsedTime": _LATEST}
ALLOWED: dict[str, dict[str, tuple[str, ...]]] = {
    "delete": _TIMES,
    "inform": {**_TIMES, "recipient": ("eq",)},
    "compensate": {"payAmount": ("eq", "gteq"), "recipient": ("eq",)},
    "attribute": {"recipient": ("eq",)},
    "anonymize": {},
    "ex:log": {},
}

_PARTIES = {
    "inform": "informedParty",
    "compensate": "compensatedParty",
    "attribute": "attributedParty",
}

Phase = Literal["before", "after"]


def phase(action: str) -> Phase:
    """Whether a duty is done before the data is released or after."""
    return "after" if action in {"delete", "attribute"} else "before"


@dataclass(frozen=True, slots=True)
class CompiledDuty:
    """A duty with its terms read. `latest` is due so long after release, or at an instant."""

    action: str
    path: str
    uid: str | None = None
    latest: Instant | Duration | None = None
    not_before: Instant | None = None
    amount_fen: int | None = None
    party: str | None = None
    assignee: str | None = None
    consequences: tuple[CompiledDuty, ...] = ()

    def deadline(self, request: Request) -> datetime | None:
        """When it must be done at the latest, if the data is released now."""
        if isinstance(self.latest, Instant):
            return self.latest.last
        if self.latest is None:
            return None
        try:
            return self.latest.after(request.at)
        except (OverflowError, ValueError):
            # Beyond the calendar; the last moment there is stands for it.
            return datetime.max.replace(tzinfo=UTC)

    def refuse(self, request: Request, world: World) -> Reason | None:
        """Why this duty stands against a release now: it was not done in time, is unpaid, or its deadline has passed.

        None where nothing does. A duty that was not done in time is made good by its consequences.
        """
        done = world.was_performed(self.uid, self.path)
        if done is not None:
            return None if done else self._unperformed(world)
        if self.amount_fen is not None and world.paid_fen < self.amount_fen:
            wanted, paid = f"{yuan(self.amount_fen)} CNY", f"{yuan(world.paid_fen)} CNY"
            return Reason("unpaid", self.path, self.path, "payAmount", "gteq", wanted, paid)
        if isinstance(self.latest, Instant) and request.at >= self.latest.last:
            due, now = self.latest.last.isoformat().replace("+00:00", "Z"), rfc3339(request.at)
            return Reason("overdue", self.path, self.path, "dateTime", "lt", due, now)
        return None

    def _unperformed(self, world: World) -> Reason | None:
        left = [duty for duty in self.consequences if world.was_performed(duty.uid, duty.path) is not True]
        if self.consequences and not left:
            return None
        missing = left[0] if left else self
        return Reason("unperformed", self.path, missing.path, "performed", "eq", missing.action, False)

    def obligation(self, request: Request, world: World) -> Obligation:
        """What is owed when the data is released now."""
        return Obligation(
            self.action,
            self.path,
            phase(self.action),
            deadline=self.deadline(request),
            not_before=None if self.not_before is None else self.not_before.start,
            party=self.party,
            amount_fen=self.amount_fen,
            assignee=self.assignee,
            fulfilled=self.amount_fen is not None or world.was_performed(self.uid, self.path) is True,
            uid=self.uid,
        )


def compile_duties(duties: tuple[Duty, ...], report: Report) -> tuple[CompiledDuty, ...]:
    """Duties with their terms read; whatever is not understood is reported."""
    return tuple(_compile(duty, report) for duty in duties)


def _compile(duty: Duty, report: Report) -> CompiledDuty:
    report_others(duty.others, report)
    report_others(duty.action.others, report)
    consequences = compile_duties(duty.consequences, report)
    action = duty.action.name
    if action not in DUTIES:
        report(f"{duty.path}.action", "duty", action, list(DUTIES))
        return CompiledDuty(action, duty.path)
    assignees = _single(duty, report)
    terms = _terms(duty, report)
    if action == "compensate" and "amount_fen" not in terms:
        report(duty.path, "amount", action, ["payAmount"])
    party = dict(duty.parties).get(_PARTIES.get(action, ""), terms.pop("party", None))
    return CompiledDuty(
        action,
        duty.path,
        duty.uid,
        party=party,
        assignee=next(iter(assignees)) if len(assignees) == 1 else None,
        consequences=consequences,
        **terms,
    )


def _single(duty: Duty, report: Report) -> list[str]:
    """Who owes the duty. A group owes nothing that could be checked, so it is reported."""
    for member in (*duty.targets, *duty.assigners, *duty.assignees):
        if isinstance(member, Collection):
            report(member.path, "dutyGroup", member.name, None)
    return [member for member in duty.assignees if isinstance(member, str)]


def _terms(duty: Duty, report: Report) -> dict[str, Any]:
    terms: dict[str, Any] = {}
    allowed = ALLOWED[duty.action.name]
    for constraint in _understood((*duty.constraints, *duty.action.refinements), allowed, report):
        text = constraint.right[0].text
        name, value = _read(constraint.left_operand, constraint.operator, text)
        if name in terms:
            report(constraint.path, "dutyConstraint", constraint.left_operand, sorted(allowed))
        terms[name] = value
    return terms


def _read(left_operand: str, operator: str, text: str) -> tuple[str, Any]:
    if left_operand == "payAmount":
        return "amount_fen", parse_fen(text)
    if left_operand == "recipient":
        return "party", text
    if left_operand == "elapsedTime":
        return "latest", parse_duration(text)
    return ("not_before" if operator in {"gt", "gteq"} else "latest"), parse_instant(text)


def _understood(
    conditions: tuple[Condition, ...], allowed: dict[str, tuple[str, ...]], report: Report
) -> Iterator[Constraint]:
    """The constraints that mean something in this duty; the others are reported."""
    for condition in conditions:
        report_others(condition.others, report)
        if not isinstance(condition, Constraint):
            report(condition.path, "dutyConstraint", condition.operator, sorted(allowed))
        elif condition.left_operand not in allowed:
            report(condition.path, "dutyConstraint", condition.left_operand, sorted(allowed))
        elif condition.operator not in allowed[condition.left_operand]:
            known = list(allowed[condition.left_operand])
            report(f"{condition.path}.operator", "operator", condition.operator, known)
        else:
            try:
                build(OPERANDS[condition.left_operand], condition)
            except NotUnderstoodError as problem:
                report(f"{condition.path}.{problem.part}", problem.part, problem.value, problem.expected)
            else:
                yield condition
