"""The purpose a consumer states: one that the policy on the table understands and allows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from contracts.errors import ContractsError
from contracts.odrl import PURPOSES, Deny, Policy, Request, World, evaluate, parse, unknowns
from exchange.errors import InvalidInputError, PolicyDeniedError
from exchange.negotiation.terms import allowed_purposes, invalid

_LONGEST = 200


def choices(policy: dict[str, Any]) -> tuple[str, ...]:
    """Return the purposes to choose from under `policy`: those it names, or the exchange's list where it names none."""
    return allowed_purposes(parse(policy)) or tuple(PURPOSES)


def are_open(policy: dict[str, Any]) -> bool:
    """Say whether `policy` names no purpose, so that any may be stated in own words."""
    return allowed_purposes(parse(policy)) is None


def title(purpose: str, locale: str) -> str:
    """Return a purpose in words: the exchange's own list is bilingual, any other stands as it is written."""
    known = PURPOSES.get(purpose)
    if known is None:
        return purpose
    text = known[1 if locale.startswith("zh") else 0]
    return text[:1].upper() + text[1:]


def require_understood(document: dict[str, Any], purpose: str, now: datetime) -> str:
    """Return `purpose` without outer blanks when the policy understands and allows it.

    Raises PolicyDeniedError, naming every part, for a policy that is not understood (it would deny every use), and
    InvalidInputError, naming what is allowed, for a purpose that the policy does not allow.
    """
    try:
        policy = parse(document)
    except ContractsError as error:
        raise invalid(error, "offer") from error
    _require_known(policy)
    purpose = purpose.strip()
    allowed = allowed_purposes(policy)
    if not purpose or len(purpose) > _LONGEST or (allowed is not None and purpose not in allowed):
        raise _not_allowed(purpose, allowed or tuple(PURPOSES))
    _require_not_prohibited(policy, purpose, now)
    return purpose


def _require_known(policy: Policy) -> None:
    found = unknowns(policy)
    if found:
        raise PolicyDeniedError(
            (
                "The terms say something that this exchange does not understand, so they deny every use.",
                "条款中有本平台无法理解的内容，因此拒绝一切使用。",
            ),
            ("Ask the provider to offer the dataset under other terms.", "请联系提供方以其他条款提供该数据集。"),
            [reason.to_json() for reason in found],
        )


def _require_not_prohibited(policy: Policy, purpose: str, now: datetime) -> None:
    """Ask the policy itself, as if it were agreed: logic around a purpose may exclude what a list seems to allow."""
    agreed = policy.as_agreement(
        uid="urn:x:agreement", assigner="urn:x:provider", assignee="urn:x:consumer", target="urn:x:data"
    )
    for permission in policy.permissions:
        request = Request(permission.action.name, "urn:x:consumer", "urn:x:data", purpose, at=now)
        decision = evaluate(agreed, request, World(counts={}, agreement_start=now))
        if not isinstance(decision, Deny) or not any(reason.left_operand == "purpose" for reason in decision.reasons):
            return
    raise _not_allowed(purpose, allowed_purposes(policy) or tuple(PURPOSES))


def _not_allowed(purpose: str, allowed: tuple[str, ...]) -> InvalidInputError:
    return InvalidInputError(
        (
            f"The terms do not allow the purpose {purpose!r}." if purpose else "The purpose is missing.",
            f"条款不允许用途“{purpose}”。" if purpose else "缺少用途。",
        ),
        (
            f"Choose one of: {', '.join(allowed)}.",
            f"请从以下用途中选择：{'、'.join(title(item, 'zh') for item in allowed)}。",
        ),
        field="purpose",
        code="purpose-not-allowed",
        details={"allowed": list(allowed)},
    )
