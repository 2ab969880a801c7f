"""Negotiations, their events, and the agreements that both sides signed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    event,
    inspect,
)
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, Mapper, mapped_column, relationship

from exchange.database import Base, UTCDateTime

_STATES = "'REQUESTED', 'OFFERED', 'ACCEPTED', 'AGREED', 'VERIFIED', 'FINALIZED', 'TERMINATED'"


class Negotiation(Base):
    """One contract negotiation of the Dataspace Protocol over an offer.

    The terms on the table (`policy`, `plan`, `price`, `template`, `parameters`, `valid_until`) are those proposed
    last, by `terms_by`.
    """

    __tablename__ = "negotiation"
    __table_args__ = (
        CheckConstraint(f"state IN ({_STATES})", name="state_known"),
        CheckConstraint("provider_id <> consumer_id", name="two_parties"),
        CheckConstraint("terms_by IN ('provider', 'consumer')", name="terms_by_known"),
        Index("ix_negotiation_provider_updated", "provider_id", "updated_at"),
        Index("ix_negotiation_consumer_updated", "consumer_id", "updated_at"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    offer_id: Mapped[str] = mapped_column(ForeignKey("offer.id"), index=True)
    dataset_id: Mapped[str] = mapped_column(ForeignKey("dataset.id"), index=True)
    version_id: Mapped[str] = mapped_column(ForeignKey("dataset_version.id"))
    provider_id: Mapped[str] = mapped_column(ForeignKey("participant.id"))
    consumer_id: Mapped[str] = mapped_column(ForeignKey("participant.id"))
    state: Mapped[str] = mapped_column(String(16))
    purpose: Mapped[str] = mapped_column(String(200))
    intended_use: Mapped[str] = mapped_column(String(2000), default="")
    policy: Mapped[dict[str, Any]] = mapped_column(JSON)
    plan: Mapped[dict[str, Any]] = mapped_column(JSON)
    plan_digest: Mapped[str] = mapped_column(String(80))
    price: Mapped[dict[str, Any]] = mapped_column(JSON)
    template: Mapped[str] = mapped_column(String(64), default="")
    parameters: Mapped[dict[str, Any]] = mapped_column(JSON)
    valid_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    terms_by: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(String(2000), default="")
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime)
    events: Mapped[list[NegotiationEvent]] = relationship(
        back_populates="negotiation", order_by="NegotiationEvent.number"
    )


class NegotiationEvent(Base):
    """One step of either side: the state it led to and the terms it proposed, if any. Never altered."""

    __tablename__ = "negotiation_event"
    __table_args__ = (Index("uq_negotiation_event_number", "negotiation_id", "number", unique=True),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    negotiation_id: Mapped[str] = mapped_column(ForeignKey("negotiation.id"))
    number: Mapped[int] = mapped_column(Integer)
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    role: Mapped[str] = mapped_column(String(16))
    user_name: Mapped[str] = mapped_column(String(100), default="")
    state: Mapped[str] = mapped_column(String(16))
    note: Mapped[str] = mapped_column(String(2000), default="")
    terms: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    statement: Mapped[str] = mapped_column(String(64), default="")
    negotiation: Mapped[Negotiation] = relationship(back_populates="events")


class AgreementRecord(Base):
    """A signed agreement. Its document never changes; `state` and the consumer's signature move forward only.

    `ledger_id` is the random name it bears on the public ledger, so that an entry does not tell which
    agreement it is about.
    """

    __tablename__ = "agreement"
    __table_args__ = (
        CheckConstraint("state IN ('agreed', 'verified', 'in_force', 'terminated')", name="state_known"),
        CheckConstraint("state NOT IN ('verified', 'in_force') OR consumer_signature IS NOT NULL", name="signed"),
        Index("ix_agreement_provider_created", "provider_id", "created_at"),
        Index("ix_agreement_consumer_created", "consumer_id", "created_at"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    ledger_id: Mapped[str] = mapped_column(String(64), unique=True)
    negotiation_id: Mapped[str] = mapped_column(ForeignKey("negotiation.id"), unique=True)
    dataset_id: Mapped[str] = mapped_column(ForeignKey("dataset.id"), index=True)
    version_id: Mapped[str] = mapped_column(ForeignKey("dataset_version.id"))
    provider_id: Mapped[str] = mapped_column(ForeignKey("participant.id"))
    consumer_id: Mapped[str] = mapped_column(ForeignKey("participant.id"))
    document: Mapped[bytes] = mapped_column(LargeBinary)
    digest: Mapped[str] = mapped_column(String(80))
    provider_signature: Mapped[dict[str, Any]] = mapped_column(JSON)
    consumer_signature: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    state: Mapped[str] = mapped_column(String(16), default="agreed")
    valid_from: Mapped[datetime] = mapped_column(UTCDateTime)
    valid_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    in_force_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    negotiation: Mapped[Negotiation] = relationship()


# What both sides signed, and what names it: fixed from the first write on.
FIXED = (
    "id",
    "ledger_id",
    "negotiation_id",
    "dataset_id",
    "version_id",
    "provider_id",
    "consumer_id",
    "document",
    "digest",
    "provider_signature",
    "valid_from",
    "valid_until",
    "created_at",
)


class ImmutableError(RuntimeError):
    """Code tried to alter or remove what was signed; this is a fault of the program, never of its user."""


@event.listens_for(AgreementRecord, "before_update")
def _refuse_alteration(_mapper: Mapper[AgreementRecord], _connection: Connection, target: AgreementRecord) -> None:
    state = inspect(target)
    changed = [name for name in FIXED if state.attrs[name].history.has_changes()]
    signature = state.attrs["consumer_signature"].history
    if signature.has_changes() and any(signature.deleted):
        changed.append("consumer_signature")
    if changed:
        raise ImmutableError(f"A signed agreement does not change: {', '.join(changed)}.")


@event.listens_for(AgreementRecord, "before_delete")
@event.listens_for(NegotiationEvent, "before_delete")
@event.listens_for(NegotiationEvent, "before_update")
def _refuse(_mapper: Mapper[Any], _connection: Connection, target: Any) -> None:
    raise ImmutableError(f"A row of {type(target).__name__} is neither altered nor removed.")
