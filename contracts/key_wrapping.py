"""Handing a file's key to one buyer: HPKE (RFC 9180) with X25519, HKDF-SHA256 and AES-256-GCM."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from contracts.errors import SealingError

_SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


@dataclass(frozen=True)
class EncryptionKey:
    """An X25519 key pair, 32 raw bytes each (RFC 7748); the private half never shows in `repr`."""

    private: bytes = field(repr=False)
    public: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "public", _private(self.private).public_key().public_bytes_raw())

    @classmethod
    def generate(cls) -> EncryptionKey:
        """A new key from the operating system's randomness."""
        return cls(X25519PrivateKey.generate().private_bytes_raw())


def wrap_key(key: bytes, recipient_public: bytes, info: bytes) -> bytes:
    """Encrypt `key` to the holder of an X25519 key with HPKE (base mode, one shot): `enc || ciphertext`.

    A 32-byte key gives 80 bytes. `info` (agreement, buyer, artefact…) must be given again to unwrap. Raises
    SealingError where the public key is not one.
    """
    try:
        public = X25519PublicKey.from_public_bytes(recipient_public)
        return _SUITE.encrypt(key, public, info)
    except ValueError as error:
        raise SealingError(
            "The recipient's encryption key is not a usable X25519 public key.",
            "接收方的加密公钥不是可用的 X25519 公钥。",
        ) from error


def unwrap_key(wrapped: bytes, private: bytes, info: bytes) -> bytes:
    """The key that `wrap_key` encrypted.

    Raises SealingError for another recipient, another `info` or altered bytes.
    """
    try:
        return _SUITE.decrypt(wrapped, _private(private), info)
    except (InvalidTag, ValueError) as error:
        raise SealingError(
            "The wrapped key does not open: it was made for another recipient or purpose, or was altered.",
            "无法打开封装的密钥：它属于其他接收方或用途，或者已被改动。",
        ) from error


def _private(raw: bytes) -> X25519PrivateKey:
    try:
        return X25519PrivateKey.from_private_bytes(raw)
    except ValueError as error:
        raise SealingError("An X25519 private key has 32 bytes.", "X25519 私钥应为 32 字节。") from error
