"""The standing of an organisation: verified or rejected by an operator, suspended and reinstated; what it declares of itself.

What a counterparty may see is stated in the organisation's own entries. Which operator acted, and the remarks, stand in entries
for the exchange alone.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from exchange.access import Permission
from exchange.audit.service import record
from exchange.errors import ConflictError, InvalidInputError, NotFoundError
from exchange.participants import checks, facts, keys
from exchange.participants.models import Participant
from exchange.steps import Step, operation


def locked(step: Step, participant_id: str) -> Participant:
    """Return an organisation, locked until the transaction ends. Raises NotFoundError."""
    row = step.session.scalar(
        select(Participant)
        .where(Participant.id == participant_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise NotFoundError()
    return row


@contextmanager
def keeping_code(step: Step, participant: Participant) -> Iterator[None]:
    """Within the block `participant` becomes one that is not rejected, so that its credit code is its own.

    Raises ConflictError where another organisation has the code, also when both ask for it at the same moment.
    """
    taken = select(Participant.id).where(
        Participant.credit_code == participant.credit_code,
        Participant.status != "rejected",
        Participant.id != participant.id,
    )
    if step.session.scalar(taken) is not None:
        raise _registered()
    try:
        with step.session.begin_nested():
            yield
    except IntegrityError as error:
        # Somebody registered the code between the look and the write; a fault of another kind is none of a code.
        if step.session.scalar(taken) is None:
            raise
        raise _registered() from error


def _registered() -> ConflictError:
    return ConflictError(
        ("An organisation with this credit code is registered already.", "该统一社会信用代码已注册。"),
        ("Ask its owner to add you, or tell the operator.", "请联系该机构的所有者添加您，或联系运营方。"),
        field="credit_code",
        code="registered-already",
    )


def evidence_digest(evidence: str) -> str:
    """Return the digest under which a text of evidence stands on the ledger."""
    return "sha256:" + hashlib.sha256(evidence.strip().encode()).hexdigest()


@operation("participants.examine", Permission.VERIFY_PARTICIPANT)
def examine(step: Step, *, participant: str) -> dict[str, Any]:
    """Record that an operator looked at an organisation's evidence; promise 10 makes every such read an entry."""
    row = step.session.get(Participant, participant)
    if row is None:
        raise NotFoundError()
    record(
        step, "audit.read", {"reader": step.actor.user, "participant": row.id, "what": "evidence"}, subjects=[row.id]
    )
    return {"participant": row.id}


@operation("participants.verify", Permission.VERIFY_PARTICIPANT)
def verify(
    step: Step, *, participant: str, note: str = "", industry: str | None = None, country: str | None = None
) -> dict[str, Any]:
    """Verify a pending organisation's evidence, or what a verified one has declared anew: policies rely on its facts from now on.

    `industry` and `country` are what the operator has checked; where the organisation declares others meanwhile, this is refused.
    """
    row = locked(step, participant)
    again = row.status == "verified" and facts.are_open(row)
    if not again and (row.status != "pending" or row.joined_at is None):
        raise ConflictError(
            (
                "Only a pending organisation whose joining is on the ledger can be verified.",
                "只能核验已记录入驻声明的待核验机构。",
            ),
            ("Load the list again.", "请重新载入列表。"),
        )
    for name, checked in (("industry", industry), ("country", country)):
        if checked is not None and checked != getattr(row, name):
            raise ConflictError(
                ("The organisation has changed its declaration.", "该机构已更改其声明。"),
                ("Look at it again before you verify.", "请重新查看后再核验。"),
                field=name,
                code="declaration-changed",
            )
    signing = keys.current_key(step.session, row.id, keys.SIGNING)
    row.verified_facts, row.declared_at = facts.declared(row), None
    row.verified_at = step.now
    if not again:
        # What was before the verification concerns no delivery.
        row.status, row.status_reason, row.status_at = "verified", "", None
    record(
        step,
        "participant.verified",
        {
            "participant": row.id,
            "name": row.name,
            "credit_code": row.credit_code,
            "evidence_digest": row.evidence_digest,
            **row.verified_facts,
            "signing_key": base64.b64encode(signing.public).decode(),
            "custody": signing.custody,
        },
        subjects=[row.id],
    )
    # Counterparties see the statement above in their bundles; who verified, and the remarks, are the exchange's own.
    noted = {"participant": row.id, "operator": step.actor.user, "note": note}
    record(step, "participant.verification_noted", noted, concerns=[row.id])
    return {"participant": row.id, "status": row.status}


@operation("participants.reject", Permission.VERIFY_PARTICIPANT)
def reject(step: Step, *, participant: str, reason: str) -> dict[str, Any]:
    """Reject a pending registration with a reason that its people read; they may declare their evidence anew.

    Its credit code is free again, so that nobody can keep it from its real owner.
    """
    row = locked(step, participant)
    _require(row, "pending", ("Only a pending registration is rejected.", "只能驳回待核验的注册。"))
    fields = {"name": row.name, "credit_code": row.credit_code, "evidence_digest": row.evidence_digest}
    return _decide(step, row, "rejected", "participant.rejected", checks.reason(reason), fields)


@operation("participants.suspend", Permission.SUSPEND_PARTICIPANT)
def suspend(step: Step, *, participant: str, reason: str) -> dict[str, Any]:
    """Suspend a verified organisation: its offers are not found, it trades nothing, its running transfers stop at the next part."""
    row = locked(step, participant)
    _require(row, "verified", ("Only a verified organisation is suspended.", "只能暂停已核验的机构。"))
    return _decide(step, row, "suspended", "participant.suspended", checks.reason(reason), {})


@operation("participants.reinstate", Permission.SUSPEND_PARTICIPANT)
def reinstate(step: Step, *, participant: str, reason: str) -> dict[str, Any]:
    """Lift a suspension; what was running may go on."""
    row = locked(step, participant)
    _require(row, "suspended", ("This organisation is not suspended.", "该机构未被暂停。"))
    return _decide(step, row, "verified", "participant.reinstated", checks.reason(reason), {})


@operation("participants.declare", Permission.PARTICIPANT_MANAGE)
def declare(
    step: Step,
    *,
    industry: str | None = None,
    country: str | None = None,
    name: str | None = None,
    contact: str | None = None,
    evidence: str | None = None,
) -> dict[str, Any]:
    """Declare facts about the acting firm anew; what is not given stays. Changed facts count again once an operator verified them.

    A rejected registration waits for an operator again. Raises InvalidInputError where a fact changes without evidence, or the
    name of a verified firm; ConflictError where another organisation has registered the credit code meanwhile.
    """
    row = locked(step, step.actor.participant or "")
    before = (row.industry, row.country, row.name, row.evidence_digest)
    row.industry = row.industry if industry is None else facts.check_industry(industry)
    row.country = row.country if country is None else facts.check_country(country)
    row.contact = row.contact if contact is None else checks.length("contact", contact, 0, 254)
    if name is not None:
        row.name = _renamed(row, checks.length("name", name, 2, 200))
    if evidence is not None:
        row.evidence = checks.length("evidence", evidence, 10, 2000)
        row.evidence_digest = evidence_digest(evidence)
    changed = before != (row.industry, row.country, row.name, row.evidence_digest)
    if changed:
        _require_evidence(evidence)
        _wait_for_operator(step, row)
    return {"participant": row.id, "status": row.status, "waits": facts.are_open(row)}


def _wait_for_operator(step: Step, row: Participant) -> None:
    row.declared_at = step.now
    if row.status == "rejected":
        with keeping_code(step, row):
            _stand(step, row, "pending", "")
    step.session.flush()
    # Before it has joined, the joining statement itself will say what holds then.
    if row.joined_at is not None:
        record(
            step,
            "participant.declared",
            {
                "participant": row.id,
                "name": row.name,
                "evidence_digest": row.evidence_digest,
                **facts.declared(row),
                "by": step.actor.user,
            },
            signer=row.id,
            subjects=[row.id],
        )


def _renamed(row: Participant, name: str) -> str:
    if name != row.name and row.status not in {"pending", "rejected"}:
        raise InvalidInputError(
            ("The name of a verified organisation is part of its agreements.", "已核验机构的名称已写入其协议。"),
            ("Tell the operator about the new name.", "请将新名称告知运营方。"),
            field="name",
            code="name-verified",
        )
    return name


def _require_evidence(evidence: str | None) -> None:
    if evidence is None:
        raise InvalidInputError(
            ("What changes needs evidence that an operator can check.", "变更须提供可供运营方核验的证明材料。"),
            ("Name the register and the entry that shows it.", "请写明可查证的登记机构和登记编号。"),
            field="evidence",
            code="evidence-missing",
        )


def _require(row: Participant, status: str, reason: tuple[str, str]) -> None:
    if row.status != status:
        raise ConflictError(
            (f"{reason[0]} This one is {row.status}.", f"{reason[1]}该机构状态为 {row.status}。"),
            ("Load the list again.", "请重新载入列表。"),
            code="wrong-standing",
        )


def _decide(
    step: Step, row: Participant, status: str, kind: str, reason: str, fields: dict[str, Any]
) -> dict[str, Any]:
    _stand(step, row, status, "" if status == "verified" else reason)
    statement = record(step, kind, {"participant": row.id, **fields, "reason": reason}, subjects=[row.id])
    record(step, "exchange.acted", {"operator": step.actor.user, "statement": statement}, concerns=[row.id])
    return {"participant": row.id, "status": row.status}


def _stand(step: Step, row: Participant, status: str, reason: str) -> None:
    row.status, row.status_reason, row.status_at = status, reason, step.now
