"""Sessions and API tokens: opaque random strings of which only the SHA-256 is stored."""

from __future__ import annotations

import secrets
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Select, bindparam, delete, false, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from exchange.access import ROLE_PERMISSIONS, Actor, Permission, Role
from exchange.config import Settings
from exchange.database import memo
from exchange.errors import AuthenticationError, Bilingual, InvalidInputError, NotFoundError
from exchange.participants import passwords
from exchange.participants.credentials import digest
from exchange.participants.models import ApiToken, LoginSession, Participant, User
from exchange.steps import Step, operation

_PREFIX = "ide_"
_LONGEST_DAYS = 366
_MOST_NAMED = 100
CAVEATS = ("agreements", "datasets", "actions")
# The last word of each permission.
_ACTIONS = frozenset(permission.rsplit(":", 1)[1] for permission in Permission)


@dataclass(frozen=True)
class _Row:
    actor: Actor
    seen_at: datetime


def new_token(random: bytes) -> str:
    """Return a token: prefix, 256 random bits, checksum (so that scanners find leaked ones and typing errors cost no look-up)."""
    body = random.hex()
    return f"{_PREFIX}{body}_{zlib.crc32(body.encode()):08x}"


def looks_like_token(text: str) -> bool:
    """Say whether prefix, length and checksum of a token are right."""
    body, _, checksum = text.removeprefix(_PREFIX).rpartition("_")
    return text.startswith(_PREFIX) and len(body) == 64 and checksum == f"{zlib.crc32(body.encode()):08x}"


def authenticate(session: Session, email: str, password: str) -> User:
    """Return the person with these credentials. Raises AuthenticationError, the same for a wrong name and a wrong password."""
    user = session.scalar(select(User).where(User.email == email.strip().lower(), User.disabled.is_(False)))
    if not passwords.matches(user.password_hash if user else None, password) or user is None:
        raise AuthenticationError(
            ("E-mail address and password do not belong together.", "邮箱与密码不匹配。"),
            (
                "Try again, or ask an owner of your organisation for a new password.",
                "请重试，或联系贵机构的所有者重置密码。",
            ),
        )
    return user


def open_session(session: Session, settings: Settings, user: User, user_agent: str) -> str:
    """Start a browser session and return its opaque id for the cookie.

    Raises AuthenticationError where `user`, as it was when the password was given, has ended or changed the password meanwhile.
    """
    _require_unchanged(session, user.id, user.password_hash)
    identifier = secrets.token_urlsafe(32)
    now = datetime.now(UTC)
    session.add(
        LoginSession(
            digest=digest(identifier), user_id=user.id, created_at=now, seen_at=now,
            expires_at=now + timedelta(hours=settings.session_absolute_hours), user_agent=user_agent[:200],
        )
    )  # fmt: skip
    return identifier


def close_session(session: Session, identifier: str) -> None:
    """End a browser session at once."""
    session.execute(delete(LoginSession).where(LoginSession.digest == digest(identifier)))


def actor_of_session(connection: Connection, settings: Settings, identifier: str) -> tuple[Actor, bool] | None:
    """Return (actor, whether `seen_at` wants renewal) for a live session id, or None."""
    now = datetime.now(UTC)
    row = _person(connection, _OF_SESSION, digest(identifier))
    if row is None or row.expires_at < now or row.seen_at < now - timedelta(minutes=settings.session_idle_minutes):
        return None
    return _actor(row, session_id=digest(identifier)), row.seen_at < now - timedelta(minutes=1)


def touch_session(session: Session, session_digest: str) -> None:
    """Note that a session was used."""
    session.execute(update(LoginSession).where(LoginSession.digest == session_digest).values(seen_at=datetime.now(UTC)))


def actor_of_token(connection: Connection, token: str) -> Actor | None:
    """Return the actor of a live API token, or None."""
    if not looks_like_token(token):
        return None
    row = _person(connection, _OF_TOKEN, digest(token))
    if row is None or row.expires_at < datetime.now(UTC):
        return None
    scopes = None if row.scopes is None else frozenset(Permission(scope) for scope in row.scopes)
    return _actor(row, scopes=scopes, token_id=row.token_id, caveats=row.caveats)


def _person(connection: Connection, question: Select[Any], wanted: str) -> Any:
    """Return the row that answers for a session or token; asked anew only when anything has changed since."""
    kept = memo(connection)
    if kept is not None and wanted in kept:
        return kept[wanted]
    row = connection.execute(question, {"wanted": wanted}).first()
    # An unknown token is not kept, so that guesses fill no memory.
    if kept is not None and row is not None:
        kept[wanted] = row
    return row


_users, _firms = User.__table__.c, Participant.__table__.c
_sessions, _tokens = LoginSession.__table__.c, ApiToken.__table__.c


def _people(*columns: Any) -> Select[Any]:
    firm = User.__table__.outerjoin(Participant.__table__, _firms.id == _users.participant_id)
    return (
        select(
            _users.id, _users.name, _users.roles, _users.locale, _users.participant_id,
            _firms.name.label("participant_name"), _firms.status, *columns,
        )
        .select_from(firm)
        .where(_users.disabled == false())
    )  # fmt: skip


# Every request asks one of these, so they are built once, over the tables and not the mapped classes.
_OF_USER = _people().where(_users.id == bindparam("wanted"))
_OF_SESSION = (
    _people(_sessions.seen_at, _sessions.expires_at)
    .join(LoginSession.__table__, _sessions.user_id == _users.id)
    .where(_sessions.digest == bindparam("wanted"))
)
_OF_TOKEN = (
    _people(_tokens.id.label("token_id"), _tokens.scopes, _tokens.caveats, _tokens.expires_at)
    .join(ApiToken.__table__, _tokens.user_id == _users.id)
    .where(_tokens.digest == bindparam("wanted"), _tokens.revoked_at.is_(None))
)


def _actor(
    row: Any,
    *,
    session_id: str | None = None,
    scopes: frozenset[Permission] | None = None,
    token_id: str | None = None,
    caveats: dict[str, list[str]] | None = None,
) -> Actor:
    narrowed = {name: frozenset(values) for name, values in (caveats or {}).items()}
    return Actor(
        user=row.id, name=row.name, participant=row.participant_id, participant_name=row.participant_name or "",
        status=row.status or "", roles=frozenset(Role(role) for role in row.roles), scopes=scopes, session=session_id,
        token=token_id, locale=row.locale, **narrowed,
    )  # fmt: skip


def actor_of_user(session: Session, user_id: str) -> Actor:
    """Return the actor that `user_id` is, for work done in that person's name (jobs, command line). Raises NotFoundError."""
    row = session.connection().execute(_OF_USER, {"wanted": user_id}).first()
    if row is None:
        raise NotFoundError()
    return _actor(row)


def still_holds(
    session: Session, user_id: str, permission: Permission, issued_at: datetime, parent: str | None = None
) -> bool:
    """Say whether what was issued to a person then holds now: neither the person nor the credentials ended, and a role allows it.

    `parent`: the API token that it was issued for, which must not have been revoked or have expired.
    """
    if parent:
        made_by = session.get(ApiToken, parent)
        ended = made_by is None or made_by.revoked_at is not None or made_by.expires_at <= datetime.now(UTC)
        if ended or made_by.user_id != user_id:  # type: ignore[union-attr]
            return False
    person = session.get(User, user_id)
    if person is None or person.disabled or (person.ended_at is not None and issued_at <= person.ended_at):
        return False
    return any(permission in ROLE_PERMISSIONS[Role(role)] for role in person.roles)


@operation("participants.create_token", Permission.TOKEN_MANAGE, secret_fields=("token",))
def create_token(
    step: Step,
    *,
    name: str,
    scopes: list[str] | None = None,
    caveats: dict[str, list[str]] | None = None,
    days: int = 30,
    proof: str | None = None,
) -> dict[str, Any]:
    """Make an API token for the acting person; the token is in the answer once and never again.

    `scopes` are permissions that narrow it (None: all of the person's), and so do `caveats`, lists of `agreements`, `datasets` and
    `actions`: what is named there is all that it may touch or do. One that is made with a token can do no more than that
    one, ends no later, and ends with it when it is revoked. `proof`: the password's hash as it was when the person gave it; one
    that was changed meanwhile makes no token. Raises InvalidInputError on unknown scopes, caveats or days, AuthenticationError where
    person, password or parent has ended meanwhile.
    """
    known = {str(permission) for permission in step.actor.permissions}
    unknown = sorted(set(scopes or ()) - known)
    if unknown:
        raise InvalidInputError(
            (f"You do not hold {', '.join(unknown)}.", f"您不具备权限 {'、'.join(unknown)}。"),
            ("Choose scopes among your own permissions.", "请在您已有的权限中选择范围。"),
            field="scopes",
        )
    if not 1 <= days <= _LONGEST_DAYS or not name.strip():
        raise InvalidInputError(
            (
                f"A token has a name and lives 1 to {_LONGEST_DAYS} days.",
                f"令牌需有名称，有效期为 1 至 {_LONGEST_DAYS} 天。",
            ),
            ("Mend name or days.", "请修正名称或天数。"),
            field="days",
        )
    kept = _narrowed(step.actor, caveats or {})
    _require_unchanged(step.session, step.actor.user or "", proof)
    parent, expires = _live_parent(step), step.now + timedelta(days=days)
    if parent is not None:
        expires = min(expires, parent.expires_at)
        if scopes is None and step.actor.scopes is not None:
            scopes = sorted(step.actor.scopes)
    token = new_token(secrets.token_bytes(32))
    row = ApiToken(
        id=step.new_id(), user_id=step.actor.user, name=name.strip()[:100], digest=digest(token), scopes=scopes,
        caveats=kept, parent_id=parent.id if parent else None, created_at=step.now, expires_at=expires,
    )  # fmt: skip
    step.session.add(row)
    return {"id": row.id, "token": token, "caveats": kept, "expires_at": row.expires_at.isoformat()}


def _narrowed(actor: Actor, caveats: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return the caveats of a token that `actor` makes: those given, and where none is given those of the token that makes it.

    Raises InvalidInputError on a caveat of another kind, and on one that would reach further than the maker's own.
    """
    kept: dict[str, list[str]] = {}
    for name in sorted(set(caveats) | set(CAVEATS)):
        if name not in CAVEATS:
            raise _wrong_caveat(name, (f"{name!r} is no caveat.", f"{name!r} 不是令牌限制。"))
        own, given = getattr(actor, name), caveats.get(name)
        if given is None:
            kept |= {} if own is None else {name: sorted(own)}
            continue
        if not 1 <= len(given) <= _MOST_NAMED or not all(1 <= len(item) <= 64 for item in given):
            raise _wrong_caveat(
                name, (f"A caveat names 1 to {_MOST_NAMED} things.", f"每项限制可列出 1 至 {_MOST_NAMED} 个对象。")
            )
        if own is not None and not set(given) <= own:
            raise _wrong_caveat(
                name,
                ("A token can only be narrowed, and this reaches further.", "令牌只能缩小范围，此限制超出了原有范围。"),
            )
        if name == "actions" and (unknown := sorted(set(given) - _ACTIONS)):
            raise _wrong_caveat(
                name, (f"There is no action {', '.join(unknown)[:100]}.", f"没有操作 {'、'.join(unknown)[:100]}。")
            )
        kept[name] = sorted(set(given))
    return kept


def _wrong_caveat(name: str, reason: Bilingual) -> InvalidInputError:
    return InvalidInputError(
        reason,
        (
            "Name agreements, datasets or actions among those of the token that you use.",
            "请从当前令牌的范围内选择协议、数据集或操作。",
        ),
        field=name[:64],
    )


def _live_parent(step: Step) -> ApiToken | None:
    """Return the token that makes another one, locked, so that it cannot be revoked without the new one; None for a session."""
    if step.actor.token is None:
        return None
    parent = step.session.scalar(
        select(ApiToken).where(ApiToken.id == step.actor.token).with_for_update(key_share=True)
    )
    if parent is None or parent.revoked_at is not None or parent.expires_at <= step.now:
        raise _ended()
    return parent


def _require_unchanged(session: Session, user: str, proof: str | None) -> None:
    """Raise AuthenticationError where the person was disabled, or the password reset or changed, after it was given; locks the person."""
    person = session.scalar(
        select(User).where(User.id == user).with_for_update(key_share=True).execution_options(populate_existing=True)
    )
    if person is None or person.disabled or (proof is not None and proof != person.password_hash):
        raise _ended()


def _ended() -> AuthenticationError:
    return AuthenticationError(
        ("What you signed in with has ended meanwhile.", "您的登录凭据已失效。"),
        ("Sign in again.", "请重新登录。"),
        code="invalid-token",
    )


@operation("participants.revoke_token", Permission.TOKEN_MANAGE)
def revoke_token(step: Step, *, token: str) -> dict[str, Any]:
    """End one of the acting person's tokens at once, and those that were made with it. Raises NotFoundError."""
    mine = ApiToken.user_id == step.actor.user
    # The person comes before the tokens, as in every step that ends some, so that two never wait for each other in a circle.
    step.session.execute(select(User.id).where(User.id == step.actor.user).with_for_update(key_share=True))
    row = step.session.scalar(select(ApiToken).where(ApiToken.id == token, mine).with_for_update(key_share=True))
    if row is None:
        raise NotFoundError()
    ending = [row]
    while ending:
        for item in ending:
            item.revoked_at = item.revoked_at or step.now
        parents = [item.id for item in ending]
        children = select(ApiToken).where(ApiToken.parent_id.in_(parents)).order_by(ApiToken.id)
        ending = list(step.session.scalars(children.with_for_update(key_share=True)))
    return {"id": row.id, "revoked": True}


def tokens_of(session: Session, actor: Actor) -> list[ApiToken]:
    """Return the acting person's tokens, newest first."""
    return list(
        session.scalars(select(ApiToken).where(ApiToken.user_id == actor.user).order_by(ApiToken.created_at.desc()))
    )
