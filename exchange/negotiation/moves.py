"""One move of a negotiation: the state machine is asked, the event kept and the statement recorded, in one place."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from contracts.errors import IllegalTransitionError
from contracts.negotiation import Role, State, allowed, transition
from contracts.odrl import parse
from contracts.odrl.limits import limits
from exchange.access import Permission
from exchange.audit.service import record, timestamp
from exchange.errors import ConflictError, InvalidInputError, NotFoundError, PermissionDeniedError
from exchange.negotiation.models import Negotiation, NegotiationEvent
from exchange.negotiation.terms import Terms
from exchange.steps import EXCHANGE, Step

_PERMISSION = {Role.PROVIDER: Permission.NEGOTIATION_ANSWER, Role.CONSUMER: Permission.NEGOTIATION_REQUEST}
# The steps whose statements speak of a signed agreement.
_AGREED = frozenset({State.AGREED, State.VERIFIED, State.FINALIZED})
LONGEST_TEXT = 2000

# Steps that are taken once, in the words for whoever takes one a second time.
_ONCE = {
    State.ACCEPTED: ("accepted", "接受"),
    State.AGREED: ("signed", "签署"),
    State.VERIFIED: ("signed", "签署"),
    State.FINALIZED: ("put in force", "使合约生效"),
    State.TERMINATED: ("ended", "终止"),
}
_SIDES = {"provider": "提供方", "consumer": "需求方", "exchange": "交易所"}


def role_of(negotiation: Negotiation, participant: str | None) -> Role:
    """Return the side that `participant` is on. Raises NotFoundError where it is on neither."""
    if participant is not None and participant == negotiation.provider_id:
        return Role.PROVIDER
    if participant is not None and participant == negotiation.consumer_id:
        return Role.CONSUMER
    raise NotFoundError()


def locked(session: Session, participant: str | None, negotiation_id: str) -> Negotiation:
    """Return a negotiation that `participant` is a side of, locked until the transaction ends. Raises NotFoundError."""
    found = session.scalar(
        select(Negotiation)
        .where(
            Negotiation.id == negotiation_id,
            or_(Negotiation.provider_id == participant, Negotiation.consumer_id == participant),
        )
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if found is None or participant is None:
        raise NotFoundError()
    return found


def as_side(step: Step, negotiation: Negotiation, *only: Role) -> Role:
    """Return the actor's side, having checked that it may act for that side.

    Raises NotFoundError for strangers, ConflictError where the step belongs to the other side, PermissionDeniedError
    where the person's roles or the token's scopes do not allow it.
    """
    role = role_of(negotiation, step.actor.participant)
    if only and role not in only:
        side = ("provider", "提供方") if Role.PROVIDER in only else ("consumer", "使用方")
        raise ConflictError(
            (f"Only the {side[0]} takes this step.", f"该步骤只能由{side[1]}进行。"),
            ("Wait for the other side.", "请等待对方操作。"),
            code="other-side",
        )
    if not step.actor.may(_PERMISSION[role]):
        raise PermissionDeniedError(
            (
                f"Your roles or scopes do not allow {_PERMISSION[role]}.",
                f"您的角色或令牌范围不具备权限 {_PERMISSION[role]}。",
            ),
            ("Ask an owner of your organisation for the role.", "请向贵机构的所有者申请相应角色。"),
        )
    return role


def check_move(negotiation: Negotiation, to: State, role: Role) -> None:
    """Raise ConflictError, naming what is allowed, unless `role` may move the negotiation to `to` now."""
    current = State(negotiation.state) if negotiation.state else None
    try:
        transition(current, to, role)
    except IllegalTransitionError as error:
        reason, mend = _done_already(negotiation, to) or (
            (error.text_en, error.text_zh),
            (error.mend_en, error.mend_zh),
        )
        raise ConflictError(
            reason,
            mend,
            code="illegal-transition",
            details={
                "state": negotiation.state,
                "to": str(to),
                "role": str(role),
                "allowed": sorted(str(state) for state in allowed(current, role)),
            },
        ) from error


def _done_already(negotiation: Negotiation, to: State) -> tuple[tuple[str, str], tuple[str, str]] | None:
    """Return who took this step before, in another window or as a colleague, and what to do; None where nobody did."""
    done = next((event for event in negotiation.events if event.state == str(to)), None) if to in _ONCE else None
    if done is None:
        return None
    at = f"{done.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    en, zh = _ONCE[to]
    who = (f"{done.user_name} ({done.role})", f"{done.user_name}（{_SIDES[done.role]}）")
    if not done.user_name or done.role == "exchange":
        who = ("the exchange", "交易所")
    return (
        (f"This was {en} already: by {who[0]} at {at}.", f"{who[1]}已于 {at} {zh}。"),
        (
            "Nothing is to be done again; load the page anew and see what comes next.",
            "无需重复操作；请刷新页面查看下一步。",
        ),
    )


def move(
    step: Step,
    negotiation: Negotiation,
    to: State,
    role: Role,
    fields: dict[str, Any],
    *,
    signer: str | None = None,
    agreement: str | None = None,
    agreement_id: str | None = None,
    note: str = "",
    terms: Terms | None = None,
) -> None:
    """Move `negotiation` (a new one has the state "") to `to` for `role`: state, event and signed statement.

    `fields` join those that every statement of a negotiation carries; those of an agreement also carry its limits.
    `signer` defaults to the side's participant; EXCHANGE signs what happens under the agreement's mandate. `agreement`
    is the ledger id, from AGREED on.
    Raises ConflictError on a step that the protocol does not allow.
    """
    check_move(negotiation, to, role)
    negotiation.state, negotiation.updated_at = str(to), step.now
    step.session.add(negotiation)
    step.session.flush()
    side = negotiation.provider_id if role is Role.PROVIDER else negotiation.consumer_id
    on_the_table = terms or Terms.of_negotiation(negotiation)
    statement = record(
        step,
        f"negotiation.{to.lower()}",
        _common_fields(negotiation, role, on_the_table) | fields | (_limits(on_the_table) if to in _AGREED else {}),
        signer=signer or side,
        agreement=agreement,
        subjects=[
            negotiation.id,
            negotiation.provider_id,
            negotiation.consumer_id,
            negotiation.dataset_id,
            *([agreement_id] if agreement_id else []),
        ],
    )
    step.session.add(
        NegotiationEvent(
            negotiation_id=negotiation.id,
            number=_next_number(step.session, negotiation.id),
            at=step.now,
            role="exchange" if signer == EXCHANGE else str(role),
            user_name=step.actor.name,
            state=str(to),
            note=note,
            terms=terms.to_json() if terms else None,
            statement=statement,
        )
    )
    step.session.flush()


def _common_fields(negotiation: Negotiation, role: Role, terms: Terms) -> dict[str, Any]:
    return {
        "negotiation": negotiation.id,
        "role": str(role),
        "provider": negotiation.provider_id,
        "consumer": negotiation.consumer_id,
        "offer": negotiation.offer_id,
        "dataset": negotiation.dataset_id,
        "dataset_version": negotiation.version_id,
        "terms_digest": terms.digest(),
        "plan_digest": terms.plan_digest,
        "price_fen": terms.price["amount_fen"],
    }


def _limits(terms: Terms) -> dict[str, Any]:
    """Return the limits of an agreement as plain data, which an auditor checks without reading its policy."""
    found = limits(parse(terms.policy))
    return {
        "uses": found.uses,
        "use_until": timestamp(found.until) if found.until else None,
        "valid_until": timestamp(terms.valid_until) if terms.valid_until else None,
    }


def _next_number(session: Session, negotiation_id: str) -> int:
    last = session.scalar(
        select(func.max(NegotiationEvent.number)).where(NegotiationEvent.negotiation_id == negotiation_id)
    )
    return (last or 0) + 1


def text(field: str, value: str, *, shortest: int = 0) -> str:
    """Return `value` without outer blanks. Raises InvalidInputError when it is too short or too long."""
    cleaned = value.strip()
    if not shortest <= len(cleaned) <= LONGEST_TEXT:
        raise InvalidInputError(
            (
                f"This needs {shortest} to {LONGEST_TEXT} characters.",
                f"此处需要 {shortest} 至 {LONGEST_TEXT} 个字符。",
            ),
            ("Write one or two plain sentences.", "请用一两句话说明。"),
            field=field,
        )
    return cleaned
