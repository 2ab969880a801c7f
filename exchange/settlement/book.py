"""The double-entry book: what may be booked, and the proof that it adds up.

Amounts are integer fen. A leg's amount is added to its account; the legs of an entry sum to zero, so the sum of all
accounts is zero at all times. What was booked is never altered: a correction is another entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from exchange.errors import ConflictError
from exchange.settlement.models import CLEARING, ESCROW, Account, Escrow, JournalEntry, Posting
from exchange.steps import Step

CURRENCY = "CNY"
# Integers up to 2^53 - 1 survive every JSON reader; one booking stays far below, so that balances do too.
LARGEST_FEN = 10**13


@dataclass(frozen=True)
class Leg:
    """`amount_fen` is added to `account`; negative takes it away."""

    account: Account
    amount_fen: int

    def to_json(self) -> dict[str, Any]:
        """Return the leg as a statement carries it, so that balances can be replayed from the ledger alone."""
        named = {"owner": self.account.owner, "kind": self.account.kind, "amount_fen": self.amount_fen}
        return named | ({"subject": self.account.subject} if self.account.subject else {})


class BalanceTooSmallError(ConflictError):
    """An account that may not go below zero would; details say by how much."""

    code = "balance-too-small"

    def __init__(self, needed_fen: int, balance_fen: int) -> None:
        missing = needed_fen - balance_fen
        super().__init__(
            (
                f"The balance is ¥{yuan(balance_fen)}, but ¥{yuan(needed_fen)} is needed: ¥{yuan(missing)} is missing.",
                f"余额为 ¥{yuan(balance_fen)}，需要 ¥{yuan(needed_fen)}，还差 ¥{yuan(missing)}。",
            ),
            (
                "Transfer the missing amount to the exchange and have the operator book it, then fund again.",
                "请将差额汇入交易平台，由运营方入账后再次付款。",
            ),
            details={"needed_fen": needed_fen, "balance_fen": balance_fen, "missing_fen": missing},
        )


def yuan(fen: int) -> str:
    """Return fen as yuan with two decimals, exactly: -150 is "-1.50"."""
    whole, rest = divmod(abs(fen), 100)
    return f"{'-' if fen < 0 else ''}{whole}.{rest:02d}"


def open_account(step: Step, owner: str, kind: str, subject: str = "") -> Account:
    """Return the account of `owner` for `kind` (and `subject`), made with a zero balance where there is none."""
    found = find_account(step.session, owner, kind, subject)
    if found is not None:
        return found
    values = {
        "id": step.new_id(), "owner": owner, "kind": kind, "subject": subject, "currency": CURRENCY,
        "balance_fen": 0, "may_be_negative": kind == CLEARING, "created_at": step.now,
    }  # fmt: skip
    # Another buyer's step may make the same account of the exchange at this moment; both then use the one row.
    dialect = sqlite_insert if step.session.get_bind().dialect.name == "sqlite" else postgresql_insert
    step.session.execute(dialect(Account).values(values).on_conflict_do_nothing())
    made = find_account(step.session, owner, kind, subject)
    if made is None:
        raise RuntimeError("An account that was just made is not there.")
    return made


def find_account(session: Session, owner: str, kind: str, subject: str = "") -> Account | None:
    """Return the account, or None where nothing was ever booked on it."""
    return session.scalar(
        select(Account).where(
            Account.owner == owner,
            Account.kind == kind,
            Account.subject == subject,
            Account.currency == CURRENCY,
        )
    )


def book(
    step: Step,
    kind: str,
    key: str,
    legs: Sequence[Leg],
    *,
    entry_id: str,
    statement: str,
    agreement_id: str | None = None,
    reference: str = "",
    note: str = "",
) -> str:
    """Book one entry and return its id. `key` names the event: the database refuses to book the same one twice.

    Raises BalanceTooSmallError when an account would go below zero that may not. Requires two or more legs on
    different accounts of one currency that sum to zero; a violation is a fault of the program (ValueError).
    """
    _require_balanced(legs)
    balances = {}
    # One order for everybody, so that two bookings never wait for each other in a circle.
    for leg in sorted(legs, key=lambda leg: leg.account.id):
        balances[leg.account.id] = _move(step.session, leg)
    rows = [
        {
            "entry_id": entry_id,
            "position": position,
            "account_id": leg.account.id,
            "amount_fen": leg.amount_fen,
            "balance_after_fen": balances[leg.account.id],
        }
        for position, leg in enumerate(legs)
    ]
    step.session.execute(insert(Posting), rows)
    step.session.execute(
        insert(JournalEntry).values(
            id=entry_id,
            kind=kind,
            key=key,
            agreement_id=agreement_id,
            reference=reference,
            note=note,
            booked_by=step.actor.user or "",
            statement=statement,
            created_at=step.now,
        )
    )
    for leg in legs:
        step.session.expire(leg.account)
    return entry_id


def _require_balanced(legs: Sequence[Leg]) -> None:
    if len(legs) < 2 or sum(leg.amount_fen for leg in legs) != 0:
        raise ValueError("The legs of a journal entry sum to zero, and there are two or more.")
    if any(leg.amount_fen == 0 or abs(leg.amount_fen) > LARGEST_FEN for leg in legs):
        raise ValueError("A leg moves money, and not more than the book can hold.")
    if len({leg.account.id for leg in legs}) != len(legs) or len({leg.account.currency for leg in legs}) != 1:
        raise ValueError("The legs of a journal entry stand on different accounts of one currency.")


def _move(session: Session, leg: Leg) -> int:
    moved = session.execute(
        update(Account)
        .where(
            Account.id == leg.account.id,
            or_(Account.may_be_negative, Account.balance_fen + leg.amount_fen >= 0),
        )
        .values(balance_fen=Account.balance_fen + leg.amount_fen)
        .returning(Account.balance_fen)
        .execution_options(synchronize_session=False)
    ).scalar_one_or_none()
    if moved is None:
        balance = session.scalar(select(Account.balance_fen).where(Account.id == leg.account.id)) or 0
        raise BalanceTooSmallError(-leg.amount_fen, balance)
    return moved


def check_book(session: Session) -> list[str]:
    """Return what is wrong with the whole book, an empty list when it adds up.

    Checked: every entry balances, every balance is the sum of its postings, all balances sum to zero, none is
    below zero that may not be, and every escrow account holds what its escrow says.
    """
    problems = []
    uneven = session.execute(
        select(Posting.entry_id, func.sum(Posting.amount_fen))
        .group_by(Posting.entry_id)
        .having(func.sum(Posting.amount_fen) != 0)
    )
    problems += [f"Journal entry {entry} is off by {total} fen." for entry, total in uneven]
    posted = (
        select(Posting.account_id, func.sum(Posting.amount_fen).label("total")).group_by(Posting.account_id).subquery()
    )
    rows = session.execute(
        select(Account, func.coalesce(posted.c.total, 0)).outerjoin(posted, posted.c.account_id == Account.id)
    ).all()
    for account, total in rows:
        if account.balance_fen != total:
            problems.append(f"Account {account.id} shows {account.balance_fen} fen, its postings sum to {total}.")
        if account.balance_fen < 0 and not account.may_be_negative:
            problems.append(f"Account {account.id} is below zero.")
    if (off := sum(account.balance_fen for account, _ in rows)) != 0:
        problems.append(f"All accounts together are off by {off} fen.")
    return problems + _check_escrows(session, [account for account, _ in rows])


def _check_escrows(session: Session, accounts: Sequence[Account]) -> list[str]:
    held = {
        escrow.agreement_id: escrow.amount_fen
        for escrow in session.scalars(select(Escrow).where(Escrow.state == "held", Escrow.amount_fen > 0))
    }
    booked = {item.subject: item.balance_fen for item in accounts if item.kind == ESCROW and item.balance_fen}
    return [
        f"The escrow of {agreement} should hold {held.get(agreement, 0)} fen, it holds {booked.get(agreement, 0)}."
        for agreement in sorted(held.keys() | booked.keys())
        if held.get(agreement, 0) != booked.get(agreement, 0)
    ]
