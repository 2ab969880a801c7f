"""However a policy travels, and in whatever order it is written, no decision changes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.odrl import Permit, evaluate, parse
from contracts.odrl.rdf import from_jsonld, from_turtle, to_turtle
from tests.contracts.odrl.test_properties import policies, requests, worlds

group = st.sampled_from(
    [
        "urn:x:buyer",
        {"@type": "PartyCollection", "source": "urn:x:members"},
        {
            "@type": "PartyCollection",
            "@id": "urn:x:members",
            "refinement": [{"leftOperand": "industry", "operator": "isPartOf", "rightOperand": "C34"}],
        },
    ]
)
grouped = st.builds(
    lambda document, member: (
        document | {"permission": [rule | {"assignee": member} for rule in document["permission"]]}
        if member
        else document
    ),
    policies,
    st.none() | group,
)


def _with_members(world, groups):
    from dataclasses import replace

    return world if groups is None else replace(world, broader={**world.broader, "urn:x:buyer": groups})


members = st.builds(
    _with_members,
    worlds,
    st.sampled_from([None, ["urn:x:members"], ["urn:x:others"]]),
)


def _says(decision):
    """What a decision says apart from the places in the document: its order, and how often an obligation is named."""
    if isinstance(decision, Permit):
        return True, {(duty.action, duty.amount_fen, duty.fulfilled) for duty in decision.obligations}
    return False, {(reason.code, reason.left_operand, json.dumps(reason.actual)) for reason in decision.reasons}


def _judged(decision):
    """The part of it that a document without order keeps: in a sequence only the first reason is given."""
    permitted, said = _says(decision)
    return permitted, said if permitted else None


@given(grouped, requests, members)
@settings(max_examples=60)
def test_a_round_trip_through_turtle_changes_no_decision(document, request, world):
    policy = parse(document)
    assert _judged(evaluate(from_turtle(to_turtle(policy)), request, world)) == _judged(
        evaluate(policy, request, world)
    )


@given(grouped, requests, members)
@settings(max_examples=60)
def test_a_round_trip_through_json_ld_changes_no_decision(document, request, world):
    policy = parse(document)
    again = from_jsonld(json.dumps(policy.to_jsonld()))
    assert _judged(evaluate(again, request, world)) == _judged(evaluate(policy, request, world))


@given(grouped, requests, members)
def test_a_round_trip_through_json_changes_no_decision_and_no_word_of_it(document, request, world):
    policy = parse(document)
    assert evaluate(parse(json.loads(json.dumps(policy.to_json()))), request, world) == evaluate(policy, request, world)


def _turned(value):
    """The document with every list that has no order turned round: rules, constraints, and, or, xone, values."""
    if isinstance(value, dict):
        return {
            key: [_turned(part) for part in item] if key == "andSequence" and isinstance(item, list) else _turned(item)
            for key, item in value.items()
        }
    return [_turned(item) for item in reversed(value)] if isinstance(value, list) else value


@given(grouped, requests, members)
def test_the_order_of_rules_constraints_and_alternatives_changes_nothing_that_is_said(document, request, world):
    one, other = (evaluate(parse(item), request, world) for item in (document, _turned(document)))
    assert _judged(one) == _judged(other)
    if "andSequence" not in json.dumps(document):
        codes = [
            {code for code, *_ in _says(decision)[1]} if not decision.permitted else None for decision in (one, other)
        ]
        assert codes[0] == codes[1]


@pytest.mark.parametrize("part", ["permission", "prohibition", "obligation"])
@given(document=policies, request=requests, world=worlds)
@settings(max_examples=30)
def test_a_rule_that_is_empty_or_unknown_denies_wherever_it_stands(part, document, request, world):
    for action in ("", "unheard-of"):
        rule = {} if action == "" else {"action": action}
        policy = parse(document | {part: [*document.get(part, []), rule]}, any_action=True)
        assert not evaluate(policy, request, world).permitted
