"""Where the keys of keyed methods come from; they never stand in a plan."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from contracts.errors import PlanError

_DOMAIN = b"industrial-data-exchange/desensitization/v1"


@dataclass(frozen=True)
class Keys:
    """The provider's secret (at least 32 random bytes) and the agreement that the data leaves under.

    Every column of every agreement gets a key of its own, so two buyers cannot join what they hold, and neither can
    one buyer with two agreements.
    """

    secret: bytes = field(repr=False)
    agreement: str

    def __post_init__(self) -> None:
        if len(self.secret) < 32:
            raise PlanError(
                f"A pseudonym secret has at least 32 bytes; this one has {len(self.secret)}.",
                f"假名密钥至少 32 字节，此密钥为 {len(self.secret)} 字节。",
            )
        if not self.agreement:
            raise PlanError("Pseudonyms are made for an agreement; none is named.", "假名须针对协议生成，未指明协议。")

    def column(self, method: str, column: str) -> bytes:
        """The 32-byte key of one method on one column under this agreement (HKDF-SHA256, RFC 5869)."""
        # Each part carries its length, so no two triples of names read the same.
        parts = [part.encode() for part in (method, self.agreement, column)]
        info = _DOMAIN + b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return HKDF(SHA256(), 32, None, info).derive(self.secret)
