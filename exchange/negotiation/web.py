"""Pages of negotiating: the lists, a request, one negotiation with its course, an agreement with its signatures."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask_babel import get_locale
from flask_babel import gettext as _
from sqlalchemy import select

from contracts.odrl import templates
from exchange.access import Actor, Permission
from exchange.catalog import service as catalog
from exchange.catalog.models import Dataset, DatasetVersion
from exchange.errors import AwaitingSignatureError, ExchangeError, PolicyDeniedError
from exchange.fields import fields_of, given_parameters
from exchange.negotiation import agreements, forms, purposes, queries, words
from exchange.negotiation.api import download
from exchange.negotiation.models import Negotiation
from exchange.negotiation.moves import role_of
from exchange.negotiation.terms import Terms
from exchange.participants import service as participants
from exchange.settlement import queries as settlement
from exchange.transfer import decision
from exchange.transfer import service as transfer
from exchange.web import current_actor, end_reading, reading, requires, run, services, show_in_form

blueprint = Blueprint("negotiation", __name__)

TABS = {"incoming": "provider", "outgoing": "consumer"}


@blueprint.get("/negotiations")
@requires(Permission.NEGOTIATION_READ)
def index() -> str:
    """List negotiations, incoming (as provider) and outgoing (as consumer), and agreements."""
    tab = request.args.get("tab", "")
    cursor = request.args.get("cursor")
    actor, session = current_actor(), reading()
    waiting = queries.waiting(session, actor)
    if tab not in {*TABS, "agreements"}:
        tab = _usual_tab(actor, waiting)
    if tab == "agreements":
        page = queries.agreements(session, actor, cursor=cursor)
    else:
        page = queries.negotiations(session, actor, role=TABS[tab], cursor=cursor)
    return render_template(
        "negotiation/index.html",
        tab=tab,
        page=page,
        waiting=waiting,
        next_side=queries.next_side,
        datasets=_titles({row.dataset_id for row in page.rows}),
        firms=participants.names(session, {firm for row in page.rows for firm in (row.provider_id, row.consumer_id)}),
    )


def _usual_tab(actor: Actor, waiting: dict[str, int]) -> str:
    """Return the list to begin with: where something waits for the reader, else where there is something, else by role."""
    may_answer = actor.may(Permission.NEGOTIATION_ANSWER)
    tabs = [*TABS] if may_answer else [*reversed(TABS)]
    awaited = [tab for tab in tabs if waiting[TABS[tab]]]
    filled = [tab for tab in tabs if queries.negotiations(reading(), actor, role=TABS[tab], limit=1).rows]
    return next(iter([*awaited, *filled, *tabs]))


@blueprint.route("/offers/<offer>/request", methods=["GET", "POST"])
@requires(Permission.NEGOTIATION_REQUEST)
def create(offer: str) -> Any:
    """Ask for an offer: purpose, intended use, and optionally other terms than the offer's."""
    wanted = catalog.visible_offer(reading(), current_actor(), offer)
    template = templates.TEMPLATES.get(request.values.get("template", ""))
    form = forms.with_template(forms.request_form(wanted.dataset.grade), template)()
    named = [(item, purposes.title(item, _language())) for item in purposes.choices(wanted.policy)]
    # What is chosen binds every later use, so nothing is chosen beforehand where there is a choice.
    form.purpose.choices = [("", _("Choose…")), *named] if len(named) > 1 else named
    problem = None
    if form.validate_on_submit():
        try:
            outcome = run(
                "negotiation.request",
                offer=offer,
                purpose=form.purpose.data,
                intended_use=form.intended_use.data or "",
                proposed_price_fen=form.price.data,
                **_proposed_terms(form, template, "proposed_"),
                valid_until=forms.end_of_day(form.valid_until.data) if form.valid_until.data else None,
            )
            flash(_("Your request is recorded and was sent to the provider."), "good")
            return redirect(url_for("negotiation.show", negotiation=outcome.result["negotiation"]), code=303)
        except AwaitingSignatureError:
            raise
        except ExchangeError as error:
            problem = _problem(error, form)
            wanted = catalog.visible_offer(reading(), current_actor(), offer)
    dataset = reading().get_one(Dataset, wanted.dataset_id)
    return render_template(
        "negotiation/request.html",
        form=form,
        fields=fields_of(form, forms.PREFIX),
        problem=problem,
        offer=wanted,
        dataset=dataset,
        provider=participants.names(reading(), {wanted.participant_id})[wanted.participant_id],
        template=template,
        templates=templates.TEMPLATES,
        template_url=lambda name: url_for("negotiation.create", offer=offer, template=name, _anchor="terms"),
        sentences=words.of_policy(wanted.policy, _language()),
        plan=words.of_plan(wanted.plan, _language()),
    )


@blueprint.get("/negotiations/<negotiation>")
@requires(Permission.NEGOTIATION_READ)
def show(negotiation: str) -> str:
    """Show a negotiation: whose turn it is, the terms in words, what changed, and the reader's buttons."""
    session, actor = reading(), current_actor()
    row = queries.get(session, actor, negotiation)
    return render_template("negotiation/show.html", **_shown(row))


@blueprint.route("/negotiations/<negotiation>/counter", methods=["GET", "POST"])
@requires(Permission.NEGOTIATION_READ)
def counter(negotiation: str) -> Any:
    """Propose another price, other terms or another end."""
    row = queries.get(reading(), current_actor(), negotiation)
    if "counter" not in queries.actions(row, current_actor()):
        return redirect(url_for("negotiation.show", negotiation=negotiation), code=303)
    template = templates.TEMPLATES.get(request.values.get("template", ""))
    form = forms.with_template(forms.CounterForm, template)()
    problem = None
    if form.validate_on_submit():
        try:
            run(
                "negotiation.counter",
                negotiation=negotiation,
                price_fen=form.price.data,
                **_proposed_terms(form, template, ""),
                valid_until=_chosen_end(form),
                note=form.note.data or "",
            )
            flash(_("Your proposal is recorded and was sent to the other side."), "good")
            return redirect(url_for("negotiation.show", negotiation=negotiation), code=303)
        except AwaitingSignatureError:
            raise
        except ExchangeError as error:
            problem = _problem(error, form)
            row = queries.get(reading(), current_actor(), negotiation)
    return render_template(
        "negotiation/counter.html",
        form=form,
        fields=fields_of(form, forms.PREFIX),
        problem=problem,
        template=template,
        templates=templates.TEMPLATES,
        template_url=lambda name: url_for(
            "negotiation.counter", negotiation=negotiation, template=name, _anchor="terms"
        ),
        **_shown(row),
    )


@blueprint.post("/negotiations/<negotiation>/<any(agree,accept,verify):act>")
@requires(Permission.NEGOTIATION_READ)
def act(negotiation: str, act: str) -> Any:
    """Take a step that needs no words: approve and sign, accept, verify and sign."""
    outcome = run(f"negotiation.{act}", negotiation=negotiation)
    said = {
        "agree": _("You approved the terms and signed the agreement."),
        "accept": _("You accepted the offer. The provider signs next."),
        "verify": _("You signed the agreement. Fund it to put it in force."),
    }
    flash(said[act], "good")
    if act == "verify":
        return redirect(url_for("negotiation.agreement", agreement=outcome.result["agreement"]), code=303)
    return redirect(url_for("negotiation.show", negotiation=negotiation), code=303)


@blueprint.post("/negotiations/<negotiation>/terminate")
@requires(Permission.NEGOTIATION_READ)
def terminate(negotiation: str) -> Any:
    """End a negotiation with a reason that both sides see."""
    form = forms.ReasonForm()
    if form.validate_on_submit():
        run("negotiation.terminate", negotiation=negotiation, reason=form.reason.data)
        flash(_("The negotiation has ended. The other side sees your reason."), "info")
    else:
        flash(_("Give a reason of 2 to 2,000 characters; the other side reads it."), "bad")
    return redirect(url_for("negotiation.show", negotiation=negotiation), code=303)


@blueprint.get("/agreements/<agreement>")
@requires(Permission.NEGOTIATION_READ)
def agreement(agreement: str) -> str:
    """Show an agreement: its terms, both signatures, its money, its use, and what to do next."""
    session, actor = reading(), current_actor()
    row = agreements.get_agreement(session, actor, agreement)
    document = json.loads(row.document)
    return render_template(
        "negotiation/agreement.html",
        row=row,
        document=document,
        negotiation=queries.get(session, actor, row.negotiation_id),
        dataset=session.get_one(Dataset, row.dataset_id),
        version=session.get_one(DatasetVersion, row.version_id),
        firms=participants.names(session, {row.provider_id, row.consumer_id}),
        role=role_of(row, actor.participant),
        signatures=agreements.signatures(row),
        sentences=words.of_policy(document["policy"], _language()),
        plan=words.of_plan(document["plan"], _language()),
        purpose=purposes.title(document["purpose"], _language()),
        escrow=settlement.escrow_of(session, actor, row.id),
        entries=settlement.entries_of_agreement(session, actor, row.id),
        available_fen=settlement.available_fen(session, actor) if actor.may(Permission.SETTLEMENT_PAY) else None,
        usage=transfer.usage(session, row.id),
        next_use=decision.next_use(session, row, datetime.now(UTC)),
        transfers=transfer.of_agreement(session, actor, row.id),
    )


@blueprint.get("/agreements/<agreement>/document")
@requires(Permission.NEGOTIATION_READ)
def document(agreement: str) -> Response:
    """Give the signed agreement as a file that can be verified offline."""
    return download(agreements.get_agreement(reading(), current_actor(), agreement))


def _shown(row: Negotiation) -> dict[str, Any]:
    """Return what every page about one negotiation shows."""
    session, actor, locale = reading(), current_actor(), _language()
    dataset = session.get_one(Dataset, row.dataset_id)
    offer = queries.offer_terms(session, row)
    course = queries.course(row, offer)
    return {
        "row": row,
        "dataset": dataset,
        "firms": participants.names(session, {row.provider_id, row.consumer_id}),
        "role": role_of(row, actor.participant),
        "next_side": queries.next_side(row),
        "actions": queries.actions(row, actor),
        "course": course,
        "entries": {item.event.statement: _entry(item.event.statement) for item in course},
        "change_words": lambda change: words.of_change(change, locale),
        "last_changes": next((item.changes for item in reversed(course) if item.event.terms is not None), ()),
        "agreement": agreements.find_of_negotiation(session, row),
        "sentences": words.of_policy(row.policy, locale),
        "plan": words.of_plan(row.plan, locale),
        "purpose": purposes.title(row.purpose, locale),
        "current": Terms.of_negotiation(row),
    }


def _entry(statement: str) -> int | None:
    return services().log.index_of(statement) if statement else None


def _titles(identifiers: set[str]) -> dict[str, str]:
    rows = reading().execute(select(Dataset.id, Dataset.title).where(Dataset.id.in_(identifiers)))
    return {row.id: row.title for row in rows}


def _proposed_terms(form: Any, template: Any, prefix: str) -> dict[str, Any]:
    if template is None:
        return {}
    return {f"{prefix}template": template.name, f"{prefix}parameters": given_parameters(form, forms.PREFIX)}


def _chosen_end(form: forms.CounterForm) -> str | None:
    if form.open_end.data:
        return ""
    return forms.end_of_day(form.valid_until.data) if form.valid_until.data else None


def _problem(error: ExchangeError, form: Any) -> ExchangeError | None:
    """Put the error beside its field and return None, or return it to be shown above the form."""
    end_reading()
    names = {"price_fen": "price", "proposed_price_fen": "price"}
    error.field = names.get(error.field or "", error.field)
    if error.field and error.field in form and not isinstance(error, PolicyDeniedError):
        show_in_form(error, form, error.field)
        return None
    return error


def _language() -> str:
    return "zh" if str(get_locale() or "en").startswith("zh") else "en"
