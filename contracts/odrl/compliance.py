"""The compliance report: of every rule of a policy, whether it is active for a request, and why.

Source: SolidLab, FORCE compliance report model (https://w3id.org/force/compliance-report), after the W3C ODRL Community
Group's draft of formal semantics. A decision (`contracts.odrl.evaluate`) says what may be done; a report says of each rule
which premises hold and in which state its duties are, for whoever checks afterwards.

A premise that is not known to hold makes a permission or a duty inactive and leaves a prohibition active, as a decision
would have it. A rule that states no action, party or asset has no premise about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from contracts.odrl.compiler import known_action, unknowns
from contracts.odrl.conditions import Atom, compile_one
from contracts.odrl.decision import Reason, Request, World
from contracts.odrl.members import compile_members
from contracts.odrl.model import (
    JSON,
    Condition,
    Duty,
    LogicalConstraint,
    Member,
    Permission,
    Policy,
    Prohibition,
    Rule,
)
from contracts.odrl.values import rfc3339
from contracts.odrl.vocabulary import INCLUDED_IN, included

Kind: TypeAlias = Literal["Permission", "Prohibition", "Duty"]
Attempt: TypeAlias = Literal["Attempted", "NotAttempted"]
Activation: TypeAlias = Literal["Active", "Inactive"]
Satisfaction: TypeAlias = Literal["Satisfied", "Unsatisfied", "Unknown"]
Performance: TypeAlias = Literal["Performed", "Unperformed", "Unknown"]
Deontic: TypeAlias = Literal["Fulfilled", "Violated", "NonSet"]


@dataclass(frozen=True, slots=True)
class PremiseReport:
    """One premise of a rule: its target, party, action, or a constraint with its parts.

    `expected` is the right operand, or the operator of a logical constraint; `actual` what was found, None where it is
    not known.
    """

    kind: Literal["Target", "Party", "Action", "Constraint"]
    path: str
    satisfaction: Satisfaction
    uid: str | None = None
    left_operand: str = ""
    operator: str = ""
    expected: JSON = None
    actual: JSON = None
    parts: tuple[PremiseReport, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "path": self.path,
            "satisfactionState": self.satisfaction,
            "constraint": self.uid,
            "leftOperand": self.left_operand,
            "operator": self.operator,
            "expected": self.expected,
            "actual": self.actual,
            "parts": [part.to_json() for part in self.parts],
        }


@dataclass(frozen=True, slots=True)
class RuleReport:
    """One rule: whether it was attempted, is active, was performed, and what follows for it.

    `conditions` are the duties of a permission, the remedies of a prohibition and the consequences of a duty. A remedy is
    active once its prohibition was broken, a consequence once its duty was.
    """

    kind: Kind
    path: str
    uid: str | None
    attempt: Attempt
    activation: Activation
    performance: Performance
    deontic: Deontic
    premises: tuple[PremiseReport, ...] = ()
    conditions: tuple[RuleReport, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "path": self.path,
            "rule": self.uid,
            "attemptState": self.attempt,
            "activationState": self.activation,
            "performanceState": self.performance,
            "deonticState": self.deontic,
            "premises": [premise.to_json() for premise in self.premises],
            "conditions": [condition.to_json() for condition in self.conditions],
        }


@dataclass(frozen=True, slots=True)
class ComplianceReport:
    """What a policy says to a request at a moment, rule by rule. `unknown` are the parts that are not understood."""

    policy: str
    created: datetime
    rules: tuple[RuleReport, ...]
    unknown: tuple[Reason, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "policy": self.policy,
            "created": rfc3339(self.created),
            "rules": [rule.to_json() for rule in self.rules],
            "unknown": [reason.to_json() for reason in self.unknown],
        }


def report(policy: Policy, request: Request, world: World) -> ComplianceReport:
    """Report on every permission, prohibition and obligation of a policy, in this order. Never raises."""
    reporter = _Reporter(policy, request, world)
    rules: list[RuleReport] = [reporter.permission(rule) for rule in policy.permissions]
    rules += [reporter.prohibition(rule) for rule in policy.prohibitions]
    rules += [reporter.duty(rule, due=True) for rule in policy.obligations]
    return ComplianceReport(policy.uid, request.at, tuple(rules), unknowns(policy))


class _Reporter:
    def __init__(self, policy: Policy, request: Request, world: World) -> None:
        self.policy = policy
        self.request = request
        self.world = world

    def permission(self, rule: Permission) -> RuleReport:
        premises = self.premises(rule, self.policy.assignee)
        conditions = tuple(self.duty(duty, due=True) for duty in rule.duties)
        holds = all(premise.satisfaction == "Satisfied" for premise in premises)
        kept = not any(_is_broken(condition) for condition in conditions)
        active: Activation = "Active" if holds and kept else "Inactive"
        performance = self.performance(rule)
        deontic: Deontic = "Fulfilled" if performance == "Performed" and active == "Active" else "NonSet"
        return RuleReport(
            "Permission", rule.path, rule.uid, "Attempted", active, performance, deontic, premises, conditions
        )

    def prohibition(self, rule: Prohibition) -> RuleReport:
        premises = self.premises(rule, self.policy.assignee)
        excluded = any(premise.satisfaction == "Unsatisfied" for premise in premises)
        active: Activation = "Inactive" if excluded else "Active"
        performance = self.performance(rule)
        deontic: Deontic = "NonSet"
        if active == "Active" and performance != "Unknown":
            deontic = "Violated" if performance == "Performed" else "Fulfilled"
        conditions = tuple(self.duty(remedy, due=deontic == "Violated") for remedy in rule.remedies)
        return RuleReport(
            "Prohibition", rule.path, rule.uid, "Attempted", active, performance, deontic, premises, conditions
        )

    def duty(self, rule: Duty, *, due: bool) -> RuleReport:
        """A duty is what its assignee owes, so the party of the request is no premise of it, nor is its action."""
        performance = self.performance(rule)
        deontic: Deontic = "NonSet"
        if performance != "Unknown":
            deontic = "Fulfilled" if performance == "Performed" else "Violated"
        attempt: Attempt = "NotAttempted" if performance == "Unknown" else "Attempted"
        conditions = tuple(self.duty(other, due=deontic == "Violated") for other in rule.consequences)
        active: Activation = "Active" if due else "Inactive"
        return RuleReport("Duty", rule.path, rule.uid, attempt, active, performance, deontic, (), conditions)

    def performance(self, rule: Rule) -> Performance:
        done = self.world.was_performed(rule.uid, rule.path)
        return "Unknown" if done is None else "Performed" if done else "Unperformed"

    def premises(self, rule: Permission | Prohibition, assignee: str | None) -> tuple[PremiseReport, ...]:
        keys = (*((rule.uid,) if rule.uid else ()), rule.path, rule.action.name)
        found = [
            self.member("Target", "target", rule, rule.targets, self.policy.target, self.request.target),
            self.member("Party", "assignee", rule, rule.assignees, assignee, self.request.assignee),
            self.action(rule),
        ]
        premises = [premise for premise in found if premise is not None]
        premises += [self.condition(part, keys) for part in (*rule.constraints, *rule.action.refinements)]
        return tuple(premises)

    def member(
        self,
        kind: Literal["Target", "Party"],
        name: str,
        rule: Rule,
        members: tuple[Member, ...],
        shared: str | None,
        actual: str,
    ) -> PremiseReport | None:
        meant = compile_members(members, shared, (), _ignore)
        if meant is None:
            return None
        state = _state(meant.decide(actual, self.request, self.world))
        return PremiseReport(kind, f"{rule.path}.{name}", state, expected=[*meant.named()], actual=actual)

    def action(self, rule: Rule) -> PremiseReport | None:
        name = rule.action.name
        if not name:
            return None
        asked = known_action(self.request.action)
        known = name in INCLUDED_IN and asked is not None
        state = _state(asked in included(name) if known else None)
        return PremiseReport("Action", rule.action.path, state, expected=name, actual=self.request.action)

    def condition(self, condition: Condition, keys: tuple[str, ...]) -> PremiseReport:
        node = compile_one(condition, keys, _ignore)
        state = _state(node.decide(self.request, self.world))
        if isinstance(condition, LogicalConstraint):
            parts = tuple(self.condition(part, keys) for part in condition.operands)
            return PremiseReport(
                "Constraint", condition.path, state, condition.uid, operator=condition.operator, parts=parts
            )
        actual: JSON = None
        expected: JSON = [value.text for value in condition.right]
        if isinstance(node, Atom):
            found = node.read(self.request, self.world, keys)
            actual = None if found is None else node.show(found)
            expected = node.expected
        left, operator = condition.left_operand, condition.operator
        return PremiseReport("Constraint", condition.path, state, condition.uid, left, operator, expected, actual)


def _is_broken(duty: RuleReport) -> bool:
    """Whether a duty was broken and not made good: its consequences stand for it once all of them are done."""
    if duty.deontic != "Violated":
        return False
    return not duty.conditions or any(condition.deontic != "Fulfilled" for condition in duty.conditions)


def _state(decided: bool | None) -> Satisfaction:
    return "Unknown" if decided is None else "Satisfied" if decided else "Unsatisfied"


def _ignore(_path: str, _kind: str, _value: JSON, _known: JSON) -> None:
    """What is not understood is named by `unknowns`, once for the whole policy."""
