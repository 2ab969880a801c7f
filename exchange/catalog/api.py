"""Datasets, versions and the catalogue over the API."""

from __future__ import annotations

import base64
import binascii
import time
from dataclasses import asdict
from typing import Any, BinaryIO, cast

from flask import request, url_for
from flask_smorest import Blueprint

from exchange.access import STRANGER, Actor, Permission
from exchange.catalog import listing, schemas, uploads, views
from exchange.catalog.datasets import own_dataset, own_datasets
from exchange.catalog.versions import get_version, own_version
from exchange.errors import InvalidInputError, StorageError
from exchange.participants import service as participants
from exchange.web import answer, current_actor, end_reading, operations, reading, requires, run
from valuation.classification import guide

blueprint = Blueprint("catalog_api", __name__, description="List: datasets, versions, offers and the catalogue.")
_LONGEST_WAIT = 30.0


def reader() -> Actor:
    """Return who reads the catalogue: the actor, or a stranger where a token's scopes leave the catalogue out."""
    actor = current_actor()
    return actor if actor.may(Permission.CATALOG_READ) else STRANGER


@blueprint.get("/catalog")
@blueprint.arguments(schemas.SearchSchema, location="query")
@blueprint.response(200, schemas.CatalogSchema)
@requires(Permission.PUBLIC)
def search(given: dict[str, Any]) -> dict[str, Any]:
    """Search the open offers that the caller may see; without words, the newest come first."""
    words, cursor = given.pop("q"), given.pop("cursor")
    page = listing.find(reading(), reader(), words, given, cursor, count=True)
    names = participants.names(reading(), {offer.participant_id for offer in page.items})
    items = [listing.listed(offer, names.get(offer.participant_id, "")) for offer in page.items]
    return {"items": items, "next": page.next, "facets": page.facets}


@blueprint.get("/catalog/domains")
@blueprint.response(200, schemas.NamedSchema)
@requires(Permission.PUBLIC)
def domains() -> dict[str, Any]:
    """List the data domains of the industrial data guide of 2020."""
    return {"items": [asdict(domain) for domain in guide().domains]}


@blueprint.get("/catalog/grading")
@blueprint.response(200, schemas.NamedSchema)
@requires(Permission.PUBLIC)
def grading_questions() -> dict[str, Any]:
    """List the three impact questions that the grade follows from, with their answers."""
    return {"items": [asdict(question) for question in guide().questions]}


@blueprint.post("/datasets")
@blueprint.arguments(schemas.NewDatasetSchema)
@blueprint.response(201, schemas.ChangedDatasetSchema)
@requires(Permission.DATASET_WRITE)
def create(given: dict[str, Any]) -> Any:
    """Make a draft dataset."""
    outcome = run("catalog.create_dataset", **given)
    location = url_for("catalog_api.show", dataset=outcome.result["id"])
    return (*answer(outcome, 201), {"Location": location})


@blueprint.get("/datasets")
@blueprint.arguments(schemas.CursorSchema, location="query")
@blueprint.response(200, schemas.DatasetsSchema)
@requires(Permission.DATASET_READ)
def mine(given: dict[str, Any]) -> dict[str, Any]:
    """List the acting firm's datasets, newest first."""
    rows, following = own_datasets(reading(), current_actor(), cursor=given["cursor"])
    session, actor = reading(), current_actor()
    items = [views.dataset_view(session, actor, row, listing.offers_of(session, actor, row)) for row in rows]
    return {"items": items, "next": following}


@blueprint.get("/datasets/<dataset>")
@blueprint.response(200, schemas.DatasetSchema)
@requires(Permission.PUBLIC)
def show(dataset: str) -> dict[str, Any]:
    """Show a dataset: one's own, or one with an offer that the caller may see."""
    return views.dataset_view(reading(), reader(), *listing.look(reading(), reader(), dataset))


@blueprint.patch("/datasets/<dataset>")
@blueprint.arguments(schemas.DescriptionSchema)
@blueprint.response(200, schemas.ChangedDatasetSchema)
@requires(Permission.DATASET_WRITE)
def describe(given: dict[str, Any], dataset: str) -> Any:
    """Change what is said about a dataset."""
    return answer(run("catalog.describe_dataset", dataset=dataset, **given))


@blueprint.delete("/datasets/<dataset>")
@blueprint.response(200, schemas.ChangedDatasetSchema)
@requires(Permission.DATASET_WRITE)
def remove_draft(dataset: str) -> Any:
    """Remove a draft without content."""
    return answer(run("catalog.remove_draft", dataset=dataset))


@blueprint.put("/datasets/<dataset>/content")
@blueprint.arguments(schemas.UploadQuerySchema, location="query")
@blueprint.response(202, schemas.UploadSchema)
@blueprint.doc(
    requestBody={"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
    parameters=[
        {"in": "query", "name": "wait", "schema": {"type": "number"}, "description": "seconds to wait for the reading"},
        {"in": "header", "name": "Content-Digest", "schema": {"type": "string"}, "description": "RFC 9530, sha-256"},
    ],
)
@requires(Permission.DATASET_WRITE)
def upload(given: dict[str, Any], dataset: str) -> Any:
    """Send one file of the next version as the raw body; the last part starts the reading.

    A file that cannot be read fails the version; with `wait` that error is the answer, else it is shown with the version.
    """
    name, part, parts = given.pop("filename"), given.pop("part"), given.pop("parts")
    end_reading()
    outcome = uploads.take(
        operations(), current_actor(), dataset, cast(BinaryIO, request.stream), name=name, part=part, parts=parts,
        length=request.content_length, options=given, expected_digest=announced_digest(),
        request_key=request.headers.get("Idempotency-Key"),
    )  # fmt: skip
    state = wait_for_reading(outcome.result["version"], _wait_seconds())
    location = url_for("catalog_api.version", version=outcome.result["version"])
    return {**answer(outcome)[0], "state": state}, 202 if state != "ready" else 200, {"Location": location}


def announced_digest() -> str | None:
    """Return the SHA-256 that the sender announced, as "sha256:…". Raises InvalidInputError for a malformed header."""
    plain = request.headers.get("X-Content-SHA256")
    if plain:
        return f"sha256:{plain.strip().lower()}"
    for item in request.headers.get("Content-Digest", "").split(","):
        algorithm, _, value = item.strip().partition("=")
        if algorithm.lower() == "sha-256":
            try:
                return f"sha256:{base64.b64decode(value.strip(':'), validate=True).hex()}"
            except binascii.Error as error:
                raise InvalidInputError(
                    ("The Content-Digest is not base64 between colons.", "Content-Digest 应为冒号之间的 base64。"),
                    ("See RFC 9530.", "参见 RFC 9530。"),
                    field="Content-Digest",
                ) from error
    return None


def _wait_seconds() -> float:
    try:
        return min(max(float(request.args.get("wait", "0")), 0.0), _LONGEST_WAIT)
    except ValueError:
        return 0.0


def wait_for_reading(version_id: str, seconds: float) -> str:
    """Return the version's state, waiting while it is read. Raises what the reading failed with."""
    deadline = time.monotonic() + seconds
    while True:
        version = get_version(reading(), version_id)
        if version.state == "failed":
            raise reading_error(version.error or {})
        state = views.shown_state(version)
        if state != "ingesting" or time.monotonic() >= deadline:
            return state
        end_reading()
        time.sleep(0.2)


def reading_error(error: dict[str, Any]) -> InvalidInputError | StorageError:
    """Return a stored error of the reading as the exception that it was."""
    reason, mend = error.get("reason") or ["Reading failed.", "读取失败。"], error.get("mend") or ["", ""]
    kind = StorageError if error.get("code") in {"disk-full", "storage", "wrong-key"} else InvalidInputError
    return kind((reason[0], reason[1]), (mend[0], mend[1]), field=error.get("field"), code=error.get("code"))


@blueprint.delete("/datasets/<dataset>/content")
@blueprint.response(200, schemas.UploadSchema)
@requires(Permission.DATASET_WRITE)
def abandon(dataset: str) -> Any:
    """Drop an upload of several parts that is not complete."""
    return answer(run("catalog.abandon_upload", dataset=dataset))


@blueprint.get("/datasets/<dataset>/versions")
@blueprint.response(200, schemas.VersionsSchema)
@requires(Permission.PUBLIC)
def versions(dataset: str) -> dict[str, Any]:
    """List a dataset's versions: all to its firm, the offered ones to others."""
    row, offers = listing.look(reading(), reader(), dataset)
    if row.participant_id == reader().participant:
        return {"items": [views.version_view(item, own=True) for item in row.versions], "next": None}
    offered = {offer.version_id: offer.version for offer in offers}
    shown = sorted(offered.values(), key=lambda item: item.number)
    return {"items": [views.version_view(item, own=False) for item in shown], "next": None}


@blueprint.get("/versions/<version>")
@blueprint.response(200, schemas.VersionSchema)
@requires(Permission.PUBLIC)
def version(version: str) -> dict[str, Any]:
    """Show a version: one's own in any state, or one that is offered to the caller."""
    row = listing.visible_version(reading(), reader(), version)
    return views.version_view(row, own=row.dataset.participant_id == reader().participant)


@blueprint.post("/versions/<version>/publication")
@blueprint.response(200, schemas.PublishedVersionSchema)
@requires(Permission.DATASET_WRITE)
def publish_version(version: str) -> Any:
    """State that this version is the firm's (done by the upload itself where the key is custodial)."""
    return answer(run("catalog.publish_version", version=version))


@blueprint.post("/versions/<version>/rereading")
@blueprint.arguments(schemas.RereadSchema)
@blueprint.response(202, schemas.UploadSchema)
@requires(Permission.DATASET_WRITE)
def reread(given: dict[str, Any], version: str) -> Any:
    """Read the uploaded files again with corrected types or options, as the next version."""
    own_version(reading(), current_actor(), version)
    outcome = run("catalog.reread_version", version=version, options=given)
    state = wait_for_reading(outcome.result["version"], _wait_seconds())
    return {**answer(outcome)[0], "state": state}, 202


@blueprint.put("/datasets/<dataset>/rights")
@blueprint.arguments(schemas.RightsSchema)
@blueprint.response(200, schemas.ChangedDatasetSchema)
@requires(Permission.DATASET_WRITE)
def declare_rights(given: dict[str, Any], dataset: str) -> Any:
    """Declare rights, source and evidence."""
    return answer(run("catalog.declare_rights", dataset=dataset, **given))


@blueprint.put("/datasets/<dataset>/grading")
@blueprint.arguments(schemas.GradingSchema)
@blueprint.response(200, schemas.ChangedDatasetSchema)
@requires(Permission.DATASET_WRITE)
def grade(given: dict[str, Any], dataset: str) -> Any:
    """Answer the impact questions; the grade follows from them."""
    return answer(run("catalog.grade_dataset", dataset=dataset, **given))


@blueprint.get("/datasets/<dataset>/offers")
@blueprint.response(200, schemas.OffersSchema)
@requires(Permission.PUBLIC)
def offers(dataset: str) -> dict[str, Any]:
    """List a dataset's offers: all to its firm, the open ones that they may see to others."""
    from exchange.catalog.offers import own_offers

    row, seen = listing.look(reading(), reader(), dataset)
    own = row.participant_id == reader().participant
    rows = own_offers(reading(), own_dataset(reading(), reader(), dataset)) if own else seen
    return {"items": [views.offer_view(offer, own=own) for offer in rows], "next": None}


# These views join the same blueprint; they stand in files of their own for length.
from exchange.catalog import disputes_api as _disputes_api  # noqa: E402, F401
from exchange.catalog import offers_api as _offers_api  # noqa: E402, F401
from exchange.catalog import stored_api as _stored_api  # noqa: E402, F401
