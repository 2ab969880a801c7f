"""Puts the application together: services first, then Flask with its extensions, steps and errors."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import Flask, current_app, request, url_for
from flask_babel import get_locale
from sqlalchemy.exc import OperationalError
from werkzeug.middleware.proxy_fix import ProxyFix

from exchange import extensions, formatting, http_errors, keychange, logs, web
from exchange.audit import publishing
from exchange.audit import service as audit
from exchange.audit.anchoring import service as anchoring
from exchange.audit.attestations import service as attestations
from exchange.config import Settings
from exchange.database import Database
from exchange.home import kept_private
from exchange.jobs import Jobs
from exchange.keystore import WEB, KeyStore
from exchange.objects import make_object_store
from exchange.operations import Operations
from exchange.participants import authentication
from exchange.setup import check_schema, open_log
from exchange.steps import Services
from ledger.errors import LedgerError

STEPS = (
    "participants",
    "catalog",
    "appraisal",
    "negotiation",
    "settlement",
    "transfer",
    "audit",
    "supervision",
)
LOCALES = ("en", "zh")
TIMERS = (
    "settlement.release_due",
    "settlement.refund_due",
    "transfer.discard_due",
    "transfer.forget_proofs",
    "audit.lapse_requests",
    "catalog.collect_lost",
    anchoring.TIMER,
    attestations.TIMER,
    publishing.TIMER,
)


def make_operations(settings: Settings, *, changing_keys: bool = False) -> Operations:
    """Open database, key store, object store and log, and return the operations bound to them.

    Raises SettingsError, with the mend, where `exchange init` has not been run or something does not fit together.
    """
    for step in STEPS:
        importlib.import_module(f"exchange.{step}.service")
        if importlib.util.find_spec(f"exchange.{step}.work"):
            importlib.import_module(f"exchange.{step}.work")
    logs.configure(settings.log_level)
    keystore = KeyStore.open(settings.key_store)
    if not changing_keys:
        keystore.held = keychange.use(settings)
        keychange.require_finished(keystore)
    database = Database(settings.database_url)
    check_schema(database)
    log = open_log(settings, keystore, database)
    with kept_private():
        jobs = Jobs(settings, database)
        services = Services(settings, keystore, make_object_store(settings), log, jobs)
        settings.spool.mkdir(parents=True, exist_ok=True, mode=0o700)
    attestations.check(services)
    operations = Operations(database, services)
    jobs.operations = operations
    jobs.timers = TIMERS
    return operations


def clear_spool(settings: Settings) -> None:
    """Remove work in progress that an earlier process left; called once before the first worker starts."""
    shutil.rmtree(settings.spool, ignore_errors=True)
    settings.spool.mkdir(parents=True, exist_ok=True, mode=0o700)


def create_app(settings: Settings, operations: Operations | None = None) -> Flask:
    """Return the Flask application. Jobs are started by the server (see exchange.cli.serve), not here."""
    operations = operations or make_operations(settings)
    app = Flask("exchange", static_url_path="/static")
    app.config.update(
        SECRET_KEY=operations.services.keystore.secret(WEB).hex(),
        MAX_CONTENT_LENGTH=settings.max_upload_bytes,
        MAX_FORM_MEMORY_SIZE=2 * 1024 * 1024,
        SESSION_COOKIE_NAME="__Host-state" if settings.secure_cookies else "state",
        SESSION_COOKIE_SECURE=settings.secure_cookies,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_CHECK_DEFAULT=False,
        BOOTSTRAP_SERVE_LOCAL=True,
        BABEL_DEFAULT_LOCALE=settings.default_locale,
        BABEL_TRANSLATION_DIRECTORIES="translations",
        RATELIMIT_ENABLED=True,
        SITE_NAME=settings.exchange_name,
        API_TITLE=settings.exchange_name,
        API_VERSION="v1",
        OPENAPI_VERSION="3.0.3",
        OPENAPI_URL_PREFIX=None,
    )
    app.json = extensions.JSON(app)
    app.extensions["exchange"] = operations
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    extensions.bootstrap.init_app(app)
    extensions.babel.init_app(app, locale_selector=_choose_locale)
    extensions.csrf.init_app(app)
    extensions.limiter.init_app(app)
    authentication.init_app(app)
    web.init_app(app)
    formatting.init_app(app)
    _register_steps(app)
    http_errors.init_app(app)
    _register_page_tools(app)
    if settings.trusted_proxies:
        # The nearest proxy says how the visitor came; of the addresses each proxy has appended one.
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=settings.trusted_proxies, x_proto=1)  # type: ignore[method-assign]
    return app


def _register_steps(app: Flask) -> None:
    extensions.api.init_app(app)
    for step in STEPS:
        for surface in ("web", "api"):
            name = f"exchange.{step}.{surface}"
            if importlib.util.find_spec(name) is None:
                continue
            module = importlib.import_module(name)
            if surface == "web":
                app.register_blueprint(module.blueprint)
            else:
                extensions.api.register_blueprint(
                    module.blueprint, url_prefix=f"/api/v1{module.blueprint.url_prefix or ''}"
                )
    from exchange import pages

    app.register_blueprint(pages.blueprint)
    app.register_blueprint(pages.preferences)


def _choose_locale() -> str:
    chosen = request.cookies.get("locale")
    if chosen in LOCALES:
        return chosen
    return request.accept_languages.best_match(LOCALES) or str(current_app.config["BABEL_DEFAULT_LOCALE"])


def _page_context() -> dict[str, Any]:
    actor = web.current_actor()
    return {
        "actor": actor if actor.is_authenticated else None,
        "locale": "zh" if str(get_locale() or "en").startswith("zh") else "en",
        "theme": request.cookies.get("theme", "auto"),
        "ledger_head": _ledger_head(),
    }


def _ledger_head() -> dict[str, Any] | None:
    """Return size and root of the last signed checkpoint for the foot of the page; a page is shown without it, too."""
    try:
        return audit.head(web.services().log)
    except (LedgerError, OperationalError):
        return None


@lru_cache
def _static_digest(path: str, _changed: float) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:10]


def _register_page_tools(app: Flask) -> None:
    def static_url(filename: str) -> str:
        path = Path(app.static_folder or "") / filename
        version = _static_digest(str(path), path.stat().st_mtime) if path.exists() else None
        return url_for("static", filename=filename, v=version)

    app.jinja_env.globals.update(static_url=static_url, has_endpoint=lambda name: name in app.view_functions)
    app.context_processor(_page_context)
