"""Between rows and values: identifiers, and what an entry's bytes say about where it is filed."""

from typing import Any

from ledger.entry import Entry
from ledger.errors import VerificationError
from ledger.identifiers import agreement_to_bytes, from_bytes, to_bytes


def urn(data: Any) -> str:
    """Return the identifier of a row; of a row that was tampered with, something that is none."""
    try:
        return from_bytes(bytes(data))
    except (TypeError, ValueError):
        return f"malformed identifier {data!r:.80}"


def key_of(identifier: str | None) -> bytes | None:
    """Return an identifier as the rows have it, or None where it is no identifier at all."""
    try:
        return None if identifier is None else to_bytes(identifier)
    except ValueError:
        return None


def entry_of(body: bytes) -> Entry | None:
    """Return what stored bytes say as an entry, None where they are not those of one."""
    try:
        return Entry.parse(body)
    except VerificationError:
        return None


def counter_of(entry: Entry | None) -> tuple[bytes, int] | None:
    """Return agreement and counter of an entry as the rows have them, if it has any that a database can hold."""
    if entry is None or entry.agreement is None or entry.counter is None or entry.counter >= 2**63:
        return None
    return agreement_to_bytes(entry.agreement), entry.counter
