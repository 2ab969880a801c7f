"""Statements, their commitments and their signatures.

What stands on the public log is a *committed* statement: kind, id, time, a random agreement id with
its running counter, and one salted commitment per field. The fields themselves are openings, kept
beside the log for the parties and the auditors. Who signed, and the signature itself, are committed
in the same way under the field names `signer` and `signature`.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal, get_args

from ledger.canonical import decode, encode
from ledger.errors import AdmissionError, CanonicalError
from ledger.signatures import SigningKey

Custody = Literal["custodial", "self-held", "exchange"]

DOMAIN = "statement"
SIGNER = "signer"
SIGNATURE = "signature"
MAX_PAYLOAD_BYTES = 65_000
MAX_FIELDS = 256
SALT_SIZE = 32

KIND = re.compile(r"[a-z][a-z0-9_-]{0,63}(\.[a-z][a-z0-9_-]{0,63}){0,3}")
FIELD = re.compile(r"[a-z][a-z0-9_]{0,63}")
URN = re.compile(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", re.ASCII)
_BLOCK = 64
_INNER, _OUTER = bytes(byte ^ 0x36 for byte in range(256)), bytes(byte ^ 0x5C for byte in range(256))
_COMMITMENT_CONTEXT = b"industrial-data-exchange/commitment/v1\n"


@dataclass(frozen=True)
class Statement:
    """One party says one thing. `at` is RFC 3339 UTC with `Z`; ids are `urn:uuid:`.

    A statement about an agreement carries the agreement's id and its running counter, from 1 without
    gaps, so that an omission is provable; every other statement carries neither.
    """

    kind: str
    id: str
    at: str
    fields: Mapping[str, Any]
    signer: str
    custody: Custody
    agreement: str | None = None
    counter: int | None = None


@dataclass(frozen=True)
class Opening:
    """The salt and value behind one commitment. The salt is secret and random, 32 bytes."""

    salt: bytes = field(repr=False)
    value: Any
    # Kept where they are known, and never for a value that came without them.
    _canonical: bytes | None = field(default=None, init=False, repr=False, compare=False)

    @classmethod
    def of(cls, salt: bytes, value: Any) -> "Opening":
        """Return the opening of a value as it is now, whatever becomes of the object. Raises CanonicalError."""
        return cls._known(salt, value, encode(value))

    @classmethod
    def from_canonical(cls, salt: bytes, data: bytes) -> "Opening":
        """Return the opening of a value in canonical bytes. Raises CanonicalError when they are not."""
        return cls._known(salt, decode(data), data)

    def canonical(self) -> bytes:
        """Return the canonical bytes of the value. Raises CanonicalError when it has none."""
        return encode(self.value) if self._canonical is None else self._canonical

    @classmethod
    def _known(cls, salt: bytes, value: Any, canonical: bytes) -> "Opening":
        made = cls(salt, value)
        object.__setattr__(made, "_canonical", canonical)
        return made


@dataclass(frozen=True)
class Erased:
    """What is left of an erased opening: the id of the statement that ordered the erasure, if given."""

    by: str | None = None


@dataclass(frozen=True)
class Draft:
    """A statement with its openings, ready to be signed.

    `payload` is the canonical committed statement, the bytes that the signer signs in the domain
    `statement`. `signature_salt` will hide the signature once it is given.
    """

    statement: Statement
    openings: Mapping[str, Opening]
    payload: bytes
    signature_salt: bytes = field(repr=False)
    # Whether `commit` has made it, so that the payload is known to commit to the rest.
    _is_committed: bool = field(default=False, init=False, repr=False, compare=False)

    @property
    def is_committed(self) -> bool:
        """Whether the payload is known to be the commitment to the statement and its openings."""
        return self._is_committed

    def to_json(self) -> dict[str, Any]:
        """Return the draft as JSON, to be kept while a self-held key has not signed. It is secret."""
        statement = self.statement
        return {
            "kind": statement.kind,
            "id": statement.id,
            "at": statement.at,
            "signer": statement.signer,
            "custody": statement.custody,
            "agreement": statement.agreement,
            "counter": None if statement.counter is None else str(statement.counter),
            "fields": dict(statement.fields),
            "salts": {name: opening.salt.hex() for name, opening in self.openings.items()},
            "signature_salt": self.signature_salt.hex(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Draft":
        """Return the draft of `to_json`, with the same payload. Raises AdmissionError if it is not one."""
        try:
            counter = document["counter"]
            statement = Statement(
                kind=document["kind"],
                id=document["id"],
                at=document["at"],
                fields=document["fields"],
                signer=document["signer"],
                custody=document["custody"],
                agreement=document["agreement"],
                counter=None if counter is None else int(counter),
            )
            salts = {name: bytes.fromhex(salt) for name, salt in document["salts"].items()}
            salts[SIGNATURE] = bytes.fromhex(document["signature_salt"])
            return commit(statement, salts.__getitem__)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise AdmissionError(f"not a draft: {error!r}") from error


@dataclass(frozen=True)
class Signature:
    """A signer's Ed25519 signature over a draft's payload, with the public key it verifies under."""

    public: bytes
    value: bytes


def commit(statement: Statement, salt_for: Callable[[str], bytes]) -> Draft:
    """Commit to every field of a statement, and to its signer.

    `salt_for(field)` gives 32 fresh random bytes for each field, for `signer` and for `signature`.
    Raises AdmissionError when the statement is malformed, a value has no canonical form, or the
    payload exceeds 65,000 bytes (an entry adds under 300 and must not exceed 65,535).
    """
    _require_well_formed(statement)
    values = dict(statement.fields) | {SIGNER: {"participant": statement.signer, "custody": statement.custody}}
    openings = {name: _opening(name, salt_for(name), value) for name, value in sorted(values.items())}
    payload = _payload(statement, openings)
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise AdmissionError(f"the committed statement exceeds {MAX_PAYLOAD_BYTES} bytes")
    salt = salt_for(SIGNATURE)
    _require_salt(SIGNATURE, salt)
    draft = Draft(statement, MappingProxyType(openings), payload, salt)
    object.__setattr__(draft, "_is_committed", True)
    return draft


def sign(draft: Draft, key: SigningKey) -> Signature:
    """Return the signature of `key` over a draft."""
    return Signature(key.public, key.sign(DOMAIN, draft.payload))


def commitment(kind: str, name: str, opening: Opening) -> bytes:
    """Return HMAC-SHA256(salt, context || kind || LF || field || LF || canonical value).

    Raises CanonicalError when the value has no canonical form.
    """
    message = b"%b%b\n%b\n%b" % (_COMMITMENT_CONTEXT, kind.encode(), name.encode(), opening.canonical())
    # HMAC (RFC 2104) by its definition: setting up OpenSSL's takes longer than both hashes of a short message.
    key = opening.salt if len(opening.salt) <= _BLOCK else hashlib.sha256(opening.salt).digest()
    key = key.ljust(_BLOCK, b"\0")
    inner = hashlib.sha256(key.translate(_INNER) + message).digest()
    return hashlib.sha256(key.translate(_OUTER) + inner).digest()


def _require_well_formed(statement: Statement) -> None:
    for name, pattern, value in (
        ("kind", KIND, statement.kind),
        ("id", URN, statement.id),
        ("at", TIME, statement.at),
        ("agreement", URN, _URN_EXAMPLE if statement.agreement is None else statement.agreement),
    ):
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise AdmissionError(f"the {name} {value!r} of the statement is malformed")
    try:
        datetime.fromisoformat(statement.at)
    except ValueError as error:
        raise AdmissionError(f"the time {statement.at!r} of the statement does not exist") from error
    if (statement.agreement is None) != (statement.counter is None):
        raise AdmissionError("a statement carries both an agreement and its counter, or neither")
    if statement.counter is not None and not 1 <= statement.counter < 2**63:
        raise AdmissionError("the counter of an agreement starts at 1")
    if not isinstance(statement.signer, str) or not statement.signer:
        raise AdmissionError("the statement names no signer")
    if statement.custody not in get_args(Custody):
        raise AdmissionError(f"the custody {statement.custody!r} is not one of {', '.join(get_args(Custody))}")
    if len(statement.fields) > MAX_FIELDS:
        raise AdmissionError(f"the statement has more than {MAX_FIELDS} fields")
    for name in statement.fields:
        if not isinstance(name, str) or not FIELD.fullmatch(name) or name in (SIGNER, SIGNATURE):
            raise AdmissionError(f"the field name {name!r} is malformed or reserved")


_URN_EXAMPLE = "urn:uuid:00000000-0000-0000-0000-000000000000"


def _opening(name: str, salt: bytes, value: Any) -> Opening:
    _require_salt(name, salt)
    try:
        return Opening.of(salt, value)
    except CanonicalError as error:
        raise AdmissionError(f"the field {name!r} cannot be recorded: {error}") from error


def _payload(statement: Statement, openings: Mapping[str, Opening]) -> bytes:
    """Return the canonical bytes of the committed statement.

    Requires a well-formed statement, in which nothing needs to be escaped, and openings sorted by field.
    """
    fields = ",".join(
        f'"{name}":"{commitment(statement.kind, name, opening).hex()}"' for name, opening in openings.items()
    )
    agreement, counter = "", ""
    if statement.agreement is not None:
        agreement, counter = f'"agreement":"{statement.agreement}",', f'"counter":"{statement.counter}",'
    return (
        f'{{{agreement}"at":"{statement.at}","commitments":{{{fields}}},{counter}'
        f'"id":"{statement.id}","kind":"{statement.kind}","v":1}}'
    ).encode()


def _require_salt(name: str, salt: bytes) -> None:
    if not isinstance(salt, bytes) or len(salt) != SALT_SIZE:
        raise AdmissionError(f"the salt of {name!r} is not {SALT_SIZE} bytes")
