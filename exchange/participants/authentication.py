"""Who makes the request: a bearer token, or a session cookie with CSRF protection. Nothing else is an identity."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from flask import Flask, Response, g, request
from limits import RateLimitItemPerMinute
from werkzeug.exceptions import TooManyRequests

from exchange import extensions
from exchange.access import STRANGER, Permission
from exchange.config import Settings
from exchange.errors import AuthenticationError
from exchange.participants import tokens
from exchange.participants.models import User
from exchange.web import connection, database, reading, services, takes_access_token

_SAFE_METHODS = {"GET", "HEAD", "OPTIONS", "TRACE"}
# Whatever is read into memory as a whole; only the bytes of a dataset may be longer.
_LONGEST_MESSAGE = 2 * 1024 * 1024
_FORM = "application/x-www-form-urlencoded"


def cookie_name(settings: Settings) -> str:
    """Return the session cookie's name; the __Host- prefix binds it to this host where TLS is used."""
    return "__Host-session" if settings.secure_cookies else "session"


def init_app(app: Flask) -> None:
    """Load the actor before every request; it runs before the permission gate."""
    app.before_request_funcs.setdefault(None, []).insert(0, load_actor)


def load_actor() -> None:
    """Set g.actor. A bearer token that is wrong, expired or revoked is refused, never treated as a stranger."""
    g.actor = STRANGER
    request.max_content_length = _LONGEST_MESSAGE
    endpoint = request.endpoint or ""
    if endpoint == "static" or endpoint.endswith(".static"):
        return
    header = request.headers.get("Authorization", "")
    if header:
        _by_token(header)
        _admit_uploads()
        return
    identifier = request.cookies.get(cookie_name(services().settings))
    if identifier:
        found = tokens.actor_of_session(connection(), services().settings, identifier)
        if found is not None:
            g.actor, renew = found
            if renew:
                with database().writing() as session:
                    tokens.touch_session(session, g.actor.session)
    _admit_uploads()
    if request.method not in _SAFE_METHODS and (g.actor.session or not request.path.startswith("/api/")):
        extensions.csrf.protect()


def throttled(view: Callable[..., Any]) -> Callable[..., Any]:
    """Limit how often one address may post to a view that strangers may call (setting login_attempts_per_minute)."""
    return extensions.limiter.limit(lambda: f"{_attempts()} per minute", methods=["POST"])(view)


def sign_in(email: str, password: str) -> User:
    """Return the person with these credentials; failures are counted for each account, from wherever they come.

    Raises AuthenticationError, or TooManyRequests before the password is looked at. An account that does not exist is
    counted like any other, and a success costs nothing, so an owner's programs do not lock the owner out.
    """
    failures = RateLimitItemPerMinute(_attempts())
    account = "account/" + hashlib.sha256(email.strip().lower().encode(errors="replace")).hexdigest()
    if not extensions.limiter.limiter.test(failures, account):
        raise TooManyRequests()
    try:
        return tokens.authenticate(reading(), email, password)
    except AuthenticationError:
        extensions.limiter.limiter.hit(failures, account)
        raise


def _attempts() -> int:
    return services().settings.login_attempts_per_minute


def _admit_uploads() -> None:
    """Let those who may send data send it; everybody else's request ends at the length of a message."""
    if request.method in _SAFE_METHODS:
        return
    if g.actor.may(Permission.DATASET_WRITE) and not (request.is_json or request.mimetype == _FORM):
        request.max_content_length = services().settings.max_upload_bytes


def _by_token(header: str) -> None:
    scheme, _, credential = header.partition(" ")
    # Access tokens of transfers are JWTs; the views that take them check them, and elsewhere they are nobody's.
    if scheme.lower() in {"bearer", "dpop"} and credential.count(".") == 2 and takes_access_token(request.endpoint):
        g.access_token, g.access_scheme = credential, scheme.lower()
        return
    actor = tokens.actor_of_token(connection(), credential) if scheme.lower() == "bearer" else None
    if actor is None:
        raise AuthenticationError(
            ("This token is unknown, expired or revoked.", "该令牌未知、已过期或已撤销。"),
            (
                "Make a new one under Account, or with `exchange login`.",
                "请在账户页面或使用 `exchange login` 重新创建。",
            ),
            code="invalid-token",
        )
    g.actor = actor


def set_session_cookie(response: Response, identifier: str) -> Response:
    """Attach the session cookie of a fresh login."""
    settings = services().settings
    response.set_cookie(
        cookie_name(settings), identifier, max_age=timedelta(hours=settings.session_absolute_hours),
        secure=settings.secure_cookies, httponly=True, samesite="Lax", path="/",
    )  # fmt: skip
    return response
