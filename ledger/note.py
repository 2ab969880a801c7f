"""C2SP signed notes (c2sp.org/signed-note): a text and Ed25519 signature lines under it."""

import base64
import binascii
import hashlib
from dataclasses import dataclass

from ledger.errors import SignatureError
from ledger.signatures import PUBLIC_SIZE, SigningKey, verify_bytes

ED25519 = b"\x01"
MAX_NOTE_BYTES = 1_000_000
MAX_SIGNATURES = 100


@dataclass(frozen=True)
class Verifier:
    """A named public key, as a `vkey` line states it: `name+keyhash+base64(0x01 || key)`."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        if not _is_name(self.name):
            raise SignatureError(f"{self.name!r} is no key name: it must not be empty or hold spaces or '+'")
        if len(self.public) != PUBLIC_SIZE:
            raise SignatureError("an Ed25519 public key is 32 bytes")

    @property
    def key_hash(self) -> bytes:
        """The four bytes that name the key in a signature line."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    def to_vkey(self) -> str:
        """Return the one-line text form that people exchange and pin."""
        return f"{self.name}+{self.key_hash.hex()}+{base64.b64encode(ED25519 + self.public).decode()}"

    @classmethod
    def from_vkey(cls, text: str) -> "Verifier":
        """Parse a vkey line. Raises SignatureError when it is malformed or its key hash is wrong."""
        parts = text.strip().split("+", 2)
        if len(parts) != 3:
            raise SignatureError("a verifier key reads name+hash+base64")
        name, key_hash, encoded = parts
        key = decode_base64(encoded)
        if key[:1] != ED25519:
            raise SignatureError("the verifier key is not of the Ed25519 type")
        verifier = cls(name, key[1:])
        if verifier.key_hash.hex() != key_hash:
            raise SignatureError("the hash inside the verifier key does not fit its name and key")
        return verifier


def sign(text: str, name: str, key: SigningKey) -> str:
    """Return the signed note of a text. Raises SignatureError for a text that no note can carry."""
    _require_text(text)
    verifier = Verifier(name, key.public)
    signature = key.unsafe_sign_bytes(text.encode("utf-8"))
    return f"{text}\n— {name} {base64.b64encode(verifier.key_hash + signature).decode()}\n"


def verify(note: str, verifier: Verifier) -> str:
    """Return the text of a note that this key signed.

    Signatures of unknown keys are ignored. Raises SignatureError when the note is malformed, when a
    signature of this key does not verify, or when there is none.
    """
    text, lines = _split(note)
    found = False
    for line in lines:
        name, signature = _signature(line)
        if name == verifier.name and signature[:4] == verifier.key_hash:
            verify_bytes(verifier.public, text.encode("utf-8"), signature[4:])
            found = True
    if not found:
        raise SignatureError(f"the note carries no signature of {verifier.to_vkey()}")
    return text


def decode_base64(text: str) -> bytes:
    """Return the bytes of strict standard base64. Raises SignatureError for any other spelling."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise SignatureError(f"not base64: {error}") from error
    if base64.b64encode(data).decode() != text:
        raise SignatureError("base64 in a form that is not its own encoding")
    return data


def _split(note: str) -> tuple[str, list[str]]:
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
    return text, lines


def _signature(line: str) -> tuple[str, bytes]:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "—" or not _is_name(parts[1]):
        raise SignatureError("a signature line is malformed")
    signature = decode_base64(parts[2])
    if len(signature) < 5:
        raise SignatureError("a signature line is too short")
    return parts[1], signature


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(c.isspace() or c < " " for c in name)


def _require_text(text: str) -> None:
    if not text.endswith("\n"):
        raise SignatureError("the text of a note ends in a newline")
    if any(c < " " and c != "\n" for c in text):
        raise SignatureError("the text of a note holds a control character")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise SignatureError("the text of a note is not Unicode") from error
