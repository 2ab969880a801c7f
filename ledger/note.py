"""C2SP signed notes (c2sp.org/signed-note): a text and signature lines under it.

Plain Ed25519 signatures over the text are made and checked here. Lines of the other types, the
cosignatures, are split off here and checked by `ledger.cosignature`.
"""

import base64
import binascii
import functools
import hashlib
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from ledger.errors import SignatureError
from ledger.signatures import PUBLIC_SIZE, SigningKey, verify_bytes

ED25519 = 0x01
ED25519_COSIGNATURE = 0x04
ML_DSA_44_COSIGNATURE = 0x06
PUBLIC_SIZES = {ED25519: PUBLIC_SIZE, ED25519_COSIGNATURE: PUBLIC_SIZE, ML_DSA_44_COSIGNATURE: 1312}
MAX_NOTE_BYTES = 1_000_000
MAX_SIGNATURES = 100
_NAME = re.compile(r"[^+\s\x00-\x1f]+")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


@dataclass(frozen=True)
class Verifier:
    """A named public key, as a `vkey` line states it: `name+keyhash+base64(type || key)`.

    `kind` is the signature type byte that signed-note assigns.
    """

    name: str
    public: bytes
    kind: int = ED25519

    def __post_init__(self) -> None:
        if not _is_name(self.name):
            raise SignatureError(f"{self.name!r} is no key name: it must not be empty or hold spaces or '+'")
        if self.kind not in PUBLIC_SIZES:
            raise SignatureError(f"0x{self.kind:02x} is no signature type that this program knows")
        if len(self.public) != PUBLIC_SIZES[self.kind]:
            raise SignatureError(f"a public key of the type 0x{self.kind:02x} is {PUBLIC_SIZES[self.kind]} bytes")

    @functools.cached_property
    def key_hash(self) -> bytes:
        """The four bytes that name the key in a signature line."""
        return hashlib.sha256(self.name.encode() + b"\n" + self._typed_key).digest()[:4]

    @property
    def _typed_key(self) -> bytes:
        return bytes([self.kind]) + self.public

    def to_vkey(self) -> str:
        """Return the one-line text form that people exchange and pin."""
        return f"{self.name}+{self.key_hash.hex()}+{base64.b64encode(self._typed_key).decode()}"

    @classmethod
    def from_vkey(cls, text: str, kinds: Collection[int] = (ED25519,)) -> "Verifier":
        """Parse a vkey line. Raises SignatureError when it is malformed, of another type, or its key hash is wrong."""
        parts = text.strip().split("+", 2)
        if len(parts) != 3:
            raise SignatureError("a verifier key reads name+hash+base64")
        name, key_hash, encoded = parts
        key = decode_base64(encoded)
        if not key or key[0] not in kinds:
            wanted = " or ".join(f"0x{kind:02x}" for kind in kinds)
            raise SignatureError(f"the verifier key is not of the type {wanted}")
        verifier = cls(name, key[1:], key[0])
        if verifier.key_hash.hex() != key_hash:
            raise SignatureError("the hash inside the verifier key does not fit its name and key")
        return verifier


@dataclass(frozen=True)
class SignatureLine:
    """One signature line of a note: `text` verbatim without its newline, and what it says."""

    text: str
    name: str
    key_hash: bytes
    signature: bytes

    def is_of(self, verifier: Verifier) -> bool:
        """Whether the line claims to be of this key; whether it verifies is another question."""
        return self.name == verifier.name and self.key_hash == verifier.key_hash


def sign(text: str, name: str, *keys: SigningKey) -> str:
    """Return the note of a text, signed by each of the keys. Raises SignatureError for a text that no note can carry."""
    _require_text(text)
    data = text.encode("utf-8")
    return join(text, [signature_line(_own(name, key.public), key.unsafe_sign_bytes(data)) for key in keys])


# A log signs every checkpoint under the same name and key.
_own = functools.lru_cache(maxsize=64)(Verifier)


def signature_line(verifier: Verifier, signature: bytes) -> str:
    """Return the line of a signature, without its newline."""
    return f"— {verifier.name} {base64.b64encode(verifier.key_hash + signature).decode()}"


def verify(note: str, verifier: Verifier) -> str:
    """Return the text of a note that this key signed. Requires a plain Ed25519 key.

    Signatures of unknown keys are ignored. Raises SignatureError when the note is malformed, when a
    signature of this key does not verify, or when there is none.
    """
    if verifier.kind != ED25519:
        raise SignatureError("only a plain Ed25519 key signs the bare text of a note")
    text, lines = split(note)
    own = [line for line in lines if line.is_of(verifier)]
    if not own:
        raise SignatureError(f"the note carries no signature of {verifier.to_vkey()}")
    for line in own:
        verify_bytes(verifier.public, text.encode("utf-8"), line.signature)
    return text


def split(note: str) -> tuple[str, list[SignatureLine]]:
    """Return the text and the signature lines of a note; no signature is checked.

    Raises SignatureError when the note is malformed.
    """
    if len(note) > MAX_NOTE_BYTES:
        raise SignatureError("the note is longer than one megabyte")
    text, separator, signatures = note.rpartition("\n\n")
    text += "\n"
    if not separator or not signatures.endswith("\n"):
        raise SignatureError("the note has no blank line followed by signature lines")
    _require_text(text)
    lines = signatures[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise SignatureError(f"the note has more than {MAX_SIGNATURES} signatures")
    return text, [parse_line(line) for line in lines]


def join(text: str, lines: Iterable[SignatureLine | str]) -> str:
    """Return the note of a text and its signature lines."""
    return f"{text}\n" + "".join(f"{getattr(line, 'text', line)}\n" for line in lines)


def parse_line(line: str) -> SignatureLine:
    """Return what a signature line says. Raises SignatureError when it is malformed."""
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "—" or not _is_name(parts[1]):
        raise SignatureError("a signature line is malformed")
    data = decode_base64(parts[2])
    if len(data) < 5:
        raise SignatureError("a signature line is too short")
    return SignatureLine(line, parts[1], data[:4], data[4:])


def decode_base64(text: str) -> bytes:
    """Return the bytes of strict standard base64. Raises SignatureError for any other spelling."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise SignatureError(f"not base64: {error}") from error
    if base64.b64encode(data).decode() != text:
        raise SignatureError("base64 in a form that is not its own encoding")
    return data


def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def _require_text(text: str) -> None:
    if not text.endswith("\n"):
        raise SignatureError("the text of a note ends in a newline")
    if _CONTROL.search(text):
        raise SignatureError("the text of a note holds a control character")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise SignatureError("the text of a note is not Unicode") from error
