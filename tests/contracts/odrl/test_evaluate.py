"""The decision: which rules speak of a request, and what wins."""

from __future__ import annotations

import pytest

from contracts.odrl import Deny, Permit, World, parse

LATE = {"leftOperand": "dateTime", "operator": "gt", "rightOperand": "2030-01-01T00:00Z"}
RESEARCH = {"leftOperand": "purpose", "operator": "eq", "rightOperand": "research"}


def _codes(decision):
    assert isinstance(decision, Deny)
    return [reason.code for reason in decision.reasons]


def test_a_plain_permission_permits_and_says_by_which_rule(offer, ask):
    assert ask(offer()) == Permit((), ("$.permission[0]",))
    assert ask(offer()).permitted


@pytest.mark.parametrize("document", [{}, {"permission": []}, {"prohibition": [{"action": "use"}]}])
@pytest.mark.parametrize("conflict", [None, "perm", "prohibit", "invalid"])
def test_a_policy_without_permission_denies(ask, document, conflict):
    policy = parse({"@id": "urn:x"} | document | ({"conflict": conflict} if conflict else {}))
    assert "empty" in _codes(ask(policy))


@pytest.mark.parametrize(
    ("permitted", "asked", "result"),
    [
        ("use", "use", True),
        ("use", "read", True),
        ("use", "aggregate", True),
        ("use", "modify", True),
        ("use", "derive", True),
        ("use", "distribute", True),
        ("use", "anonymize", True),
        ("use", "display", True),
        ("play", "display", True),
        ("reproduce", "extract", True),
        ("transfer", "sell", True),
        ("use", "transfer", False),
        ("transfer", "use", False),
        ("read", "use", False),
        ("read", "display", False),
        ("display", "play", False),
        ("use", "odrl:read", True),
        ("odrl:use", "http://www.w3.org/ns/odrl/2/read", True),
    ],
)
def test_an_action_covers_what_is_included_in_it_and_nothing_wider(offer, ask, permitted, asked, result):
    decision = ask(offer(action=permitted), asked)
    assert decision.permitted is result
    if not result:
        assert _codes(decision) == ["action"]
        assert decision.reasons[0].actual == asked


def test_a_requested_action_that_is_not_known_is_denied_and_named(offer, ask):
    decision = ask(offer(), "mine")
    assert _codes(decision) == ["request"]
    assert "“mine”" in decision.text("en")


def test_a_refinement_narrows_the_action(offer, ask):
    policy = offer(action={"@id": "use", "refinement": [RESEARCH]})
    assert ask(policy, purpose="research").permitted
    assert _codes(ask(policy, purpose="marketing")) == ["constraint"]


def test_an_agreement_is_for_its_assignee_and_its_target_only(offer, ask):
    parties = {"assigner": "urn:x:seller", "assignee": "urn:x:buyer", "target": "urn:x:data"}
    agreement = offer().as_agreement(uid="urn:x:agreement", **parties)
    assert ask(agreement).permitted
    decision = ask(agreement, assignee="urn:x:rival")
    assert _codes(decision) == ["assignee"]
    assert (decision.reasons[0].expected, decision.reasons[0].actual) == ("urn:x:buyer", "urn:x:rival")
    decision = ask(agreement, target="urn:x:other")
    assert _codes(decision) == ["target"]
    assert (decision.reasons[0].expected, decision.reasons[0].actual) == ("urn:x:data", "urn:x:other")


def test_parties_and_data_of_a_rule_go_before_those_of_the_policy(offer, ask):
    policy = offer(
        rule={"assignee": ["urn:x:a", "urn:x:b"], "target": "urn:x:own"}, assignee="urn:x:c", target="urn:x:d"
    )
    assert ask(policy, assignee="urn:x:b", target="urn:x:own").permitted
    assert not ask(policy, assignee="urn:x:c", target="urn:x:own").permitted
    assert not ask(policy, assignee="urn:x:b", target="urn:x:d").permitted


def test_a_prohibition_for_another_party_or_other_data_does_not_apply(offer, ask):
    for rule in ({"assignee": "urn:x:rival"}, {"target": "urn:x:other"}):
        assert ask(offer(prohibition=[{"action": "use", **rule}])).permitted


@pytest.mark.parametrize(
    ("conflict", "codes"),
    [
        (None, ["conflict", "prohibited"]),
        ("invalid", ["conflict", "prohibited"]),
        ("prohibit", ["prohibited"]),
        ("perm", None),
    ],
)
def test_where_both_apply_the_strategy_decides_and_without_one_all_is_denied(offer, ask, conflict, codes):
    strategy = {} if conflict is None else {"conflict": conflict}
    decision = ask(offer(prohibition=[{"action": "use"}], **strategy))
    assert decision.permitted if codes is None else _codes(decision) == codes


@pytest.mark.parametrize("conflict", ["perm", "prohibit", "invalid"])
def test_a_prohibition_that_does_not_really_apply_is_no_conflict(offer, ask, conflict):
    prohibitions = [{"action": "distribute"}, {"action": "use", "constraint": [LATE]}]
    policy = offer(prohibition=prohibitions, conflict=conflict)
    assert ask(policy).permitted
    assert ask(policy, "read").permitted


def test_a_prohibition_applies_to_everything_that_is_included_in_its_action(offer, ask):
    policy = offer(prohibition=[{"action": "reproduce"}], conflict="prohibit")
    assert _codes(ask(policy, "extract")) == ["prohibited"]
    assert ask(policy, "read").permitted


def test_a_prohibition_whose_facts_are_not_known_applies(offer, ask):
    rule = {"action": "use", "constraint": [{"leftOperand": "purpose", "operator": "eq", "rightOperand": "marketing"}]}
    policy = offer(prohibition=[rule], conflict="prohibit")
    assert _codes(ask(policy)) == ["not-excluded"]
    assert _codes(ask(policy, purpose="marketing")) == ["prohibited"]
    assert ask(policy, purpose="research").permitted


def test_perm_does_not_help_where_no_permission_holds(offer, ask):
    policy = offer(LATE, prohibition=[{"action": "use"}], conflict="perm")
    assert _codes(ask(policy)) == ["constraint", "prohibited"]


def test_every_failing_rule_and_constraint_is_named(ask):
    first = {"action": "use", "constraint": [LATE, RESEARCH]}
    second = {"action": "use", "constraint": [RESEARCH]}
    other = {"action": "transfer", "constraint": [LATE]}
    policy = parse({"@id": "urn:x", "permission": [first, second, other], "prohibition": [{"action": "use"}]})
    decision = ask(policy, purpose="marketing")
    assert [(reason.rule, reason.constraint) for reason in decision.reasons] == [
        ("$.permission[0]", "$.permission[0].constraint[0]"),
        ("$.permission[0]", "$.permission[0].constraint[1]"),
        ("$.permission[1]", "$.permission[1].constraint[0]"),
        ("$.prohibition[0]", "$.prohibition[0]"),
    ]


def test_a_reason_carries_rule_expected_and_actual_as_json(offer, ask):
    limit = {"leftOperand": "count", "operator": "lteq", "rightOperand": {"@value": "5", "@type": "xsd:integer"}}
    (reason,) = ask(offer(limit), world=World(counts={"use": 5})).reasons
    assert reason.to_json() == {
        "code": "constraint",
        "rule": "$.permission[0]",
        "constraint": "$.permission[0].constraint[0]",
        "leftOperand": "count",
        "operator": "lteq",
        "expected": "5",
        "actual": 6,
        "text_en": "Permission 1 allows this at most 5 times; this would be use number 6."
        " Agree on further uses with the provider.",
        "text_zh": "第 1 项许可的条件是：最多 5 次；而本次将是第 6 次使用。请与提供方协商增加使用次数。",
    }
