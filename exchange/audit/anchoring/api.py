"""The log's anchors over the API: where they stand, and their proofs."""

from __future__ import annotations

from typing import Any

from flask import Response
from marshmallow import Schema, fields

from exchange.access import Permission
from exchange.audit.anchoring import service, store, web
from exchange.audit.api import blueprint
from exchange.web import reading, requires, services
from ledger.anchors.ethereum.chain import checksum_address
from ledger.anchors.ethereum.record import Anchor

_LISTED = 100


class AnchorSchema(Schema):
    number = fields.Integer()
    state = fields.String(metadata={"description": "prepared, broadcast, mined, safe, finalized or failed"})
    size = fields.Integer(metadata={"description": "the log's entries under the anchored root"})
    root = fields.String()
    chain_id = fields.Integer()
    contract = fields.String()
    sender = fields.String()
    transaction = fields.String()
    block_number = fields.Integer(allow_none=True)
    block_hash = fields.String(allow_none=True)
    confirmations = fields.Integer(allow_none=True, metadata={"description": "when the chain was last looked at"})
    reorganisations = fields.Integer()
    prepared_at = fields.DateTime()
    finalized_at = fields.DateTime(allow_none=True)
    has_proof = fields.Boolean()


class AnchorsSchema(Schema):
    enabled = fields.Boolean()
    covered = fields.Integer(metadata={"description": "entries that an anchor has fixed for good"})
    items = fields.List(fields.Nested(AnchorSchema))


@blueprint.get("/anchors")
@blueprint.response(200, AnchorsSchema)
@requires(Permission.PUBLIC)
def anchors() -> dict[str, Any]:
    """List the newest anchors of the log on Ethereum, newest first."""
    known = service.status(reading(), services().settings)
    items = [_describe(found) for found in store.history(reading(), _LISTED)]
    return {"enabled": known.is_on, "covered": known.covered, "items": items}


@blueprint.get("/anchors/<int:number>/proof")
@blueprint.response(200, {"type": "object"}, content_type="application/json")
@requires(Permission.PUBLIC)
def anchor_proof(number: int) -> Response:
    """Give the proof of a final anchor; `python -m ledger verify` checks it offline."""
    return web.send_proof(number)


def _describe(found: Anchor) -> dict[str, Any]:
    mined = found.mined
    return {
        "number": found.number,
        "state": str(found.state),
        "size": found.link.size,
        "root": found.link.root.hex(),
        "chain_id": found.chain_id,
        "contract": checksum_address(found.contract),
        "sender": checksum_address(found.sender),
        "transaction": "0x" + found.attempt.hash.hex(),
        "block_number": None if mined is None else mined.block_number,
        "block_hash": None if mined is None else "0x" + mined.block_hash.hex(),
        "confirmations": None if mined is None else mined.confirmations,
        "reorganisations": found.reorganisations,
        "prepared_at": found.prepared_at,
        "finalized_at": found.finalized_at,
        "has_proof": found.proof is not None,
    }
