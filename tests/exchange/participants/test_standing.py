"""The standing of an organisation: verified, rejected, declared anew, suspended and reinstated; each with its reason on record."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select

from exchange.access import Actor
from exchange.audit.models import StatementIndex
from exchange.errors import ConflictError, ExchangeError, InvalidInputError, NotFoundError, PermissionDeniedError
from exchange.participants import facts, service
from exchange.participants.models import Participant
from ledger.entry import Opening

REASON = "The register entry belongs to another organisation."


def row(exchange: Any, actor: Actor) -> Participant:
    with exchange.operations.database.reading() as session:
        return session.get_one(Participant, actor.participant)


def opened(exchange: Any, firm: str, kind: str) -> dict[str, Any]:
    """Return what the newest statement of `kind` about a firm opens to."""
    log = exchange.operations.services.log
    with exchange.operations.database.reading() as session:
        query = select(StatementIndex.statement).where(StatementIndex.subject == firm, StatementIndex.kind == kind)
        statement = max(session.scalars(query))
    return {name: item.value for name, item in log.openings(statement).items() if isinstance(item, Opening)}


def test_an_operator_rejects_a_registration_with_a_reason_that_its_people_read(exchange: Any) -> None:
    owner = exchange.firm("Pending Works", verified=False)
    desk = exchange.client(exchange.staff("operator"))
    answer = desk.post(f"/api/v1/participants/{owner.participant}/rejection", json={"reason": REASON})
    assert (answer.status_code, answer.json["status"]) == (200, "rejected")
    assert len(answer.json["receipts"]) == 2
    seen = exchange.client(exchange.actor(owner.user)).get(f"/api/v1/participants/{owner.participant}").json
    assert (seen["status"], seen["status_reason"]) == ("rejected", REASON)
    assert opened(exchange, owner.participant, "participant.rejected")["reason"] == REASON
    with pytest.raises(PermissionDeniedError) as refused:
        exchange.operations.run(exchange.actor(owner.user), "catalog.create_dataset", title="Vibration")
    assert refused.value.code == "participant-rejected"
    with pytest.raises(ConflictError):
        exchange.operations.run(exchange.staff("operator"), "participants.verify", participant=owner.participant)


def test_who_of_the_exchange_decided_is_no_entry_of_the_firm(exchange: Any) -> None:
    owner = exchange.firm("Pending Works", verified=False)
    operator = exchange.staff("operator")
    outcome = exchange.operations.run(operator, "participants.reject", participant=owner.participant, reason=REASON)
    kinds = [exchange.operations.services.log.entry(receipt.index).kind for receipt in outcome.receipts]
    assert kinds == ["participant.rejected", "exchange.acted"]
    with exchange.operations.database.reading() as session:
        of_firm = session.scalars(select(StatementIndex.kind).where(StatementIndex.subject == owner.participant)).all()
    assert "exchange.acted" not in of_firm
    assert operator.user not in str(opened(exchange, owner.participant, "participant.rejected"))


@pytest.mark.parametrize("step", ["reject", "suspend", "reinstate", "verify"])
def test_only_an_operator_decides_about_standing(exchange: Any, step: str) -> None:
    owner = exchange.firm("Works", verified=step != "reject")
    given = {} if step == "verify" else {"reason": REASON}
    for nobody in (exchange.actor(owner.user), exchange.staff("auditor"), exchange.staff("supervisor"), Actor()):
        with pytest.raises(PermissionDeniedError):
            exchange.operations.run(nobody, f"participants.{step}", participant=owner.participant, **given)
    with pytest.raises(NotFoundError):
        exchange.operations.run(exchange.staff("operator"), f"participants.{step}", participant="urn:x", **given)


@pytest.mark.parametrize("reason", ["", " ", "x", "y" * 2001])
def test_no_decision_without_a_reason(sqlite_exchange: Any, reason: str) -> None:
    owner = sqlite_exchange.firm("Works")
    with pytest.raises(InvalidInputError) as refused:
        sqlite_exchange.operations.run(
            sqlite_exchange.staff("operator"), "participants.suspend", participant=owner.participant, reason=reason
        )
    assert refused.value.field == "reason"


def test_a_rejected_firm_declares_its_evidence_anew_and_waits_again(exchange: Any) -> None:
    owner = exchange.firm("Pending Works", verified=False)
    operator = exchange.staff("operator")
    exchange.operations.run(operator, "participants.reject", participant=owner.participant, reason=REASON)
    answer = exchange.client(exchange.actor(owner.user)).patch(
        "/api/v1/participants/me",
        json={"name": "Pending Works Limited", "evidence": "Extract of the register, number 42, of May."},
    )
    assert (answer.status_code, answer.json["status"], answer.json["waits"]) == (200, "pending", True), answer.text
    with exchange.operations.database.reading() as session:
        assert [firm.id for firm in service.pending(session)] == [owner.participant]
    exchange.operations.run(operator, "participants.verify", participant=owner.participant)
    assert (row(exchange, owner).status, row(exchange, owner).status_reason) == ("verified", "")
    assert opened(exchange, owner.participant, "participant.verified")["name"] == "Pending Works Limited"


def test_a_rejected_registration_does_not_keep_a_code_from_its_real_owner(exchange: Any) -> None:
    impostor = exchange.firm("Impostor", verified=False)
    operator = exchange.staff("operator")
    exchange.operations.run(operator, "participants.reject", participant=impostor.participant, reason=REASON)
    code = row(exchange, impostor).credit_code
    made = exchange.operations.run(
        Actor(), "participants.register", name="Real Owner", credit_code=code, evidence="Extract of the register, 7.",
        owner_name="Li", email="li@real.example", password_hash="x",
    )  # fmt: skip
    assert made.result["status"] == "pending"
    with pytest.raises(ConflictError) as refused:
        exchange.operations.run(
            exchange.actor(impostor.user), "participants.declare", evidence="We insist that it is ours."
        )
    assert refused.value.field == "credit_code"
    assert row(exchange, impostor).status == "rejected"


def test_one_code_registered_by_many_at_once_is_one_firm_and_a_clear_answer_to_the_others(exchange: Any) -> None:
    exchange.staff("operator")
    together = threading.Barrier(5)

    def register(number: int) -> str:
        together.wait(timeout=20)
        try:
            exchange.operations.run(
                Actor(), "participants.register", name=f"Works {number}", credit_code="91350100M000100Y43",
                evidence="Extract of the register, 7.", owner_name="Li", email=f"li{number}@works.example",
                password_hash="x",
            )  # fmt: skip
        except ExchangeError as error:
            return f"{error.code} {error.field}"
        return "registered"

    with ThreadPoolExecutor(5) as pool:
        outcomes = sorted(pool.map(register, range(5), timeout=60))
    assert outcomes == ["registered", *["registered-already credit_code"] * 4]


def test_facts_count_once_an_operator_verified_them_and_no_longer_when_they_are_declared_anew(exchange: Any) -> None:
    owner = exchange.firm("Works", verified=False, industry="C34", country="CN")
    assert facts.verified(row(exchange, owner)) == {}
    operator = exchange.staff("operator")
    exchange.operations.run(operator, "participants.verify", participant=owner.participant)
    assert facts.verified(row(exchange, owner)) == {"country": "CN", "industry": "C34"}
    stated = opened(exchange, owner.participant, "participant.verified")
    assert (stated["industry"], stated["country"]) == ("C34", "CN")

    owner = exchange.actor(owner.user)
    declared = exchange.operations.run(
        owner, "participants.declare", industry="c3411", evidence="Change of business scope, register entry 43."
    )
    assert declared.result["waits"]
    # The country stays what was verified; what changed is no fact, and the firm trades on.
    assert facts.verified(row(exchange, owner)) == {"country": "CN"}
    assert row(exchange, owner).status == "verified"
    with exchange.operations.database.reading() as session:
        assert [firm.id for firm in service.pending(session)] == [owner.participant]

    exchange.operations.run(operator, "participants.verify", participant=owner.participant, industry="C3411")
    assert facts.verified(row(exchange, owner)) == {"country": "CN", "industry": "C3411"}
    assert opened(exchange, owner.participant, "participant.verified")["industry"] == "C3411"
    with pytest.raises(ConflictError):
        exchange.operations.run(operator, "participants.verify", participant=owner.participant)


def test_a_declaration_that_changed_while_the_operator_looked_is_not_verified(exchange: Any) -> None:
    owner = exchange.firm("Works", verified=False, industry="C34")
    exchange.operations.run(
        owner, "participants.declare", industry="C35", evidence="Change of business scope, register entry 43."
    )
    desk = exchange.client(exchange.staff("operator"))
    answer = desk.post(f"/api/v1/participants/{owner.participant}/verification", json={"industry": "C34"})
    assert (answer.status_code, answer.json["code"]) == (409, "declaration-changed")
    assert row(exchange, owner).status == "pending"


def test_what_changes_needs_evidence_and_a_contact_does_not(exchange: Any) -> None:
    owner = exchange.firm("Works", industry="C34")
    for change in ({"industry": "C35"}, {"country": "DE"}):
        with pytest.raises(InvalidInputError) as refused:
            exchange.operations.run(owner, "participants.declare", **change)
        assert refused.value.field == "evidence"
    with pytest.raises(InvalidInputError) as refused:
        exchange.operations.run(owner, "participants.declare", name="Other Works", evidence="A new name, entry 9.")
    assert refused.value.field == "name"
    outcome = exchange.operations.run(owner, "participants.declare", contact="desk@works.example")
    assert not outcome.result["waits"]
    assert outcome.receipts == ()
    assert row(exchange, owner).contact == "desk@works.example"
    assert facts.verified(row(exchange, owner)) == {"country": "CN", "industry": "C34"}


@pytest.mark.parametrize(
    ("field", "value"),
    [("industry", "34"), ("industry", "Z99"), ("industry", "C3"), ("country", "XX"), ("country", "")],
)
def test_a_fact_has_a_form(sqlite_exchange: Any, field: str, value: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        sqlite_exchange.firm("Works", **{field: value})
    assert refused.value.field == field


def test_a_suspended_firm_may_look_and_nothing_else_until_it_is_reinstated(exchange: Any) -> None:
    owner = exchange.firm("Works")
    token = exchange.token(owner)
    client = exchange.app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    desk = exchange.client(exchange.staff("operator"))
    address = f"/api/v1/participants/{owner.participant}"
    assert desk.post(f"{address}/suspension", json={"reason": REASON}).json["status"] == "suspended"
    refused = client.post("/api/v1/datasets", json={"title": "Spindles"})
    assert (refused.status_code, refused.json["code"]) == (403, "participant-suspended")
    assert client.get(address).json["status_reason"] == REASON
    assert desk.post(f"{address}/suspension", json={"reason": REASON}).status_code == 409

    assert desk.post(f"{address}/reinstatement", json={"reason": "It was a mistake."}).json["status"] == "verified"
    assert client.post("/api/v1/datasets", json={"title": "Spindles"}).status_code == 201
    assert client.get(address).json["status_reason"] == ""
    assert opened(exchange, owner.participant, "participant.suspended")["reason"] == REASON
    assert opened(exchange, owner.participant, "participant.reinstated")["reason"] == "It was a mistake."


def test_offers_of_a_suspended_firm_are_not_found(exchange: Any) -> None:
    owner = exchange.firm("Works")
    stranger = exchange.client(exchange.firm("Other Works"))
    path = f"/api/v1/participants/{owner.participant}"
    assert stranger.get(path).json["status"] == "verified"
    exchange.operations.run(
        exchange.staff("operator"), "participants.suspend", participant=owner.participant, reason=REASON
    )
    seen = stranger.get(path).json
    assert seen["status"] == "suspended"
    # The reason is between the exchange and the firm.
    assert "status_reason" not in seen


def test_a_joining_signed_twice_at_once_is_one_and_the_other_learns_it(exchange: Any) -> None:
    import base64

    from contracts.sealing import EncryptionKey
    from exchange.errors import AwaitingSignatureError
    from ledger.signatures import SigningKey

    key, encryption = SigningKey.generate(), EncryptionKey.generate()
    owner = exchange.firm(
        "Own Keys", verified=False, custody="self-held", signing_public_key=base64.b64encode(key.public).decode(),
        encryption_public_key=base64.b64encode(encryption.public).decode(),
    )  # fmt: skip
    asked = []
    for _ in range(3):
        with pytest.raises(AwaitingSignatureError) as waiting:
            exchange.operations.run(owner, "participants.join")
        asked.append(waiting.value)
    together = threading.Barrier(3)

    def sign(request: AwaitingSignatureError) -> str:
        given = {
            item["digest"]: key.sign(item["domain"], base64.b64decode(item["payload"])) for item in request.payloads
        }
        together.wait(timeout=20)
        try:
            exchange.operations.give_signatures(owner, request.request_id, given)
        except ConflictError as error:
            return error.code
        return "joined"

    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(sign, asked, timeout=60)) == ["joined", "joined-already", "joined-already"]
    with exchange.operations.database.reading() as session:
        rows = session.scalars(select(StatementIndex.kind).where(StatementIndex.subject == owner.participant)).all()
    assert sorted(rows) == ["participant.joined", "participant.keys"]
