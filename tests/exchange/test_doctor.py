"""`exchange doctor`: everything an exchange needs is looked at, and each fault is named with its mend."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from exchange.doctor import examine

LOOKED_AT = ["settings", "sqlite", "key store", "disk", "object store", "schema", "ledger", "book"]


def _faults(settings: Any) -> dict[str, str]:
    return {finding.name: f"{finding.detail} {finding.mend}" for finding in examine(settings) if not finding.ok}


def test_a_sound_exchange_has_no_fault_and_is_left_as_it_was(exchange: Any) -> None:
    before = exchange.operations.services.log.size()
    findings = list(examine(exchange.settings))
    assert [finding.name for finding in findings] == LOOKED_AT
    assert all(finding.ok for finding in findings), _faults(exchange.settings)
    assert exchange.operations.services.log.size() == before
    assert list(exchange.operations.services.objects.digests()) == []


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
