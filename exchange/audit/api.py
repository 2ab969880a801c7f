"""The ledger over the API: checkpoint, entries, proofs, verification, evidence bundles."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from flask import Response
from flask_smorest import Blueprint

from exchange.access import Permission
from exchange.audit import bundles, erasable, schemas, service, web
from exchange.audit.attestations import evidence
from exchange.audit.verification import verify_receipt
from exchange.web import answer, check, current_actor, reading, requires, run, services
from ledger.entry import Entry, Opening
from ledger.errors import ProofError

blueprint = Blueprint("ledger_api", __name__, url_prefix="/ledger", description="Record: the transparency ledger.")


@blueprint.get("/checkpoint")
@blueprint.response(200, schemas.CheckpointSchema)
@requires(Permission.PUBLIC)
def checkpoint() -> dict[str, Any]:
    """Give the newest signed checkpoint."""
    log = services().log
    changes = [json.loads(item.to_bytes()) for item in log.successions]
    return {
        **service.head(log), "note": log.checkpoint(), "former_keys": list(log.vkeys[1:]), "key_changes": changes
    }  # fmt: skip


@blueprint.get("/entries")
@blueprint.arguments(schemas.EntriesQuerySchema, location="query")
@blueprint.response(200, schemas.EntriesSchema)
@requires(Permission.PUBLIC)
def entries(given: dict[str, Any]) -> dict[str, Any]:
    """List public entries in order."""
    stop = given["start"] + given["limit"]
    items = [_describe(found) for found in services().log.entries(given["start"], stop)]
    return {"items": items, "next": stop if len(items) == given["limit"] else None}


@blueprint.get("/entries/<int:index>")
@blueprint.response(200, schemas.EntrySchema)
@requires(Permission.PUBLIC)
def entry(index: int) -> dict[str, Any]:
    """Give one entry with its receipt and, to its parties, its openings."""
    log = services().log
    found = service.entry_at(log, index)
    receipt = evidence.receipt(reading(), services(), found)
    actor = current_actor()
    seen = not actor.is_exchange and service.may_open(reading(), actor, found.statement_id)
    openings = log.openings(found.statement_id) if seen else {}
    return {
        **_describe(found),
        "receipt": receipt.to_json(),
        "openings": {
            name: {"salt": item.salt.hex(), "value": item.value}
            if isinstance(item, Opening)
            else {"erased": True, "by": erasable.order_of(log, item)}
            for name, item in openings.items()
        }
        or None,
    }


@blueprint.post("/entries/<int:index>/erasure")
@blueprint.arguments(schemas.ErasureRequestSchema)
@blueprint.response(200, schemas.ErasureSchema)
@requires(Permission.ACCOUNT)
def erase(given: dict[str, Any], index: int) -> tuple[dict[str, Any], int]:
    """Destroy the openings of some fields of an entry; the commitments and all proofs stay.

    An operator erases in every entry, a firm's owner or compliance officer in those that the firm signed.
    """
    name = "audit.erase" if current_actor().is_exchange else "audit.erase_own"
    return answer(run(name, statement=service.entry_at(services().log, index).statement_id, **given))


@blueprint.get("/erasable")
@blueprint.arguments(schemas.ErasableQuerySchema, location="query")
@blueprint.response(200, schemas.ErasablePageSchema)
@requires(Permission.ACCOUNT)
def list_erasable(given: dict[str, Any]) -> dict[str, Any]:
    """List the entries of which the caller may erase something or has, newest first: an operator all, a firm those it signed."""
    actor = current_actor()
    check(erasable.permission_of(actor))
    items, more = erasable.listed(reading(), services().log, actor, given["page"])
    told = [
        {
            "index": item.entry.index, "kind": item.entry.kind, "at": item.entry.at, "statement_id": item.entry.statement_id,
            "fields": [field.to_json() for field in item.fields],
        }
        for item in items
    ]  # fmt: skip
    return {"items": told, "next": given["page"] + 1 if more else None}


@blueprint.get("/consistency")
@blueprint.arguments(schemas.ConsistencyQuerySchema, location="query")
@blueprint.response(200, schemas.ConsistencySchema)
@requires(Permission.PUBLIC)
def consistency(given: dict[str, Any]) -> dict[str, Any]:
    """Prove that the log of size `new` extends the log of size `old`; without `new`, that the newest checkpoint does.

    Without `new` the answer also holds the checkpoint, and both in one text, `extension`, as `python -m ledger consistency`
    takes it.
    """
    if given["new"] is None:
        return service.extension(services().log, given["old"])
    try:
        path = services().log.consistency_proof(given["old"], given["new"])
    except ProofError as error:
        raise service.no_such_sizes("new") from error
    return {**given, "proof": [item.hex() for item in path]}


@blueprint.post("/verification")
@blueprint.arguments(schemas.VerificationRequestSchema)
@blueprint.response(200, schemas.VerificationSchema)
@requires(Permission.PUBLIC)
def verify(given: dict[str, Any]) -> dict[str, Any]:
    """Verify a receipt that anybody brings."""
    checks = verify_receipt(services().log, given["receipt"], given["entry"])
    return {"ok": all(check.ok for check in checks), "checks": [asdict(check) for check in checks]}


@blueprint.get("/bundles/agreements/<agreement>")
@blueprint.response(200, {"type": "string", "format": "binary"}, content_type="application/zip")
@requires(Permission.EVIDENCE_READ)
def agreement_bundle(agreement: str) -> Response:
    """Give the evidence bundle of one agreement to its parties."""
    return web.send_bundle(*web.agreement_evidence(agreement))


@blueprint.get("/bundles/participant")
@blueprint.response(200, {"type": "string", "format": "binary"}, content_type="application/zip")
@requires(Permission.EVIDENCE_READ)
def participant_bundle() -> Response:
    """Give a firm all statements that speak of it."""
    firm = current_actor().participant or ""
    statements = bundles.of_participant(reading(), firm)
    return web.send_bundle(statements, {"kind": "participant", "id": firm}, {}, f"firm-{firm[-12:]}")


def _describe(found: Entry) -> dict[str, Any]:
    return {
        "index": found.index, "kind": found.kind, "at": found.at, "statement_id": found.statement_id,
        "agreement": found.agreement, "counter": found.counter, "leaf_hash": found.leaf_hash.hex(),
        "body": found.body.decode(),
    }  # fmt: skip


# The API of anchoring and of witnesses stands beside this one, on the same blueprint.
from exchange.audit.anchoring import api as _anchoring_api  # noqa: E402, F401
from exchange.audit.attestations import api as _attestations_api  # noqa: E402, F401
