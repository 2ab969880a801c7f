"""Pages of an organisation's standing: what it declares of itself, and what the operator decides about it."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from exchange.access import Permission
from exchange.errors import AwaitingSignatureError, ExchangeError
from exchange.participants import facts, service
from exchange.participants.forms import DeclarationForm, ReasonForm, RecoveryForm, VerificationForm, declaration_form
from exchange.participants.web import blueprint
from exchange.web import current_actor, reading, requires, run, show_in_form


@blueprint.route("/organisation/declaration", methods=["GET", "POST"])
@requires(Permission.PARTICIPANT_MANAGE)
def declare() -> Any:
    """Declare facts about the acting firm anew; changed ones count once an operator has verified them."""
    row = service.own(reading(), current_actor())
    form: DeclarationForm = declaration_form(renamable=row.status in {"pending", "rejected"})(obj=row)
    if form.validate_on_submit():
        given = {name: value or "" for name, value in form.data.items() if name != "csrf_token"}
        try:
            waits = run("participants.declare", **given).result["waits"]
            flash(_("Declared; an operator verifies it.") if waits else _("Nothing was changed."), "good")
            return redirect(url_for("participants.organisation"), code=303)
        except AwaitingSignatureError:
            raise
        except ExchangeError as error:
            show_in_form(error, form, "evidence")
            row = service.own(reading(), current_actor())
    return render_template("participants/declare.html", row=row, form=form), 422 if form.errors else 200


@blueprint.route("/participants/<participant>/verify", methods=["GET", "POST"])
@requires(Permission.VERIFY_PARTICIPANT)
def verify(participant: str) -> Any:
    """Show an organisation with its evidence and what may be decided about it; verify it. Each look is recorded."""
    run("participants.examine", participant=participant)
    row = service.get(reading(), participant)
    form = VerificationForm(data={"industry": row.industry, "country": row.country})
    if form.validate_on_submit():
        checked = {"note": form.note.data or "", "industry": form.industry.data, "country": form.country.data}
        try:
            run("participants.verify", participant=participant, **checked)
            flash(_("%(name)s is verified.", name=row.name), "good")
            return redirect(url_for("participants.index"), code=303)
        except ExchangeError as error:
            show_in_form(error, form, "note")
    return _page(participant, form, RecoveryForm()), 422 if form.errors else 200


def _page(participant: str, form: VerificationForm, recovery: RecoveryForm) -> str:
    row = service.get(reading(), participant)
    return render_template(
        "participants/verify.html", row=row, form=form, recovery=recovery, open_facts=facts.are_open(row),
        verified=facts.verified(row), owners=service.owners(reading(), row.id),
    )  # fmt: skip


@blueprint.post("/participants/<participant>/reject")
@requires(Permission.VERIFY_PARTICIPANT)
def reject(participant: str) -> Response:
    """Reject a registration with a reason that its people read."""
    return _decide(participant, "reject", _("The registration is rejected. Its people read your reason."))


@blueprint.post("/participants/<participant>/suspend")
@requires(Permission.SUSPEND_PARTICIPANT)
def suspend(participant: str) -> Response:
    """Suspend an organisation with a reason that its people read."""
    return _decide(participant, "suspend", _("The organisation is suspended. Its people read your reason."))


@blueprint.post("/participants/<participant>/reinstate")
@requires(Permission.SUSPEND_PARTICIPANT)
def reinstate(participant: str) -> Response:
    """Lift a suspension."""
    return _decide(participant, "reinstate", _("The suspension is lifted."))


def _decide(participant: str, act: str, done: str) -> Response:
    form = ReasonForm()
    if form.validate_on_submit():
        run(f"participants.{act}", participant=participant, reason=form.reason.data)
        flash(done, "info")
        return redirect(url_for("participants.index"), code=303)
    flash(_("Give a reason of 2 to 2,000 characters; the organisation reads it."), "bad")
    return redirect(url_for("participants.verify", participant=participant), code=303)


@blueprint.post("/participants/<participant>/recovery")
@requires(Permission.RECOVER_OWNER)
def recover_owner(participant: str) -> Any:
    """Take the password of a firm's last owner away and show, once, the code that sets a new one."""
    row, recovery = service.get(reading(), participant), RecoveryForm()
    if recovery.validate_on_submit():
        try:
            made = run("participants.recover_owner", participant=participant, email=recovery.email.data).result
            return render_template(
                "participants/code.html", made=made, name=recovery.email.data, back=url_for("participants.index")
            )
        except ExchangeError as error:
            show_in_form(error, recovery, "email")
    form = VerificationForm(data={"industry": row.industry, "country": row.country})
    return _page(participant, form, recovery), 422
