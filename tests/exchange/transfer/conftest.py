"""Two firms with a real table between them: published, agreed, paid and delivered through the exchange's own operations."""

from __future__ import annotations

import importlib.util
import io
import json
import secrets
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

from exchange.access import Actor
from exchange.application import make_operations
from exchange.audit.models import StatementIndex
from exchange.catalog import uploads
from exchange.config import load
from exchange.negotiation import guards
from exchange.negotiation.models import AgreementRecord, Negotiation
from exchange.operations import Outcome
from exchange.setup import initialise
from exchange.transfer.models import TransferProcess, UsageCounter
from ledger.entry import Opening

# Tests are no package, so the exchange's own shortcuts are taken from the file of its fixtures.
_SPEC = importlib.util.spec_from_file_location("exchange_fixtures", Path(__file__).parent.parent / "conftest.py")
_FIXTURES = importlib.util.module_from_spec(_SPEC)  # type: ignore[arg-type]
sys.modules["exchange_fixtures"] = _FIXTURES
_SPEC.loader.exec_module(_FIXTURES)  # type: ignore[union-attr]

PURPOSE = "predictive-maintenance"
OPERATORS = ("张伟", "王芳", "李娜", "刘强")
_HEADER = "时间,设备编号,操作员姓名,联系电话,供应商,单价,振动"


def table(rows: int = 60) -> bytes:
    """Return a table with names, phones and prices, all invented, as CSV."""
    lines = [_HEADER]
    for number in range(rows):
        lines.append(
            f"2026-01-{number % 28 + 1:02d} 08:{number % 60:02d}:00,M-{number % 7:03d},{OPERATORS[number % 4]},"
            f"1380000{number % 10_000:04d},华东轴承有限公司,{10 + number % 400 * 0.25:.2f},{0.5 + number % 13 * 0.01:.3f}"
        )
    return "\n".join(lines).encode()


@dataclass
class Trade:
    """What two firms do with each other; every step is an operation of the exchange."""

    exchange: Any
    provider: Actor
    consumer: Actor

    def run(self, actor: Actor, name: str, **arguments: Any) -> Outcome:
        return self.exchange.operations.run(actor, name, **arguments)

    def offer(
        self,
        *,
        data: bytes | None = None,
        template: str = "internal-use",
        parameters: dict[str, Any] | None = None,
        price_fen: int = 0,
        name: str = "spindle.csv",
        visibility: str = "public",
        audience: list[str] | None = None,
        draft_columns: list[dict[str, Any]] | None = None,
    ) -> str:
        """Publish a table and return its open offer; `draft_columns` replace rules of its plan."""
        made = self.run(
            self.provider,
            "catalog.create_dataset",
            title="Spindle telemetry",
            description="One cell.",
            domain="production",
        )
        dataset = made.result["id"]
        uploads.take(self.exchange.operations, self.provider, dataset, io.BytesIO(data or table()), name=name)
        self.run(
            self.provider, "catalog.declare_rights", dataset=dataset, holding=True, processing=True, operating=True,
            source="own-production", evidence="Own production line, register entry 42.",
        )  # fmt: skip
        answers = {"safety": 1, "loss": 1, "reach": 1}
        self.run(
            self.provider, "catalog.grade_dataset", dataset=dataset, answers=answers, category="general",
            reason="Every row of this table is invented.",
        )  # fmt: skip
        price = {"kind": "one-off", "amount_fen": price_fen, "currency": "CNY"} if price_fen else {"kind": "free"}
        drafted = self.run(
            self.provider, "catalog.draft_offer", dataset=dataset, template=template, parameters=parameters or {},
            price=price, visibility=visibility, audience=audience, columns=draft_columns,
        )  # fmt: skip
        self.run(self.provider, "catalog.publish_offer", offer=drafted.result["id"])
        return str(drafted.result["id"])

    def signed(
        self, offer: str | None = None, *, purpose: str = PURPOSE, signed_purpose: str | None = None, **terms: Any
    ) -> str:
        """Return an agreement that both sides have signed; `signed_purpose` is what it says where that is not what was asked for."""
        asked = self.run(
            self.consumer, "negotiation.request", offer=offer or self.offer(**terms), purpose=purpose,
            intended_use="Predict failures of our own spindles.",
        )  # fmt: skip
        negotiation = asked.result["negotiation"]
        if signed_purpose is not None:
            with self.changing(Negotiation, negotiation) as row:
                row.purpose = signed_purpose
        self.run(self.provider, "negotiation.agree", negotiation=negotiation)
        return str(self.run(self.consumer, "negotiation.verify", negotiation=negotiation).result["agreement"])

    def agreement(self, offer: str | None = None, **terms: Any) -> str:
        """Return an agreement in force."""
        agreement = self.signed(offer, **terms)
        if price := terms.get("price_fen"):
            self.top_up(price)
        self.run(self.consumer, "settlement.fund", agreement=agreement)
        return agreement

    def top_up(self, amount_fen: int) -> None:
        self.run(
            self.exchange.staff("operator"), "settlement.top_up", participant=self.consumer.participant,
            amount_fen=amount_fen, reference=f"BANK-{secrets.token_hex(6)}",
        )  # fmt: skip

    def request(self, agreement: str) -> dict[str, Any]:
        return self.run(self.consumer, "transfer.request", agreement=agreement).result

    def started(self, agreement: str | None = None, **terms: Any) -> str:
        """Return a transfer whose artefact is ready."""
        transfer = self.request(agreement or self.agreement(**terms))["transfer"]
        assert self.transfer(transfer).state == "STARTED", self.transfer(transfer).reason
        return str(transfer)

    def transfer(self, identifier: str) -> TransferProcess:
        with self.exchange.operations.database.reading() as session:
            return session.get_one(TransferProcess, identifier)

    def agreement_row(self, identifier: str) -> AgreementRecord:
        with self.exchange.operations.database.reading() as session:
            return session.get_one(AgreementRecord, identifier)

    def used(self, agreement: str) -> int:
        with self.exchange.operations.database.reading() as session:
            row = session.get(UsageCounter, (agreement, "use"))
            return row.used if row else 0

    @contextmanager
    def changing(self, model: type, identifier: str) -> Iterator[Any]:
        """Reach into a row, for what only time or a fault could do."""
        with self.exchange.operations.database.writing() as session:
            yield session.get_one(model, identifier)

    def tampered(self, agreement: str, table: str, **values: Any) -> None:
        """Change columns beside a signed document as somebody could who rules the database and takes its triggers away."""
        key = "negotiation_id" if table == "negotiation" else "id"
        identifier = getattr(self.agreement_row(agreement), key)
        engine = self.exchange.operations.database.engine
        with engine.begin() as connection:
            if table == "agreement":
                where = "" if connection.dialect.name == "sqlite" else " ON agreement"
                connection.exec_driver_sql(f"DROP TRIGGER agreement_fixed{where}")
            model = {"agreement": AgreementRecord, "negotiation": Negotiation}[table].__table__
            connection.execute(model.update().where(model.c.id == identifier).values(values))
            if table == "agreement":
                guards.create_guards(connection)

    def client(self, actor: Actor | None = None) -> Any:
        """Return an API client that reads every answer to its end."""
        client = self.exchange.client(actor)
        client.open = partial(client.open, buffered=True)
        return client

    def opened(self, transfer: str) -> zipfile.ZipFile:
        """Return the package as the consumer downloads it."""
        answer = self.client(self.consumer).get(f"/api/v1/transfers/{transfer}/content")
        assert answer.status_code == 200, answer.text
        return zipfile.ZipFile(io.BytesIO(answer.data))

    def delivered_table(self, transfer: str) -> pa.Table:
        """Return the delivered rows."""
        package = self.opened(transfer)
        names = sorted(name for name in package.namelist() if name.startswith("data/"))
        return pa.concat_tables(pq.read_table(io.BytesIO(package.read(name))) for name in names)

    def statements(self, subject: str) -> list[tuple[str, dict[str, Any]]]:
        """Return (kind, opened fields) of the entries about `subject`, in the log's order."""
        log = self.exchange.operations.services.log
        with self.exchange.operations.database.reading() as session:
            found = session.scalars(select(StatementIndex.statement).where(StatementIndex.subject == subject)).all()
        entries = sorted((log.entry(log.index_of(statement)) for statement in found), key=lambda entry: entry.index)
        return [
            (
                entry.kind,
                {
                    name: item.value
                    for name, item in log.openings(entry.statement_id).items()
                    if isinstance(item, Opening)
                },
            )
            for entry in entries
        ]

    def kinds(self, subject: str) -> list[str]:
        return [kind for kind, _ in self.statements(subject)]


def problem(answer: Any, status: int, code: str | None = None) -> dict[str, Any]:
    """Return the problem document of a refusal after checking its status and code."""
    assert answer.status_code == status, f"{answer.status_code}: {answer.text[:500]}"
    document = json.loads(answer.text)
    assert document["status"] == status
    assert document["detail"]
    assert document["mend"] or status == 404
    if code:
        assert document["code"] == code
    return document


@pytest.fixture(scope="session")
def refused() -> Callable[..., dict[str, Any]]:
    """Checks a refusal over the API: status, problem document, code."""
    return problem


@pytest.fixture(scope="module")
def open_exchange(tmp_path_factory: pytest.TempPathFactory, founder: Any) -> Iterator[Callable[..., Any]]:
    """A maker of exchanges that live as long as their module: starting one takes longer than most tests."""
    made = []

    def make(database_url: str = "", home: Path | None = None, **overrides: Any) -> Any:
        home = home or tmp_path_factory.mktemp("home")
        url = {"database_url": database_url} if database_url else {}
        settings = load({}, home=home, jobs="immediate", login_attempts_per_minute=1000, **url, **overrides)
        if made or not founder.found(settings):
            initialise(settings)
        made.append(_FIXTURES.Exchange(settings, make_operations(settings)))
        return made[-1]

    yield make
    for exchange in made:
        exchange.close()


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def shared_exchange(request: pytest.FixtureRequest, open_exchange: Callable[..., Any]) -> Any:
    """One exchange for the module on SQLite, then one on PostgreSQL."""
    if request.param == "sqlite":
        return open_exchange()
    return open_exchange(request.getfixturevalue("postgresql_databases").make())


@pytest.fixture(scope="module")
def shared_embedded(open_exchange: Callable[..., Any]) -> Any:
    """One exchange for the module on the embedded default."""
    return open_exchange()


@pytest.fixture(scope="session")
def make_trade() -> Callable[[Any], Trade]:
    """Two verified firms, new to a given exchange."""

    def make(exchange: Any) -> Trade:
        return Trade(exchange, exchange.firm("East China Bearing"), exchange.firm("Delta Institute"))

    return make


@pytest.fixture
def trade(shared_exchange: Any, make_trade: Callable[[Any], Trade]) -> Trade:
    """Two firms on SQLite, then on PostgreSQL."""
    return make_trade(shared_exchange)


@pytest.fixture
def embedded(shared_embedded: Any, make_trade: Callable[[Any], Trade]) -> Trade:
    """Two firms on the embedded default, for what does not touch the database's dialect."""
    return make_trade(shared_embedded)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Let time pass for whatever decides about access: a later moment replaces now."""

    def shift(by: timedelta) -> None:
        class Later(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:
                return datetime.now(tz) + by

        for module in ("operations", "negotiation.web", "transfer.api", "transfer.service"):
            monkeypatch.setattr(f"exchange.{module}.datetime", Later)

    return shift


@pytest.fixture
def in_small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a part be a few kilobytes, so that small tables travel in several parts."""
    from exchange.transfer import delivery

    monkeypatch.setattr(delivery, "BLOCK", 1024)
    monkeypatch.setattr(delivery, "PART", 4096)
