"""Pages of disputes: the operator freezes a dataset whose rights are disputed, and ends the freeze with the decision."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from exchange.access import Permission
from exchange.catalog import disputes
from exchange.catalog.forms import FreezeForm
from exchange.catalog.web import blueprint
from exchange.errors import ExchangeError
from exchange.participants import service as participants
from exchange.participants.forms import ReasonForm
from exchange.web import reading, requires, run, show_in_form


@blueprint.route("/disputes", methods=["GET", "POST"], endpoint="disputes")
@requires(Permission.FREEZE_DATASET)
def list_disputes() -> Any:
    """List the frozen datasets, each look recorded, and freeze one more by its identifier."""
    form = FreezeForm(data={"dataset": request.args.get("dataset", "")})
    if form.validate_on_submit():
        try:
            run("catalog.freeze_dataset", dataset=form.dataset.data.strip(), reason=form.reason.data)
            flash(_("The dataset is frozen. Its provider reads your reason."), "info")
            return redirect(url_for("catalog.disputes"), code=303)
        except ExchangeError as error:
            show_in_form(error, form, "dataset")
    run("catalog.list_disputes")
    rows = disputes.frozen(reading())
    firms = participants.names(reading(), {row.participant_id for row in rows})
    page = render_template("catalog/disputes.html", rows=rows, firms=firms, form=form)
    return page, 422 if form.errors else 200


@blueprint.post("/datasets/<dataset>/unfreeze")
@requires(Permission.FREEZE_DATASET)
def unfreeze(dataset: str) -> Response:
    """End a freeze; the dataset is what it was before."""
    form = ReasonForm()
    if form.validate_on_submit():
        run("catalog.unfreeze_dataset", dataset=dataset, reason=form.reason.data)
        flash(_("The freeze has ended. The provider reads your reason."), "good")
    else:
        flash(_("Give a reason of 2 to 2,000 characters; the provider reads it."), "bad")
    return redirect(url_for("catalog.disputes"), code=303)
