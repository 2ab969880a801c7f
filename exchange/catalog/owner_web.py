"""The owner's pages: a new dataset, its workbench, and the forms behind each of its steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response

from contracts.odrl.templates import TEMPLATES
from exchange.access import Permission
from exchange.appraisal import service as appraisal
from exchange.catalog import bounds, drafts, stored_api, uploads, views
from exchange.catalog.datasets import current_version, own_dataset
from exchange.catalog.forms import (
    FREQUENCIES,
    SOURCE_NAMES,
    ContentForm,
    DescriptionForm,
    NewDatasetForm,
    RightsForm,
    grading_form,
)
from exchange.catalog.models import Dataset
from exchange.catalog.offers import own_offers
from exchange.catalog.versions import own_version
from exchange.catalog.web import blueprint, domain_name, language, last_assessment
from exchange.errors import AwaitingSignatureError, ConflictError, ExchangeError, NotFoundError
from exchange.jobs import get as get_job
from exchange.web import current_actor, end_reading, operations, reading, requires, run, services, show_in_form
from valuation.classification import Suggestion, guide

# Of the drafts on a page.
_AT_ONCE = 100

_DESCRIBED = ("title", "description", "keywords", "domain", "coverage", "update_frequency")


@blueprint.route("/datasets/new", methods=["GET", "POST"])
@requires(Permission.DATASET_WRITE)
def new() -> Any:
    """Make a dataset: what it is, and its files."""
    form = NewDatasetForm()
    if form.validate_on_submit():
        try:
            dataset = _draft(form)
        except ExchangeError as error:
            show_in_form(error, form, "title")
        else:
            refused = _send_files(dataset, form)
            if refused is None:
                return _back(dataset)
            form.draft.data = dataset
            show_in_form(refused, form, "files")
    return render_template("catalog/new.html", form=form, limit=_limit()), 422 if form.errors else 200


def _draft(form: NewDatasetForm) -> str:
    """Return the id of the draft to upload to: that of an earlier attempt, described anew, or a new one."""
    described = {name: form[name].data for name in _DESCRIBED}
    earlier = drafts.find_empty(reading(), current_actor(), form.draft.data or "", form.title.data)
    if earlier is None:
        return str(run("catalog.create_dataset", **described).result["id"])
    return str(run("catalog.describe_dataset", dataset=earlier.id, **described).result["id"])


def _limit() -> int:
    return services().settings.max_upload_bytes


def _back(dataset: str, anchor: str | None = None) -> Response:
    return redirect(url_for("catalog.manage", dataset=dataset, _anchor=anchor), code=303)


def _send_files(dataset: str, form: FlaskForm) -> ExchangeError | None:
    """Store the form's files as one version; return nothing on success, what refused them otherwise."""
    files = [item for item in form.files.data if item.filename]
    options = {"delimiter": form.delimiter.data, "encoding": form.encoding.data}
    end_reading()
    try:
        for number, item in enumerate(files, 1):
            uploads.take(
                operations(), current_actor(), dataset, item.stream, name=item.filename or "", part=number,
                parts=len(files), options=options,
            )  # fmt: skip
    except ExchangeError as error:
        # The first files of a refused upload must not wait for parts that will not come.
        run("catalog.abandon_upload", dataset=dataset)
        return error
    return None


@blueprint.get("/datasets/<dataset>/manage")
@requires(Permission.DATASET_READ)
def manage(dataset: str) -> str:
    """Show the workbench: each step of the listing, what is done and what is missing."""
    row = own_dataset(reading(), current_actor(), dataset)
    version, latest = current_version(reading(), row), row.versions[-1] if row.versions else None
    job = get_job(reading(), latest.job_id) if latest is not None and latest.job_id else None
    missing = views.missing(reading(), row)
    valuation = appraisal.valuation_of(reading(), version.id) if version else None
    return render_template(
        "catalog/manage.html",
        dataset=row, version=version, latest=latest, job=job, assessment=last_assessment(row), missing=missing,
        steps=_steps(row, missing), empty=drafts.is_empty(row), offers=own_offers(reading(), row), form=ContentForm(), limit=_limit(),
        quality=appraisal.quality_of(reading(), version.id) if version else None,
        valuation=appraisal.value_view(valuation, own=True) if valuation else None,
        domain=domain_name(row.domain), frequency=FREQUENCIES.get(row.update_frequency), sources=SOURCE_NAMES,
        dictionary=views.dictionary(version, None) if version else [], templates=TEMPLATES,
    )  # fmt: skip


def _steps(row: Dataset, missing: list[str]) -> list[dict[str, Any]]:
    """Return the listing's steps for the stepper: content, description, rights, grade, offer."""
    blocked = {"risk-assessment-missing", "grade-3-not-offered", bounds.CODE} & set(missing)
    open_step = next((name for name in missing), None)
    lacks = {
        "content": {"content", "publication"} & set(missing),
        "description": {"domain"} & set(missing),
        "rights": {"rights"} & set(missing),
        "grading": {"grading", "risk-assessment-missing", "grade-3-not-offered", bounds.CODE} & set(missing),
        "offer": {"offer"} & set(missing),
    }
    labels = {
        "content": _("Content"), "description": _("Description"), "rights": _("Rights"), "grading": _("Grade"),
        "offer": _("Offer"),
    }  # fmt: skip
    urls = {
        "content": url_for("catalog.manage", dataset=row.id, _anchor="content"),
        "description": url_for("catalog.description", dataset=row.id),
        "rights": url_for("catalog.rights", dataset=row.id),
        "grading": url_for("catalog.grading", dataset=row.id),
        "offer": url_for("catalog.manage", dataset=row.id, _anchor="offers"),
    }
    steps = []
    for name, lacking in lacks.items():
        state = (
            "done" if not lacking else "failed" if lacking & blocked else "current" if open_step in lacking else "todo"
        )
        steps.append({"label": labels[name], "state": state, "url": urls[name]})
    return steps


@blueprint.post("/datasets/<dataset>/content")
@requires(Permission.DATASET_WRITE)
def content(dataset: str) -> Response:
    """Send the files of the next version."""
    own_dataset(reading(), current_actor(), dataset)
    form = ContentForm()
    if not form.validate():
        flash(" ".join(message for messages in form.errors.values() for message in messages), "bad")
        return _back(dataset, "content")
    refused = _send_files(dataset, form)
    if refused is not None:
        flash(" ".join(refused.text(language())), "bad")
    return _back(dataset, "content")


@blueprint.post("/datasets/<dataset>/remove")
@requires(Permission.DATASET_WRITE)
def remove_draft(dataset: str) -> Response:
    """Remove a draft without content."""
    run("catalog.remove_draft", dataset=dataset)
    flash(_("The draft is removed."), "good")
    return redirect(url_for("catalog.mine"), code=303)


@blueprint.post("/datasets/remove")
@requires(Permission.DATASET_WRITE)
def remove_drafts() -> Response:
    """Remove the chosen drafts without content, each by itself, so that one that cannot be removed holds up no other."""
    chosen, removed = list(dict.fromkeys(request.form.getlist("dataset")))[:_AT_ONCE], 0
    for dataset in chosen:
        try:
            run("catalog.remove_draft", dataset=dataset)
            removed += 1
        except (ConflictError, NotFoundError):
            continue
    if removed == len(chosen) and removed:
        flash(ngettext("%(num)s draft is removed.", "%(num)s drafts are removed.", removed), "good")
    elif chosen:
        told = _("%(removed)s of %(chosen)s are removed; the others have content or are being read.",
                 removed=removed, chosen=len(chosen))  # fmt: skip
        flash(told, "warn")
    else:
        flash(_("Choose the drafts to remove."), "bad")
    return redirect(url_for("catalog.mine"), code=303)


@blueprint.post("/versions/<version>/publish")
@requires(Permission.DATASET_WRITE)
def publish_version(version: str) -> Response:
    """State that a version is the firm's; asks for the signature of a self-held key."""
    outcome = run("catalog.publish_version", version=version)
    flash(_("The version is published under your organisation's signature."), "good")
    return _back(outcome.result["dataset"], "content")


@blueprint.get("/versions/<version>/files/<int:number>")
@requires(Permission.DATASET_WRITE)
def stored_file(version: str, number: int) -> Any:
    """Give a stored file of the firm's own published version, opened; each time is recorded."""
    return stored_api.send(version, number)


@blueprint.route("/versions/<version>/types", methods=["GET", "POST"])
@requires(Permission.DATASET_WRITE)
def types(version: str) -> Any:
    """Show the types that were found, and read the files again with corrected ones."""
    row = own_version(reading(), current_actor(), version)
    problem = None
    if request.method == "POST":
        changed = _changed_types(row.schema, request.form)
        if not changed:
            flash(_("Nothing was changed."), "info")
            return _back(row.dataset_id, "content")
        try:
            run("catalog.reread_version", version=version, options={"types": changed})
        except ExchangeError as error:
            problem = error.text(language())
            row = own_version(reading(), current_actor(), version)
        else:
            flash(_("The files are read again with your types; the result is the next version."), "good")
            return _back(row.dataset_id, "content")
    return render_template("catalog/types.html", version=row, dataset=row.dataset, form=FlaskForm(), problem=problem)


def _changed_types(schema: list[dict[str, Any]], given: Mapping[str, str]) -> dict[str, str]:
    """Return the columns whose chosen type is another than the present one."""
    changed = {}
    for place, column in enumerate(schema):
        kind = given.get(f"type-{place}", "").strip()
        if kind and kind != column["type"]:
            changed[column["name"]] = kind
    return changed


@blueprint.route("/datasets/<dataset>/description", methods=["GET", "POST"])
@requires(Permission.DATASET_WRITE)
def description(dataset: str) -> Any:
    """Change what is said about a dataset; the domain is suggested from its columns."""
    row = own_dataset(reading(), current_actor(), dataset)
    form = DescriptionForm(data={name: getattr(row, name) for name in _DESCRIBED})
    if form.validate_on_submit():
        try:
            run("catalog.describe_dataset", dataset=dataset, **{name: form[name].data for name in _DESCRIBED})
            flash(_("The description is saved."), "good")
            return _back(dataset)
        except ExchangeError as error:
            show_in_form(error, form, "title")
            row = own_dataset(reading(), current_actor(), dataset)
    return _form_page(
        "catalog/description.html", row, form, suggestion=bounds.suggestion_for(current_version(reading(), row))
    )


def _form_page(template: str, row: Dataset, form: FlaskForm, **more: Any) -> Any:
    page = render_template(template, dataset=row, form=form, domain_name=domain_name, **more)
    return page, 422 if form.errors else 200


@blueprint.route("/datasets/<dataset>/rights", methods=["GET", "POST"])
@requires(Permission.DATASET_WRITE)
def rights(dataset: str) -> Any:
    """Declare rights, source and evidence."""
    row = own_dataset(reading(), current_actor(), dataset)
    form = RightsForm(data=row.rights or {})
    if form.validate_on_submit():
        given = {name: value for name, value in form.data.items() if name != "csrf_token"}
        try:
            run("catalog.declare_rights", dataset=dataset, **given)
            flash(_("The declaration of rights is recorded on the ledger."), "good")
            return _back(dataset)
        except AwaitingSignatureError:
            raise
        except ExchangeError as error:
            show_in_form(error, form, "evidence")
            row = own_dataset(reading(), current_actor(), dataset)
    return _form_page("catalog/rights.html", row, form)


@blueprint.route("/datasets/<dataset>/grading", methods=["GET", "POST"])
@requires(Permission.DATASET_WRITE)
def grading(dataset: str) -> Any:
    """Answer the three impact questions; the grade follows from them."""
    row = own_dataset(reading(), current_actor(), dataset)
    suggestion = bounds.suggestion_for(current_version(reading(), row))
    form = grading_form(**_known_answers(row, suggestion))
    if form.validate_on_submit():
        answers = {question.id: int(form[question.id].data) for question in guide().questions}
        try:
            outcome = run(
                "catalog.grade_dataset", dataset=dataset, answers=answers, category=form.category.data,
                risk_assessment=form.risk_assessment.data or "", reason=form.reason.data or "",
            )  # fmt: skip
            flash(_("Grade %(grade)s is recorded on the ledger.", grade=outcome.result["grade"]), "good")
            return _back(dataset)
        except AwaitingSignatureError:
            raise
        except ExchangeError as error:
            show_in_form(error, form, "category")
            row = own_dataset(reading(), current_actor(), dataset)
    return _form_page("catalog/grading.html", row, form, bounds=_bounds(suggestion), questions=guide().questions)


def _bounds(suggestion: Suggestion | None) -> dict[str, dict[str, Any]]:
    """Return for each question with a suggested lower bound the answer that it is, and why."""
    found = {}
    for question in guide().questions:
        bound = suggestion.answers[question.id] if suggestion else 1
        if suggestion and bound > 1:
            answer = next(item for item in question.answers if item.grade == bound)
            reasons = [item for item in suggestion.answer_reasons if item.points_to == question.id]
            found[question.id] = {"answer": answer, "reasons": reasons}
    return found


def _known_answers(row: Dataset, suggestion: Any) -> dict[str, Any]:
    if row.grading is not None:
        answers = {item["question"]: str(item["grade"]) for item in row.grading["answers"]}
        kept = {name: row.grading.get(name, "") for name in ("risk_assessment", "reason")}
        return {**answers, "category": row.category, **kept}
    return {name: str(value) for name, value in suggestion.answers.items()} if suggestion else {}
