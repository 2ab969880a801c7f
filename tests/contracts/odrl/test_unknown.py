"""Nothing that is not understood ever permits; it is named with its place and its mend."""

from __future__ import annotations

import copy

import pytest

from contracts.odrl import Deny, World, parse, unknowns

RESEARCH = {"leftOperand": "purpose", "operator": "eq", "rightOperand": "research"}
DELETE = {
    "action": "delete",
    "constraint": [{"leftOperand": "elapsedTime", "operator": "lteq", "rightOperand": "P30D"}],
}


def _codes(decision):
    assert isinstance(decision, Deny)
    return [reason.code for reason in decision.reasons]


KNOWN = {
    "@id": "urn:x",
    "@type": "Offer",
    "permission": [{"action": "use", "constraint": [RESEARCH], "duty": [DELETE]}],
    "prohibition": [{"action": "distribute", "remedy": [{"action": "inform"}]}],
    "obligation": [{"action": "attribute"}],
}


def _change(path, value):
    document = copy.deepcopy(KNOWN)
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return document


ATOM = ("permission", 0, "constraint", 0)
DUTY = ("permission", 0, "duty", 0)


@pytest.mark.parametrize(
    ("path", "value", "kind", "where"),
    [
        (("@type",), "Ticket", "type", "$.@type"),
        (("@type",), "https://w3id.org/dspace/2025/1/Offer", "type", "$.@type"),
        (("conflict",), "ask", "conflict", "$.conflict"),
        (("profile",), "urn:x:profile", "profile", "$.profile"),
        (("profile",), ["core", "urn:x:profile"], "profile", "$.profile"),
        (("inheritFrom",), "urn:x:parent", "inheritFrom", "$.inheritFrom"),
        (("dct:isReplacedBy",), "urn:x:newer", "property", "$['dct:isReplacedBy']"),
        (("@context",), "https://example.org/context.jsonld", "context", "$['@context']"),
        (("@context",), {"use": "https://example.org/steal"}, "context", "$['@context']"),
        (("@context",), {"ex": "http://example.org/"}, "context", "$['@context']"),
        (("target",), ["urn:x:a", {"odd": "urn:x:b"}], "property", "$.target"),
        (("target",), {"@type": "PartyCollection", "source": "urn:x"}, "property", "$.target"),
        (("target",), {"@type": "AssetCollection"}, "collection", "$.target"),
        (("target",), {"@type": "AssetCollection", "source": "urn:x", "extra": 1}, "property", "$.target.extra"),
        (("assignee",), {"@type": "AssetCollection", "@id": "urn:x"}, "property", "$.assignee"),
        ((*DUTY, "assignee"), {"@type": "PartyCollection", "@id": "urn:x"}, "dutyGroup", None),
        (("permission", 0, "action"), "mine", "action", "$.permission[0].action"),
        (("permission", 0, "action"), {"@id": "use", "extra": 1}, "property", "$.permission[0].action.extra"),
        (("permission", 0, "relation"), "urn:x", "property", "$.permission[0].relation"),
        (("permission", 0, "remedy"), [{"action": "delete"}], "property", "$.permission[0].remedy"),
        (("prohibition", 0, "duty"), [{"action": "delete"}], "property", "$.prohibition[0].duty"),
        (("prohibition", 0, "action"), "leak", "action", "$.prohibition[0].action"),
        (("prohibition", 0, "remedy", 0, "action"), "punish", "duty", "$.prohibition[0].remedy[0].action"),
        ((*ATOM, "leftOperand"), "partner", "leftOperand", "$.permission[0].constraint[0].leftOperand"),
        ((*ATOM, "leftOperand"), "unitOfCount", "leftOperand", "$.permission[0].constraint[0].leftOperand"),
        ((*ATOM, "operator"), "term-lteq", "operator", "$.permission[0].constraint[0].operator"),
        ((*ATOM, "operator"), "lt", "operator", "$.permission[0].constraint[0].operator"),
        ((*ATOM, "rightOperand"), None, "rightOperand", "$.permission[0].constraint[0].rightOperand"),
        ((*ATOM, "rightOperand"), True, "rightOperand", "$.permission[0].constraint[0].rightOperand"),
        ((*ATOM, "rightOperand"), [], "rightOperand", "$.permission[0].constraint[0].rightOperand"),
        ((*ATOM, "rightOperand"), "", "rightOperand", "$.permission[0].constraint[0].rightOperand"),
        ((*ATOM, "rightOperand"), ["a", "b"], "rightOperand", "$.permission[0].constraint[0].rightOperand"),
        ((*ATOM, "rightOperand"), {"@value": "a", "@language": "en"}, "rightOperand", None),
        ((*ATOM, "unit"), "kg", "unit", "$.permission[0].constraint[0].unit"),
        ((*ATOM, "status"), "3", "property", "$.permission[0].constraint[0].status"),
        ((*ATOM, "rightOperandReference"), "urn:x", "property", None),
        ((*DUTY, "action"), "watermark", "duty", "$.permission[0].duty[0].action"),
        ((*DUTY, "action"), "compensate", "dutyConstraint", "$.permission[0].duty[0].constraint[0]"),
        ((*DUTY, "failure"), "urn:x", "property", "$.permission[0].duty[0].failure"),
        ((*DUTY, "consequence"), [{"action": "punish"}], "duty", "$.permission[0].duty[0].consequence[0].action"),
        ((*DUTY, "constraint", 0, "leftOperand"), "event", "dutyConstraint", "$.permission[0].duty[0].constraint[0]"),
        ((*DUTY, "constraint", 0, "operator"), "gt", "operator", "$.permission[0].duty[0].constraint[0].operator"),
        ((*DUTY, "constraint", 0), {"or": [RESEARCH]}, "dutyConstraint", "$.permission[0].duty[0].constraint[0]"),
        (("obligation", 0, "action"), "ensureExclusivity", "duty", "$.obligation[0].action"),
    ],
)
def test_whatever_is_not_understood_denies_every_request_and_is_named(ask, path, value, kind, where):
    assert ask(parse(KNOWN), purpose="research").permitted
    policy = parse(_change(path, value))
    problems = unknowns(policy)
    assert kind in [problem.left_operand for problem in problems]
    if where is not None:
        assert where in [problem.constraint for problem in problems]
    for action in ("use", "read", "transfer", "distribute"):
        decision = ask(policy, action, purpose="research", world=World(paid_fen=10**9, counts={"use": 0}))
        assert decision == Deny(problems)
    for problem in problems:
        assert problem.constraint in problem.text_en
        assert problem.constraint in problem.text_zh
        assert "nothing is allowed" in problem.text_en
        assert problem.text_en.endswith(".")
        assert problem.text_zh.endswith("。")


@pytest.mark.parametrize(
    ("left", "right", "unit"),
    [
        ("dateTime", "2026-12-31", None),
        ("dateTime", "2026-12-31T16:00:00", None),
        ("dateTime", {"@value": "2026-12-31T16:00Z", "@type": "xsd:string"}, None),
        ("elapsedTime", "30", None),
        ("elapsedTime", "-P30D", None),
        ("count", "many", None),
        ("count", "-1", None),
        ("count", 2.5, None),
        ("payAmount", "5000", None),
        ("payAmount", "5000", "EUR"),
        ("payAmount", "5.005", "CNY"),
        ("version", "latest", None),
        ("meteredTime", "P1M", None),
        ("percentage", "101", None),
        ("percentage", "10", "kg"),
        ("resolution", "10", None),
        ("resolution", "ten", "Hz"),
        ("resolution", "10", "furlong"),
        ("ex:grade", "4", None),
        ("ex:securityLevel", "0", None),
    ],
)
def test_a_value_that_cannot_be_read_exactly_denies_and_says_what_it_should_look_like(offer, ask, left, right, unit):
    constraint = {"leftOperand": left, "operator": "lteq", "rightOperand": right} | ({"unit": unit} if unit else {})
    decision = ask(offer(constraint), world=World(paid_fen=0, counts={"use": 0}), attributes={"version": "1"})
    assert _codes(decision) == ["unknown"]
    assert decision.reasons[0].left_operand in {"rightOperand", "unit"}
    assert "Ask the provider to use" in decision.text("en")
    assert "请提供方改用" in decision.text("zh")


def test_a_payment_without_amount_or_with_two_denies(offer, ask):
    amount = {"leftOperand": "payAmount", "operator": "eq", "rightOperand": "1", "unit": "CNY"}
    for duty in ({"action": "compensate"}, {"action": "compensate", "constraint": [amount, amount]}):
        assert _codes(ask(offer(rule={"duty": [duty]}), world=World(paid_fen=10**9))) == ["unknown"]


def test_notes_and_harmless_contexts_have_no_effect(ask):
    document = KNOWN | {
        "@context": ["http://www.w3.org/ns/odrl.jsonld", {"dct": "http://purl.org/dc/terms/"}],
        "dct:title": "Cell 7",
        "dcterms:description": {"en": "all of it"},
        "rdfs:label": "offer",
        "timestamp": "2026-01-01T00:00:00Z",
    }
    assert unknowns(parse(document)) == ()
    assert ask(parse(document), purpose="research").permitted
