"""A policy ready to be decided. Everything in it that is not understood is found here, once.

The compiled form is kept on the policy, so that a decision costs the comparisons and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from contracts.odrl import phrases
from contracts.odrl.conditions import Node, Report, compile_all, report_others
from contracts.odrl.decision import Reason, Request
from contracts.odrl.duties import CompiledDuty, compile_duties
from contracts.odrl.model import JSON, Duty, Other, Permission, Policy, Prohibition
from contracts.odrl.vocabulary import (
    COMMON_ACTIONS,
    CONFLICTS,
    CONTEXTS,
    INCLUDED_IN,
    PREFIXES,
    PROFILES,
    TYPES,
    included,
    shorten,
)


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A permission or a prohibition.

    `assignees` and `targets` are None where anyone and any data is meant.
    """

    path: str
    action: str
    covers: frozenset[str]
    assignees: frozenset[str] | None
    targets: frozenset[str] | None
    condition: Node | None
    duties: tuple[CompiledDuty, ...] = ()
    detail_en: str = ""
    detail_zh: str = ""

    def fits(self, action: str, request: Request) -> bool:
        """Whether the rule speaks of this action, party and data at all."""
        return (
            action in self.covers
            and (self.assignees is None or request.assignee in self.assignees)
            and (self.targets is None or request.target in self.targets)
        )


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """A policy's rules, and the reasons to deny that lie in the policy itself."""

    unknowns: tuple[Reason, ...]
    permissions: tuple[CompiledRule, ...]
    prohibitions: tuple[CompiledRule, ...]
    obligations: tuple[CompiledDuty, ...]
    conflict: str


def compiled(policy: Policy) -> CompiledPolicy:
    """The compiled form of a policy, made at the first call and kept."""
    found = policy._compiled
    if found is None:
        found = _compile(policy)
        # The value stays what it was; only the derived form is added.
        object.__setattr__(policy, "_compiled", found)
    result: CompiledPolicy = found
    return result


def unknowns(policy: Policy) -> tuple[Reason, ...]:
    """Everything in the policy that is not understood here. While there is any, every request is denied."""
    return compiled(policy).unknowns


def _compile(policy: Policy) -> CompiledPolicy:
    problems: list[Reason] = []

    def report(path: str, kind: str, value: JSON, known: JSON) -> None:
        problems.append(Reason("unknown", _rule_of(path), path, kind, "isAnyOf", known, value))

    _check_policy(policy, report)
    permissions = tuple(_permission(rule, policy, report) for rule in policy.permissions)
    prohibitions = tuple(_prohibition(rule, policy, report) for rule in policy.prohibitions)
    obligations = compile_duties(policy.obligations, report)
    conflict = policy.conflict or "invalid"
    return CompiledPolicy(tuple(problems), permissions, prohibitions, obligations, conflict)


def _rule_of(path: str) -> str:
    """The path of the rule that a path lies in: `$.permission[0].constraint[1]` gives `$.permission[0]`."""
    head, bracket, _ = path.partition("]")
    return head + bracket if bracket and head.startswith("$.") else "$"


def _check_policy(policy: Policy, report: Report) -> None:
    if policy.type not in TYPES:
        report("$.@type", "type", policy.type, list(TYPES))
    if policy.conflict is not None and policy.conflict not in CONFLICTS:
        report("$.conflict", "conflict", policy.conflict, list(CONFLICTS))
    for profile in policy.profiles:
        if profile not in PROFILES:
            report("$.profile", "profile", profile, sorted(PROFILES))
    report_others(tuple(other for other in policy.others if other.key != "@context"), report)
    for other in policy.others:
        if other.key == "@context" and not _harmless(other):
            report(other.path, "context", other.value, sorted(CONTEXTS))


def _harmless(context: Other) -> bool:
    """Whether a `@context` leaves every term its known meaning."""
    value = context.value
    return all(
        (isinstance(part, str) and part in CONTEXTS)
        or (isinstance(part, dict) and all(PREFIXES.get(name) == address for name, address in part.items()))
        for part in (value if isinstance(value, list) else [value])
    )


def _permission(rule: Permission, policy: Policy, report: Report) -> CompiledRule:
    return _rule(rule, policy, report, duties=compile_duties(rule.duties, report))


def _prohibition(rule: Prohibition, policy: Policy, report: Report) -> CompiledRule:
    compile_duties(rule.remedies, report)
    conditions = (*rule.constraints, *rule.action.refinements)
    details = {
        locale: joint.join(phrases.of(part, locale, prohibits=True) for part in conditions)
        for locale, joint in (("en", " and "), ("zh", "，且"))
    }
    return _rule(rule, policy, report, detail_en=details["en"], detail_zh=details["zh"])


def _rule(rule: Permission | Prohibition | Duty, policy: Policy, report: Report, **more: Any) -> CompiledRule:
    name = rule.action.name
    if name not in INCLUDED_IN:
        report(rule.action.path or f"{rule.path}.action", "action", name, list(COMMON_ACTIONS))
    report_others(rule.others, report)
    report_others(rule.action.others, report)
    conditions = (*rule.constraints, *rule.action.refinements)
    keys = (*((rule.uid,) if rule.uid else ()), rule.path, name)
    return CompiledRule(
        path=rule.path,
        action=name,
        covers=included(name),
        assignees=_meant(rule.assignees, policy.assignee),
        targets=_meant(rule.targets, policy.target),
        condition=compile_all(conditions, keys, rule.path, report),
        **more,
    )


def _meant(own: tuple[str, ...], shared: str | None) -> frozenset[str] | None:
    if own:
        return frozenset(own)
    return None if shared is None else frozenset({shared})


def known_action(name: str) -> str | None:
    """The short form of an action that is known, else None."""
    if name in INCLUDED_IN:
        return name
    short = shorten(name)
    return short if short in INCLUDED_IN else None
