"""What falls due by time alone: each agreement is settled in a transaction of its own, so that one that fails holds up no other.

What fails is noted beside its escrow for the operator and tried again, at longer and longer intervals. Money of a provider
that is suspended, or for a dataset that is frozen, waits; when that ends, the acceptance window runs once more from its start.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Select, or_, select, update
from sqlalchemy.exc import OperationalError

from exchange import jobs
from exchange.access import Permission
from exchange.audit.service import record, timestamp
from exchange.catalog.models import Dataset
from exchange.errors import ExchangeError, UnavailableError
from exchange.negotiation import service as negotiations
from exchange.negotiation.models import AgreementRecord
from exchange.operations import Operations
from exchange.participants.models import Participant
from exchange.settlement.escrow import refund, release
from exchange.settlement.models import Escrow
from exchange.steps import Step, operation

_BATCH = 100
_LONGEST_PAUSE = timedelta(days=1)

log = structlog.get_logger()


@jobs.timer("settlement.release_due")
def release_due(operations: Operations) -> list[str]:
    """Release every escrow whose acceptance window has passed (at most 100 a run); return the agreements that were paid."""
    window = timedelta(days=operations.services.settings.acceptance_window_days)
    return _each(operations, "settlement.release_one", lambda now: _to_release(now, window))


@jobs.timer("settlement.refund_due")
def refund_due(operations: Operations) -> list[str]:
    """Refund every escrow whose agreement ended before anything was delivered (at most 100 a run); return the agreements."""
    return _each(operations, "settlement.refund_one", _to_refund)


@operation("settlement.release_one", None)
def release_one(step: Step, *, agreement: str) -> dict[str, Any]:
    """Release the escrow of one agreement if its window has passed; `settled` says whether this call paid."""
    window = timedelta(days=step.services.settings.acceptance_window_days)
    row = _locked_if(step, agreement, _to_release(step.now, window))
    return {"agreement": agreement, "settled": row is not None and release(step, row, "window-passed")}


@operation("settlement.refund_one", None)
def refund_one(step: Step, *, agreement: str) -> dict[str, Any]:
    """Refund the escrow of one agreement that ended, by what was signed, before anything was delivered."""
    row = _locked_if(step, agreement, _to_refund(step.now))
    end = negotiations.signed_document(row).valid_until if row is not None else None
    over = row is not None and end is not None and end <= step.now
    return {"agreement": agreement, "settled": over and refund(step, row, "never-delivered")}


@operation("settlement.note_fault", None)
def note_fault(step: Step, *, agreement: str, fault: dict[str, Any]) -> dict[str, Any]:
    """Note why a due settlement failed, and when it is tried again: after a minute, then twice as long each time."""
    held = Escrow.agreement_id == agreement, Escrow.state == "held"
    attempts = step.session.scalar(select(Escrow.attempts).where(*held)) or 0
    pause = min(timedelta(minutes=2 ** min(attempts, 16)), _LONGEST_PAUSE)
    noted = fault | {"at": timestamp(step.now)}
    step.session.execute(
        update(Escrow)
        .where(*held)
        .values(attempts=attempts + 1, retry_at=step.now + pause, fault=noted)
        .execution_options(synchronize_session=False)
    )
    return {"agreement": agreement, "attempts": attempts + 1}


@operation("settlement.look_at_faults", Permission.TOP_UP)
def look_at_faults(step: Step) -> dict[str, Any]:
    """Record that an operator looked at the settlements that failed, which are of others; promise 10."""
    record(step, "audit.read", {"reader": step.actor.user, "what": "settlement faults"})
    return {}


def _to_release(now: datetime, window: timedelta) -> ColumnElement[bool]:
    quiet = now - window
    return (
        (Escrow.release_due_at <= now)
        & (Participant.status == "verified")
        & or_(Participant.status_at.is_(None), Participant.status_at <= quiet)
        & (Dataset.state != "frozen")
        & or_(Dataset.freeze_changed_at.is_(None), Dataset.freeze_changed_at <= quiet)
    )


def _to_refund(now: datetime) -> ColumnElement[bool]:
    return (AgreementRecord.valid_until <= now) & Escrow.release_due_at.is_(None)


def _held(condition: ColumnElement[bool]) -> Select[Any]:
    """Return the query of agreements whose escrow is held and that meet `condition` on escrow, provider and dataset."""
    return (
        select(AgreementRecord)
        .join(Escrow, Escrow.agreement_id == AgreementRecord.id)
        .join(Participant, Participant.id == AgreementRecord.provider_id)
        .join(Dataset, Dataset.id == AgreementRecord.dataset_id)
        .where(Escrow.state == "held", condition)
    )


def _locked_if(step: Step, agreement: str, condition: ColumnElement[bool]) -> AgreementRecord | None:
    """Return an agreement, locked, where the condition holds under its lock; else None."""
    locked = select(AgreementRecord.id).where(AgreementRecord.id == agreement).with_for_update(key_share=True)
    step.session.execute(locked)
    found: AgreementRecord | None = step.session.scalar(_held(condition).where(AgreementRecord.id == agreement))
    return found


def _each(operations: Operations, name: str, condition: Callable[[datetime], ColumnElement[bool]]) -> list[str]:
    now, settled = datetime.now(UTC), []
    with operations.database.reading() as session:
        due = _held(condition(now)).where(or_(Escrow.retry_at.is_(None), Escrow.retry_at <= now))
        first = due.with_only_columns(AgreementRecord.id).order_by(Escrow.held_at, AgreementRecord.id).limit(_BATCH)
        agreements = list(session.scalars(first))
    for agreement in agreements:
        try:
            done = operations.run_as_system(name, agreement=agreement).result["settled"]
        except (UnavailableError, OperationalError):
            # Nothing is wrong with this one: the ledger or the database is away, and the next minute tries again.
            log.warning("settlement waits for the ledger", operation=name)
            break
        except Exception as error:
            _note(operations, name, agreement, error)
        else:
            settled += [agreement] if done else []
    return settled


def _note(operations: Operations, name: str, agreement: str, error: Exception) -> None:
    """Whatever is wrong with one agreement must not stop the others, and must reach somebody who can mend it."""
    known = isinstance(error, ExchangeError)
    log.error("settlement failed", operation=name, agreement=agreement, error=type(error).__name__, exc_info=not known)
    code, reason = (error.code, list(error.reason)) if isinstance(error, ExchangeError) else ("internal", ["", ""])
    fault = {"operation": name, "code": code, "type": type(error).__name__, "reason": reason}
    operations.run_as_system("settlement.note_fault", agreement=agreement, fault=fault)
