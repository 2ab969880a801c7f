"""What every page and API view shares: the current actor, its permission gate, the reading session, running an operation."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from flask import Flask, Request, Response, current_app, g, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask_babel import get_locale
from flask_wtf import FlaskForm
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from exchange import caveats, gates
from exchange.access import STRANGER, Actor, Permission, not_verified
from exchange.database import Database
from exchange.errors import AuthenticationError, ExchangeError, NotFoundError, PermissionDeniedError
from exchange.operations import Operations, Outcome
from exchange.steps import Services

View = TypeVar("View", bound=Callable[..., Any])
_MARK = "required_permission"
_TAKES = "takes_jwt"
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


def requires(permission: Permission) -> Callable[[View], View]:
    """Mark a view with the permission it needs. A view without the mark is refused to everybody."""

    def mark(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            with gates.asked("permission", current_actor(), permission=permission, endpoint=request.endpoint):
                check(permission)
            return view(*args, **kwargs)

        setattr(guarded, _MARK, permission)
        return cast(View, guarded)

    return mark


def check(permission: Permission) -> None:
    """Raise unless the current actor has `permission`: 401 for strangers, 403 with the reason otherwise."""
    actor = current_actor()
    if actor.may(permission):
        return
    if not actor.is_authenticated:
        raise AuthenticationError(
            ("You are not signed in.", "您尚未登录。"),
            ("Sign in, or send an API token.", "请登录，或提供 API 令牌。"),
        )
    if actor.participant and actor.status != "verified":
        raise not_verified(actor.status)
    raise PermissionDeniedError(
        (f"Your roles or scopes do not allow {permission}.", f"您的角色或令牌范围不具备权限 {permission}。"),
        ("Ask an owner of your organisation for the role.", "请向贵机构的所有者申请相应角色。"),
        details={"permission": str(permission)},
    )


def required_permission(app: Flask, endpoint: str, method: str) -> Permission | None:
    """Return the permission that the view behind `endpoint` and `method` is marked with, or None."""
    view = app.view_functions[endpoint]
    view_class = getattr(view, "view_class", None)
    if view_class is not None:
        view = getattr(view_class, method.lower(), None) or getattr(view_class, "get", view)
    return getattr(view, _MARK, None)


def by_access_token(view: View) -> View:
    """Mark a view that checks access tokens of transfers itself; sent to any other, such a token is refused."""
    setattr(view, _TAKES, True)
    return view


def takes_access_token(endpoint: str | None) -> bool:
    return bool(getattr(current_app.view_functions.get(endpoint or ""), _TAKES, False))


def current_actor() -> Actor:
    """Return who makes this request (STRANGER when nobody signed in)."""
    return cast(Actor, g.get("actor", STRANGER))


def services() -> Services:
    return cast(Services, current_app.extensions["exchange"].services)


def operations() -> Operations:
    return cast(Operations, current_app.extensions["exchange"])


def database() -> Database:
    return operations().database


def connection() -> Connection:
    """Return this request's reading connection: one for who calls and for all that is shown."""
    if "connection" not in g:
        g.connection = database().reading_connection()
    return cast(Connection, g.connection)


def reading() -> Session:
    """Return this request's reading session, on its connection; it is closed when the request ends."""
    if "reading" not in g:
        g.reading = database().reading_session(connection())
    return cast(Session, g.reading)


def run(name: str, /, **arguments: Any) -> Outcome:
    """Run an operation as the current actor, with the request's Idempotency-Key."""
    end_reading()
    return operations().run(current_actor(), name, idempotency_key=request.headers.get("Idempotency-Key"), **arguments)


def answer(outcome: Outcome, status: int = 200) -> tuple[dict[str, Any], int]:
    """Return the API's answer to an operation: its result with the receipts of what it recorded."""
    return {**outcome.result, "receipts": [receipt.to_json() for receipt in outcome.receipts]}, status


def show_in_form(error: ExchangeError, form: FlaskForm, field: str) -> None:
    """Put a domain error beside the field it names (or `field`), with its mend, in the reader's language."""
    reason, mend = error.text(str(get_locale() or "en"))
    target = form[error.field] if error.field and error.field in form else form[field]
    target.errors = [*target.errors, f"{reason} {mend}".strip()]


def end_reading() -> None:
    """Close the request's reading session, so that the next read sees what was just written."""
    # A session that closes lets go of its rows and does not expire them, so what was read stays readable.
    for name in ("reading", "connection"):
        opened = g.pop(name, None)
        if opened is not None:
            opened.close()


class _CookieSessions(SecureCookieSessionInterface):
    """Flask's signed cookie, whose signer is made only for a request that brings cookies."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        if "HTTP_COOKIE" not in request.environ:
            return self.session_class()
        return super().open_session(app, request)


def _sent() -> Any:
    return request.get_json(silent=True)


def init_app(app: Flask) -> None:
    """Install the gate in front of every view and the closing of sessions behind it."""
    app.session_interface = _CookieSessions()
    always = dict(_HEADERS)
    if app.config["SESSION_COOKIE_SECURE"]:
        always["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"

    @app.before_request
    def gate() -> None:
        endpoint = request.endpoint
        if endpoint is None or endpoint == "static" or endpoint.endswith(".static"):
            return
        if required_permission(app, endpoint, request.method) is None:
            raise NotFoundError()
        actor = current_actor()
        if actor.token is not None:
            with gates.asked("permission", actor, endpoint=endpoint):
                caveats.check(actor, endpoint, request.view_args or {}, _sent, reading)

    @app.teardown_request
    def close(_error: BaseException | None) -> None:
        end_reading()

    @app.after_request
    def harden(response: Response) -> Response:
        headers = response.headers
        given = {name.lower() for name, _ in headers}
        for name, value in always.items():
            if name.lower() not in given:
                headers.add(name, value)
        endpoint = request.endpoint
        if endpoint and "cache-control" not in given and not endpoint.endswith("static"):
            headers.add("Cache-Control", "no-store")
        return response
