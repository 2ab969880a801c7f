"""Pay: top up, fund an agreement, release its escrow on acceptance, refund it when undelivered. Each exactly once.

Money moves only between accounts of the book; the bank stands outside behind the clearing account.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from exchange.access import Permission
from exchange.audit.service import record, timestamp
from exchange.catalog import service as catalog
from exchange.catalog.models import Dataset
from exchange.errors import ConflictError, InvalidInputError, NotFoundError
from exchange.negotiation import service as negotiations
from exchange.negotiation.models import AgreementRecord
from exchange.participants.models import Participant
from exchange.settlement import escrow
from exchange.settlement.book import CURRENCY, Leg, book, open_account, yuan
from exchange.settlement.escrow import delivered, refund, release, withheld
from exchange.settlement.models import AVAILABLE, CLEARING, Escrow, JournalEntry
from exchange.steps import EXCHANGE, Step, operation

__all__ = [
    "delivered",
    "fund",
    "reclaim",
    "refund",
    "refund_by_provider",
    "release",
    "top_up",
    "withheld",
]

LARGEST_TOP_UP_FEN = 10**12


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
    held = escrow.hold(step, signed)
    negotiations.finalize(step, negotiation, signed)
    return {
        "agreement": signed.id,
        "state": signed.state,
        "negotiation": negotiation.id,
        "escrow": held.id,
        "amount_fen": held.amount_fen,
        "currency": CURRENCY,
    }


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
        raise _nothing_held()
    return {"agreement": signed.id, "state": signed.state, "escrow_state": "refunded"}


@operation("settlement.reclaim", Permission.SETTLEMENT_PAY)
def reclaim(step: Step, *, agreement: str) -> dict[str, Any]:
    """Give the consumer its money back when nothing was delivered; the agreement ends.

    Allowed as soon as the version cannot be delivered any more, else once the acceptance window has passed since the
    money was held. Raises NotFoundError for strangers, ConflictError where it is too early or something was delivered.
    """
    signed, _ = negotiations.locked_agreement(step.session, step.actor.participant, agreement)
    held = step.session.scalar(select(Escrow).where(Escrow.agreement_id == signed.id, Escrow.state == "held"))
    if signed.consumer_id != step.actor.participant or held is None:
        raise _nothing_held()
    if held.release_due_at is not None:
        raise ConflictError(
            ("The data was delivered, so the money stays held.", "数据已交付，款项继续托管。"),
            ("Acknowledge the delivery, or ask the provider for a refund.", "请确认交付，或联系提供方退款。"),
            code="delivered",
        )
    free_from = held.held_at + timedelta(days=step.services.settings.acceptance_window_days)
    if step.now < free_from and _is_deliverable(step, signed):
        raise ConflictError(
            (
                f"The data can be delivered, so the money stays held until {timestamp(free_from)}.",
                f"数据可以交付，款项将托管至 {timestamp(free_from)}。",
            ),
            ("Start the delivery, or ask the provider for a refund.", "请开始交付，或联系提供方退款。"),
            code="too-early",
        )
    refund(step, signed, "never-delivered")
    return {"agreement": signed.id, "state": signed.state, "escrow_state": "refunded"}


def _is_deliverable(step: Step, agreement: AgreementRecord) -> bool:
    try:
        catalog.deliverable(step.services, step.session, catalog.get_version(step.session, agreement.version_id))
    except ConflictError:
        return False
    return True


def _require_fundable(step: Step, agreement: AgreementRecord) -> None:
    if agreement.state == "in_force" or _is_funded(step, agreement):
        raise ConflictError(
            ("This agreement is funded already.", "该协议已付款。"),
            ("Start the transfer.", "请发起交付。"),
            code="already-funded",
        )
    if agreement.state != "verified":
        raise ConflictError(
            ("An agreement is funded after both sides have signed it.", "双方签署后方可为协议付款。"),
            ("Sign it first, or start a new negotiation.", "请先签署，或重新发起协商。"),
            code="not-signed",
        )
    end = negotiations.signed_document(agreement).valid_until
    if end is not None and end <= step.effective:
        raise ConflictError(
            (f"This agreement ended at {timestamp(end)}.", f"该协议已于 {timestamp(end)} 到期。"),
            ("Start a new negotiation.", "请重新发起协商。"),
            code="agreement-ended",
        )
    for firm in (agreement.provider_id, agreement.consumer_id):
        negotiations.require_verified(step.session, firm)
    negotiations.require_not_frozen(step.session.get_one(Dataset, agreement.dataset_id))


def _is_funded(step: Step, agreement: AgreementRecord) -> bool:
    return step.session.scalar(select(Escrow.id).where(Escrow.agreement_id == agreement.id)) is not None


def _nothing_held() -> ConflictError:
    return ConflictError(
        ("Nothing is held for this agreement.", "该协议没有托管中的款项。"),
        ("See what was booked on the agreement's page.", "请在协议页面查看已入账的记录。"),
        code="nothing-held",
    )


def _require_amount(amount_fen: int) -> None:
    whole = isinstance(amount_fen, int) and not isinstance(amount_fen, bool)
    if not whole or not 0 < amount_fen <= LARGEST_TOP_UP_FEN:
        limit = yuan(LARGEST_TOP_UP_FEN)
        raise InvalidInputError(
            (f"An amount lies between ¥0.01 and ¥{limit}.", f"金额须介于 0.01 元与 {limit} 元之间。"),
            (
                "Write an amount above zero; the API takes it in fen, so that ¥12.50 is 1250.",
                "请填写大于零的金额；API 以分为单位，12.50 元为 1250。",
            ),
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
