"""Quality and value over the API."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Response, url_for
from flask_smorest import Blueprint

from exchange.access import STRANGER, Actor, Permission
from exchange.appraisal import schemas, service
from exchange.catalog import service as catalog
from exchange.errors import NotFoundError
from exchange.web import answer, current_actor, reading, requires, run, services
from ledger.canonical import encode
from valuation.approaches import chart

blueprint = Blueprint("appraisal_api", __name__, description="Value: quality reports and value estimates.")


def reader() -> Actor:
    """Return who reads the catalogue: the actor, or a stranger where a token's scopes leave the catalogue out."""
    actor = current_actor()
    return actor if actor.may(Permission.CATALOG_READ) else STRANGER


@blueprint.get("/versions/<version>/quality")
@blueprint.response(200, schemas.QualitySchema)
@requires(Permission.PUBLIC)
def quality(version: str) -> dict[str, Any]:
    """Show the quality report of a version that the caller may see."""
    row = catalog.visible_version(reading(), reader(), version)
    found = service.quality_of(reading(), row.id)
    if found is None:
        raise NotFoundError()
    return {
        "version": row.id, "dataset": row.dataset_id, "digest": found.digest, "report": found.report,
        "columns": found.columns, "created_at": found.created_at,
    }  # fmt: skip


@blueprint.get("/versions/<version>/profile")
@blueprint.response(200, schemas.ProfileSchema)
@requires(Permission.DATASET_READ)
def profile(version: str) -> dict[str, Any]:
    """Show the exact profile of the firm's own version; to nobody else, since it holds values of the data."""
    return {"profile": service.profile_of(services(), reading(), current_actor(), version).to_json()}


@blueprint.get("/versions/<version>/valuation")
@blueprint.response(200, schemas.ValuationSchema)
@requires(Permission.PUBLIC)
def valuation(version: str) -> dict[str, Any]:
    """Show the newest value estimate of a version that the caller may see; its costs are shown to its owner only."""
    row = catalog.visible_version(reading(), reader(), version)
    found = service.valuation_of(reading(), row.id)
    if found is None:
        raise NotFoundError()
    return service.value_view(found, own=found.participant_id == reader().participant)


@blueprint.get("/appraisal/accounts")
@blueprint.response(200, schemas.CostAccountsSchema)
@requires(Permission.PUBLIC)
def accounts() -> dict[str, Any]:
    """List the chart of accounts of the cost approach."""
    return {"items": [asdict(account) for account in chart()]}


@blueprint.post("/datasets/<dataset>/valuations")
@blueprint.arguments(schemas.CostsSchema)
@blueprint.response(201, schemas.ValuationSchema)
@requires(Permission.APPRAISAL_WRITE)
def estimate(given: dict[str, Any], dataset: str) -> Any:
    """Estimate the value of a dataset's current version by cost."""
    outcome = run("appraisal.estimate", dataset=dataset, **given)
    return (*answer(outcome, 201), {"Location": url_for("appraisal_api.report", valuation=outcome.result["id"])})


@blueprint.get("/datasets/<dataset>/valuations")
@blueprint.response(200, schemas.ValuationsSchema)
@requires(Permission.DATASET_READ)
def valuations(dataset: str) -> dict[str, Any]:
    """List the value estimates of the firm's own dataset, newest first."""
    row = catalog.own_dataset(reading(), current_actor(), dataset)
    return {
        "items": [service.value_view(item, own=True) for item in service.valuations_of(reading(), row)],
        "next": None,
    }


@blueprint.get("/valuations/<valuation>/report")
@requires(Permission.DATASET_READ)
def report(valuation: str) -> Response:
    """Give the report's canonical bytes, whose SHA-256 is recorded; `python -m valuation recompute` checks them."""
    row = service.own_valuation(reading(), current_actor(), valuation)
    answered = Response(encode(row.report), content_type="application/json")
    answered.headers["Content-Disposition"] = 'attachment; filename="valuation-report.json"'
    return answered


@blueprint.post("/offers/<offer>/price")
@blueprint.arguments(schemas.PriceChoiceSchema)
@blueprint.response(200, schemas.PricedOfferSchema)
@requires(Permission.APPRAISAL_WRITE)
def price_offer(given: dict[str, Any], offer: str) -> Any:
    """Write a suggested price plan into a draft offer."""
    return answer(run("appraisal.price_offer", offer=offer, **given))
