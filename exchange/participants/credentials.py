"""Passwords renewed: by oneself, by an owner of the firm, by an operator for a firm's last owner.

Whoever lost a password gets a one-time code from somebody who knows the person. With the code's making the old password,
all sessions and all tokens end; the code is shown once, stored as its SHA-256, and sets one new password within a day.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from exchange.access import Actor, Permission, Role
from exchange.audit.service import record
from exchange.errors import ConflictError, InvalidInputError, NotFoundError
from exchange.participants import passwords
from exchange.participants.models import ApiToken, LoginSession, Participant, PasswordReset, User
from exchange.steps import Step, operation

_CODE_HOURS = 24
_CODE_BYTES = 15


def digest(secret: str) -> str:
    """Return the name under which a session id, token or code is stored."""
    return hashlib.sha256(secret.encode()).hexdigest()


def owners(session: Session, participant: str) -> list[User]:
    """Return a firm's owners who can act."""
    people = session.scalars(select(User).where(User.participant_id == participant, User.disabled.is_(False)))
    return [person for person in people if Role.OWNER in person.roles]


def end_all(step: Step, person: User, *, session: str | None = None, token: str | None = None) -> None:
    """End what a person is signed in with, except `session` (its digest) and `token` (its id), and codes not used yet."""
    sessions = delete(LoginSession).where(LoginSession.user_id == person.id)
    tokens = update(ApiToken).where(ApiToken.user_id == person.id, ApiToken.revoked_at.is_(None))
    step.session.execute(sessions.where(LoginSession.digest != session) if session else sessions)
    step.session.execute((tokens.where(ApiToken.id != token) if token else tokens).values(revoked_at=step.now))
    step.session.execute(delete(PasswordReset).where(PasswordReset.user_id == person.id))
    person.ended_at = step.now


def proof_of(session: Session, actor: Actor, password: str) -> str:
    """Return what proves that `password` is the acting person's now, empty where it is not; for `participants.change_password`."""
    stored = session.scalar(select(User.password_hash).where(User.id == actor.user)) or ""
    return stored if passwords.matches(stored, password) else ""


@operation("participants.change_password", Permission.ACCOUNT)
def change_password(step: Step, *, proof: str, password_hash: str) -> dict[str, Any]:
    """Give the acting person a new password; all other sessions and tokens end.

    `proof` comes from `proof_of`. Raises InvalidInputError where it is not of the password that holds now.
    """
    person = _locked(step, User.id == step.actor.user)
    if not proof or not secrets.compare_digest(proof, person.password_hash):
        raise InvalidInputError(
            ("This is not your present password.", "当前密码不正确。"),
            (
                "Try again, or ask an owner of your organisation to reset it.",
                "请重试，或请贵机构的所有者重置密码。",
            ),
            field="current_password",
            code="wrong-password",
        )
    person.password_hash = password_hash
    end_all(step, person, session=step.actor.session, token=step.actor.token)
    _record(step, "participant.password_changed", person, by_code=False)
    return {"user": person.id}


@operation("participants.reset_password", Permission.PARTICIPANT_MANAGE, secret_fields=("code",))
def reset_password(step: Step, *, user: str) -> dict[str, Any]:
    """Take a colleague's password away and return the one-time code that sets a new one.

    Raises NotFoundError for a stranger, ConflictError for oneself and for somebody who is disabled.
    """
    if user == step.actor.user:
        raise ConflictError(
            ("One's own password is changed, not reset.", "自己的密码请直接修改，无需重置。"),
            ("Change it on your account's page.", "请在账户页面修改密码。"),
            code="own-password",
        )
    firm = step.actor.participant
    if firm is None:
        raise NotFoundError()
    return _reset(step, _locked(step, User.id == user, User.participant_id == firm))


@operation("participants.recover_owner", Permission.RECOVER_OWNER, secret_fields=("code",))
def recover_owner(step: Step, *, participant: str, email: str) -> dict[str, Any]:
    """Take the password of a firm's last owner away and return the one-time code (operator).

    Raises NotFoundError for an unknown firm, InvalidInputError where the address is not an owner's, ConflictError while
    another owner could do it.
    """
    if step.session.get(Participant, participant) is None:
        raise NotFoundError()
    able = owners(step.session, participant)
    person = next((owner for owner in able if owner.email == email.strip().lower()), None)
    if person is None:
        raise InvalidInputError(
            ("This organisation has no owner with this address.", "该机构没有使用此邮箱的所有者。"),
            ("Check the address with the organisation.", "请与该机构核对邮箱。"),
            field="email",
        )
    if len(able) > 1:
        raise ConflictError(
            ("This organisation has another owner, who can reset the password.", "该机构还有其他所有者可以重置密码。"),
            ("Ask that owner.", "请联系该所有者。"),
            code="other-owners",
        )
    return _reset(step, _locked(step, User.id == person.id))


@operation("participants.reset_staff", None, secret_fields=("code",))
def reset_staff(step: Step, *, email: str) -> dict[str, Any]:
    """Take the password of a person of the exchange away and return the one-time code; the command line alone calls it.

    Raises InvalidInputError where the address is nobody's of the exchange.
    """
    wanted = User.email == email.strip().lower(), User.participant_id.is_(None)
    if step.session.scalar(select(User.id).where(*wanted)) is None:
        raise InvalidInputError(
            ("Nobody of the exchange has this address.", "交易所人员中没有使用此邮箱的人。"),
            ("Check the address; people of organisations are reset by their owners.", "请核对邮箱；机构人员的密码由其所有者重置。"),
            field="email",
        )  # fmt: skip
    return _reset(step, _locked(step, *wanted))


@operation("participants.redeem_code", Permission.PUBLIC)
def redeem_code(step: Step, *, code: str, password_hash: str) -> dict[str, Any]:
    """Set a new password with a one-time code. Raises InvalidInputError for one that is unknown, used or too old, all alike."""
    wanted = PasswordReset.digest == digest(_plain(code))
    owner = step.session.scalar(select(PasswordReset.user_id).where(wanted))
    # The person is locked before the code, as everywhere, so that two steps never wait for each other in a circle.
    person = step.session.get(User, owner, with_for_update={"key_share": True}) if owner else None
    live = delete(PasswordReset).where(wanted, PasswordReset.expires_at > step.now).returning(PasswordReset.user_id)
    used = step.session.scalar(live)
    if person is None or used is None or person.disabled:
        raise InvalidInputError(
            ("This code is unknown, used already, or too old.", "该重置码无效、已使用或已过期。"),
            ("Ask whoever gave it to you for a new one.", "请向提供重置码的人员索取新的重置码。"),
            field="code",
            code="wrong-code",
        )
    person.password_hash = password_hash
    end_all(step, person)
    _record(step, "participant.password_changed", person, by_code=True)
    return {"user": person.id}


def _reset(step: Step, person: User) -> dict[str, Any]:
    if person.disabled:
        raise ConflictError(
            ("This person is disabled.", "该人员已被停用。"),
            ("Enable the person first.", "请先启用该人员。"),
            code="person-disabled",
        )
    end_all(step, person)
    step.session.execute(delete(PasswordReset).where(PasswordReset.expires_at <= step.now))
    # Nothing signs this code, and the step's own randomness is kept while a step waits, so it is drawn afresh.
    code = base64.b32encode(secrets.token_bytes(_CODE_BYTES)).decode()
    expires = step.now + timedelta(hours=_CODE_HOURS)
    step.session.add(PasswordReset(digest=digest(code), user_id=person.id, created_at=step.now, expires_at=expires))
    person.password_hash = ""
    _record(step, "participant.password_reset", person)
    shown = "-".join(code[start : start + 4] for start in range(0, len(code), 4))
    return {"user": person.id, "code": shown, "expires_at": expires.isoformat()}


def _locked(step: Step, *conditions: Any) -> User:
    person = step.session.scalar(
        select(User).where(*conditions).with_for_update(key_share=True).execution_options(populate_existing=True)
    )
    if person is None:
        raise NotFoundError()
    return person


def _plain(code: str) -> str:
    return "".join(code.split()).replace("-", "").upper()


def _record(step: Step, kind: str, person: User, **fields: Any) -> None:
    """The exchange signs, since what ends a stranger's reach must not wait for a key that a firm keeps elsewhere."""
    firm = person.participant_id
    named = {"participant": firm, "user": person.id, "by": step.actor.user or person.id, **fields}
    record(step, kind, named, subjects=[firm] if firm else [])
