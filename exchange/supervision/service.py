"""Supervise: what the exchange's own roles see across firms, each look recorded; evidence for auditors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from exchange.access import Permission
from exchange.audit import bundles
from exchange.audit.service import record
from exchange.catalog.models import Dataset
from exchange.errors import NotFoundError
from exchange.negotiation import agreements as signed
from exchange.negotiation.models import AgreementRecord, Negotiation
from exchange.operations import Operations
from exchange.participants.models import Participant
from exchange.settlement.book import check_book
from exchange.steps import Step, operation
from exchange.transfer.models import TransferProcess


@dataclass(frozen=True)
class Overview:
    """The market in counts: how many of each thing stand in which state."""

    participants: dict[str, int]
    datasets: dict[str, int]
    negotiations: dict[str, int]
    agreements: dict[str, int]
    transfers: dict[str, int]
    book_faults: list[str]


def overview(session: Session) -> Overview:
    """Return counts by state, and what is wrong with the book (nothing, when money balances)."""
    return Overview(
        participants=_by_state(session, Participant.status),
        datasets=_by_state(session, Dataset.state),
        negotiations=_by_state(session, Negotiation.state),
        agreements=_by_state(session, AgreementRecord.state),
        transfers=_by_state(session, TransferProcess.state),
        book_faults=check_book(session),
    )


def _by_state(session: Session, column: Any) -> dict[str, int]:
    rows = session.execute(select(column, func.count()).group_by(column).order_by(column))
    return {str(state): int(count) for state, count in rows}


def agreements(session: Session) -> list[AgreementRecord]:
    """Return the newest agreements of all firms, for auditors."""
    return list(session.scalars(select(AgreementRecord).order_by(AgreementRecord.created_at.desc()).limit(200)))


@operation("audit.list_agreements", Permission.AUDIT_READ)
def list_agreements(step: Step) -> dict[str, Any]:
    """Record that somebody of the exchange looked at the agreements of all firms."""
    record(step, "audit.read", {"reader": step.actor.user, "what": "agreements"})
    return {}


def evidence(session: Session, agreement: str) -> tuple[list[str], dict[str, Any], dict[str, bytes]]:
    """Return (statements, subject, documents) of any agreement, for an auditor. Raises NotFoundError."""
    row = session.get(AgreementRecord, agreement)
    if row is None:
        raise NotFoundError()
    return signed.evidence(session, row)


def export(
    operations: Operations,
    target: Path,
    *,
    agreement: str | None = None,
    participant: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> int:
    """Write a bundle of an agreement, a participant or a period to `target`; record the export; return its statements.

    Raises NotFoundError where there is nothing of that name.
    """
    documents: dict[str, bytes] = {}
    with operations.database.reading() as session:
        if agreement:
            statements, subject, documents = evidence(session, agreement)
        elif participant:
            statements, subject = (
                bundles.of_participant(session, participant),
                {"kind": "participant", "id": participant},
            )
        elif start and end:
            statements = bundles.of_period(session, start, end)
            subject = {"kind": "period", "from": start.isoformat(), "to": end.isoformat()}
        else:
            statements, subject = [], {}
    if not statements:
        raise NotFoundError()
    operations.run_as_system(
        "audit.export", subject=str(subject.get("id", subject["kind"])), statements=len(statements)
    )
    bundles.write(operations.services, statements, subject, target, documents)
    return len(statements)
