"""Identifiers that leave the system: UUID version 7 (RFC 9562, section 5.7) as a URN."""

import secrets
import uuid
from datetime import datetime


def new_id(now: datetime) -> str:
    """Return `urn:uuid:` and a new UUIDv7 of an aware time, with 74 random bits."""
    milliseconds = int(now.timestamp() * 1000)
    value = milliseconds << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
    return uuid.UUID(int=value).urn
