"""What a page or the API shows of a dataset: everything to its provider, and to others what the offer that they see says.

To others no value of the data is ever shown: types, findings and what the plan does to each column, but no
example, no extreme, no remark of the reader.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, object_session

from contracts.desensitization.plan import Plan
from contracts.odrl import describe, parse
from exchange import jobs
from exchange.access import Actor
from exchange.audit.models import StatementIndex
from exchange.catalog import bounds
from exchange.catalog.datasets import current_version, open_offers
from exchange.catalog.models import Dataset, DatasetVersion, Offer
from exchange.catalog.rights import check_may_be_offered
from exchange.errors import ConflictError
from exchange.participants import service as participants

# Statements about a listing; what parties do with each other is shown to those parties only.
_LISTING_KINDS = ("dataset.", "offer.", "quality.", "valuation.")


def dataset_view(session: Session, actor: Actor, dataset: Dataset, offers: Sequence[Offer]) -> dict[str, Any]:
    """Return a visible dataset and its offers that the actor sees as plain data, with more for its own firm."""
    own = actor.participant == dataset.participant_id
    newest = offers[0].version if offers else None
    version = current_version(session, dataset) if own else newest
    view: dict[str, Any] = {
        "id": dataset.id, "title": dataset.title, "description": dataset.description, "keywords": dataset.keywords,
        "domain": dataset.domain, "coverage": dataset.coverage, "update_frequency": dataset.update_frequency,
        "kind": version.kind if version else dataset.kind, "state": dataset.state, "grade": dataset.grade,
        "category": dataset.category, "provider": dataset.participant_id,
        "provider_name": participants.names(session, {dataset.participant_id}).get(dataset.participant_id, ""),
        "rights": rights_view(dataset, own=own), "version": version_view(version, own=own) if version else None,
        "offers": [offer_view(offer, own=own) for offer in offers],
        "created_at": dataset.created_at, "updated_at": dataset.updated_at,
    }  # fmt: skip
    if own:
        view["missing"] = missing(session, dataset)
        suggestion = bounds.suggestion_for(version)
        view["suggestion"] = suggestion.to_json() if suggestion else None
        view["versions"] = [version_view(item, own=True) for item in dataset.versions]
    return view


def rights_view(dataset: Dataset, *, own: bool) -> dict[str, Any] | None:
    """Return the declaration; the evidence's text is for its own firm, others see its digest."""
    if dataset.rights is None or own:
        return dataset.rights
    return {name: value for name, value in dataset.rights.items() if name not in {"evidence", "source_note"}}


def version_view(version: DatasetVersion, *, own: bool) -> dict[str, Any]:
    """Return a version as plain data; remarks, errors and upload state are for its own firm."""
    view: dict[str, Any] = {
        "id": version.id, "dataset": version.dataset_id, "number": version.number, "kind": version.kind,
        "state": shown_state(version), "digest": version.digest, "rows": version.rows, "bytes": version.bytes,
        "columns": [{"name": column["name"], "type": column["type"]} for column in version.schema],
        "findings": [
            {"column": finding["column"], "kind": finding["kind"], "category": finding["category"]}
            for finding in version.findings
        ],
        "files": len(version.files), "created_at": version.created_at, "published_at": version.published_at,
    }  # fmt: skip
    if own:
        view |= {
            "columns": version.schema, "findings": version.findings, "warnings": version.warnings,
            "error": version.error, "options": version.options, "job": version.job_id, "parts": version.parts,
            "correctable": version.state == "ready" and bool(version.sources), "job_state": job_view(version),
        }  # fmt: skip
    return view


def shown_state(version: DatasetVersion) -> str:
    """Return the version's state; while its job still signs and records what it has read, that is `ingesting`."""
    if version.state == "ready" and version.published_at is None and version.job_id:
        session = object_session(version)
        job = jobs.get(session, version.job_id) if session is not None else None
        if job is not None and job.state in {"queued", "running"}:
            return "ingesting"
    return version.state


def job_view(version: DatasetVersion) -> dict[str, Any] | None:
    """Return how far the reading of a version is."""
    session = object_session(version)
    job = jobs.get(session, version.job_id) if session is not None and version.job_id else None
    if job is None:
        return None
    return {"id": job.id, "state": job.state, "progress": job.progress, "message": job.message}


def offer_view(offer: Offer, *, own: bool) -> dict[str, Any]:
    """Return an offer with its terms in plain words; whom it names is for its own firm."""
    policy = parse(offer.policy)
    view: dict[str, Any] = {
        "id": offer.id, "dataset": offer.dataset_id, "version": offer.version_id, "provider": offer.participant_id,
        "state": offer.state, "template": offer.template, "policy": offer.policy, "price": offer.price,
        "plan": offer.plan, "plan_digest": offer.plan_digest, "visibility": offer.visibility,
        "terms": {"en": describe(policy, "en"), "zh": describe(policy, "zh")},
        "desensitization": plan_words(offer), "published_at": offer.published_at,
    }  # fmt: skip
    if own:
        view |= {"parameters": offer.parameters, "audience": offer.audience, "created_at": offer.created_at}
    return view


def plan_words(offer: Offer) -> dict[str, list[str]]:
    """Return what happens to the data on the way out, in both languages."""
    plan = Plan.from_json(offer.plan)
    if not plan.columns:
        return {
            "en": ["The files are delivered as they are; nothing inside them is masked."],
            "zh": ["文件按原样交付，其内容不做脱敏处理。"],
        }
    return {"en": plan.describe("en"), "zh": plan.describe("zh")}


def dictionary(version: DatasetVersion, offer: Offer | None) -> list[dict[str, Any]]:
    """Return one row a column: name, type, what was found in it, and what the offer's plan does to it."""
    found: dict[str, list[dict[str, Any]]] = {}
    for finding in version.findings:
        found.setdefault(finding["column"], []).append(finding)
    plan = Plan.from_json(offer.plan) if offer is not None and offer.version_id == version.id else None
    rows = []
    for column in version.schema:
        rule = plan.rule(column["name"]) if plan else None
        findings = found.get(column["name"], [])
        rows.append(
            {
                **column,
                "findings": findings,
                "category": next((item["category"] for item in findings if item["category"] == "direct"), None)
                or (findings[0]["category"] if findings else None),
                "method": rule.method if rule else None,
                "parameters": dict(rule.parameters) if rule else {},
                "mark": rule.mark if rule else None,
            }
        )
    return rows


def missing(session: Session, dataset: Dataset) -> list[str]:
    """Return what a draft still lacks before an offer can be published: content, publication, domain, rights, grading."""
    lacks = []
    version = current_version(session, dataset)
    if version is None:
        lacks.append("content")
    elif version.published_at is None:
        lacks.append("publication")
    if not dataset.domain:
        lacks.append("domain")
    if dataset.rights is None:
        lacks.append("rights")
    if dataset.grade is None:
        lacks.append("grading")
    else:
        try:
            check_may_be_offered(dataset, "authorised")
        except ConflictError as error:
            if error.code in {"risk-assessment-missing", "grade-3-not-offered", "dataset-frozen"}:
                lacks.append(error.code)
        if version is not None and bounds.open_questions(dataset, version):
            lacks.append(bounds.CODE)
    if not open_offers(session, dataset):
        lacks.append("offer")
    return lacks


def listing_statements(session: Session, dataset: Dataset) -> list[StatementIndex]:
    """Return the statements about the listing, oldest first; those of negotiations and deliveries are not among them."""
    rows = session.scalars(
        select(StatementIndex)
        .where(StatementIndex.subject == dataset.id)
        .order_by(StatementIndex.at, StatementIndex.statement)
    )
    return [row for row in rows if row.kind.startswith(_LISTING_KINDS)]
