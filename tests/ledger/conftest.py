"""Fixtures of the ledger's tests: logs on every storage, a real PostgreSQL, statements to record."""

import itertools
import os
import runpy
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from ledger.entry import Draft, Signature, Statement, commit, sign
from ledger.identifiers import new_id
from ledger.log import Log
from ledger.openingkeys import OpeningKeys
from ledger.signatures import SigningKey
from ledger.storage.memory import MemoryStorage
from ledger.storage.sql import SqlStorage

ORIGIN = "exchange.example/log"
VECTORS = Path(os.environ.get("EXCHANGE_VECTORS") or Path(__file__).parents[3] / "shared" / "vectors")


@pytest.fixture(scope="session")
def vectors() -> Callable[[str], Path]:
    """Return a function that gives a folder of test vectors, or skips the test where it is absent."""

    def folder(name: str) -> Path:
        if not (VECTORS / name).is_dir():
            pytest.skip(f"the test vectors {name} are not in {VECTORS}; set EXCHANGE_VECTORS")
        return VECTORS / name

    return folder


WORKER = Path(__file__).with_name("worker.py")


@pytest.fixture(scope="session")
def make_engine() -> Callable[[str], sa.Engine]:
    """Return a function that gives an engine for a URL, configured as in production."""
    return runpy.run_path(str(WORKER))["make_engine"]


@pytest.fixture
def opening_keys(tmp_path: Path) -> OpeningKeys:
    """The keys of openings, which PostgreSQL takes statements only with."""
    return OpeningKeys(tmp_path / "opening-keys")


@pytest.fixture
def make_storage(opening_keys: OpeningKeys) -> Callable[[sa.Engine], SqlStorage]:
    """Return a function that gives the storage of an engine, with sealed openings on PostgreSQL."""
    return lambda engine: SqlStorage(engine, opening_keys if engine.dialect.name == "postgresql" else None)


@pytest.fixture
def start_worker(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Return a function that starts a process which appends to the log of a URL."""

    def start(url: str, count: int, *options: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(WORKER), url, str(tmp_path / "opening-keys"), str(count), *options]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)

    return start


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a fresh SQLite database."""
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def postgresql_url(postgresql_databases: Any) -> Iterator[str]:
    """The URL of a fresh PostgreSQL database, as SQLAlchemy names its driver."""
    url = postgresql_databases.make()
    yield url.replace("postgresql://", "postgresql+psycopg://", 1)
    postgresql_databases.drop(url)


BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a fresh database, once on each dialect."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def engine(database_url: str, make_engine: Callable[[str], sa.Engine]) -> Iterator[sa.Engine]:
    """An engine over a fresh database, once on each dialect."""
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def log_key() -> SigningKey:
    return SigningKey.from_seed(b"L" * 32)


@pytest.fixture
def statement_key() -> SigningKey:
    return SigningKey.from_seed(b"S" * 32)


@pytest.fixture
def open_log(log_key: SigningKey, statement_key: SigningKey) -> Callable[..., Log[Any]]:
    """Return a function that opens the log in a storage, creating its tables first."""

    def make(storage: Any, **options: Any) -> Log[Any]:
        if isinstance(storage, SqlStorage):
            storage.create()
        log = Log(storage, log_key, ORIGIN, **options)
        log.open(statement_key)
        return log

    return make


@pytest.fixture
def sqlite_log(
    sqlite_url: str,
    make_engine: Callable[[str], sa.Engine],
    make_storage: Callable[[sa.Engine], SqlStorage],
    open_log: Callable[..., Log[Any]],
) -> Iterator[Log[sa.Connection]]:
    """An opened log in a fresh SQLite database."""
    engine = make_engine(sqlite_url)
    yield open_log(make_storage(engine))
    engine.dispose()


@pytest.fixture
def postgresql_log(
    postgresql_url: str,
    make_engine: Callable[[str], sa.Engine],
    make_storage: Callable[[sa.Engine], SqlStorage],
    open_log: Callable[..., Log[Any]],
) -> Iterator[Log[sa.Connection]]:
    """An opened log in a fresh PostgreSQL database."""
    engine = make_engine(postgresql_url)
    yield open_log(make_storage(engine))
    engine.dispose()


@pytest.fixture
def sql_log(
    engine: sa.Engine, make_storage: Callable[[sa.Engine], SqlStorage], open_log: Callable[..., Log[Any]]
) -> Log[sa.Connection]:
    """An opened log in a fresh database, once on each dialect."""
    return open_log(make_storage(engine))


@pytest.fixture
def memory_log(open_log: Callable[..., Log[Any]]) -> Log[None]:
    """An opened log in memory."""
    return open_log(MemoryStorage())


@pytest.fixture(params=["memory", *BOTH])
def log(
    request: pytest.FixtureRequest,
    make_engine: Callable[[str], sa.Engine],
    make_storage: Callable[[sa.Engine], SqlStorage],
    open_log: Callable[..., Log[Any]],
) -> Iterator[Log[Any]]:
    """An opened log, once on each storage."""
    if request.param == "memory":
        yield open_log(MemoryStorage())
        return
    engine = make_engine(request.getfixturevalue(f"{request.param}_url"))
    yield open_log(make_storage(engine))
    engine.dispose()


@pytest.fixture(scope="session")
def make_draft() -> Callable[..., Draft]:
    """Return a function that drafts a statement; every argument of Statement can be named."""
    numbers = itertools.count(1)

    def make(**changes: Any) -> Draft:
        values: dict[str, Any] = {
            "kind": "dataset.offered",
            "id": new_id(datetime.now(UTC)),
            "at": "2026-11-20T08:00:00Z",
            "fields": {"dataset": "Lathe 7", "number": next(numbers)},
            "signer": "urn:uuid:0190a000-0000-7000-8000-00000000000a",
            "custody": "custodial",
        }
        return commit(Statement(**(values | changes)), lambda _: secrets.token_bytes(32))

    return make


@pytest.fixture
def record(make_draft: Callable[..., Draft]) -> Callable[..., str]:
    """Return a function that records one statement in a transaction of its own and returns its id."""
    default_key = SigningKey.from_seed(b"P" * 32)

    def write(log: Log[Any], key: SigningKey = default_key, **changes: Any) -> str:
        draft = make_draft(**changes)
        signature: Signature = sign(draft, key)
        with log.storage.transaction() as connection:
            return log.append(connection, draft, signature)

    return write


@pytest.fixture
def erase(record: Callable[..., str]) -> Callable[..., str]:
    """Return a function that erases a field of a statement under a recorded order, and returns the order's id."""

    def destroy(log: Log[Any], statement_id: str, field: str) -> str:
        order = record(log, kind="opening.erased", fields={"statement": statement_id, "erased": [field], "reason": "."})
        with log.storage.transaction() as connection:
            log.erase(connection, statement_id, field, by=order)
        return order

    return destroy
