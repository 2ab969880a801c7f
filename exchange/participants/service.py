"""Join: register an organisation, bring or make its keys, state it on the ledger; and who is known here.

The operations about a firm's standing, its people and their passwords lie beside, one noun to a file, and are part of this door.
"""

from __future__ import annotations

import base64
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from exchange.access import Actor, Permission, Role
from exchange.audit.service import record
from exchange.errors import ConflictError, InvalidInputError, NotFoundError
from exchange.participants import checks, credentials, facts, keys, standing
from exchange.participants import credit_code as codes
from exchange.participants import people as persons
from exchange.participants.models import Participant, User
from exchange.steps import Step, operation

__all__ = [
    "credentials", "get", "join", "names", "own", "owners", "pending", "people", "persons", "register", "standing",
]  # fmt: skip


@operation("participants.register", Permission.PUBLIC)
def register(
    step: Step,
    *,
    name: str,
    credit_code: str,
    evidence: str,
    owner_name: str,
    email: str,
    password_hash: str,
    industry: str = "",
    country: str = "CN",
    contact: str = "",
    custody: str = keys.CUSTODIAL,
    signing_public_key: str = "",
    encryption_public_key: str = "",
    locale: str = "en",
) -> dict[str, Any]:
    """Register an organisation with its owner's account. It stays `pending` until an operator verifies the evidence.

    With custody "self-held" the public keys (base64, 32 bytes each) are stored, and the joining statement waits for `participants.join`.
    Raises InvalidInputError on a wrong code or key, ConflictError where code or e-mail are registered already.
    """
    code = codes.normalise(credit_code)
    identifier = step.new_id()
    participant = Participant(
        id=identifier,
        name=checks.length("name", name, 2, 200),
        credit_code=code,
        country=facts.check_country(country),
        industry=facts.check_industry(industry),
        contact=checks.length("contact", contact, 0, 254),
        evidence=checks.length("evidence", evidence, 10, 2000),
        evidence_digest=standing.evidence_digest(evidence),
        tenant_key=step.services.keystore.new_tenant_key(identifier),
        created_at=step.now,
        declared_at=step.now,
    )
    with standing.keeping_code(step, participant):
        step.session.add(participant)
    if custody == keys.CUSTODIAL:
        keys.make_custodial_keys(step, participant)
    elif custody == keys.SELF_HELD:
        keys.bring_keys(
            step, participant, checks.decode("signing_public_key", signing_public_key),
            checks.decode("encryption_public_key", encryption_public_key),
        )  # fmt: skip
    else:
        raise InvalidInputError(
            (f"{custody!r} is not a way to hold keys.", f"{custody!r} 不是有效的密钥保管方式。"),
            ("Use custodial or self-held.", "请使用 custodial 或 self-held。"),
            field="custody",
        )
    user = persons.add(step, owner_name, email, password_hash, participant.id, [Role.OWNER], locale)
    step.session.flush()
    if custody == keys.CUSTODIAL:
        _record_joining(step, participant)
    return {"participant": participant.id, "user": user.id, "status": participant.status, "credit_code": code}


@operation("participants.join", Permission.SIGN)
def join(step: Step) -> dict[str, Any]:
    """Put the joining statement of a self-held key on the ledger; its signature proves that the firm holds the key.

    Raises ConflictError where it is there already, also when two people of the firm do this at once.
    """
    participant = standing.locked(step, own(step.session, step.actor).id)
    if participant.joined_at is not None:
        raise ConflictError(
            ("The joining statement is on the ledger already.", "入驻声明已记录在账本上。"),
            ("Nothing is left to do.", "无需其他操作。"),
            code="joined-already",
        )
    _record_joining(step, participant)
    return {"participant": participant.id, "status": participant.status}


def _record_joining(step: Step, participant: Participant) -> None:
    signing = keys.current_key(step.session, participant.id, keys.SIGNING)
    encryption = keys.current_key(step.session, participant.id, keys.ENCRYPTION)
    participant.joined_at = step.now
    record(
        step,
        "participant.joined",
        {
            "participant": participant.id,
            "name": participant.name,
            "credit_code": participant.credit_code,
            "evidence_digest": participant.evidence_digest,
            **facts.declared(participant),
        },
        signer=participant.id,
        subjects=[participant.id],
    )
    record(
        step,
        "participant.keys",
        {
            "participant": participant.id,
            "signing_key": base64.b64encode(signing.public).decode(),
            "encryption_key": base64.b64encode(encryption.public).decode(),
            "custody": signing.custody,
        },
        signer=participant.id,
        subjects=[participant.id],
    )


def own(session: Session, actor: Actor) -> Participant:
    """Return the acting firm. Raises NotFoundError for people without one."""
    participant = session.get(Participant, actor.participant) if actor.participant else None
    if participant is None:
        raise NotFoundError()
    return participant


def get(session: Session, participant_id: str) -> Participant:
    """Return an organisation by id (names of participants are known to all members). Raises NotFoundError."""
    participant = session.get(Participant, participant_id)
    if participant is None:
        raise NotFoundError()
    return participant


def names(session: Session, identifiers: set[str]) -> dict[str, str]:
    """Return the names of organisations by id."""
    rows = session.execute(select(Participant.id, Participant.name).where(Participant.id.in_(identifiers)))
    return {row.id: row.name for row in rows}


def pending(session: Session) -> list[Participant]:
    """Return the organisations that wait for an operator, oldest first: new ones, and verified ones that declared facts anew."""
    open_facts = (Participant.status == "verified") & Participant.declared_at.is_not(None)
    waiting = select(Participant).where(or_(Participant.status == "pending", open_facts))
    return list(session.scalars(waiting.order_by(Participant.created_at)))


def people(session: Session, actor: Actor) -> list[User]:
    """Return the people of the acting firm."""
    return list(session.scalars(select(User).where(User.participant_id == actor.participant).order_by(User.created_at)))


def owners(session: Session, participant_id: str) -> list[User]:
    """Return a firm's owners who can act, for the operator who recovers one's account."""
    return credentials.owners(session, participant_id)
