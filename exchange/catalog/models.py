"""Datasets, their fixed versions and files, the offers made of them, and the numbers under which offers are searched."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from exchange.database import Base, UTCDateTime

# A version has a column named `bytes`, which would hide the type inside its class.
Octets = bytes
_NUMBER = BigInteger().with_variant(Integer, "sqlite")


class Dataset(Base):
    """What a provider lists. `state`: draft, offered, withdrawn or frozen; `grade` is empty until it was determined."""

    __tablename__ = "dataset"
    __table_args__ = (Index("ix_dataset_participant_created", "participant_id", "created_at"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    participant_id: Mapped[str] = mapped_column(ForeignKey("participant.id"))
    title: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(String(8000), default="")
    keywords: Mapped[list[str]] = mapped_column(JSON, default=list)
    domain: Mapped[str] = mapped_column(String(64), default="")
    coverage: Mapped[str] = mapped_column(String(500), default="")
    update_frequency: Mapped[str] = mapped_column(String(32), default="")
    kind: Mapped[str] = mapped_column(String(16), default="table")
    state: Mapped[str] = mapped_column(String(16), default="draft")
    grade: Mapped[int | None]
    category: Mapped[str] = mapped_column(String(16), default="")
    # The three answers and the reference of the risk assessment that grade and category rest on.
    grading: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    rights: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    current_version_id: Mapped[str | None] = mapped_column(String(64))
    # While a dispute over the rights freezes it: the state it goes back to, and why; and when that last began or ended.
    frozen_from: Mapped[str | None] = mapped_column(String(16))
    freeze_reason: Mapped[str] = mapped_column(String(2000), default="")
    freeze_changed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime)
    versions: Mapped[list[DatasetVersion]] = relationship(back_populates="dataset", order_by="DatasetVersion.number")


class DatasetVersion(Base):
    """A fixed state of a dataset: files encrypted under one data key, which the tenant key wraps (context `version/{id}`).

    `state`: receiving (parts still to come), ingesting, ready or failed; `published_at` is set once the provider's statement
    of this version is recorded. `digest` covers the plain digests of the files in order.
    """

    __tablename__ = "dataset_version"
    __table_args__ = (UniqueConstraint("dataset_id", "number"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    dataset_id: Mapped[str] = mapped_column(ForeignKey("dataset.id"), index=True)
    number: Mapped[int]
    kind: Mapped[str] = mapped_column(String(16), default="table")
    state: Mapped[str] = mapped_column(String(16), default="receiving")
    digest: Mapped[str] = mapped_column(String(80), default="")
    rows: Mapped[int] = mapped_column(BigInteger, default=0)
    bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    schema: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    # The Arrow schema in its IPC form, since plans are checked against exact types.
    arrow_schema: Mapped[Octets | None] = mapped_column(LargeBinary)
    findings: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    warnings: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    # How the sources are read: delimiter, encoding and the types that the owner corrected.
    options: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    parts: Mapped[int] = mapped_column(default=1)
    uploaded_by: Mapped[str] = mapped_column(String(64), default="")
    job_id: Mapped[str | None] = mapped_column(String(64))
    wrapped_key: Mapped[Octets | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    ready_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    published_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    dataset: Mapped[Dataset] = relationship(back_populates="versions")
    files: Mapped[list[VersionFile]] = relationship(back_populates="version", order_by="VersionFile.position")
    sources: Mapped[list[VersionSource]] = relationship(back_populates="version", order_by="VersionSource.position")


class VersionFile(Base):
    """One file of a version: Parquet (table) or the bytes as they came (opaque), sealed, stored by the digest of the sealed bytes."""

    __tablename__ = "version_file"
    __table_args__ = (UniqueConstraint("version_id", "position"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    version_id: Mapped[str] = mapped_column(ForeignKey("dataset_version.id"))
    position: Mapped[int]
    name: Mapped[str] = mapped_column(String(255))
    object_digest: Mapped[str] = mapped_column(String(64))
    plain_digest: Mapped[str] = mapped_column(String(80))
    plain_size: Mapped[int] = mapped_column(BigInteger)
    sealed_size: Mapped[int] = mapped_column(BigInteger)
    rows: Mapped[int] = mapped_column(BigInteger, default=0)
    version: Mapped[DatasetVersion] = relationship(back_populates="files")


class VersionSource(Base):
    """A file as it was uploaded, sealed under a key of its own, kept until its version is offered or has failed.

    An acknowledged upload lies here, not in the spool, so that a crash loses nothing and types can be corrected.
    """

    __tablename__ = "version_source"
    __table_args__ = (
        UniqueConstraint("version_id", "position"),
        Index("ix_version_source_request", "participant_id", "request_key"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    participant_id: Mapped[str] = mapped_column(ForeignKey("participant.id"))
    version_id: Mapped[str] = mapped_column(ForeignKey("dataset_version.id"))
    position: Mapped[int]
    name: Mapped[str] = mapped_column(String(255))
    object_digest: Mapped[str] = mapped_column(String(64))
    plain_digest: Mapped[str] = mapped_column(String(80))
    plain_size: Mapped[int] = mapped_column(BigInteger)
    wrapped_key: Mapped[bytes] = mapped_column(LargeBinary)
    request_key: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    version: Mapped[DatasetVersion] = relationship(back_populates="sources")


class PendingObject(Base):
    """An object that is being stored but belongs to no row yet; what a crash left behind is removed by these notes."""

    __tablename__ = "pending_object"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    subject: Mapped[str] = mapped_column(String(64), index=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)


class Offer(Base):
    """The terms of a listing: policy, price and desensitization plan of one version. `state`: draft, open or closed; open is immutable."""

    __tablename__ = "offer"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    dataset_id: Mapped[str] = mapped_column(ForeignKey("dataset.id"), index=True)
    participant_id: Mapped[str] = mapped_column(ForeignKey("participant.id"), index=True)
    version_id: Mapped[str] = mapped_column(ForeignKey("dataset_version.id"), index=True)
    policy: Mapped[dict[str, Any]] = mapped_column(JSON)
    template: Mapped[str] = mapped_column(String(64))
    parameters: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    price: Mapped[dict[str, Any]] = mapped_column(JSON)
    plan: Mapped[dict[str, Any]] = mapped_column(JSON)
    plan_digest: Mapped[str] = mapped_column(String(80))
    visibility: Mapped[str] = mapped_column(String(16), default="authorised")
    state: Mapped[str] = mapped_column(String(16), default="draft")
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    published_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    closed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    dataset: Mapped[Dataset] = relationship()
    version: Mapped[DatasetVersion] = relationship()
    named: Mapped[list[OfferRecipient]] = relationship(
        lazy="selectin", cascade="all, delete-orphan", order_by="OfferRecipient.participant_id"
    )

    @property
    def audience(self) -> list[str]:
        """Return the ids of the participants that an authorised offer names; empty: every verified one."""
        return [row.participant_id for row in self.named]


class OfferRecipient(Base):
    """A participant that an authorised offer names."""

    __tablename__ = "offer_recipient"

    offer_id: Mapped[str] = mapped_column(ForeignKey("offer.id"), primary_key=True)
    participant_id: Mapped[str] = mapped_column(ForeignKey("participant.id"), primary_key=True, index=True)


class OfferNumber(Base):
    """The whole number under which the full-text index (tables `catalog_search…`) knows an offer."""

    __tablename__ = "offer_number"

    number: Mapped[int] = mapped_column(_NUMBER, primary_key=True)
    offer_id: Mapped[str] = mapped_column(ForeignKey("offer.id"), unique=True)
