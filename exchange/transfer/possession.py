"""Access tokens as a request brings them: bound or not, with the proof of their key (RFC 9449, sections 5 and 7)."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime

from flask import g, request

from exchange.errors import AuthenticationError, ExchangeError, ProofError
from exchange.keystore import TOKENS
from exchange.transfer import access_tokens, dpop, proofs
from exchange.web import current_actor, database, services

HEADER = "DPoP"


def to_bind() -> str:
    """Return the thumbprint of the key that this request for a token proves, empty where it proves none.

    Raises ExchangeError (400, as RFC 9449 says for a request for a token) on a proof that does not hold, and where the exchange
    asks for one and there is none.
    """
    if HEADER not in request.headers:
        if services().settings.dpop == "required":
            raise ExchangeError(
                ("This exchange gives access tokens only to whoever proves a key.", "本交易平台仅向证明持有密钥者发放访问令牌。"),
                ("Send a proof in the header DPoP (RFC 9449).", "请在 DPoP 标头中发送证明（RFC 9449）。"),
                field=HEADER, code="binding-required", details={"error": "invalid_dpop_proof"},
            )  # fmt: skip
        return ""
    try:
        proof = _proof()
        proofs.use(database(), proof)
    except ProofError as error:
        raise ExchangeError(
            error.reason, error.mend, field=error.field, code=error.code, details=error.details
        ) from error
    return proof.key


def granted() -> access_tokens.Grant:
    """Return what the access token of this request grants. Raises AuthenticationError, ProofError where its key is not proven."""
    grant = access_tokens.verify(services(), g.access_token)
    by_proof = g.access_scheme == "dpop"
    if not grant.key:
        if by_proof or services().settings.dpop == "required":
            raise access_tokens.invalid()
        return grant
    if not by_proof:
        raise AuthenticationError(
            ("This access token is bound to a key.", "该访问令牌已绑定密钥。"),
            (
                "Send it as `Authorization: DPoP …` with a proof in the header DPoP.",
                "请以 Authorization: DPoP … 发送，并在 DPoP 标头中附上证明。",
            ),
            code="invalid-token",
        )
    if HEADER not in request.headers:
        raise dpop.fault(HEADER, ("The proof of the token's key is missing.", "缺少令牌密钥的证明。"))
    proof = _proof(g.access_token)
    if not hmac.compare_digest(proof.key, grant.key):
        raise dpop.fault("jwk", ("The token is bound to another key.", "该令牌绑定的是另一把密钥。"))
    proofs.use(database(), proof)
    return grant


def holder() -> tuple[str, datetime, str]:
    """Return by what this request fetches: the person, since when, and for which API token (empty for none)."""
    if (grant := g.get("grant")) is not None:
        return grant.user, grant.issued_at, grant.parent
    actor = current_actor()
    return actor.user or "", datetime.now(UTC), actor.token or ""


def nonce() -> str:
    """Return the nonce that proofs must bear now."""
    return dpop.make_nonce(services().keystore.secret(TOKENS), datetime.now(UTC))


def _proof(token: str = "") -> dpop.Proof:
    """Check the header's proof against the address that the exchange is known under, whatever the Host header says."""
    settings = services().settings
    return dpop.verify(
        request.headers[HEADER],
        method=request.method,
        address=f"{settings.public_url}{request.path}",
        now=datetime.now(UTC),
        token=token,
        nonce_seed=services().keystore.secret(TOKENS) if settings.dpop_nonce else b"",
    )
