"""Organisations, their people, sessions, tokens and keys."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from exchange.database import Base, UTCDateTime


class Participant(Base):
    """An organisation: `pending` until an operator verified its evidence, then `verified`; `rejected` or `suspended` with a reason.

    `country` and `industry` are what it declares of itself, `verified_facts` what an operator found to be so; `declared_at` is
    set while a declaration waits for the operator. A rejected registration does not keep its credit code from its real owner.
    """

    __tablename__ = "participant"
    __table_args__ = (
        CheckConstraint("status IN ('pending', 'verified', 'suspended', 'rejected')", name="status_known"),
        Index(
            "uq_participant_credit_code",
            "credit_code",
            unique=True,
            sqlite_where=text("status <> 'rejected'"),
            postgresql_where=text("status <> 'rejected'"),
        ),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    credit_code: Mapped[str] = mapped_column(String(18))
    country: Mapped[str] = mapped_column(String(2), default="CN")
    industry: Mapped[str] = mapped_column(String(8), default="")
    verified_facts: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    contact: Mapped[str] = mapped_column(String(254), default="")
    status: Mapped[str] = mapped_column(String(16), default="pending")
    status_reason: Mapped[str] = mapped_column(String(2000), default="")
    # When a suspension last began or ended, or a registration was rejected; empty from the verification on.
    status_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    evidence: Mapped[str] = mapped_column(String(2000), default="")
    evidence_digest: Mapped[str] = mapped_column(String(80), default="")
    tenant_key: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    joined_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    verified_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    declared_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    keys: Mapped[list[ParticipantKey]] = relationship(
        back_populates="participant", order_by="ParticipantKey.created_at"
    )


class ParticipantKey(Base):
    """A key pair: Ed25519 for signing or X25519 for encryption; the private half only where it is custodial, wrapped."""

    __tablename__ = "participant_key"
    __table_args__ = (Index("ix_participant_key_participant_purpose", "participant_id", "purpose"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    participant_id: Mapped[str] = mapped_column(ForeignKey("participant.id"))
    purpose: Mapped[str] = mapped_column(String(16))
    custody: Mapped[str] = mapped_column(String(16))
    public: Mapped[bytes] = mapped_column(LargeBinary)
    wrapped_private: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    retired_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    participant: Mapped[Participant] = relationship(back_populates="keys")


class User(Base):
    """A person who signs in; belongs to one organisation, or to the exchange itself (participant is empty)."""

    __tablename__ = "user_account"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    password_hash: Mapped[str] = mapped_column(String(200))
    participant_id: Mapped[str | None] = mapped_column(ForeignKey("participant.id"), index=True)
    roles: Mapped[list[str]] = mapped_column(JSON)
    locale: Mapped[str] = mapped_column(String(8), default="en")
    disabled: Mapped[bool] = mapped_column(default=False)
    # When all that the person was signed in with last ended; what was issued before and is stored nowhere is dead, too.
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    participant: Mapped[Participant | None] = relationship()


class LoginSession(Base):
    """A browser session; only the SHA-256 of its opaque id is stored, so a stolen database opens no session."""

    __tablename__ = "login_session"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    seen_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    user_agent: Mapped[str] = mapped_column(String(200), default="")


class PasswordReset(Base):
    """A one-time code with which a person sets a new password; only its SHA-256 is stored, the code is shown once."""

    __tablename__ = "password_reset"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)


class ApiToken(Base):
    """A scoped API token; its SHA-256 is stored, the token itself is shown once. One that a token made names its parent.

    `caveats` narrow it further: `agreements`, `datasets` and `actions`, each a list; what is not named is not narrowed.
    """

    __tablename__ = "api_token"
    __table_args__ = (UniqueConstraint("digest"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user_account.id"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    digest: Mapped[str] = mapped_column(String(64))
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("api_token.id"), index=True)
    scopes: Mapped[list[str] | None] = mapped_column(JSON)
    caveats: Mapped[dict[str, list[str]]] = mapped_column(JSON, default=dict)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
