"""The linter: what contradicts, never holds, adds nothing, or permits more than the grade allows."""

from __future__ import annotations

import pytest
from hypothesis import given

from contracts.odrl import conflicts, evaluate, parse, templates
from contracts.odrl.satisfiable import alternatives, can_hold, implies
from tests.contracts.odrl.test_dsp_schemas import PARAMETERS
from tests.contracts.odrl.test_properties import conditions as any_condition
from tests.contracts.odrl.test_properties import policies, requests, worlds


def _one(left, operator, right, **more):
    return {"leftOperand": left, "operator": operator, "rightOperand": right, **more}


def _conditions(*constraints):
    return (
        parse({"@id": "urn:x", "permission": [{"action": "use", "constraint": list(constraints)}]})
        .permissions[0]
        .constraints
    )


def _codes(document, **more):
    return [finding.code for finding in conflicts(parse({"@id": "urn:x"} | document), **more)]


EARLY, LATE = "2026-01-01T00:00Z", "2027-01-01T00:00Z"
PAY = {"unit": "CNY"}


@pytest.mark.parametrize(
    ("constraints", "possible"),
    [
        ([_one("dateTime", "gteq", EARLY), _one("dateTime", "lt", LATE)], True),
        ([_one("dateTime", "gteq", LATE), _one("dateTime", "lt", EARLY)], False),
        ([_one("dateTime", "gt", EARLY), _one("dateTime", "lteq", EARLY)], False),
        ([_one("dateTime", "gteq", EARLY), _one("dateTime", "lteq", EARLY)], True),
        ([_one("dateTime", "eq", "2026-01-01Z"), _one("dateTime", "gteq", "2026-01-02T00:00Z")], False),
        ([_one("dateTime", "eq", "2026-01-01Z"), _one("dateTime", "gteq", "2026-01-01T23:59Z")], True),
        ([_one("count", "lteq", "0")], False),
        ([_one("count", "lt", "1")], False),
        ([_one("count", "gt", "2"), _one("count", "lt", "4"), _one("count", "neq", "3")], False),
        ([_one("count", "gt", "2"), _one("count", "lt", "4")], True),
        ([_one("count", "isAnyOf", ["1", "2"]), _one("count", "isNoneOf", ["1"])], True),
        ([_one("count", "isAnyOf", ["1", "2"]), _one("count", "isNoneOf", ["1", "2"])], False),
        ([_one("payAmount", "lt", "0.01", **PAY), _one("payAmount", "gt", "0", **PAY)], False),
        ([_one("elapsedTime", "gt", "P2D"), _one("elapsedTime", "lt", "PT48H")], False),
        ([_one("elapsedTime", "gt", "P1M"), _one("elapsedTime", "lt", "P30D")], True),
        ([_one("delayPeriod", "eq", "P2D"), _one("delayPeriod", "gt", "P9D")], True),
        ([_one("percentage", "gt", "100")], False),
        ([_one("resolution", "gt", "1", unit="kHz"), _one("resolution", "lt", "999", unit="Hz")], False),
        ([_one("resolution", "gt", "1", unit="kHz"), _one("resolution", "lt", "1", unit="s")], True),
        ([_one("purpose", "eq", "a"), _one("purpose", "eq", "b")], False),
        ([_one("purpose", "isAnyOf", ["a", "b"]), _one("purpose", "neq", "a")], True),
        ([_one("purpose", "isAnyOf", ["a", "b"]), _one("purpose", "isNoneOf", ["a", "b"])], False),
        ([_one("purpose", "isA", "a"), _one("purpose", "eq", "b")], True),
        ([_one("spatial", "isPartOf", "CN"), _one("spatial", "eq", "US")], False),
        ([_one("spatial", "isPartOf", "CN"), _one("spatial", "eq", "CN-31")], True),
        ([_one("ex:crossBorder", "eq", True), _one("ex:crossBorder", "neq", True)], False),
        ([_one("ex:artefactState", "eq", "sealed"), _one("ex:artefactState", "eq", "encrypted")], True),
        ([_one("ex:artefactState", "isAllOf", ["sealed", "x"]), _one("ex:artefactState", "isNoneOf", ["x"])], False),
        ([_one("event", "lt", "urn:x:e"), _one("event", "gt", "urn:x:e")], False),
        ([_one("event", "lt", "urn:x:e"), _one("event", "gt", "urn:x:f")], True),
        ([_one("version", "lt", "1.10"), _one("version", "gt", "1.9")], True),
        ([_one("version", "lt", "1.9"), _one("version", "gt", "1.10")], False),
        ([{"or": [_one("count", "lteq", "0"), _one("purpose", "eq", "a")]}], True),
        ([{"xone": [_one("purpose", "eq", "a"), _one("purpose", "eq", "a")]}], False),
        ([{"xone": [_one("purpose", "eq", "a"), _one("purpose", "eq", "b")]}], True),
        (
            [{"and": [_one("purpose", "eq", "a"), {"xone": [_one("purpose", "eq", "b"), _one("purpose", "eq", "c")]}]}],
            False,
        ),
    ],
)
def test_conditions_that_can_and_cannot_hold_together(constraints, possible):
    assert can_hold(alternatives(_conditions(*constraints))) is possible
    assert _codes({"permission": [{"action": "use", "constraint": constraints}]}) == (
        [] if possible else ["unsatisfiable"]
    )


@pytest.mark.parametrize(
    ("stronger", "weaker", "holds"),
    [
        (_one("count", "lteq", "3"), _one("count", "lteq", "5"), True),
        (_one("count", "lteq", "5"), _one("count", "lteq", "3"), False),
        (_one("purpose", "eq", "a"), _one("purpose", "isAnyOf", ["a", "b"]), True),
        (_one("purpose", "isAnyOf", ["a", "b"]), _one("purpose", "eq", "a"), False),
        (_one("dateTime", "lt", EARLY), {"or": [_one("dateTime", "lt", LATE), _one("count", "eq", "1")]}, True),
        ({"xone": [_one("count", "eq", "1"), _one("count", "eq", "2")]}, _one("count", "lt", "3"), True),
    ],
)
def test_one_condition_implies_another(stronger, weaker, holds):
    assert implies(_conditions(stronger), _conditions(weaker)) is holds


def test_too_many_alternatives_are_not_judged():
    wide = [{"or": [_one("purpose", "eq", f"p{number}-{part}") for part in range(9)]} for number in range(9)]
    assert alternatives(_conditions(*wide)) is None
    assert can_hold(None)


USE, NOT_USE = {"action": "use"}, {"prohibition": [{"action": "use"}]}


@pytest.mark.parametrize(
    ("document", "codes"),
    [
        ({"permission": [USE], "prohibition": [{"action": "distribute"}]}, ["contradiction"]),
        ({"permission": [USE], "prohibition": [{"action": "distribute"}], "conflict": "prohibit"}, []),
        ({"permission": [{"action": "read"}], **NOT_USE, "conflict": "prohibit"}, ["contradiction"]),
        ({"permission": [USE], "prohibition": [{"action": "read"}], "conflict": "perm"}, ["contradiction"]),
        ({"permission": [{"action": "read"}], **NOT_USE, "conflict": "perm"}, []),
        ({"permission": [{"action": "sell"}], **NOT_USE}, []),
        ({"permission": [USE | {"assignee": "urn:x:a"}], "prohibition": [USE | {"assignee": "urn:x:b"}]}, []),
        ({"permission": [USE | {"target": "urn:x:a"}], "prohibition": [USE | {"target": "urn:x:b"}]}, []),
        (
            {
                "permission": [USE | {"constraint": [_one("purpose", "eq", "a")]}],
                "prohibition": [USE | {"constraint": [_one("purpose", "eq", "b")]}],
            },
            [],
        ),
        ({"permission": [USE, {"action": "read"}]}, ["shadowed"]),
        ({"permission": [USE, USE]}, ["shadowed"]),
        ({"permission": [USE, {"action": "read", "duty": [{"action": "inform"}]}]}, []),
        ({"permission": [{"action": "read"}, {"action": "display"}]}, []),
        ({"prohibition": [{"action": "use"}, {"action": "read", "assignee": "urn:x:a"}]}, ["shadowed"]),
        ({"permission": [{"action": "mine"}]}, ["unknown"]),
    ],
)
def test_rules_against_each_other(document, codes):
    assert _codes(document) == codes


def test_several_policies_are_judged_together_and_named():
    one = parse({"@id": "urn:x:one", "conflict": "prohibit", "permission": [{"action": "read"}]})
    other = parse({"@id": "urn:x:two", "conflict": "perm", "prohibition": [{"action": "use"}]})
    strategies, contradiction = conflicts([one, other])
    assert strategies.code == "strategies"
    assert (contradiction.policy, contradiction.rule) == ("urn:x:one", "$.permission[0]")
    assert (contradiction.other_policy, contradiction.other_rule) == ("urn:x:two", "$.prohibition[0]")
    assert "ermission 1 of the policy “urn:x:one”" in contradiction.text("en")
    assert "策略“urn:x:two”的第 1 项禁止" in contradiction.text("zh")
    assert contradiction.to_json()["code"] == "contradiction"


NAMED = _one("recipient", "isAnyOf", ["urn:x:plant"])
FOR = _one("purpose", "eq", "research")
HOME = _one("ex:crossBorder", "eq", False)
KEEP = {"prohibition": [{"action": "distribute"}, {"action": "grantUse"}], "conflict": "prohibit"}


@pytest.mark.parametrize(
    ("constraints", "more", "facts", "codes"),
    [
        ([], {}, {"grade": 1}, []),
        ([], KEEP, {"grade": 2}, ["purpose"]),
        ([FOR], {}, {"grade": 2}, ["onward"]),
        ([FOR], KEEP, {"grade": 2}, []),
        ([{"or": [FOR, NAMED]}], KEEP, {"grade": 2}, ["purpose"]),
        ([FOR], KEEP, {"grade": 3}, ["recipient"]),
        ([FOR, NAMED], KEEP, {"grade": 3}, []),
        ([FOR], KEEP | {"assignee": "urn:x:plant"}, {"grade": 3}, []),
        ([FOR, _one("ex:grade", "lteq", "1")], KEEP, {"grade": 2}, ["unsatisfiable"]),
        ([FOR], {}, {"category": "important"}, ["border"]),
        ([FOR], {}, {"category": "important", "assessed": True}, []),
        ([HOME], {}, {"category": "important"}, []),
        ([_one("spatial", "isPartOf", "CN")], {}, {"category": "important"}, []),
        ([{"or": [HOME, FOR]}], {}, {"category": "important"}, ["border"]),
        ([HOME], {}, {"category": "core"}, ["core"]),
    ],
)
def test_a_permission_that_is_wider_than_the_grade_allows_is_named(constraints, more, facts, codes):
    document = {"permission": [{"action": "use", "constraint": constraints}]} | more
    found = conflicts(parse({"@id": "urn:x"} | document), **facts)
    assert [finding.code for finding in found] == codes
    for finding in found:
        assert finding.text_en.startswith(("Permission 1", "The conditions"))
        assert finding.text_en.endswith(".")
        assert finding.text_zh.endswith("。")
        assert "{" not in finding.text_en + finding.text_zh


def test_conditions_that_only_the_grade_rules_out_are_said_to_be_so():
    rule = {"action": "use", "constraint": [_one("ex:grade", "lteq", "1")]}
    [finding] = conflicts(parse({"@id": "urn:x", "permission": [rule]}), grade=2, category="general")[:1]
    assert finding.text("en").startswith(
        "The conditions of permission 1 never hold for data of grade 2 and the category “general”."
    )
    assert finding.text("zh").startswith("第 1 项许可的条件对2 级、类别“general”的数据不可能满足。")


@pytest.mark.parametrize("name", PARAMETERS)
def test_no_template_contradicts_itself(name):
    assert conflicts(parse(templates.build(name, **PARAMETERS[name]))) == ()


@given(any_condition, any_condition, requests, worlds)
def test_what_is_called_impossible_is_never_permitted(one, other, request, world):
    policy = parse({"@id": "urn:x", "permission": [{"action": "use", "constraint": [one, other]}]})
    if any(finding.code == "unsatisfiable" for finding in conflicts(policy)):
        assert not evaluate(policy, request, world).permitted


@given(policies, requests, worlds)
def test_a_policy_whose_permissions_are_all_forbidden_permits_nothing(document, request, world):
    policy = parse(document)
    found = conflicts(policy)
    barred = {
        finding.rule
        for finding in found
        if finding.code == "unsatisfiable" or (finding.code == "contradiction" and policy.conflict == "prohibit")
    }
    if {rule.path for rule in policy.permissions} <= barred:
        assert not evaluate(policy, request, world).permitted
