"""Groups of parties and of assets, and policies that inherit: who is meant, and what is denied while it is not known."""

from __future__ import annotations

import pytest

from contracts.errors import PolicyError
from contracts.odrl import Collection, Deny, World, describe, inherit, parse, unknowns

MEMBERS = {"@type": "PartyCollection", "source": "urn:x:members"}
SERIES = {"@type": "AssetCollection", "@id": "urn:x:series"}
INSIDE = World(broader={"urn:x:buyer": ["urn:x:members"], "urn:x:data": ["urn:x:series"]})
OUTSIDE = World(broader={"urn:x:buyer": ["urn:x:others"], "urn:x:data": ["urn:x:others"]})
CHEMISTRY = {"leftOperand": "industry", "operator": "isPartOf", "rightOperand": "C26"}


def _codes(decision):
    return {reason.code for reason in decision.reasons} if isinstance(decision, Deny) else set()


@pytest.mark.parametrize(("name", "group"), [("assignee", MEMBERS), ("target", SERIES)])
def test_a_permission_for_a_group_is_given_to_its_known_members_only(ask, offer, name, group):
    policy = offer(rule={name: group})
    assert ask(policy, world=INSIDE).permitted
    assert _codes(ask(policy, world=OUTSIDE)) == {name}
    unknown = ask(policy, world=World())
    assert _codes(unknown) == {"member"}
    assert unknown.reasons[0].actual in {"urn:x:buyer", "urn:x:data"}
    assert "is not known" in unknown.text("en")
    assert "未知" in unknown.text("zh")


@pytest.mark.parametrize(("name", "group"), [("assignee", MEMBERS), ("target", SERIES)])
def test_a_prohibition_for_a_group_holds_until_somebody_is_known_to_be_outside(ask, name, group):
    document = {
        "@id": "urn:x",
        "conflict": "prohibit",
        "permission": [{"action": "use"}],
        "prohibition": [{"action": "use", name: group}],
    }
    policy = parse(document)
    assert ask(policy, world=OUTSIDE).permitted
    assert _codes(ask(policy, world=INSIDE)) == {"prohibited"}
    assert _codes(ask(policy, world=World())) == {"not-excluded"}


def test_a_refined_group_asks_for_membership_and_for_every_refinement(ask, offer):
    policy = offer(rule={"assignee": MEMBERS | {"refinement": [CHEMISTRY]}})
    member = {"urn:x:buyer": ["urn:x:members"]}
    assert ask(policy, world=World(broader=member, attributes={"industry": "C2614"})).permitted
    assert _codes(ask(policy, world=World(broader=member, attributes={"industry": "C34"}))) == {"constraint"}
    assert _codes(ask(policy, world=World(broader=member))) == {"undecided"}
    assert not ask(policy, world=World(attributes={"industry": "C26"})).permitted


def test_a_group_of_a_group_and_a_group_on_the_policy_count_as_well(ask):
    document = {
        "@id": "urn:x",
        "assignee": [MEMBERS, "urn:x:friend"],
        "target": SERIES,
        "permission": [{"action": "use"}],
    }
    policy = parse(document)
    assert isinstance(policy.permissions[0].assignees[0], Collection)
    assert policy.assignee is None
    world = World(
        broader={"urn:x:buyer": ["urn:x:inner"], "urn:x:inner": ["urn:x:members"], "urn:x:data": ["urn:x:series"]}
    )
    assert ask(policy, world=world).permitted
    assert ask(policy, world=world, assignee="urn:x:friend").permitted
    assert not ask(policy, world=world, assignee="urn:x:stranger").permitted
    assert parse(policy.to_json()) == policy


def test_an_agreement_may_name_its_parties_and_data_in_every_rule():
    rule = {"action": "use", "assigner": "urn:x:p", "assignee": MEMBERS, "target": SERIES}
    assert unknowns(parse({"@id": "urn:x", "@type": "Agreement", "permission": [rule]})) == ()
    with pytest.raises(PolicyError):
        parse({"@id": "urn:x", "@type": "Agreement", "permission": [rule, {"action": "read"}]})


def test_groups_are_told_in_both_languages(offer):
    policy = offer(rule={"assignee": MEMBERS | {"refinement": [CHEMISTRY]}, "target": SERIES})
    assert describe(policy, "en") == [
        "Every party of the group “urn:x:members” within the industry C26 may use every dataset of the group"
        " “urn:x:series”."
    ]
    assert "群组“urn:x:members”中" in describe(policy, "zh")[0]


def test_a_value_that_lies_elsewhere_is_kept_and_denies(ask, offer):
    constraint = {"leftOperand": "count", "operator": "lteq", "rightOperandReference": "urn:x:limit"}
    policy = offer(constraint)
    assert parse(policy.to_json()) == policy
    assert policy.to_json()["permission"][0]["constraint"] == [constraint]
    decision = ask(policy, world=World(counts={"use": 0}))
    assert [reason.constraint for reason in decision.reasons] == ["$.permission[0].constraint[0].rightOperandReference"]


PARENT = parse(
    {
        "@id": "urn:x:parent",
        "conflict": "prohibit",
        "target": "urn:x:data",
        "permission": [{"action": "read"}],
        "prohibition": [{"action": "distribute"}],
        "obligation": [{"action": "attribute"}],
    }
)


def _child(**more):
    return parse({"@id": "urn:x:child", "inheritFrom": "urn:x:parent", "conflict": "prohibit"} | more)


def test_a_child_denies_until_its_parent_is_read_in_and_then_has_its_rules(ask):
    child = _child(permission=[{"action": "use"}])
    assert _codes(ask(child)) == {"unknown"}
    whole = inherit(child, {"urn:x:parent": PARENT})
    assert ask(whole, "display").permitted
    denied = ask(whole, "distribute")
    assert _codes(denied) == {"prohibited"}
    assert denied.reasons[0].rule == "$.inheritFrom['urn:x:parent'].prohibition[0]"
    assert "rohibition 1 of the policy “urn:x:parent”" in denied.text("en")
    assert "策略“urn:x:parent”的第 1 项禁止" in denied.text("zh")


def test_an_inherited_rule_keeps_the_data_of_its_own_policy(ask):
    whole = inherit(_child(target="urn:x:other"), {"urn:x:parent": PARENT})
    assert ask(whole, "read", target="urn:x:data").permitted
    assert not ask(whole, "read", target="urn:x:other").permitted


def test_strategies_that_differ_make_the_whole_invalid():
    for own in ("perm", None):
        child = parse({"@id": "urn:x:child", "inheritFrom": "urn:x:parent"} | ({"conflict": own} if own else {}))
        assert inherit(child, {"urn:x:parent": PARENT}).conflict == "invalid"
    assert inherit(_child(), {"urn:x:parent": PARENT}).conflict == "prohibit"


def test_what_the_parent_says_and_nobody_understands_denies_in_the_child(ask):
    parent = parse({"@id": "urn:x:parent", "conflict": "prohibit", "note": 1, "permission": [{"action": "read"}]})
    problems = unknowns(inherit(_child(permission=[{"action": "use"}]), {"urn:x:parent": parent}))
    assert [problem.constraint for problem in problems] == ["$.inheritFrom['urn:x:parent'].note"]


@pytest.mark.parametrize(
    "parents",
    [{}, {"urn:x:parent": _child()}, {"urn:x:parent": parse({"@id": "urn:x:parent", "inheritFrom": "urn:x:child"})}],
)
def test_a_missing_parent_and_a_circle_are_refused(parents):
    with pytest.raises(PolicyError) as refusal:
        inherit(_child(), parents)
    assert refusal.value.path == "$.inheritFrom"
