"""Ed25519 signatures (RFC 8032) with domain separation.

What is signed is never a bare payload but `signing_input(domain, payload)`, so a signature given for
one purpose cannot be presented for another. PyNaCl does the arithmetic; it refuses keys of small
order and signatures with a non-canonical scalar.
"""

import functools
import hashlib
from dataclasses import dataclass, field

import nacl.bindings
import nacl.exceptions

from ledger.errors import SignatureError

PUBLIC_SIZE = 32
SEED_SIZE = 32
SIGNATURE_SIZE = 64


def signing_input(domain: str, payload: bytes) -> bytes:
    """Return the bytes that are signed for `payload` in `domain` (lower-case letters and hyphens)."""
    return _prefix(domain) + payload


@functools.lru_cache(maxsize=64)
def _prefix(domain: str) -> bytes:
    if not domain or not all("a" <= letter <= "z" or letter == "-" for letter in domain):
        raise SignatureError(f"the domain {domain!r} is not lower-case letters and hyphens")
    return b"industrial-data-exchange/" + domain.encode("ascii") + b"/v1\n"


def key_id(public: bytes) -> str:
    """Return the short name of a public key: `ed25519:` and 16 hex digits of its SHA-256."""
    return "ed25519:" + hashlib.sha256(public).hexdigest()[:16]


@dataclass(frozen=True)
class SigningKey:
    """An Ed25519 private key. Its seed is kept out of the representation."""

    seed: bytes = field(repr=False)
    public: bytes = field(init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.seed, bytes) or len(self.seed) != SEED_SIZE:
            raise SignatureError("an Ed25519 seed is 32 bytes")
        public, secret = nacl.bindings.crypto_sign_seed_keypair(self.seed)
        object.__setattr__(self, "public", public)
        object.__setattr__(self, "_secret", secret)

    @classmethod
    def generate(cls) -> "SigningKey":
        """Return a new key from the operating system's randomness."""
        return cls(nacl.bindings.randombytes(SEED_SIZE))

    @classmethod
    def from_seed(cls, seed: bytes) -> "SigningKey":
        """Return the key of a 32-byte seed. Raises SignatureError for any other length."""
        return cls(seed)

    def sign(self, domain: str, payload: bytes) -> bytes:
        """Return the 64-byte signature over `signing_input(domain, payload)`."""
        return self.unsafe_sign_bytes(signing_input(domain, payload))

    def unsafe_sign_bytes(self, message: bytes) -> bytes:
        """Return the 64-byte signature over bare bytes, for formats that bring their own separation."""
        secret: bytes = object.__getattribute__(self, "_secret")
        return nacl.bindings.crypto_sign(message, secret)[:SIGNATURE_SIZE]


def verify(public: bytes, domain: str, payload: bytes, signature: bytes) -> None:
    """Check a signature made by `SigningKey.sign`. Raises SignatureError unless it verifies."""
    _verify(public, signature, b"%b%b%b" % (signature, _prefix(domain), payload))


def verify_bytes(public: bytes, message: bytes, signature: bytes) -> None:
    """Check an Ed25519 signature over bare bytes. Raises SignatureError unless it verifies."""
    _verify(public, signature, signature + message)


def _verify(public: bytes, signature: bytes, signed: bytes) -> None:
    if len(public) != PUBLIC_SIZE:
        raise SignatureError("an Ed25519 public key is 32 bytes")
    if len(signature) != SIGNATURE_SIZE:
        raise SignatureError("an Ed25519 signature is 64 bytes")
    try:
        nacl.bindings.crypto_sign_open(signed, public)
    except nacl.exceptions.BadSignatureError as error:
        raise SignatureError(f"the signature does not verify under {key_id(public)}") from error
