"""Pages of joining: register, sign in and out, the organisation and its people, tokens, the operator's queue."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy import or_, select
from werkzeug.wrappers import Response
from wtforms.fields.choices import SelectChoice

from exchange.access import Permission
from exchange.audit.models import SignatureRequest
from exchange.catalog.models import Dataset
from exchange.errors import AwaitingSignatureError, ExchangeError
from exchange.negotiation.models import AgreementRecord
from exchange.participants import passwords, service, tokens
from exchange.participants.authentication import cookie_name, set_session_cookie, sign_in, throttled
from exchange.participants.forms import ACTIONS, LoginForm, PasswordForm, PersonForm, RegistrationForm, TokenForm
from exchange.participants.models import LoginSession, Participant
from exchange.web import current_actor, database, reading, requires, run, services, show_in_form

blueprint = Blueprint("participants", __name__)


@blueprint.route("/login", methods=["GET", "POST"])
@throttled
@requires(Permission.PUBLIC)
def login() -> Any:
    """Sign in and go on to where the visitor wanted to be."""
    form = LoginForm()
    if form.validate_on_submit():
        try:
            user = sign_in(form.email.data, form.password.data)
        except ExchangeError as error:
            show_in_form(error, form, "password")
        else:
            with database().writing() as session:
                identifier = tokens.open_session(session, services().settings, user, request.user_agent.string)
            return set_session_cookie(redirect(_next(), code=303), identifier)
    return render_template(
        "participants/login.html", form=form, next=request.args.get("next", "")
    ), 422 if form.errors else 200


def _next() -> str:
    target = request.args.get("next", "")
    safe = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if safe else url_for("pages.home")


@blueprint.post("/logout")
@requires(Permission.ACCOUNT)
def logout() -> Response:
    """End this session, on the server too."""
    name = cookie_name(services().settings)
    with database().writing() as session:
        tokens.close_session(session, request.cookies.get(name, ""))
    response = redirect(url_for("pages.home"), code=303)
    response.delete_cookie(name, secure=services().settings.secure_cookies, httponly=True, samesite="Lax")
    return response


@blueprint.route("/register", methods=["GET", "POST"])
@throttled
@requires(Permission.PUBLIC)
def register() -> Any:
    """Register an organisation with its owner."""
    form = RegistrationForm()
    if form.validate_on_submit():
        values = {
            name: value for name, value in form.data.items() if name not in {"csrf_token", "repeated", "password"}
        }
        try:
            values["password_hash"] = passwords.hash_password(form.password.data)
            outcome = run("participants.register", **values)
        except ExchangeError as error:
            show_in_form(error, form, "name")
        else:
            return render_template("participants/registered.html", outcome=outcome, custody=form.custody.data), 201
    return render_template("participants/register.html", form=form), 422 if form.errors else 200


@blueprint.get("/organisation")
@requires(Permission.PARTICIPANT_READ)
def organisation() -> str:
    """Show the acting firm: its state, keys, people and waiting signatures."""
    return _organisation_page(PersonForm())


def _organisation_page(form: PersonForm) -> str:
    actor = current_actor()
    firm = service.own(reading(), actor)
    waiting = reading().scalars(
        select(SignatureRequest).where(
            SignatureRequest.participant == firm.id, SignatureRequest.state == "awaiting_signature"
        )
    )
    return render_template(
        "participants/organisation.html", firm=firm, people=service.people(reading(), actor), waiting=list(waiting),
        form=form,
    )  # fmt: skip


@blueprint.post("/organisation/people")
@requires(Permission.PARTICIPANT_MANAGE)
def add_person() -> Any:
    """Add a person to the acting firm."""
    form = PersonForm()
    if form.validate_on_submit():
        try:
            run(
                "participants.add_user", name=form.name.data, email=form.email.data, roles=form.roles.data,
                password_hash=passwords.hash_password(form.password.data),
            )  # fmt: skip
            flash(_("%(name)s can sign in now.", name=form.name.data), "good")
            return redirect(url_for("participants.organisation"), code=303)
        except AwaitingSignatureError:
            raise
        except ExchangeError as error:
            show_in_form(error, form, "email")
    return _organisation_page(form), 422


@blueprint.post("/organisation/join")
@requires(Permission.SIGN)
def join() -> Any:
    """Ask for the joining signature of a self-held key."""
    run("participants.join")
    return redirect(url_for("participants.organisation"), code=303)


@blueprint.route("/account/tokens", methods=["GET", "POST"], endpoint="tokens")
@requires(Permission.TOKEN_MANAGE)
def manage_tokens() -> Any:
    """List the person's API tokens and make new ones; a token is shown once."""
    form = TokenForm()
    titles = _offer_caveats(form)
    made = None
    if form.validate_on_submit():
        chosen = {name: form[name].data for name in tokens.CAVEATS if form[name].data}
        try:
            made = run("participants.create_token", name=form.name.data, days=form.days.data, caveats=chosen).result
        except ExchangeError as error:
            show_in_form(error, form, "name")
    rows = tokens.tokens_of(reading(), current_actor())
    return render_template("participants/tokens.html", form=form, tokens=rows, made=made, titles=titles)


def _offer_caveats(form: TokenForm) -> dict[str, str]:
    """Offer what a token can be narrowed to, and return the titles of agreements and datasets by their ids."""
    actor = current_actor()
    mine = or_(AgreementRecord.consumer_id == actor.participant, AgreementRecord.provider_id == actor.participant)
    agreed = (
        select(AgreementRecord.id, AgreementRecord.dataset_id, Dataset.title)
        .join(Dataset, Dataset.id == AgreementRecord.dataset_id)
        .where(mine)
        .order_by(AgreementRecord.created_at.desc())
        .limit(100)
    )
    agreements = list(reading().execute(agreed)) if actor.participant else []
    own = select(Dataset.id, Dataset.title).where(Dataset.participant_id == actor.participant).limit(100)
    datasets = {row.id: row.title for row in reading().execute(own)} if actor.participant else {}
    datasets |= {row.dataset_id: row.title for row in agreements}
    named = {row.id: f"{row.title} · {row.id[-12:]}" for row in agreements}
    form.agreements.choices = [SelectChoice(*item) for item in named.items()]
    form.datasets.choices = [SelectChoice(*item) for item in datasets.items()]
    actions = sorted({permission.rsplit(":", 1)[1] for permission in actor.permissions})
    form.actions.choices = [SelectChoice(action, ACTIONS.get(action, action)) for action in actions]
    return named | datasets | {action: str(words) for action, words in ACTIONS.items()}


@blueprint.post("/account/tokens/<token>/revoke")
@requires(Permission.TOKEN_MANAGE)
def revoke(token: str) -> Response:
    """Revoke a token at once."""
    run("participants.revoke_token", token=token)
    flash(_("The token is revoked."), "good")
    return redirect(url_for("participants.tokens"), code=303)


@blueprint.get("/account")
@requires(Permission.ACCOUNT)
def account() -> str:
    """Show the person's account and open sessions."""
    return account_page(PasswordForm())


def account_page(form: PasswordForm) -> str:
    """Return the account's page with its form for a new password."""
    actor = current_actor()
    sessions = reading().scalars(
        select(LoginSession).where(LoginSession.user_id == actor.user).order_by(LoginSession.seen_at.desc())
    )
    shown = [(row, _browser(row.user_agent)) for row in sessions]
    return render_template("participants/account.html", sessions=shown, form=form)


def _browser(user_agent: str) -> str:
    """Return browser and system of a User-Agent header in words, or its beginning where they are not known."""
    browsers = (
        ("Edg/", "Edge"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    )
    systems = (
        ("Android", "Android"),
        ("iPhone", "iOS"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    )
    found = [next((name for mark, name in names if mark in user_agent), "") for names in (browsers, systems)]
    return " · ".join(name for name in found if name) or user_agent[:60]


@blueprint.get("/participants")
@requires(Permission.CATALOG_READ)
def index() -> str:
    """List the participants; operators see who waits for verification."""
    actor = current_actor()
    query = select(Participant).order_by(Participant.created_at.desc()).limit(200)
    if not actor.is_exchange:
        query = query.where(Participant.status == "verified")
    return render_template(
        "participants/index.html",
        rows=list(reading().scalars(query)),
        may_verify=actor.may(Permission.VERIFY_PARTICIPANT),
        waiting={row.id for row in service.pending(reading())},
    )


# People, passwords and the standing of organisations join the same blueprint; they stand in files of their own for length.
from exchange.participants import people_web as _people_web  # noqa: E402, F401
from exchange.participants import standing_web as _standing_web  # noqa: E402, F401
