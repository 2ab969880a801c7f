"""What stands in the rows of the log, as the rest of the ledger knows it, and the other way round."""

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from ledger.entry import Entry, Erased, Opening
from ledger.errors import VerificationError
from ledger.statement import URN
from ledger.tree import KEPT_LEVEL, hash_count

Row = tuple[bytes, bytes | None, int | None, bytes, bytes]
"""What is sequenced of a statement: id, agreement and counter as stored, payload and signature."""


def key_of(urn: str | None) -> bytes:
    """Return an id as it is stored; empty, which no row has, where it is none."""
    return bytes.fromhex(urn[9:].replace("-", "")) if urn is not None and URN.fullmatch(urn) else b""


def urn_of(key: bytes) -> str:
    """Return an id as statements have it; in hex where what is stored is none."""
    return uuid.UUID(bytes=key).urn if len(key) == 16 else key.hex()


def columns(rows: Sequence[Row]) -> dict[str, list[Any]]:
    """Return the rows by column, as PostgreSQL takes many at once. Requires one at least."""
    names = ("ids", "agreements", "counters", "payloads", "signatures")
    return {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def entry_of(body: bytes) -> Entry | None:
    """Return what stored bytes say as an entry, None where they are not those of one."""
    try:
        return Entry.parse(body)
    except VerificationError:
        return None


def kept_hashes(first: int, size: int, created: Sequence[bytes]) -> list[tuple[int, bytes]]:
    """Return position and hash of the subtrees that are kept, of those which growing from `first` has created."""
    kept, start = [], hash_count(first)
    step = 1 << KEPT_LEVEL
    # Only the last leaf of a subtree of this height, or higher, completes any.
    for size_then in range((first // step + 1) * step, size + 1, step):
        places = range(hash_count(size_then - 1) + KEPT_LEVEL, hash_count(size_then))
        kept += [(place, created[place - start]) for place in places]
    return kept


def openings_of(rows: Iterable[Sequence[Any]]) -> dict[bytes, dict[str, Opening | Erased]]:
    """Return the openings of rows by statement and field."""
    found: dict[bytes, dict[str, Opening | Erased]] = {}
    for key, field, salt, value, erased_by in rows:
        gone = salt is None or value is None
        found.setdefault(key, {})[field] = Erased(erased_by) if gone else Opening.from_canonical(salt, value)
    return found
