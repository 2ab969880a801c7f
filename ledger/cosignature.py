"""Cosignatures of checkpoints (c2sp.org/tlog-cosignature): a witness saw this tree extend all it saw before.

Two types: Ed25519 (`cosignature/v1`, type 0x04), which signs the checkpoint's whole body, and ML-DSA-44
(`subtree/v1`, type 0x06), which withstands quantum computers and signs the cosigner's name, the origin,
the size and the root. Both carry the time of signing, in seconds since the epoch. ML-DSA-44 needs the
package `cryptography`, which is imported where it is used.
"""

from dataclasses import dataclass, field
from typing import Any

from ledger import note
from ledger.checkpoint import Checkpoint, parse_body
from ledger.errors import LedgerError, SignatureError
from ledger.note import ED25519, ED25519_COSIGNATURE, ML_DSA_44_COSIGNATURE, SignatureLine, Verifier
from ledger.signatures import SigningKey, verify_bytes

COSIGNER_KINDS = (ED25519_COSIGNATURE, ML_DSA_44_COSIGNATURE)
LOG_KINDS = (ED25519, ML_DSA_44_COSIGNATURE)
"""What a log may sign its checkpoints with (c2sp.org/tlog-checkpoint)."""

_TIME_SIZE = 8
_MAX_TIME = 2**63 - 1
_MAX_NAME = 255


@dataclass(frozen=True)
class Cosignature:
    """A verified cosignature: whose it is, when it says it was made, and its line verbatim."""

    verifier: Verifier
    time: int
    line: str


@dataclass(frozen=True)
class Cosigner:
    """A witness's name and private key. The seed, 32 bytes for either type, is kept out of the representation."""

    name: str
    seed: bytes = field(repr=False)
    kind: int = ED25519_COSIGNATURE
    verifier: Verifier = field(init=False)

    def __post_init__(self) -> None:
        if self.kind == ED25519_COSIGNATURE:
            public = SigningKey.from_seed(self.seed).public
        elif self.kind == ML_DSA_44_COSIGNATURE:
            public = _ml_dsa_key(self.seed).public_key().public_bytes_raw()
        else:
            raise SignatureError(f"0x{self.kind:02x} is no type of cosignature")
        object.__setattr__(self, "verifier", Verifier(self.name, public, self.kind))

    def cosign(self, body: str, time: int) -> str:
        """Return the signature line over a checkpoint's body, without its newline. Requires 0 <= time < 2^63.

        Raises SignatureError when the body is not that of a checkpoint or cannot be cosigned.
        """
        if not 0 <= time <= _MAX_TIME:
            raise SignatureError(f"{time} is no time that a cosignature can carry")
        message = _message(self.verifier, parse_body(body), body, time)
        if self.kind == ED25519_COSIGNATURE:
            signature = SigningKey.from_seed(self.seed).unsafe_sign_bytes(message)
        else:
            signature = _ml_dsa_key(self.seed).sign(message)
        return note.signature_line(self.verifier, time.to_bytes(_TIME_SIZE, "big") + signature)


def cosignatures(signed: str, verifier: Verifier) -> list[Cosignature]:
    """Return the cosignatures of this key on a signed checkpoint; empty when there is none.

    The log's own signature is not looked at. Raises SignatureError when the note is no checkpoint, or
    carries a cosignature of this key that does not verify.
    """
    text, lines = note.split(signed)
    found = parse_body(text)
    return [_check(verifier, found, text, line) for line in lines if line.is_of(verifier)]


def verify_line(line: str, body: str, verifier: Verifier) -> Cosignature:
    """Check one cosignature line, as a witness answers it, over a checkpoint's body. Raises SignatureError."""
    parsed = note.parse_line(line)
    if not parsed.is_of(verifier):
        raise SignatureError(f"the line is not of {verifier.to_vkey()}")
    return _check(verifier, parse_body(body), body, parsed)


def verify_checkpoint(signed: str, log: Verifier) -> Checkpoint:
    """Return the checkpoint that a log of either kind of key signed under its own origin.

    Raises SignatureError when it is malformed, not signed by this key, or of another origin.
    """
    text, _ = note.split(signed)
    found = parse_body(text)
    if log.kind == ED25519:
        note.verify(signed, log)
    elif not cosignatures(signed, log):
        raise SignatureError(f"the checkpoint carries no signature of {log.to_vkey()}")
    elif found.extensions:
        raise SignatureError("this type of signature does not cover the extension lines of the checkpoint")
    if found.origin != log.name:
        raise SignatureError(f"the checkpoint is of the log {found.origin!r}, not {log.name!r}")
    return found


def _check(verifier: Verifier, found: Checkpoint, body: str, line: SignatureLine) -> Cosignature:
    time = int.from_bytes(line.signature[:_TIME_SIZE], "big")
    signature = line.signature[_TIME_SIZE:]
    if verifier.kind not in COSIGNER_KINDS:
        raise SignatureError(f"{verifier.to_vkey()} is not the key of a cosigner")
    if time > _MAX_TIME:
        raise SignatureError("the time of a cosignature lies beyond 2^63 - 1")
    message = _message(verifier, found, body, time)
    if verifier.kind == ED25519_COSIGNATURE:
        verify_bytes(verifier.public, message, signature)
    else:
        _verify_ml_dsa(verifier, message, signature)
    return Cosignature(verifier, time, line.text)


def _message(verifier: Verifier, found: Checkpoint, body: str, time: int) -> bytes:
    if verifier.kind == ED25519_COSIGNATURE:
        return f"cosignature/v1\ntime {time}\n{body}".encode()
    whole_tree = (0).to_bytes(8, "big") + found.size.to_bytes(8, "big") + found.root
    stamp = time.to_bytes(_TIME_SIZE, "big")
    return b"subtree/v1\n\0" + _short(verifier.name) + stamp + _short(found.origin) + whole_tree


def _short(text: str) -> bytes:
    data = text.encode()
    if not 1 <= len(data) <= _MAX_NAME:
        raise SignatureError(f"a name of {len(data)} bytes cannot be cosigned; it may have {_MAX_NAME}")
    return bytes([len(data)]) + data


def _ml_dsa() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import mldsa
    except ImportError as error:
        raise LedgerError("ML-DSA-44 needs the package cryptography, version 50 or newer") from error
    return mldsa


def _ml_dsa_key(seed: bytes) -> Any:
    try:
        return _ml_dsa().MLDSA44PrivateKey.from_seed_bytes(seed)
    except (TypeError, ValueError) as error:
        raise SignatureError("an ML-DSA-44 seed is 32 bytes") from error


def _verify_ml_dsa(verifier: Verifier, message: bytes, signature: bytes) -> None:
    from cryptography.exceptions import InvalidSignature

    try:
        _ml_dsa().MLDSA44PublicKey.from_public_bytes(verifier.public).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise SignatureError(f"the signature does not verify under the key of {verifier.name}") from error
