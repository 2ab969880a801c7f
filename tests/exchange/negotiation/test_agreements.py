"""Agreements stay as they were signed, whoever tries to change them; self-held keys sign them too."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from contracts.agreement import SignedAgreement, verify
from contracts.errors import AgreementError
from contracts.sealing import EncryptionKey
from exchange.errors import AwaitingSignatureError, ConflictError
from exchange.negotiation import agreements
from exchange.negotiation.models import FIXED, AgreementRecord, ImmutableError, NegotiationEvent
from ledger.signatures import SigningKey


def _write(market: Any, change: Callable[[Session], None]) -> None:
    with market.exchange.operations.database.writing() as session:
        change(session)
        session.flush()


def test_the_model_refuses_to_alter_what_was_signed(sqlite_market: Any) -> None:
    agreement = sqlite_market.signed()
    for column, value in {
        "document": b"{}",
        "digest": "sha256:0",
        "consumer_id": "urn:x",
        "provider_signature": {},
    }.items():
        with pytest.raises(ImmutableError, match=column):
            _write(
                sqlite_market,
                lambda session, c=column, v=value: setattr(session.get_one(AgreementRecord, agreement), c, v),
            )


def test_the_model_refuses_to_replace_a_signature_or_to_remove_a_row(sqlite_market: Any) -> None:
    agreement = sqlite_market.signed()

    def forge(session: Session) -> None:
        session.get_one(AgreementRecord, agreement).consumer_signature = {"forged": True}

    with pytest.raises(ImmutableError, match="consumer_signature"):
        _write(sqlite_market, forge)
    for model in (AgreementRecord, NegotiationEvent):
        with pytest.raises(ImmutableError):
            _write(sqlite_market, lambda session, m=model: session.delete(session.scalars(select(m)).first()))


def test_the_database_refuses_to_alter_any_signed_column(market: Any) -> None:
    market.signed()
    past = datetime(2020, 1, 1, tzinfo=UTC)
    changed = dict.fromkeys(FIXED, "urn:x") | {"document": b"{}", "provider_signature": {"forged": True}}
    changed |= dict.fromkeys(("valid_from", "valid_until", "created_at"), past)
    for column, value in changed.items():
        statement = update(AgreementRecord).values({column: value})
        with pytest.raises(IntegrityError, match="does not change"):
            _write(market, lambda session, statement=statement: session.execute(statement))


def test_the_database_refuses_forged_signatures_and_lost_rows(market: Any) -> None:
    market.signed()
    for statement in (
        "UPDATE agreement SET consumer_signature = '{}'",
        "DELETE FROM agreement",
        "UPDATE negotiation_event SET note = 'changed'",
        "DELETE FROM negotiation_event",
    ):
        with pytest.raises(IntegrityError):
            _write(market, lambda session, statement=statement: session.execute(text(statement)))


def test_an_ended_agreement_does_not_come_back(market: Any) -> None:
    negotiation, agreement = market.agreed()
    market.run(market.provider, "negotiation.terminate", negotiation=negotiation, reason="A mistake in the price.")
    statement = update(AgreementRecord).where(AgreementRecord.id == agreement).values(state="agreed")
    with pytest.raises(IntegrityError):
        _write(market, lambda session: session.execute(statement))


def test_the_exported_file_verifies_offline_and_a_changed_one_does_not(sqlite_market: Any) -> None:
    agreement = sqlite_market.signed()
    exported = json.loads(agreements.signed_json(sqlite_market.agreement(agreement)))
    assert verify(SignedAgreement.from_json(exported)).id == agreement
    exported["agreement"]["price"]["amount_fen"] = 1
    with pytest.raises(AgreementError):
        verify(SignedAgreement.from_json(exported))


def test_a_file_with_one_signature_is_not_in_force(sqlite_market: Any) -> None:
    _, agreement = sqlite_market.agreed()
    exported = json.loads(agreements.signed_json(sqlite_market.agreement(agreement)))
    with pytest.raises(AgreementError, match="consumer"):
        verify(SignedAgreement.from_json(exported))


def test_the_consumer_does_not_sign_a_document_that_the_provider_did_not(
    sqlite_market: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    negotiation, _ = sqlite_market.agreed()
    forged = base64.b64encode(bytes(64)).decode()
    kept = agreements._signature

    monkeypatch.setattr(agreements, "_signature", lambda stored: kept(stored | {"signature": forged}))
    with pytest.raises(ConflictError) as refused:
        sqlite_market.run(sqlite_market.consumer, "negotiation.verify", negotiation=negotiation)
    assert refused.value.code == "signature-invalid"
    assert sqlite_market.negotiation(negotiation).state == "AGREED"


def test_a_self_held_key_signs_the_agreement_and_the_statement_before_anything_happens(market: Any, visit: Any) -> None:
    exchange, key = market.exchange, SigningKey.generate()
    owner = exchange.firm(
        "Own Keys Ltd",
        custody="self-held",
        signing_public_key=base64.b64encode(key.public).decode(),
        encryption_public_key=base64.b64encode(EncryptionKey.generate().public).decode(),
    )
    _sign(exchange, owner, key, "participants.join")
    exchange.operations.run(exchange.staff("operator"), "participants.verify", participant=owner.participant)
    owner = exchange.actor(owner.user)
    market.provider = owner
    negotiation = market.request(market.offer())
    with pytest.raises(AwaitingSignatureError) as waiting:
        market.run(owner, "negotiation.agree", negotiation=negotiation)
    assert market.negotiation(negotiation).state == "REQUESTED"
    assert {payload["domain"] for payload in waiting.value.payloads} == {"agreement-provider", "statement"}

    page = visit(exchange, owner).post(f"/negotiations/{negotiation}/agree")
    assert page.status_code == 202
    assert "exchange sign" in page.text

    outcome = _give(exchange, owner, key, waiting.value)
    assert outcome.result["state"] == "AGREED"
    view = agreements.signatures(market.agreement(outcome.result["agreement"]))[0]
    assert (view.custody, view.ok) == ("self-held", True)


def _sign(exchange: Any, actor: Any, key: SigningKey, name: str, **arguments: Any) -> Any:
    with pytest.raises(AwaitingSignatureError) as waiting:
        exchange.operations.run(actor, name, **arguments)
    return _give(exchange, actor, key, waiting.value)


def _give(exchange: Any, actor: Any, key: SigningKey, waiting: AwaitingSignatureError) -> Any:
    """Sign what waits, as often as the step asks: a key signs nothing that it was not shown."""
    signatures = {
        payload["digest"]: key.sign(payload["domain"], base64.b64decode(payload["payload"]))
        for payload in waiting.payloads
    }
    return exchange.operations.give_signatures(actor, waiting.request_id, signatures)
