"""Short-lived access tokens of one transfer: EdDSA JWTs (RFC 9068 profile) that name transfer, agreement and consumer.

They open nothing by themselves: the policy is decided again at every part that is fetched with one. One that is bound (`cnf`,
RFC 9449) opens nothing without a proof of its key either.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from exchange.errors import AuthenticationError
from exchange.identifiers import uuid7
from exchange.keystore import TOKENS
from exchange.steps import Services
from exchange.transfer import jose

_TYPE = "at+jwt"
_ALGORITHM = "EdDSA"
_REQUIRED = ["iss", "aud", "sub", "client_id", "exp", "nbf", "iat", "jti", "agreement", "transfer", "parent"]


@dataclass(frozen=True)
class Grant:
    """What a verified token says: one transfer of one consumer, the person it was issued to and by which API token (if any).

    `key` is the thumbprint of the key that its holder must prove, empty where it is not bound.
    """

    transfer: str
    agreement: str
    consumer: str
    user: str
    issued_at: datetime
    parent: str = ""
    key: str = ""


@lru_cache(maxsize=4)
def _key(seed: bytes) -> tuple[Ed25519PrivateKey, Ed25519PublicKey, str]:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public = private.public_key()
    return private, public, hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16]


def audience(services: Services) -> str:
    """Return the audience of transfer tokens."""
    return f"{services.settings.public_url}/api/v1/transfers"


def issue(services: Services, grant: Grant, random: bytes) -> tuple[str, datetime]:
    """Return (token, when it expires)."""
    private, _, key_id = _key(services.keystore.secret(TOKENS))
    now = grant.issued_at
    expires = now + timedelta(minutes=services.settings.access_token_minutes)
    claims = {
        "iss": services.settings.public_url,
        "aud": audience(services),
        "sub": grant.consumer,
        "client_id": grant.user,
        # With its fraction, so that it lies clearly before or after the end of a person's credentials.
        "iat": now.timestamp(),
        "nbf": now,
        "exp": expires,
        "jti": uuid7(now, random),
        "agreement": grant.agreement,
        "transfer": grant.transfer,
        "parent": grant.parent,
        **({"cnf": {"jkt": grant.key}} if grant.key else {}),
    }
    return jwt.encode(claims, private, algorithm=_ALGORITHM, headers={"typ": _TYPE, "kid": key_id}), expires


def verify(services: Services, token: str) -> Grant:
    """Return what a token grants. Raises AuthenticationError for every fault, without saying which.

    The caller has still to ask for the proof of `Grant.key`.
    """
    _, public, key_id = _key(services.keystore.secret(TOKENS))
    try:
        header, _ = jose.read(token)
        if not (
            header.get("alg") == _ALGORITHM
            and hmac.compare_digest(str(header.get("typ", "")), _TYPE)
            and hmac.compare_digest(str(header.get("kid", "")), key_id)
            and set(header) <= {"alg", "typ", "kid"}
        ):
            raise jwt.InvalidTokenError("unexpected header")
        claims = jwt.decode(
            token,
            public,
            algorithms=[_ALGORITHM],
            audience=audience(services),
            issuer=services.settings.public_url,
            options={"require": _REQUIRED, "strict_aud": True},
        )
        names = ("transfer", "agreement", "sub", "client_id")
        transfer, agreement, consumer, user = (_text(claims[name]) for name in names)
        issued_at = datetime.fromtimestamp(float(claims["iat"]), UTC)
        parent, key = _text(claims["parent"]), _bound_to(claims)
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise invalid() from error
    return Grant(transfer, agreement, consumer, user, issued_at, parent, key)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a claim is no text")
    return value


def _bound_to(claims: dict[str, Any]) -> str:
    """Return the thumbprint in `cnf`, empty without one; a confirmation of another kind is not understood, so it is refused."""
    if "cnf" not in claims:
        return ""
    confirmation = claims["cnf"]
    if not isinstance(confirmation, dict) or set(confirmation) != {"jkt"}:
        raise TypeError("an unknown confirmation")
    name = _text(confirmation["jkt"])
    if len(jose.decode(name)) != hashlib.sha256().digest_size:
        raise ValueError("no thumbprint")
    return name


def invalid() -> AuthenticationError:
    """Return the one error for every token that opens nothing."""
    return AuthenticationError(
        ("This access token is invalid or has expired.", "该访问令牌无效或已过期。"),
        (
            "Ask for a new one: POST to the transfer's token address.",
            "请向该交付的令牌地址发送 POST 请求以获取新令牌。",
        ),
        code="invalid-token",
    )
