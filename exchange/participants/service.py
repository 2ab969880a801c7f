"""Join: register an organisation, bring or make its keys, verify its evidence, add its people."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from exchange.access import EXCHANGE_ROLES, FIRM_ROLES, Actor, Permission, Role
from exchange.audit.service import record
from exchange.errors import ConflictError, InvalidInputError, NotFoundError
from exchange.participants import credit_code as codes
from exchange.participants import keys
from exchange.participants.models import Participant, User
from exchange.steps import Step, operation

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}")


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
    _check_length("name", name, 2, 200)
    _check_length("evidence", evidence, 10, 2000)
    if step.session.scalar(select(Participant.id).where(Participant.credit_code == code)):
        raise ConflictError(
            ("An organisation with this credit code is registered already.", "该统一社会信用代码已注册。"),
            ("Ask its owner to add you, or tell the operator.", "请联系该机构的所有者添加您，或联系运营方。"),
            field="credit_code",
        )
    identifier = step.new_id()
    participant = Participant(
        id=identifier,
        name=name.strip(),
        credit_code=code,
        industry=industry,
        contact=contact,
        evidence=evidence.strip(),
        evidence_digest="sha256:" + hashlib.sha256(evidence.strip().encode()).hexdigest(),
        tenant_key=step.services.keystore.new_tenant_key(identifier),
        created_at=step.now,
    )
    step.session.add(participant)
    step.session.flush()
    if custody == keys.CUSTODIAL:
        keys.make_custodial_keys(step, participant)
    elif custody == keys.SELF_HELD:
        keys.bring_keys(
            step, participant, _decode("signing_public_key", signing_public_key),
            _decode("encryption_public_key", encryption_public_key),
        )  # fmt: skip
    else:
        raise InvalidInputError(
            (f"{custody!r} is not a way to hold keys.", f"{custody!r} 不是有效的密钥保管方式。"),
            ("Use custodial or self-held.", "请使用 custodial 或 self-held。"),
            field="custody",
        )
    user = _add_user(step, owner_name, email, password_hash, participant.id, [Role.OWNER], locale)
    step.session.flush()
    if custody == keys.CUSTODIAL:
        _record_joining(step, participant)
    return {"participant": participant.id, "user": user.id, "status": participant.status, "credit_code": code}


@operation("participants.join", Permission.SIGN)
def join(step: Step) -> dict[str, Any]:
    """Put the joining statement of a self-held key on the ledger; its signature proves that the firm holds the key."""
    participant = own(step.session, step.actor)
    if participant.joined_at is not None:
        raise ConflictError(
            ("The joining statement is on the ledger already.", "入驻声明已记录在账本上。"),
            ("Nothing is left to do.", "无需其他操作。"),
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
        {"participant": participant.id, "name": participant.name, "credit_code": participant.credit_code,
         "evidence_digest": participant.evidence_digest},
        signer=participant.id,
        subjects=[participant.id],
    )  # fmt: skip
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


@operation("participants.verify", Permission.VERIFY_PARTICIPANT)
def verify(step: Step, *, participant: str, note: str = "") -> dict[str, Any]:
    """Verify a pending organisation's evidence: it may publish and request from now on."""
    row = step.session.scalar(select(Participant).where(Participant.id == participant).with_for_update(key_share=True))
    if row is None:
        raise NotFoundError()
    if row.status != "pending" or row.joined_at is None:
        raise ConflictError(
            (
                "Only a pending organisation whose joining is on the ledger can be verified.",
                "只能核验已记录入驻声明的待核验机构。",
            ),
            ("Load the list again.", "请重新载入列表。"),
        )
    signing = keys.current_key(step.session, row.id, keys.SIGNING)
    row.status, row.verified_at = "verified", step.now
    record(
        step,
        "participant.verified",
        {
            "participant": row.id,
            "name": row.name,
            "credit_code": row.credit_code,
            "evidence_digest": row.evidence_digest,
            "signing_key": base64.b64encode(signing.public).decode(),
            "custody": signing.custody,
        },
        subjects=[row.id],
    )
    # Counterparties see the statement above in their bundles; who verified, and the remarks, are the exchange's own.
    noted = {"participant": row.id, "operator": step.actor.user, "note": note}
    record(step, "participant.verification_noted", noted, concerns=[row.id])
    return {"participant": row.id, "status": row.status}


@operation("participants.examine", Permission.VERIFY_PARTICIPANT)
def examine(step: Step, *, participant: str) -> dict[str, Any]:
    """Record that an operator looked at an organisation's evidence; promise 10 makes every such read an entry."""
    row = get(step.session, participant)
    record(
        step, "audit.read", {"reader": step.actor.user, "participant": row.id, "what": "evidence"}, subjects=[row.id]
    )
    return {"participant": row.id}


@operation("participants.add_user", Permission.PARTICIPANT_MANAGE)
def add_user(
    step: Step, *, name: str, email: str, password_hash: str, roles: list[str], locale: str = "en"
) -> dict[str, Any]:
    """Add a person to the acting firm with roles of a firm. Raises InvalidInputError, ConflictError."""
    assert step.actor.participant is not None  # noqa: S101 - the permission belongs to firms only
    wanted = _roles(roles, FIRM_ROLES)
    user = _add_user(step, name, email, password_hash, step.actor.participant, wanted, locale)
    record(
        step,
        "participant.roles",
        {
            "participant": step.actor.participant,
            "user": user.id,
            "roles": sorted(wanted),
            "by": step.actor.user,
        },
        signer=step.actor.participant,
        subjects=[step.actor.participant],
    )
    return {"user": user.id, "roles": sorted(wanted)}


@operation("participants.add_staff", None)
def add_staff(
    step: Step, *, name: str, email: str, password_hash: str, roles: list[str], locale: str = "en"
) -> dict[str, Any]:
    """Add a person with roles of the exchange (operator, supervisor, auditor); the command line alone calls it."""
    wanted = _roles(roles, EXCHANGE_ROLES)
    user = _add_user(step, name, email, password_hash, None, wanted, locale)
    record(step, "exchange.roles", {"user": user.id, "roles": sorted(wanted)})
    return {"user": user.id, "roles": sorted(wanted)}


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
    """Return the organisations that wait for verification, oldest first."""
    return list(
        session.scalars(select(Participant).where(Participant.status == "pending").order_by(Participant.created_at))
    )


def people(session: Session, actor: Actor) -> list[User]:
    """Return the people of the acting firm."""
    return list(session.scalars(select(User).where(User.participant_id == actor.participant).order_by(User.created_at)))


def _add_user(
    step: Step,
    name: str,
    email: str,
    password_hash: str,
    participant: str | None,
    roles: list[Role],
    locale: str,
) -> User:
    _check_length("name", name, 1, 100)
    address = email.strip().lower()
    if not _EMAIL.fullmatch(address):
        raise InvalidInputError(
            ("This is not an e-mail address.", "这不是有效的电子邮箱地址。"), ("Write name@example.org.", "格式如 name@example.org。"),
            field="email",
        )  # fmt: skip
    if step.session.scalar(select(func.count()).select_from(User).where(User.email == address)):
        raise ConflictError(
            ("This e-mail address has an account already.", "该邮箱已有账户。"),
            ("Sign in, or use another address.", "请直接登录，或使用其他邮箱。"),
            field="email",
        )
    user = User(
        id=step.new_id(), email=address, name=name.strip(), password_hash=password_hash, participant_id=participant,
        roles=[str(role) for role in roles], locale=locale, created_at=step.now,
    )  # fmt: skip
    step.session.add(user)
    step.session.flush()
    return user


def _roles(wanted: list[str], allowed: frozenset[Role]) -> list[Role]:
    chosen = [role for role in allowed if role in wanted]
    if not chosen or len(chosen) != len(set(wanted)):
        raise InvalidInputError(
            ("Unknown or forbidden role.", "角色未知或不允许。"),
            (f"Choose from {', '.join(sorted(allowed))}.", f"可选：{'、'.join(sorted(allowed))}。"),
            field="roles",
        )
    return chosen


def _check_length(field: str, text: str, shortest: int, longest: int) -> None:
    if not shortest <= len(text.strip()) <= longest:
        raise InvalidInputError(
            (f"Give {shortest} to {longest} characters.", f"请输入 {shortest} 至 {longest} 个字符。"),
            ("Mend this field.", "请修正此字段。"),
            field=field,
        )


def _decode(field: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInputError(
            ("This is not base64.", "这不是有效的 base64 编码。"), ("Copy the key as `exchange keys new` printed it.", "请复制 `exchange keys new` 输出的密钥。"),
            field=field,
        ) from error  # fmt: skip
