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
from exchange.audit.erasure import erase
from exchange.audit.service import record, timestamp
from exchange.catalog.models import Dataset
from exchange.errors import NotFoundError
from exchange.negotiation import agreements as signed
from exchange.negotiation.models import AgreementRecord, Negotiation
from exchange.operations import Operations
from exchange.participants.models import Participant
from exchange.settlement.book import check_book
from exchange.steps import Step, operation
from exchange.supervision.alerts import alerts, close_alert, raise_alert
from exchange.transfer.models import TransferProcess

__all__ = [
    "Evidence", "Overview", "agreements", "alerts", "close_alert", "erase", "evidence", "export", "list_agreements", "overview",
    "raise_alert",
]  # fmt: skip


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


@dataclass(frozen=True)
class Evidence:
    """What goes into a bundle: statements, what it is about, documents; and whom it concerns."""

    statements: list[str]
    subject: dict[str, Any]
    documents: dict[str, bytes]
    concerns: list[str]


def evidence(session: Session, agreement: str) -> Evidence:
    """Return the evidence of any agreement, for an auditor. Raises NotFoundError."""
    row = session.get(AgreementRecord, agreement)
    if row is None:
        raise NotFoundError()
    return Evidence(*signed.evidence(session, row), [row.id, row.ledger_id, row.provider_id, row.consumer_id])


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
    with operations.database.reading() as session:
        if agreement:
            found = evidence(session, agreement)
        elif participant:
            statements = bundles.of_participant(session, participant, all_of_it=True)
            found = Evidence(statements, {"kind": "participant", "id": participant}, {}, [participant])
        elif start and end:
            statements = bundles.of_period(session, start, end)
            subject = {"kind": "period", "from": timestamp(start), "to": timestamp(end)}
            found = Evidence(statements, subject, {}, [])
        else:
            raise NotFoundError()
    if not found.statements:
        raise NotFoundError()
    subject = found.subject
    taken = str(subject["id"]) if "id" in subject else f"{subject['from']}/{subject['to']}"
    operations.run_as_system("audit.export", subject=taken, statements=len(found.statements), concerns=found.concerns)
    with operations.database.reading() as session:
        bundles.write(session, operations.services, found.statements, subject, target, found.documents)
    return len(found.statements)
