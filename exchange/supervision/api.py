"""Supervision over the API: alerts."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint

from exchange.access import Permission
from exchange.supervision import alerts, schemas
from exchange.web import answer, reading, requires, run, services

blueprint = Blueprint(
    "supervision_api",
    __name__,
    url_prefix="/supervision",
    description="Supervise: alerts of the exchange's own people.",
)


@blueprint.get("/alerts")
@blueprint.response(200, schemas.AlertsSchema)
@requires(Permission.AUDIT_READ)
def list_alerts() -> dict[str, Any]:
    """List the newest alerts, open ones first."""
    return {"items": alerts.alerts(reading(), services().log)}


@blueprint.post("/alerts")
@blueprint.arguments(schemas.RaiseSchema)
@blueprint.response(201, schemas.AlertDoneSchema)
@requires(Permission.SUPERVISE)
def raise_alert(given: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Raise an alert."""
    return answer(run("supervision.raise_alert", **given), 201)


@blueprint.post("/alerts/<alert>/closing")
@blueprint.arguments(schemas.CloseSchema)
@blueprint.response(200, schemas.AlertDoneSchema)
@requires(Permission.SUPERVISE)
def close_alert(given: dict[str, Any], alert: str) -> tuple[dict[str, Any], int]:
    """Close an alert with what came of it."""
    return answer(run("supervision.close_alert", alert=alert, **given))
