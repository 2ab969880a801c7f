"""What an owner may read of the book: its accounts, their journal, and the escrow of an agreement."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session, joinedload

from exchange.access import Actor, Permission
from exchange.audit.service import timestamp
from exchange.errors import InvalidInputError, NotFoundError
from exchange.settlement.book import yuan
from exchange.settlement.models import Account, Escrow, JournalEntry, Posting
from exchange.steps import EXCHANGE

PAGE = 50
_CSV_COLUMNS = (
    "time", "journal_entry", "position", "kind", "account", "account_kind", "amount_fen", "amount_yuan",
    "balance_after_yuan", "currency", "agreement", "reference", "note", "statement",
)  # fmt: skip


@dataclass(frozen=True)
class JournalPage:
    """Postings of the reader's own accounts, newest first, and the cursor of the next page."""

    postings: tuple[Posting, ...]
    next: str | None


def owner_of(actor: Actor) -> str:
    """Return whose accounts `actor` reads: its firm's, or the exchange's own for those who book its money."""
    if actor.participant is not None:
        return actor.participant
    if actor.may(Permission.TOP_UP):
        return EXCHANGE
    raise NotFoundError()


def accounts(session: Session, actor: Actor) -> list[Account]:
    """Return the actor's accounts: what is available first, then escrows, newest first."""
    rows = session.scalars(
        select(Account).where(Account.owner == owner_of(actor)).order_by(Account.kind, Account.created_at.desc())
    )
    return list(rows)


def account(session: Session, actor: Actor, account_id: str) -> Account:
    """Return one of the actor's accounts. Raises NotFoundError for unknown and foreign ones."""
    found = session.scalar(select(Account).where(Account.id == account_id, Account.owner == owner_of(actor)))
    if found is None:
        raise NotFoundError()
    return found


def journal(
    session: Session, actor: Actor, *, account_id: str | None = None, cursor: str | None = None, limit: int = PAGE
) -> JournalPage:
    """Return the postings on the actor's accounts (or on one of them), newest first, after `cursor`.

    Raises NotFoundError for a foreign account, InvalidInputError for a cursor that is none.
    """
    if account_id is not None:
        account(session, actor, account_id)
    query = _own_postings(actor).order_by(Posting.id.desc()).limit(limit + 1)
    if account_id is not None:
        query = query.where(Posting.account_id == account_id)
    if cursor:
        query = query.where(Posting.id < _number(cursor))
    rows = session.scalars(query).all()
    return JournalPage(tuple(rows[:limit]), str(rows[limit - 1].id) if len(rows) > limit else None)


def journal_csv(session: Session, actor: Actor) -> Iterator[bytes]:
    """Yield the actor's whole journal, oldest first, as CSV (UTF-8 with a byte-order mark, so that Excel reads it)."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)

    def flush() -> bytes:
        data = buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
        return data

    writer.writerow(_CSV_COLUMNS)
    yield b"\xef\xbb\xbf" + flush()
    for posting in session.scalars(_own_postings(actor).order_by(Posting.id).execution_options(yield_per=500)):
        writer.writerow(_csv_row(posting))
        yield flush()


def _own_postings(actor: Actor) -> Select[tuple[Posting]]:
    return (
        select(Posting)
        .join(Account, Account.id == Posting.account_id)
        .where(Account.owner == owner_of(actor))
        .options(joinedload(Posting.entry), joinedload(Posting.account))
    )


def _csv_row(posting: Posting) -> tuple[object, ...]:
    entry = posting.entry
    return (
        timestamp(entry.created_at), entry.id, posting.position, entry.kind, posting.account_id, posting.account.kind,
        posting.amount_fen, yuan(posting.amount_fen), yuan(posting.balance_after_fen), posting.account.currency,
        entry.agreement_id or "", _inert(entry.reference), _inert(entry.note), entry.statement,
    )  # fmt: skip


def _inert(text: str) -> str:
    """Return `text` such that no spreadsheet takes it for a formula."""
    return "'" + text if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


def _number(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise InvalidInputError(
            ("This is not a cursor of this list.", "这不是该列表的游标。"),
            ("Use the `next` of the page before.", "请使用上一页返回的 next。"),
            field="cursor",
        )
    return int(cursor)


def escrow_of(session: Session, actor: Actor, agreement_id: str) -> Escrow | None:
    """Return the escrow of an agreement whose side the actor is, None where it was not funded or is somebody else's."""
    return session.scalar(
        select(Escrow).where(
            Escrow.agreement_id == agreement_id,
            or_(Escrow.consumer_id == actor.participant, Escrow.provider_id == actor.participant),
        )
    )


def faults(session: Session) -> list[Escrow]:
    """Return the held escrows whose due settlement failed, longest first, for the operator who mends what is wrong."""
    rows = session.scalars(
        select(Escrow).where(Escrow.state == "held", Escrow.attempts > 0).order_by(Escrow.held_at, Escrow.id)
    )
    return list(rows)


def entries_of_agreement(session: Session, actor: Actor, agreement_id: str) -> list[JournalEntry]:
    """Return what was booked for an agreement whose side the actor is, oldest first."""
    if escrow_of(session, actor, agreement_id) is None:
        return []
    rows = session.scalars(
        select(JournalEntry).where(JournalEntry.agreement_id == agreement_id).order_by(JournalEntry.created_at)
    )
    return list(rows)


def available_fen(session: Session, actor: Actor) -> int:
    """Return what the actor's firm can spend now, in fen."""
    return sum(row.balance_fen for row in accounts(session, actor) if row.kind == "available")
