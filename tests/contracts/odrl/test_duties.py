"""Duties: what is owed for a permit, when it is due, and what stands against it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from contracts.odrl import Deny, Obligation, World, parse

LATE = {"leftOperand": "dateTime", "operator": "gt", "rightOperand": "2030-01-01T00:00Z"}


def _codes(decision):
    assert isinstance(decision, Deny)
    return [reason.code for reason in decision.reasons]


def test_each_duty_becomes_an_obligation_before_or_after_release(offer, ask):
    names = ["anonymize", "attribute", "delete", "inform", "ex:log"]
    decision = ask(offer(rule={"duty": [{"action": name} for name in names]}))
    assert [(item.action, item.phase) for item in decision.obligations] == [
        ("anonymize", "before"),
        ("attribute", "after"),
        ("delete", "after"),
        ("inform", "before"),
        ("ex:log", "before"),
    ]
    assert decision.obligations[0].rule == "$.permission[0].duty[0]"


def _delete(operator, left, right):
    return {"action": "delete", "constraint": [{"leftOperand": left, "operator": operator, "rightOperand": right}]}


@pytest.mark.parametrize(
    ("duty", "deadline", "not_before"),
    [
        (_delete("lteq", "elapsedTime", "P30D"), datetime(2026, 7, 15, 12, tzinfo=UTC), None),
        (_delete("lteq", "elapsedTime", "P1M"), datetime(2026, 7, 15, 12, tzinfo=UTC), None),
        (_delete("lteq", "dateTime", "2026-12-31T16:00Z"), datetime(2026, 12, 31, 16, tzinfo=UTC), None),
        (_delete("lteq", "dateTime", "2026-12-31Z"), datetime(2027, 1, 1, tzinfo=UTC), None),
        (_delete("gteq", "dateTime", "2026-12-31T16:00Z"), None, datetime(2026, 12, 31, 16, tzinfo=UTC)),
    ],
)
def test_a_duty_to_delete_has_its_deadline(offer, ask, duty, deadline, not_before):
    (obligation,) = ask(offer(rule={"duty": [duty]})).obligations
    assert (obligation.deadline, obligation.not_before) == (deadline, not_before)


def test_a_duty_whose_deadline_has_passed_denies(offer, ask, now):
    policy = offer(rule={"duty": [_delete("lteq", "dateTime", "2026-06-15T12:00Z")]})
    assert ask(policy, at=now - timedelta(seconds=1)).permitted
    assert _codes(ask(policy, at=now)) == ["overdue"]


def test_a_deadline_beyond_the_calendar_is_its_last_moment(offer, ask):
    policy = offer(rule={"duty": [_delete("lteq", "elapsedTime", "P1000Y36525D")]})
    (obligation,) = ask(policy, at=datetime(8999, 1, 1, tzinfo=UTC)).obligations
    assert obligation.deadline == datetime.max.replace(tzinfo=UTC)
    assert obligation.to_json()["deadline"].startswith("9999-12-31")


def _compensate(amount="5000.00", **more):
    limit = {"leftOperand": "payAmount", "operator": "eq", "rightOperand": amount, "unit": "CNY"} | more
    return {"action": "compensate", "constraint": [limit]}


def test_what_is_unpaid_is_denied_with_both_amounts(offer, ask):
    policy = offer(rule={"duty": [_compensate()]})
    decision = ask(policy, world=World(paid_fen=499_999))
    assert _codes(decision) == ["unpaid"]
    assert (decision.reasons[0].expected, decision.reasons[0].actual) == ("5000.00 CNY", "4999.99 CNY")
    (obligation,) = ask(policy, world=World(paid_fen=500_000)).obligations
    assert (obligation.amount_fen, obligation.fulfilled) == (500_000, True)


def test_a_payment_may_stand_as_refinement_of_the_action(offer, ask):
    terms = _compensate()["constraint"]
    policy = offer(rule={"duty": [{"action": {"rdf:value": {"@id": "odrl:compensate"}, "refinement": terms}}]})
    assert _codes(ask(policy)) == ["unpaid"]


def test_an_obligation_of_the_policy_is_owed_whatever_permission_holds(offer, ask):
    policy = offer(obligation=[_compensate(), {"action": "inform", "informedParty": "urn:x:seller"}])
    assert _codes(ask(policy)) == ["unpaid"]
    decision = ask(policy, world=World(paid_fen=500_000))
    assert [(item.action, item.party) for item in decision.obligations] == [
        ("compensate", None),
        ("inform", "urn:x:seller"),
    ]


def test_a_permission_with_an_unpaid_duty_leaves_one_without_in_force(ask):
    paid = {"action": "use", "duty": [_compensate()]}
    free = {"action": "read", "duty": [{"action": "attribute"}]}
    policy = parse({"@id": "urn:x", "permission": [paid, free]})
    assert ask(policy, "read").rules == ("$.permission[1]",)
    assert _codes(ask(policy, "use")) == ["unpaid"]
    both = ask(policy, "read", world=World(paid_fen=500_000))
    assert [item.action for item in both.obligations] == ["compensate", "attribute"]


def test_an_obligation_says_itself_and_goes_to_json(offer, ask):
    (item,) = ask(offer(rule={"duty": [_delete("lteq", "elapsedTime", "P30D")]})).obligations
    assert isinstance(item, Obligation)
    assert item.text_en == "The consumer must delete the data by 15 July 2026, 12:00 (UTC)."
    assert item.text_zh == "使用方须在2026年7月15日 12:00（UTC）之前删除该数据。"
    assert item.to_json()["deadline"] == "2026-07-15T12:00:00Z"


def test_decisions_go_to_json(offer, ask):
    permit = ask(offer(rule={"duty": [{"action": "ex:log"}]})).to_json()
    assert (permit["decision"], permit["rules"]) == ("permit", ["$.permission[0]"])
    assert permit["obligations"][0]["action"] == "ex:log"
    deny = ask(offer(LATE)).to_json()
    assert (deny["decision"], deny["reasons"][0]["code"]) == ("deny", "constraint")
