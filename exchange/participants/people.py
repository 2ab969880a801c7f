"""The people of a firm and of the exchange: added, given roles, disabled and enabled again.

What widens somebody's reach is signed by the firm. What ends it is signed by the exchange, so that it takes effect at once
also where the firm's key is its own and somebody would have to fetch it first.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from exchange.access import EXCHANGE_ROLES, FIRM_ROLES, Permission, Role
from exchange.audit.service import record
from exchange.errors import ConflictError, InvalidInputError, NotFoundError
from exchange.participants import checks, credentials
from exchange.participants.models import Participant, User
from exchange.steps import EXCHANGE, Step, operation


@operation("participants.add_user", Permission.PARTICIPANT_MANAGE)
def add_user(
    step: Step, *, name: str, email: str, password_hash: str, roles: list[str], locale: str = "en"
) -> dict[str, Any]:
    """Add a person to the acting firm with roles of a firm. Raises InvalidInputError, ConflictError."""
    firm = _firm(step)
    wanted = _roles(roles, FIRM_ROLES)
    user = add(step, name, email, password_hash, firm, wanted, locale)
    _record_roles(step, user)
    return {"user": user.id, "roles": sorted(wanted)}


@operation("participants.add_staff", None)
def add_staff(
    step: Step, *, name: str, email: str, password_hash: str, roles: list[str], locale: str = "en"
) -> dict[str, Any]:
    """Add a person with roles of the exchange (operator, supervisor, auditor); the command line alone calls it."""
    wanted = _roles(roles, EXCHANGE_ROLES)
    user = add(step, name, email, password_hash, None, wanted, locale)
    record(step, "exchange.roles", {"user": user.id, "roles": sorted(wanted)})
    return {"user": user.id, "roles": sorted(wanted)}


@operation("participants.set_roles", Permission.PARTICIPANT_MANAGE)
def set_roles(step: Step, *, user: str, roles: list[str]) -> dict[str, Any]:
    """Give a person of the acting firm exactly these roles; what is left out is taken away, from the next request on.

    Raises NotFoundError for a stranger, ConflictError where the firm would be left without an owner.
    """
    wanted = _roles(roles, FIRM_ROLES)
    person = colleague(step, user)
    if Role.OWNER not in wanted:
        _require_another_owner(step, person)
    if sorted(person.roles) != sorted(wanted):
        person.roles = sorted(wanted)
        _record_roles(step, person)
    return {"user": person.id, "roles": sorted(person.roles)}


@operation("participants.disable_person", Permission.PARTICIPANT_MANAGE)
def disable_person(step: Step, *, user: str) -> dict[str, Any]:
    """Shut a person of the acting firm out: sessions, tokens and waiting steps end with this.

    Raises NotFoundError for a stranger, ConflictError for the firm's last owner.
    """
    person = colleague(step, user)
    if not person.disabled:
        _require_another_owner(step, person)
        person.disabled = True
        credentials.end_all(step, person)
        _record(step, "participant.person_disabled", person, signer=EXCHANGE)
    return {"user": person.id, "disabled": True}


@operation("participants.enable_person", Permission.PARTICIPANT_MANAGE)
def enable_person(step: Step, *, user: str) -> dict[str, Any]:
    """Let a disabled person of the acting firm sign in again; the sessions and tokens of before stay ended."""
    person = colleague(step, user)
    if person.disabled:
        person.disabled = False
        _record(step, "participant.person_enabled", person, signer=_firm(step))
    return {"user": person.id, "disabled": False}


def add(
    step: Step, name: str, email: str, password_hash: str, participant: str | None, roles: list[Role], locale: str
) -> User:
    """Add an account. Raises InvalidInputError for a name or address that is none, ConflictError for one that is taken."""
    address = checks.email(email)
    user = User(
        id=step.new_id(), email=address, name=checks.length("name", name, 1, 100), password_hash=password_hash,
        participant_id=participant, roles=[str(role) for role in roles], locale=locale, created_at=step.now,
    )  # fmt: skip
    if step.session.scalar(select(func.count()).select_from(User).where(User.email == address)):
        raise _address_taken()
    try:
        with step.session.begin_nested():
            step.session.add(user)
    except IntegrityError as error:
        # Somebody took the address between the look and the insert.
        raise _address_taken() from error
    return user


def colleague(step: Step, user_id: str) -> User:
    """Return a person of the acting firm. The firm is locked, so that two changes cannot leave it without an owner."""
    firm = _firm(step)
    step.session.execute(select(Participant.id).where(Participant.id == firm).with_for_update(key_share=True))
    person = step.session.scalar(
        select(User)
        .where(User.id == user_id, User.participant_id == firm)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if person is None:
        raise NotFoundError()
    return person


def _firm(step: Step) -> str:
    if step.actor.participant is None:
        raise NotFoundError()
    return step.actor.participant


def _require_another_owner(step: Step, person: User) -> None:
    """Requires the firm's lock."""
    owners = credentials.owners(step.session, _firm(step))
    if [owner.id for owner in owners] == [person.id]:
        raise ConflictError(
            ("This is the last owner of the organisation.", "这是该机构的最后一位所有者。"),
            ("Make somebody else an owner first.", "请先将其他人员设为所有者。"),
            field="user",
            code="last-owner",
        )


def _record_roles(step: Step, person: User) -> None:
    _record(step, "participant.roles", person, signer=_firm(step), roles=sorted(person.roles))


def _record(step: Step, kind: str, person: User, *, signer: str, **fields: Any) -> None:
    fields = {"participant": person.participant_id, "user": person.id, **fields, "by": step.actor.user}
    record(step, kind, fields, signer=signer, subjects=[_firm(step)])


def _roles(wanted: list[str], allowed: frozenset[Role]) -> list[Role]:
    chosen = [role for role in allowed if role in wanted]
    if not chosen or len(chosen) != len(set(wanted)):
        raise InvalidInputError(
            ("Unknown or forbidden role.", "角色未知或不允许。"),
            (f"Choose from {', '.join(sorted(allowed))}.", f"可选：{'、'.join(sorted(allowed))}。"),
            field="roles",
        )
    return chosen


def _address_taken() -> ConflictError:
    return ConflictError(
        ("This e-mail address has an account already.", "该邮箱已有账户。"),
        ("Sign in, or use another address.", "请直接登录，或使用其他邮箱。"),
        field="email",
    )
