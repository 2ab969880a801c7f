"""Policies in the profile of the Dataspace Protocol 2025-1, and the messages that carry them; no JSON-LD processor is needed.

Source: the protocol's JSON Schemas (contract-schema.json and the three messages with a policy) and its prose. An offer in a
catalogue has no target; in a message it has one. An action is a word, so the refinements of an action are written as
constraints of its rule, which decides alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from contracts.odrl.document import JsonObject, fail
from contracts.odrl.dump import dump
from contracts.odrl.jsonld import parse
from contracts.odrl.model import Policy
from contracts.odrl.vocabulary import CONTEXTS

CONTEXT = "https://w3id.org/dspace/2025/1/context.jsonld"

Kind: TypeAlias = Literal["ContractRequestMessage", "ContractOfferMessage", "ContractAgreementMessage"]
_KINDS: tuple[Kind, ...] = ("ContractRequestMessage", "ContractOfferMessage", "ContractAgreementMessage")
_POLICY = {
    "ContractRequestMessage": "offer",
    "ContractOfferMessage": "offer",
    "ContractAgreementMessage": "agreement",
}
# The identifier that a message always carries, and the one that stands in the place of a callback address.
_PIDS = {
    "ContractRequestMessage": ("consumerPid", "providerPid"),
    "ContractOfferMessage": ("providerPid", "consumerPid"),
}


@dataclass(frozen=True, slots=True)
class Message:
    """A message that carries a policy. The identifiers are those of the negotiation on either side."""

    kind: Kind
    policy: Policy
    consumer_pid: str | None = None
    provider_pid: str | None = None
    callback_address: str | None = None


def write_policy(policy: Policy) -> dict[str, Any]:
    """An Offer or an Agreement in the protocol's JSON.

    Raises PolicyError for what the profile has no place for: another type, a policy without permission and prohibition,
    parents whose rules were not taken over, and for an Agreement the parties or the data left to its rules.
    """
    if policy.type not in {"Offer", "Agreement"}:
        fail(
            "$.@type",
            f"the Dataspace Protocol knows no {policy.type}",
            f"数据空间协议没有 {policy.type} 类型",
            "Make it an Offer or an Agreement",
            "请改为 Offer 或 Agreement",
        )
    if not policy.permissions and not policy.prohibitions:
        fail(
            "$",
            "the policy has neither a permission nor a prohibition",
            "策略既无许可也无禁止",
            "Add one of them",
            "请补充其中之一",
        )
    if policy.inherits:
        fail(
            "$.inheritFrom",
            "the rules of the parent policies are not in it",
            "策略中尚无父策略的规则",
            "Add them with inherit()",
            "请先用 inherit() 并入",
        )
    document: dict[str, Any] = _written(dump(policy))
    for name in ("assigner", "assignee", "target"):
        if policy.type == "Agreement" and not isinstance(document.get(name), str):
            fail(f"$.{name}", f"an Agreement names one {name}", f"协议须写明一个 {name}", "Add it", "请补充")
    return document


def write_message(message: Message) -> dict[str, Any]:
    """A message with its context, valid against the protocol's schemas.

    Raises PolicyError for what `write_policy` refuses, an offer without target, an agreement without timestamp, and for
    identifiers that the message needs or may not have.
    """
    name = _POLICY[message.kind]
    policy = write_policy(message.policy)
    needed = "timestamp" if name == "agreement" else "target"
    if not isinstance(policy.get(needed), str):
        fail(f"$.{name}.{needed}", f"the {name} has no {needed}", f"{name} 缺少 {needed}", "Add it", "请补充")
    fields = {
        "consumerPid": message.consumer_pid,
        "providerPid": message.provider_pid,
        "callbackAddress": message.callback_address,
    }
    _require_identifiers(message.kind, fields)
    stated = {key: value for key, value in fields.items() if value is not None}
    return {"@context": [CONTEXT], "@type": message.kind, **stated, name: policy}


def read_message(document: Mapping[str, Any]) -> Message:
    """The message in a JSON document. Raises PolicyError, with the path, for what is none of the three or is malformed."""
    source = JsonObject(document, "$")
    stated = source.text("@type")
    kind: Kind | None = next((known for known in _KINDS if known == stated), None)
    if kind is None:
        fail(
            "$.@type",
            f"“{stated}” is no message with a policy",
            f"“{stated}”不是携带策略的消息",
            f"Use: {', '.join(_POLICY)}",
            f"可用：{'、'.join(_POLICY)}",
        )
    contexts = source.texts("@context")
    if CONTEXT not in contexts or not set(contexts) <= CONTEXTS:
        fail(
            "$['@context']",
            f"the context is not that of the protocol: {', '.join(contexts) or 'none'}",
            f"上下文不是协议的上下文：{'、'.join(contexts) or '无'}",
            f'Write "@context": ["{CONTEXT}"]',
            f'请写 "@context": ["{CONTEXT}"]',
        )
    fields = {name: source.text(name) for name in ("consumerPid", "providerPid", "callbackAddress")}
    _require_identifiers(kind, fields)
    name = _POLICY[kind]
    path, inner = source.take(name) if source.has(name) else (f"$.{name}", None)
    if not isinstance(inner, Mapping):
        fail(path, f"the {name} is missing", f"缺少 {name}", "Add it as an object", "请以对象形式补充")
    policy = parse(inner)
    wanted = "Agreement" if name == "agreement" else "Offer"
    if policy.type != wanted:
        fail(
            f"{path}.@type", f"an {wanted} is expected here", f"此处应为 {wanted}", f"Write {wanted}", f"请写 {wanted}"
        )
    if policy.target is None:
        fail(f"{path}.target", f"the {name} has no target", f"{name} 缺少 target", "Add it", "请补充")
    return Message(kind, policy, fields["consumerPid"], fields["providerPid"], fields["callbackAddress"])


def _require_identifiers(kind: str, fields: Mapping[str, str | None]) -> None:
    if kind not in _PIDS:
        missing = [name for name in ("consumerPid", "providerPid") if not fields[name]]
        if missing:
            fail(f"$.{missing[0]}", f"{missing[0]} is missing", f"缺少 {missing[0]}", "Add it", "请补充")
        return
    always, instead = _PIDS[kind]
    if not fields[always]:
        fail(f"$.{always}", f"{always} is missing", f"缺少 {always}", "Add it", "请补充")
    if bool(fields[instead]) is bool(fields["callbackAddress"]):
        fail(
            f"$.{instead}",
            f"exactly one of {instead} and callbackAddress is needed",
            f"{instead} 与 callbackAddress 须恰好有一个",
            "A first message has callbackAddress, a later one the identifier",
            "首条消息使用 callbackAddress，后续消息使用标识符",
        )


def _written(value: Any) -> Any:
    """The JSON with each refined action as a word and its refinements among the constraints of its rule."""
    if isinstance(value, list):
        return [_written(item) for item in value]
    if not isinstance(value, dict):
        return value
    document = {key: _written(item) for key, item in value.items() if key != "@context"}
    action = document.get("action")
    if isinstance(action, dict):
        extra = {key: item for key, item in action.items() if key not in {"@id", "refinement"}}
        if extra:
            fail(
                "$.action",
                f"{', '.join(extra)} has no place here",
                "动作中有无法表达的内容",
                "Leave it out",
                "请将其删除",
            )
        document["action"] = action["@id"]
        document["constraint"] = [*document.get("constraint", []), *action.get("refinement", [])]
    right = document.get("rightOperand")
    if isinstance(right, bool):
        document["rightOperand"] = {"@value": str(right).lower(), "@type": "xsd:boolean"}
    return document
