"""What a provider withholds it is not paid for; who is suspended, and what is frozen, delivers nothing."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from exchange.catalog.models import Dataset
from exchange.errors import ConflictError, PermissionDeniedError
from exchange.participants.models import Participant
from exchange.settlement.models import Escrow


def escrow(trade: Any, agreement: str) -> Escrow:
    with trade.exchange.operations.database.reading() as session:
        return session.scalar(select(Escrow).where(Escrow.agreement_id == agreement))


def test_a_suspension_by_the_provider_stops_the_acceptance_window_and_resuming_starts_it(trade: Any) -> None:
    agreement = trade.agreement()
    transfer = trade.started(agreement)
    assert escrow(trade, agreement).release_due_at is not None
    trade.run(trade.provider, "transfer.suspend", transfer=transfer, reason="maintenance")
    assert escrow(trade, agreement).release_due_at is None
    trade.run(trade.provider, "transfer.resume", transfer=transfer)
    assert escrow(trade, agreement).release_due_at is not None


def test_a_delivery_ended_by_its_provider_gives_the_money_back(trade: Any) -> None:
    agreement = trade.agreement()
    transfer = trade.started(agreement)
    trade.run(trade.provider, "transfer.terminate", transfer=transfer, reason="a mistake in the data")
    assert escrow(trade, agreement).state == "refunded"
    assert trade.agreement_row(agreement).state == "terminated"


def test_a_delivery_ended_by_its_consumer_keeps_the_money_held(trade: Any) -> None:
    agreement = trade.agreement()
    transfer = trade.started(agreement)
    trade.run(trade.consumer, "transfer.terminate", transfer=transfer, reason="not needed")
    held = escrow(trade, agreement)
    assert held.state == "held"
    assert held.release_due_at is not None


def test_a_buyers_role_ends_no_delivery_of_its_own_firm_as_provider(trade: Any) -> None:
    transfer = trade.started()
    person = trade.exchange.person(trade.provider, "buyer")
    with pytest.raises(PermissionDeniedError):
        trade.run(person, "transfer.terminate", transfer=transfer, reason="not mine to end")


@pytest.mark.parametrize(
    ("model", "field", "state"), [(Participant, "status", "suspended"), (Dataset, "state", "frozen")]
)
def test_nothing_is_delivered_for_a_suspended_firm_or_of_a_frozen_dataset(
    trade: Any, model: type, field: str, state: str
) -> None:
    agreement = trade.agreement()
    row = trade.agreement_row(agreement)
    subject = row.provider_id if model is Participant else row.dataset_id
    with trade.changing(model, subject) as changed:
        before = getattr(changed, field)
        setattr(changed, field, state)
    try:
        with pytest.raises(ConflictError):
            trade.request(agreement)
    finally:
        with trade.changing(model, subject) as changed:
            setattr(changed, field, before)
    assert trade.used(agreement) == 0
