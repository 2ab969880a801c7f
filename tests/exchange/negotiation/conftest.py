"""A small market: two verified firms, and one offer of a real, sealed version, ready to be negotiated."""

from __future__ import annotations

import hashlib
import io
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.desensitization.plan import ColumnRule, Plan
from contracts.odrl import templates
from contracts.sealing import SealWriter
from exchange.access import Actor
from exchange.catalog.models import Dataset, DatasetVersion, Offer, OfferRecipient, VersionFile
from exchange.catalog.versions import file_context, version_digest
from exchange.identifiers import uuid7
from exchange.negotiation.models import AgreementRecord, Negotiation
from exchange.operations import Outcome
from exchange.participants.keys import tenant_keys
from exchange.participants.models import Participant, User


def _urn() -> str:
    return uuid7(datetime.now(UTC), secrets.token_bytes(16))


@dataclass
class Market:
    """Two firms and what they do with each other."""

    exchange: Any
    provider: Actor
    consumer: Actor
    folder: Path
    booked: int = 0

    def run(self, actor: Actor, name: str, **arguments: Any) -> Outcome:
        return self.exchange.operations.run(actor, name, **arguments)

    def offer(
        self,
        *,
        owner: Actor | None = None,
        template: str = "internal-use",
        parameters: dict[str, Any] | None = None,
        policy: dict[str, Any] | None = None,
        price_fen: int = 120_000,
        grade: int = 1,
        audience: tuple[Actor, ...] = (),
    ) -> str:
        """List a table of three columns and return the id of its open offer."""
        owner = owner or self.provider
        dataset, version, offer = _urn(), _urn(), _urn()
        plan = Plan(columns=(ColumnRule("operator", "suppress", {}, None, "person_name"),), row_filter=())
        now = datetime.now(UTC)
        with self.exchange.operations.database.writing() as session:
            session.add(
                Dataset(
                    id=dataset,
                    participant_id=owner.participant,
                    title="Spindle telemetry",
                    description="One machine.",
                    domain="production",
                    kind="table",
                    state="offered",
                    grade=grade,
                    category="general",
                    current_version_id=version,
                    created_at=now,
                    updated_at=now,
                )
            )
            session.flush()
            key = secrets.token_bytes(32)
            wrapped = self._tenant_keys(session, owner).wrap(key, f"version/{version}")
            file = self._sealed_file(version, key)
            session.add(
                DatasetVersion(
                    id=version,
                    dataset_id=dataset,
                    number=1,
                    kind="table",
                    state="ready",
                    rows=2,
                    bytes=file.plain_size,
                    digest=version_digest([file.plain_digest]),
                    schema=[],
                    findings=[],
                    warnings=[],
                    options={},
                    wrapped_key=wrapped,
                    created_at=now,
                    ready_at=now,
                    published_at=now,
                )
            )
            session.flush()
            session.add(file)
            session.add(
                Offer(
                    id=offer,
                    dataset_id=dataset,
                    participant_id=owner.participant,
                    version_id=version,
                    policy=policy or templates.build(template, **(parameters or {})),
                    template=template,
                    parameters=parameters or {},
                    plan=plan.to_json(),
                    plan_digest=plan.digest(),
                    price={"kind": "one-off" if price_fen else "free", "amount_fen": price_fen, "currency": "CNY"},
                    visibility="authorised" if audience or grade > 1 else "public",
                    state="open",
                    created_at=now,
                    published_at=now,
                    named=[OfferRecipient(participant_id=actor.participant) for actor in audience],
                )
            )
        return offer

    def _tenant_keys(self, session: Any, owner: Actor) -> Any:
        return tenant_keys(self.exchange.operations.services.keystore, session.get_one(Participant, owner.participant))

    def _sealed_file(self, version: str, key: bytes) -> VersionFile:
        plain = io.BytesIO()
        pq.write_table(pa.table({"operator": ["A", "B"], "speed": [1.0, 2.0], "at": [1, 2]}), plain)
        target = self.folder / secrets.token_hex(8)
        with target.open("wb") as sink:
            writer = SealWriter(sink, key, file_context(version, 0))
            writer.write(plain.getvalue())
            writer.close()
        return VersionFile(
            id=_urn(), version_id=version, position=0, name="part-0.parquet", rows=2,
            object_digest=self.exchange.operations.services.objects.put(target),
            plain_digest="sha256:" + hashlib.sha256(plain.getvalue()).hexdigest(),
            plain_size=len(plain.getvalue()), sealed_size=target.stat().st_size,
        )  # fmt: skip

    def request(self, offer: str | None = None, **arguments: Any) -> str:
        """Ask for an offer as the consumer and return the negotiation's id."""
        given = {"purpose": "predictive-maintenance", "intended_use": "Predict failures of our spindles."} | arguments
        return self.run(self.consumer, "negotiation.request", offer=offer or self.offer(), **given).result[
            "negotiation"
        ]

    def agreed(self, **offer: Any) -> tuple[str, str]:
        """Return (negotiation, agreement) after the provider has signed."""
        negotiation = self.request(self.offer(**offer))
        agreed = self.run(self.provider, "negotiation.agree", negotiation=negotiation)
        return negotiation, agreed.result["agreement"]

    def signed(self, **offer: Any) -> str:
        """Return an agreement that both sides have signed."""
        negotiation, agreement = self.agreed(**offer)
        self.run(self.consumer, "negotiation.verify", negotiation=negotiation)
        return agreement

    def top_up(self, actor: Actor, amount_fen: int) -> None:
        """Book a bank transfer of the actor's firm."""
        self.booked += 1
        self.run(
            self.exchange.staff("operator"), "settlement.top_up", participant=actor.participant, amount_fen=amount_fen,
            reference=f"BANK-{self.booked}",
        )  # fmt: skip

    def funded(self, **offer: Any) -> str:
        """Return an agreement in force whose price is held."""
        agreement = self.signed(**offer)
        if offer.get("price_fen", 120_000):
            self.top_up(self.consumer, offer.get("price_fen", 120_000))
        self.run(self.consumer, "settlement.fund", agreement=agreement)
        return agreement

    def negotiation(self, identifier: str) -> Negotiation:
        """Return the row as it is stored now."""
        with self.exchange.operations.database.reading() as session:
            return session.get_one(Negotiation, identifier)

    def agreement(self, identifier: str) -> AgreementRecord:
        """Return the row as it is stored now."""
        with self.exchange.operations.database.reading() as session:
            return session.get_one(AgreementRecord, identifier)

    def remove_bytes(self, agreement: str) -> None:
        """Lose the stored bytes of the version that an agreement is about."""
        with self.exchange.operations.database.reading() as session:
            version = session.get_one(AgreementRecord, agreement).version_id
            for file in session.get_one(DatasetVersion, version).files:
                self.exchange.operations.services.objects.delete(file.object_digest)


class Visitor:
    """A person in a browser: signs in, opens pages, sends forms with their token."""

    def __init__(self, exchange: Any, actor: Actor, locale: str = "en") -> None:
        self.client = exchange.app.test_client()
        self.client.set_cookie("locale", locale)
        with exchange.operations.database.reading() as session:
            email = session.get_one(User, actor.user).email
        answer = self.post("/login", source="/login", email=email, password="correct horse battery")
        assert answer.status_code == 303, answer.text

    def get(self, path: str, status: int = 200) -> str:
        """Open a page and return its HTML."""
        answer = self.client.get(path)
        assert answer.status_code == status, re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))
        return str(answer.text)

    def post(self, path: str, *, source: str = "/accounts", **data: Any) -> Any:
        """Send a form to `path` with the token that the page `source` carries."""
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.client.get(source).text)
        return self.client.post(path, data={"csrf_token": found.group(1) if found else "", **data})


@pytest.fixture
def visit() -> type[Visitor]:
    """Signs a person in to the pages of an exchange."""
    return Visitor


@pytest.fixture
def make_market(tmp_path: Path) -> Any:
    """A maker of markets on a given exchange."""

    def make(exchange: Any) -> Market:
        folder = tmp_path / "plain"
        folder.mkdir(exist_ok=True)
        return Market(exchange, exchange.firm("East China Bearing"), exchange.firm("Delta Institute"), folder)

    return make


@pytest.fixture
def market(exchange: Any, make_market: Any) -> Market:
    """A market on SQLite, then on PostgreSQL."""
    return make_market(exchange)


@pytest.fixture
def sqlite_market(sqlite_exchange: Any, make_market: Any) -> Market:
    """A market on the embedded default, for what does not depend on the database's dialect."""
    return make_market(sqlite_exchange)
