"""Rows of anchoring: each anchor with its signed transactions, and what the last look at the chain found."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from exchange.database import Base, UTCDateTime


class EthereumAnchor(Base):
    """One anchor, as ledger.anchors.ethereum.record has it; `size` is that of its tree head, so that it can be found by it."""

    __tablename__ = "ethereum_anchor"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(default=0)
    chain_id: Mapped[int] = mapped_column(BigInteger)
    contract: Mapped[str] = mapped_column(String(42))
    sender: Mapped[str] = mapped_column(String(42))
    nonce: Mapped[int] = mapped_column(BigInteger)
    previous: Mapped[bytes] = mapped_column(LargeBinary)
    size: Mapped[int] = mapped_column(BigInteger, index=True)
    state: Mapped[str] = mapped_column(String(16), index=True)
    attempts: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    mined: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    reorganisations: Mapped[int] = mapped_column(default=0)
    proof: Mapped[bytes | None] = mapped_column(LargeBinary)
    prepared_at: Mapped[datetime] = mapped_column(UTCDateTime)
    finalized_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class EthereumLook(Base):
    """The last look at the chain: when, and what kept anchoring from going on. There is one row."""

    __tablename__ = "ethereum_look"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    code: Mapped[str | None] = mapped_column(String(32))
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    sentence: Mapped[str] = mapped_column(String(500), default="")
