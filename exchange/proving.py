"""A client's own key for bound access tokens: a proof of possession for each request (DPoP, RFC 9449).

The key is made for one client and lives in its memory alone. A token that is stolen on its way is of no use without it.
"""

from __future__ import annotations

import base64
import hashlib
import time
import uuid
from typing import Any

import jwt
import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class ProofKey:
    """An Ed25519 key with the newest nonce that the exchange has asked for."""

    def __init__(self) -> None:
        self._private = Ed25519PrivateKey.generate()
        self._nonce = ""

    def note(self, answer: requests.Response, *_arguments: Any, **_options: Any) -> None:
        """Keep the nonce that an answer asks the next proof for (a hook of requests)."""
        self._nonce = answer.headers.get("DPoP-Nonce", self._nonce)

    def proof(self, method: str, address: str, token: str = "") -> str:
        """Return a fresh proof for one request of `method` to `address` (without query), with which `token` is sent, if any."""
        claims: dict[str, Any] = {"jti": str(uuid.uuid4()), "htm": method, "htu": address, "iat": int(time.time())}
        if token:
            claims["ath"] = _base64url(hashlib.sha256(token.encode()).digest())
        if self._nonce:
            claims["nonce"] = self._nonce
        public = {"kty": "OKP", "crv": "Ed25519", "x": _base64url(self._private.public_key().public_bytes_raw())}
        return jwt.encode(claims, self._private, algorithm="EdDSA", headers={"typ": "dpop+jwt", "jwk": public})


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
