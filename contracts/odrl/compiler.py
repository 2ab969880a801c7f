"""A policy ready to be decided. Everything in it that is not understood is found here, once.

The compiled form is kept on the policy, so that a decision costs the comparisons and nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from contracts.odrl import phrases
from contracts.odrl.conditions import Node, Report, compile_all, report_others
from contracts.odrl.decision import Reason, Request, World
from contracts.odrl.duties import CompiledDuty, compile_duties
from contracts.odrl.members import Meant, compile_members
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
    assignees: Meant | None
    targets: Meant | None
    condition: Node | None
    duties: tuple[CompiledDuty, ...] = ()
    detail_en: str = ""
    detail_zh: str = ""

    def fits(self, action: str, request: Request, world: World) -> bool | None:
        """Whether the rule speaks of this action, party and data; None where that is not known."""
        if action not in self.covers:
            return False
        party = self.assignees is None or self.assignees.decide(request.assignee, request, world)
        if party is False:
            return False
        asset = self.targets is None or self.targets.decide(request.target, request, world)
        return asset if party or asset is False else None


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


_RULE = re.compile(r"\$(?:\.inheritFrom\['[^']*'\])*\.(?:permission|prohibition|obligation)(?:\[\d+\])?")


def _rule_of(path: str) -> str:
    """The path of the rule that a path lies in: `$.permission[0].constraint[1]` gives `$.permission[0]`."""
    found = _RULE.match(path)
    return found[0] if found else "$"


def _check_policy(policy: Policy, report: Report) -> None:
    if policy.type not in TYPES:
        report("$.@type", "type", policy.type, list(TYPES))
    if policy.conflict is not None and policy.conflict not in CONFLICTS:
        report("$.conflict", "conflict", policy.conflict, list(CONFLICTS))
    for profile in policy.profiles:
        if profile not in PROFILES:
            report("$.profile", "profile", profile, sorted(PROFILES))
    for parent in policy.inherits:
        report("$.inheritFrom", "inheritFrom", parent, None)
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
        assignees=compile_members(rule.assignees, policy.assignee, keys, report),
        targets=compile_members(rule.targets, policy.target, keys, report),
        condition=compile_all(conditions, keys, rule.path, report),
        **more,
    )


def known_action(name: str) -> str | None:
    """The short form of an action that is known, else None."""
    if name in INCLUDED_IN:
        return name
    short = shorten(name)
    return short if short in INCLUDED_IN else None
