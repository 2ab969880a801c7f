"""The OpenAPI document: what flask-smorest gathers from the views, with who may call them and how they refuse.

Views state their permission once, to the gate; here it becomes each operation's security requirement. Every refusal is a
problem document (RFC 9457), so the framework's own error schema is replaced by that.
"""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

from flask import Flask

from exchange import extensions
from exchange.access import Permission
from exchange.web import required_permission

_PREFIX = "/api/v1"
_METHODS = {"get", "put", "post", "patch", "delete"}
_WRITES = _METHODS - {"get"}
_JSON, _PROBLEM = "application/json", "application/problem+json"
# The framework's names of its error responses and schemas, which the ones below replace.
_OF_THE_FRAMEWORK = ("DEFAULT_ERROR", "UNPROCESSABLE_ENTITY")

DESCRIPTION = """\
Everything that the pages do. Send `Authorization: Bearer ide_…` with an API token; every operation says which permission
its person needs. Writes take an `Idempotency-Key` and answer with the receipts of what they recorded on the ledger. What is
unknown and what belongs to somebody else both answer 404. Refusals are `application/problem+json` in the language of
`Accept-Language` (`en` or `zh`): `detail` says what is wrong, `mend` what to do, `code` is stable.
"""

SECURITY_SCHEMES = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "ide_…",
        "description": "An API token, from `POST /api/v1/login` or the page *API tokens*; it does what its person may do, "
        "narrowed by its scopes.",
    },
    "transferToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT (EdDSA)",
        "description": "The short-lived access token of one transfer, from `POST /api/v1/transfers/{transfer}/token`; "
        "it fetches that transfer's sealed artefact and nothing else. One that is bound to a key (`cnf`) is sent as "
        "`Authorization: DPoP …` with a proof in the header `DPoP` (RFC 9449).",
    },
}
# What an access token of a transfer opens, besides an API token.
_BY_TRANSFER_TOKEN = {"/api/v1/transfers/{transfer}/artefact"}
# What is sent with POST because it is long, and changes nothing.
_QUESTIONS = {"/api/v1/ledger/verification"}

PROBLEM_SCHEMA = {
    "type": "object",
    "description": "A problem document (RFC 9457). Further members depend on the code.",
    "required": ["type", "title", "status", "code", "detail", "mend"],
    "properties": {
        "type": {"type": "string", "description": "`urn:exchange:problem:` and the code"},
        "title": {"type": "string"},
        "status": {"type": "integer", "description": "the HTTP status"},
        "code": {"type": "string", "description": "stable, for programs"},
        "detail": {"type": "string", "description": "what is wrong, in the reader's language"},
        "mend": {"type": "string", "description": "what to do about it; empty where nothing helps"},
        "field": {"type": "string", "description": "the input concerned"},
        "messages": {"type": "object", "description": "of a malformed request: faults by place and field"},
        "reasons": {
            "type": "array",
            "items": {"type": "object"},
            "description": "of policy-denied: each rule that denies",
        },
        "allowed": {
            "type": "array",
            "items": {"type": "string"},
            "description": "of illegal-transition: the states that are possible now",
        },
        "request": {"type": "string", "description": "of awaiting-signature: the step that waits"},
        "payloads": {
            "type": "array",
            "items": {"type": "object"},
            "description": "of awaiting-signature: what to sign",
        },
        "reference": {"type": "string", "description": "of internal: what the operator finds in the log"},
    },
}


def problem(status: int, code: str, detail: str, mend: str, **members: Any) -> dict[str, Any]:
    """Return a problem document as an example."""
    head = {"type": f"urn:exchange:problem:{code}", "title": detail, "status": status, "code": code}
    return {**head, "detail": detail, "mend": mend, **members}


# Name, status and examples of each refusal that an operation can share.
PROBLEMS: dict[str, tuple[int, str, list[dict[str, Any]]]] = {
    "NotAuthenticated": (401, "No credential, or one that is wrong, expired or revoked.", [
        problem(401, "not-authenticated", "You are not signed in.", "Sign in, or send an API token."),
    ]),
    "PermissionDenied": (403, "Known to you, but not for your role, scope or state, or the usage policy denies.", [
        problem(403, "permission-denied", "Your roles or scopes do not allow firm:offer:write.",
                "Ask an owner of your organisation for the role."),
        problem(403, "policy-denied", "The usage policy of the agreement does not permit this access.",
                "See the reasons; negotiate other terms where you need more.",
                reasons=[{"rule": "permission[0]", "left_operand": "count", "operator": "lteq", "expected": "3", "actual": "4",
                          "text_en": "All 3 agreed uses are taken.", "text_zh": "约定的 3 次使用已用完。"}]),
    ]),
    "NotFound": (404, "Unknown, or somebody else's: both look the same.", [
        problem(404, "not-found", "There is nothing here for you.", "Check the address, or ask the owner for access."),
    ]),
    "Conflict": (409, "The state of the thing does not allow this step.", [
        problem(409, "agreement-not-in-force", "The agreement is verified, not in force.",
                "Both parties must sign and the price must be held in escrow first."),
        problem(409, "illegal-transition", "A negotiation that is FINALIZED cannot become AGREED.", "Nothing is left to do.",
                state="FINALIZED", to="AGREED", role="provider", allowed=[]),
    ]),
    "Invalid": (422, "A value breaks a rule: `field` or `messages` name it.", [
        problem(422, "invalid-input", "Some fields are missing or wrong.", "Mend the fields named in messages.",
                messages={"json": {"title": ["Missing data for required field."]}}),
        problem(422, "invalid-input", "A price is a whole number of fen, or free.", "Write 150000 for ¥1,500.00.",
                field="amount_fen"),
    ]),
    "Unavailable": (503, "The ledger or the database cannot record the step just now; `Retry-After` says when to ask again.", [
        problem(503, "unavailable", "The ledger cannot be written just now, so nothing was done.", "Try again in a moment."),
    ]),
    "AwaitingSignature": (202, "The organisation holds its own key: nothing has happened until the payloads are signed.", [
        problem(202, "awaiting-signature", "This step waits for the signature of a self-held key.",
                "Sign it with `exchange sign REQUEST`, or send the signatures through the API.",
                request="urn:uuid:01900000-0000-7000-8000-000000000001",
                payloads=[{"digest": "9f86d081…0a08", "domain": "statement", "payload": "eyJhdCI6…"}]),
    ]),
    "Refused": (400, "Any other refusal, by its code.", [
        problem(413, "payload-too-large", "The request is larger than allowed.", "Send less at once."),
        problem(429, "too-many-requests", "Too many attempts.", "Wait a minute, then try again."),
        problem(500, "internal", "Something went wrong inside the exchange.",
                "Try again; if it stays, tell the operator the reference below.", reference="3f9a1c0b77de"),
        problem(507, "disk-full", "The disk is full.", "Free space, then repeat the step."),
    ]),
}  # fmt: skip

IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "description": "A fresh key, such as a UUID; the same request with the same key is carried out once.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "example": "5f0f6f6e-1a52-4a86-9d4b-7d3c3f0a9a11",
}


def describe(app: Flask) -> dict[str, Any]:
    """Return the whole document. It depends on the program alone, so a caller may keep it."""
    document = deepcopy(extensions.api.spec.to_dict())
    document["info"]["description"] = DESCRIPTION
    document["security"] = [{"token": []}]
    components = document.setdefault("components", {})
    components["securitySchemes"] = SECURITY_SCHEMES
    components.setdefault("schemas", {})["Problem"] = PROBLEM_SCHEMA
    components["schemas"].pop("Error", None)
    components["responses"] = {name: _response(*said) for name, (_, *said) in PROBLEMS.items()}
    components.setdefault("parameters", {})["IdempotencyKey"] = IDEMPOTENCY_KEY
    endpoints = _endpoints(app)
    for path, operations in document["paths"].items():
        for method in operations.keys() & _METHODS:
            permission = required_permission(app, endpoints[path, method], method)
            _complete(operations[method], path, method, permission or Permission.PUBLIC)
    for tag in document.get("tags", []):
        tag["name"] = tag["name"].removesuffix("_api")
    return document


def _response(description: str, examples: list[dict[str, Any]]) -> dict[str, Any]:
    shown = {
        example["code"] + (f"-{place}" if place else ""): {"value": example} for place, example in enumerate(examples)
    }
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": description, "content": {_PROBLEM: {"schema": schema, "examples": shown}}}


def _endpoints(app: Flask) -> dict[tuple[str, str], str]:
    """Return the endpoint behind each path of the document and method."""
    found = {}
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith(_PREFIX):
            path = re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule)
            found |= {(path, method.lower()): rule.endpoint for method in rule.methods or ()}
    return found


def _complete(operation: dict[str, Any], path: str, method: str, permission: Permission) -> None:
    """Add to an operation who may call it, its Idempotency-Key and its refusals."""
    # A blueprint of the API is named apart from the one of its pages; readers see the noun alone.
    operation["tags"] = [tag.removesuffix("_api") for tag in operation.get("tags", [])]
    responses = {
        status: answer
        for status, answer in operation["responses"].items()
        if not str(answer.get("$ref", "")).endswith(_OF_THE_FRAMEWORK)
    }
    refusals = ["Refused"]
    writes = method in _WRITES and path not in _QUESTIONS
    if "422" in operation["responses"] or method in _WRITES:
        refusals.append("Invalid")
    if permission is Permission.PUBLIC:
        operation["security"] = [{}, {"token": []}]
    else:
        refusals += ["NotAuthenticated", "PermissionDenied"]
        needed = f"Needs the permission `{permission}`."
        operation["description"] = "\n\n".join(part for part in (operation.get("description"), needed) if part)
        operation["security"] = [{"token": []}]
        if path in _BY_TRANSFER_TOKEN:
            operation["security"].append({"transferToken": []})
    if "{" in path:
        refusals.append("NotFound")
    if writes:
        refusals += ["Conflict", "Unavailable"]
        operation.setdefault("parameters", []).append({"$ref": "#/components/parameters/IdempotencyKey"})
        if permission.startswith("firm:") and "202" not in responses:
            refusals.append("AwaitingSignature")
    for name in refusals:
        status = "default" if name == "Refused" else str(PROBLEMS[name][0])
        responses.setdefault(status, {"$ref": f"#/components/responses/{name}"})
    operation["responses"] = dict(sorted(responses.items(), key=lambda item: (item[0] == "default", item[0])))
