"""Evidence bundles: which statements belong to an agreement, a dataset, a participant or a period, packed for offline verification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from exchange.access import Permission
from exchange.audit.anchoring.evidence import with_anchor
from exchange.audit.attestations import evidence as attestations
from exchange.audit.models import StatementIndex
from exchange.audit.service import internal, record, subjects_of
from exchange.steps import Services, Step, operation
from ledger.bundle import write_bundle
from ledger.succession import KEYS

_JOINING = ("participant.joined", "participant.keys", "participant.verified")
# Without these nobody could tell offline whose key signed a statement.
_ATTESTING = ("participant.keys", "participant.verified")
_OF_DATASET = ("dataset.rights_declared", "dataset.graded")
_OF_LISTING = (
    "dataset.version_published",
    "offer.published",
    "offer.withdrawn",
    "quality.reported",
    "valuation.reported",
)


def of_agreement(
    session: Session, *, agreement: Sequence[str], listing: Sequence[str], dataset: str, parties: Sequence[str]
) -> list[str]:
    """Return the ids of the statements that prove an agreement.

    These are its own and its negotiation's (`agreement`: the ids of both), those of its offer and version (`listing`), the
    declarations about the dataset as a whole, and how the parties joined.
    """
    return _select(
        session,
        StatementIndex.subject.in_(agreement),
        StatementIndex.subject.in_(listing) & StatementIndex.kind.in_(_OF_LISTING),
        (StatementIndex.subject == dataset) & StatementIndex.kind.in_(_OF_DATASET),
        StatementIndex.subject.in_(parties) & StatementIndex.kind.in_(_JOINING),
    )


def of_participant(session: Session, participant: str, *, all_of_it: bool = False) -> list[str]:
    """Return the ids of all statements that speak of a participant and are open to it; `all_of_it`: for the exchange's
    own people, with what the exchange noted of it and who looked at what is its own.
    """
    names = (participant, internal(participant)) if all_of_it else (participant,)
    return _select(session, StatementIndex.subject.in_(names))


def of_dataset(session: Session, dataset: str, owner: str) -> list[str]:
    """Return the ids of the statements about a dataset as it was listed, with its owner's keys."""
    return _select(
        session,
        (StatementIndex.subject == dataset) & StatementIndex.kind.in_(_OF_DATASET + _OF_LISTING),
        (StatementIndex.subject == owner) & StatementIndex.kind.in_(_JOINING),
    )


def of_period(session: Session, start: datetime, end: datetime) -> list[str]:
    """Return the ids of all statements made from `start` (included) to `end` (excluded), whoever they speak of."""
    return _select(session, (StatementIndex.at >= start) & (StatementIndex.at < end))


def _select(session: Session, *conditions: ColumnElement[bool]) -> list[str]:
    """Return the statements of any of the conditions, with those that attest the keys of everybody they speak of."""
    chosen = select(StatementIndex.statement).where(or_(*conditions))
    spoken_of = select(StatementIndex.subject).where(StatementIndex.statement.in_(chosen))
    attested = or_(
        StatementIndex.subject.in_(spoken_of) & StatementIndex.kind.in_(_ATTESTING), StatementIndex.kind == KEYS
    )
    rows = session.execute(
        select(StatementIndex.statement, StatementIndex.at)
        .where(or_(*conditions, attested))
        .distinct()
        .order_by(StatementIndex.at)
    )
    return list(dict.fromkeys(row.statement for row in rows))


def write(
    session: Session,
    services: Services,
    statements: Sequence[str],
    subject: Mapping[str, Any],
    target: Path,
    attachments: Mapping[str, bytes],
) -> Path:
    """Write the bundle zip to `target`, with what outsiders said of the log and an anchor, and return it."""
    policy, attested = attestations.evidence(session, services)
    attested = with_anchor(session, attested)
    write_bundle(
        target, services.log, list(statements), dict(subject), dict(attachments), policy=policy, attested=attested
    )
    return target


@operation("audit.read", Permission.AUDIT_READ)
def read_across(step: Step, *, statement: str) -> dict[str, Any]:
    """Record that somebody of the exchange opened what belongs to participants; promise 10 makes every such read an entry."""
    read = {"reader": step.actor.user, "statement": statement}
    record(step, "audit.read", read, concerns=subjects_of(step.session, statement))
    return {"statement": statement}


@operation("audit.export", Permission.AUDIT_READ)
def export_across(step: Step, *, subject: str, statements: int, concerns: list[str]) -> dict[str, Any]:
    """Record that somebody of the exchange took an evidence bundle of participants' entries; `concerns`: whose."""
    taken = {"reader": step.actor.user, "subject": subject, "statements": statements}
    record(step, "audit.exported", taken, concerns=concerns)
    return {"subject": subject}
