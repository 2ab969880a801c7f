"""What can be erased, and what was: the statements with fields that can hold a person's name or somebody's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from exchange.access import Actor, Permission
from exchange.audit.models import StatementIndex
from exchange.audit.statements import STATEMENTS
from exchange.errors import PermissionDeniedError
from ledger.entry import SIGNER, Entry, Erased, Opening
from ledger.errors import NotFoundError as NotOnLedgerError
from ledger.log import Log

PER_PAGE = 50
_KINDS = tuple(sorted(name for name, kind in STATEMENTS.kinds.items() if kind.erasable))


@dataclass(frozen=True)
class Field:
    """An erasable field: `erased_by` is the entry that ordered its erasure, `value` what it says to whoever may read it."""

    name: str
    is_erased: bool
    erased_by: int | None
    value: Any = None

    def to_json(self) -> dict[str, Any]:
        """Return name and state; what it says is not in a list."""
        return {"name": self.name, "erased": self.is_erased, "erased_by": self.erased_by}


@dataclass(frozen=True)
class Erasable:
    """An entry with its erasable fields."""

    entry: Entry
    fields: tuple[Field, ...]

    @property
    def open_fields(self) -> list[Field]:
        """The fields that are not erased."""
        return [item for item in self.fields if not item.is_erased]


def found(log: Log[Any], actor: Actor, entry: Entry) -> Erasable:
    """Return what `actor` may erase of an entry, nothing where its kind has no such fields.

    Raises PermissionDeniedError for a person of a firm that did not sign it.
    """
    openings = log.openings(entry.statement_id)
    if not actor.is_exchange and signer_of(openings) != actor.participant:
        raise not_the_signer()
    return _erasable(log, actor, entry, openings)


def listed(session: Session, log: Log[Any], actor: Actor, page: int = 0) -> tuple[list[Erasable], bool]:
    """Return a page of what `actor` may erase or has erased, newest first, and whether there are more pages.

    Of a firm these are the statements that it signed; the page holds the fewer the more of them others signed.
    """
    query = select(StatementIndex.statement, StatementIndex.at).where(StatementIndex.kind.in_(_KINDS)).distinct()
    if not actor.is_exchange:
        query = query.where(StatementIndex.subject == (actor.participant or ""))
    rows = session.execute(
        query.order_by(StatementIndex.at.desc(), StatementIndex.statement.desc())
        .offset(page * PER_PAGE)
        .limit(PER_PAGE + 1)
    ).all()
    items = []
    for row in rows[:PER_PAGE]:
        try:
            entry, openings = log.entry(log.index_of(row.statement)), log.openings(row.statement)
        except NotOnLedgerError:
            continue
        if actor.is_exchange or signer_of(openings) == actor.participant:
            item = _erasable(log, actor, entry, openings)
            items += [item] if item.fields else []
    # Statements of one step bear one time; the log knows which came first.
    items.sort(key=lambda item: (item.entry.at, item.entry.index), reverse=True)
    return items, len(rows) > PER_PAGE


def permission_of(actor: Actor) -> Permission:
    """Return the permission by which this actor erases: in all entries, or in those that the own firm signed."""
    return Permission.ERASE if actor.is_exchange else Permission.ERASE_OWN


def signer_of(openings: Mapping[str, Opening | Erased]) -> str | None:
    """Return the participant that signed, as the opening says."""
    signer = openings.get(SIGNER)
    return str(signer.value["participant"]) if isinstance(signer, Opening) else None


def not_the_signer() -> PermissionDeniedError:
    """Return the error for a statement of somebody else."""
    return PermissionDeniedError(
        ("Your organisation did not sign this statement.", "该声明并非由贵机构签署。"),
        ("Ask the operator of the exchange.", "请联系交易所运营方。"),
        code="not-the-signer",
    )


def order_of(log: Log[Any], opening: Erased) -> int | None:
    """Return the entry that ordered an erasure, None where it cannot be told."""
    try:
        return None if opening.by is None else log.index_of(opening.by)
    except NotOnLedgerError:
        return None


def _erasable(log: Log[Any], actor: Actor, entry: Entry, openings: Mapping[str, Opening | Erased]) -> Erasable:
    kind = STATEMENTS.kinds.get(entry.kind)
    fields = []
    for name in sorted((kind.erasable if kind else frozenset()) & openings.keys()):
        opening = openings[name]
        if isinstance(opening, Erased):
            fields.append(Field(name, True, order_of(log, opening)))
        elif opening.value not in (None, "", []):
            # The exchange's own people erase on request and are not shown what a firm said; that would be an audit's look.
            fields.append(Field(name, False, None, None if actor.is_exchange else opening.value))
    return Erasable(entry, tuple(fields))
