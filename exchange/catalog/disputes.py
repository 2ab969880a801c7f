"""A dispute over rights freezes a dataset: no offer of it is found, nothing new is agreed or paid, and running transfers stop."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from exchange.access import Permission
from exchange.audit.service import record
from exchange.catalog import checks
from exchange.catalog.models import Dataset
from exchange.errors import ConflictError, NotFoundError
from exchange.steps import Step, operation

FROZEN = "frozen"
_LONGEST_REASON = 2000


@operation("catalog.freeze_dataset", Permission.FREEZE_DATASET)
def freeze_dataset(step: Step, *, dataset: str, reason: str) -> dict[str, Any]:
    """Freeze a dataset whose rights are disputed, with a reason that its provider reads (operator).

    Raises NotFoundError, ConflictError where it is frozen already.
    """
    row = _locked(step, dataset)
    if row.state == FROZEN:
        raise ConflictError(
            ("This dataset is frozen already.", "该数据集已被冻结。"),
            ("See its page for the reason.", "原因见数据集页面。"),
            code="frozen-already",
        )
    why = checks.text("reason", reason, _LONGEST_REASON, shortest=2)
    row.frozen_from, row.state, row.freeze_reason = row.state, FROZEN, why
    return _record(step, row, "dataset.frozen", why)


@operation("catalog.unfreeze_dataset", Permission.FREEZE_DATASET)
def unfreeze_dataset(step: Step, *, dataset: str, reason: str) -> dict[str, Any]:
    """End a freeze when the dispute is decided: the dataset is what it was before, without the offers withdrawn meanwhile (operator).

    Raises NotFoundError, ConflictError where it is not frozen.
    """
    row = _locked(step, dataset)
    if row.state != FROZEN:
        raise ConflictError(
            ("This dataset is not frozen.", "该数据集未被冻结。"),
            ("Load its page again.", "请重新载入页面。"),
            code="not-frozen",
        )
    why = checks.text("reason", reason, _LONGEST_REASON, shortest=2)
    row.state, row.frozen_from, row.freeze_reason = row.frozen_from or "withdrawn", None, ""
    return _record(step, row, "dataset.unfrozen", why)


@operation("catalog.list_disputes", Permission.FREEZE_DATASET)
def list_disputes(step: Step) -> dict[str, Any]:
    """Record that somebody of the exchange looked at the disputed datasets of all firms."""
    record(step, "audit.read", {"reader": step.actor.user, "what": "disputes"})
    return {}


def frozen(session: Session) -> list[Dataset]:
    """Return the datasets that are frozen, the latest first; for the operator."""
    query = select(Dataset).where(Dataset.state == FROZEN).order_by(Dataset.freeze_changed_at.desc()).limit(200)
    return list(session.scalars(query))


def leave_listing(dataset: Dataset) -> None:
    """Withdraw a dataset that has no open offer any more; one that is frozen stays so, and is withdrawn afterwards."""
    if dataset.state == FROZEN:
        dataset.frozen_from = "withdrawn"
    else:
        dataset.state = "withdrawn"


def _locked(step: Step, dataset_id: str) -> Dataset:
    row = step.session.scalar(select(Dataset).where(Dataset.id == dataset_id).with_for_update(key_share=True))
    if row is None:
        raise NotFoundError()
    return row


def _record(step: Step, row: Dataset, kind: str, reason: str) -> dict[str, Any]:
    row.freeze_changed_at = row.updated_at = step.now
    fields = {"provider": row.participant_id, "dataset": row.id, "reason": reason}
    statement = record(step, kind, fields, subjects=[row.participant_id, row.id])
    # The provider reads the reason; who of the exchange decided is the exchange's own.
    concerned = [row.participant_id, row.id]
    record(step, "exchange.acted", {"operator": step.actor.user, "statement": statement}, concerns=concerned)
    return {"id": row.id, "state": row.state}
