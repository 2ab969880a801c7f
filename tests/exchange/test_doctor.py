"""`exchange doctor`: everything an exchange needs is looked at, and each fault is named with its mend."""

from __future__ import annotations

import re
import sqlite3
import stat
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text

from exchange.application import make_operations
from exchange.config import load
from exchange.doctor import examine
from exchange.errors import SettingsError
from exchange.setup import initialise

LOOKED_AT = ["settings", "sqlite", "home", "key store", "disk", "object store", "schema", "ledger", "book", "privacy"]


def _faults(settings: Any) -> dict[str, str]:
    return {finding.name: f"{finding.detail} {finding.mend}" for finding in examine(settings) if not finding.ok}


def test_a_sound_exchange_has_no_fault_and_is_left_as_it_was(exchange: Any) -> None:
    before = exchange.operations.services.log.size()
    findings = list(examine(exchange.settings))
    assert [finding.name for finding in findings] == LOOKED_AT
    assert all(finding.ok for finding in findings), _faults(exchange.settings)
    assert exchange.operations.services.log.size() == before
    assert list(exchange.operations.services.objects.digests()) == []


def test_where_there_is_no_exchange_the_doctor_names_the_command_and_makes_nothing(tmp_path: Path) -> None:
    settings = load({}, home=tmp_path / "no such" / "home")
    findings = list(examine(settings))
    assert [finding.name for finding in findings if not finding.ok] == ["home"]
    assert findings[-1].mend == f"Run `exchange init --home '{settings.home}'`."
    assert list(tmp_path.iterdir()) == []


def test_an_empty_home_is_looked_at_and_left_empty(tmp_path: Path) -> None:
    settings = load({}, home=tmp_path)
    tmp_path.chmod(0o700)
    faults = _faults(settings)
    assert list(faults) == ["key store", "object store", "schema", "ledger", "book"]
    assert all("exchange init" in told for told in faults.values())
    assert list(tmp_path.iterdir()) == []


def test_what_others_can_read_is_named_with_the_command_that_mends_it(sqlite_exchange: Any) -> None:
    database = Path(sqlite_exchange.settings.database_url.removeprefix("sqlite:///"))
    database.chmod(0o644)
    sqlite_exchange.settings.home.chmod(0o755)
    told = _faults(sqlite_exchange.settings)["privacy"]
    subprocess.run(["/bin/sh", "-c", re.search("`(.*)`", told)[1]], check=True)  # type: ignore[index]
    assert "privacy" not in _faults(sqlite_exchange.settings)
    assert stat.S_IMODE(database.stat().st_mode) == 0o600


def test_an_exchange_made_before_is_closed_by_init(sqlite_exchange: Any) -> None:
    settings = sqlite_exchange.settings
    database = Path(settings.database_url.removeprefix("sqlite:///"))
    for path, mode in ((database, 0o644), (settings.home, 0o755), (Path(settings.object_store), 0o755)):
        path.chmod(mode)
    initialise(settings)
    assert "privacy" not in _faults(settings)


def test_a_schema_of_another_version_is_named(sqlite_exchange: Any) -> None:
    with sqlite_exchange.operations.database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    faults = _faults(sqlite_exchange.settings)
    assert "9999 is not known" in faults["schema"]
    assert "newer" in faults["schema"]
    with pytest.raises(SettingsError, match="9999 is not known"):
        initialise(sqlite_exchange.settings)
    with pytest.raises(SettingsError, match="9999 is not known"):
        make_operations(sqlite_exchange.settings)


def test_a_database_that_does_not_answer_is_named_without_its_password(sqlite_exchange: Any) -> None:
    absent = replace(sqlite_exchange.settings, database_url="postgresql://exchange:hidden@127.0.0.1:9/exchange")
    faults = _faults(absent)
    assert list(faults) == ["schema", "ledger", "book"]
    assert all("cannot be reached" in told and "database_url" in told for told in faults.values())
    assert "hidden" not in str(faults)


def test_a_key_store_that_others_can_read_is_named(sqlite_exchange: Any) -> None:
    (sqlite_exchange.settings.key_store / "keystore.json").chmod(0o644)
    assert "chmod 600" in _faults(sqlite_exchange.settings)["key store"]


def test_a_database_without_schema_sends_to_init(sqlite_exchange: Any, tmp_path: Path) -> None:
    empty = replace(sqlite_exchange.settings, database_url=f"sqlite:///{tmp_path / 'empty.db'}")
    assert "exchange init" in _faults(empty)["schema"]


def test_a_log_of_another_origin_is_named(sqlite_exchange: Any) -> None:
    assert "origin" in _faults(replace(sqlite_exchange.settings, ledger_origin="other.example/log"))["ledger"]


def test_an_old_copy_of_the_database_is_named(sqlite_exchange: Any, tmp_path: Path) -> None:
    source = Path(sqlite_exchange.settings.database_url.removeprefix("sqlite:///"))
    copy = tmp_path / "old.db"
    with sqlite3.connect(source) as before, sqlite3.connect(copy) as kept:
        before.backup(kept)
    before.close()
    kept.close()
    sqlite_exchange.staff("auditor")
    old = replace(sqlite_exchange.settings, database_url=f"sqlite:///{copy}")
    assert "old copy" in _faults(old)["ledger"]


def test_a_store_that_takes_nothing_is_named(sqlite_exchange: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    broken = replace(sqlite_exchange.settings, object_store=str(tmp_path / "file" / "below"))
    assert "object store" in _faults(broken)


def test_a_disk_that_is_nearly_full_is_named(sqlite_exchange: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exchange.doctor.shutil.disk_usage", lambda _place: SimpleNamespace(free=10**6))
    assert "Free" in _faults(sqlite_exchange.settings)["disk"]
