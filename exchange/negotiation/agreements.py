"""Agreements: how one is made of the terms on the table, signed, kept and read back."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import BindParameter, Row, and_, bindparam, or_, select
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from contracts.agreement import DOMAINS, Agreement, Role, Signature, SignedAgreement, digest_of, verify
from contracts.errors import AgreementError
from contracts.odrl import Policy, parse
from exchange.access import Actor
from exchange.audit import bundles
from exchange.audit.service import timestamp
from exchange.catalog.models import DatasetVersion
from exchange.errors import ConflictError, NotFoundError
from exchange.negotiation.models import AgreementRecord, Negotiation
from exchange.participants.keys import statement_key
from exchange.steps import Signed, Step
from ledger.signatures import key_id

# What the exchange may do for both sides with its statement key, because they sign it in the agreement.
MANDATE_ACTS = ("finalize", "decide", "release", "meter", "settle", "refund", "time-out")


@dataclass(frozen=True)
class SignatureView:
    """One side's signature as a page shows it; `ok` says whether it holds over the document's bytes now."""

    role: Role
    key: str
    custody: str
    at: str
    ok: bool


def make(step: Step, negotiation: Negotiation) -> AgreementRecord:
    """Make the agreement of the terms on the table, sign it for the provider and keep it (state agreed).

    Raises ConflictError where the terms do not make an agreement.
    """
    version = step.session.get_one(DatasetVersion, negotiation.version_id)
    identifier, ledger_id = step.new_id(), step.new_id()
    try:
        document = _document(step, negotiation, version, identifier)
    except AgreementError as error:
        raise ConflictError(
            (error.text_en, error.text_zh), (error.mend_en, error.mend_zh), code="no-agreement"
        ) from error
    data = document.canonical()
    signed = step.sign(negotiation.provider_id, DOMAINS[Role.PROVIDER], data)
    row = AgreementRecord(
        id=identifier,
        ledger_id=ledger_id,
        negotiation_id=negotiation.id,
        dataset_id=negotiation.dataset_id,
        version_id=version.id,
        provider_id=negotiation.provider_id,
        consumer_id=negotiation.consumer_id,
        document=data,
        digest=document.digest(),
        provider_signature=_kept(Role.PROVIDER, signed, step.now),
        state="agreed",
        valid_from=step.now,
        valid_until=negotiation.valid_until,
        created_at=step.now,
    )
    step.session.add(row)
    step.session.flush()
    return row


def countersign(step: Step, agreement: AgreementRecord) -> None:
    """Check the document and the provider's signature, then add the consumer's (state verified).

    Raises ConflictError where the stored agreement is not what the provider signed.
    """
    try:
        document = read(agreement)
        _signature(agreement.provider_signature).check(agreement.document)
    except AgreementError as error:
        raise ConflictError(
            (error.text_en, error.text_zh), (error.mend_en, error.mend_zh), code="signature-invalid"
        ) from error
    if (document.id, document.digest()) != (agreement.id, agreement.digest):
        raise ConflictError(
            ("The stored agreement is not the one that was signed.", "保存的协议与签署的协议不一致。"),
            ("Tell the operator; do not sign.", "请勿签署，并联系运营方。"),
            code="signature-invalid",
        )
    signed = step.sign(agreement.consumer_id, DOMAINS[Role.CONSUMER], agreement.document)
    agreement.consumer_signature = _kept(Role.CONSUMER, signed, step.now)
    agreement.state = "verified"
    step.session.flush()


def _document(step: Step, negotiation: Negotiation, version: DatasetVersion, identifier: str) -> Agreement:
    policy = parse(negotiation.policy).as_agreement(
        uid=identifier,
        assigner=negotiation.provider_id,
        assignee=negotiation.consumer_id,
        target=negotiation.dataset_id,
        timestamp=timestamp(step.now),
    )
    return Agreement(
        id=identifier,
        provider=negotiation.provider_id,
        consumer=negotiation.consumer_id,
        dataset=negotiation.dataset_id,
        dataset_version={"id": version.id, "digest": version.digest},
        policy=policy.to_json(),
        plan=negotiation.plan,
        plan_hash=digest_of(negotiation.plan),
        price=negotiation.price,
        purpose=negotiation.purpose,
        valid_from=step.now,
        valid_until=negotiation.valid_until,
        mandate=_mandate(step),
        created_at=step.now,
    )


def _mandate(step: Step) -> dict[str, Any]:
    public = statement_key(step.services.keystore).public
    return {
        "exchange": step.services.settings.ledger_origin,
        "key": key_id(public),
        "public": base64.b64encode(public).decode(),
        "acts": list(MANDATE_ACTS),
    }


def _kept(role: Role, signed: Signed, at: datetime) -> dict[str, Any]:
    found = Signature(role, signed.public, signed.signature)
    return found.to_json() | {"custody": signed.custody, "at": timestamp(at)}


def _signature(kept: dict[str, Any]) -> Signature:
    return Signature.from_json({name: kept[name] for name in ("role", "key", "public", "signature")})


def read(agreement: AgreementRecord) -> Agreement:
    """Return the signed document. Raises contracts.errors.AgreementError where its bytes were altered."""
    return Agreement.from_bytes(agreement.document)


def signed_document(agreement: AgreementRecord) -> Agreement:
    """Return the document that both sides signed: whole, about what the record names, and with both signatures on it.

    Whoever decides about access or money reads this and not the columns beside it, which are there to be searched.
    Raises ConflictError where a signature is missing, or where document, signatures and record do not fit together.
    """
    if agreement.consumer_signature is None:
        raise ConflictError(
            ("This agreement is not signed by both sides.", "该协议尚未由双方签署。"),
            ("Sign it first.", "请先签署。"),
            code="not-signed",
        )
    try:
        kept = (_signature(agreement.provider_signature), _signature(agreement.consumer_signature))
        document = _checked(agreement.document, kept)
    except AgreementError as error:
        raise _altered((error.text_en, error.text_zh)) from error
    named = (document.id, document.provider, document.consumer, document.dataset, document.dataset_version["id"])
    if named != (
        agreement.id, agreement.provider_id, agreement.consumer_id, agreement.dataset_id, agreement.version_id,
    ):  # fmt: skip
        raise _altered(("The record names other things than the signed document.", "记录与已签署的文件不一致。"))
    return document


def _altered(reason: tuple[str, str]) -> ConflictError:
    return ConflictError(
        (
            f"The stored agreement is not the one that was signed. {reason[0]}",
            f"保存的协议与签署的协议不一致。{reason[1]}",
        ),
        ("Tell the operator; nothing is delivered or paid under it.", "请联系运营方；在此期间不会交付或付款。"),
        code="agreement-altered",
    )


@lru_cache(maxsize=512)
def _checked(document: bytes, kept: tuple[Signature, ...]) -> Agreement:
    """Every part of a delivery asks this; the same bytes with the same signatures are checked once."""
    return verify(SignedAgreement(document, kept))


def policy_of(agreement: AgreementRecord) -> Policy:
    """Return the policy of the document, with its assigner, assignee and target."""
    return _policy(agreement.document)


@lru_cache(maxsize=512)
def _policy(document: bytes) -> Policy:
    return parse(json.loads(document)["policy"])


def price_fen(document: Agreement) -> int:
    """Return the signed price in fen; zero for a free plan."""
    return int(document.price["amount_fen"])


def signatures(agreement: AgreementRecord) -> list[SignatureView]:
    """Return the signatures given so far, provider's first, each checked against the document's bytes."""
    kept = [agreement.provider_signature, agreement.consumer_signature]
    return [
        SignatureView(Role(item["role"]), item["key"], item["custody"], item["at"], _holds(agreement, item))
        for item in kept
        if item is not None
    ]


def _holds(agreement: AgreementRecord, kept: dict[str, Any]) -> bool:
    try:
        _signature(kept).check(agreement.document)
    except AgreementError:
        return False
    return True


def signed_json(agreement: AgreementRecord) -> bytes:
    """Return the file that `python -m contracts verify` checks: the agreement with the signatures given so far."""
    kept = [item for item in (agreement.provider_signature, agreement.consumer_signature) if item is not None]
    signed = SignedAgreement(agreement.document, tuple(_signature(item) for item in kept))
    return json.dumps(signed.to_json(), ensure_ascii=False, indent=2).encode()


def signed_digest(agreement: AgreementRecord) -> str:
    """Return "sha256:…" of what `signed_json` gives; it stays the same once both sides have signed."""
    return "sha256:" + hashlib.sha256(signed_json(agreement)).hexdigest()


def evidence(session: Session, agreement: AgreementRecord) -> tuple[list[str], dict[str, Any], dict[str, bytes]]:
    """Return (statements, subject, documents) of an agreement's evidence bundle.

    Its statements are those of this agreement, of its offer and version, and of both parties' keys; other offers of the
    same dataset are nobody else's business. The signed document joins once an entry names its digest: when in force.
    """
    negotiation = session.get_one(Negotiation, agreement.negotiation_id)
    statements = bundles.of_agreement(
        session,
        agreement=(agreement.ledger_id, negotiation.id),
        listing=(negotiation.offer_id, agreement.version_id),
        dataset=agreement.dataset_id,
        parties=(agreement.provider_id, agreement.consumer_id),
    )
    subject = {
        "kind": "agreement", "id": agreement.id, "ledger_id": agreement.ledger_id, "digest": agreement.digest,
    }  # fmt: skip
    documents = {"agreement.json": agreement.document}
    if agreement.in_force_at is not None:
        documents["agreement.signed.json"] = signed_json(agreement)
    return statements, subject, documents


_side: BindParameter[str] = bindparam("side")
# Asked at every look at an agreement and at every part of a delivery, so it is built once.
_IS_SIDE = and_(
    AgreementRecord.id == bindparam("agreement"),
    or_(AgreementRecord.provider_id == _side, AgreementRecord.consumer_id == _side),
)
_OF_SIDE = select(AgreementRecord).where(_IS_SIDE)
_SHOWN = select(*AgreementRecord.__table__.columns).where(_IS_SIDE)


def get_agreement(session: Session, actor: Actor, agreement_id: str) -> AgreementRecord:
    """Return an agreement that the actor's firm is a side of. Raises NotFoundError for unknown and foreign ones."""
    found = session.scalar(_OF_SIDE, {"agreement": agreement_id, "side": actor.participant})
    if found is None or actor.participant is None:
        raise NotFoundError()
    return found


def look(connection: Connection, actor: Actor, agreement_id: str) -> Row[Any]:
    """Return the columns of what `get_agreement` gives, for showing: a plain row costs half as much as a mapped object."""
    found = connection.execute(_SHOWN, {"agreement": agreement_id, "side": actor.participant}).one_or_none()
    if found is None or actor.participant is None:
        raise NotFoundError()
    return found


def find_of_negotiation(session: Session, negotiation: Negotiation) -> AgreementRecord | None:
    """Return the agreement that a negotiation led to, None where it has not."""
    return session.scalar(select(AgreementRecord).where(AgreementRecord.negotiation_id == negotiation.id))


def of_negotiation(session: Session, negotiation: Negotiation) -> AgreementRecord:
    """Return the agreement of a negotiation that is AGREED or further, locked. Raises NotFoundError."""
    found = session.scalar(
        select(AgreementRecord).where(AgreementRecord.negotiation_id == negotiation.id).with_for_update(key_share=True)
    )
    if found is None:
        raise NotFoundError()
    return found
