"""Datasets: made and described by their provider; what is somebody else's looks like what does not exist."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from exchange.access import Actor, Permission
from exchange.catalog import checks
from exchange.catalog.models import Dataset, DatasetVersion, Offer
from exchange.errors import ConflictError, NotFoundError
from exchange.steps import Step, operation
from valuation.classification import categories, guide

UPDATE_FREQUENCIES = ("once", "continuous", "hourly", "daily", "weekly", "monthly", "quarterly", "yearly", "irregular")
CATEGORIES = tuple(category.id for category in categories())
DOMAINS = {domain.id: domain for domain in guide().domains}
_PAGE = 50


def own_dataset(session: Session, actor: Actor, dataset_id: str, *, lock: bool = False) -> Dataset:
    """Return a dataset of the actor's firm. Raises NotFoundError for an unknown or foreign one."""
    query = select(Dataset).where(Dataset.id == dataset_id, Dataset.participant_id == actor.participant)
    found = session.scalar(query.with_for_update(key_share=True) if lock else query) if actor.participant else None
    if found is None:
        raise NotFoundError()
    return found


def own_datasets(session: Session, actor: Actor, *, cursor: str | None = None) -> tuple[list[Dataset], str | None]:
    """Return the firm's datasets, newest first, and where the next page begins."""
    query = (
        select(Dataset).where(Dataset.participant_id == actor.participant).order_by(Dataset.id.desc()).limit(_PAGE + 1)
    )
    if cursor:
        # Identifiers are UUIDv7, so their order is that of creation.
        query = query.where(Dataset.id < cursor)
    rows = list(session.scalars(query))
    return rows[:_PAGE], rows[_PAGE - 1].id if len(rows) > _PAGE else None


def current_version(session: Session, dataset: Dataset) -> DatasetVersion | None:
    """Return the newest version that is ready, or None."""
    return session.get(DatasetVersion, dataset.current_version_id) if dataset.current_version_id else None


def open_offers(session: Session, dataset: Dataset) -> list[Offer]:
    """Return the dataset's open offers, oldest first."""
    query = (
        select(Offer)
        .where(Offer.dataset_id == dataset.id, Offer.state == "open")
        .order_by(Offer.published_at, Offer.id)
    )
    return list(session.scalars(query))


def require_no_open_offer(session: Session, dataset: Dataset) -> None:
    """Raise ConflictError while somebody could rely on what an open offer says."""
    if open_offers(session, dataset):
        raise ConflictError(
            ("This dataset is offered, so this cannot be changed now.", "该数据集正在上架，目前不能更改此项。"),
            ("Withdraw its offers first; running agreements stay as they are.", "请先撤回其要约；已签协议不受影响。"),
            code="dataset-offered",
        )


@operation("catalog.create_dataset", Permission.DATASET_WRITE)
def create_dataset(step: Step, *, title: str, **description: Any) -> dict[str, Any]:
    """Make a draft; `description` takes description, keywords, domain, coverage and update_frequency."""
    dataset = Dataset(
        id=step.new_id(), participant_id=step.actor.participant, title="", state="draft", kind="table", category="",
        created_at=step.now, updated_at=step.now,
    )  # fmt: skip
    _describe(dataset, {"title": title, **description})
    step.session.add(dataset)
    step.session.flush()
    return {"id": dataset.id, "state": dataset.state}


@operation("catalog.describe_dataset", Permission.DATASET_WRITE)
def describe_dataset(step: Step, *, dataset: str, **changes: Any) -> dict[str, Any]:
    """Change title, description, keywords, domain, coverage or update frequency; open offers are found by the new text."""
    from exchange.catalog.listing import index_offer

    row = own_dataset(step.session, step.actor, dataset, lock=True)
    _describe(row, changes)
    row.updated_at = step.now
    for offer in open_offers(step.session, row):
        index_offer(step.session, offer)
    return {"id": row.id, "state": row.state}


def _describe(dataset: Dataset, given: dict[str, Any]) -> None:
    for field, value in given.items():
        if value is None:
            continue
        match field:
            case "title":
                dataset.title = checks.line(field, value, 200, shortest=2)
            case "description":
                dataset.description = checks.text(field, value, 8000)
            case "keywords":
                dataset.keywords = checks.lines(field, value, most=20, longest=50)
            case "domain":
                dataset.domain = checks.choice(field, value, ["", *DOMAINS])
            case "coverage":
                dataset.coverage = checks.line(field, value, 500)
            case "update_frequency":
                dataset.update_frequency = checks.choice(field, value, ["", *UPDATE_FREQUENCIES])
            case _:
                raise TypeError(field)
