"""Reading and writing: what is read stays readable, and a reading session keeps nothing that is written in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, select, text
from sqlalchemy.exc import OperationalError

from exchange.audit.models import AgreementCounter
from exchange.database import Database, memo
from exchange.models import metadata


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty database, on SQLite and on PostgreSQL."""
    made = Database(database_url)
    metadata.create_all(made.engine)
    yield made
    made.dispose()


def test_what_a_session_read_stays_readable_after_it(database: Database) -> None:
    with database.writing() as session:
        session.add(AgreementCounter(agreement="a", value=3))
    with database.reading() as session:
        row = session.get_one(AgreementCounter, "a")
    assert row.value == 3


def test_nothing_that_is_written_in_a_reading_session_is_kept(database: Database) -> None:
    try:
        with database.reading() as session:
            session.add(AgreementCounter(agreement="a", value=1))
            session.flush()
    except OperationalError:
        assert database.is_sqlite  # SQLite refuses the attempt itself.
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(AgreementCounter)) == 0


def test_each_statement_of_a_reading_session_sees_what_was_committed_before_it(database: Database) -> None:
    with database.reading_connection() as connection, database.reading_session(connection) as reader:
        assert reader.get(AgreementCounter, "a") is None
        with database.writing() as session:
            session.add(AgreementCounter(agreement="a", value=1))
        assert reader.get(AgreementCounter, "a") is not None


def test_a_connection_that_could_only_be_opened_for_reading_is_not_used_again(tmp_path: Path) -> None:
    """A disk that fails for a moment must not leave one worker refusing every write until it is started again."""
    database = Database(f"sqlite:///{tmp_path / 'exchange.db'}")
    metadata.create_all(database.engine)
    database.engine.dispose()
    opened: list[str] = []

    def connect(dialect: Any, _record: Any, _arguments: Any, options: dict[str, Any]) -> Any:
        opened.append("rw" if opened else "ro")
        name = f"file:{tmp_path / 'exchange.db'}?mode={opened[-1]}"
        return dialect.loaded_dbapi.connect(name, uri=True, **options)

    event.listen(database.engine, "do_connect", connect)

    def write(value: int) -> None:
        with database.writing() as session:
            session.add(AgreementCounter(agreement=str(value), value=value))

    with pytest.raises(OperationalError, match="readonly"):
        write(1)
    for value in (2, 3):
        write(value)
    assert opened == ["ro", "rw"]
    database.dispose()


def test_a_session_that_fails_writes_nothing(database: Database) -> None:
    def fail() -> None:
        with database.writing() as session:
            session.add(AgreementCounter(agreement="a", value=1))
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with database.reading() as session:
        assert session.get(AgreementCounter, "a") is None


def test_what_a_reading_connection_keeps_is_gone_once_anything_is_committed(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'memo.db'}")
    with database.writing() as session:
        session.execute(text("CREATE TABLE thing (name TEXT)"))
    with database.reading_connection() as connection:
        kept = memo(connection)
        assert kept == {}
        kept["name"] = "kept"
        assert memo(connection) == {"name": "kept"}
        with database.writing() as session:
            session.execute(text("INSERT INTO thing VALUES ('new')"))
        assert memo(connection) == {}
    database.dispose()


def test_a_connection_that_may_write_keeps_nothing(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'memo.db'}")
    with database.writing() as session:
        assert memo(session.connection()) is None
    database.dispose()
