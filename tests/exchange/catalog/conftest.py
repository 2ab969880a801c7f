"""A firm with a dataset, and the shortest way from a file to an offer."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select

from exchange.access import Actor
from exchange.catalog import service as catalog
from exchange.catalog import uploads
from exchange.catalog.models import DatasetVersion, Offer, PendingObject, VersionFile, VersionSource

RIGHTS = {
    "holding": True,
    "processing": True,
    "operating": True,
    "source": "own-production",
    "evidence": "Own production line, register entry 42.",
}
# Their tables name people and prices, for which the columns suggest more than the lowest answers.
REASON = "Every row of this table is invented."
ANSWERS = {"safety": 1, "loss": 1, "reach": 1}


@dataclass
class Market:
    """Shortcuts through the catalogue's operations; every one acts as a person of a firm."""

    exchange: Any

    def run(self, actor: Actor, name: str, **arguments: Any) -> dict[str, Any]:
        return self.exchange.operations.run(actor, name, **arguments).result

    def dataset(self, actor: Actor, title: str = "Spindle vibration", **description: Any) -> str:
        described = {"domain": "production", "description": "Telemetry of a machining cell.", **description}
        return str(self.run(actor, "catalog.create_dataset", title=title, **described)["id"])

    def upload(self, actor: Actor, dataset: str, data: bytes, name: str = "data.csv", **more: Any) -> str:
        outcome = uploads.take(self.exchange.operations, actor, dataset, io.BytesIO(data), name=name, **more)
        return str(outcome.result["version"])

    def prepared(self, actor: Actor, data: bytes, *, grade: int = 1, name: str = "data.csv", **described: Any) -> str:
        """Make a dataset that lacks nothing but its offer."""
        dataset = self.dataset(actor, **described)
        self.upload(actor, dataset, data, name)
        self.run(actor, "catalog.declare_rights", dataset=dataset, **RIGHTS)
        answers = {**ANSWERS, "safety": grade}
        self.run(actor, "catalog.grade_dataset", dataset=dataset, answers=answers, category="general", reason=REASON)
        return dataset

    def draft(self, actor: Actor, dataset: str, **terms: Any) -> str:
        chosen = {"template": "internal-use", "price": {"kind": "free"}, "visibility": "public", **terms}
        return str(self.run(actor, "catalog.draft_offer", dataset=dataset, **chosen)["id"])

    def offer(self, actor: Actor, dataset: str, **terms: Any) -> str:
        offer = self.draft(actor, dataset, **terms)
        self.run(actor, "catalog.publish_offer", offer=offer)
        return offer

    def version(self, version: str) -> DatasetVersion:
        with self.exchange.operations.database.reading() as session:
            row = catalog.get_version(session, version)
            _ = row.files, row.sources, row.dataset
            return row

    def row(self, offer: str) -> Offer:
        with self.exchange.operations.database.reading() as session:
            row = session.get_one(Offer, offer)
            _ = row.dataset.versions, row.version
            return row

    def read(self, version: str) -> list[bytes]:
        """Return the plain bytes of a version's files."""
        with self.exchange.operations.database.reading() as session:
            row = catalog.get_version(session, version)
            openers = catalog.open_version(self.exchange.operations.services, session, row)
        contents = []
        for opener in openers:
            with opener() as reader:
                contents.append(reader.read())
        return contents

    def kinds(self, subject: str) -> list[str]:
        """Return the kinds of the statements about `subject`, oldest first."""
        from exchange.audit.models import StatementIndex

        with self.exchange.operations.database.reading() as session:
            rows = session.scalars(
                select(StatementIndex)
                .where(StatementIndex.subject == subject)
                .order_by(StatementIndex.at, StatementIndex.statement)
            )
            return [row.kind for row in rows]

    def leftovers(self) -> dict[str, Any]:
        """Return what lies in spool and object store without a row, and notes of objects."""
        operations = self.exchange.operations
        with operations.database.reading() as session:
            known = set(session.scalars(select(VersionFile.object_digest)))
            known |= set(session.scalars(select(VersionSource.object_digest)))
            notes = [row.digest for row in session.scalars(select(PendingObject)) if row.subject != "removed"]
        stored = set(operations.services.objects.digests())
        return {
            "spool": sorted(path.name for path in self.exchange.settings.spool.iterdir()),
            "objects": sorted(stored - known),
            "missing": sorted(known - stored),
            "notes": notes,
        }


NOTHING = {"spool": [], "objects": [], "missing": [], "notes": []}


@pytest.fixture
def nothing() -> dict[str, Any]:
    """What `Market.leftovers` gives where nothing half-done is left."""
    return NOTHING


@pytest.fixture
def market_of() -> Callable[[Any], Market]:
    return Market


@pytest.fixture
def market(exchange: Any) -> Market:
    """The market on SQLite, then on PostgreSQL."""
    return Market(exchange)


@pytest.fixture
def embedded(sqlite_exchange: Any) -> Market:
    """The market on the embedded default."""
    return Market(sqlite_exchange)


@pytest.fixture
def rights() -> dict[str, Any]:
    return dict(RIGHTS)
