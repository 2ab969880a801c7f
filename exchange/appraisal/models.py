"""Quality reports and valuations of dataset versions; each is fixed by its digest once it is made."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from exchange.database import Base, UTCDateTime


class QualityAssessment(Base):
    """The quality of one version. `report` is public with the offer; `profile` holds exact values, so it is sealed for the owner."""

    __tablename__ = "quality_assessment"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    version_id: Mapped[str] = mapped_column(ForeignKey("dataset_version.id"), unique=True)
    dataset_id: Mapped[str] = mapped_column(ForeignKey("dataset.id"), index=True)
    participant_id: Mapped[str] = mapped_column(ForeignKey("participant.id"), index=True)
    report: Mapped[dict[str, Any]] = mapped_column(JSON)
    # What a valuation report says of the files, rules and code besides the quality, made once with the files at hand.
    basis: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    # Counts of each column that reveal no value (type, nulls, distinct), for the dictionary on the dataset's page.
    columns: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    profile: Mapped[bytes] = mapped_column(LargeBinary)
    digest: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)


class Valuation(Base):
    """One value estimate with its report; a new estimate is a new row, the newest counts."""

    __tablename__ = "valuation"
    __table_args__ = (Index("ix_valuation_version_created", "version_id", "created_at"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    dataset_id: Mapped[str] = mapped_column(ForeignKey("dataset.id"), index=True)
    version_id: Mapped[str] = mapped_column(ForeignKey("dataset_version.id"))
    participant_id: Mapped[str] = mapped_column(ForeignKey("participant.id"), index=True)
    approach: Mapped[str] = mapped_column(String(16))
    inputs: Mapped[dict[str, Any]] = mapped_column(JSON)
    report: Mapped[dict[str, Any]] = mapped_column(JSON)
    digest: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
