"""Pages on which an offer is drafted, its plan edited and previewed, and on which it is published or withdrawn."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_wtf import FlaskForm
from sqlalchemy import select
from werkzeug.wrappers import Response

from contracts.desensitization.plan import Plan
from contracts.odrl import describe, parse
from contracts.odrl.templates import TEMPLATES
from exchange.access import Permission
from exchange.appraisal import service as appraisal
from exchange.catalog import plan_form, views
from exchange.catalog.datasets import current_version, own_dataset
from exchange.catalog.forms import PARAMETER, offer_form
from exchange.catalog.models import Offer
from exchange.catalog.offers import own_offer
from exchange.catalog.preview import preview
from exchange.catalog.web import blueprint, language
from exchange.errors import AwaitingSignatureError, ExchangeError
from exchange.fields import given_parameters, options
from exchange.participants.models import Participant
from exchange.web import current_actor, reading, requires, run, services, show_in_form


@blueprint.route("/datasets/<dataset>/offers/new", methods=["GET", "POST"])
@requires(Permission.OFFER_WRITE)
def new_offer(dataset: str) -> Any:
    """Draft an offer: choose a template of terms, fill it in, set price and audience."""
    row = own_dataset(reading(), current_actor(), dataset)
    template = request.values.get("template", "")
    if template not in TEMPLATES:
        return render_template("catalog/offer_new.html", dataset=row, templates=TEMPLATES, template=None, form=None)
    form = offer_form(template, **_defaults(row))
    form.audience.choices = options(_firms())
    if form.validate_on_submit():
        try:
            made = run("catalog.draft_offer", dataset=dataset, **_terms(form, template))
            return redirect(url_for("catalog.edit_offer", offer=made.result["id"]), code=303)
        except ExchangeError as error:
            _show(error, form)
            row = own_dataset(reading(), current_actor(), dataset)
    page = render_template(
        "catalog/offer_new.html", dataset=row, templates=TEMPLATES, template=TEMPLATES[template], form=form,
        plans=_suggested_plans(row),
    )  # fmt: skip
    return page, 422 if form.errors else 200


def _defaults(row: Any) -> dict[str, Any]:
    """Return the price that the last estimate suggests and the widest visibility that the grade allows."""
    plans = _suggested_plans(row)
    best = plans[0] if plans else None
    return {
        "visibility": "public" if row.grade == 1 else "authorised",
        "kind": best["kind"] if best else "one-off",
        "amount": best["amount_fen"] if best and best["amount_fen"] else None,
    }


def _suggested_plans(row: Any) -> list[dict[str, Any]]:
    version = current_version(reading(), row)
    found = appraisal.valuation_of(reading(), version.id) if version else None
    return list(found.report["price_plans"]) if found else []


def _firms() -> list[tuple[str, str]]:
    rows = reading().scalars(
        select(Participant)
        .where(Participant.status == "verified", Participant.id != current_actor().participant)
        .order_by(Participant.name)
        .limit(500)
    )
    return [(row.id, row.name) for row in rows]


def _terms(form: FlaskForm, template: str) -> dict[str, Any]:
    kind = form.kind.data
    price: dict[str, Any] = {"kind": kind}
    if kind == "one-off" and form.amount.data is not None:
        price["amount_fen"] = form.amount.data
    return {
        "template": template,
        "parameters": given_parameters(form, PARAMETER),
        "price": price,
        "visibility": form.visibility.data,
        "audience": list(form.audience.data or []) if form.visibility.data == "authorised" else [],
    }


def _show(error: ExchangeError, form: FlaskForm) -> None:
    """Put an error beside its field; a template's parameters have fields of their own."""
    if error.field and error.field.startswith("parameters."):
        error.field = PARAMETER + error.field.removeprefix("parameters.")
    if error.field == "price":
        error.field = "amount"
    show_in_form(error, form, "visibility")


@blueprint.route("/offers/<offer>/edit", methods=["GET", "POST"])
@requires(Permission.OFFER_WRITE)
def edit_offer(offer: str) -> Any:
    """Show a draft with its terms and its plan, edit the plan by column, and see the first rows before and after."""
    row = own_offer(reading(), current_actor(), offer)
    problem = None
    if request.method == "POST":
        try:
            run("catalog.change_offer", offer=offer, columns=_changed_rules(row))
            flash(_("The plan is saved; the preview below shows it."), "good")
            return redirect(url_for("catalog.edit_offer", offer=offer, _anchor="plan"), code=303)
        except ExchangeError as error:
            problem = error.text(language())
            row = own_offer(reading(), current_actor(), offer)
    return _offer_page(row, problem), 422 if problem else 200


def _changed_rules(row: Offer) -> list[dict[str, Any]]:
    """Return the rules that the form gives otherwise than the draft has them."""
    changed = []
    for place, rule in enumerate(row.plan["columns"]):
        method = request.form.get(f"method-{place}", rule["method"])
        text = request.form.get(f"text-{place}", "")
        if method != rule["method"] or text.strip() != plan_form.text_of(rule, language()):
            made = plan_form.rule_of(rule["column"], method, text)
            reason = rule.get("reason")
            changed.append({**made, "reason": reason} if reason else made)
    return changed


def _offer_page(row: Offer, problem: tuple[str, str] | None) -> str:
    plan = Plan.from_json(row.plan)
    shown, refusal = None, None
    if row.version.kind == "table":
        try:
            shown = preview(services(), reading(), row.version, plan)
        except ExchangeError as error:
            refusal = error.text(language())
    found = {item["column"]: item["category"] for item in row.version.findings}
    rules = [
        {**rule, "text": plan_form.text_of(rule, language()), "category": found.get(rule["column"])}
        for rule in row.plan["columns"]
    ]
    return render_template(
        "catalog/offer.html",
        offer=row, dataset=row.dataset, version=row.version, rules=rules, methods=plan_form.CHOICES, preview=shown,
        refusal=refusal, problem=problem, terms=describe(parse(row.policy), language()),
        plan=views.plan_words(row)[language()], template=TEMPLATES.get(row.template), form=FlaskForm(),
        audience=[name for code, name in _firms() if code in row.audience],
    )  # fmt: skip


@blueprint.post("/offers/<offer>/publish")
@requires(Permission.OFFER_WRITE)
def publish_offer(offer: str) -> Any:
    """Publish a draft; from then on it is fixed."""
    try:
        outcome = run("catalog.publish_offer", offer=offer)
    except AwaitingSignatureError:
        raise
    except ExchangeError as error:
        return _offer_page(own_offer(reading(), current_actor(), offer), error.text(language())), 422
    receipt = outcome.receipt
    flash(
        _("The offer is open and recorded as ledger entry %(index)s.", index=receipt.index if receipt else ""), "good"
    )
    return redirect(url_for("catalog.show", dataset=outcome.result["dataset"]), code=303)


@blueprint.post("/offers/<offer>/withdraw")
@requires(Permission.OFFER_WRITE)
def withdraw_offer(offer: str) -> Response:
    """Withdraw an open offer."""
    outcome = run("catalog.withdraw_offer", offer=offer)
    flash(_("The offer is withdrawn. Agreements made under it go on."), "good")
    return redirect(url_for("catalog.manage", dataset=outcome.result["dataset"]), code=303)


@blueprint.post("/offers/<offer>/discard")
@requires(Permission.OFFER_WRITE)
def discard_offer(offer: str) -> Response:
    """Remove a draft."""
    outcome = run("catalog.discard_offer", offer=offer)
    flash(_("The draft is removed."), "good")
    return redirect(url_for("catalog.manage", dataset=outcome.result["dataset"]), code=303)
