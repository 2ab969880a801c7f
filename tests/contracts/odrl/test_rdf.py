"""Policies in Turtle and in any JSON-LD: the same policy, the same refusals, nothing fetched, nothing dropped."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import ContractsError, PolicyError
from contracts.odrl import parse, unknowns
from contracts.odrl.rdf import all_from_turtle, from_jsonld, from_turtle, to_turtle
from tests.contracts.odrl.test_jsonld import FULL, near_policies
from tests.contracts.odrl.test_properties import policies

PREFIXES = """
@prefix odrl: <http://www.w3.org/ns/odrl/2/> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
@prefix ex: <urn:x:> .
"""
SET = PREFIXES + "ex:policy a odrl:Set ; odrl:permission [ odrl:action odrl:use {} ] ."


def _sorted(value):
    """JSON with every list that has no order sorted."""
    if isinstance(value, dict):
        return {
            key: item if key == "andSequence" else _sorted(item) if not isinstance(item, list) else _ordered(item)
            for key, item in value.items()
        }
    return value


def _ordered(items):
    unique = {json.dumps(_sorted(item), sort_keys=True): _sorted(item) for item in items}
    return [unique[key] for key in sorted(unique)]


def test_a_policy_with_everything_goes_out_as_turtle_and_comes_back():
    again = from_turtle(to_turtle(parse(FULL)))
    assert _sorted(again.to_json()) == _sorted(FULL)
    assert unknowns(again) == ()


def test_a_policy_with_everything_goes_out_as_json_ld_and_comes_back_by_either_reader():
    policy = parse(FULL)
    document = policy.to_jsonld()
    assert _sorted(from_jsonld(document).to_json()) == _sorted(FULL)
    assert _sorted(parse({key: value for key, value in document.items() if key != "@context"}).to_json()) == _sorted(
        FULL
    )


def test_expanded_json_ld_and_a_graph_with_its_own_words_are_the_same_policy():
    odrl = "http://www.w3.org/ns/odrl/2/"
    expanded = [
        {
            "@id": "urn:x:policy",
            "@type": [odrl + "Set"],
            odrl + "permission": [{odrl + "action": [{"@id": odrl + "use"}], odrl + "target": [{"@id": "urn:x:data"}]}],
        }
    ]
    worded = {
        "@context": {"o": odrl, "may": "o:permission", "what": {"@id": "o:target", "@type": "@id"}},
        "@graph": [
            {"@id": "urn:x:policy", "@type": "o:Set", "may": {"o:action": {"@id": "o:use"}, "what": "urn:x:data"}}
        ],
    }
    plain = {"@id": "urn:x:policy", "@type": "Set", "permission": [{"action": "use", "target": "urn:x:data"}]}
    assert from_jsonld(json.dumps(expanded)) == from_jsonld(worded) == parse(plain)


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ("; odrl:constrain [ odrl:leftOperand odrl:count ]", "property"),
        (
            "; odrl:constraint [ odrl:leftOperand odrl:luck ; odrl:operator odrl:eq ; odrl:rightOperand 1 ]",
            "leftOperand",
        ),
        (
            "; odrl:constraint [ odrl:leftOperand odrl:count ; odrl:operator odrl:like ; odrl:rightOperand 1 ]",
            "operator",
        ),
        (
            "; odrl:constraint [ odrl:leftOperand odrl:count ; odrl:operator odrl:eq ; odrl:rightOperand [] ]",
            "rightOperand",
        ),
        (
            '; odrl:constraint [ odrl:leftOperand odrl:purpose ; odrl:operator odrl:eq ; odrl:rightOperand "a"@en ]',
            None,
        ),
        ("; odrl:target [ a odrl:PartyCollection ; odrl:source ex:group ]", "property"),
        ("; ex:note 5", "property"),
        (", odrl:mine", "action"),
    ],
)
def test_what_turtle_says_and_nobody_understands_denies_and_is_named_with_its_path(ask, more, kind):
    policy = from_turtle(SET.format(more))
    assert not ask(policy, purpose="a", world=None).permitted
    problems = unknowns(policy)
    assert problems
    assert kind is None or kind in {problem.left_operand for problem in problems}
    assert all(problem.constraint.startswith("$.permission[0]") for problem in problems if kind)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("this is no turtle", "$"),
        (PREFIXES, "$"),
        (SET.format("") + "ex:other a odrl:Set .", "$"),
        (SET.format("; odrl:constraint ex:missing"), "$.permission[0].constraint[0]"),
        (SET.format("; odrl:target <data>"), "<data>"),
        (SET.format("") + "ex:lost a odrl:Prohibition ; odrl:action odrl:use .", "<urn:x:lost>"),
        (PREFIXES + "ex:p a odrl:Set ; odrl:uid ex:q .", "$.uid"),
        (PREFIXES + "ex:p odrl:obligation ex:d . ex:d odrl:consequence ex:d .", "<urn:x:d>"),
    ],
)
def test_turtle_without_the_shape_of_a_policy_is_refused_with_its_place(text, where):
    with pytest.raises(PolicyError) as refusal:
        from_turtle(text)
    assert refusal.value.path == where
    assert refusal.value.mend


@pytest.mark.parametrize(
    "document",
    [
        {"@context": "https://example.org/context.jsonld", "@id": "urn:x:p", "permission": []},
        {"@context": ["http://www.w3.org/ns/odrl.jsonld", {"@import": "https://example.org/c"}], "@id": "urn:x:p"},
        {"@context": {"use": {"@id": "urn:x:use", "@context": "https://example.org/c"}}, "@id": "urn:x:p"},
        {"@context": ["http://www.w3.org/ns/odrl.jsonld", {"constraint": None}], "@id": "urn:x:p"},
        {"@context": ["http://www.w3.org/ns/odrl.jsonld", None], "@id": "urn:x:p"},
        {"@context": ["http://www.w3.org/ns/odrl.jsonld", {"@vocab": None}], "@id": "urn:x:p"},
    ],
)
def test_a_context_that_would_be_fetched_or_would_drop_a_part_is_refused(document):
    with pytest.raises(PolicyError) as refusal:
        from_jsonld(document)
    assert "@context" in refusal.value.path


def test_a_misspelt_name_in_json_ld_is_not_dropped_but_denies(ask):
    document = {
        "@context": "http://www.w3.org/ns/odrl.jsonld",
        "@id": "urn:x:p",
        "@type": "Set",
        "permission": [{"action": "use", "constrain": {"leftOperand": "count", "operator": "lteq", "rightOperand": 1}}],
    }
    policy = from_jsonld(document)
    assert [problem.actual for problem in unknowns(policy)] == ["urn:x-undefined:constrain"]
    assert not ask(policy).permitted


def test_dates_keep_the_zone_they_were_written_with():
    limit = '; odrl:constraint [ odrl:leftOperand odrl:dateTime ; odrl:operator odrl:lt ; odrl:rightOperand "2026-06-16Z"^^xsd:date ]'
    policy = from_turtle(SET.format(limit))
    assert policy.permissions[0].constraints[0].right[0].text == "2026-06-16Z"
    assert from_turtle(to_turtle(policy)) == policy


def test_several_policies_in_one_document_are_read_by_their_names():
    text = SET.format("") + "ex:child a odrl:Set ; odrl:inheritFrom ex:policy ."
    found = all_from_turtle(text)
    assert set(found) == {"urn:x:policy", "urn:x:child"}
    assert from_turtle(text, uid="urn:x:child").inherits == ("urn:x:policy",)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"target": "no address"}, "$.target"),
        ({"permission": [{"action": "use", "@id": "urn:x"}, {"action": "read", "@id": "urn:x"}]}, "$.permission"),
        ({"permission": [{"action": "use", "note": {"deep": [1]}}]}, "$.permission.note"),
    ],
)
def test_what_has_no_place_in_turtle_is_refused_rather_than_lost(change, where):
    with pytest.raises(PolicyError) as refusal:
        to_turtle(parse({"@id": "urn:x:p"} | change))
    assert refusal.value.path == where


def test_without_rdflib_the_error_names_the_mend(monkeypatch):
    monkeypatch.setitem(sys.modules, "rdflib", None)
    with pytest.raises(ContractsError, match="rdf"):
        from_turtle(SET)


@given(near_policies, st.booleans())
@settings(max_examples=60)
def test_no_json_makes_the_reader_of_json_ld_raise_anything_but_a_policy_error(document, known):
    if known and isinstance(document, dict):
        document = {"@context": "http://www.w3.org/ns/odrl.jsonld", "@id": "urn:x", "@type": "Set"} | document
    try:
        policy = from_jsonld(document)
    except PolicyError:
        return
    assert parse(policy.to_json()) == policy


@given(
    st.lists(
        st.sampled_from(
            [
                "odrl:permission",
                "odrl:constraint",
                "odrl:and",
                "[",
                "]",
                "(",
                ")",
                "ex:p",
                "a",
                ";",
                ",",
                "odrl:Set",
                "1",
                '"x"',
                ".",
            ]
        ),
        max_size=25,
    )
)
@settings(max_examples=60)
def test_no_text_makes_the_reader_of_turtle_raise_anything_but_a_policy_error(parts):
    try:
        policy = from_turtle(PREFIXES + "ex:p a odrl:Set ; " + " ".join(parts))
    except PolicyError:
        return
    assert policy.uid == "urn:x:p"


@given(policies)
@settings(max_examples=30)
def test_a_round_trip_through_turtle_loses_nothing_but_the_order(document):
    policy = parse(document)
    again = from_turtle(to_turtle(policy))
    assert len(again.permissions) == len(policy.permissions)
    assert {rule.action for rule in again.prohibitions} == {rule.action for rule in policy.prohibitions}
    assert _sorted(from_turtle(to_turtle(again)).to_json()) == _sorted(again.to_json())
