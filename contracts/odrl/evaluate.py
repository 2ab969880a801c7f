"""The decision: a pure function of a policy, a request and the state of the world.

Fail closed. An empty policy permits nothing. Anything in the policy that is not understood denies every
request and is named. A permission holds only when all of it is known to hold; a prohibition applies unless
it is known not to. Where a permission and a prohibition both apply, the policy's `conflict` decides:
`perm`, `prohibit`, or `invalid`, which denies and is the default (ODRL Information Model 2.2, section
2.10).

A Set or an Offer is decided as if it were agreed, so that a page can show what it would permit; only an
Agreement grants anything, and releasing on nothing less is the caller's part.
"""

from __future__ import annotations

from contracts.odrl.compiler import CompiledPolicy, CompiledRule, compiled, known_action
from contracts.odrl.decision import Decision, Deny, Obligation, Permit, Reason, Request, World
from contracts.odrl.members import Meant
from contracts.odrl.model import Policy
from contracts.odrl.vocabulary import COMMON_ACTIONS


def evaluate(policy: Policy, request: Request, world: World) -> Decision:
    """Permit with obligations, or Deny with every reason. Never raises and changes nothing.

    All permissions that hold contribute their duties, so the order of rules does not matter.
    """
    rules = compiled(policy)
    if rules.unknowns:
        return Deny(rules.unknowns)
    action = known_action(request.action)
    if action is None:
        known = list(COMMON_ACTIONS)
        return Deny((Reason("request", "$", "$", "action", "isAnyOf", known, request.action),))
    holding = [rule for rule in rules.permissions if _holds(rule, action, request, world)]
    applying = [rule for rule in rules.prohibitions if _applies(rule, action, request, world)]
    overruled = bool(applying) and not (rules.conflict == "perm" and holding)
    owed = [duty.refuse(request, world) for duty in rules.obligations]
    if holding and not overruled and not any(owed):
        return _permit(rules, holding, request, world)
    reasons: list[Reason] = []
    if not holding:
        reasons += _why_not(rules, action, request, world)
    elif applying and rules.conflict == "invalid":
        reasons.append(_conflict(holding[0], applying[0], action))
    if overruled:
        reasons += [_prohibited(rule, action, request, world) for rule in applying]
    reasons += [reason for reason in owed if reason is not None]
    return Deny(tuple(reasons))


def _holds(rule: CompiledRule, action: str, request: Request, world: World) -> bool:
    return (
        rule.fits(action, request, world) is True
        and (rule.condition is None or rule.condition.decide(request, world) is True)
        and all(duty.refuse(request, world) is None for duty in rule.duties)
    )


def _applies(rule: CompiledRule, action: str, request: Request, world: World) -> bool:
    return rule.fits(action, request, world) is not False and (
        rule.condition is None or rule.condition.decide(request, world) is not False
    )


def _permit(rules: CompiledPolicy, holding: list[CompiledRule], request: Request, world: World) -> Permit:
    duties = [*(duty for rule in holding for duty in rule.duties), *rules.obligations]
    owed: dict[Obligation, None] = dict.fromkeys(duty.obligation(request, world) for duty in duties)
    return Permit(tuple(owed), tuple(rule.path for rule in holding))


def _why_not(rules: CompiledPolicy, action: str, request: Request, world: World) -> list[Reason]:
    """Why no permission holds: none is there, none fits, or what each that fits lacks."""
    if not rules.permissions:
        return [Reason("empty", "$", "$.permission", "permission", "gteq", 1, 0)]
    fitting = [rule for rule in rules.permissions if rule.fits(action, request, world)]
    if not fitting:
        return _misfit(rules.permissions, action, request, world)
    reasons: list[Reason] = []
    for rule in fitting:
        if rule.condition is not None:
            reasons += rule.condition.explain(request, world, rule.path)
        refusals = (duty.refuse(request, world) for duty in rule.duties)
        reasons += [refusal for refusal in refusals if refusal is not None]
    return reasons


def _misfit(permissions: tuple[CompiledRule, ...], action: str, request: Request, world: World) -> list[Reason]:
    """The first of action, party and data that no permission fits, taken in this order."""
    covering = [rule for rule in permissions if action in rule.covers]
    if not covering:
        named = sorted({rule.action for rule in permissions})
        return [Reason("action", "$", "$.permission", "action", "isPartOf", _plain(named), action)]
    assigned = [
        rule for rule in covering if rule.assignees is None or rule.assignees.decide(request.assignee, request, world)
    ]
    if not assigned:
        meant = [(rule, rule.assignees) for rule in covering if rule.assignees is not None]
        return _not_meant("assignee", request.assignee, meant, request, world)
    aimed = [(rule, rule.targets) for rule in assigned if rule.targets is not None]
    return _not_meant("target", request.target, aimed, request, world)


def _not_meant(
    kind: str, member: str, meant: list[tuple[CompiledRule, Meant]], request: Request, world: World
) -> list[Reason]:
    """Why no rule means this party or asset; what a group leaves open is said before that it is not named."""
    reasons: list[Reason] = []
    for rule, members in meant:
        reasons += members.explain(kind, member, request, world, rule.path)
    if reasons:
        return reasons
    named = sorted({name for _, members in meant for name in members.named()})
    path = meant[0][0].path
    return [Reason(kind, path, path, kind, "isAnyOf", _plain(named), member)]


def _plain(words: list[str]) -> str | list[str]:
    # A list is built anew because a reason's JSON may hold any value.
    return words[0] if len(words) == 1 else [*words]


def _conflict(permission: CompiledRule, prohibition: CompiledRule, action: str) -> Reason:
    return Reason(
        "conflict",
        permission.path,
        prohibition.path,
        "conflict",
        "isAnyOf",
        ["perm", "prohibit"],
        "invalid",
        detail_en=action,
        detail_zh=action,
    )


def _prohibited(rule: CompiledRule, action: str, request: Request, world: World) -> Reason:
    certain = rule.fits(action, request, world) and (
        rule.condition is None or rule.condition.decide(request, world) is True
    )
    return Reason(
        "prohibited" if certain else "not-excluded",
        rule.path,
        rule.path,
        "action",
        "neq",
        rule.action,
        action,
        rule.detail_en,
        rule.detail_zh,
    )
