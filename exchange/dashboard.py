"""What waits for a member on the start page: steps of the journey where the next move is theirs, and a few figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from exchange.access import Actor, Permission
from exchange.audit.models import SignatureRequest
from exchange.catalog.models import Dataset
from exchange.negotiation import queries
from exchange.negotiation.models import AgreementRecord, Negotiation
from exchange.negotiation.moves import role_of
from exchange.participants import service as participants
from exchange.settlement import queries as settlement
from exchange.transfer.models import TransferProcess

_SHOWN = 8


@dataclass(frozen=True)
class Waiting:
    """One thing that waits: what it is (a key of the page's texts), whom or what it is about, and its id."""

    kind: str
    about: str
    id: str


@dataclass(frozen=True)
class Dashboard:
    """What waits for the reader, why the firm is not verified, and its figures (None where the role may not see them)."""

    waiting: tuple[Waiting, ...]
    reason: str = ""
    listed: int | None = None
    agreements: int | None = None
    available_fen: int | None = None


def of(session: Session, actor: Actor) -> Dashboard:
    """Return the dashboard of a signed-in person."""
    if actor.participant is None:
        firms = participants.pending(session) if actor.may(Permission.VERIFY_PARTICIPANT) else []
        return Dashboard(tuple(Waiting("verify-firm", firm.name, firm.id) for firm in firms[:_SHOWN]))
    waiting = [*_signatures(session, actor)]
    if actor.may(Permission.NEGOTIATION_READ):
        waiting += [*_negotiations(session, actor), *_deliveries(session, actor), *_drafts(session, actor)]
    return Dashboard(
        tuple(waiting),
        reason=participants.own(session, actor).status_reason,
        listed=_count(session, Dataset.participant_id == actor.participant, Dataset.state == "offered")
        if actor.may(Permission.DATASET_READ)
        else None,
        agreements=_agreements(session, actor) if actor.may(Permission.NEGOTIATION_READ) else None,
        available_fen=settlement.available_fen(session, actor) if actor.may(Permission.SETTLEMENT_READ) else None,
    )


def _count(session: Session, *conditions: Any) -> int:
    return session.scalar(select(func.count()).select_from(Dataset).where(*conditions)) or 0


def _agreements(session: Session, actor: Actor) -> int:
    mine = (AgreementRecord.provider_id == actor.participant) | (AgreementRecord.consumer_id == actor.participant)
    query = select(func.count()).select_from(AgreementRecord).where(mine, AgreementRecord.state == "in_force")
    return session.scalar(query) or 0


def _signatures(session: Session, actor: Actor) -> list[Waiting]:
    query = (
        select(SignatureRequest)
        .where(SignatureRequest.participant == actor.participant, SignatureRequest.state == "awaiting_signature")
        .order_by(SignatureRequest.id)
        .limit(_SHOWN)
    )
    return [Waiting("sign", row.operation, row.id) for row in session.scalars(query)]


def _negotiations(session: Session, actor: Actor) -> list[Waiting]:
    """Return the negotiations whose next move is the firm's, and which this person may make."""
    kinds = {"agree": "answer", "accept": "answer", "verify": "countersign", "fund": "fund"}
    found: list[tuple[str, Negotiation]] = []
    for row in queries.negotiations(session, actor).rows:
        if queries.next_side(row) == role_of(row, actor.participant):
            acts = queries.actions(row, actor)
            kind = next((kinds[act] for act in kinds if act in acts), None)
            if kind:
                found.append((kind, row))
    titles = _titles(session, {row.dataset_id for _, row in found})
    return [Waiting(kind, titles[row.dataset_id], row.id) for kind, row in found[:_SHOWN]]


def _deliveries(session: Session, actor: Actor) -> list[Waiting]:
    if not actor.may(Permission.TRANSFER_REQUEST):
        return []
    query = (
        select(TransferProcess)
        .where(TransferProcess.consumer_id == actor.participant, TransferProcess.state == "STARTED")
        .order_by(TransferProcess.created_at)
        .limit(_SHOWN)
    )
    rows = list(session.scalars(query))
    titles = _titles(session, {row.dataset_id for row in rows})
    return [Waiting("fetch", titles[row.dataset_id], row.id) for row in rows]


def _drafts(session: Session, actor: Actor) -> list[Waiting]:
    if not actor.may(Permission.DATASET_WRITE):
        return []
    query = (
        select(Dataset)
        .where(Dataset.participant_id == actor.participant, Dataset.state == "draft")
        .order_by(Dataset.id.desc())
        .limit(_SHOWN)
    )
    return [Waiting("finish-listing", row.title, row.id) for row in session.scalars(query)]


def _titles(session: Session, identifiers: set[str]) -> dict[str, str]:
    rows = session.execute(select(Dataset.id, Dataset.title).where(Dataset.id.in_(identifiers)))
    return {row.id: row.title for row in rows}
