"""Pages of supervision: the market in counts, integrity, agreements for auditors."""

from __future__ import annotations

from flask import Blueprint, Response, render_template

from exchange.access import Permission
from exchange.audit import service as audit
from exchange.audit.web import send_bundle
from exchange.participants import service as participants
from exchange.supervision import service
from exchange.web import reading, requires, run, services

blueprint = Blueprint("supervision", __name__)


@blueprint.get("/supervision")
@requires(Permission.AUDIT_READ)
def index() -> str:
    """Show the market in counts, whether money balances, and the head of the log."""
    return render_template(
        "supervision/index.html",
        overview=service.overview(reading()),
        waiting=participants.pending(reading()),
        head=audit.head(services().log),
        alerts=service.alerts(reading(), services().log),
    )


@blueprint.get("/supervision/agreements")
@requires(Permission.AUDIT_READ)
def agreements() -> str:
    """List the agreements of all firms; that somebody looked is an entry of its own."""
    run("audit.list_agreements")
    rows = service.agreements(reading())
    firms = participants.names(reading(), {row.provider_id for row in rows} | {row.consumer_id for row in rows})
    return render_template("supervision/agreements.html", rows=rows, firms=firms)


@blueprint.get("/supervision/agreements/<agreement>/bundle")
@requires(Permission.AUDIT_READ)
def bundle(agreement: str) -> Response:
    """Give an auditor the evidence of any agreement; the export is an entry of its own."""
    found = service.evidence(reading(), agreement)
    run("audit.export", subject=agreement, statements=len(found.statements), concerns=found.concerns)
    return send_bundle(found.statements, found.subject, found.documents, f"agreement-{agreement[-12:]}")
