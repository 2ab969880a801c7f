"""What a refusal says in WWW-Authenticate: which credential would open, and what is wrong with the one that was sent (RFC 6750, RFC 9449)."""

from __future__ import annotations

import re

from flask import g, request

from exchange.errors import ExchangeError
from exchange.transfer.dpop import ALGORITHMS
from exchange.web import current_actor, takes_access_token

_REALM = 'realm="exchange"'
_ERRORS = {
    "invalid-token": "invalid_token",
    "invalid-dpop-proof": "invalid_dpop_proof",
    "use-dpop-nonce": "use_dpop_nonce",
}
_OF_PROOFS = {"invalid-dpop-proof", "use-dpop-nonce"}
# RFC 6750, 3: what a description may hold.
_UNSPEAKABLE = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")


def challenges(error: ExchangeError, status: int) -> list[str]:
    """Return the challenges of a refusal over the API, none for what no credential would mend."""
    if status == 403 and error.code in {"permission-denied", "outside-caveats"} and current_actor().token:
        scope = f', scope="{error.details["permission"]}"' if "permission" in error.details else ""
        return [f'Bearer {_REALM}, error="insufficient_scope"{scope}{_description(error)}']
    if status != 401:
        return []
    proves = f'DPoP {_REALM}, algs="{" ".join(ALGORITHMS)}"'
    told = f', error="{_ERRORS[error.code]}"{_description(error)}' if error.code in _ERRORS else ""
    if error.code in _OF_PROOFS:
        return [proves + told]
    bearer = f"Bearer {_REALM}"
    if not takes_access_token(request.endpoint):
        return [bearer + told]
    # The fault belongs to the scheme that was used; the other one is said to exist.
    return [bearer, proves + told] if g.get("access_scheme") == "dpop" else [bearer + told, proves]


def _description(error: ExchangeError) -> str:
    # The words are our own and never quote what was sent.
    return f', error_description="{_UNSPEAKABLE.sub(" ", error.reason[0])}"'
