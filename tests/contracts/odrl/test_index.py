"""Many policies: the index finds exactly those that a look at every one of them would find."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from contracts.odrl import Request, World, evaluate, parse
from contracts.odrl.index import PolicyIndex

NOW = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
GROUP = {"@type": "PartyCollection", "source": "urn:x:club"}
POLICIES = [
    parse({"@id": f"urn:x:{number}", **more, "permission": rules})
    for number, (more, rules) in enumerate(
        [
            ({"target": "urn:x:d1", "assignee": "urn:x:a"}, [{"action": "use"}]),
            ({"target": "urn:x:d1", "assignee": "urn:x:b"}, [{"action": "use"}]),
            ({"target": "urn:x:d2"}, [{"action": "use"}]),
            ({"assignee": "urn:x:a"}, [{"action": "use"}]),
            ({}, [{"action": "use"}]),
            ({}, [{"action": "use", "target": ["urn:x:d1", "urn:x:d2"], "assignee": ["urn:x:b", "urn:x:c"]}]),
            ({"target": "urn:x:d1"}, [{"action": "use", "assignee": GROUP}]),
            (
                {"target": "urn:x:d1"},
                [{"action": "read", "assignee": "urn:x:a"}, {"action": "use", "assignee": "urn:x:c"}],
            ),
            ({"target": "urn:x:d1", "assignee": "urn:x:a"}, []),
        ]
    )
]
WORLD = World(broader={"urn:x:c": ["urn:x:club"]})


def _permitting(found):
    return {policy.uid for policy, decision in found if decision.permitted}


@pytest.mark.parametrize("target", ["urn:x:d1", "urn:x:d2", "urn:x:d3"])
@pytest.mark.parametrize("assignee", ["urn:x:a", "urn:x:b", "urn:x:c", "urn:x:z"])
@pytest.mark.parametrize("action", ["use", "read"])
def test_no_policy_that_permits_is_missed_and_none_is_decided_otherwise(target, assignee, action):
    request = Request(action, assignee, target, at=NOW)
    found = PolicyIndex(POLICIES).decide(request, WORLD)
    whole = {policy.uid: evaluate(policy, request, WORLD) for policy in POLICIES}
    assert _permitting(found) == {uid for uid, decision in whole.items() if decision.permitted}
    assert len({policy.uid for policy, _ in found}) == len(found)
    assert all(decision == whole[policy.uid] for policy, decision in found)


def test_a_policy_is_replaced_by_its_identifier_and_removed_without_a_trace():
    index = PolicyIndex(POLICIES)
    assert len(index) == len(POLICIES)
    index.add(parse({"@id": "urn:x:0", "target": "urn:x:d9", "permission": [{"action": "use"}]}))
    assert len(index) == len(POLICIES)
    request = Request("use", "urn:x:a", "urn:x:d1", at=NOW)
    assert "urn:x:0" not in {policy.uid for policy, _ in index.decide(request, WORLD)}
    for policy in POLICIES:
        index.remove(policy.uid)
    index.remove("urn:x:never")
    assert len(index) == 0
    assert index.decide(request, WORLD) == ()
