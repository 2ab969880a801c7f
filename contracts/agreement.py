"""The agreement of two parties: its canonical bytes, and the signatures of both.

What is signed are the RFC 8785 bytes of the agreement, by Ed25519 in the domain of the signer's role, so that one
party's signature cannot be presented as the other's. The provider signs at AGREED, the consumer at VERIFIED; the
agreement is in force only with both. It is never changed: an amendment is a new agreement that names the old one.

Nothing here looks at a clock or asks whom a key belongs to. That a public key is the party's own is attested by the
ledger; `verify` can be told which keys are expected.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from contracts.agreement_document import Agreement, digest_of, fail
from contracts.errors import AgreementError
from contracts.machine import Role
from ledger.errors import SignatureError
from ledger.signatures import key_id
from ledger.signatures import verify as verify_signature

__all__ = ["DOMAINS", "Agreement", "Role", "Signature", "SignedAgreement", "Signer", "digest_of", "sign", "verify"]

# The domains of the two signatures; see `ledger.signatures.signing_input`.
DOMAINS = MappingProxyType({Role.PROVIDER: "agreement-provider", Role.CONSUMER: "agreement-consumer"})

_ROLES_ZH = {Role.PROVIDER: "提供方", Role.CONSUMER: "使用方"}


class Signer(Protocol):
    """A key that signs: `ledger.signatures.SigningKey`, or a key store that keeps the private half to itself."""

    @property
    def public(self) -> bytes: ...

    def sign(self, domain: str, payload: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Signature:
    """One party's signature over the canonical bytes: 32 bytes of public key, 64 bytes of Ed25519."""

    role: Role
    public: bytes
    signature: bytes

    @property
    def key_id(self) -> str:
        """The short name of the public key."""
        return key_id(self.public)

    def check(self, agreement_bytes: bytes) -> None:
        """Raise AgreementError unless this is a signature of that role over these bytes."""
        try:
            verify_signature(self.public, DOMAINS[self.role], agreement_bytes, self.signature)
        except SignatureError as error:
            raise AgreementError(
                f"The {self.role}'s signature does not fit the agreement.",
                f"{_ROLES_ZH[self.role]}的签名与协议不符。",
                mend_en="The agreement or the signature was altered; ask the exchange for the original.",
                mend_zh="协议或签名已被改动，请向交易平台索取原件。",
            ) from error

    def to_json(self) -> dict[str, str]:
        return {
            "role": str(self.role),
            "key": self.key_id,
            "public": base64.b64encode(self.public).decode("ascii"),
            "signature": base64.b64encode(self.signature).decode("ascii"),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Signature:
        """Read a signature. Raises AgreementError when it is malformed or its key name is not its key's."""
        if not isinstance(document, Mapping) or set(document) != {"role", "key", "public", "signature"}:
            fail("signature", "does not have exactly role, key, public and signature", "的组成不正确")
        if document["role"] not in list(Role):
            fail("signature", "is of no party's role", "的角色未知")
        public, signature = (_base64(document[name], size) for name, size in (("public", 32), ("signature", 64)))
        found = cls(Role(document["role"]), public, signature)
        if found.key_id != document["key"]:
            fail("signature", "names another key than it carries", "所写的密钥名称与密钥不符")
        return found


def _base64(value: object, size: int) -> bytes:
    try:
        data = base64.b64decode(value, validate=True) if isinstance(value, str) else b""
    except (binascii.Error, ValueError):
        data = b""
    if len(data) != size:
        fail("signature", f"is not {size} bytes in base64", f"不是 base64 编码的 {size} 字节")
    return data


@dataclass(frozen=True, slots=True)
class SignedAgreement:
    """The canonical bytes of an agreement with the signatures on them, as they travel in a file."""

    agreement: bytes
    signatures: tuple[Signature, ...]

    def to_json(self) -> dict[str, Any]:
        """The file's JSON. The agreement stands in it as an object; its bytes come back by canonical encoding."""
        return {
            "agreement": Agreement.from_bytes(self.agreement).to_json(),
            "signatures": [signature.to_json() for signature in self.signatures],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> SignedAgreement:
        """Read a file's JSON. Raises AgreementError when it is malformed; signatures are checked by `verify`."""
        if not isinstance(document, Mapping) or set(document) != {"agreement", "signatures"}:
            fail("file", "does not have exactly agreement and signatures", "应恰好包含 agreement 和 signatures")
        signatures = document["signatures"]
        if not isinstance(signatures, list):
            fail("signatures", "are not a list", "不是列表")
        agreement = Agreement.from_json(document["agreement"])
        return cls(agreement.canonical(), tuple(Signature.from_json(item) for item in signatures))


def sign(agreement_bytes: bytes, key: Signer, role: Role) -> Signature:
    """Sign the canonical bytes of an agreement for one role.

    Raises AgreementError when the bytes are not an agreement: nobody signs what cannot be read.
    """
    Agreement.from_bytes(agreement_bytes)
    role = Role(role)
    return Signature(role, key.public, key.sign(DOMAINS[role], agreement_bytes))


def verify(
    signed: SignedAgreement, *, provider_key: bytes | None = None, consumer_key: bytes | None = None
) -> Agreement:
    """The agreement, when it is whole and signed by both parties, each with a key of its own.

    With `provider_key` or `consumer_key` the signature must be by that public key. Raises AgreementError, naming the
    signature or the part at fault.
    """
    agreement = Agreement.from_bytes(signed.agreement)
    found = {role: [item for item in signed.signatures if item.role is role] for role in Role}
    for role, expected in ((Role.PROVIDER, provider_key), (Role.CONSUMER, consumer_key)):
        zh = _ROLES_ZH[role]
        if len(found[role]) != 1:
            raise AgreementError(
                f"The agreement has {len(found[role])} signatures of the {role} instead of one.",
                f"协议上{zh}的签名有 {len(found[role])} 个，应为 1 个。",
                mend_en=f"It is in force only when the {role} has signed it.",
                mend_zh=f"须由{zh}签署后方可生效。",
            )
        found[role][0].check(signed.agreement)
        if expected is not None and found[role][0].public != expected:
            raise AgreementError(
                f"The {role}'s signature is by {found[role][0].key_id}, not by the expected {key_id(expected)}.",
                f"{zh}的签名由 {found[role][0].key_id} 作出，而非预期的 {key_id(expected)}。",
                mend_en="Compare the expected key with the one that the ledger attests.",
                mend_zh="请与存证中登记的密钥核对。",
            )
    if found[Role.PROVIDER][0].public == found[Role.CONSUMER][0].public:
        raise AgreementError(
            "One key signed for both parties.",
            "双方的签名出自同一密钥。",
            mend_en="Each party has to sign with a key of its own.",
            mend_zh="双方须各自使用自己的密钥签署。",
        )
    return agreement
