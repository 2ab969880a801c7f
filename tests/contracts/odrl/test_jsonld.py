"""Policies in and out: every spelling of one policy is the same policy, and nothing that was said is lost."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import ContractsError, PolicyError
from contracts.odrl import (
    Action,
    Constraint,
    Duty,
    LogicalConstraint,
    Other,
    Permission,
    Policy,
    Value,
    parse,
    unknowns,
)
from contracts.odrl.jsonld import MAX_DEPTH, MAX_PARTS

ODRL = "http://www.w3.org/ns/odrl/2/"

FULL = {
    "@id": "urn:x:agreement",
    "@type": "Agreement",
    "assigner": "urn:x:provider",
    "assignee": "urn:x:buyer",
    "target": "urn:x:data",
    "timestamp": "2026-01-01T00:00:00Z",
    "conflict": "prohibit",
    "profile": "urn:industrial-data-exchange:odrl:1",
    "permission": [
        {
            "action": "use",
            "@id": "urn:x:permission",
            "constraint": [
                {"leftOperand": "count", "operator": "lteq", "rightOperand": {"@value": "5", "@type": "xsd:integer"}},
                {
                    "or": [
                        {"leftOperand": "purpose", "operator": "isAnyOf", "rightOperand": ["a", {"@id": "urn:x:b"}]},
                        {"xone": [{"leftOperand": "spatial", "operator": "isPartOf", "rightOperand": "CN"}]},
                    ]
                },
                {"leftOperand": "payAmount", "operator": "gteq", "rightOperand": "10.00", "unit": "CNY"},
            ],
            "duty": [
                {
                    "action": "delete",
                    "constraint": [{"leftOperand": "elapsedTime", "operator": "lteq", "rightOperand": "P30D"}],
                    "consequence": [{"action": "inform", "informedParty": "urn:x:provider"}],
                }
            ],
        },
        {"action": {"@id": "read", "refinement": [{"leftOperand": "count", "operator": "lt", "rightOperand": "9"}]}},
    ],
    "prohibition": [{"action": "distribute", "assignee": "urn:x:other", "remedy": [{"action": "delete"}]}],
    "obligation": [{"action": "attribute", "attributedParty": "urn:x:provider"}],
}


def test_a_policy_with_everything_is_read_and_written_back_unchanged():
    policy = parse(FULL)
    assert policy.to_json() == FULL
    assert parse(policy.to_json()) == policy
    assert unknowns(policy) == ()


def test_the_parts_of_a_policy_stand_where_the_model_says():
    policy = parse(FULL)
    first, second = policy.permissions
    assert isinstance(first, Permission)
    assert first.action == Action("use")
    assert first.constraints[0] == Constraint("count", "lteq", (Value("5", "xsd:integer"),))
    assert isinstance(first.constraints[1], LogicalConstraint)
    assert first.duties[0].consequences[0].parties == (("informedParty", "urn:x:provider"),)
    assert second.action.refinements[0].left_operand == "count"
    assert policy.obligations == (Duty(Action("attribute"), parties=(("attributedParty", "urn:x:provider"),)),)
    assert first.constraints[1].operands[1].path == "$.permission[0].constraint[1].or[1]"


def _respell(value, spell):
    if isinstance(value, dict):
        return {key if key.startswith("@") else spell(key): _respell(item, spell) for key, item in value.items()}
    return [_respell(item, spell) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("spell", [lambda key: f"odrl:{key}", lambda key: ODRL + key])
def test_prefixed_and_whole_terms_are_the_same_policy(spell):
    document = _respell(FULL, spell)
    document["@type"] = spell("Agreement")
    document[spell("permission")][0][spell("action")] = {"@id": spell("use")}
    document[spell("conflict")] = {"@id": spell("prohibit")}
    assert parse(document) == parse(FULL)


def test_uid_and_type_are_the_same_as_their_json_ld_names():
    document = {"uid": FULL["@id"], "type": "odrl:Agreement"} | {k: v for k, v in FULL.items() if k[0] != "@"}
    assert parse(document) == parse(FULL)


def test_one_rule_or_constraint_without_a_list_is_read_like_a_list_of_one():
    one = {"@id": "urn:x", "permission": {"action": "use", "constraint": FULL["permission"][0]["constraint"][0]}}
    many = {"@id": "urn:x", "permission": [{"action": ["use"], "constraint": [one["permission"]["constraint"]]}]}
    wrapped = {"@id": "urn:x", "permission": {"@list": many["permission"]}}
    assert parse(one) == parse(many) == parse(wrapped)


def test_a_policy_without_type_is_a_set():
    assert parse({"@id": "urn:x"}).type == "Set"


def test_an_action_on_the_policy_is_shared_by_rules_that_name_none():
    policy = parse({"@id": "urn:x", "action": "read", "permission": [{}, {"action": "use"}], "prohibition": [{}]})
    assert [rule.action.name for rule in (*policy.permissions, *policy.prohibitions)] == ["read", "use", "read"]


def test_a_rule_with_several_actions_is_one_rule_per_action():
    policy = parse({"@id": "urn:x", "permission": [{"action": ["read", "odrl:display"], "target": ["urn:a", "urn:b"]}]})
    assert [rule.action.name for rule in policy.permissions] == ["read", "display"]
    assert {rule.targets for rule in policy.permissions} == {("urn:a", "urn:b")}
    assert parse(policy.to_json()) == policy


@pytest.mark.parametrize(
    ("right", "value"),
    [
        ("5", Value("5")),
        (5, Value("5", "xsd:integer")),
        (2.5, Value("2.5", "xsd:decimal")),
        ({"@value": 5}, Value("5", "xsd:integer")),
        ({"@value": "5", "@type": "http://www.w3.org/2001/XMLSchema#integer"}, Value("5", "xsd:integer")),
        ({"@id": "urn:x:a"}, Value("urn:x:a", "@id")),
    ],
)
def test_right_operands_keep_their_characters_and_their_type(right, value):
    document = {"leftOperand": "count", "operator": "eq", "rightOperand": right}
    policy = parse({"@id": "urn:x", "permission": [{"action": "use", "constraint": [document]}]})
    assert policy.permissions[0].constraints[0].right == (value,)
    assert parse(policy.to_json()) == policy


def test_a_data_type_beside_the_value_is_the_type_of_the_value():
    beside = {"leftOperand": "count", "operator": "eq", "rightOperand": "5", "dataType": "xsd:integer"}
    inside = {"leftOperand": "count", "operator": "eq", "rightOperand": {"@value": "5", "@type": "xsd:integer"}}
    policies = [parse({"@id": "urn:x", "permission": [{"action": "use", "constraint": [c]}]}) for c in (beside, inside)]
    assert policies[0] == policies[1]


def _edited(path, value=None):
    """The full document with one place replaced, or removed when the value is Ellipsis."""
    document = copy.deepcopy(FULL)
    place = document
    for step in path[:-1]:
        place = place[step]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return document


RULE = ("permission", 0)
ATOM = (*RULE, "constraint", 0)


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ([], "$"),
        ("use", "$"),
        (None, "$"),
        ({}, "$"),
        ({"@id": ""}, "$"),
        ({"@id": 5}, "$"),
        ({1: "x", "@id": "urn:x"}, "$"),
        ({"@id": "urn:x", "uid": "urn:y"}, "$.uid"),
        ({"@id": "urn:x", "odrl:permission": [], "permission": []}, "$.permission"),
        ({"@id": "urn:x", "@type": 5}, "$"),
        ({"@id": "urn:x", "@type": ["Set", "Offer"]}, "$"),
        (_edited(("assigner",), ...), "$"),
        (_edited(("assignee",), ...), "$"),
        (_edited(("target",), ...), "$"),
        (_edited(("permission",), ["use"]), "$.permission[0]"),
        (_edited((*RULE, "action"), ...), "$.permission[0]"),
        (_edited((*RULE, "action"), []), "$.permission[0]"),
        (_edited((*RULE, "action"), 5), "$.permission[0].action"),
        (_edited((*RULE, "action"), {"refinement": []}), "$.permission[0].action"),
        (_edited((*RULE, "duty"), [{}]), "$.permission[0].duty[0]"),
        (_edited((*RULE, "constraint"), ["count"]), "$.permission[0].constraint[0]"),
        (_edited((*ATOM, "leftOperand"), ...), "$.permission[0].constraint[0]"),
        (_edited((*ATOM, "operator"), ...), "$.permission[0].constraint[0]"),
        (_edited((*ATOM, "rightOperand"), ...), "$.permission[0].constraint[0]"),
        (_edited((*ATOM, "leftOperand"), 5), "$.permission[0].constraint[0].leftOperand"),
        (_edited((*ATOM, "operator"), ["eq", "lt"]), "$.permission[0].constraint[0].operator"),
        (_edited((*ATOM, "and"), []), "$.permission[0].constraint[0]"),
        (_edited((*RULE, "constraint", 1, "and"), []), "$.permission[0].constraint[1]"),
        (_edited((*RULE, "constraint", 1, "or"), [{}]), "$.permission[0].constraint[1].or[0]"),
    ],
)
def test_what_has_not_the_shape_of_a_policy_is_refused_with_its_path_and_mend(document, path):
    with pytest.raises(PolicyError) as refusal:
        parse(document)
    assert refusal.value.path == path
    assert path in refusal.value.text_en
    assert path in refusal.value.text_zh
    assert refusal.value.mend
    assert refusal.value.mend_zh != refusal.value.mend_en


def test_a_policy_nested_too_deeply_or_with_too_many_parts_is_refused():
    atom = {"leftOperand": "count", "operator": "eq", "rightOperand": "1"}
    deep = atom
    for _ in range(MAX_DEPTH + 1):
        deep = {"and": [deep]}
    for constraint in ([deep], [atom] * (MAX_PARTS + 1)):
        with pytest.raises(PolicyError, match="parts or"):
            parse({"@id": "urn:x", "permission": [{"action": "use", "constraint": constraint}]})


def test_very_deep_json_in_an_unknown_place_is_refused_and_not_a_crash():
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(PolicyError, match=r"\$\.note"):
        parse({"@id": "urn:x", "note": deep})


def test_what_is_unknown_is_kept_in_its_place():
    document = copy.deepcopy(FULL)
    document |= {"inheritFrom": "urn:x:parent", "dct:title": "Cell 7", "conflict": "ask"}
    document["permission"][0]["relation"] = {"deep": [1, {"x": None}]}
    document["permission"][0]["constraint"][0]["status"] = 3
    document["permission"][0]["constraint"][2]["rightOperand"] = [{"odd": True}, None, False]
    policy = parse(document)
    assert Other("dct:title", '"Cell 7"') in policy.others
    assert policy.inherits == ("urn:x:parent",)
    assert policy.to_json() == document
    assert parse(policy.to_json()) == policy


def test_a_type_that_contradicts_its_place_is_unknown():
    document = _edited((*RULE, "@type"), "Prohibition")
    assert [problem.actual for problem in unknowns(parse(document))] == ["@type"]
    assert unknowns(parse(_edited((*RULE, "@type"), "odrl:Permission"))) == ()


def test_an_offer_becomes_an_agreement_and_keeps_its_rules():
    offer = parse({"@id": "urn:x:offer", "@type": "Offer", "permission": [{"action": "use"}]})
    agreement = offer.as_agreement(uid="urn:x:a", assigner="urn:p", assignee="urn:c", target="urn:d")
    assert (agreement.type, agreement.assigner, agreement.assignee, agreement.target) == (
        "Agreement",
        "urn:p",
        "urn:c",
        "urn:d",
    )
    assert agreement.permissions == offer.permissions
    back = agreement.as_offer(uid="urn:x:offer")
    assert (back.type, back.target, back.assignee, back.timestamp) == ("Offer", None, None, None)


def test_policies_are_values_that_can_be_hashed_copied_and_pickled():
    policy = parse(FULL)
    unknowns(policy)
    assert hash(policy) == hash(parse(FULL))
    assert pickle.loads(pickle.dumps(policy)) == policy  # noqa: S301 - it was pickled one line above.
    assert copy.deepcopy(policy) == policy
    with pytest.raises(AttributeError):
        policy.conflict = "perm"


def test_a_policy_error_is_an_error_of_the_package():
    assert issubclass(PolicyError, ContractsError)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
words = st.sampled_from(
    [
        "@id",
        "@type",
        "uid",
        "permission",
        "prohibition",
        "obligation",
        "duty",
        "action",
        "constraint",
        "leftOperand",
        "operator",
        "rightOperand",
        "and",
        "or",
        "xone",
        "andSequence",
        "refinement",
        "use",
        "count",
        "eq",
        "lteq",
        "purpose",
        "remedy",
        "consequence",
        "target",
        "assignee",
        "conflict",
        "profile",
    ]
)
near_policies = st.recursive(
    json_values | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=6),
    max_leaves=25,
)


@given(near_policies)
def test_no_json_makes_parse_raise_anything_but_a_policy_error(document):
    try:
        policy = parse(document)
    except PolicyError:
        return
    assert isinstance(policy, Policy)
    assert parse(policy.to_json()) == policy
    json.dumps(policy.to_json())
