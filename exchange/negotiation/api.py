"""Negotiations and agreements over the API."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import orjson
from flask import Response, url_for
from flask_smorest import Blueprint
from sqlalchemy import Row

from exchange.access import Permission
from exchange.catalog import service as catalog
from exchange.negotiation import agreements, purposes, queries, schemas
from exchange.negotiation.models import AgreementRecord, Negotiation
from exchange.negotiation.moves import role_of
from exchange.web import answer, connection, current_actor, reading, requires, run

blueprint = Blueprint("negotiations_api", __name__, description="Agree: negotiations and signed agreements.")


def describe(row: Negotiation) -> dict[str, Any]:
    """Return a negotiation as JSON, with the reader's side and what it may do now."""
    signed = agreements.find_of_negotiation(reading(), row)
    return {
        **{name: getattr(row, name) for name in schemas.NegotiationSchema._declared_fields if hasattr(row, name)},
        "role": role_of(row, current_actor().participant),
        "next_side": queries.next_side(row),
        "actions": sorted(queries.actions(row, current_actor())),
        "agreement_id": signed.id if signed else None,
    }


_AGREEMENT_FIELDS = tuple(name for name in schemas.AgreementSchema._declared_fields if hasattr(AgreementRecord, name))


def describe_agreement(row: AgreementRecord | Row[Any]) -> dict[str, Any]:
    """Return an agreement as JSON, without its document."""
    mine = current_actor().participant
    shown = {name: getattr(row, name) for name in _AGREEMENT_FIELDS}
    return {**shown, "role": "provider" if mine == row.provider_id else "consumer"}


@blueprint.get("/offers/<offer>/purposes")
@blueprint.response(200, schemas.PurposesSchema)
@requires(Permission.NEGOTIATION_REQUEST)
def offered_purposes(offer: str) -> dict[str, Any]:
    """List the purposes that an offer's terms allow, to be stated in a request."""
    policy = catalog.visible_offer(reading(), current_actor(), offer).policy
    items = [
        {"purpose": item, "title_en": purposes.title(item, "en"), "title_zh": purposes.title(item, "zh")}
        for item in purposes.choices(policy)
    ]
    return {"items": items, "open": purposes.are_open(policy)}


@blueprint.post("/negotiations")
@blueprint.arguments(schemas.NegotiationRequestSchema)
@blueprint.response(201, schemas.NegotiationStepSchema)
@requires(Permission.NEGOTIATION_REQUEST)
def create(given: dict[str, Any]) -> Any:
    """Ask for an offer, stating the purpose, and optionally another price, other terms or an end."""
    body, status = answer(run("negotiation.request", **given), 201)
    return body, status, {"Location": url_for("negotiations_api.show", negotiation=body["negotiation"])}


@blueprint.get("/negotiations")
@blueprint.arguments(schemas.NegotiationsQuerySchema, location="query")
@blueprint.response(200, schemas.NegotiationsSchema)
@requires(Permission.NEGOTIATION_READ)
def index(query: dict[str, Any]) -> dict[str, Any]:
    """List the firm's negotiations, last changed first."""
    page = queries.negotiations(reading(), current_actor(), **query)
    return {"items": [describe(row) for row in page.rows], "next": page.next}


@blueprint.get("/negotiations/<negotiation>")
@blueprint.response(200, schemas.NegotiationDetailSchema)
@requires(Permission.NEGOTIATION_READ)
def show(negotiation: str) -> dict[str, Any]:
    """Give a negotiation with its whole course."""
    row = queries.get(reading(), current_actor(), negotiation)
    events = [
        {
            **{
                name: getattr(item.event, name)
                for name in ("number", "at", "role", "state", "note", "terms", "statement")
            },
            "changes": [asdict(change) for change in item.changes],
        }
        for item in queries.course(row)
    ]
    return describe(row) | {"events": events}


@blueprint.post("/negotiations/<negotiation>/counter")
@blueprint.arguments(schemas.CounterProposalSchema)
@blueprint.response(200, schemas.NegotiationStepSchema)
@requires(Permission.NEGOTIATION_READ)
def counter(given: dict[str, Any], negotiation: str) -> Any:
    """Put other terms on the table: OFFERED by the provider, REQUESTED by the consumer."""
    return answer(run("negotiation.counter", negotiation=negotiation, **given))


@blueprint.post("/negotiations/<negotiation>/acceptance")
@blueprint.response(200, schemas.NegotiationStepSchema)
@requires(Permission.NEGOTIATION_REQUEST)
def accept(negotiation: str) -> Any:
    """Accept the provider's offer (consumer)."""
    return answer(run("negotiation.accept", negotiation=negotiation))


@blueprint.post("/negotiations/<negotiation>/agreement")
@blueprint.response(201, schemas.NegotiationStepSchema)
@requires(Permission.NEGOTIATION_ANSWER)
def agree(negotiation: str) -> Any:
    """Approve the terms on the table and sign the agreement (provider)."""
    body, status = answer(run("negotiation.agree", negotiation=negotiation), 201)
    return body, status, {"Location": url_for("negotiations_api.show_agreement", agreement=body["agreement"])}


@blueprint.post("/negotiations/<negotiation>/verification")
@blueprint.response(200, schemas.NegotiationStepSchema)
@requires(Permission.NEGOTIATION_REQUEST)
def verify(negotiation: str) -> Any:
    """Check the provider's signature and sign the agreement (consumer)."""
    return answer(run("negotiation.verify", negotiation=negotiation))


@blueprint.post("/negotiations/<negotiation>/termination")
@blueprint.arguments(schemas.NegotiationReasonSchema)
@blueprint.response(200, schemas.NegotiationStepSchema)
@requires(Permission.NEGOTIATION_READ)
def terminate(given: dict[str, Any], negotiation: str) -> Any:
    """End the negotiation with a reason: decline, withdraw, or refuse to sign (either side)."""
    return answer(run("negotiation.terminate", negotiation=negotiation, reason=given["reason"]))


@blueprint.get("/agreements")
@blueprint.arguments(schemas.AgreementsQuerySchema, location="query")
@blueprint.response(200, schemas.AgreementsSchema)
@requires(Permission.NEGOTIATION_READ)
def agreements_index(query: dict[str, Any]) -> dict[str, Any]:
    """List the firm's agreements, newest first."""
    page = queries.agreements(reading(), current_actor(), **query)
    return {"items": [describe_agreement(row) for row in page.rows], "next": page.next}


@blueprint.get("/agreements/<agreement>")
@blueprint.response(200, schemas.AgreementDetailSchema)
@requires(Permission.NEGOTIATION_READ)
def show_agreement(agreement: str) -> dict[str, Any]:
    """Give an agreement with its document and both signatures."""
    row = agreements.look(connection(), current_actor(), agreement)
    return describe_agreement(row) | {
        "document": orjson.Fragment(row.document),
        "provider_signature": row.provider_signature,
        "consumer_signature": row.consumer_signature,
    }


@blueprint.get("/agreements/<agreement>/document")
@blueprint.response(200, {"type": "object"}, content_type="application/json")
@requires(Permission.NEGOTIATION_READ)
def document(agreement: str) -> Response:
    """Give the signed agreement as one file that `python -m contracts verify` checks offline."""
    row = agreements.get_agreement(reading(), current_actor(), agreement)
    return download(row)


def download(row: AgreementRecord) -> Response:
    """Return the signed agreement as an attachment, named by its digest."""
    response = Response(agreements.signed_json(row), mimetype="application/json")
    name = f"agreement-{row.digest.removeprefix('sha256:')[:16]}.json"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
