"""Terms as values: proposals change what they name, versions differ by term, purposes come from the policy."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.desensitization.plan import Plan
from contracts.odrl import parse, templates
from exchange.errors import InvalidInputError
from exchange.negotiation import words
from exchange.negotiation.terms import Terms, allowed_purposes, differences, price, propose

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_PLAN = Plan(columns=(), row_filter=())


def _terms(name: str = "n-times", **parameters: Any) -> Terms:
    parameters = parameters or {"count": 3}
    return Terms(name, parameters, templates.build(name, **parameters), price(500), _PLAN.to_json(), _PLAN.digest())


def _propose(base: Terms, **changes: Any) -> Terms:
    given = {"price_fen": None, "template": None, "parameters": None, "valid_until": None} | changes
    return propose(base, _NOW, **given)


def test_a_proposal_of_nothing_is_the_same_version() -> None:
    assert _propose(_terms()) == _terms()


def test_each_changed_term_is_named_with_both_sides() -> None:
    before = _terms()
    after = _propose(before, price_fen=700, parameters={"count": 9}, valid_until="2027-01-01T00:00:00+08:00")
    found = {change.term: (change.before, change.after) for change in differences(before.to_json(), after.to_json())}
    assert found["price"] == (500, 700)
    assert found["valid_until"] == (None, "2026-12-31T16:00:00.000000Z")
    assert set(found) == {"price", "policy", "valid_until"}


def test_equal_terms_have_equal_digests_and_no_difference() -> None:
    assert _terms().digest() == _terms().digest()
    assert differences(_terms().to_json(), _terms().to_json()) == ()
    assert _terms().digest() != _terms(count=4).digest()


def test_a_policy_change_is_put_in_sentences_of_both_languages() -> None:
    change = differences(_terms().to_json(), _terms(count=9).to_json())[0]
    for locale, number in (("en", "9"), ("zh", "9")):
        sentences = words.of_change(change, locale)
        assert sentences is not None
        assert any(number in line for line in sentences.added)
        assert not set(sentences.added) & set(sentences.removed)


def test_an_empty_end_takes_the_end_away() -> None:
    ended = _propose(_terms(), valid_until="2027-01-01T00:00:00Z")
    assert _propose(ended, price_fen=1).valid_until == ended.valid_until
    assert _propose(ended, valid_until="").valid_until is None


@pytest.mark.parametrize(
    ("name", "parameters", "expected"),
    [
        ("internal-use", {}, None),
        ("purpose", {"purposes": ["research"]}, ("research",)),
        ("purpose-and-count", {"purposes": ["research", "own words"], "count": 2}, ("research", "own words")),
    ],
)
def test_allowed_purposes_are_those_the_permissions_name(
    name: str, parameters: dict[str, Any], expected: tuple[str, ...] | None
) -> None:
    assert allowed_purposes(parse(templates.build(name, **parameters))) == expected


def test_purposes_inside_logic_are_found() -> None:
    one = {"leftOperand": "purpose", "operator": "eq", "rightOperand": "research"}
    other = {"leftOperand": "purpose", "operator": "eq", "rightOperand": "model-training"}
    policy = {"@type": "Offer", "@id": "urn:x", "permission": [{"action": "use", "constraint": [{"or": [one, other]}]}]}
    assert allowed_purposes(parse(policy)) == ("research", "model-training")


@given(st.integers())
def test_a_price_is_taken_in_range_and_refused_outside(fen: int) -> None:
    if 0 <= fen <= 10**12:
        assert price(fen) == {"kind": "one-off" if fen else "free", "amount_fen": fen, "currency": "CNY"}
    else:
        with pytest.raises(InvalidInputError):
            price(fen)
