"""The openings of a statement as one string of bytes: what a row keeps beside its commitments.

Each field is its name, what is left of it, and its content: salt and canonical value, in the clear or
sealed; or, once erased, the id of the statement that ordered it. An erasure always makes it shorter.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ledger.entry import Admitted, Erased, Opening
from ledger.errors import CanonicalError, LedgerError, VerificationError
from ledger.identifiers import from_bytes, to_bytes
from ledger.openingkeys import OpeningKeys
from ledger.statement import SALT_SIZE

_KEPT, _ERASED = 0, 1


@dataclass(frozen=True)
class _Field:
    """One field as packed."""

    state: int
    content: bytes


def pack(admitted: Admitted, keys: OpeningKeys | None) -> tuple[bytes | None, bytes]:
    """Return the subject under whose keys the openings of a statement are sealed, None without keys, and them packed."""
    given: Mapping[str, bytes] = {name: item.salt + item.canonical() for name, item in admitted.openings.items()}
    subject = None
    if keys is not None:
        subject = keys.subject_id(admitted.subject)
        given = keys.seal(admitted.subject, admitted.statement_id, given)
    return subject, _join({name: _Field(_KEPT, content) for name, content in given.items()})


def unpack(
    packed: bytes, subject: bytes | None, statement_id: str, keys: OpeningKeys | None, *, damaged: Opening | None = None
) -> dict[str, Opening | Erased]:
    """Return the openings of a row by field.

    Raises LedgerError where they are sealed and there are no keys, VerificationError where they were
    altered, unless `damaged` is to stand in for what cannot be read.
    """
    if subject is not None and keys is None:
        raise LedgerError("the openings are sealed: name the folder of their keys")
    found: dict[str, Opening | Erased] = {}
    for name, item in _split(packed).items():
        try:
            found[name] = _open(name, item, subject, statement_id, keys)
        except (CanonicalError, VerificationError) as error:
            if damaged is None:
                raise VerificationError([f"the opening of {name!r} of {statement_id} was altered"]) from error
            found[name] = damaged
    return found


def erase(packed: bytes, name: str, by: str | None) -> bytes | None:
    """Return the openings without salt and value of one field; None where there is none, or no more."""
    fields = _split(packed)
    if name not in fields or fields[name].state != _KEPT:
        return None
    fields[name] = _Field(_ERASED, b"" if by is None else to_bytes(by))
    return _join(fields)


def names(packed: bytes) -> list[str]:
    """Return the fields that there are openings of, erased ones among them."""
    return list(_split(packed))


def _open(
    name: str, item: _Field, subject: bytes | None, statement_id: str, keys: OpeningKeys | None
) -> Opening | Erased:
    if item.state == _ERASED:
        return Erased(from_bytes(item.content) if item.content else None)
    content: bytes | None = item.content
    if subject is not None and keys is not None:
        content = keys.unseal(subject, statement_id, name, item.content)
    return Erased() if content is None else Opening.from_canonical(content[:SALT_SIZE], content[SALT_SIZE:])


def _join(fields: Mapping[str, _Field]) -> bytes:
    parts = []
    for name, item in fields.items():
        label = name.encode()
        parts.append(b"%c%c%b%b" % (len(label), item.state, len(item.content).to_bytes(4, "big"), label + item.content))
    return b"".join(parts)


def _split(packed: bytes) -> dict[str, _Field]:
    found, place = {}, 0
    while place < len(packed):
        label, state = packed[place], packed[place + 1] if place + 1 < len(packed) else _KEPT
        start = place + 6 + label
        stop = start + int.from_bytes(packed[place + 2 : place + 6], "big")
        # Of a row that was tampered with, as much is read as there is; it then opens no commitment.
        found[packed[place + 6 : start].decode("utf-8", "replace")] = _Field(state, packed[start:stop])
        place = stop
    return found
