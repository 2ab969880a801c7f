"""Transfers over the API: request, token, fetch in parts, acknowledge, steer."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from flask import Response, g, request
from flask_smorest import Blueprint

from exchange import gates
from exchange.access import Actor, Permission
from exchange.errors import AuthenticationError, InvalidInputError, NotFoundError, PolicyDeniedError
from exchange.participants import keys
from exchange.transfer import decision, delivery, possession, schemas, service
from exchange.transfer.models import TransferProcess
from exchange.web import (
    answer,
    by_access_token,
    check,
    current_actor,
    database,
    operations,
    reading,
    requires,
    run,
    services,
)

blueprint = Blueprint("transfers_api", __name__, description="Transfer: request, fetch, acknowledge.")


def describe(row: TransferProcess) -> dict[str, Any]:
    """Return a transfer as JSON; the wrapped key is for its consumer alone."""
    mine = current_actor().participant == row.consumer_id
    wrapped = row.recipient_wrapped_key if mine else None
    return {
        **{name: getattr(row, name) for name in schemas.TransferSchema._declared_fields if hasattr(row, name)},
        "sealed_digest": f"sha256:{row.artefact}" if row.artefact else "",
        "recipient_wrapped_key": base64.b64encode(wrapped).decode() if wrapped else None,
        "context": service.context(row.id).decode(),
        "custody": keys.current_key(reading(), row.consumer_id, keys.ENCRYPTION).custody,
    }


@blueprint.post("/agreements/<agreement>/transfers")
@blueprint.arguments(schemas.TransferRequestSchema)
@blueprint.response(202, schemas.TransferStepSchema)
@requires(Permission.TRANSFER_REQUEST)
def create(given: dict[str, Any], agreement: str) -> Any:
    """Ask for one use of an agreement; the artefact is prepared in the background."""
    with gates.asked("policy", current_actor(), agreement=agreement):
        outcome = run("transfer.request", agreement=agreement, format=given["format"])
        if outcome.result["reasons"]:
            raise decision.denied(outcome.result["reasons"])
    return answer(outcome)[0]


@blueprint.get("/agreements/<agreement>/transfers")
@blueprint.response(200, schemas.TransfersSchema)
@requires(Permission.TRANSFER_READ)
def of_agreement(agreement: str) -> dict[str, Any]:
    """List the transfers under an agreement."""
    return {"items": [describe(row) for row in service.of_agreement(reading(), current_actor(), agreement)]}


@blueprint.get("/transfers/<transfer>")
@blueprint.response(200, schemas.TransferSchema)
@requires(Permission.TRANSFER_READ)
def show(transfer: str) -> dict[str, Any]:
    """Give a transfer's state, digests and, to its consumer, the wrapped key."""
    return describe(service.get(reading(), current_actor(), transfer))


@blueprint.post("/transfers/<transfer>/token")
@blueprint.response(200, schemas.AccessTokenSchema)
@requires(Permission.TRANSFER_REQUEST)
def token(transfer: str) -> Any:
    """Give a short-lived access token for fetching this transfer's parts; with a proof in the header DPoP it is bound to that key."""
    key = possession.to_bind()
    received(transfer)
    with gates.asked("policy", current_actor(), transfer=transfer), deciding(transfer):
        return service.token(services(), reading(), current_actor(), transfer, key)


@blueprint.get("/transfers/<transfer>/artefact")
@blueprint.response(200, {"type": "string", "format": "binary"}, content_type="application/octet-stream")
@requires(Permission.PUBLIC)
@by_access_token
def artefact(transfer: str) -> Response:
    """Give the sealed artefact, whole or a byte range, for an access token of this transfer or its consumer's own token.

    A bound access token takes the scheme DPoP and, in the header DPoP, a proof for this very request.
    """
    with gates.asked("permission", current_actor(), transfer=transfer):
        row = _admitted(transfer)
    return send(row, opened=False)


def _admitted(transfer: str) -> TransferProcess:
    if g.get("access_token"):
        grant = g.grant = possession.granted()
        if grant.transfer != transfer:
            raise AuthenticationError(
                ("This access token belongs to another transfer.", "该访问令牌属于另一次交付。"),
                ("Ask for a token of this transfer.", "请为本次交付申请令牌。"),
                code="invalid-token",
            )
        return delivery.transfer_for_grant(reading(), grant)
    check(Permission.TRANSFER_REQUEST)
    return received(transfer)


@blueprint.get("/transfers/<transfer>/content")
@blueprint.response(200, {"type": "string", "format": "binary"}, content_type="application/zip")
@requires(Permission.TRANSFER_REQUEST)
def content(transfer: str) -> Response:
    """Give the opened package (zip) to a consumer whose encryption key the exchange keeps."""
    return send(received(transfer), opened=True)


@blueprint.post("/transfers/<transfer>/acknowledgement")
@blueprint.arguments(schemas.AcknowledgementSchema)
@blueprint.response(200, schemas.TransferStepSchema)
@requires(Permission.TRANSFER_REQUEST)
def acknowledge(given: dict[str, Any], transfer: str) -> Any:
    """Acknowledge what arrived by its digest; the escrow is released."""
    return answer(run("transfer.acknowledge", transfer=transfer, digest=given["digest"]))[0]


@blueprint.post("/transfers/<transfer>/suspension")
@blueprint.arguments(schemas.ReasonSchema)
@blueprint.response(200, schemas.TransferStepSchema)
@requires(Permission.TRANSFER_CONTROL)
def suspend(given: dict[str, Any], transfer: str) -> Any:
    """Stop a running transfer at its next part (provider)."""
    return answer(run("transfer.suspend", transfer=transfer, reason=given["reason"]))[0]


@blueprint.post("/transfers/<transfer>/resumption")
@blueprint.response(200, schemas.TransferStepSchema)
@requires(Permission.TRANSFER_CONTROL)
def resume(transfer: str) -> Any:
    """Let a suspended transfer run on (provider)."""
    return answer(run("transfer.resume", transfer=transfer))[0]


@blueprint.post("/transfers/<transfer>/termination")
@blueprint.arguments(schemas.ReasonSchema)
@blueprint.response(200, schemas.TransferStepSchema)
@requires(Permission.SIGN)
def terminate(given: dict[str, Any], transfer: str) -> Any:
    """End a transfer for good, from either side."""
    return answer(run("transfer.terminate", transfer=transfer, reason=given["reason"]))[0]


def received(transfer: str) -> TransferProcess:
    """Return a transfer that the acting firm receives. Raises NotFoundError for any other."""
    row = service.get(reading(), current_actor(), transfer)
    if row.consumer_id != current_actor().participant:
        raise NotFoundError()
    return row


@blueprint.after_request
def offer_nonce(response: Response) -> Response:
    """Give the nonce that the next proof must bear, where the exchange asks for one."""
    if services().settings.dpop_nonce and request.endpoint in {
        f"{blueprint.name}.token",
        f"{blueprint.name}.artefact",
    }:
        response.headers["DPoP-Nonce"] = possession.nonce()
    return response


class deciding:  # noqa: N801 - reads as a word in `with deciding(transfer)`
    """Records a denial that the block runs into: the ledger shows the refused part, and the transfer is suspended."""

    def __init__(self, transfer: str) -> None:
        self._transfer = transfer

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, PolicyDeniedError):
            operations().run_as_system("transfer.deny_part", transfer=self._transfer, reasons=list(error.reasons))


def send(row: TransferProcess, *, opened: bool) -> Response:
    """Return the answer with the bytes: decided now, recorded before, again decided at every part."""
    actor = current_actor()
    if (grant := g.get("grant")) is not None:
        actor = Actor(user=grant.user, participant=grant.consumer, token=grant.parent or None)
    with gates.asked("policy", actor, transfer=row.id), deciding(row.id):
        service.check_part(reading(), row, datetime.now(UTC))
    body = delivery.opened(services(), reading(), row, current_actor()) if opened else delivery.sealed(services(), row)
    try:
        bounds = delivery.parse_range(request.headers.get("Range"), body.size)
    except InvalidInputError:
        body.stream.close()
        raise
    if bounds and request.headers.get("If-Range", f'"{body.etag}"') != f'"{body.etag}"':
        bounds = None
    start, end = bounds or (0, body.size)
    store, ports, identifier, holder = database(), operations(), row.id, possession.holder()

    def decide_again() -> None:
        try:
            with store.reading() as session:
                delivery.require_holder(session, *holder)
                service.check_part(session, session.get_one(TransferProcess, identifier), datetime.now(UTC))
        except PolicyDeniedError as error:
            ports.run_as_system("transfer.deny_part", transfer=identifier, reasons=list(error.reasons))
            raise

    response = Response(
        delivery.blocks(body, start, end, decide_again) if request.method != "HEAD" else b"",
        status=206 if bounds else 200,
        mimetype="application/zip" if opened else "application/octet-stream",
    )
    # The blocks close it as well, unless nobody reads them: a HEAD request, or a reader who went away.
    response.call_on_close(body.stream.close)
    response.headers["Content-Length"] = str(end - start)
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["ETag"] = f'"{body.etag}"'
    response.headers["Content-Disposition"] = f'attachment; filename="{body.filename}"'
    if bounds:
        response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{body.size}"
    return response
