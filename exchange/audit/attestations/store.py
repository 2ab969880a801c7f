"""What outsiders said, in the exchange's database."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from exchange.audit.attestations import timestamps
from exchange.audit.attestations.models import (
    AttestedCheckpoint,
    CheckpointCosignature,
    CheckpointTimestamp,
    Outsider,
)
from exchange.audit.attestations.witnesses import Answer
from ledger.anchors.rfc3161 import Timestamp
from ledger.bundle import Attested
from ledger.note import split
from ledger.policy import Policy
from ledger.storage import StoredCheckpoint

# Cosignatures of a checkpoint that newer ones cover are of use for a while; time stamps are kept for ever.
_KEPT = timedelta(days=30)
_LOOKED_BACK = 200


def newest_attested(
    session: Session, policy: Policy | None, *, above: int = 0, most: int = 2**63 - 1
) -> Attested | None:
    """Return the newest checkpoint of more than `above` and at most `most` entries whose cosignatures make the quorum, or None."""
    if policy is None:
        return None
    sizes = session.scalars(
        select(CheckpointCosignature.size)
        .where(CheckpointCosignature.size > above, CheckpointCosignature.size <= most)
        .distinct()
        .order_by(CheckpointCosignature.size.desc())
        .limit(_LOOKED_BACK)
    )
    for size in sizes:
        found = attested_at(session, size)
        if policy.judge(found.note).reached:
            return found
    return None


def newest_cosigned(session: Session, *, above: int, most: int) -> Attested | None:
    """Return the newest checkpoint of these sizes that any witness cosigned, or None."""
    size = session.scalar(
        select(func.max(CheckpointCosignature.size)).where(
            CheckpointCosignature.size > above, CheckpointCosignature.size <= most
        )
    )
    return None if size is None else attested_at(session, size)


def keep_answers(session: Session, newest: StoredCheckpoint, answers: dict[str, Answer], now: datetime) -> None:
    for name, answer in answers.items():
        row = session.get(Outsider, name) or Outsider(name=name, size=0)
        row.asked_at, row.code, row.sentence = now, answer.code, answer.sentence[:500]
        if answer.seen is not None:
            row.size = answer.seen
        if answer.cosignature is not None:
            row.vouched_at = now
            _keep_checkpoint(session, newest, now)
            made = answer.cosignature
            session.merge(CheckpointCosignature(size=newest.size, witness=name, line=made.line, time=made.time))
        session.add(row)


def keep_stamp(
    session: Session,
    newest: StoredCheckpoint,
    stamp: tuple[bytes, Timestamp] | None,
    problem: tuple[str, str] | None,
    now: datetime,
) -> None:
    row = session.get(Outsider, timestamps.NAME) or Outsider(name=timestamps.NAME, size=0)
    row.asked_at = now
    row.code, row.sentence = (None, "") if problem is None else (problem[0], problem[1][:500])
    if stamp is not None:
        reply, said = stamp
        row.size, row.vouched_at = newest.size, now
        _keep_checkpoint(session, newest, now)
        if session.get(CheckpointTimestamp, newest.size) is None:
            # An earlier stamp of the same tree says more than a later one.
            authority = said.authority[:300]
            session.add(CheckpointTimestamp(size=newest.size, reply=reply, latest=said.latest, authority=authority))
    session.add(row)


def _keep_checkpoint(session: Session, newest: StoredCheckpoint, now: datetime) -> None:
    if session.get(AttestedCheckpoint, newest.size) is None:
        session.add(AttestedCheckpoint(size=newest.size, root=newest.root, note=newest.note, made_at=now))
        session.flush()


def forget(session: Session, now: datetime) -> None:
    """Drop old cosigned checkpoints that newer ones cover; those with a time stamp stay, and so does the newest."""
    stamped = select(CheckpointTimestamp.size)
    newest = select(AttestedCheckpoint.size).order_by(AttestedCheckpoint.size.desc()).limit(1)
    old = select(AttestedCheckpoint.size).where(
        AttestedCheckpoint.made_at < now - _KEPT,
        AttestedCheckpoint.size.not_in(stamped),
        AttestedCheckpoint.size.not_in(newest),
    )
    sizes = list(session.scalars(old))
    for table in (CheckpointCosignature, AttestedCheckpoint):
        session.execute(delete(table).where(table.size.in_(sizes)))


def attested_at(session: Session, size: int) -> Attested:
    """Return a checkpoint with all that outsiders said of it."""
    row = session.get_one(AttestedCheckpoint, size)
    lines = session.scalars(
        select(CheckpointCosignature.line)
        .where(CheckpointCosignature.size == size)
        .order_by(CheckpointCosignature.witness)
    )
    stamp = session.get(CheckpointTimestamp, size)
    note = row.note + "".join(f"{line}\n" for line in lines)
    return Attested(size, row.root, note, None if stamp is None else stamp.reply)


def stamps(session: Session, limit: int) -> list[CheckpointTimestamp]:
    """Return the newest time stamps, newest first."""
    return list(session.scalars(select(CheckpointTimestamp).order_by(CheckpointTimestamp.size.desc()).limit(limit)))


def stamp(session: Session, size: int) -> CheckpointTimestamp | None:
    """Return the time stamp over the checkpoint of a size, or None."""
    return session.get(CheckpointTimestamp, size)


def body(session: Session, size: int) -> str | None:
    """Return the text of an attested checkpoint without signatures, or None."""
    row = session.get(AttestedCheckpoint, size)
    return None if row is None else split(row.note)[0]
