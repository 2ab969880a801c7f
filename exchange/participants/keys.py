"""Keys of participants: made or brought, used for signing only inside a step, opened only for the moment of use."""

from __future__ import annotations

import base64
from typing import cast

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from contracts.sealing import EncryptionKey
from exchange.errors import ConflictError, InvalidInputError, NotFoundError
from exchange.keystore import STATEMENT, KeyStore, TenantKeys
from exchange.participants.models import Participant, ParticipantKey
from exchange.steps import EXCHANGE, Custody, Signed, Step, payload_digest
from ledger.errors import SignatureError
from ledger.signatures import SigningKey, verify

SIGNING, ENCRYPTION = "signing", "encryption"
CUSTODIAL, SELF_HELD = "custodial", "self-held"


def statement_key(keystore: KeyStore) -> SigningKey:
    """Return the exchange's statement key, which signs decisions and deliveries under the agreements' mandate."""
    return SigningKey.from_seed(keystore.secret(STATEMENT))


def tenant_keys(keystore: KeyStore, participant: Participant) -> TenantKeys:
    """Return the wrapping keys of one participant."""
    return keystore.tenant(participant.id, participant.tenant_key)


_CURRENT = (
    select(ParticipantKey)
    .where(
        ParticipantKey.participant_id == bindparam("owner"),
        ParticipantKey.purpose == bindparam("purpose"),
        ParticipantKey.retired_at.is_(None),
    )
    .order_by(ParticipantKey.created_at.desc())
)


def current_key(session: Session, participant_id: str, purpose: str) -> ParticipantKey:
    """Return the participant's key in force for `purpose` (SIGNING or ENCRYPTION). Raises NotFoundError."""
    key = session.scalar(_CURRENT, {"owner": participant_id, "purpose": purpose})
    if key is None:
        raise NotFoundError(("This organisation has no such key.", "该机构没有此类密钥。"))
    return key


def make_custodial_keys(step: Step, participant: Participant) -> list[ParticipantKey]:
    """Make and store a custodial signing and encryption key; the private halves are wrapped by the tenant key."""
    wrapper = tenant_keys(step.services.keystore, participant)
    signing = SigningKey.from_seed(step.random("signing-key"))
    encryption = EncryptionKey.generate()
    rows = []
    for purpose, public, private in (
        (SIGNING, signing.public, signing.seed),
        (ENCRYPTION, encryption.public, encryption.private),
    ):
        identifier = step.new_id()
        rows.append(
            ParticipantKey(
                id=identifier,
                participant_id=participant.id,
                purpose=purpose,
                custody=CUSTODIAL,
                public=public,
                wrapped_private=wrapper.wrap(private, f"key/{identifier}"),
                created_at=step.now,
            )
        )
    step.session.add_all(rows)
    return rows


def bring_keys(
    step: Step, participant: Participant, signing_public: bytes, encryption_public: bytes
) -> list[ParticipantKey]:
    """Store the public halves of keys that the participant holds itself. Raises InvalidInputError on a wrong length."""
    rows = []
    for purpose, public in ((SIGNING, signing_public), (ENCRYPTION, encryption_public)):
        if len(public) != 32:
            raise InvalidInputError(
                (f"A public {purpose} key has 32 bytes.", f"公钥（{purpose}）应为 32 字节。"),
                ("Make one with `exchange keys new`.", "请使用 `exchange keys new` 生成。"),
                field=f"{purpose}_public_key",
            )
        rows.append(
            ParticipantKey(
                id=step.new_id(), participant_id=participant.id, purpose=purpose, custody=SELF_HELD, public=public,
                created_at=step.now,
            )
        )  # fmt: skip
    step.session.add_all(rows)
    return rows


def open_private(keystore: KeyStore, participant: Participant, key: ParticipantKey) -> bytes:
    """Return a custodial private key. Raises ConflictError for a self-held one."""
    if key.wrapped_private is None:
        raise ConflictError(
            ("This key is held by the organisation itself.", "该密钥由机构自行持有。"),
            (
                "Open the sealed package with `exchange open` where the private key is.",
                "请在私钥所在处使用 `exchange open` 打开密封包。",
            ),
            code="self-held-key",
        )
    return tenant_keys(keystore, participant).unwrap(key.wrapped_private, f"key/{key.id}")


class PartySigner:
    """The `Signer` of one step: exchange key, custodial keys, and signatures that self-held keys made elsewhere."""

    def __init__(self) -> None:
        self._known: dict[str, ParticipantKey] = {}

    def custody(self, step: Step, participant: str) -> Custody:
        return "exchange" if participant == EXCHANGE else cast(Custody, self._key(step, participant).custody)

    def _key(self, step: Step, participant: str) -> ParticipantKey:
        # Custody and signature of a statement speak of one key, so it is read once, until the step retires it.
        known = self._known.get(participant)
        if known is None or known.retired_at is not None:
            known = self._known[participant] = current_key(step.session, participant, SIGNING)
        return known

    def sign(self, step: Step, participant: str, domain: str, payload: bytes) -> Signed:
        if participant == EXCHANGE:
            key = statement_key(step.services.keystore)
            return Signed(EXCHANGE, key.public, "exchange", key.sign(domain, payload))
        row = self._key(step, participant)
        if row.custody == CUSTODIAL:
            owner = step.session.get_one(Participant, participant)
            key = SigningKey.from_seed(open_private(step.services.keystore, owner, row))
            return Signed(participant, row.public, CUSTODIAL, key.sign(domain, payload))
        return self._self_held(step, participant, row, domain, payload)

    @staticmethod
    def _self_held(step: Step, participant: str, row: ParticipantKey, domain: str, payload: bytes) -> Signed:
        digest = payload_digest(domain, payload)
        given = step.provided.get(digest)
        if given is None:
            step.missing.append({"digest": digest, "domain": domain, "payload": base64.b64encode(payload).decode()})
            return Signed(participant, row.public, SELF_HELD, bytes(64))
        try:
            verify(row.public, domain, payload, given)
        except SignatureError as error:
            raise InvalidInputError(
                ("The signature does not belong to this payload and key.", "签名与该内容及密钥不匹配。"),
                (
                    "Sign with the private key whose public half is registered.",
                    "请使用与已登记公钥对应的私钥签名。",
                ),
                field="signature",
                code="wrong-signature",
            ) from error
        return Signed(participant, row.public, SELF_HELD, given)
