"""Organisations, people, tokens and waiting signatures over the API."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from flask_smorest import Blueprint
from sqlalchemy import select

from exchange.access import Permission
from exchange.audit.models import SignatureRequest
from exchange.errors import InvalidInputError, NotFoundError
from exchange.participants import facts, passwords, schemas, service, tokens
from exchange.participants.authentication import sign_in, throttled
from exchange.web import answer, current_actor, end_reading, operations, reading, requires, run

blueprint = Blueprint("participants_api", __name__, description="Join: organisations, people, tokens, signatures.")


@blueprint.get("/me")
@blueprint.response(200, schemas.MeSchema)
@requires(Permission.ACCOUNT)
def me() -> dict[str, Any]:
    """Say who this token or session is."""
    actor = current_actor()
    return {
        "user": actor.user, "name": actor.name, "participant": actor.participant,
        "participant_name": actor.participant_name, "status": actor.status, "roles": sorted(actor.roles),
        "permissions": sorted(actor.permissions),
    }  # fmt: skip


@blueprint.post("/login")
@blueprint.arguments(schemas.LoginSchema)
@blueprint.response(201, schemas.TokenSchema)
@throttled
@requires(Permission.PUBLIC)
def login(given: dict[str, Any]) -> Any:
    """Exchange e-mail address and password for an API token."""
    user = sign_in(given["email"], given["password"])
    actor = tokens.actor_of_user(reading(), user.id)
    end_reading()
    return (
        operations()
        .run(actor, "participants.create_token", name=given["name"], days=given["days"], proof=user.password_hash)
        .result
    )


@blueprint.post("/participants")
@blueprint.arguments(schemas.RegistrationSchema)
@blueprint.response(201, schemas.ParticipantSchema)
@throttled
@requires(Permission.PUBLIC)
def register(given: dict[str, Any]) -> Any:
    """Register an organisation with its owner; it stays pending until an operator verifies its evidence."""
    given["password_hash"] = passwords.hash_password(given.pop("password"))
    return answer(run("participants.register", **given), 201)[0]


@blueprint.post("/participants/me/join")
@blueprint.response(200, schemas.ParticipantSchema)
@requires(Permission.SIGN)
def join() -> Any:
    """Put the joining statement of a self-held key on the ledger (answers 202 with what to sign)."""
    return answer(run("participants.join"))[0]


@blueprint.get("/participants/<participant>")
@blueprint.response(200, schemas.ParticipantDetailSchema)
@requires(Permission.CATALOG_READ)
def show(participant: str) -> dict[str, Any]:
    """Give an organisation's public keys; the credit code is shown to itself and to the exchange's staff."""
    actor = current_actor()
    if actor.may(Permission.VERIFY_PARTICIPANT):
        run("participants.examine", participant=participant)
    row = service.get(reading(), participant)
    near = actor.may(Permission.VERIFY_PARTICIPANT) or actor.participant == row.id
    if not near and row.status in {"pending", "rejected"}:
        raise NotFoundError()
    own = {"credit_code": row.credit_code, "status_reason": row.status_reason, "waits": facts.are_open(row)}
    return {
        "id": row.id, "name": row.name, "status": row.status, "industry": row.industry, "country": row.country,
        "verified_facts": facts.verified(row),
        **(own if near else {}),
        "keys": [
            {"purpose": key.purpose, "custody": key.custody, "public": base64.b64encode(key.public).decode()}
            for key in row.keys if key.retired_at is None
        ],
    }  # fmt: skip


@blueprint.post("/people")
@blueprint.arguments(schemas.PersonRequestSchema)
@blueprint.response(201, schemas.PersonSchema)
@requires(Permission.PARTICIPANT_MANAGE)
def add_person(given: dict[str, Any]) -> Any:
    """Add a person to the acting firm."""
    given["password_hash"] = passwords.hash_password(given.pop("password"))
    return answer(run("participants.add_user", **given))[0]


@blueprint.get("/tokens")
@blueprint.response(200, schemas.TokensSchema)
@requires(Permission.TOKEN_MANAGE)
def list_tokens() -> dict[str, Any]:
    """List the acting person's tokens."""
    items = [
        {"id": row.id, "name": row.name, "scopes": row.scopes, "caveats": row.caveats, "expires_at": row.expires_at.isoformat(),
         "revoked": row.revoked_at is not None}
        for row in tokens.tokens_of(reading(), current_actor())
    ]  # fmt: skip
    return {"items": items}


@blueprint.post("/tokens")
@blueprint.arguments(schemas.TokenRequestSchema)
@blueprint.response(201, schemas.TokenSchema)
@requires(Permission.TOKEN_MANAGE)
def create_token(given: dict[str, Any]) -> Any:
    """Make a scoped token; it is shown once."""
    return run("participants.create_token", **given).result


@blueprint.delete("/tokens/<token>")
@blueprint.response(200, schemas.TokenSchema)
@requires(Permission.TOKEN_MANAGE)
def revoke_token(token: str) -> Any:
    """Revoke a token at once."""
    return run("participants.revoke_token", token=token).result


@blueprint.get("/signature-requests")
@blueprint.response(200, schemas.SignatureRequestsSchema)
@requires(Permission.SIGN)
def signature_requests() -> dict[str, Any]:
    """List the steps of the acting firm that wait for its self-held key."""
    rows = reading().scalars(
        select(SignatureRequest).where(
            SignatureRequest.participant == current_actor().participant,
            SignatureRequest.state == "awaiting_signature",
        )
    )
    return {"items": list(rows)}


@blueprint.post("/signature-requests/<request_id>")
@blueprint.arguments(schemas.SignaturesSchema)
@blueprint.response(200)
@requires(Permission.SIGN)
def give_signatures(given: dict[str, Any], request_id: str) -> Any:
    """Carry out a waiting step with its signatures."""
    try:
        signatures = {digest: base64.b64decode(text, validate=True) for digest, text in given["signatures"].items()}
    except (binascii.Error, ValueError) as error:
        raise InvalidInputError(
            ("A signature is not base64.", "签名不是有效的 base64 编码。"), ("Sign with `exchange sign`.", "请使用 `exchange sign` 签名。"),
            field="signatures",
        ) from error  # fmt: skip
    end_reading()
    return answer(operations().give_signatures(current_actor(), request_id, signatures))[0]


# These views join the same blueprint; they stand in files of their own, one noun to a file.
from exchange.participants import people_api as _people_api  # noqa: E402, F401
from exchange.participants import standing_api as _standing_api  # noqa: E402, F401
