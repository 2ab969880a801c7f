"""People and passwords over the API, on the participants' blueprint."""

from __future__ import annotations

from typing import Any

from exchange.access import Permission
from exchange.participants import credentials, passwords, schemas, service
from exchange.participants.api import blueprint
from exchange.participants.authentication import throttled
from exchange.web import answer, current_actor, reading, requires, run


@blueprint.get("/people")
@blueprint.response(200, schemas.PeopleSchema)
@requires(Permission.PARTICIPANT_READ)
def people() -> dict[str, Any]:
    """List the people of the acting firm."""
    items = [
        {"user": row.id, "name": row.name, "email": row.email, "roles": sorted(row.roles), "disabled": row.disabled}
        for row in service.people(reading(), current_actor())
    ]
    return {"items": items}


@blueprint.put("/people/<user>/roles")
@blueprint.arguments(schemas.RolesSchema)
@blueprint.response(200, schemas.PersonSchema)
@requires(Permission.PARTICIPANT_MANAGE)
def set_roles(given: dict[str, Any], user: str) -> Any:
    """Give a person exactly these roles; the last owner stays one."""
    return answer(run("participants.set_roles", user=user, roles=given["roles"]))[0]


@blueprint.post("/people/<user>/deactivation")
@blueprint.response(200, schemas.PersonSchema)
@requires(Permission.PARTICIPANT_MANAGE)
def disable(user: str) -> Any:
    """Shut a person out: sessions and tokens end at once."""
    return answer(run("participants.disable_person", user=user))[0]


@blueprint.post("/people/<user>/activation")
@blueprint.response(200, schemas.PersonSchema)
@requires(Permission.PARTICIPANT_MANAGE)
def enable(user: str) -> Any:
    """Let a disabled person sign in again."""
    return answer(run("participants.enable_person", user=user))[0]


@blueprint.post("/people/<user>/password-reset")
@blueprint.response(201, schemas.CodeSchema)
@requires(Permission.PARTICIPANT_MANAGE)
def reset_password(user: str) -> Any:
    """Take a colleague's password away; the answer holds, once, the code that sets a new one."""
    return answer(run("participants.reset_password", user=user))[0]


@blueprint.post("/participants/<participant>/owner-recovery")
@blueprint.arguments(schemas.RecoverySchema)
@blueprint.response(201, schemas.CodeSchema)
@requires(Permission.RECOVER_OWNER)
def recover_owner(given: dict[str, Any], participant: str) -> Any:
    """Give a firm's last owner a code for a new password (operator); check first who asks."""
    return answer(run("participants.recover_owner", participant=participant, email=given["email"]))[0]


@blueprint.post("/password-resets")
@blueprint.arguments(schemas.RedemptionSchema)
@blueprint.response(200, schemas.PersonSchema)
@throttled
@requires(Permission.PUBLIC)
def redeem_code(given: dict[str, Any]) -> Any:
    """Set a new password with a one-time code."""
    new = passwords.hash_password(given["password"])
    return answer(run("participants.redeem_code", code=given["code"], password_hash=new))[0]


@blueprint.post("/me/password")
@blueprint.arguments(schemas.PasswordSchema)
@blueprint.response(200, schemas.PersonSchema)
@throttled
@requires(Permission.ACCOUNT)
def change_password(given: dict[str, Any]) -> Any:
    """Change one's own password; all other sessions and tokens end."""
    new = passwords.hash_password(given["password"])
    proof = credentials.proof_of(reading(), current_actor(), given["current_password"])
    return answer(run("participants.change_password", proof=proof, password_hash=new))[0]
