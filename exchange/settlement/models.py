"""The double-entry book: accounts, immutable journal entries with their postings, and escrows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from exchange.database import Base, UTCDateTime

# Kinds of account. `available` is a participant's to spend, `payable` what the exchange owes it and has not
# credited yet, `escrow` holds one agreement's money, `fee` is what the exchange earned; `clearing` mirrors
# the bank outside and is the one kind that goes below zero.
AVAILABLE, PAYABLE, ESCROW, CLEARING, FEE = "available", "payable", "escrow", "clearing", "fee"


class Account(Base):
    """A balance in fen of one owner for one purpose; `subject` is the agreement of an escrow account."""

    __tablename__ = "account"
    __table_args__ = (
        UniqueConstraint("owner", "kind", "subject", "currency"),
        CheckConstraint("may_be_negative OR balance_fen >= 0", name="not_negative"),
        CheckConstraint("kind IN ('available', 'payable', 'escrow', 'clearing', 'fee')", name="kind_known"),
        CheckConstraint("may_be_negative = (kind = 'clearing')", name="only_clearing_below_zero"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    subject: Mapped[str] = mapped_column(String(64), default="")
    currency: Mapped[str] = mapped_column(String(3), default="CNY")
    balance_fen: Mapped[int] = mapped_column(BigInteger, default=0)
    may_be_negative: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)


class JournalEntry(Base):
    """One booking. `key` names the event it books, so that the same event is never booked twice.

    The row is written after its postings and closes them: database triggers refuse it unless they sum to
    zero, and refuse any later posting, update or delete (see exchange.settlement.guards).
    """

    __tablename__ = "journal_entry"
    __table_args__ = (
        CheckConstraint("kind IN ('top_up', 'hold', 'release', 'refund', 'reversal')", name="kind_known"),
        Index("ix_journal_entry_created", "created_at"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    key: Mapped[str] = mapped_column(String(200), unique=True)
    agreement_id: Mapped[str | None] = mapped_column(ForeignKey("agreement.id"), index=True)
    reference: Mapped[str] = mapped_column(String(100), default="")
    note: Mapped[str] = mapped_column(String(500), default="")
    booked_by: Mapped[str] = mapped_column(String(64), default="")
    statement: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    postings: Mapped[list[Posting]] = relationship(back_populates="entry", order_by="Posting.position", viewonly=True)


class Posting(Base):
    """One leg: `amount_fen` is added to the account, or taken from it. The legs of an entry sum to zero."""

    __tablename__ = "posting"
    __table_args__ = (
        UniqueConstraint("entry_id", "position"),
        CheckConstraint("amount_fen <> 0", name="moves_money"),
        Index("ix_posting_account", "account_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    entry_id: Mapped[str] = mapped_column(ForeignKey("journal_entry.id", deferrable=True, initially="DEFERRED"))
    position: Mapped[int] = mapped_column(Integer)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id"))
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    balance_after_fen: Mapped[int] = mapped_column(BigInteger)
    entry: Mapped[JournalEntry] = relationship(back_populates="postings", viewonly=True)
    account: Mapped[Account] = relationship(viewonly=True)


class Escrow(Base):
    """Money held for one agreement, zero for a free plan: held once, then released or refunded once.

    `release_due_at` is set at delivery: when it passes without a word of the consumer, the money goes to the
    provider. Where a due settlement fails, `fault` says why, for the operator, and it is tried again at `retry_at`.
    """

    __tablename__ = "escrow"
    __table_args__ = (
        CheckConstraint("state IN ('held', 'released', 'refunded')", name="state_known"),
        CheckConstraint("amount_fen >= 0", name="not_negative"),
        Index("ix_escrow_state_due", "state", "release_due_at"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    agreement_id: Mapped[str] = mapped_column(ForeignKey("agreement.id"), unique=True)
    consumer_id: Mapped[str] = mapped_column(ForeignKey("participant.id"), index=True)
    provider_id: Mapped[str] = mapped_column(ForeignKey("participant.id"), index=True)
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3), default="CNY")
    state: Mapped[str] = mapped_column(String(16), default="held")
    reason: Mapped[str] = mapped_column(String(500), default="")
    held_at: Mapped[datetime] = mapped_column(UTCDateTime)
    release_due_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    settled_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    attempts: Mapped[int] = mapped_column(default=0)
    retry_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    fault: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
