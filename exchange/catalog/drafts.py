"""Drafts that never got content: found again when an upload is tried again, and removed when nobody wants them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from exchange.access import Actor, Permission
from exchange.audit.service import record, statements_of
from exchange.catalog import uploads
from exchange.catalog.datasets import own_dataset
from exchange.catalog.models import Dataset, DatasetVersion
from exchange.errors import ConflictError
from exchange.steps import Step, operation

# A version in another state is being read or is ready, so its dataset has content.
_WITHOUT_CONTENT = ("receiving", "failed")


def is_empty(dataset: Dataset) -> bool:
    """Say whether this is a draft of which no version was ever ready and none is being read."""
    return dataset.state == "draft" and all(version.state in _WITHOUT_CONTENT for version in dataset.versions)


def find_empty(session: Session, actor: Actor, identifier: str, title: str) -> Dataset | None:
    """Return the firm's empty draft of this id, else its newest one of this title, else None."""
    content = select(DatasetVersion.id).where(
        DatasetVersion.dataset_id == Dataset.id, DatasetVersion.state.not_in(_WITHOUT_CONTENT)
    )
    query = (
        select(Dataset)
        .where(Dataset.participant_id == actor.participant, Dataset.state == "draft", ~content.exists())
        .order_by(Dataset.id.desc())
    )
    named = session.scalar(query.where(Dataset.id == identifier))
    return named or session.scalars(query.where(Dataset.title == title.strip()).limit(1)).first()


@operation("catalog.remove_draft", Permission.DATASET_WRITE)
def remove_draft(step: Step, *, dataset: str) -> dict[str, Any]:
    """Remove a draft without content. Where the ledger speaks of it already, its removal is recorded too.

    Raises ConflictError for a dataset that has, or had, content.
    """
    row = own_dataset(step.session, step.actor, dataset, lock=True)
    uploads.require_not_reading(step, uploads.newest_version(step, row))
    if not is_empty(row):
        raise ConflictError(
            ("Only a draft without content can be removed.", "只能删除没有内容的草稿。"),
            ("Withdraw its offers instead; what is on the ledger stays.", "请改为撤回其要约；账本上的记录会保留。"),
            code="draft-has-content",
        )
    if statements_of(step.session, row.id):
        record(
            step,
            "dataset.removed",
            {"provider": row.participant_id, "dataset": row.id, "title": row.title},
            signer=row.participant_id,
            subjects=[row.id],
        )
    for version in row.versions:
        uploads.remove_sources(step, version.sources)
        step.session.delete(version)
    step.session.flush()
    step.session.expire(row, ["versions"])
    step.session.delete(row)
    step.session.flush()
    return {"id": dataset, "state": "removed"}
