"""What the sides of a negotiation may read: lists, the whole course of one, whose turn it is and what they may do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import Session, selectinload

from contracts.negotiation import Role, State, allowed
from exchange.access import Actor, Permission
from exchange.catalog.models import Offer
from exchange.errors import InvalidInputError, NotFoundError
from exchange.negotiation.models import AgreementRecord, Negotiation, NegotiationEvent
from exchange.negotiation.moves import role_of
from exchange.negotiation.terms import Difference, Terms, differences

PAGE = 50

# Who moves next, apart from ending it. VERIFIED waits for the consumer's money, which finalizes it.
_NEXT = {
    State.REQUESTED: Role.PROVIDER,
    State.OFFERED: Role.CONSUMER,
    State.ACCEPTED: Role.PROVIDER,
    State.AGREED: Role.CONSUMER,
    State.VERIFIED: Role.CONSUMER,
}
_ACTIONS = {
    (Role.PROVIDER, State.AGREED): "agree",
    (Role.PROVIDER, State.OFFERED): "counter",
    (Role.CONSUMER, State.ACCEPTED): "accept",
    (Role.CONSUMER, State.REQUESTED): "counter",
    (Role.CONSUMER, State.VERIFIED): "verify",
    (Role.PROVIDER, State.TERMINATED): "terminate",
    (Role.CONSUMER, State.TERMINATED): "terminate",
}


@dataclass(frozen=True)
class Step:
    """One step in the course of a negotiation, with what it changed in the terms."""

    event: NegotiationEvent
    changes: tuple[Difference, ...]


@dataclass(frozen=True)
class Page:
    """Rows of a list, newest first, and the cursor of the next page."""

    rows: tuple[Any, ...]
    next: str | None


def get(session: Session, actor: Actor, negotiation_id: str) -> Negotiation:
    """Return a negotiation that the actor's firm is a side of, with its events. Raises NotFoundError."""
    found = session.scalar(
        select(Negotiation)
        .where(Negotiation.id == negotiation_id, _is_side(Negotiation, actor))
        .options(selectinload(Negotiation.events))
    )
    if found is None:
        raise NotFoundError()
    return found


def negotiations(
    session: Session,
    actor: Actor,
    *,
    role: str | None = None,
    state: str | None = None,
    cursor: str | None = None,
    limit: int = PAGE,
) -> Page:
    """Return the firm's negotiations, last changed first: as `role` provider (incoming) or consumer (outgoing), or both."""
    return _page(
        session, actor, Negotiation, Negotiation.updated_at, role=role, state=state, cursor=cursor, limit=limit
    )


def waiting(session: Session, actor: Actor) -> dict[str, int]:
    """Return how many negotiations wait for the firm as provider and as consumer."""
    found = {}
    for role in (Role.PROVIDER, Role.CONSUMER):
        turn = Negotiation.state.in_([str(state) for state, side in _NEXT.items() if side is role])
        query = select(func.count()).select_from(Negotiation).where(_is_side(Negotiation, actor, role), turn)
        found[str(role)] = session.scalar(query) or 0
    return found


def agreements(
    session: Session,
    actor: Actor,
    *,
    role: str | None = None,
    state: str | None = None,
    cursor: str | None = None,
    limit: int = PAGE,
) -> Page:
    """Return the firm's agreements, newest first, as `role` provider or consumer, or both."""
    return _page(
        session, actor, AgreementRecord, AgreementRecord.created_at, role=role, state=state, cursor=cursor, limit=limit
    )


def course(negotiation: Negotiation, offered: dict[str, Any] | None = None) -> list[Step]:
    """Return the steps so far, each with the difference to the terms before it (to the offer's, for the first)."""
    steps, before = [], offered
    for event in negotiation.events:
        changes: tuple[Difference, ...] = ()
        if event.terms is not None:
            changes = differences(before, event.terms) if before is not None else ()
            before = event.terms
        steps.append(Step(event, changes))
    return steps


def offer_terms(session: Session, negotiation: Negotiation) -> dict[str, Any]:
    """Return the terms that the offer states, to compare the first request with."""
    return Terms.of_offer(session.get_one(Offer, negotiation.offer_id)).to_json()


def versions(negotiation: Negotiation) -> list[NegotiationEvent]:
    """Return the events that put terms on the table, oldest first."""
    return [event for event in negotiation.events if event.terms is not None]


def last_change(negotiation: Negotiation) -> tuple[Difference, ...]:
    """Return how the terms on the table differ from those proposed just before them."""
    changes: tuple[Difference, ...] = ()
    for before, after in pairwise(versions(negotiation)):
        changes = differences(before.terms or {}, after.terms or {})
    return changes


def next_side(negotiation: Negotiation) -> Role | None:
    """Return who must act next, None where it has ended."""
    return _NEXT.get(State(negotiation.state))


def actions(negotiation: Negotiation, actor: Actor) -> frozenset[str]:
    """Return what the actor may do now: agree, counter, accept, verify, terminate, fund.

    These are the steps that the protocol allows the actor's side in this state and that the actor's roles allow.
    Raises NotFoundError for strangers.
    """
    role = role_of(negotiation, actor.participant)
    state = State(negotiation.state)
    needed = Permission.NEGOTIATION_ANSWER if role is Role.PROVIDER else Permission.NEGOTIATION_REQUEST
    found = {_ACTIONS[role, to] for to in allowed(state, role) if (role, to) in _ACTIONS and actor.may(needed)}
    if state is State.VERIFIED and role is Role.CONSUMER and actor.may(Permission.SETTLEMENT_PAY):
        found.add("fund")
    return frozenset(found)


def _is_side(model: type[Negotiation | AgreementRecord], actor: Actor, role: str | None = None) -> Any:
    if actor.participant is None:
        raise NotFoundError()
    if role == Role.PROVIDER:
        return model.provider_id == actor.participant
    if role == Role.CONSUMER:
        return model.consumer_id == actor.participant
    return or_(model.provider_id == actor.participant, model.consumer_id == actor.participant)


def _page(
    session: Session,
    actor: Actor,
    model: type[Negotiation | AgreementRecord],
    moment: Any,
    *,
    role: str | None,
    state: str | None,
    cursor: str | None,
    limit: int,
) -> Page:
    """Return the rows of `model` that the actor's firm is a side of, the latest `moment` first."""
    query: Select[Any] = select(model).where(_is_side(model, actor, role))
    if state:
        query = query.where(model.state == state)
    if cursor:
        at, last = _parse(cursor)
        query = query.where(or_(moment < at, and_(moment == at, model.id < last)))
    rows: Sequence[Any] = session.scalars(query.order_by(moment.desc(), model.id.desc()).limit(limit + 1)).all()
    if len(rows) <= limit:
        return Page(tuple(rows), None)
    last_row = rows[limit - 1]
    return Page(tuple(rows[:limit]), f"{getattr(last_row, moment.key).isoformat()}~{last_row.id}")


def _parse(cursor: str) -> tuple[datetime, str]:
    at, _, last = cursor.partition("~")
    try:
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None or not last:
            raise ValueError(cursor)
    except ValueError as error:
        raise InvalidInputError(
            ("This is not a cursor of this list.", "这不是该列表的游标。"),
            ("Use the `next` of the page before.", "请使用上一页返回的 next。"),
            field="cursor",
        ) from error
    return moment, last
