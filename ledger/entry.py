"""Entries of the log: admission of a signed statement, the entry's bytes, and checking them."""

import base64
import functools
import hmac
import operator
import re
from binascii import hexlify, unhexlify
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ledger import signatures
from ledger.canonical import decode
from ledger.errors import AdmissionError, CanonicalError, SignatureError, VerificationError
from ledger.hashing import HASH_SIZE, leaf_hash
from ledger.signatures import key_id
from ledger.statement import (
    DOMAIN,
    FIELD,
    KIND,
    SIGNATURE,
    SIGNER,
    TIME,
    URN,
    Custody,
    Draft,
    Erased,
    Opening,
    Signature,
    Statement,
    commit,
    commitment,
    sign,
)

__all__ = [
    "DOMAIN",
    "SIGNATURE",
    "SIGNER",
    "Admitted",
    "Custody",
    "Draft",
    "Entry",
    "Erased",
    "Opening",
    "Signature",
    "Statement",
    "admit",
    "check_signature",
    "commit",
    "commitment",
    "entry_bytes",
    "sign",
    "verify_opening",
    "verify_signature",
]

MAX_ENTRY_BYTES = 65_535


@dataclass(frozen=True)
class Admitted:
    """A statement that passed admission: what the storage writes.

    `subject` is whom its openings are about; storages that seal them do so under the keys of the subject.
    """

    statement_id: str
    agreement: str | None
    counter: int | None
    payload: bytes
    signature: bytes
    openings: Mapping[str, Opening]
    subject: str


def admit(draft: Draft, signature: Signature, subject: str | None = None) -> Admitted:
    """Check a draft and its signature and return what is to be written, about `subject` or else the signer.

    Raises SignatureError when the signature does not verify, AdmissionError when the payload is not
    the commitment to the statement and its openings.
    """
    statement = draft.statement
    if not draft.is_committed:
        _require_commitment(draft)
    signatures.verify(signature.public, DOMAIN, draft.payload, signature.value)
    opening = Opening.of(
        draft.signature_salt,
        {
            "participant": statement.signer,
            "key": key_id(signature.public),
            "custody": statement.custody,
            "public": base64.b64encode(signature.public).decode(),
            "sig": base64.b64encode(signature.value).decode(),
        },
    )
    return Admitted(
        statement_id=statement.id,
        agreement=statement.agreement,
        counter=statement.counter,
        payload=draft.payload,
        signature=commitment(statement.kind, SIGNATURE, opening),
        openings={**draft.openings, SIGNATURE: opening},
        subject=statement.signer if subject is None else subject,
    )


def _require_commitment(draft: Draft) -> None:
    salts = {name: opening.salt for name, opening in draft.openings.items()} | {SIGNATURE: draft.signature_salt}
    try:
        expected = commit(draft.statement, salts.__getitem__)
    except KeyError as error:
        raise AdmissionError(f"the draft does not open the field {error}") from error
    if expected.payload != draft.payload or dict(expected.openings) != dict(draft.openings):
        raise AdmissionError("the payload does not commit to the statement")


def entry_bytes(index: int, previous: bytes | None, payload: bytes, signature: bytes) -> bytes:
    """Return the canonical bytes of an entry.

    Requires a canonical payload, a 32-byte signature commitment, and `previous` = the leaf hash of
    entry index - 1, or None for entry 0.
    """
    prev = b"null" if previous is None else b'"%b"' % hexlify(previous)
    return b'{"index":"%d","prev":%s,"signature":"%s","statement":%s,"v":1}' % (
        index,
        prev,
        hexlify(signature),
        payload,
    )


_HEX = b"0123456789abcdef"
_HASH = r"[0-9a-f]{64}"
_NUMBER = r"0|[1-9][0-9]{0,18}"
# The whole form of an entry. Bytes of this form, in which the names of the commitments grow, are canonical:
# every member stands in its place, with no space between them and nothing that needs to be escaped. That the
# commitments are hexadecimal is looked at apart, since one look at all of them is faster.
_FORM = re.compile(
    rf'\{{"index":"(?P<index>{_NUMBER})","prev":(?:null|"(?P<previous>{_HASH})"),"signature":"(?P<signature>{_HASH})"'
    rf',"statement":\{{(?:"agreement":"(?P<agreement>{URN.pattern})",)?"at":"(?P<at>{TIME.pattern})"'
    rf',"commitments":\{{(?P<commitments>(?:"{FIELD.pattern}":"[^"]{{64}}"(?:,(?=")|(?=\}})))*+)\}}'
    rf'(?:,"counter":"(?P<counter>{_NUMBER})")?,"id":"(?P<id>{URN.pattern})","kind":"(?P<kind>{KIND.pattern})"'
    r',"v":1\},"v":1\}'
)
_GROUPS = ("index", "previous", "signature", "agreement", "at", "commitments", "counter", "id", "kind")
_BEFORE_PAYLOAD, _AFTER_PAYLOAD = b',"statement":', b',"v":1}'


@dataclass(frozen=True)
class Entry:
    """An entry of the log: its verbatim bytes and what they say."""

    body: bytes = field(repr=False)
    index: int
    previous: bytes | None
    kind: str
    statement_id: str
    at: str
    agreement: str | None
    counter: int | None
    signature: bytes
    _names: Sequence[str] = field(repr=False)
    _digests: str = field(repr=False)

    @property
    def leaf_hash(self) -> bytes:
        """The hash of the entry in the tree and in the chain."""
        return leaf_hash(self.body)

    @property
    def payload(self) -> bytes:
        """The committed statement, the bytes that were signed."""
        return self.body[self.body.index(_BEFORE_PAYLOAD) + len(_BEFORE_PAYLOAD) : -len(_AFTER_PAYLOAD)]

    @functools.cached_property
    def commitments(self) -> Mapping[str, bytes]:
        """The commitment of each field and of `signer`."""
        digests = unhexlify(self._digests)
        return {name: digests[at * HASH_SIZE : (at + 1) * HASH_SIZE] for at, name in enumerate(self._names)}

    def commitment(self, name: str) -> bytes | None:
        """Return the commitment of a field, of `signer` or of `signature`; None if there is none."""
        return self.signature if name == SIGNATURE else self.commitments.get(name)

    @classmethod
    def parse(cls, body: bytes) -> "Entry":
        """Parse entry bytes. Raises VerificationError when they are not those of an entry."""
        # Text of another alphabet matches nothing either.
        form = _FORM.fullmatch(body.decode("ascii", "replace")) if len(body) <= MAX_ENTRY_BYTES else None
        if form is None:
            raise VerificationError([f"not an entry: {_difference(body)}"])
        index, previous, signature, agreement, at, commitments, counter, statement_id, kind = form.group(*_GROUPS)
        parts = commitments.split('"')
        names, digests = parts[1::4], "".join(parts[3::4])
        if digests.encode("ascii", "replace").translate(None, _HEX):
            raise VerificationError([f"not an entry: {_difference(body)}"])
        if not all(map(operator.lt, names, names[1:])):
            raise VerificationError(["not an entry: the commitments do not stand in the order of their names"])
        if (agreement is None) != (counter is None):
            raise VerificationError(["not an entry: with an agreement and no counter, or a counter and no agreement"])
        made = object.__new__(cls)
        # As the constructor would, which takes as long as the rest when a whole log is read.
        made.__dict__.update(
            body=body,
            index=int(index),
            previous=None if previous is None else unhexlify(previous),
            kind=kind,
            statement_id=statement_id,
            at=at,
            agreement=agreement,
            counter=None if counter is None else int(counter),
            signature=unhexlify(signature),
            _names=names,
            _digests=digests,
        )
        return made


def _difference(body: bytes) -> str:
    """Return in words what keeps some bytes from being an entry."""
    if len(body) > MAX_ENTRY_BYTES:
        return f"longer than {MAX_ENTRY_BYTES} bytes"
    try:
        document = decode(body)
        _require_keys(document, {"index", "prev", "signature", "statement", "v"}, set())
        statement = document["statement"]
        _require_keys(statement, {"at", "commitments", "id", "kind", "v"}, {"agreement", "counter"})
    except (CanonicalError, ValueError) as error:
        return str(error)
    if document["v"] != 1 or statement["v"] != 1:
        return "of an unknown version"
    return "a member is not in the form that it has in an entry"


def verify_opening(entry: Entry, name: str, opening: Opening) -> None:
    """Check an opening against the entry's commitment. Raises VerificationError if it differs."""
    expected = entry.commitment(name)
    if expected is None:
        raise VerificationError([f"entry {entry.index} does not commit to a field {name!r}"])
    try:
        found = commitment(entry.kind, name, opening)
    except CanonicalError as error:
        raise VerificationError([f"the field {name!r} of entry {entry.index}: {error}"]) from error
    if not hmac.compare_digest(found, expected):
        raise VerificationError([f"the field {name!r} of entry {entry.index} is not what was committed to"])


def verify_signature(entry: Entry, signer: Any, signature: Any) -> Signature:
    """Check the opened `signature` of an entry, and that it names the opened `signer`.

    Both values must already have been checked against their commitments. Returns the signature.
    Raises VerificationError.
    """
    return check_signature(entry.index, entry.payload, signer, signature)


def check_signature(index: int, payload: bytes, signer: Any, signature: Any) -> Signature:
    """Check what `verify_signature` checks of the entry at an index, given its payload alone."""
    try:
        _require_keys(signature, {"participant", "key", "custody", "public", "sig"}, set())
        found = Signature(base64.b64decode(signature["public"]), base64.b64decode(signature["sig"]))
        if signer != {"participant": signature["participant"], "custody": signature["custody"]}:
            raise ValueError("it names another signer than the statement")
        if signature["key"] != key_id(found.public):
            raise ValueError("its key id is not that of its public key")
        signatures.verify(found.public, DOMAIN, payload, found.value)
    except (SignatureError, TypeError, ValueError) as error:
        raise VerificationError([f"the signature of entry {index} does not hold: {error}"]) from error
    return found


def _require_keys(document: Any, required: set[str], optional: set[str]) -> None:
    if not isinstance(document, dict) or not required <= document.keys() <= required | optional:
        raise ValueError(f"it does not have exactly the members {', '.join(sorted(required))}")
