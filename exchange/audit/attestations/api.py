"""Witnesses and time stamps over the API: who vouches for which size, and the checkpoint with its cosignatures."""

from __future__ import annotations

from typing import Any

from flask import Response
from marshmallow import Schema, fields

from exchange.access import Permission
from exchange.audit.api import blueprint
from exchange.audit.attestations import evidence, store, web
from exchange.audit.attestations.evidence import Party
from exchange.web import reading, requires, services

_LISTED = 100


class PartySchema(Schema):
    name = fields.String()
    size = fields.Integer(metadata={"description": "the largest tree that it vouched for"})
    vouched_at = fields.DateTime(allow_none=True)
    asked_at = fields.DateTime(allow_none=True)
    problem = fields.String(
        allow_none=True, metadata={"description": "why it did not vouch for the newest one, a code"}
    )


class StampSchema(Schema):
    size = fields.Integer()
    latest = fields.DateTime(metadata={"description": "the tree of this size existed at the latest then"})
    authority = fields.String()


class AttestationsSchema(Schema):
    policy = fields.String(allow_none=True, metadata={"description": "the log and its witnesses, c2sp.org/tlog-policy"})
    witnesses = fields.List(fields.Nested(PartySchema))
    checkpoint = fields.String(
        allow_none=True, metadata={"description": "the newest checkpoint with a quorum, and its cosignatures"}
    )
    authority = fields.Nested(PartySchema, allow_none=True)
    stamps = fields.List(fields.Nested(StampSchema))


@blueprint.get("/attestations")
@blueprint.response(200, AttestationsSchema)
@requires(Permission.PUBLIC)
def attestations() -> dict[str, Any]:
    """Say who vouches for the log: its witnesses, and the newest time stamps."""
    known = evidence.standing(reading(), services())
    return {
        "policy": evidence.public_policy(known.policy).to_text() if known.policy else None,
        "witnesses": [_describe(party) for party in known.witnesses],
        "checkpoint": known.attested.note if known.attested else None,
        "authority": _describe(known.authority) if known.authority else None,
        "stamps": store.stamps(reading(), _LISTED),
    }


@blueprint.get("/attestations/policy")
@blueprint.response(200, {"type": "string"}, content_type="text/plain")
@requires(Permission.PUBLIC)
def policy() -> Response:
    """Give the log's policy of witnesses as text (c2sp.org/tlog-policy)."""
    return web.send_policy()


def _describe(party: Party) -> dict[str, Any]:
    return {
        "name": party.name,
        "size": party.size,
        "vouched_at": party.vouched_at,
        "asked_at": party.asked_at,
        "problem": party.code,
    }
