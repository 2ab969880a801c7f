"""Identifiers that leave the system: UUID version 7 (RFC 9562, section 5.7) as a URN."""

import functools
import re
import secrets
import uuid
from datetime import datetime

_URN = re.compile("urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def new_id(now: datetime) -> str:
    """Return `urn:uuid:` and a new UUIDv7 of an aware time, with 74 random bits."""
    milliseconds = int(now.timestamp() * 1000)
    value = milliseconds << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
    return uuid.UUID(int=value).urn


def to_bytes(urn: str) -> bytes:
    """Return the sixteen bytes of a `urn:uuid:` identifier in its one lower-case form. Raises ValueError."""
    if not _URN.fullmatch(urn):
        raise ValueError(f"{urn!r} is no urn:uuid: identifier")
    return known_to_bytes(urn)


def known_to_bytes(urn: str) -> bytes:
    """Return the sixteen bytes of an identifier. Requires one that was checked, as those of a parsed entry were."""
    return bytes.fromhex(urn[9:].replace("-", ""))


# An agreement has many statements, near each other.
agreement_to_bytes = functools.lru_cache(maxsize=4096)(known_to_bytes)


def from_bytes(data: bytes) -> str:
    """Return the identifier of sixteen bytes. Raises ValueError for another length."""
    if len(data) != 16:
        raise ValueError("a UUID is 16 bytes")
    digits = data.hex()
    return f"urn:uuid:{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
