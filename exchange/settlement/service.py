"""Pay: top up, fund an agreement, release its escrow on acceptance, refund it when undelivered. Each exactly once.

Money moves only between accounts of the book; the bank stands outside behind the clearing account. What settles an
escrow is one conditional UPDATE of its row, so two steps at once cannot both pay, and the journal's unique key is the
second lock on the same door.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from exchange.access import Permission
from exchange.audit.service import record, timestamp
from exchange.catalog import service as catalog
from exchange.catalog.models import Dataset
from exchange.errors import ConflictError, InvalidInputError, NotFoundError
from exchange.negotiation import service as negotiations
from exchange.negotiation.agreements import price_fen
from exchange.negotiation.models import AgreementRecord
from exchange.participants.models import Participant
from exchange.settlement.book import CURRENCY, Leg, book, open_account, yuan
from exchange.settlement.fees import fee_fen
from exchange.settlement.models import AVAILABLE, CLEARING, ESCROW, FEE, Escrow, JournalEntry
from exchange.steps import EXCHANGE, Step, operation

LARGEST_TOP_UP_FEN = 10**12
_BATCH = 100


@operation("settlement.top_up", Permission.TOP_UP)
def top_up(step: Step, *, participant: str, amount_fen: int, reference: str, note: str = "") -> dict[str, Any]:
    """Book money that arrived at the exchange's bank, under the bank's `reference`, for a verified participant.

    Raises InvalidInputError on amount or reference, ConflictError when the reference is booked already.
    """
    owner = step.session.get(Participant, participant)
    if owner is None:
        raise NotFoundError()
    if owner.status != "verified":
        raise ConflictError(
            ("Money is booked for verified organisations only.", "只能为已核验的机构入账。"),
            ("Verify the organisation first.", "请先核验该机构。"),
            code="participant-not-verified",
        )
    _require_amount(amount_fen)
    reference = _require_reference(reference)
    key = f"top_up/{reference}"
    if step.session.scalar(select(JournalEntry.id).where(JournalEntry.key == key)):
        raise ConflictError(
            (f"The bank reference {reference} is booked already.", f"银行流水号 {reference} 已入账。"),
            ("Look it up in the journal; a transfer is booked once.", "请在日记账中查找；同一笔汇款只入账一次。"),
            field="reference",
            code="already-booked",
        )
    available = open_account(step, owner.id, AVAILABLE)
    legs = [Leg(open_account(step, EXCHANGE, CLEARING), -amount_fen), Leg(available, amount_fen)]
    entry_id = step.new_id()
    statement = record(
        step,
        "account.topped_up",
        {
            "participant": owner.id,
            "amount_fen": amount_fen,
            "currency": CURRENCY,
            "reference": reference,
            "booked_by": step.actor.user or "",
            "journal_entry": entry_id,
            "postings": [leg.to_json() for leg in legs],
        },
        subjects=[owner.id, available.id],
    )
    book(
        step, "top_up", key, legs, entry_id=entry_id, statement=statement, reference=reference, note=note.strip()[:500]
    )
    return {
        "journal_entry": entry_id,
        "participant": owner.id,
        "account": available.id,
        "amount_fen": amount_fen,
        "balance_fen": available.balance_fen,
        "currency": CURRENCY,
    }


@operation("settlement.fund", Permission.SETTLEMENT_PAY)
def fund(step: Step, *, agreement: str) -> dict[str, Any]:
    """Hold the price of a verified agreement in escrow and put the agreement in force, in one transaction.

    The dataset version must be deliverable before any money is held. Raises NotFoundError unless the actor is the
    consumer, ConflictError when the agreement cannot be funded (again), BalanceTooSmallError with the missing amount.
    """
    signed, negotiation = negotiations.locked_agreement(step.session, step.actor.participant, agreement)
    if signed.consumer_id != step.actor.participant:
        raise ConflictError(
            ("The consumer of an agreement funds it.", "协议由使用方付款。"),
            ("Wait for the other side.", "请等待对方操作。"),
            code="other-side",
        )
    _require_fundable(step, signed)
    catalog.deliverable(step.services, step.session, catalog.get_version(step.session, signed.version_id))
    amount = price_fen(signed)
    hold = Escrow(
        id=step.new_id(),
        agreement_id=signed.id,
        consumer_id=signed.consumer_id,
        provider_id=signed.provider_id,
        amount_fen=amount,
        currency=CURRENCY,
        state="held",
        held_at=step.now,
    )
    step.session.add(hold)
    step.session.flush()
    legs = []
    if amount:
        available = open_account(step, signed.consumer_id, AVAILABLE)
        legs = [Leg(available, -amount), Leg(open_account(step, signed.consumer_id, ESCROW, signed.id), amount)]
    _record_and_book(step, signed, hold, kind="hold", event="held", legs=legs)
    negotiations.finalize(step, negotiation, signed)
    return {
        "agreement": signed.id,
        "state": signed.state,
        "negotiation": negotiation.id,
        "escrow": hold.id,
        "amount_fen": amount,
        "currency": CURRENCY,
    }


def delivered(step: Step, agreement: AgreementRecord) -> None:
    """Start the acceptance window of a held escrow at the first delivery; later deliveries do not move it."""
    window = timedelta(days=step.services.settings.acceptance_window_days)
    step.session.execute(
        update(Escrow)
        .where(Escrow.agreement_id == agreement.id, Escrow.state == "held", Escrow.release_due_at.is_(None))
        .values(release_due_at=step.now + window)
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


@operation("settlement.refund", Permission.TRANSFER_CONTROL)
def refund_by_provider(step: Step, *, agreement: str, reason: str) -> dict[str, Any]:
    """Refund the consumer because the provider does not deliver; the agreement ends.

    Raises NotFoundError for strangers, ConflictError where the actor is not the provider or nothing is held any more.
    """
    reason = negotiations.text("reason", reason, shortest=2)[:500]
    signed, _ = negotiations.locked_agreement(step.session, step.actor.participant, agreement)
    if signed.provider_id != step.actor.participant:
        raise ConflictError(
            ("The provider of an agreement refunds it.", "协议由提供方退款。"),
            ("Ask the provider to refund it.", "请联系提供方退款。"),
            code="other-side",
        )
    if not _is_funded(step, signed) or not refund(step, signed, reason):
        raise ConflictError(
            ("Nothing is held for this agreement.", "该协议没有托管中的款项。"),
            ("See what was booked on the agreement's page.", "请在协议页面查看已入账的记录。"),
            code="nothing-held",
        )
    return {"agreement": signed.id, "state": signed.state, "escrow_state": "refunded"}


@operation("settlement.release_due", None)
def release_due(step: Step) -> dict[str, Any]:
    """Release every escrow whose acceptance window has passed (at most 100 a run); a timer calls this."""
    released = [row.id for row in _due(step, Escrow.release_due_at <= step.now) if release(step, row, "window-passed")]
    return {"released": released}


@operation("settlement.refund_due", None)
def refund_due(step: Step) -> dict[str, Any]:
    """Refund every escrow whose agreement ended before anything was delivered (at most 100 a run); a timer calls this."""
    lapsed = (AgreementRecord.valid_until <= step.now) & Escrow.release_due_at.is_(None)
    refunded = [row.id for row in _due(step, lapsed) if refund(step, row, "never-delivered")]
    return {"refunded": refunded}


def _due(step: Step, condition: Any) -> list[AgreementRecord]:
    rows = step.session.scalars(
        select(AgreementRecord)
        .join(Escrow, Escrow.agreement_id == AgreementRecord.id)
        .where(Escrow.state == "held", condition)
        .order_by(AgreementRecord.id)
        .limit(_BATCH)
    )
    return list(rows)


def _settle(step: Step, agreement: AgreementRecord, state: str, reason: str) -> Escrow | None:
    """Take the escrow from held to `state`, or return None where another step settled it; one of them wins."""
    # Every step that settles takes the agreement first, so that two of them never wait for each other in a circle.
    step.session.execute(select(AgreementRecord.id).where(AgreementRecord.id == agreement.id).with_for_update())
    taken = step.session.execute(
        update(Escrow)
        .where(Escrow.agreement_id == agreement.id, Escrow.state == "held")
        .values(state=state, settled_at=step.now, reason=reason[:500])
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


def _require_fundable(step: Step, agreement: AgreementRecord) -> None:
    if agreement.state == "in_force" or _is_funded(step, agreement):
        raise ConflictError(
            ("This agreement is funded already.", "该协议已付款。"),
            ("Start the transfer.", "请开始传输。"),
            code="already-funded",
        )
    if agreement.state != "verified":
        raise ConflictError(
            ("An agreement is funded after both sides have signed it.", "双方签署后方可为协议付款。"),
            ("Sign it first, or start a new negotiation.", "请先签署，或重新发起协商。"),
            code="not-signed",
        )
    if agreement.valid_until is not None and agreement.valid_until <= step.now:
        raise ConflictError(
            (
                f"This agreement ended at {timestamp(agreement.valid_until)}.",
                f"该协议已于 {timestamp(agreement.valid_until)} 到期。",
            ),
            ("Start a new negotiation.", "请重新发起协商。"),
            code="agreement-ended",
        )
    dataset = step.session.get_one(Dataset, agreement.dataset_id)
    if dataset.state == "frozen":
        raise ConflictError(
            ("The dataset is frozen because its rights are disputed.", "该数据集因权属争议已被冻结。"),
            ("Wait for the decision on the dispute.", "请等待争议处理结果。"),
            code="dataset-frozen",
        )


def _is_funded(step: Step, agreement: AgreementRecord) -> bool:
    return step.session.scalar(select(Escrow.id).where(Escrow.agreement_id == agreement.id)) is not None


def _require_amount(amount_fen: int) -> None:
    whole = isinstance(amount_fen, int) and not isinstance(amount_fen, bool)
    if not whole or not 0 < amount_fen <= LARGEST_TOP_UP_FEN:
        limit = yuan(LARGEST_TOP_UP_FEN)
        raise InvalidInputError(
            (f"An amount is a whole number of fen from 1 to ¥{limit}.", f"金额须为 1 分至 ¥{limit} 之间的整数分。"),
            ("Give the amount in fen: ¥12.50 is 1250.", "请以分为单位填写：12.50 元为 1250。"),
            field="amount_fen",
        )


def _require_reference(reference: str) -> str:
    cleaned = reference.strip()
    if not (1 <= len(cleaned) <= 100 and cleaned.isprintable()):
        raise InvalidInputError(
            ("The bank's reference has 1 to 100 printable characters.", "银行流水号须为 1 至 100 个可打印字符。"),
            ("Copy it from the bank statement.", "请从银行对账单中复制。"),
            field="reference",
        )
    return cleaned
