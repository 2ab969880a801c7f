"""Transfers of data under an agreement, and the uses they have taken."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from exchange.database import Base, UTCDateTime


class TransferProcess(Base):
    """One delivery: one use of the agreement, one artefact, sealed once under a fresh key.

    `artefact` is the SHA-256 of the sealed bytes, which names them in the object store. The artefact's key is kept twice: `wrapped_key`
    under the provider's tenant key and `recipient_wrapped_key` by HPKE to the consumer's public key.
    """

    __tablename__ = "transfer_process"
    __table_args__ = (
        CheckConstraint(
            "state IN ('REQUESTED', 'STARTED', 'SUSPENDED', 'COMPLETED', 'TERMINATED')", name="state_known"
        ),
        CheckConstraint("state = 'REQUESTED' OR state = 'TERMINATED' OR artefact <> ''", name="started_has_artefact"),
        Index("ix_transfer_process_consumer", "consumer_id", "created_at"),
        Index("ix_transfer_process_provider", "provider_id", "created_at"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    agreement_id: Mapped[str] = mapped_column(ForeignKey("agreement.id"), index=True)
    dataset_id: Mapped[str] = mapped_column(ForeignKey("dataset.id"))
    version_id: Mapped[str] = mapped_column(ForeignKey("dataset_version.id"))
    provider_id: Mapped[str] = mapped_column(ForeignKey("participant.id"))
    consumer_id: Mapped[str] = mapped_column(ForeignKey("participant.id"))
    requested_by: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    format: Mapped[str] = mapped_column(String(32), default="parquet")
    reason: Mapped[str] = mapped_column(String(2000), default="")
    reasons: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    job_id: Mapped[str] = mapped_column(String(64), default="")
    use_number: Mapped[int | None]
    artefact: Mapped[str] = mapped_column(String(64), default="")
    plain_digest: Mapped[str] = mapped_column(String(80), default="")
    parts_digest: Mapped[str] = mapped_column(String(80), default="")
    sealed_size: Mapped[int] = mapped_column(BigInteger, default=0)
    plain_size: Mapped[int] = mapped_column(BigInteger, default=0)
    rows: Mapped[int] = mapped_column(BigInteger, default=0)
    wrapped_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    recipient_wrapped_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    recipient_key: Mapped[str] = mapped_column(String(64), default="")
    marked_columns: Mapped[list[dict[str, str]]] = mapped_column(JSON)
    started_statement: Mapped[str] = mapped_column(String(64), default="")
    acknowledged_digest: Mapped[str] = mapped_column(String(80), default="")
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class UsedProof(Base):
    """A proof of possession that was used; kept until its own time refuses it."""

    __tablename__ = "used_proof"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    lapses_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)


class UsageCounter(Base):
    """How often an agreement was used for an action, and when first; changed only under its row lock."""

    __tablename__ = "usage_counter"
    __table_args__ = (CheckConstraint("used >= 0", name="not_negative"),)

    agreement_id: Mapped[str] = mapped_column(ForeignKey("agreement.id"), primary_key=True)
    action: Mapped[str] = mapped_column(String(64), primary_key=True)
    used: Mapped[int] = mapped_column(BigInteger, default=0)
    first_use: Mapped[datetime | None] = mapped_column(UTCDateTime)
