"""Where the keys of keyed methods come from; they never stand in a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from contracts.errors import PlanError

_DOMAIN = b"industrial-data-exchange/desensitization/v1"


@dataclass(frozen=True)
class Keys:
    """The provider's secret (at least 32 random bytes) and the agreement that the data leaves under.

    Every column of every agreement gets a key of its own, so two buyers cannot join what they hold, and neither can
    one buyer with two agreements. `groups` are the shared secrets (at least 32 bytes each, by name) that this
    agreement allows joins with: a rule that refers to one gives the same pseudonym in every agreement, table and column
    that refers to it.
    """

    secret: bytes = field(repr=False)
    agreement: str
    groups: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if any(len(secret) < 32 for secret in self.groups.values()):
            raise PlanError("A group's secret has at least 32 bytes.", "组密钥至少 32 字节。")
        if len(self.secret) < 32:
            raise PlanError(
                f"A pseudonym secret has at least 32 bytes; this one has {len(self.secret)}.",
                f"假名密钥至少 32 字节，此密钥为 {len(self.secret)} 字节。",
            )
        if not self.agreement:
            raise PlanError("Pseudonyms are made for an agreement; none is named.", "假名须针对协议生成，未指明协议。")

    def column(self, method: str, column: str) -> bytes:
        """The 32-byte key of one method on one column under this agreement (HKDF-SHA256, RFC 5869)."""
        return _derived(self.secret, method, self.agreement, column)

    def referred(self, reference: str | None, method: str, column: str) -> bytes:
        """The key that a rule's reference names; raises PlanError for a group that the agreement does not allow."""
        if reference is None or reference == "agreement":
            return self.column(method, column)
        group = reference.removeprefix("group:")
        if group not in self.groups:
            raise PlanError(
                f"The column {column!r} asks for the key of the group {group!r}, which this agreement does not share.",
                f"“{column}”列引用了本协议未共享的组密钥“{group}”。",
                mend_en="Agree on the join first, or use the key of the agreement.",
                mend_zh="请先就关联使用达成协议，或使用本协议的密钥。",
            )
        return _derived(self.groups[group], method, "group", group)


def _derived(secret: bytes, *names: str) -> bytes:
    # Each part carries its length, so no two lists of names read the same.
    parts = [name.encode() for name in names]
    info = _DOMAIN + b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return HKDF(SHA256(), 32, None, info).derive(secret)
