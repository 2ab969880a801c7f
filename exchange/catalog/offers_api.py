"""Offers over the API, on the catalogue's blueprint."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import url_for

from contracts.desensitization.plan import Plan
from exchange.access import Permission
from exchange.catalog import listing, schemas, views
from exchange.catalog.api import blueprint, reader
from exchange.catalog.offers import own_offer
from exchange.catalog.preview import preview as make_preview
from exchange.web import answer, current_actor, reading, requires, run, services


@blueprint.post("/datasets/<dataset>/offers")
@blueprint.arguments(schemas.NewOfferSchema)
@blueprint.response(201, schemas.OfferSchema)
@requires(Permission.OFFER_WRITE)
def draft_offer(given: dict[str, Any], dataset: str) -> Any:
    """Draft an offer; the desensitization plan is derived unless `columns` replaces rules of it."""
    outcome = run("catalog.draft_offer", dataset=dataset, **given)
    return (*answer(outcome, 201), {"Location": url_for("catalog_api.show_offer", offer=outcome.result["id"])})


@blueprint.get("/offers/<offer>")
@blueprint.response(200, schemas.OfferSchema)
@requires(Permission.PUBLIC)
def show_offer(offer: str) -> dict[str, Any]:
    """Show an open offer that the caller may see, or one's own in any state."""
    row = listing.visible_offer(reading(), reader(), offer)
    return views.offer_view(row, own=row.participant_id == reader().participant)


@blueprint.patch("/offers/<offer>")
@blueprint.arguments(schemas.OfferTermsSchema)
@blueprint.response(200, schemas.OfferSchema)
@requires(Permission.OFFER_WRITE)
def change_offer(given: dict[str, Any], offer: str) -> Any:
    """Change a draft."""
    return answer(run("catalog.change_offer", offer=offer, **given))


@blueprint.delete("/offers/<offer>")
@blueprint.response(200, schemas.DiscardedSchema)
@requires(Permission.OFFER_WRITE)
def discard_offer(offer: str) -> Any:
    """Remove a draft."""
    return answer(run("catalog.discard_offer", offer=offer))


@blueprint.post("/offers/<offer>/publication")
@blueprint.response(200, schemas.OfferSchema)
@requires(Permission.OFFER_WRITE)
def publish_offer(offer: str) -> Any:
    """Publish a draft; from then on it is fixed."""
    return answer(run("catalog.publish_offer", offer=offer))


@blueprint.post("/offers/<offer>/withdrawal")
@blueprint.response(200, schemas.OfferSchema)
@requires(Permission.OFFER_WRITE)
def withdraw_offer(offer: str) -> Any:
    """Withdraw an open offer."""
    return answer(run("catalog.withdraw_offer", offer=offer))


@blueprint.get("/offers/<offer>/preview")
@blueprint.response(200, schemas.PreviewSchema)
@requires(Permission.DATASET_WRITE)
def preview(offer: str) -> dict[str, Any]:
    """Show the firm's own first rows before and after the offer's plan; to nobody else."""
    row = own_offer(reading(), current_actor(), offer)
    return asdict(make_preview(services(), reading(), row.version, Plan.from_json(row.plan)))
