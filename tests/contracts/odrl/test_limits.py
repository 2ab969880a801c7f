"""The plain limits of a policy: never tighter than what the decision permits, and stated wherever the policy states them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.odrl import Permit, Request, World, evaluate, parse, templates
from contracts.odrl.limits import Limits, limits

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def policy(*permissions: dict[str, Any]) -> Any:
    return parse(
        {
            "@context": "http://www.w3.org/ns/odrl.jsonld",
            "@type": "Agreement",
            "uid": "urn:uuid:01900000-0000-7000-8000-000000000001",
            "assigner": "urn:p",
            "assignee": "urn:c",
            "target": "urn:d",
            "permission": list(permissions),
        }
    )


def use(*constraints: Any, action: str = "use") -> dict[str, Any]:
    return {"action": action, "constraint": list(constraints)}


def count(operator: str, number: int) -> dict[str, Any]:
    return {
        "leftOperand": "count",
        "operator": operator,
        "rightOperand": {"@value": str(number), "@type": "xsd:integer"},
    }


def until(operator: str, moment: str) -> dict[str, Any]:
    return {
        "leftOperand": "dateTime",
        "operator": operator,
        "rightOperand": {"@value": moment, "@type": "xsd:dateTime"},
    }


def either(*operands: Any) -> dict[str, Any]:
    return {"or": {"@list": list(operands)}}


@pytest.mark.parametrize(
    ("rules", "uses"),
    [
        ([use(count("lteq", 3))], 3),
        ([use(count("lt", 3))], 2),
        ([use(count("eq", 3))], 3),
        ([use(count("lteq", 5), count("lteq", 3))], 3),
        ([use(either(count("lteq", 5), count("lteq", 3)))], 5),
        ([use(either(count("lteq", 5), until("lteq", "2026-12-31T00:00:00Z")))], None),
        ([use(count("lteq", 2)), use(count("lteq", 7))], 7),
        ([use(count("lteq", 2)), use()], None),
        ([use(count("gteq", 2))], None),
        ([use()], None),
        ([], 0),
    ],
)
def test_the_most_uses_that_a_policy_can_permit(rules: list[dict[str, Any]], uses: int | None) -> None:
    assert limits(policy(*rules)).uses == uses


def test_the_moment_after_which_nothing_is_permitted() -> None:
    moment = "2026-12-31T16:00:00Z"
    assert limits(policy(use(until("lt", moment)))).until == datetime(2026, 12, 31, 16, tzinfo=UTC)
    assert limits(policy(use(until("lteq", moment), count("lteq", 2)))) == Limits(
        2, datetime(2026, 12, 31, 16, tzinfo=UTC)
    )
    assert limits(policy(use(until("gteq", moment)))).until is None


def test_templates_state_their_number_and_their_day() -> None:
    assert limits(parse(templates.build("n-times", count=4))).uses == 4
    assert limits(parse(templates.build("internal-use"))) == Limits(None, None)
    last_day = limits(parse(templates.build("until-date", date="2026-12-31"))).until
    assert last_day == datetime(2026, 12, 31, 16, tzinfo=UTC)


_ATOMS = st.one_of(
    st.builds(count, st.sampled_from(["lteq", "lt", "eq", "gteq"]), st.integers(1, 5)),
    st.builds(
        until,
        st.sampled_from(["lteq", "lt", "gteq"]),
        st.integers(-3, 3).map(lambda day: f"{NOON + timedelta(days=day):%Y-%m-%dT%H:%M:%SZ}"),
    ),
)
_CONDITIONS = st.one_of(_ATOMS, st.lists(_ATOMS, min_size=2, max_size=3).map(lambda items: either(*items)))
_RULES = st.lists(st.lists(_CONDITIONS, max_size=3).map(lambda items: use(*items)), min_size=1, max_size=3)


@given(_RULES, st.integers(0, 6), st.integers(-4, 4))
def test_whatever_is_permitted_lies_within_the_limits(rules: list[dict[str, Any]], used: int, day: int) -> None:
    at = NOON + timedelta(days=day)
    decided = evaluate(
        policy(*rules), Request("use", "urn:c", "urn:d", at=at), World(counts={"use": used}, agreement_start=NOON)
    )
    if isinstance(decided, Permit):
        found = limits(policy(*rules))
        assert found.uses is None or used + 1 <= found.uses
        assert found.until is None or at <= found.until
