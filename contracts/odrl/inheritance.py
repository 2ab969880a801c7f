"""A policy with the rules of its parents (ODRL Information Model 2.2, section 2.9).

Fail closed: a parent that is not at hand and a policy that inherits from itself are refused; strategies that differ
make the policy `invalid`, and a policy that states none states `invalid`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from contracts.odrl.document import fail
from contracts.odrl.model import Duty, Permission, Policy, Prohibition

MAX_GENERATIONS = 16

R = TypeVar("R", Permission, Prohibition, Duty)


def inherit(policy: Policy, parents: Mapping[str, Policy]) -> Policy:
    """The policy with all rules of its parents, and of theirs, behind its own; `parents` by their identifiers.

    An inherited rule keeps the parties and the data of the policy it comes from, and carries that policy's identifier in
    its path. Raises PolicyError, at `$.inheritFrom`, for a parent that is missing and for a circle.
    """
    return _inherit(policy, parents, (policy.uid,))


def _inherit(policy: Policy, parents: Mapping[str, Policy], line: tuple[str, ...]) -> Policy:
    if not policy.inherits:
        return policy
    whole = replace(policy, inherits=())
    for uid in policy.inherits:
        whole = _joined(whole, _inherit(_parent(uid, parents, line), parents, (*line, uid)))
    return whole


def _parent(uid: str, parents: Mapping[str, Policy], line: tuple[str, ...]) -> Policy:
    if uid in line or len(line) > MAX_GENERATIONS:
        fail(
            "$.inheritFrom",
            f"the policy “{uid}” inherits from itself",
            f"策略“{uid}”继承自身",
            "Leave one of the steps out",
            "请删除其中一处继承",
        )
    parent = parents.get(uid)
    if parent is None:
        fail(
            "$.inheritFrom",
            f"the parent policy “{uid}” is not at hand",
            f"未提供父策略“{uid}”",
            "Give it along, or write its rules into the policy",
            "请一并提供父策略，或将其规则写入本策略",
        )
    return parent


def _joined(child: Policy, parent: Policy) -> Policy:
    strategies = {child.conflict or "invalid", parent.conflict or "invalid"}
    return replace(
        child,
        permissions=(*child.permissions, *(_taken(rule, parent) for rule in parent.permissions)),
        prohibitions=(*child.prohibitions, *(_taken(rule, parent) for rule in parent.prohibitions)),
        obligations=(*child.obligations, *(_taken(rule, parent) for rule in parent.obligations)),
        conflict=child.conflict if len(strategies) == 1 else "invalid",
        profiles=tuple(dict.fromkeys((*child.profiles, *parent.profiles))),
        # What the parent says that has no place in the model makes the child as little understood as it is.
        others=(*child.others, *(_moved(other, parent.uid) for other in parent.others if other.key != "@context")),
    )


def _taken(rule: R, parent: Policy) -> R:
    """The rule as it stands in the child: with the parties and data that its own policy states for all of its rules."""
    own: dict[str, Any] = {}
    for field, shared in (("targets", parent.target), ("assigners", parent.assigner), ("assignees", parent.assignee)):
        if shared is not None and not getattr(rule, field):
            own[field] = (shared,)
    moved: R = _moved(replace(rule, **own), parent.uid)
    return moved


def _moved(part: Any, uid: str) -> Any:
    """The part with the parent's identifier in every path."""
    if isinstance(part, tuple):
        return tuple(_moved(item, uid) for item in part)
    if not is_dataclass(part) or isinstance(part, type):
        return part
    changed = {field.name: _moved(getattr(part, field.name), uid) for field in fields(part)}
    path = changed.get("path")
    if path:
        changed["path"] = f"$.inheritFrom['{uid.replace(chr(39), '%27')}']{path.removeprefix('$')}"
    return type(part)(**changed)
