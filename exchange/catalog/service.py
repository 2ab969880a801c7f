"""The catalogue's one door for later steps: queries, access to a version's bytes, and (by import) all its operations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy.orm import Session

from exchange.access import Actor
from exchange.catalog.datasets import current_version, own_dataset, own_datasets
from exchange.catalog.disputes import freeze_dataset, unfreeze_dataset
from exchange.catalog.drafts import find_empty, is_empty
from exchange.catalog.listing import Page, find, listed, offers_of, visible_dataset, visible_offer, visible_version
from exchange.catalog.offers import own_offer, own_offers, set_price
from exchange.catalog.preview import preview
from exchange.catalog.rights import check_may_be_offered
from exchange.catalog.sealed import private_folder
from exchange.catalog.stored import read_file
from exchange.catalog.uploads import take
from exchange.catalog.versions import data_key, deliverable, get_version, open_version, own_version

__all__ = [
    "check_may_be_offered",
    "current_version",
    "data_key",
    "deliverable",
    "find_empty",
    "freeze_dataset",
    "get_version",
    "is_empty",
    "listed",
    "offers_of",
    "open_version",
    "own_dataset",
    "own_datasets",
    "own_offer",
    "own_offers",
    "own_version",
    "preview",
    "private_folder",
    "read_file",
    "search",
    "set_price",
    "take",
    "unfreeze_dataset",
    "visible_dataset",
    "visible_offer",
    "visible_version",
]


def search(
    session: Session,
    actor: Actor,
    text: str = "",
    filters: Mapping[str, Iterable[str]] | None = None,
    cursor: str | None = None,
    *,
    count: bool = False,
) -> Page:
    """Return the open offers that the actor may see and that meet `text` and `filters`; see exchange.catalog.listing.find."""
    return find(session, actor, text, filters, cursor, count=count)
