"""Attestations within the exchange: who is asked and when, what was said, and what of it goes into evidence.

A timer asks every minute whether there is something to do and leaves it to a job, which talks to the outside without holding a
transaction. Witnesses are asked for the same checkpoint in one round, so that their cosignatures make a quorum, and that
checkpoint is stamped. Nothing queues: what is late is left out, since the newest checkpoint covers it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from exchange import jobs
from exchange.audit.attestations import store, timestamps, witnesses
from exchange.audit.attestations.evidence import policy_of
from exchange.audit.attestations.models import Outsider
from exchange.audit.attestations.witnesses import identifier
from exchange.audit.attestations.words import explain
from exchange.config import Settings
from exchange.egress import Egress
from exchange.errors import ExchangeError
from exchange.jobs import Job, Progress
from exchange.operations import Operations
from exchange.steps import Services, Step, operation
from ledger.anchors.rfc3161 import Timestamp
from ledger.errors import LedgerError
from ledger.policy import Witness
from ledger.storage import StoredCheckpoint

TIMER = "audit.attest_due"
_JOB = "audit.attest"
_MINUTES_AFTER_A_FAILURE = 5

log = structlog.get_logger()


@dataclass(frozen=True)
class _Round:
    """Who is to be asked about which checkpoint."""

    newest: StoredCheckpoint
    witnesses: dict[str, Witness]
    seen: dict[str, int]
    stamp: bool

    @property
    def is_empty(self) -> bool:
        return not self.witnesses and not self.stamp


def check(services: Services) -> None:
    """See that the settings suffice to ask outsiders. Raises SettingsError where they do not."""
    policy_of(services)
    if services.settings.timestamp_authority:
        timestamps.require(services.settings)


def examine(session: Session, settings: Settings, vkey: str) -> str:
    """Return in a few words how many outsiders vouch for the log. Raises ExchangeError with what is wrong with the first that does not."""
    policy = witnesses.load_policy(settings.witness_policy, vkey)
    names = {identifier(item.verifier): item.name for item in (policy.witnesses if policy else ()) if item.url}
    if settings.timestamp_authority:
        timestamps.require(settings)
        names[timestamps.NAME] = "the time-stamping authority"
    for row in session.scalars(select(Outsider).where(Outsider.name.in_(names)).order_by(Outsider.name)):
        if row.code:
            found = explain(row.code, row.sentence)
            raise ExchangeError(f"{names[row.name]}: {found.reason[0]}", found.mend, code=row.code)
    asked = session.scalar(select(func.count()).select_from(Outsider).where(Outsider.name.in_(names)))
    return f"{asked} of {len(names)} vouch for the log"


@operation(TIMER, None)
def attest_due(step: Step) -> dict[str, Any]:
    """Hand the next round to a job, where one is due and none waits; a timer calls this."""
    settings = step.services.settings
    if settings.witness_policy == Path() and not settings.timestamp_authority:
        return {"queued": None}
    if _plan(step.session, step.services, step.now).is_empty:
        return {"queued": None}
    waiting = step.session.scalar(select(Job.id).where(Job.kind == _JOB, Job.state.in_(("queued", "running"))))
    if waiting is not None:
        return {"queued": None}
    # A round is every minute; what came of the last one stands in rows of its own.
    step.session.execute(delete(Job).where(Job.kind == _JOB))
    return {"queued": step.services.jobs.enqueue(step, _JOB)}


@jobs.handler(_JOB)
def _attest(operations: Operations, _arguments: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    return attest(operations)


def attest(operations: Operations, *, at_once: bool = False) -> dict[str, Any]:
    """Ask every outsider that is due about the newest checkpoint, keep what they say, and tell in a few words what came of it.

    `at_once` asks all of them without waiting for an interval. Raises SettingsError where the settings do not suffice.
    """
    services, now = operations.services, datetime.now(UTC)
    services.log.integrate()
    with operations.database.reading() as session:
        plan = _plan(session, services, now, at_once=at_once)
    egress = Egress.from_settings(services.settings)
    answers = witnesses.ask(egress, services.log, plan.newest, plan.witnesses, plan.seen)
    stamp, problem = _stamp(egress, services.settings, plan) if plan.stamp else (None, None)
    with operations.database.writing() as session:
        store.keep_answers(session, plan.newest, answers, now)
        if plan.stamp:
            store.keep_stamp(session, plan.newest, stamp, problem, now)
        store.forget(session, now)
    for name, answer in answers.items():
        if answer.code:
            log.warning("witness", witness=name, code=answer.code, sentence=answer.sentence[:200])
    return {
        "size": plan.newest.size,
        "cosigned": [name for name, answer in answers.items() if answer.cosignature],
        "refused": {name: answer.sentence for name, answer in answers.items() if answer.code},
        "stamped": stamp is not None,
        "stamp_problem": None if problem is None else problem[1],
    }


def _plan(session: Session, services: Services, now: datetime, *, at_once: bool = False) -> _Round:
    settings, newest = services.settings, services.log.latest()
    policy = policy_of(services)
    known = {row.name: row for row in session.scalars(select(Outsider))}
    wanted = {identifier(item.verifier): item for item in (policy.witnesses if policy else ()) if item.url}

    def is_due(name: str, minutes: int) -> bool:
        row = known.get(name)
        if at_once or row is None:
            return True
        is_behind = row.size != newest.size or row.code is not None
        wait = minutes if row.code is None else min(minutes, _MINUTES_AFTER_A_FAILURE)
        # A minute's timer that comes a moment early must not wait for the next one.
        return is_behind and now - row.asked_at >= timedelta(minutes=wait, seconds=-5)

    return _Round(
        newest=newest,
        witnesses={name: item for name, item in wanted.items() if is_due(name, settings.witness_interval_minutes)},
        seen={name: row.size for name, row in known.items()},
        stamp=bool(settings.timestamp_authority) and is_due(timestamps.NAME, settings.timestamp_interval_minutes),
    )


def _stamp(
    egress: Egress, settings: Settings, plan: _Round
) -> tuple[tuple[bytes, Timestamp] | None, tuple[str, str] | None]:
    try:
        return timestamps.stamp(egress, settings, plan.newest), None
    except ExchangeError as error:
        problem = error.code, error.reason[0]
    except LedgerError as error:
        problem = "stamp-refused", str(error)
    log.warning("time stamp", code=problem[0], sentence=problem[1][:200])
    return None, problem
