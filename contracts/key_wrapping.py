"""Handing a file's key to one buyer: HPKE (RFC 9180) with HKDF-SHA256 and AES-256-GCM.

The key encapsulation is X25519, or ML-KEM-768 with X25519 for recipients who want to stand a quantum computer as well;
which one is told by the length of the recipient's public key.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from contracts.errors import SealingError

_SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
_HYBRID = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
_CURVE_BYTES, _SEED_BYTES, _LATTICE_BYTES = 32, 64, 1184


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


@dataclass(frozen=True)
class HybridKey:
    """An ML-KEM-768 and X25519 key pair for the hybrid encapsulation.

    `private` is the 64-byte ML-KEM seed (FIPS 203) and the 32 bytes of X25519, `public` the 1,184 bytes of the one and
    the 32 of the other; the private half never shows in `repr`.
    """

    private: bytes = field(repr=False)
    public: bytes = field(init=False)

    def __post_init__(self) -> None:
        lattice, curve = _hybrid_parts(self.private)
        public = lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()
        object.__setattr__(self, "public", public)

    @classmethod
    def generate(cls) -> HybridKey:
        """A new key from the operating system's randomness."""
        return cls(MLKEM768PrivateKey.generate().private_bytes_raw() + X25519PrivateKey.generate().private_bytes_raw())


def wrap_key(key: bytes, recipient_public: bytes, info: bytes) -> bytes:
    """Encrypt `key` to the holder of an X25519 or hybrid key with HPKE (base mode, one shot): `enc || ciphertext`.

    A 32-byte key gives 80 bytes, or 1,168 for a hybrid recipient. `info` (agreement, buyer, artefact…) must be given again to unwrap. Raises
    SealingError where the public key is not one.
    """
    try:
        if len(recipient_public) == _LATTICE_BYTES + _CURVE_BYTES:
            lattice = MLKEM768PublicKey.from_public_bytes(recipient_public[:_LATTICE_BYTES])
            curve = X25519PublicKey.from_public_bytes(recipient_public[_LATTICE_BYTES:])
            return _HYBRID.encrypt(key, hpke.MLKEM768X25519PublicKey(lattice, curve), info)
        public = X25519PublicKey.from_public_bytes(recipient_public)
        return _SUITE.encrypt(key, public, info)
    except ValueError as error:
        raise SealingError(
            "The recipient's encryption key is not a usable X25519 or hybrid public key.",
            "接收方的加密公钥不是可用的 X25519 公钥或混合公钥。",
        ) from error


def unwrap_key(wrapped: bytes, private: bytes, info: bytes) -> bytes:
    """The key that `wrap_key` encrypted.

    Raises SealingError for another recipient, another `info` or altered bytes.
    """
    try:
        if len(private) == _SEED_BYTES + _CURVE_BYTES:
            return _HYBRID.decrypt(wrapped, hpke.MLKEM768X25519PrivateKey(*_hybrid_parts(private)), info)
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


def _hybrid_parts(raw: bytes) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    if len(raw) != _SEED_BYTES + _CURVE_BYTES:
        raise SealingError("A hybrid private key has 96 bytes.", "混合私钥应为 96 字节。")
    return MLKEM768PrivateKey.from_seed_bytes(raw[:_SEED_BYTES]), _private(raw[_SEED_BYTES:])
