"""Escrow: what is held, released and refunded, each exactly once.

What settles an escrow is one conditional UPDATE of its row, so two steps at once cannot both pay, and the journal's
unique key is the second lock on the same door. The later steps of the journey call these within their own operations.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from exchange.audit.service import record
from exchange.errors import NotFoundError
from exchange.negotiation import service as negotiations
from exchange.negotiation.models import AgreementRecord
from exchange.settlement.book import CURRENCY, Leg, book, open_account
from exchange.settlement.fees import fee_fen
from exchange.settlement.models import AVAILABLE, ESCROW, FEE, Escrow
from exchange.steps import EXCHANGE, Step


def hold(step: Step, agreement: AgreementRecord) -> Escrow:
    """Hold the signed price of `agreement`, zero for a free plan; statement escrow.held.

    Raises ConflictError unless both sides have signed it, BalanceTooSmallError with the missing amount. Requires that nothing
    was held for it before.
    """
    amount = negotiations.price_fen(negotiations.signed_document(agreement))
    held = Escrow(
        id=step.new_id(),
        agreement_id=agreement.id,
        consumer_id=agreement.consumer_id,
        provider_id=agreement.provider_id,
        amount_fen=amount,
        currency=CURRENCY,
        state="held",
        held_at=step.now,
    )
    step.session.add(held)
    step.session.flush()
    legs = []
    if amount:
        legs = [
            Leg(open_account(step, agreement.consumer_id, AVAILABLE), -amount),
            Leg(open_account(step, agreement.consumer_id, ESCROW, agreement.id), amount),
        ]
    _record_and_book(step, agreement, held, kind="hold", event="held", legs=legs)
    return held


def delivered(step: Step, agreement: AgreementRecord) -> None:
    """Start the acceptance window of a held escrow at the first delivery; later deliveries do not move it."""
    window = timedelta(days=step.services.settings.acceptance_window_days)
    step.session.execute(
        update(Escrow)
        .where(Escrow.agreement_id == agreement.id, Escrow.state == "held", Escrow.release_due_at.is_(None))
        .values(release_due_at=step.effective + window)
    )


def withheld(step: Step, agreement: AgreementRecord) -> None:
    """Stop the acceptance window: the provider suspended or ended what it had begun to deliver."""
    step.session.execute(
        update(Escrow)
        .where(Escrow.agreement_id == agreement.id, Escrow.state == "held")
        .values(release_due_at=None)
        .execution_options(synchronize_session=False)
    )


def release(step: Step, agreement: AgreementRecord, reason: str = "accepted") -> bool:
    """Pay the escrow of `agreement` out to the provider, less the exchange's fee; statement escrow.released.

    Returns True when this call paid, False when the escrow was settled before: an acknowledgement may come twice.
    Raises NotFoundError where the agreement was never funded.
    """
    settled = _settle(step, agreement, "released", reason)
    if settled is None:
        return False
    legs, fee = [], fee_fen(settled.amount_fen)
    if settled.amount_fen:
        legs = [
            Leg(open_account(step, settled.consumer_id, ESCROW, agreement.id), -settled.amount_fen),
            Leg(open_account(step, settled.provider_id, AVAILABLE), settled.amount_fen - fee),
        ]
        charged = open_account(step, EXCHANGE, FEE)
        legs += [Leg(charged, fee)] if fee else []
    _record_and_book(
        step, agreement, settled, kind="release", event="released", legs=legs, fields={"reason": reason, "fee_fen": fee}
    )
    return True


def refund(step: Step, agreement: AgreementRecord, reason: str) -> bool:
    """Give the escrow of an undelivered `agreement` back to the consumer and end the agreement; escrow.refunded.

    Returns True when this call paid, False when the escrow was settled before. Raises NotFoundError where the
    agreement was never funded.
    """
    settled = _settle(step, agreement, "refunded", reason)
    if settled is None:
        return False
    legs = []
    if settled.amount_fen:
        legs = [
            Leg(open_account(step, settled.consumer_id, ESCROW, agreement.id), -settled.amount_fen),
            Leg(open_account(step, settled.consumer_id, AVAILABLE), settled.amount_fen),
        ]
    _record_and_book(step, agreement, settled, kind="refund", event="refunded", legs=legs, fields={"reason": reason})
    negotiations.end_agreement(step, agreement)
    return True


def _settle(step: Step, agreement: AgreementRecord, state: str, reason: str) -> Escrow | None:
    """Take the escrow from held to `state`, or return None where another step settled it; one of them wins."""
    # Every step that settles takes the agreement first, so that two of them never wait for each other in a circle.
    step.session.execute(
        select(AgreementRecord.id).where(AgreementRecord.id == agreement.id).with_for_update(key_share=True)
    )
    taken = step.session.execute(
        update(Escrow)
        .where(Escrow.agreement_id == agreement.id, Escrow.state == "held")
        .values(state=state, settled_at=step.now, reason=reason[:500], fault=None, retry_at=None)
        .returning(Escrow.id)
        .execution_options(synchronize_session=False)
    ).scalar_one_or_none()
    row = step.session.scalar(
        select(Escrow).where(Escrow.agreement_id == agreement.id).execution_options(populate_existing=True)
    )
    if row is None:
        raise NotFoundError(("This agreement was never funded.", "该协议尚未付款。"))
    return row if taken else None


def _record_and_book(
    step: Step,
    agreement: AgreementRecord,
    escrow: Escrow,
    *,
    kind: str,
    event: str,
    legs: list[Leg],
    fields: dict[str, Any] | None = None,
) -> None:
    """Record the movement and book it; a free plan is recorded, and books nothing."""
    entry_id = step.new_id()
    statement = record(
        step,
        f"escrow.{event}",
        {
            "agreement_id": agreement.id,
            "escrow": escrow.id,
            "provider": escrow.provider_id,
            "consumer": escrow.consumer_id,
            "amount_fen": escrow.amount_fen,
            "currency": escrow.currency,
            "journal_entry": entry_id if legs else None,
            "postings": [leg.to_json() for leg in legs],
            **(fields or {}),
        },
        agreement=agreement.ledger_id,
        subjects=[agreement.id, agreement.dataset_id, escrow.provider_id, escrow.consumer_id],
    )
    if legs:
        key = f"{kind}/{agreement.id}"
        book(step, kind, key, legs, entry_id=entry_id, statement=statement, agreement_id=agreement.id)
