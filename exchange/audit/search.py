"""Finding entries of the log: by kind and time for everybody, by what they are about for those whom it concerns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from exchange.access import Permission
from exchange.audit.models import AgreementCounter, StatementIndex
from exchange.audit.service import internal, record
from exchange.steps import Step, operation
from ledger.entry import Entry
from ledger.errors import NotFoundError as NotOnLedgerError
from ledger.log import Log

PAGE = 50
_ERASURE = "opening.erased"


@dataclass(frozen=True)
class Wanted:
    """What to look for; `start` is included, `end` is not.

    `agreement` is an agreement's public ledger id. `about` is the id of a participant, a dataset or anything else:
    `firm` narrows it to what is open to that firm, and only people of the exchange may leave `firm` out.
    """

    kind: str = ""
    start: datetime | None = None
    end: datetime | None = None
    agreement: str = ""
    about: str = ""
    firm: str | None = None

    def __bool__(self) -> bool:
        return bool(self.kind or self.start or self.end or self.agreement or self.about or self.firm)


@dataclass(frozen=True)
class Found:
    """A page of entries, newest first; `newer` and `older` are the statements from which its neighbours are asked for."""

    entries: Sequence[Entry]
    newer: str | None = None
    older: str | None = None


def find(session: Session, log: Log[Any], wanted: Wanted, *, before: str = "", after: str = "") -> Found:
    """Return a page of the entries that are wanted: the newest, or those next to the statement `before` or `after`.

    Pages are cut at statements and not at numbers, so that each is one walk over an index, however far back.
    """
    # Only an id that stands on public entries is looked for in public; any other would tell who an entry is about.
    if wanted.agreement and session.get(AgreementCounter, wanted.agreement) is None:
        return Found([])
    cut = _place(session, before or after)
    upwards = bool(after and not before and cut)
    rows = list(session.execute(_query(wanted, cut, upwards=upwards)))
    more, rows = len(rows) > PAGE, rows[:PAGE]
    if upwards:
        rows.reverse()
    newer = more if upwards else cut is not None
    older = cut is not None if upwards else more
    found = [entry for row in rows if (entry := _entry(log, row.statement)) is not None]
    return Found(
        # Statements of one step bear one time; the log knows which came first.
        sorted(found, key=lambda entry: (entry.at, entry.index), reverse=True),
        rows[0].statement if rows and newer else None,
        rows[-1].statement if rows and older else None,
    )


def _query(wanted: Wanted, cut: tuple[datetime, str] | None, *, upwards: bool = False) -> Any:
    """Return the query of one page. A statement has a row for each of its subjects, and counts once."""
    at, statement = StatementIndex.at, StatementIndex.statement
    conditions = list(_conditions(wanted))
    if cut is not None and upwards:
        conditions += [at >= cut[0], or_(at > cut[0], and_(at == cut[0], statement > cut[1]))]
    elif cut is not None:
        conditions += [at <= cut[0], or_(at < cut[0], and_(at == cut[0], statement < cut[1]))]
    order = (at, statement) if upwards else (at.desc(), statement.desc())
    return select(at, statement).where(*conditions).distinct().order_by(*order).limit(PAGE + 1)


def _conditions(wanted: Wanted) -> Sequence[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.kind:
        conditions.append(StatementIndex.kind == wanted.kind)
    if wanted.start is not None:
        conditions.append(StatementIndex.at >= wanted.start)
    if wanted.end is not None:
        conditions.append(StatementIndex.at < wanted.end)
    subjects: list[Sequence[str]] = []
    if wanted.about:
        # What is the exchange's own about somebody is found by its people alone.
        subjects.append([wanted.about] if wanted.firm else [wanted.about, internal(wanted.about)])
    if wanted.agreement:
        subjects.append([wanted.agreement])
        # An erasure can be found under what it erased, which its public entry does not tell.
        conditions.append(StatementIndex.kind != _ERASURE)
    if wanted.firm:
        subjects.append([wanted.firm])
    # The first one is walked through in the order of time; the others are asked of each statement that it gives.
    for place, names in enumerate(subjects):
        named = StatementIndex.subject == names[0] if len(names) == 1 else StatementIndex.subject.in_(names)
        speaking = select(StatementIndex.statement).where(named)
        conditions.append(StatementIndex.statement.in_(speaking) if place else named)
    return conditions


def _place(session: Session, statement: str) -> tuple[datetime, str] | None:
    """Return where a statement stands in the order of the pages, None for one that is not there."""
    at = (
        session.scalar(select(StatementIndex.at).where(StatementIndex.statement == statement).limit(1))
        if statement
        else None
    )
    return None if at is None else (at, statement)


def _entry(log: Log[Any], statement: str) -> Entry | None:
    """Return the entry of a statement, None while it waits for its place on the log."""
    try:
        return log.entry(log.index_of(statement))
    except NotOnLedgerError:
        return None


@operation("audit.search", Permission.AUDIT_READ)
def search_across(step: Step, *, about: str) -> dict[str, Any]:
    """Record that somebody of the exchange looked for the entries about one firm or thing; they are linked by nothing public."""
    record(step, "audit.read", {"reader": step.actor.user, "what": f"entries about {about}"}, concerns=[about])
    return {"about": about}
