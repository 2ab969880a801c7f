"""Policies out: the JSON of the Dataspace Protocol, with short terms and lists.

A number is written as a typed value and an action as a string unless it is refined, as the protocol's
schemas ask.
"""

from __future__ import annotations

import json
from typing import Any

from contracts.odrl.model import (
    OPAQUE,
    Action,
    Condition,
    Duty,
    LogicalConstraint,
    Other,
    Permission,
    Policy,
    Prohibition,
    Value,
)


def dump(policy: Policy) -> dict[str, Any]:
    """The policy as a JSON object."""
    document: dict[str, Any] = {"@id": policy.uid, "@type": policy.type}
    for name, text in (
        ("assigner", policy.assigner),
        ("assignee", policy.assignee),
        ("target", policy.target),
        ("timestamp", policy.timestamp),
        ("conflict", policy.conflict),
    ):
        if text is not None:
            document[name] = text
    if policy.profiles:
        document["profile"] = _one_or_many(policy.profiles)
    if policy.permissions:
        document["permission"] = [_permission(rule) for rule in policy.permissions]
    if policy.prohibitions:
        document["prohibition"] = [_prohibition(rule) for rule in policy.prohibitions]
    if policy.obligations:
        document["obligation"] = [_duty(rule) for rule in policy.obligations]
    return _with_others(document, policy.others)


def _one_or_many(words: tuple[str, ...]) -> str | list[str]:
    return words[0] if len(words) == 1 else list(words)


def _with_others(document: dict[str, Any], others: tuple[Other, ...]) -> dict[str, Any]:
    document.update((other.key, other.value) for other in others)
    return document


def _permission(rule: Permission) -> dict[str, Any]:
    document = _rule(rule)
    if rule.duties:
        document["duty"] = [_duty(duty) for duty in rule.duties]
    return document


def _prohibition(rule: Prohibition) -> dict[str, Any]:
    document = _rule(rule)
    if rule.remedies:
        document["remedy"] = [_duty(duty) for duty in rule.remedies]
    return document


def _duty(rule: Duty) -> dict[str, Any]:
    document = _rule(rule)
    document.update(rule.parties)
    if rule.consequences:
        document["consequence"] = [_duty(duty) for duty in rule.consequences]
    return document


def _rule(rule: Permission | Prohibition | Duty) -> dict[str, Any]:
    document: dict[str, Any] = {"action": _action(rule.action)}
    if rule.uid is not None:
        document["@id"] = rule.uid
    for name, words in (
        ("target", rule.targets),
        ("assigner", rule.assigners),
        ("assignee", rule.assignees),
    ):
        if words:
            document[name] = _one_or_many(words)
    if rule.constraints:
        document["constraint"] = [_condition(condition) for condition in rule.constraints]
    return _with_others(document, rule.others)


def _action(action: Action) -> str | dict[str, Any]:
    if not action.refinements and not action.others:
        return action.name
    document: dict[str, Any] = {"@id": action.name}
    if action.refinements:
        document["refinement"] = [_condition(condition) for condition in action.refinements]
    return _with_others(document, action.others)


def _condition(condition: Condition) -> dict[str, Any]:
    document: dict[str, Any]
    if isinstance(condition, LogicalConstraint):
        document = {condition.operator: [_condition(operand) for operand in condition.operands]}
    else:
        right = [_written(value) for value in condition.right]
        document = {
            "leftOperand": condition.left_operand,
            "operator": condition.operator,
            "rightOperand": right if condition.many else right[0],
        }
        if condition.unit is not None:
            document["unit"] = condition.unit
    if condition.uid is not None:
        document["@id"] = condition.uid
    return _with_others(document, condition.others)


def _written(value: Value) -> Any:
    if value.datatype == "":
        return value.text
    if value.datatype == OPAQUE:
        return json.loads(value.text)
    if value.datatype == "@id":
        return {"@id": value.text}
    return {"@value": value.text, "@type": value.datatype}
