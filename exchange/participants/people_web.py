"""Pages of a firm's people and of passwords: roles given and taken, accounts shut and opened, passwords changed and reset."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from exchange.access import Permission
from exchange.errors import AwaitingSignatureError, ExchangeError, NotFoundError
from exchange.participants import credentials, passwords, service
from exchange.participants.authentication import throttled
from exchange.participants.forms import PasswordForm, RedemptionForm, RolesForm
from exchange.participants.models import User
from exchange.participants.web import account_page, blueprint
from exchange.web import current_actor, reading, requires, run, show_in_form


def _colleague(user: str) -> User:
    """Return a person of the acting firm. Raises NotFoundError for anybody else."""
    found = next((row for row in service.people(reading(), current_actor()) if row.id == user), None)
    if found is None:
        raise NotFoundError()
    return found


@blueprint.route("/organisation/people/<user>", methods=["GET", "POST"])
@requires(Permission.PARTICIPANT_MANAGE)
def person(user: str) -> Any:
    """Show a person of the firm, and change the roles."""
    row = _colleague(user)
    form = RolesForm(data={"roles": row.roles})
    if form.validate_on_submit():
        try:
            run("participants.set_roles", user=user, roles=form.roles.data)
            flash(_("The roles of %(name)s hold from now on.", name=row.name), "good")
            return redirect(url_for("participants.organisation"), code=303)
        except AwaitingSignatureError:
            raise
        except ExchangeError as error:
            show_in_form(error, form, "roles")
            row = _colleague(user)
    return render_template("participants/person.html", row=row, form=form), 422 if form.errors else 200


@blueprint.post("/organisation/people/<user>/disable")
@requires(Permission.PARTICIPANT_MANAGE)
def disable_person(user: str) -> Response:
    """Shut a person out: sessions and tokens end at once."""
    row = _colleague(user)
    run("participants.disable_person", user=user)
    flash(_("%(name)s is shut out; all sessions and tokens have ended.", name=row.name), "good")
    return redirect(url_for("participants.organisation"), code=303)


@blueprint.post("/organisation/people/<user>/enable")
@requires(Permission.PARTICIPANT_MANAGE)
def enable_person(user: str) -> Response:
    """Let a person sign in again."""
    row = _colleague(user)
    run("participants.enable_person", user=user)
    flash(_("%(name)s can sign in again.", name=row.name), "good")
    return redirect(url_for("participants.organisation"), code=303)


@blueprint.post("/organisation/people/<user>/reset")
@requires(Permission.PARTICIPANT_MANAGE)
def reset_person(user: str) -> str:
    """Take a person's password away and show, once, the code that sets a new one."""
    row = _colleague(user)
    made = run("participants.reset_password", user=user).result
    return render_template(
        "participants/code.html", made=made, name=row.name, back=url_for("participants.organisation")
    )


@blueprint.post("/account/password")
@throttled
@requires(Permission.ACCOUNT)
def change_password() -> Any:
    """Change one's own password; all other sessions and tokens end."""
    form = PasswordForm()
    if form.validate_on_submit():
        try:
            new = passwords.hash_password(form.password.data)
            proof = credentials.proof_of(reading(), current_actor(), form.current_password.data)
            run("participants.change_password", proof=proof, password_hash=new)
            flash(_("The new password holds. All your other sessions and your API tokens have ended."), "good")
            return redirect(url_for("participants.account"), code=303)
        except ExchangeError as error:
            show_in_form(error, form, "current_password")
    return account_page(form), 422


@blueprint.route("/password", methods=["GET", "POST"])
@throttled
@requires(Permission.PUBLIC)
def redeem() -> Any:
    """Set a new password with the one-time code that an owner or the operator gave."""
    form = RedemptionForm()
    if form.validate_on_submit():
        try:
            new = passwords.hash_password(form.password.data)
            run("participants.redeem_code", code=form.code.data, password_hash=new)
            flash(_("The new password holds. Sign in with it."), "good")
            return redirect(url_for("participants.login"), code=303)
        except ExchangeError as error:
            show_in_form(error, form, "code")
    return render_template("participants/redeem.html", form=form), 422 if form.errors else 200
