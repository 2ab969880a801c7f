"""Joining: credit codes, pending firms, verification, roles."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from sqlalchemy import select

from contracts.sealing import EncryptionKey
from exchange.access import Actor, Permission
from exchange.audit.models import SignatureRequest
from exchange.errors import (
    AwaitingSignatureError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    PermissionDeniedError,
)
from exchange.participants import credit_code
from ledger.signatures import SigningKey


@pytest.mark.parametrize("code", ["91350100M000100Y43", "91110108772551611J"])
def test_real_credit_codes_are_accepted(code: str) -> None:
    assert credit_code.normalise(code.lower()) == code


@pytest.mark.parametrize(
    "code", ["91350100M000100Y44", "91350100M000100Y4", "9135O100M000100Y43", "", "91350100M000100Y433"]
)
def test_mistyped_credit_codes_are_refused_by_name(code: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        credit_code.normalise(code)
    assert refused.value.field == "credit_code"
    assert all(refused.value.reason)


def test_a_firm_joins_pending_and_is_recorded_under_its_own_key(exchange: Any) -> None:
    owner = exchange.firm("华东轴承", verified=False)
    assert owner.status == "pending"
    kinds = [entry.kind for entry in exchange.operations.services.log.entries(0, 10)]
    assert kinds == ["log.opened", "participant.joined", "participant.keys"]


def test_a_pending_firm_may_neither_publish_nor_request(exchange: Any) -> None:
    owner = exchange.firm("Pending Works", verified=False)
    assert not {Permission.DATASET_WRITE, Permission.OFFER_WRITE, Permission.NEGOTIATION_REQUEST} & owner.permissions
    with pytest.raises(PermissionDeniedError) as refused:
        exchange.operations.run(owner, "catalog.create_dataset", title="Vibration")
    assert refused.value.code == "participant-not-verified"


def test_verification_lets_a_firm_act_and_happens_once(exchange: Any) -> None:
    owner = exchange.firm("Verified Works")
    assert exchange.actor(owner.user).status == "verified"
    with pytest.raises(ConflictError):
        exchange.operations.run(exchange.staff("operator"), "participants.verify", participant=owner.participant)


def test_only_an_operator_verifies(exchange: Any) -> None:
    pending = exchange.firm("Pending Works", verified=False)
    for nobody in (pending, exchange.staff("auditor"), exchange.staff("supervisor"), Actor()):
        with pytest.raises(PermissionDeniedError):
            exchange.operations.run(nobody, "participants.verify", participant=pending.participant)


def test_a_credit_code_and_an_address_are_registered_once(exchange: Any) -> None:
    exchange.firm("First")
    exchange._made -= 1
    with pytest.raises(ConflictError) as refused:
        exchange.firm("Second")
    assert refused.value.field == "credit_code"


def test_nothing_of_a_refused_registration_stays(exchange: Any) -> None:
    size = exchange.operations.services.log.size()
    with pytest.raises(InvalidInputError):
        exchange.firm("Broken", custody="self-held", signing_public_key="AAAA", encryption_public_key="AAAA")
    assert exchange.operations.services.log.size() == size
    exchange._made -= 1
    assert exchange.firm("Broken", verified=False).status == "pending"


def test_a_self_held_key_signs_its_joining_before_anyone_can_verify_it(exchange: Any) -> None:
    signing, encryption = SigningKey.generate(), EncryptionKey.generate()
    owner = exchange.firm(
        "Own Keys", verified=False, custody="self-held",
        signing_public_key=base64.b64encode(signing.public).decode(),
        encryption_public_key=base64.b64encode(encryption.public).decode(),
    )  # fmt: skip
    with pytest.raises(ConflictError):
        exchange.operations.run(exchange.staff("operator"), "participants.verify", participant=owner.participant)
    before = exchange.operations.services.log.size()
    with pytest.raises(AwaitingSignatureError) as waiting:
        exchange.operations.run(owner, "participants.join")
    assert exchange.operations.services.log.size() == before, "a waiting step has no effect"

    payloads = waiting.value.payloads
    wrong = {
        item["digest"]: SigningKey.generate().sign(item["domain"], base64.b64decode(item["payload"]))
        for item in payloads
    }
    with pytest.raises(InvalidInputError) as refused:
        exchange.operations.give_signatures(owner, waiting.value.request_id, wrong)
    assert refused.value.code == "wrong-signature"

    right = {item["digest"]: signing.sign(item["domain"], base64.b64decode(item["payload"])) for item in payloads}
    outcome = exchange.operations.give_signatures(owner, waiting.value.request_id, right)
    assert [entry.kind for entry in exchange.operations.services.log.entries(before, 99)] == [
        "participant.joined",
        "participant.keys",
    ]
    assert outcome.receipts
    exchange.operations.run(exchange.staff("operator"), "participants.verify", participant=owner.participant)
    with pytest.raises(ConflictError):
        exchange.operations.give_signatures(owner, waiting.value.request_id, right)


def test_a_stranger_cannot_give_signatures_for_another_firm(exchange: Any) -> None:
    signing, encryption = SigningKey.generate(), EncryptionKey.generate()
    owner = exchange.firm(
        "Own Keys", verified=False, custody="self-held",
        signing_public_key=base64.b64encode(signing.public).decode(),
        encryption_public_key=base64.b64encode(encryption.public).decode(),
    )  # fmt: skip
    with pytest.raises(AwaitingSignatureError) as waiting:
        exchange.operations.run(owner, "participants.join")
    with pytest.raises(NotFoundError):
        exchange.operations.give_signatures(exchange.firm("Other"), waiting.value.request_id, {})


def test_a_colleague_brings_the_signatures_of_a_step_and_no_secret_of_it_stays(exchange: Any) -> None:
    signing, encryption = SigningKey.generate(), EncryptionKey.generate()
    owner = exchange.firm(
        "Own Keys", verified=False, custody="self-held",
        signing_public_key=base64.b64encode(signing.public).decode(),
        encryption_public_key=base64.b64encode(encryption.public).decode(),
    )  # fmt: skip

    def asked(step: Any) -> tuple[str, dict[str, bytes]]:
        with pytest.raises(AwaitingSignatureError) as waiting:
            step()
        return waiting.value.request_id, {
            item["digest"]: signing.sign(item["domain"], base64.b64decode(item["payload"]))
            for item in waiting.value.payloads
        }

    def add(email: str) -> Any:
        person = {"name": "Colleague", "email": email, "password_hash": "x", "roles": ["owner"]}
        return lambda: exchange.operations.run(owner, "participants.add_user", **person)

    joining, _ = asked(lambda: exchange.operations.run(owner, "participants.join"))
    again, signatures = asked(lambda: exchange.operations.give_signatures(owner, joining, {}))
    with pytest.raises(ConflictError):
        exchange.operations.give_signatures(owner, joining, signatures)
    exchange.operations.give_signatures(owner, again, signatures)

    request, signatures = asked(add("first@firm.example"))
    colleague = exchange.actor(exchange.operations.give_signatures(owner, request, signatures).result["user"])
    request, signatures = asked(add("second@firm.example"))
    assert exchange.operations.give_signatures(colleague, request, signatures).result["roles"] == ["owner"]
    with exchange.operations.database.reading() as session:
        kept = session.scalars(select(SignatureRequest)).all()
        assert sorted(item.state for item in kept) == ["done", "done", "done", "superseded"]
        assert [(item.seed, item.arguments) for item in kept] == [(b"", {})] * 4
