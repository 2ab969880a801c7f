"""Strict reading of compact JWTs, before any key is tried: one spelling for each token, nothing ambiguous (RFC 7515, RFC 8725).

Libraries read more than the standards allow: base64 with other letters, padding or loose bits, JSON with a name twice. What two
readers could understand differently is refused here, so that whoever verifies afterwards reads what was signed.
"""

from __future__ import annotations

import base64
import json
import math
import re
from typing import Any

# A token of the exchange has some 700 letters, a proof some 500.
LONGEST = 4096
_PART = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)
_MOST_BRACKETS = 16


def read(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (header, claims) of a signed token that is not verified yet. Raises ValueError for every other form."""
    parts = text.split(".")
    if len(text) > LONGEST or len(parts) != 3:
        raise ValueError("no compact token of three parts")
    header, claims, signature = (decode(part) for part in parts)
    if not signature:
        raise ValueError("no signature")
    return _object(header), _object(claims)


def decode(part: str) -> bytes:
    """Return the bytes of base64url without padding. Raises ValueError unless it is the one spelling of these bytes."""
    if not _PART.fullmatch(part):
        raise ValueError("letters outside the alphabet")
    data = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if encode(data) != part:
        raise ValueError("not the canonical spelling")
    return data


def encode(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _object(data: bytes) -> dict[str, Any]:
    # Nothing that is signed here nests deeper than a key in a header; the count bounds the parser's recursion.
    if data.count(b"{") + data.count(b"[") > _MOST_BRACKETS:
        raise ValueError("nested too deeply")
    value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_number, parse_float=_finite)
    if not isinstance(value, dict):
        raise ValueError("no object")
    # Half a surrogate pair can be compared with nothing and stored nowhere.
    json.dumps(value, ensure_ascii=False).encode()
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _no_number(_text: str) -> float:
    raise ValueError("no number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("beyond all numbers")
    return value
