"""Rows of attestations: the checkpoints that were shown to outsiders, what these said of them, and how the last look at each went."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from exchange.database import Base, UTCDateTime


class AttestedCheckpoint(Base):
    """A signed checkpoint that some outsider vouched for; `note` is without cosignatures."""

    __tablename__ = "attested_checkpoint"

    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    root: Mapped[bytes] = mapped_column(LargeBinary)
    note: Mapped[str] = mapped_column(Text)
    made_at: Mapped[datetime] = mapped_column(UTCDateTime)


class CheckpointCosignature(Base):
    """A witness's verified cosignature line; `time` is the moment that it states, in seconds since the epoch."""

    __tablename__ = "checkpoint_cosignature"

    size: Mapped[int] = mapped_column(ForeignKey("attested_checkpoint.size", ondelete="CASCADE"), primary_key=True)
    witness: Mapped[str] = mapped_column(String(300), primary_key=True)
    line: Mapped[str] = mapped_column(Text)
    time: Mapped[int] = mapped_column(BigInteger)


class CheckpointTimestamp(Base):
    """A time-stamping authority's verified reply over a checkpoint, and the moment by which that existed at the latest."""

    __tablename__ = "checkpoint_timestamp"

    size: Mapped[int] = mapped_column(ForeignKey("attested_checkpoint.size", ondelete="CASCADE"), primary_key=True)
    reply: Mapped[bytes] = mapped_column(LargeBinary)
    latest: Mapped[datetime] = mapped_column(UTCDateTime)
    authority: Mapped[str] = mapped_column(String(300))


class Outsider(Base):
    """The last time an outsider was asked. `size`: the largest checkpoint that it vouched for, as far as is known; `code`: why not."""

    __tablename__ = "outsider"

    name: Mapped[str] = mapped_column(String(300), primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger, default=0)
    asked_at: Mapped[datetime] = mapped_column(UTCDateTime)
    vouched_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    code: Mapped[str | None] = mapped_column(String(32))
    sentence: Mapped[str] = mapped_column(String(500), default="")
