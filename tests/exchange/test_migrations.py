"""The schema is made by migrations alone, on a database with the durability that the promises rest on."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import CheckConstraint, inspect

from exchange import database as module
from exchange.database import Database, sqlite_module
from exchange.errors import SettingsError
from exchange.models import metadata
from ledger.storage.sql import metadata as ledger

PRAGMAS = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}


def test_the_migrations_make_exactly_the_schema_of_the_models(database_url: str) -> None:
    database = Database(database_url)
    database.migrate()
    options = {
        "compare_type": True,
        "include_name": lambda name, kind, _parents: kind != "table" or name in metadata.tables,
    }
    with database.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    database.dispose()
    assert differences == []


def test_the_checks_of_the_models_and_the_tables_of_the_ledger_are_in_the_schema_too(database_url: str) -> None:
    # Alembic's comparison sees neither.
    database = Database(database_url)
    database.migrate()
    found = inspect(database.engine)
    made = {table: {check["name"] for check in found.get_check_constraints(table)} for table in found.get_table_names()}
    database.dispose()
    assert "ck_transfer_process_state_known" in made["transfer_process"]
    for name, table in metadata.tables.items():
        checks = {str(check.name) for check in table.constraints if isinstance(check, CheckConstraint)}
        assert checks <= made[name], name
    for name, table in ledger.tables.items():
        assert name in made
        checks = {str(check.name) for check in table.constraints if isinstance(check, CheckConstraint) and check.name}
        assert checks <= made[name], name


def test_migrating_again_changes_nothing(database_url: str) -> None:
    database = Database(database_url)
    assert database.revision() is None
    database.migrate()
    first = database.revision()
    database.migrate()
    assert database.revision() == first
    database.dispose()


def test_sqlite_keeps_what_it_acknowledged_and_overwrites_what_it_deletes(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'folder' / 'exchange.db'}")
    with database.engine.connect() as connection:
        found = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in PRAGMAS}
    database.dispose()
    assert found == PRAGMAS


def test_the_sqlite_that_is_used_is_free_of_the_wal_reset_bug() -> None:
    assert sqlite_module().sqlite_version_info >= (3, 51, 3)


def test_an_affected_sqlite_without_a_newer_one_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "sqlite3", SimpleNamespace(sqlite_version_info=(3, 40, 1), sqlite_version="3.40.1"))
    monkeypatch.setitem(sys.modules, "pysqlite3.dbapi2", None)
    with pytest.raises(SettingsError, match="pysqlite3"):
        sqlite_module()


def test_a_sound_standard_sqlite_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = SimpleNamespace(sqlite_version_info=(3, 60, 0), sqlite_version="3.60.0")
    monkeypatch.setattr(module, "sqlite3", sound)
    assert sqlite_module() is sound
