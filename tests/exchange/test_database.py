"""Reading and writing: what is read stays readable, and a reading session keeps nothing that is written in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
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
