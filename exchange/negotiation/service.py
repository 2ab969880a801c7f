"""Agree: the steps of a negotiation as operations, each one move of the Dataspace Protocol's state machine.

A consumer requests and counters and accepts and signs; a provider offers and agrees; either ends it. What finalizes a
negotiation is the funding of its agreement (exchange.settlement), under the mandate both sides signed.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from contracts.negotiation import Role, State
from exchange.access import Permission
from exchange.audit.service import timestamp
from exchange.catalog import service as catalog
from exchange.catalog.models import Dataset, Offer
from exchange.errors import ConflictError, InvalidInputError, NotFoundError
from exchange.negotiation import agreements
from exchange.negotiation.agreements import get_agreement, policy_of, price_fen, signed_document
from exchange.negotiation.models import AgreementRecord, Negotiation
from exchange.negotiation.moves import as_side, check_move, locked, move, text
from exchange.negotiation.purposes import require_understood
from exchange.negotiation.terms import Terms, propose
from exchange.participants.models import Participant
from exchange.steps import EXCHANGE, Step, operation

__all__ = [
    "accept", "agree", "counter", "end_agreement", "finalize", "get_agreement", "locked_agreement", "policy_of", "price_fen",
    "request", "require_not_frozen", "require_verified", "signed_document", "terminate", "text", "verify",
]  # fmt: skip

_SHORTEST_NEED = 10


@operation("negotiation.request", Permission.NEGOTIATION_REQUEST)
def request(
    step: Step,
    *,
    offer: str,
    purpose: str,
    intended_use: str = "",
    proposed_price_fen: int | None = None,
    proposed_template: str | None = None,
    proposed_parameters: dict[str, Any] | None = None,
    valid_until: str | None = None,
) -> dict[str, Any]:
    """Ask for an open offer, stating the purpose, and optionally other terms than the offer's (then REQUESTED).

    Raises NotFoundError for an offer that the actor cannot see, ConflictError for its own dataset or one that is not
    offered, InvalidInputError for a purpose that the terms do not allow, and for grade 2 without a stated need.
    """
    wanted = catalog.visible_offer(step.session, step.actor, offer)
    dataset = step.session.get_one(Dataset, wanted.dataset_id)
    _require_requestable(step, wanted, dataset)
    intended_use = _stated_need(dataset, intended_use)
    offered = Terms.of_offer(wanted)
    terms = propose(
        offered,
        step.effective,
        price_fen=proposed_price_fen,
        template=proposed_template,
        parameters=proposed_parameters,
        valid_until=valid_until,
    )
    negotiation = Negotiation(
        id=step.new_id(),
        offer_id=wanted.id,
        dataset_id=dataset.id,
        version_id=wanted.version_id,
        provider_id=wanted.participant_id,
        consumer_id=step.actor.participant,
        state="",
        purpose=require_understood(terms.policy, purpose, step.effective),
        intended_use=intended_use,
        created_at=step.now,
        updated_at=step.now,
    )
    terms.put_on_the_table(negotiation, "provider" if terms == offered else "consumer")
    fields = {"purpose": negotiation.purpose, "intended_use": intended_use, **_terms_fields(terms)}
    move(step, negotiation, State.REQUESTED, Role.CONSUMER, fields, terms=terms)
    return summary(negotiation)


@operation("negotiation.counter", Permission.NEGOTIATION_READ)
def counter(
    step: Step,
    *,
    negotiation: str,
    price_fen: int | None = None,
    template: str | None = None,
    parameters: dict[str, Any] | None = None,
    valid_until: str | None = None,
    note: str = "",
) -> dict[str, Any]:
    """Put other terms on the table: the provider's become an offer (OFFERED), the consumer's a request (REQUESTED).

    What is not given stays as it was last proposed; an empty `valid_until` leaves the end open. Raises
    InvalidInputError when nothing changes or a term is wrong, ConflictError when it is not this side's turn.
    """
    row = locked(step.session, step.actor.participant, negotiation)
    role = as_side(step, row)
    to = State.OFFERED if role is Role.PROVIDER else State.REQUESTED
    check_move(row, to, role)
    before = Terms.of_negotiation(row)
    terms = propose(
        before, step.effective, price_fen=price_fen, template=template, parameters=parameters, valid_until=valid_until
    )
    if terms == before:
        raise InvalidInputError(
            ("The proposal changes nothing.", "该提议没有任何变化。"),
            (
                "Change the price, the terms or the end, or accept what is on the table.",
                "请修改价格、条款或截止时间，或接受当前条款。",
            ),
            code="nothing-changed",
        )
    require_understood(terms.policy, row.purpose, step.effective)
    note = text("note", note)
    terms.put_on_the_table(row, str(role))
    move(step, row, to, role, _terms_fields(terms), terms=terms, note=note)
    return summary(row)


@operation("negotiation.accept", Permission.NEGOTIATION_REQUEST)
def accept(step: Step, *, negotiation: str) -> dict[str, Any]:
    """Accept the provider's offer on the table (ACCEPTED); the provider then signs."""
    row = locked(step.session, step.actor.participant, negotiation)
    role = as_side(step, row, Role.CONSUMER)
    move(step, row, State.ACCEPTED, role, {})
    return summary(row)


@operation("negotiation.agree", Permission.NEGOTIATION_ANSWER)
def agree(step: Step, *, negotiation: str) -> dict[str, Any]:
    """Approve the terms on the table: the agreement is made and signed by the provider (AGREED).

    Raises ConflictError when the state, a party, the dataset or its grade does not allow it any more.
    """
    row = locked(step.session, step.actor.participant, negotiation)
    role = as_side(step, row, Role.PROVIDER)
    check_move(row, State.AGREED, role)
    _require_signable(step, row)
    made = agreements.make(step, row)
    move(
        step,
        row,
        State.AGREED,
        role,
        {"agreement_id": made.id, "agreement_digest": made.digest},
        agreement=made.ledger_id,
        agreement_id=made.id,
    )
    return summary(row) | {"agreement": made.id, "digest": made.digest}


@operation("negotiation.verify", Permission.NEGOTIATION_REQUEST)
def verify(step: Step, *, negotiation: str) -> dict[str, Any]:
    """Verify the provider's signature and sign the agreement as the consumer (VERIFIED)."""
    row = locked(step.session, step.actor.participant, negotiation)
    role = as_side(step, row, Role.CONSUMER)
    check_move(row, State.VERIFIED, role)
    _require_signable(step, row)
    signed = agreements.of_negotiation(step.session, row)
    agreements.countersign(step, signed)
    move(
        step,
        row,
        State.VERIFIED,
        role,
        {"agreement_id": signed.id, "agreement_digest": signed.digest},
        agreement=signed.ledger_id,
        agreement_id=signed.id,
    )
    return summary(row) | {"agreement": signed.id, "digest": signed.digest}


@operation("negotiation.terminate", Permission.NEGOTIATION_READ)
def terminate(step: Step, *, negotiation: str, reason: str) -> dict[str, Any]:
    """End a negotiation with a reason that both sides see: decline, withdraw, or refuse to sign (TERMINATED)."""
    row = locked(step.session, step.actor.participant, negotiation)
    role = as_side(step, row)
    reason = text("reason", reason, shortest=2)
    check_move(row, State.TERMINATED, role)
    signed = step.session.scalar(
        select(AgreementRecord).where(AgreementRecord.negotiation_id == row.id).with_for_update(key_share=True)
    )
    row.reason = reason
    if signed is not None:
        end_agreement(step, signed)
    move(
        step,
        row,
        State.TERMINATED,
        role,
        {"reason": reason},
        agreement=signed.ledger_id if signed else None,
        agreement_id=signed.id if signed else None,
        note=reason,
    )
    return summary(row)


def finalize(step: Step, negotiation: Negotiation, agreement: AgreementRecord) -> None:
    """Put a funded agreement in force and finalize its negotiation; statement negotiation.finalized.

    The exchange signs for the provider, as the mandate in the agreement says. Called by settlement within the step
    that holds the money. Raises ConflictError unless the negotiation is VERIFIED.
    """
    move(
        step,
        negotiation,
        State.FINALIZED,
        Role.PROVIDER,
        {
            "agreement_id": agreement.id,
            "agreement_digest": agreement.digest,
            "signed_agreement_digest": agreements.signed_digest(agreement),
        },
        signer=EXCHANGE,
        agreement=agreement.ledger_id,
        agreement_id=agreement.id,
    )
    agreement.state, agreement.in_force_at = "in_force", step.now
    step.session.flush()


def end_agreement(step: Step, agreement: AgreementRecord) -> None:
    """End an agreement: nothing more is released under it. The statement of the step that ends it says why."""
    agreement.state = "terminated"
    step.session.flush()


def locked_agreement(
    session: Session, participant: str | None, agreement_id: str
) -> tuple[AgreementRecord, Negotiation]:
    """Return an agreement that `participant` is a side of and its negotiation, both locked. Raises NotFoundError."""
    found = session.scalar(
        select(AgreementRecord).where(
            AgreementRecord.id == agreement_id,
            or_(AgreementRecord.provider_id == participant, AgreementRecord.consumer_id == participant),
        )
    )
    if found is None or participant is None:
        raise NotFoundError()
    negotiation = locked(session, participant, found.negotiation_id)
    session.refresh(found, with_for_update={"key_share": True})
    return found, negotiation


def summary(negotiation: Negotiation) -> dict[str, Any]:
    """Return what every step answers: the negotiation, its state and the terms on the table."""
    return {
        "negotiation": negotiation.id,
        "state": negotiation.state,
        "price": negotiation.price,
        "terms_by": negotiation.terms_by,
        "valid_until": timestamp(negotiation.valid_until) if negotiation.valid_until else None,
    }


def _terms_fields(terms: Terms) -> dict[str, Any]:
    return {"terms": terms.to_json()}


def _require_requestable(step: Step, offer: Offer, dataset: Dataset) -> None:
    if offer.participant_id == step.actor.participant:
        raise ConflictError(
            ("This dataset is your own.", "这是贵机构自己的数据集。"),
            ("Request a dataset of another organisation.", "请申请其他机构的数据集。"),
            code="own-dataset",
        )
    if offer.state != "open" or dataset.state != "offered":
        raise ConflictError(
            ("This dataset is not offered at present.", "该数据集目前未上架。"),
            ("Look for another offer of it in the catalogue.", "请在目录中查找其他要约。"),
            code="not-offered",
        )
    _require_grade(dataset)


def _require_grade(dataset: Dataset) -> None:
    if dataset.grade is None or dataset.grade >= 3:
        raise ConflictError(
            (
                "Data of grade 3, or without a grade, is not traded on the exchange.",
                "三级数据或未定级的数据不在本平台流通。",
            ),
            ("Ask the provider for a version of a lower grade.", "请联系提供方提供较低级别的版本。"),
            code="grade-forbids",
        )


def _stated_need(dataset: Dataset, intended_use: str) -> str:
    if dataset.grade == 2 and len(intended_use.strip()) < _SHORTEST_NEED:
        raise InvalidInputError(
            (
                f"Data of grade 2 goes only to those who state their need, in {_SHORTEST_NEED} characters or more.",
                f"二级数据仅提供给说明需求的机构，说明不少于 {_SHORTEST_NEED} 个字符。",
            ),
            ("Say in one or two sentences what you will do with the data.", "请用一两句话说明数据的具体用途。"),
            field="intended_use",
            code="need-not-stated",
        )
    return text("intended_use", intended_use)


def require_verified(session: Session, firm: str) -> None:
    """Raise ConflictError unless a party is verified at present: with one that is not, nothing is signed, paid or delivered."""
    status = session.get_one(Participant, firm).status
    if status == "suspended":
        raise ConflictError(
            ("An organisation of this agreement is suspended.", "该协议的一方机构已被暂停。"),
            ("Wait until the operator lifts the suspension.", "请等待运营方解除暂停。"),
            code="participant-suspended",
        )
    if status != "verified":
        raise ConflictError(
            (f"An organisation of this agreement is {status}.", "该协议的一方机构目前未处于已核验状态。"),
            ("Wait until the operator has verified it.", "请等待运营方核验。"),
            code="participant-not-verified",
        )


def require_not_frozen(dataset: Dataset) -> None:
    """Raise ConflictError while a dispute over the rights freezes a dataset."""
    if dataset.state == "frozen":
        raise ConflictError(
            ("The dataset is frozen because its rights are disputed.", "该数据集因权属争议已被冻结。"),
            ("Wait for the decision on the dispute.", "请等待争议处理结果。"),
            code="dataset-frozen",
        )


def _require_signable(step: Step, negotiation: Negotiation) -> None:
    dataset = step.session.get_one(Dataset, negotiation.dataset_id)
    _require_grade(dataset)
    require_not_frozen(dataset)
    for firm in (negotiation.provider_id, negotiation.consumer_id):
        require_verified(step.session, firm)
    if negotiation.valid_until is not None and negotiation.valid_until <= step.effective:
        raise ConflictError(
            ("The end of the proposed validity has passed.", "所提议的有效期已过。"),
            ("Counter with a later end.", "请提出更晚的截止时间。"),
            code="validity-passed",
        )
