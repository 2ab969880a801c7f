"""A whole exchange in the test's own process, on SQLite and on PostgreSQL, with people to act."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from flask.testing import FlaskClient

from exchange.access import Actor
from exchange.application import make_operations
from exchange.cli import main
from exchange.config import Settings, load
from exchange.operations import Operations
from exchange.participants import passwords, tokens
from exchange.participants.credit_code import check_character
from exchange.setup import initialise
from tests.exchange.founding import APPLICATIONS, Founder

PASSWORD = "correct horse battery"
# Hashing is meant to be slow; the tests hash once.
_HASH = passwords.hash_password(PASSWORD)


def credit_code(number: int) -> str:
    """Return a well-formed unified social credit code; its organisation part is invented."""
    body = f"91320594MA1{number:06d}"[:17]
    return body + check_character(body)


@dataclass
class Exchange:
    """A running exchange: settings, operations and the people made so far."""

    settings: Settings
    operations: Operations
    _made: int = 0
    actors: dict[str, Actor] = field(default_factory=dict)

    @cached_property
    def app(self) -> Flask:
        """The application, made where a test asks for it."""
        return APPLICATIONS.lend(self.settings, self.operations)

    def close(self) -> None:
        """End the exchange; its application serves another one."""
        self.operations.database.dispose()
        if "app" in vars(self):
            APPLICATIONS.take_back(self.app)

    def staff(self, role: str) -> Actor:
        """Return a person of the exchange with `role`."""
        if role not in self.actors:
            made = self.operations.run_as_system(
                "participants.add_staff", name=role, email=f"{role}@exchange.example", password_hash=_HASH, roles=[role]
            )
            self.actors[role] = self.actor(made.result["user"])
        return self.actors[role]

    def actor(self, user: str) -> Actor:
        """Return the actor that a user is."""
        with self.operations.database.reading() as session:
            return tokens.actor_of_user(session, user)

    def firm(self, name: str, *, verified: bool = True, **registration: Any) -> Actor:
        """Register an organisation, verify it unless told otherwise, and return its owner."""
        self._made += 1
        made = self.operations.run(
            Actor(),
            "participants.register",
            name=name,
            credit_code=credit_code(self._made),
            evidence="Extract of the public register, number 1234567890.",
            owner_name=f"Owner of {name}",
            email=f"owner{self._made}@firm.example",
            password_hash=_HASH,
            **registration,
        ).result
        if verified and registration.get("custody") != "self-held":
            self.operations.run(self.staff("operator"), "participants.verify", participant=made["participant"])
        return self.actor(made["user"])

    def person(self, owner: Actor, role: str) -> Actor:
        """Add a person with one role to a firm."""
        self._made += 1
        made = self.operations.run(
            owner, "participants.add_user", name=f"{role} {self._made}", email=f"person{self._made}@firm.example",
            password_hash=_HASH, roles=[role],
        )  # fmt: skip
        return self.actor(made.result["user"])

    def token(self, actor: Actor, scopes: list[str] | None = None) -> str:
        """Return an API token of a person."""
        return str(self.operations.run(actor, "participants.create_token", name="test", scopes=scopes).result["token"])

    def client(self, actor: Actor | None = None) -> FlaskClient:
        """Return an API client that sends the actor's token."""
        client = self.app.test_client()
        if actor is not None:
            client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {self.token(actor)}"
        return client


class Visitor:
    """A browser without JavaScript: opens pages and sends forms with the token of the page that they stand on."""

    def __init__(self, exchange: Exchange, actor: Actor | None = None, language: str = "en") -> None:
        self.client = exchange.client(actor)
        self.client.set_cookie("locale", language)

    def get(self, path: str, status: int = 200) -> str:
        """Open a page, demand its status, and return its HTML."""
        answer = self.client.get(path)
        assert answer.status_code == status, (path, answer.status_code)
        return answer.get_data(as_text=True)

    def send(self, page: str, path: str, status: int = 303, **fields: Any) -> Any:
        """Send a form that stands on `page` to `path`, demand its status, and return the answer."""
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.get(page))
        answer = self.client.post(path, data={"csrf_token": token[1] if token else "", **fields})
        assert answer.status_code == status, (path, answer.status_code, answer.get_data(as_text=True)[-3000:])
        return answer


@pytest.fixture
def visitor() -> type[Visitor]:
    """Opens an exchange's pages as a person: `visitor(exchange, actor)`."""
    return Visitor


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database: each test runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'home' / 'exchange.db'}"
    return str(request.getfixturevalue("postgresql_url"))


@pytest.fixture(scope="session")
def founder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Founder:
    """Makes new exchanges in a fraction of the time of `initialise`."""
    return Founder(tmp_path_factory.mktemp("models"), lambda: request.getfixturevalue("postgresql_databases"))


@pytest.fixture
def make_exchange(tmp_path: Path, founder: Founder) -> Iterator[Callable[..., Exchange]]:
    """A maker of exchanges; each is closed at the end of the test."""
    made: list[Exchange] = []

    def make(**overrides: Any) -> Exchange:
        given = {"home": tmp_path / "home", "jobs": "immediate", "login_attempts_per_minute": 1000, **overrides}
        settings = load({}, **given)
        # Copies have the same keys, so a test's second exchange is one of its own.
        if made or not founder.found(settings):
            initialise(settings)
        made.append(Exchange(settings, make_operations(settings)))
        return made[-1]

    yield make
    for exchange in made:
        exchange.close()


@pytest.fixture
def exchange(make_exchange: Callable[..., Exchange], database_url: str) -> Exchange:
    """An exchange on SQLite, then on PostgreSQL; jobs run at once."""
    return make_exchange(database_url=database_url)


@pytest.fixture
def sqlite_exchange(make_exchange: Callable[..., Exchange]) -> Exchange:
    """An exchange on the embedded default, for what does not touch the database's dialect."""
    return make_exchange()


@pytest.fixture
def sample_csv() -> bytes:
    """A small table with names, phones, prices and telemetry."""
    lines = ["时间,设备编号,操作员姓名,联系电话,供应商,单价,振动"]
    for number in range(200):
        lines.append(
            f"2026-01-{number % 28 + 1:02d} 08:{number % 60:02d}:00,M-{number % 7:03d},张伟,1380000{number:04d},"
            f"华东轴承有限公司,{10 + number * 0.25:.2f},{0.5 + number % 13 * 0.01:.3f}"
        )
    return "\n".join(lines).encode()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a command in an empty folder, as a user who never signed in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def run(*arguments: str, **variables: str) -> Result:
        return CliRunner().invoke(main, list(arguments), env=variables)

    return run
