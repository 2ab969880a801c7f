"""Transfer: request a use, start it with its recorded artefact, hand out tokens, acknowledge, suspend, end."""

from __future__ import annotations

import base64
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from contracts.odrl import Deny
from contracts.transfer import Role, State, transition
from exchange.access import Actor, Permission
from exchange.audit.service import record
from exchange.catalog import sealed as stored
from exchange.errors import ConflictError, InvalidInputError, NotFoundError, PermissionDeniedError
from exchange.negotiation import service as negotiation
from exchange.negotiation.models import AgreementRecord
from exchange.settlement import service as settlement
from exchange.steps import Services, Step, operation
from exchange.transfer import access_tokens, decision
from exchange.transfer.models import TransferProcess, UsageCounter

FORMAT = "parquet"


def context(transfer_id: str) -> bytes:
    """Return what the sealed bytes and their wrapped key are bound to: this transfer and no other."""
    return f"industrial-data-exchange/transfer/v1\n{transfer_id}".encode()


def get(session: Session, actor: Actor, transfer_id: str) -> TransferProcess:
    """Return a transfer of the acting firm, as consumer or provider. Raises NotFoundError for anybody else's."""
    found = session.scalar(
        select(TransferProcess).where(
            TransferProcess.id == transfer_id,
            or_(TransferProcess.consumer_id == actor.participant, TransferProcess.provider_id == actor.participant),
        )
    )
    if found is None:
        raise NotFoundError()
    return found


def of_agreement(session: Session, actor: Actor, agreement_id: str) -> list[TransferProcess]:
    """Return the transfers under one agreement of the acting firm, newest first. Raises NotFoundError for another's."""
    negotiation.get_agreement(session, actor, agreement_id)
    mine = or_(TransferProcess.consumer_id == actor.participant, TransferProcess.provider_id == actor.participant)
    return _list(session, mine, TransferProcess.agreement_id == agreement_id)


def recent(session: Session, actor: Actor, side: Role) -> list[TransferProcess]:
    """Return the newest transfers that the acting firm receives (as consumer) or gives (as provider)."""
    column = TransferProcess.consumer_id if side is Role.CONSUMER else TransferProcess.provider_id
    return _list(session, column == actor.participant)


def _list(session: Session, *conditions: Any) -> list[TransferProcess]:
    query = select(TransferProcess).where(*conditions).order_by(TransferProcess.created_at.desc()).limit(200)
    return list(session.scalars(query))


def usage(session: Session, agreement_id: str) -> UsageCounter | None:
    """Return how often an agreement was used."""
    return session.get(UsageCounter, (agreement_id, decision.ACTION))


@operation("transfer.request", Permission.TRANSFER_REQUEST)
def request(step: Step, *, agreement: str, format: str = FORMAT) -> dict[str, Any]:
    """Ask for one use of an agreement. The policy decides; the decision is recorded either way.

    Returns the transfer's id and state: REQUESTED with the id of the job that prepares the artefact, or TERMINATED with
    the reasons of the denial. Raises ConflictError when the agreement is not in force.
    """
    if format != FORMAT:
        raise InvalidInputError(
            (f"{format!r} is not a format of this dataset.", f"该数据集不提供 {format!r} 格式。"),
            ("Ask for parquet.", "请使用 parquet。"),
            field="format",
        )
    found = _own_agreement(step, agreement)
    decision.require_in_force(step.session, found, step.effective)
    decided = decision.decide(step.session, found, step.effective)
    denial = decision.reasons_json(decided) if isinstance(decided, Deny) else []
    transfer = TransferProcess(
        id=step.new_id(),
        agreement_id=found.id,
        dataset_id=found.dataset_id,
        version_id=found.version_id,
        provider_id=found.provider_id,
        consumer_id=found.consumer_id,
        requested_by=step.actor.user,
        state=transition(None, State.REQUESTED, Role.CONSUMER),
        reasons=denial,
        marked_columns=[],
        created_at=step.now,
    )
    step.session.add(transfer)
    _record(step, found, transfer, "transfer.requested", {"format": format}, signer=found.consumer_id)
    _record_decision(step, found, transfer, denial)
    if denial:
        _end(step, transfer, State.TERMINATED, Role.PROVIDER, denial[0]["text_en"])
        return {"transfer": transfer.id, "state": transfer.state, "reasons": denial}
    transfer.job_id = step.services.jobs.enqueue(step, "transfer.prepare", subject=transfer.id, transfer=transfer.id)
    return {"transfer": transfer.id, "state": transfer.state, "job": transfer.job_id, "reasons": []}


def _record_decision(
    step: Step, agreement: AgreementRecord, transfer: TransferProcess, denial: list[dict[str, Any]]
) -> None:
    words = [{"rule": reason["rule"], "text": reason["text_en"]} for reason in denial]
    fields = {"decision": "deny" if denial else "permit", "action": decision.ACTION, "reasons": words}
    _record(step, agreement, transfer, "transfer.decided", fields)


@operation("transfer.start", None)
def start(
    step: Step,
    *,
    transfer: str,
    artefact: str,
    plain_digest: str,
    parts_digest: str,
    sealed_size: int,
    plain_size: int,
    rows: int,
    wrapped_key: str,
    recipient_wrapped_key: str,
    recipient_key: str,
    plan_digest: str,
    version_digest: str,
    mark_digest: str,
    marked_columns: list[dict[str, str]],
) -> dict[str, Any]:
    """Take one use and start a prepared transfer; its digests are on the ledger before the first byte can leave.

    The policy is decided again under the counter's lock, so an agreement for N uses starts N transfers at most. Repeating
    it for a transfer that has left REQUESTED changes nothing.
    """
    row = _lock(step, transfer)
    if row.state != State.REQUESTED:
        return {"transfer": row.id, "state": row.state}
    agreement = _locked_agreement(step, row)
    counter = decision.lock_counter(step, agreement)
    decision.require_in_force(step.session, agreement, step.now)
    decided = decision.decide(step.session, agreement, step.now)
    if isinstance(decided, Deny):
        row.reasons = decision.reasons_json(decided)
        _record_decision(step, agreement, row, row.reasons)
        _end(step, row, State.TERMINATED, Role.PROVIDER, row.reasons[0]["text_en"])
        return {"transfer": row.id, "state": row.state, "reasons": row.reasons}
    stored.keep(step, row.id, [artefact])
    counter.used += 1
    counter.first_use = counter.first_use or step.now
    row.use_number = counter.used
    row.artefact, row.plain_digest, row.parts_digest = artefact, plain_digest, parts_digest
    row.sealed_size, row.plain_size, row.rows = sealed_size, plain_size, rows
    row.wrapped_key, row.recipient_wrapped_key = base64.b64decode(wrapped_key), base64.b64decode(recipient_wrapped_key)
    row.recipient_key, row.marked_columns = recipient_key, marked_columns
    row.state, row.started_at = transition(State(row.state), State.STARTED, Role.PROVIDER), step.now
    row.expires_at = step.now + timedelta(days=step.services.settings.artefact_days)
    row.started_statement = _record(
        step,
        agreement,
        row,
        "transfer.started",
        {
            "use": counter.used,
            "obligations": decision.obligations_json(decided),
            "version_digest": version_digest,
            "plan_digest": plan_digest,
            "sealed_digest": f"sha256:{artefact}",
            "plain_digest": plain_digest,
            "parts_digest": parts_digest,
            "sealed_size": sealed_size,
            "rows": rows,
            "recipient_key": recipient_key,
            # A commitment to this buyer's mark, made before the bytes leave, so that a later accusation can be checked.
            "mark_digest": mark_digest,
        },
    )
    settlement.delivered(step, agreement)
    return {"transfer": row.id, "state": row.state, "use": counter.used}


@operation("transfer.fail", None)
def fail(step: Step, *, transfer: str, reason_en: str, reason_zh: str) -> dict[str, Any]:
    """End a transfer whose artefact could not be prepared; no use is taken, and the consumer may ask again."""
    row = _lock(step, transfer)
    if row.state == State.REQUESTED:
        _end(step, row, State.TERMINATED, Role.PROVIDER, reason_en)
        row.reasons = [{"rule": "delivery", "text_en": reason_en, "text_zh": reason_zh}]
        agreement = step.session.get_one(AgreementRecord, row.agreement_id)
        _record(step, agreement, row, "transfer.terminated", {"reason": reason_en, "by": "exchange"})
    return {"transfer": row.id, "state": row.state}


@operation("transfer.acknowledge", Permission.TRANSFER_REQUEST)
def acknowledge(step: Step, *, transfer: str, digest: str) -> dict[str, Any]:
    """Acknowledge, signed by the consumer, what arrived: its SHA-256 must be that of the recorded artefact.

    The escrow is released to the provider in the same transaction. Raises ConflictError when the digest differs.
    """
    row = _lock(step, transfer)
    if row.consumer_id != step.actor.participant:
        raise NotFoundError()
    if row.state == State.COMPLETED and digest == row.acknowledged_digest:
        return {"transfer": row.id, "state": row.state}
    if row.artefact and digest not in {f"sha256:{row.artefact}", row.plain_digest}:
        raise ConflictError(
            ("What arrived is not what was recorded: the digests differ.", "收到的内容与记录不符：摘要不一致。"),
            (
                "Fetch it again; if it stays so, raise a dispute instead of acknowledging.",
                "请重新下载；若仍不一致，请勿确认并提出争议。",
            ),
            field="digest",
            code="digest-differs",
        )
    row.state, row.ended_at = transition(State(row.state), State.COMPLETED, Role.CONSUMER), step.effective
    row.acknowledged_digest = digest
    agreement = _locked_agreement(step, row)
    _record(step, agreement, row, "delivery.acknowledged", {"digest": digest}, signer=row.consumer_id)
    settlement.release(step, agreement)
    return {"transfer": row.id, "state": row.state}


@operation("transfer.suspend", Permission.TRANSFER_CONTROL)
def suspend(step: Step, *, transfer: str, reason: str) -> dict[str, Any]:
    """Stop a running transfer at its next part (provider)."""
    return _steer(step, transfer, State.SUSPENDED, "transfer.suspended", reason)


@operation("transfer.resume", Permission.TRANSFER_CONTROL)
def resume(step: Step, *, transfer: str, reason: str = "") -> dict[str, Any]:
    """Let a suspended transfer run on (provider); it is the same use."""
    return _steer(step, transfer, State.STARTED, "transfer.resumed", reason)


@operation("transfer.terminate", Permission.SIGN)
def terminate(step: Step, *, transfer: str, reason: str) -> dict[str, Any]:
    """End a transfer for good, from either side."""
    return _steer(step, transfer, State.TERMINATED, "transfer.terminated", reason)


def _steer(step: Step, transfer_id: str, to: State, kind: str, reason: str) -> dict[str, Any]:
    row = _lock(step, transfer_id)
    role = {row.consumer_id: Role.CONSUMER, row.provider_id: Role.PROVIDER}.get(step.actor.participant or "")
    if role is None or (to is not State.TERMINATED and role is not Role.PROVIDER):
        raise NotFoundError()
    _require_role(step.actor, role)
    agreement = _locked_agreement(step, row)
    _end(step, row, to, role, reason)
    _record(step, agreement, row, kind, {"reason": reason, "by": str(role)}, signer=step.actor.participant or "")
    _settle(step, agreement, to, role, reason)
    return {"transfer": row.id, "state": row.state}


def _require_role(actor: Actor, role: Role) -> None:
    """One operation serves both sides, and each side's own permission is asked for here."""
    needed = Permission.TRANSFER_CONTROL if role is Role.PROVIDER else Permission.TRANSFER_REQUEST
    if not actor.may(needed):
        raise PermissionDeniedError(
            (f"Your roles do not allow {needed}.", f"您的角色不具备权限 {needed}。"),
            ("Ask an owner of your organisation for the role.", "请向贵机构的所有者申请相应角色。"),
        )


def _settle(step: Step, agreement: AgreementRecord, to: State, role: Role, reason: str) -> None:
    """Let money follow what a provider does to a delivery: what it withholds, it is not paid for."""
    if role is not Role.PROVIDER:
        return
    if to is State.STARTED:
        settlement.delivered(step, agreement)
        return
    settlement.withheld(step, agreement)
    if to is State.TERMINATED:
        settlement.refund(step, agreement, f"delivery ended by the provider: {reason}")


@operation("transfer.deny_part", None)
def deny_part(step: Step, *, transfer: str, reasons: list[dict[str, Any]]) -> dict[str, Any]:
    """Record that a part was refused because the policy lapsed, and suspend the transfer."""
    row = _lock(step, transfer)
    if row.state == State.STARTED:
        row.state, row.reasons = transition(State(row.state), State.SUSPENDED, Role.PROVIDER), reasons
        row.reason = reasons[0]["text_en"] if reasons else ""
        agreement = step.session.get_one(AgreementRecord, row.agreement_id)
        words = [{"rule": reason["rule"], "text": reason["text_en"]} for reason in reasons]
        _record(step, agreement, row, "transfer.part_denied", {"reasons": words})
    return {"transfer": row.id, "state": row.state}


def token(services: Services, session: Session, actor: Actor, transfer_id: str, key: str = "") -> dict[str, Any]:
    """Return a short-lived access token for one started transfer of the acting consumer; the policy is decided first.

    `key`: the thumbprint of the key whose possession the caller has proven, to which the token is bound.
    """
    row = get(session, actor, transfer_id)
    if row.consumer_id != actor.participant:
        raise NotFoundError()
    now = datetime.now(UTC)
    check_part(session, row, now)
    grant = access_tokens.Grant(
        row.id, row.agreement_id, row.consumer_id, actor.user or "", now, actor.token or "", key
    )
    text, expires = access_tokens.issue(services, grant, secrets.token_bytes(10))
    kind = {"token_type": "DPoP", "cnf": {"jkt": key}} if key else {"token_type": "Bearer"}
    return {"access_token": text, **kind, "expires_at": expires.isoformat()}


def check_part(session: Session, row: TransferProcess, at: datetime) -> None:
    """Decide a part of a started transfer again: state, validity, artefact's life, policy. Raises what denies."""
    agreement = session.get_one(AgreementRecord, row.agreement_id)
    decision.require_in_force(session, agreement, at)
    if row.state != State.STARTED and not (row.state == State.COMPLETED and row.artefact):
        raise ConflictError(
            (f"This transfer is {row.state}.", f"该交付处于 {row.state} 状态。"),
            ("Look at its page for the reason.", "请查看其页面了解原因。"),
        )
    if row.expires_at is not None and at >= row.expires_at:
        raise ConflictError(
            ("The prepared artefact has expired.", "已准备的交付物已过期。"),
            ("Request a new transfer.", "请重新申请交付。"),
            code="artefact-expired",
        )
    decided = decision.decide(session, agreement, at, taken=True)
    if isinstance(decided, Deny):
        raise decision.denied(decision.reasons_json(decided))


def _own_agreement(step: Step, agreement_id: str) -> AgreementRecord:
    found = step.session.scalar(
        select(AgreementRecord).where(
            AgreementRecord.id == agreement_id, AgreementRecord.consumer_id == step.actor.participant
        )
    )
    if found is None:
        raise NotFoundError()
    return found


def _lock(step: Step, transfer_id: str) -> TransferProcess:
    row = step.session.scalar(
        select(TransferProcess).where(TransferProcess.id == transfer_id).with_for_update(key_share=True)
    )
    if row is None:
        raise NotFoundError()
    return row


def _locked_agreement(step: Step, row: TransferProcess) -> AgreementRecord:
    """Return the agreement as it is now, locked; its counter comes after it, as in every operation on money."""
    found = step.session.scalar(
        select(AgreementRecord)
        .where(AgreementRecord.id == row.agreement_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFoundError()
    return found


def _end(step: Step, row: TransferProcess, to: State, role: Role, reason: str) -> None:
    row.state = transition(State(row.state), to, role)
    row.reason = reason[:2000]
    if to is State.TERMINATED:
        row.ended_at = step.effective


def _record(
    step: Step,
    agreement: AgreementRecord,
    transfer: TransferProcess,
    kind: str,
    fields: dict[str, Any],
    *,
    signer: str = "exchange",
) -> str:
    return record(
        step,
        kind,
        {"transfer": transfer.id, "agreement": agreement.id, "agreement_digest": agreement.digest, **fields},
        signer=signer,
        agreement=agreement.ledger_id,
        subjects=[agreement.provider_id, agreement.consumer_id, transfer.id],
    )
