"""Identifiers that leave the system: UUIDv7 as URNs (RFC 9562), sortable by the time they were made."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from datetime import datetime


def uuid7(now: datetime, random: bytes) -> str:
    """Return a UUIDv7 URN from `now` and at least ten random bytes."""
    milliseconds = int(now.timestamp() * 1000) & ((1 << 48) - 1)
    tail = int.from_bytes(random[:10], "big")
    value = milliseconds << 80 | 0x7 << 76 | (tail >> 62 & 0xFFF) << 64 | 0b10 << 62 | tail & ((1 << 62) - 1)
    return f"urn:uuid:{uuid.UUID(int=value)}"


def derive(seed: bytes, label: str) -> bytes:
    """Return 32 bytes that depend on `seed` and `label` alone (HMAC-SHA256)."""
    return hmac.digest(seed, label.encode(), hashlib.sha256)
