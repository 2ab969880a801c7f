"""The standing of organisations over the API, on the participants' blueprint."""

from __future__ import annotations

from typing import Any

from exchange.access import Permission
from exchange.participants import schemas
from exchange.participants.api import blueprint
from exchange.web import answer, requires, run


@blueprint.patch("/participants/me")
@blueprint.arguments(schemas.DeclarationSchema)
@blueprint.response(200, schemas.DeclaredSchema)
@requires(Permission.PARTICIPANT_MANAGE)
def declare(given: dict[str, Any]) -> Any:
    """Declare facts about the acting firm anew; changed ones count again once an operator verified them."""
    return answer(run("participants.declare", **given))[0]


@blueprint.post("/participants/<participant>/verification")
@blueprint.arguments(schemas.VerificationSchema)
@blueprint.response(200, schemas.ParticipantSchema)
@requires(Permission.VERIFY_PARTICIPANT)
def verify(given: dict[str, Any], participant: str) -> Any:
    """Verify a pending organisation, or what a verified one declared anew (operator)."""
    return answer(run("participants.verify", participant=participant, **given))[0]


@blueprint.post("/participants/<participant>/rejection")
@blueprint.arguments(schemas.ReasonSchema)
@blueprint.response(200, schemas.ParticipantSchema)
@requires(Permission.VERIFY_PARTICIPANT)
def reject(given: dict[str, Any], participant: str) -> Any:
    """Reject a pending registration with a reason (operator)."""
    return answer(run("participants.reject", participant=participant, reason=given["reason"]))[0]


@blueprint.post("/participants/<participant>/suspension")
@blueprint.arguments(schemas.ReasonSchema)
@blueprint.response(200, schemas.ParticipantSchema)
@requires(Permission.SUSPEND_PARTICIPANT)
def suspend(given: dict[str, Any], participant: str) -> Any:
    """Suspend a verified organisation; its running transfers stop at the next part (operator)."""
    return answer(run("participants.suspend", participant=participant, reason=given["reason"]))[0]


@blueprint.post("/participants/<participant>/reinstatement")
@blueprint.arguments(schemas.ReasonSchema)
@blueprint.response(200, schemas.ParticipantSchema)
@requires(Permission.SUSPEND_PARTICIPANT)
def reinstate(given: dict[str, Any], participant: str) -> Any:
    """Lift a suspension (operator)."""
    return answer(run("participants.reinstate", participant=participant, reason=given["reason"]))[0]
