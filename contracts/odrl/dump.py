"""Policies out: the JSON of the Dataspace Protocol, with short terms and lists.

A number is written as a typed value and an action as a string unless it is refined, as the protocol's
schemas ask.
"""

from __future__ import annotations

import json
from typing import Any

from contracts.odrl.model import (
    OPAQUE,
    REFERENCE,
    Action,
    Condition,
    Duty,
    LogicalConstraint,
    Member,
    Other,
    Permission,
    Policy,
    Prohibition,
    Value,
)
from contracts.odrl.vocabulary import DSPACE, PREFIXES


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
    if policy.inherits:
        document["inheritFrom"] = _one_or_many(policy.inherits)
    if policy.permissions:
        document["permission"] = [_permission(rule) for rule in policy.permissions]
    if policy.prohibitions:
        document["prohibition"] = [_prohibition(rule) for rule in policy.prohibitions]
    if policy.obligations:
        document["obligation"] = [_duty(rule) for rule in policy.obligations]
    return _with_others(document, policy.others)


def dump_jsonld(policy: Policy) -> dict[str, Any]:
    """The policy as a JSON-LD document that any JSON-LD processor reads with the same meaning."""
    document = dump(policy)
    stated = document.pop("@context", None)
    if stated is None:
        stated = ["http://www.w3.org/ns/odrl.jsonld", {"dspace": DSPACE, "ex": PREFIXES["ex"]}]
        if "timestamp" in document:
            document["dspace:timestamp"] = document.pop("timestamp")
    written: dict[str, Any] = _whole(document)
    return {"@context": stated, **written}


def _whole(value: Any) -> Any:
    """The value with each refined action named by `rdf:value`: as an `@id` its name would be a relative address."""
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if not isinstance(value, dict):
        return value
    document = {key: _whole(item) for key, item in value.items()}
    action = document.get("action")
    if isinstance(action, dict):
        name = action.pop("@id")
        document["action"] = {"rdf:value": {"@id": name if ":" in name else f"odrl:{name}"}, **action}
    return document


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
    document: dict[str, Any] = {} if rule.action.name == "" else {"action": _action(rule.action)}
    if rule.uid is not None:
        document["@id"] = rule.uid
    for name, members in (
        ("target", rule.targets),
        ("assigner", rule.assigners),
        ("assignee", rule.assignees),
    ):
        if members:
            written = [_member(member) for member in members]
            document[name] = written[0] if len(written) == 1 else written
    if rule.constraints:
        document["constraint"] = [_condition(condition) for condition in rule.constraints]
    return _with_others(document, rule.others)


def _member(member: Member) -> str | dict[str, Any]:
    if isinstance(member, str):
        return member
    document: dict[str, Any] = {"@type": member.kind}
    if member.uid is not None:
        document["@id"] = member.uid
    if member.source is not None:
        document["source"] = member.source
    if member.refinements:
        document["refinement"] = [_condition(condition) for condition in member.refinements]
    return _with_others(document, member.others)


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
        fetched = any(value.datatype == REFERENCE for value in condition.right)
        document = {
            "leftOperand": condition.left_operand,
            "operator": condition.operator,
            "rightOperandReference" if fetched else "rightOperand": right if condition.many else right[0],
        }
        if condition.unit is not None:
            document["unit"] = condition.unit
    if condition.uid is not None:
        document["@id"] = condition.uid
    return _with_others(document, condition.others)


def _written(value: Value) -> Any:
    if value.datatype in {"", REFERENCE}:
        return value.text
    if value.datatype == OPAQUE:
        return json.loads(value.text)
    if value.datatype == "@id":
        return {"@id": value.text}
    return {"@value": value.text, "@type": value.datatype}
