"""Rows that belong to recording: counters an agreement's statements carry, idempotent answers, steps that wait for a signature."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from exchange.database import Base, UTCDateTime


class AgreementCounter(Base):
    """The number of statements made about one agreement (under its random ledger id); a gap in them proves an omission."""

    __tablename__ = "agreement_counter"

    agreement: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger, default=0)


class StatementIndex(Base):
    """Which statement speaks of whom and what, so that parties and auditors find theirs; never published.

    Every statement has a row: what is the exchange's own stands under the subject `exchange`, and what it says of
    somebody without being open to them under `exchange/` and their id.
    """

    __tablename__ = "statement_index"
    __table_args__ = (
        # In the order in which pages of entries are walked through, each holding all that such a walk reads.
        Index("ix_statement_index_subject", "subject", "at", "statement"),
        Index("ix_statement_index_kind", "kind", "at", "statement"),
        Index("ix_statement_index_at", "at", "statement"),
    )

    statement: Mapped[str] = mapped_column(String(64), primary_key=True)
    subject: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(UTCDateTime)


class IdempotentAnswer(Base):
    """The first answer to an Idempotency-Key of one tenant, kept so that a retry gets the same one."""

    __tablename__ = "idempotent_answer"
    __table_args__ = (UniqueConstraint("tenant", "key"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64))
    key: Mapped[str] = mapped_column(String(255))
    operation: Mapped[str] = mapped_column(String(64))
    arguments_digest: Mapped[str] = mapped_column(String(64))
    result: Mapped[dict[str, Any]] = mapped_column(JSON)
    statements: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)


class SignatureRequest(Base):
    """A step of a self-held key, without effect until its payloads are signed (or it lapses)."""

    __tablename__ = "signature_request"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    participant: Mapped[str] = mapped_column(ForeignKey("participant.id"), index=True)
    user: Mapped[str] = mapped_column(String(64))
    operation: Mapped[str] = mapped_column(String(64))
    arguments: Mapped[dict[str, Any]] = mapped_column(JSON)
    payloads: Mapped[list[dict[str, str]]] = mapped_column(JSON)
    seed: Mapped[bytes] = mapped_column(LargeBinary)
    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    state: Mapped[str] = mapped_column(String(32), default="awaiting_signature")
    now: Mapped[datetime] = mapped_column(UTCDateTime)
    lapses_at: Mapped[datetime] = mapped_column(UTCDateTime)
