"""Pages of deliveries: the list, one delivery with its proof, and the buttons of both sides."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy import select

from contracts.transfer import Role
from exchange import gates, jobs
from exchange.access import Permission
from exchange.catalog.models import Dataset
from exchange.errors import AwaitingSignatureError, ConflictError, NotFoundError, PolicyDeniedError
from exchange.negotiation import service as negotiation
from exchange.participants import keys
from exchange.participants import service as participants
from exchange.transfer import decision, service
from exchange.transfer.api import received, send
from exchange.transfer.forms import AcknowledgementForm
from exchange.web import current_actor, end_reading, reading, requires, run, services, show_in_form

blueprint = Blueprint("transfer", __name__)
TABS = {"received": Role.CONSUMER, "given": Role.PROVIDER}


@blueprint.get("/transfers")
@requires(Permission.TRANSFER_READ)
def index() -> str:
    """List deliveries: those that the firm receives, or those of its own data."""
    sides = {name: service.recent(reading(), current_actor(), role) for name, role in TABS.items()}
    usual = "given" if sides["given"] and not sides["received"] else "received"
    tab = request.args.get("tab", usual)
    if tab not in TABS:
        raise NotFoundError()
    rows = sides[tab]
    firms = participants.names(reading(), {row.consumer_id for row in rows} | {row.provider_id for row in rows})
    query = select(Dataset.id, Dataset.title).where(Dataset.id.in_({row.dataset_id for row in rows}))
    titles = {found.id: found.title for found in reading().execute(query)}
    return render_template("transfer/index.html", tab=tab, rows=rows, firms=firms, titles=titles)


@blueprint.post("/agreements/<agreement>/transfers")
@requires(Permission.TRANSFER_REQUEST)
def create(agreement: str) -> Any:
    """Ask for one use of an agreement and go to the delivery's page, which shows a denial as well."""
    actor = current_actor()
    with suppress(PolicyDeniedError), gates.asked("policy", actor, agreement=agreement):
        outcome = run("transfer.request", agreement=agreement)
        if outcome.result["reasons"]:
            # The page of the delivery tells the reasons.
            raise decision.denied(outcome.result["reasons"])
    return redirect(url_for("transfer.show", transfer=outcome.result["transfer"]), code=303)


@blueprint.get("/transfers/<transfer>")
@requires(Permission.TRANSFER_READ)
def show(transfer: str) -> str:
    """Show a delivery: live state, digests, obligations, proof, and what to do next."""
    return _page(transfer, AcknowledgementForm())


def _page(transfer: str, form: AcknowledgementForm) -> str:
    actor, session = current_actor(), reading()
    row = service.get(session, actor, transfer)
    receipt = None
    if row.started_statement:
        receipt = services().log.receipt(row.started_statement, timeout=services().settings.receipt_timeout_seconds)
    return render_template(
        "transfer/show.html",
        row=row,
        form=form,
        dataset=session.get_one(Dataset, row.dataset_id),
        job=jobs.get(session, row.job_id) if row.job_id else None,
        agreement=negotiation.get_agreement(session, actor, row.agreement_id),
        usage=service.usage(session, row.agreement_id),
        firms=participants.names(session, {row.consumer_id, row.provider_id}),
        custody=keys.current_key(session, row.consumer_id, keys.ENCRYPTION).custody,
        is_consumer=actor.participant == row.consumer_id,
        receipt=receipt,
    )


@blueprint.get("/transfers/<transfer>/download")
@requires(Permission.TRANSFER_REQUEST)
def download(transfer: str) -> Response:
    """Give the opened package to a consumer with a custodial key."""
    return send(received(transfer), opened=True)


@blueprint.get("/transfers/<transfer>/sealed")
@requires(Permission.TRANSFER_REQUEST)
def sealed(transfer: str) -> Response:
    """Give the sealed package."""
    return send(received(transfer), opened=False)


@blueprint.post("/transfers/<transfer>/acknowledgement")
@requires(Permission.TRANSFER_REQUEST)
def acknowledge(transfer: str) -> Any:
    """Acknowledge the delivery with the digest that the consumer computed."""
    form = AcknowledgementForm()
    if form.validate_on_submit():
        try:
            run("transfer.acknowledge", transfer=transfer, digest=form.value)
        except AwaitingSignatureError:
            raise
        except ConflictError as error:
            if error.field not in form:
                raise
            end_reading()
            show_in_form(error, form, "digest")
        else:
            flash(_("The delivery is acknowledged and the payment released."), "good")
            return redirect(url_for("transfer.show", transfer=transfer), code=303)
    return _page(transfer, form), 422


@blueprint.post("/transfers/<transfer>/<any(suspend,resume,terminate):act>")
@requires(Permission.SIGN)
def steer(transfer: str, act: str) -> Any:
    """Suspend, resume (provider) or end (either side) a delivery."""
    run(
        f"transfer.{act}",
        transfer=transfer,
        reason=request.form.get("reason", "").strip() or _("by request on the page"),
    )
    return redirect(url_for("transfer.show", transfer=transfer), code=303)
