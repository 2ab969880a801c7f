"""The truth tables of and, or, xone and andSequence, with "not known" as the third value."""

from __future__ import annotations

import itertools

import pytest

from contracts.odrl import Deny, Permit, World

TRUE = {"leftOperand": "payAmount", "operator": "gteq", "rightOperand": "0", "unit": "CNY"}
FALSE = {"leftOperand": "payAmount", "operator": "gt", "rightOperand": "0", "unit": "CNY"}
UNKNOWN = {"leftOperand": "count", "operator": "gteq", "rightOperand": "0"}
PARTS = {True: TRUE, False: FALSE, None: UNKNOWN}


def _expected(operator: str, values: tuple[bool | None, ...]) -> bool | None:
    """By going through every way in which the unknown ones could turn out."""
    known = [(value,) if value is not None else (True, False) for value in values]
    outcomes = set()
    for world in itertools.product(*known):
        if operator in {"and", "andSequence"}:
            outcomes.add(all(world))
        elif operator == "or":
            outcomes.add(any(world))
        else:
            outcomes.add(sum(world) == 1)
    return outcomes.pop() if len(outcomes) == 1 else None


ROWS = [
    (operator, values)
    for operator in ("and", "or", "xone", "andSequence")
    for length in (1, 2, 3)
    for values in itertools.product((True, False, None), repeat=length)
]


@pytest.mark.parametrize(("operator", "values"), ROWS)
def test_a_permission_holds_only_where_the_table_says_true(offer, ask, operator, values):
    policy = offer({operator: [PARTS[value] for value in values]})
    assert ask(policy).permitted is (_expected(operator, values) is True)


@pytest.mark.parametrize(("operator", "values"), ROWS)
def test_a_prohibition_applies_unless_the_table_says_false(offer, ask, operator, values):
    rule = {"action": "use", "constraint": [{operator: [PARTS[value] for value in values]}]}
    policy = offer(prohibition=[rule], conflict="prohibit")
    assert ask(policy).permitted is (_expected(operator, values) is False)


def test_logical_constraints_nest(offer, ask):
    policy = offer({"or": [{"and": [TRUE, FALSE]}, {"xone": [TRUE, {"or": [FALSE, FALSE]}]}]})
    assert isinstance(ask(policy), Permit)


def test_several_constraints_of_a_rule_must_all_hold(offer, ask):
    assert ask(offer(TRUE, TRUE)).permitted
    assert not ask(offer(TRUE, FALSE)).permitted
    assert not ask(offer(TRUE, UNKNOWN)).permitted


def _codes(decision):
    assert isinstance(decision, Deny)
    return [(reason.code, reason.constraint) for reason in decision.reasons]


def test_all_failing_parts_of_an_and_are_named_and_the_first_of_a_sequence(offer, ask):
    parts = [FALSE, TRUE, UNKNOWN]
    where = "$.permission[0].constraint[0]"
    assert _codes(ask(offer({"and": parts}))) == [("constraint", f"{where}.and[0]"), ("undecided", f"{where}.and[2]")]
    assert _codes(ask(offer({"andSequence": parts}))) == [("constraint", f"{where}.andSequence[0]")]


def test_a_choice_names_how_many_hold_and_what_the_others_lack(offer, ask):
    where = "$.permission[0].constraint[0]"
    decision = ask(offer({"or": [FALSE, UNKNOWN]}))
    assert _codes(decision) == [("choice", where), ("constraint", f"{where}.or[0]"), ("undecided", f"{where}.or[1]")]
    assert (decision.reasons[0].expected, decision.reasons[0].actual) == ("1/2", "0/2")
    decision = ask(offer({"xone": [TRUE, TRUE, FALSE]}))
    assert _codes(decision) == [("choice", where)]
    assert decision.reasons[0].actual == "2/3"


@pytest.mark.parametrize("operator", ["and", "or", "xone", "andSequence"])
def test_an_empty_logical_constraint_denies_and_is_named(offer, ask, operator):
    decision = ask(offer({operator: []}), world=World(counts={"use": 0}))
    assert [(reason.code, reason.constraint) for reason in decision.reasons] == [
        ("unknown", f"$.permission[0].constraint[0].{operator}")
    ]
