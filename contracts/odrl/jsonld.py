"""Policies in: the JSON of the Dataspace Protocol and of ODRL, read without a JSON-LD processor.

Read: short terms (`permission`), prefixed terms (`odrl:permission`) and whole addresses; one rule or a list
of rules; ODRL's compact form, where action, parties and target stand on the policy. A rule with several
actions is read as one rule per action (ODRL Information Model 2.2, section 2.7). Several assets or parties on the
policy, or a group of them, are given to every rule that names none of its own.

Raised: PolicyError, with the path, for what has not the shape of a policy. Kept: whatever has the shape but
is not known. Keeping is safe because the decision denies on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from contracts.odrl.document import JsonObject, fail, json_text, reference, unlist
from contracts.odrl.model import (
    OPAQUE,
    REFERENCE,
    Action,
    Collection,
    Condition,
    Constraint,
    Duty,
    LogicalConstraint,
    Member,
    Permission,
    Policy,
    Prohibition,
    Value,
)
from contracts.odrl.vocabulary import LOGICAL, PARTY_FUNCTIONS, shorten

# A document beyond these is an attack or a mistake; both are better refused than worked on.
MAX_DEPTH = 32
MAX_PARTS = 10_000

_LARGEST = 10**18


# What a policy may say for all of its rules, and the field of a rule that takes it.
_SHARED = {"target": "targets", "assigner": "assigners", "assignee": "assignees"}
_KINDS = {"target": "AssetCollection", "assigner": "PartyCollection", "assignee": "PartyCollection"}


def parse(document: Mapping[str, Any], *, any_action: bool = False) -> Policy:
    """Read a policy. Raises PolicyError(path, reason, mend) when the document is malformed.

    `any_action` reads a rule without action as one of the action "", for reports on policies that leave it out
    (`contracts.odrl.compliance`). A decision knows no such action and denies.
    """
    return _Reader(any_action).policy(document)


class _Reader:
    def __init__(self, any_action: bool = False) -> None:
        self.parts = 0
        self.any_action = any_action
        # Groups and lists that stand on the policy, by the field of a rule that takes them.
        self.common: dict[str, tuple[Member, ...]] = {}

    def policy(self, document: Mapping[str, Any]) -> Policy:
        source = JsonObject(document, "$")
        uid = source.text("@id")
        if uid is None:
            fail(
                "$",
                "the policy has no identifier",
                "策略没有标识符",
                'Add "@id" with a URN or an address',
                '请补充 "@id"（URN 或网址）',
            )
        kind = _kind(source)
        actions = tuple(self.action(item, path) for path, item in source.items("action"))
        parties = {name: self.common_member(source, name) for name in _SHARED}
        policy = Policy(
            uid=uid,
            type=kind,
            permissions=tuple(
                rule for path, item in source.items("permission") for rule in self.permissions(item, path, actions)
            ),
            prohibitions=tuple(
                rule for path, item in source.items("prohibition") for rule in self.prohibitions(item, path, actions)
            ),
            obligations=self.duties(source, "obligation"),
            conflict=_shortened(source, "conflict"),
            assigner=parties["assigner"],
            assignee=parties["assignee"],
            target=parties["target"],
            timestamp=source.text("timestamp"),
            profiles=tuple(shorten(profile) for profile in source.texts("profile")),
            inherits=source.texts("inheritFrom"),
            others=source.others(),
        )
        if kind == "Agreement":
            _require_parties(policy)
        return policy

    def common_member(self, source: JsonObject, name: str) -> str | None:
        """The one asset or party on the policy; several, or a group, are kept for the rules."""
        word = source.text(name)
        if word is None and source.has(name):
            members = self.members(source, name)
            if members:
                self.common[_SHARED[name]] = members
        return word

    def members(self, source: JsonObject, name: str) -> tuple[Member, ...]:
        """The assets or parties of a property, each a word or a group; anything else stays left over."""
        if not source.has(name):
            return ()
        value = unlist(source.left[name][1])
        items = value if isinstance(value, list) else [value]
        if not items or not all(reference(item) or _is_collection(item, _KINDS[name]) for item in items):
            return ()
        return tuple(self.member(item, path, _KINDS[name]) for path, item in source.items(name))

    def member(self, item: object, path: str, kind: str) -> Member:
        word = reference(item)
        if word is not None:
            return word
        self.count(path, 0)
        source = JsonObject(item, path)
        _drop_type(source, {kind})
        return Collection(
            kind,
            uid=source.text("@id"),
            source=source.text("source"),
            refinements=tuple(self.condition(value, where) for where, value in source.items("refinement")),
            others=source.others(),
            path=path,
        )

    def permissions(self, item: object, path: str, inherited: tuple[Action, ...]) -> Iterator[Permission]:
        source = self.rule(item, path, "Permission")
        actions = self.actions(source) or inherited or self.no_action(path)
        duties = self.duties(source, "duty")
        shared = self.common | self.shared(source)
        for action in actions:
            yield Permission(action, duties=duties, **shared)

    def prohibitions(self, item: object, path: str, inherited: tuple[Action, ...]) -> Iterator[Prohibition]:
        source = self.rule(item, path, "Prohibition")
        actions = self.actions(source) or inherited or self.no_action(path)
        remedies = self.duties(source, "remedy")
        shared = self.common | self.shared(source)
        for action in actions:
            yield Prohibition(action, remedies=remedies, **shared)

    def duties(self, source: JsonObject, name: str, depth: int = 0) -> tuple[Duty, ...]:
        return tuple(duty for path, item in source.items(name) for duty in self.duty(item, path, depth))

    def duty(self, item: object, path: str, depth: int) -> Iterator[Duty]:
        source = self.rule(item, path, "Duty", depth)
        actions = self.actions(source) or self.no_action(path)
        consequences = self.duties(source, "consequence", depth + 1)
        named = ((name, source.text(name)) for name in sorted(PARTY_FUNCTIONS))
        parties = tuple((name, party) for name, party in named if party is not None)
        shared = self.shared(source)
        for action in actions:
            yield Duty(action, parties=parties, consequences=consequences, **shared)

    def rule(self, item: object, path: str, kind: str, depth: int = 0) -> JsonObject:
        self.count(path, depth)
        source = JsonObject(item, path)
        _drop_type(source, {kind, "Rule"})
        return source

    def shared(self, source: JsonObject) -> dict[str, Any]:
        own = {field: self.members(source, name) for name, field in _SHARED.items()}
        return {field: members for field, members in own.items() if members} | {
            "constraints": tuple(self.condition(item, path) for path, item in source.items("constraint")),
            "uid": source.text("@id"),
            "others": source.others(),
            "path": source.path,
        }

    def no_action(self, path: str) -> tuple[Action, ...]:
        if self.any_action:
            return (Action("", path=f"{path}.action"),)
        _no_action(path)

    def actions(self, source: JsonObject) -> tuple[Action, ...]:
        return tuple(self.action(item, path) for path, item in source.items("action"))

    def action(self, item: object, path: str) -> Action:
        word = reference(item)
        if word is not None:
            return Action(shorten(word), path=path)
        source = JsonObject(item, path)
        name = "rdf:value" if source.has("rdf:value") else "@id"
        term = source.term(name, "the action", "动作")
        _drop_type(source, {"Action"})
        refinements = tuple(self.condition(value, where) for where, value in source.items("refinement"))
        return Action(term, refinements, source.others(), path=path)

    def condition(self, item: object, path: str, depth: int = 0) -> Condition:
        self.count(path, depth)
        source = JsonObject(item, path)
        _drop_type(source, {"Constraint", "AtomicConstraint", "LogicalConstraint"})
        names = [name for name in (*LOGICAL, "leftOperand") if source.has(name)]
        if len(names) > 1:
            fail(
                path,
                f"{' and '.join(names)} stand in one object",
                f"同一对象中同时出现 {'、'.join(names)}",
                "Write one of and, or, xone, andSequence, or one leftOperand, per object",
                "每个对象只能写 and、or、xone、andSequence 之一，或一个 leftOperand",
            )
        if names in ([], ["leftOperand"]):
            return self.constraint(source)
        operands = tuple(self.condition(value, where, depth + 1) for where, value in source.items(names[0]))
        return LogicalConstraint(names[0], operands, source.text("@id"), source.others(), path=path)

    def constraint(self, source: JsonObject) -> Constraint:
        left = source.term("leftOperand", "the left operand", "左操作数")
        operator = source.term("operator", "the operator", "运算符")
        if not source.has("rightOperand"):
            return self.reference_constraint(left, operator, source)
        path, raw = source.take("rightOperand")
        raw = unlist(raw)
        many = isinstance(raw, list)
        right = tuple(_value(item, path) for item in (raw if many else [raw]))
        if all(value.datatype == "" for value in right):
            datatype = _shortened(source, "dataType") or ""
            right = tuple(Value(value.text, datatype) for value in right)
        unit = source.text("unit")
        uid = source.text("@id")
        return Constraint(left, operator, right, many, unit, uid, source.others(), path=source.path)

    def reference_constraint(self, left: str, operator: str, source: JsonObject) -> Constraint:
        """A constraint whose value lies elsewhere. It is kept, and denies, since nothing is fetched here."""
        words = source.texts("rightOperandReference")
        if not words:
            fail(
                source.path,
                "the right operand is missing",
                "缺少右操作数",
                "Add the property rightOperand",
                "请补充属性 rightOperand",
            )
        right = tuple(Value(word, REFERENCE) for word in words)
        unit = source.text("unit")
        uid = source.text("@id")
        return Constraint(left, operator, right, len(right) > 1, unit, uid, source.others(), path=source.path)

    def count(self, path: str, depth: int) -> None:
        self.parts += 1
        if self.parts > MAX_PARTS or depth > MAX_DEPTH:
            fail(
                path,
                f"the policy has more than {MAX_PARTS} parts or {MAX_DEPTH} levels",
                f"策略超过 {MAX_PARTS} 个部分或 {MAX_DEPTH} 层",
                "Split it into several policies",
                "请拆分为多个策略",
            )


def _kind(source: JsonObject) -> str:
    word = _shortened(source, "@type")
    if source.has("@type"):
        fail(
            source.path,
            "the type is not one word",
            "类型不是一个词",
            'Write "@type": "Offer", "Agreement" or "Set"',
            '请写 "@type": "Offer"、"Agreement" 或 "Set"',
        )
    return word or "Set"


def _shortened(source: JsonObject, name: str) -> str | None:
    word = source.text(name)
    return None if word is None else shorten(word)


def _drop_type(source: JsonObject, expected: set[str]) -> None:
    """Forget a type that says what the place says anyhow; any other stays behind as unknown."""
    if source.has("@type"):
        word = reference(source.left["@type"][1])
        if word is not None and shorten(word) in expected:
            source.take("@type")


def _is_collection(item: object, kind: str) -> bool:
    """Whether an item is a group of the kind that may stand there: by its type, or by what it says."""
    if not isinstance(item, Mapping):
        return False
    said = {shorten(key): value for key, value in item.items() if isinstance(key, str)}
    word = reference(said.get("@type", said.get("type")))
    if word is not None:
        return shorten(word) == kind
    return bool({"source", "refinement"} & set(said))


def _no_action(path: str) -> NoReturn:
    fail(
        path,
        "the rule names no action",
        "规则没有写明动作",
        'Add "action", such as "use"',
        '请补充 "action"，例如 "use"',
    )


def _require_parties(policy: Policy) -> None:
    for name, name_zh in (("assigner", "授予方"), ("assignee", "受让方"), ("target", "标的")):
        rules = (*policy.permissions, *policy.prohibitions)
        if getattr(policy, name) is None and not (rules and all(getattr(rule, _SHARED[name]) for rule in rules)):
            fail(
                "$",
                f"an Agreement names no {name}",
                f"协议未写明{name_zh}（{name}）",
                f"Add the property {name}",
                f"请补充属性 {name}",
            )


def _value(item: object, path: str) -> Value:
    if isinstance(item, Mapping):
        return _object_value(item, path)
    if isinstance(item, str):
        return Value(item)
    if isinstance(item, int) and not isinstance(item, bool) and -_LARGEST < item < _LARGEST:
        return Value(str(item), "xsd:integer")
    if isinstance(item, float):
        return Value(repr(item), "xsd:decimal")
    return Value(json_text(item, path), OPAQUE)


def _object_value(item: Mapping[str, Any], path: str) -> Value:
    text, datatype = item.get("@value", item.get("@id")), item.get("@type")
    if set(item) == {"@id"} and isinstance(text, str):
        return Value(text, "@id")
    if set(item) == {"@value", "@type"} and isinstance(text, str) and isinstance(datatype, str):
        return Value(text, shorten(datatype))
    if set(item) == {"@value"} and not isinstance(text, Mapping):
        return _value(text, path)
    return Value(json_text(item, path), OPAQUE)
