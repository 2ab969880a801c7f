"""The policy decision at an access: what the exchange knows of the world, put before the pure evaluator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.odrl import Decision, Deny, Permit, Request, World, evaluate
from contracts.odrl.limits import limits
from exchange.catalog.models import Dataset
from exchange.errors import ConflictError, PolicyDeniedError
from exchange.negotiation import service as negotiation
from exchange.negotiation.models import AgreementRecord
from exchange.participants import facts
from exchange.participants.models import Participant
from exchange.settlement.models import Escrow
from exchange.steps import Step
from exchange.transfer.models import UsageCounter

ACTION = "use"
FORMAT = "application/vnd.apache.parquet"
_OPERANDS = {"country": "spatial", "industry": "industry"}


def decide(session: Session, agreement: AgreementRecord, at: datetime, *, taken: bool = False) -> Decision:
    """Decide whether `agreement` permits its consumer to use the dataset at `at`.

    Policy, purpose and recipient are those of the signed document. `taken`: the use was counted already when the transfer
    started, so this is a part of it and counts as none. Raises ConflictError where the document is not what was signed.
    """
    signed = negotiation.signed_document(agreement)
    counter = session.get(UsageCounter, (agreement.id, ACTION))
    consumer = session.get_one(Participant, signed.consumer)
    used = (counter.used if counter else 0) - (1 if taken else 0)
    request = Request(
        action=ACTION,
        assignee=signed.consumer,
        target=signed.dataset,
        purpose=signed.purpose,
        recipient=signed.consumer,
        at=at,
        attributes={"fileFormat": FORMAT},
    )
    world = World(
        counts={ACTION: max(0, used)},
        agreement_start=agreement.in_force_at,
        first_use=counter.first_use if counter else None,
        paid_fen=_paid(session, agreement) or 0,
        attributes=_verified_facts(consumer),
    )
    return evaluate(negotiation.policy_of(agreement), request, world)


@dataclass(frozen=True)
class NextUse:
    """What asking for one more use would come to: its number, how many are agreed on (None: any), and what would refuse it."""

    number: int
    agreed: int | None
    refusal: ConflictError | None = None
    reasons: tuple[dict[str, Any], ...] = ()

    @property
    def permitted(self) -> bool:
        return self.refusal is None and not self.reasons


def next_use(session: Session, agreement: AgreementRecord, at: datetime) -> NextUse:
    """Return what a request for a use would be answered at `at`, without asking for it; the answer binds nobody."""
    counter = session.get(UsageCounter, (agreement.id, ACTION))
    number = (counter.used if counter else 0) + 1
    agreed = limits(negotiation.policy_of(agreement), ACTION).uses
    try:
        require_in_force(session, agreement, at)
        decided = decide(session, agreement, at)
    except ConflictError as error:
        return NextUse(number, agreed, refusal=error)
    return NextUse(number, agreed, reasons=tuple(reasons_json(decided)) if isinstance(decided, Deny) else ())


def _verified_facts(consumer: Participant) -> Mapping[str, Any]:
    """What an organisation says of itself is no fact before an operator has verified it; a policy that asks for it denies."""
    known = facts.verified(consumer)
    return {operand: known[fact] for fact, operand in _OPERANDS.items() if fact in known}


def _paid(session: Session, agreement: AgreementRecord) -> int | None:
    """Return what the consumer has paid in fen, None where nothing is held for the agreement, or no longer."""
    escrow = session.scalar(select(Escrow).where(Escrow.agreement_id == agreement.id))
    return escrow.amount_fen if escrow is not None and escrow.state in {"held", "released"} else None


def require_in_force(session: Session, agreement: AgreementRecord, at: datetime) -> None:
    """Raise ConflictError unless the agreement is in force, valid by what was signed, and paid, both firms are verified, and the
    dataset is not frozen.
    """
    _require_parties(session, agreement)
    if agreement.state != "in_force":
        raise ConflictError(
            (f"The agreement is {agreement.state}, not in force.", f"协议状态为 {agreement.state}，尚未生效或已终止。"),
            ("Both parties must sign and the price must be held in escrow first.", "须先由双方签署并完成托管付款。"),
            code="agreement-not-in-force",
        )
    signed = negotiation.signed_document(agreement)
    if at < signed.valid_from:
        raise ConflictError(
            ("The agreement's validity has not begun.", "协议有效期尚未开始。"),
            ("Wait for its first moment.", "请等待协议生效时间。"),
            code="agreement-not-begun",
        )
    if signed.valid_until is not None and at >= signed.valid_until:
        raise ConflictError(
            ("The agreement's validity has ended.", "协议有效期已结束。"),
            ("Negotiate a new agreement.", "请重新协商新的协议。"),
            code="agreement-expired",
        )
    paid = _paid(session, agreement)
    if paid is None or paid < negotiation.price_fen(signed):
        raise ConflictError(
            ("The signed price is not held for this agreement.", "该协议的签署价款未处于托管状态。"),
            ("Fund the agreement, or ask the operator.", "请为协议付款，或联系运营方。"),
            code="agreement-not-paid",
        )


def _require_parties(session: Session, agreement: AgreementRecord) -> None:
    for firm in (agreement.consumer_id, agreement.provider_id):
        negotiation.require_verified(session, firm)
    negotiation.require_not_frozen(session.get_one(Dataset, agreement.dataset_id))


def lock_counter(step: Step, agreement: AgreementRecord) -> UsageCounter:
    """Return the agreement's counter, locked until the transaction ends, so that N uses give N under any number of requests.

    Requires that the caller holds the agreement's own row: two first uses could otherwise both insert the counter.
    """
    counter = step.session.scalar(
        select(UsageCounter)
        .where(UsageCounter.agreement_id == agreement.id, UsageCounter.action == ACTION)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if counter is None:
        counter = UsageCounter(agreement_id=agreement.id, action=ACTION, used=0)
        step.session.add(counter)
        step.session.flush()
    return counter


def reasons_json(denial: Deny) -> list[dict[str, Any]]:
    """Return the reasons of a denial as JSON: rule, operand, operator, expected, actual, and the words in both languages."""
    # The names are those of the rest of the API.
    return [{"left_operand": reason.left_operand, **reason.to_json()} for reason in denial.reasons]


def obligations_json(permit: Permit) -> list[dict[str, Any]]:
    """Return the obligations that a permission carries as JSON."""
    return [obligation.to_json() for obligation in permit.obligations]


def denied(reasons: list[dict[str, Any]]) -> PolicyDeniedError:
    """Return the error that tells a caller why the policy denies."""
    return PolicyDeniedError(
        ("The usage policy of the agreement does not permit this access.", "协议的使用策略不允许此次访问。"),
        ("See the reasons; negotiate other terms where you need more.", "请查看原因；如需更多权限，请重新协商条款。"),
        reasons,
    )
