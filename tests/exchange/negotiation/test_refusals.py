"""What a negotiation refuses, with the reason and the mend, and without leaving anything half-done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from exchange.catalog.models import Dataset, Offer
from exchange.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    PermissionDeniedError,
    PolicyDeniedError,
)
from exchange.negotiation.models import AgreementRecord, Negotiation, NegotiationEvent
from exchange.participants.models import Participant
from exchange.participants.tokens import actor_of_token


def _count(market: Any, model: type) -> int:
    with market.exchange.operations.database.reading() as session:
        return session.scalar(select(func.count()).select_from(model))


def _change(market: Any, statement: Any) -> None:
    with market.exchange.operations.database.writing() as session:
        session.execute(statement)


def test_a_firm_cannot_request_its_own_dataset(market: Any) -> None:
    offer = market.offer()
    with pytest.raises(ConflictError) as refused:
        market.run(market.provider, "negotiation.request", offer=offer, purpose="research", intended_use="")
    assert refused.value.code == "own-dataset"
    assert _count(market, Negotiation) == 0


def test_a_pending_firm_cannot_request(market: Any) -> None:
    pending = market.exchange.firm("New Firm", verified=False)
    with pytest.raises(PermissionDeniedError) as refused:
        market.run(pending, "negotiation.request", offer=market.offer(), purpose="research", intended_use="")
    assert refused.value.code == "participant-not-verified"


def test_a_person_without_the_role_cannot_request_or_answer(sqlite_market: Any) -> None:
    market = sqlite_market
    finance = market.exchange.person(market.consumer, "finance")
    with pytest.raises(PermissionDeniedError):
        market.run(finance, "negotiation.request", offer=market.offer(), purpose="research", intended_use="")
    negotiation = market.request()
    buyer_of_provider = market.exchange.person(market.provider, "buyer")
    for name in ("negotiation.agree", "negotiation.counter", "negotiation.terminate"):
        extra = {"reason": "Because."} if name.endswith("terminate") else {}
        extra |= {"price_fen": 5} if name.endswith("counter") else {}
        with pytest.raises(PermissionDeniedError):
            market.run(buyer_of_provider, name, negotiation=negotiation, **extra)


def test_a_token_that_may_only_read_negotiations_cannot_counter(sqlite_market: Any) -> None:
    market = sqlite_market
    negotiation = market.request()
    token = market.exchange.token(market.provider, scopes=["firm:negotiation:read"])
    with market.exchange.operations.database.writing() as session:
        reader = actor_of_token(session.connection(), token)
    with pytest.raises(PermissionDeniedError):
        market.run(reader, "negotiation.counter", negotiation=negotiation, price_fen=5)


def test_grade_two_needs_a_stated_need(sqlite_market: Any) -> None:
    offer = sqlite_market.offer(grade=2)
    for need in ("", "   ", "short"):
        with pytest.raises(InvalidInputError) as refused:
            sqlite_market.request(offer, intended_use=need)
        assert (refused.value.field, refused.value.code) == ("intended_use", "need-not-stated")
    assert sqlite_market.request(offer, intended_use="Predict failures of our spindles.")


def test_grade_three_and_ungraded_data_is_not_traded(sqlite_market: Any) -> None:
    offer = sqlite_market.offer()
    for grade in (3, None):
        _change(sqlite_market, update(Dataset).values(grade=grade))
        # The catalogue may hide such an offer already; either way nothing comes of it.
        with pytest.raises((ConflictError, NotFoundError)):
            sqlite_market.request(offer)
    assert _count(sqlite_market, Negotiation) == 0


def test_a_grade_raised_after_the_request_forbids_the_signature(sqlite_market: Any) -> None:
    negotiation = sqlite_market.request()
    _change(sqlite_market, update(Dataset).values(grade=3))
    with pytest.raises(ConflictError) as refused:
        sqlite_market.run(sqlite_market.provider, "negotiation.agree", negotiation=negotiation)
    assert refused.value.code == "grade-forbids"
    assert _count(sqlite_market, AgreementRecord) == 0


def test_a_purpose_that_the_policy_does_not_allow_is_refused_with_the_allowed_ones(sqlite_market: Any) -> None:
    offer = sqlite_market.offer(template="purpose", parameters={"purposes": ["research", "energy-management"]})
    with pytest.raises(InvalidInputError) as refused:
        sqlite_market.request(offer, purpose="model-training")
    assert refused.value.details["allowed"] == ["research", "energy-management"]
    assert "能源管理" in refused.value.text("zh")[1]


def test_an_empty_or_endless_purpose_is_refused(sqlite_market: Any) -> None:
    offer = sqlite_market.offer()
    for purpose in ("", " ", "x" * 201):
        with pytest.raises(InvalidInputError):
            sqlite_market.request(offer, purpose=purpose)


def test_a_purpose_that_the_policys_logic_excludes_is_refused(sqlite_market: Any) -> None:
    policy = {
        "@type": "Offer",
        "@id": "urn:policy:1",
        "permission": [
            {
                "action": "use",
                "constraint": [{"leftOperand": "purpose", "operator": "isNoneOf", "rightOperand": ["model-training"]}],
            }
        ],
    }
    offer = sqlite_market.offer(policy=policy)
    assert sqlite_market.request(offer, purpose="research")
    with pytest.raises(InvalidInputError):
        sqlite_market.request(offer, purpose="model-training")


def test_a_policy_with_an_unknown_operand_is_denied_and_named(sqlite_market: Any) -> None:
    policy = {
        "@type": "Offer",
        "@id": "urn:policy:1",
        "permission": [
            {"action": "use", "constraint": [{"leftOperand": "moonPhase", "operator": "eq", "rightOperand": "full"}]}
        ],
    }
    with pytest.raises(PolicyDeniedError) as refused:
        sqlite_market.request(sqlite_market.offer(policy=policy))
    assert "moonPhase" in str(refused.value.reasons)
    assert _count(sqlite_market, Negotiation) == 0


def test_a_stranger_finds_nothing(market: Any) -> None:
    stranger = market.exchange.firm("Stranger")
    negotiation, agreement = market.agreed()
    for name, extra in [
        ("negotiation.counter", {"price_fen": 1}),
        ("negotiation.accept", {}),
        ("negotiation.agree", {}),
        ("negotiation.verify", {}),
        ("negotiation.terminate", {"reason": "Because."}),
    ]:
        with pytest.raises(NotFoundError):
            market.run(stranger, name, negotiation=negotiation, **extra)
    for name, extra in [
        ("settlement.fund", {}), ("settlement.refund", {"reason": "Because."}), ("settlement.reclaim", {}),
    ]:  # fmt: skip
        with pytest.raises(NotFoundError):
            market.run(stranger, name, agreement=agreement, **extra)


def test_an_offer_for_named_firms_is_not_there_for_others(sqlite_market: Any) -> None:
    other = sqlite_market.exchange.firm("Named Firm")
    offer = sqlite_market.offer(grade=2, audience=(other,))
    with pytest.raises(NotFoundError):
        sqlite_market.request(offer)


def test_a_closed_offer_or_a_frozen_dataset_cannot_be_requested(sqlite_market: Any) -> None:
    offer = sqlite_market.offer()
    _change(sqlite_market, update(Dataset).values(state="frozen"))
    with pytest.raises((ConflictError, NotFoundError)):
        sqlite_market.request(offer)
    _change(sqlite_market, update(Dataset).values(state="offered"))
    _change(sqlite_market, update(Offer).values(state="closed"))
    with pytest.raises((ConflictError, NotFoundError)):
        sqlite_market.request(offer)


def test_a_dataset_frozen_after_the_request_is_not_signed_away(sqlite_market: Any) -> None:
    negotiation = sqlite_market.request()
    _change(sqlite_market, update(Dataset).values(state="frozen"))
    with pytest.raises(ConflictError) as refused:
        sqlite_market.run(sqlite_market.provider, "negotiation.agree", negotiation=negotiation)
    assert refused.value.code == "dataset-frozen"


def test_a_consumer_suspended_after_the_request_gets_no_signature(sqlite_market: Any) -> None:
    negotiation = sqlite_market.request()
    firm = sqlite_market.consumer.participant
    _change(sqlite_market, update(Participant).where(Participant.id == firm).values(status="suspended"))
    with pytest.raises(ConflictError) as refused:
        sqlite_market.run(sqlite_market.provider, "negotiation.agree", negotiation=negotiation)
    assert refused.value.code == "participant-suspended"


def test_an_illegal_step_says_what_is_allowed_and_changes_nothing(market: Any) -> None:
    negotiation = market.request()
    with pytest.raises(ConflictError) as refused:
        market.run(market.consumer, "negotiation.verify", negotiation=negotiation)
    assert refused.value.code == "illegal-transition"
    assert refused.value.details["allowed"] == ["TERMINATED"]
    assert market.negotiation(negotiation).state == "REQUESTED"
    assert _count(market, NegotiationEvent) == 1


def test_who_signs_a_second_time_learns_who_did_it_and_what_to_do(sqlite_market: Any) -> None:
    """Two windows, or two colleagues, at once: the second is told in plain words."""
    negotiation = sqlite_market.request()
    sqlite_market.run(sqlite_market.provider, "negotiation.agree", negotiation=negotiation)
    with pytest.raises(ConflictError) as refused:
        sqlite_market.run(sqlite_market.provider, "negotiation.agree", negotiation=negotiation)
    assert refused.value.code == "illegal-transition"
    reason, mend = refused.value.text("en")
    assert f"This was signed already: by {sqlite_market.provider.name} (provider) at " in reason
    assert "load the page anew" in mend
    assert f"{sqlite_market.provider.name}（提供方）已于" in refused.value.text("zh")[0]
    assert "AGREED" not in reason


def test_the_other_sides_step_is_refused(sqlite_market: Any) -> None:
    negotiation = sqlite_market.request()
    with pytest.raises(ConflictError) as refused:
        sqlite_market.run(sqlite_market.consumer, "negotiation.agree", negotiation=negotiation)
    assert refused.value.code == "other-side"


def test_a_proposal_that_changes_nothing_is_refused(sqlite_market: Any) -> None:
    negotiation = sqlite_market.request(sqlite_market.offer(price_fen=700))
    with pytest.raises(InvalidInputError) as refused:
        sqlite_market.run(sqlite_market.provider, "negotiation.counter", negotiation=negotiation, price_fen=700)
    assert refused.value.code == "nothing-changed"


def test_terms_that_would_exclude_the_stated_purpose_cannot_be_proposed(sqlite_market: Any) -> None:
    negotiation = sqlite_market.request()
    with pytest.raises(InvalidInputError) as refused:
        sqlite_market.run(
            sqlite_market.provider, "negotiation.counter", negotiation=negotiation, template="purpose",
            parameters={"purposes": ["research"]},
        )  # fmt: skip
    assert refused.value.field == "purpose"


_MALFORMED: list[tuple[str, dict[str, Any]]] = [
    ("price_fen", {"price_fen": -1}),
    ("price_fen", {"price_fen": 10**12 + 1}),
    ("price_fen", {"price_fen": 1.5}),
    ("price_fen", {"price_fen": True}),
    ("template", {"template": "no-such-template"}),
    ("parameters", {"template": "n-times"}),
    ("parameters", {"template": "n-times", "parameters": {"count": 0}}),
    ("parameters", {"template": "n-times", "parameters": {"count": 2, "moon": 1}}),
    ("valid_until", {"valid_until": "tomorrow"}),
    ("valid_until", {"valid_until": "2030-01-01T00:00:00"}),
    ("valid_until", {"valid_until": "2020-01-01T00:00:00Z"}),
    ("valid_until", {"valid_until": "2999-01-01T00:00:00Z"}),
]


def test_malformed_proposals_name_the_field_and_the_mend(sqlite_market: Any) -> None:
    negotiation = sqlite_market.request()
    for field, given in _MALFORMED:
        with pytest.raises(InvalidInputError) as refused:
            sqlite_market.run(sqlite_market.provider, "negotiation.counter", negotiation=negotiation, **given)
        assert refused.value.field == field
        assert all(refused.value.text("zh"))
        assert all(refused.value.text("en"))


def test_an_end_that_passed_meanwhile_forbids_the_signature(sqlite_market: Any) -> None:
    negotiation = sqlite_market.request(valid_until="2030-01-01T00:00:00Z")
    yesterday = datetime.now(UTC) - timedelta(days=1)
    _change(sqlite_market, update(Negotiation).values(valid_until=yesterday))
    with pytest.raises(ConflictError) as refused:
        sqlite_market.run(sqlite_market.provider, "negotiation.agree", negotiation=negotiation)
    assert refused.value.code == "validity-passed"


def test_ending_needs_a_reason_of_sensible_length(sqlite_market: Any) -> None:
    negotiation = sqlite_market.request()
    for reason in ("", " x ", "y" * 2001):
        with pytest.raises(InvalidInputError):
            sqlite_market.run(sqlite_market.provider, "negotiation.terminate", negotiation=negotiation, reason=reason)
