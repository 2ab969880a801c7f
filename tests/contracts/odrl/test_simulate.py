"""What if: at another date, after more uses, for another party; and until when it stays as it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from contracts.errors import RequestError
from contracts.odrl import Deny, Request, World, evaluate, parse, simulate
from contracts.odrl.simulate import timeline, uses_left

NOW = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def _one(left, operator, right, **more):
    return {"leftOperand": left, "operator": operator, "rightOperand": right, **more}


@pytest.fixture
def question():
    return Request("use", "urn:x:buyer", "urn:x:data", "research", at=NOW)


@pytest.mark.parametrize(
    ("changes", "permitted"),
    [
        ({}, True),
        ({"at": NOW + 30 * DAY}, False),
        ({"count": 4}, True),
        ({"count": 5}, False),
        ({"assignee": "urn:x:rival"}, False),
        ({"purpose": "marketing"}, False),
        ({"attributes": {"spatial": "US"}}, False),
        ({"broader": {"trial": ["research"]}, "purpose": "trial"}, False),
    ],
)
def test_one_fact_after_another_is_changed(offer, question, changes, permitted):
    policy = offer(
        _one("count", "lteq", "5"),
        _one("dateTime", "lt", "2026-07-01T00:00Z"),
        _one("purpose", "eq", "research"),
        _one("spatial", "isPartOf", "CN"),
        rule={"assignee": "urn:x:buyer"},
    )
    world = World(counts={"use": 0}, attributes={"spatial": "CN-31"})
    assert simulate(policy, question, world, **changes).permitted is permitted
    assert evaluate(policy, question, world).permitted


def test_what_has_no_name_here_and_a_time_without_zone_are_refused(offer, question):
    with pytest.raises(RequestError, match="weather"):
        simulate(offer(), question, World(), weather="fine")
    with pytest.raises(RequestError, match="no time zone"):
        simulate(offer(), question, World(), at=datetime(2026, 6, 15))  # noqa: DTZ001 - the zone is missing on purpose.


def test_a_timeline_names_the_moments_at_which_the_answer_turns(offer, question):
    policy = offer(
        {"or": [_one("dateTime", "lt", "2026-06-20T00:00:00Z"), _one("ex:sinceAgreement", "gt", "P30D")]},
        _one("event", "neq", "urn:x:freeze"),
    )
    frozen = {"event": {"urn:x:freeze": (NOW + DAY, NOW + 2 * DAY)}}
    found = timeline(policy, question, World(agreement_start=NOW - 20 * DAY, attributes=frozen), NOW + 60 * DAY)
    tick = timedelta(microseconds=1)
    assert [(part.start, part.decision.permitted) for part in found] == [
        (NOW, True),
        (NOW + DAY, False),
        (NOW + 2 * DAY + tick, True),
        (datetime(2026, 6, 20, tzinfo=UTC), False),
        (NOW + 10 * DAY + tick, True),
    ]
    assert [part.end for part in found] == [*(part.start for part in found[1:]), NOW + 60 * DAY]
    assert isinstance(found[1].decision, Deny)
    with pytest.raises(RequestError):
        timeline(policy, question, World(), NOW)


def test_every_moment_of_a_timeline_is_decided_as_its_segment_says(offer, question):
    policy = offer(
        _one("dateTime", "gteq", "2026-06-16Z"), _one("elapsedTime", "lteq", "P3D"), _one("timeInterval", "eq", "P2D")
    )
    world = World(first_use=NOW, last_use=NOW)
    for part in timeline(policy, question, world, NOW + 5 * DAY):
        for at in (part.start, part.start + (part.end - part.start) / 2, part.end - timedelta(microseconds=1)):
            assert simulate(policy, question, world, at=at).permitted is part.decision.permitted


@pytest.mark.parametrize(
    ("constraint", "used", "left"),
    [
        (_one("count", "lteq", "5"), 0, 5),
        (_one("count", "lteq", "5"), 3, 2),
        (_one("count", "lt", "5"), 3, 1),
        (_one("count", "lteq", "5"), 5, 0),
        (_one("count", "neq", "4"), 0, 3),
        (_one("count", "isAnyOf", ["1", "2", "9"]), 0, 2),
        (_one("count", "gteq", "1"), 0, None),
        (_one("purpose", "eq", "research"), 7, None),
    ],
)
def test_the_uses_that_are_left_are_counted_by_asking_for_each(offer, question, constraint, used, left):
    assert uses_left(offer(constraint), question, World(counts={"use": used})) == left
    if left:
        allowed = [
            simulate(offer(constraint), question, World(), count=used + more).permitted for more in range(left + 1)
        ]
        assert allowed == [True] * left + [False]


def test_a_count_that_is_kept_under_the_rule_itself_is_changed_as_well(question):
    rule = {"action": "use", "@id": "urn:x:rule", "constraint": [_one("count", "lteq", "5")]}
    policy = parse({"@id": "urn:x", "permission": [rule]})
    world = World(counts={"urn:x:rule": 3})
    assert uses_left(policy, question, world) == 2
    assert not simulate(policy, question, world, count=5).permitted
