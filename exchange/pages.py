"""Pages that belong to no step: the start page, language and theme, API documentation, health."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import (
    Blueprint,
    Response,
    current_app,
    jsonify,
    redirect,
    render_template,
    request,
    send_from_directory,
    url_for,
)
from sqlalchemy import text
from swagger_ui_bundle import swagger_ui_path
from werkzeug.wrappers import Response as BaseResponse

from exchange import dashboard, jobs
from exchange.access import Permission
from exchange.application import LOCALES
from exchange.errors import NotFoundError
from exchange.openapi import describe
from exchange.progress_words import progress_words
from exchange.web import current_actor, reading, requires, services

blueprint = Blueprint("pages", __name__)
preferences = Blueprint("preferences", __name__)
_YEAR = 365 * 24 * 3600
_SWAGGER_FILES = {
    "swagger-ui.css",
    "swagger-ui-bundle.js",
    "swagger-ui-standalone-preset.js",
    "favicon-32x32.png",
}


@blueprint.get("/")
@requires(Permission.PUBLIC)
def home() -> str:
    """Show what the exchange is, and to members where their work stands."""
    actor = current_actor()
    if actor.is_authenticated:
        return render_template("home_member.html", board=dashboard.of(reading(), actor))
    return render_template("home.html")


@preferences.get("/preferences")
@requires(Permission.PUBLIC)
def update() -> BaseResponse:
    """Keep language or theme in a cookie and go back to where the visitor was."""
    target = request.args.get("next", "/")
    # Only a path of this site is followed; browsers read a backslash as a slash.
    safe = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    response = redirect(target if safe else "/", code=303)
    for name, allowed in (("locale", LOCALES), ("theme", ("light", "dark", "auto"))):
        value = request.args.get(name)
        if value in allowed:
            response.set_cookie(
                name,
                value,
                max_age=_YEAR,
                samesite="Lax",
                httponly=True,
                secure=services().settings.secure_cookies,
            )
    return response


@blueprint.get("/jobs/<identifier>")
@requires(Permission.ACCOUNT)
def job(identifier: str) -> Response:
    """Give the live state of one of the acting firm's background jobs."""
    row = jobs.get(reading(), identifier)
    if row is None or row.participant != current_actor().participant:
        raise NotFoundError()
    finished = row.state in {"done", "failed"}
    location = (row.result or {}).get("location") if finished else None
    return jsonify(
        state=row.state,
        done=round(row.progress * 100),
        total=100,
        message=progress_words(row.message),
        finished=finished,
        location=location,
    )


@blueprint.get("/healthz")
@requires(Permission.PUBLIC)
def health() -> tuple[Response, int]:
    """Say whether database and ledger answer; for load balancers."""
    reading().execute(text("SELECT 1"))
    size = services().log.size()
    return jsonify({"status": "ok", "ledger_size": size}), 200


@blueprint.get("/api/v1/openapi.json")
@requires(Permission.PUBLIC)
def openapi() -> Response:
    """Give the OpenAPI description of this API."""
    return jsonify(describe(current_app))


@blueprint.get("/api/docs")
@requires(Permission.PUBLIC)
def api_docs() -> str:
    """Show the API's documentation; all its files come from this server."""
    return render_template("api_docs.html")


@blueprint.get("/api/docs/assets/<name>")
@requires(Permission.PUBLIC)
def api_docs_asset(name: str) -> Any:
    """Serve one file of Swagger UI from its package."""
    response = send_from_directory(Path(str(swagger_ui_path)), name if name in _SWAGGER_FILES else "missing")
    response.headers["Cache-Control"] = "public, max-age=86400"
    return response


@blueprint.get("/favicon.ico")
@requires(Permission.PUBLIC)
def favicon() -> Any:
    """Serve the icon that browsers ask for."""
    return redirect(url_for("static", filename="favicon.svg"), code=302)
