"""Recording: every step writes its signed statement into the ledger, in the step's own transaction."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session

from exchange.access import Actor, Permission
from exchange.audit.models import AgreementCounter, StatementIndex
from exchange.audit.statements import STATEMENTS
from exchange.errors import InvalidInputError, NotFoundError
from exchange.steps import EXCHANGE, Services, Step
from ledger import checkpoint
from ledger.entry import DOMAIN, Entry, Signature, Statement, commit
from ledger.errors import NotFoundError as NotOnLedgerError
from ledger.errors import ProofError
from ledger.log import Log, Receipt

_SHORTEST_WAIT = 0.5


# These run in every step, so they are built once, over the tables and not the mapped classes.
_counters = AgreementCounter.__table__
_FIRST = _counters.insert().values(agreement=bindparam("wanted"), value=1)
_NEXT = (
    update(_counters)
    .where(_counters.c.agreement == bindparam("wanted"))
    .values(value=_counters.c.value + 1)
    .returning(_counters.c.value)
)
_INDEX = StatementIndex.__table__.insert()


def timestamp(moment: datetime) -> str:
    """Return RFC 3339 in UTC with microseconds and Z."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def record(
    step: Step,
    kind: str,
    fields: Mapping[str, Any],
    *,
    signer: str = EXCHANGE,
    agreement: str | None = None,
    subjects: Sequence[str] = (),
    concerns: Sequence[str] = (),
) -> str:
    """Write one statement of `kind` and return its id; it counts once the step's transaction commits.

    `kind` and `fields` are as exchange.audit.statements defines them, or AdmissionError is raised. Each field becomes a
    salted commitment on the public entry, and its opening stays beside the log. `signer` is a participant's id or
    EXCHANGE. `agreement` is the agreement's random ledger id: the statement then carries that agreement's running counter.
    `subjects` are the ids (participants, dataset, agreement) under which it can be found and to whose participants it is
    open; under `concerns` the exchange's own people find it, and it is open to them alone. A party's statement bears the
    time at which the party began the step, the exchange's own the time at which the step takes effect.
    """
    counter = next_counter(step.session, agreement) if agreement else None
    at = step.effective if signer == EXCHANGE else step.now
    statement = Statement(
        kind=kind,
        id=step.new_id(),
        at=timestamp(at),
        fields=dict(fields),
        signer=signer,
        custody=step.signer.custody(step, signer),
        agreement=agreement,
        counter=counter,
    )
    # Before anybody is asked for a signature; the log asks again when it takes the statement.
    STATEMENTS.check(statement)
    draft = commit(statement, lambda field: step.random(f"salt/{field}"))
    signed = step.sign(signer, DOMAIN, draft.payload)
    if not step.missing:
        signature = Signature(signed.public, signed.signature)
        about = next(iter([*subjects, *concerns]), signer) if signer == EXCHANGE else signer
        step.services.log.append(step.session.connection(), draft, signature, about)
    named = dict.fromkeys([*subjects, *([signer] if signer != EXCHANGE else []), *([agreement] if agreement else [])])
    named |= dict.fromkeys(internal(subject) for subject in concerns)
    step.session.flush()
    entry = {"statement": statement.id, "kind": kind, "at": at}
    step.session.connection().execute(_INDEX, [entry | {"subject": subject} for subject in named or (EXCHANGE,)])
    step.statements.append(statement.id)
    return statement.id


def internal(subject: str) -> str:
    """Return the name under which the exchange's own people find what concerns `subject` and is not open to it."""
    return f"{EXCHANGE}/{subject}"


def subjects_of(session: Session, statement: str, *, opened: bool = False) -> list[str]:
    """Return the ids that a statement speaks of, open to them or not; `opened`: those alone to whom it is open."""
    rows = session.scalars(select(StatementIndex.subject).where(StatementIndex.statement == statement))
    found = [row for row in rows if row != EXCHANGE and not (opened and row.startswith(internal("")))]
    return sorted({row.removeprefix(internal("")) for row in found})


def next_counter(session: Session, agreement: str) -> int:
    """Take the next number of `agreement`; the row stays locked until the transaction ends, so none is skipped or doubled."""
    connection = session.connection()
    taken = connection.execute(_NEXT, {"wanted": agreement}).scalar_one_or_none()
    if taken is None:
        connection.execute(_FIRST, {"wanted": agreement})
        return 1
    return int(taken)


def receipts(services: Services, statements: Sequence[str], *, waited: float = 0.0) -> list[Receipt]:
    """Return the receipts of committed statements, waiting up to the settings' limit for all of them together.

    `waited`: the seconds that the caller has waited for the database already; they count. Raises
    ledger.errors.LedgerUnavailableError when the log cannot integrate them in time; nothing is lost then.
    """
    limit = services.settings.receipt_timeout_seconds
    deadline = time.monotonic() + max(limit - waited, min(limit, _SHORTEST_WAIT))
    return [services.log.receipt(statement, timeout=max(0.0, deadline - time.monotonic())) for statement in statements]


def statements_of(session: Session, subject: str) -> list[str]:
    """Return the ids of all statements that speak of `subject`, oldest first."""
    rows = session.scalars(
        select(StatementIndex.statement)
        .where(StatementIndex.subject == subject)
        .order_by(StatementIndex.at, StatementIndex.statement)
    )
    return list(rows)


def count_statements(session: Session) -> int:
    """Return how many statements can be found by what they are about."""
    return session.scalar(select(func.count(StatementIndex.statement.distinct()))) or 0


def may_open(session: Session, actor: Actor, statement: str) -> bool:
    """Say whether `actor` may read the openings of a statement: its parties, and those who audit, as far as a token's scopes go."""
    if actor.is_exchange and actor.may(Permission.AUDIT_READ):
        return True
    if actor.participant is None or (actor.scopes is not None and not actor.may(Permission.EVIDENCE_READ)):
        return False
    found = session.scalar(
        select(StatementIndex.statement).where(
            StatementIndex.statement == statement, StatementIndex.subject == actor.participant
        )
    )
    return found is not None


def entry_at(log: Log[Any], index: int) -> Entry:
    """Return the entry at `index`. Raises NotFoundError, also for a number that no log can reach."""
    if not 0 <= index < 2**53:
        raise NotFoundError()
    try:
        return log.entry(index)
    except NotOnLedgerError as error:
        raise NotFoundError() from error


def extension(log: Log[Any], old: int) -> dict[str, Any]:
    """Return the newest checkpoint with the proof that it extends size `old`, in parts and as one text.

    Raises InvalidInputError when the log has signed fewer than `old` entries.
    """
    try:
        text = log.extension(old)
    except ProofError as error:
        raise no_such_sizes("old") from error
    _, path, note = checkpoint.parse_extension(text)
    size = log.verify(note).size
    return {"old": old, "new": size, "proof": [item.hex() for item in path], "checkpoint": note, "extension": text}


def no_such_sizes(field: str) -> InvalidInputError:
    """Return the error for two sizes between which there is no proof."""
    return InvalidInputError(
        ("There is no such pair of sizes.", "账本没有与这两个记录数对应的状态。"),
        ("Use 0 < old ≤ new ≤ the size of the newest checkpoint.", "须满足 0 < old ≤ new ≤ 最新检查点的记录数。"),
        field=field,
    )


def head(log: Log[Any]) -> dict[str, Any]:
    """Return origin, size, root (hex) and verifier key of the log's last signed checkpoint."""
    signed = log.verify(log.checkpoint())
    return {"origin": log.origin, "size": signed.size, "root": signed.root.hex(), "vkey": log.vkey}
