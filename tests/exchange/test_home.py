"""The home folder: made for its owner alone, closed where it was open, and made once by however many at once."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange import home
from exchange.application import make_operations
from exchange.config import load
from exchange.setup import initialise


@pytest.fixture(autouse=True)
def _generous_umask() -> Iterator[None]:
    """A shell that lets others read what is made."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _open_to_others(folder: Path) -> list[str]:
    return [str(path) for path in (folder, *folder.rglob("*")) if _mode(path) & 0o077]


def test_what_init_makes_is_its_owners_alone_also_beside_the_database(tmp_path: Path) -> None:
    settings = load({}, home=tmp_path / "home")
    initialise(settings)
    operations = make_operations(settings)
    try:
        operations.run_as_system(
            "participants.add_staff", name="A", email="a@exchange.example", password_hash="x", roles=["auditor"]
        )
        assert {"exchange.db", "exchange.db-wal", "exchange.db-shm"} <= {path.name for path in settings.home.iterdir()}
        assert home.exposed(settings) == []
        # The home is closed, so what else lies in it is, too.
        assert _mode(settings.home) == 0o700
    finally:
        operations.database.dispose()


def test_a_database_elsewhere_is_closed_too(tmp_path: Path) -> None:
    settings = load({}, home=tmp_path / "home", database_url=f"sqlite:///{tmp_path / 'rows' / 'exchange.db'}")
    initialise(settings)
    assert (_mode(tmp_path / "rows"), _mode(tmp_path / "rows" / "exchange.db")) == (0o700, 0o600)


def test_a_folder_that_holds_other_things_keeps_its_mode_and_the_files_in_it_are_closed(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    (shared / "somebody's.txt").touch()
    settings = load({}, home=shared)
    initialise(settings)
    assert _mode(shared) == 0o755
    assert home.exposed(settings) == [shared]
    assert _mode(shared / "exchange.db") == 0o600
    assert _mode(shared / "somebody's.txt") == 0o644


def test_what_is_made_inside_is_private_whatever_the_umask_says(tmp_path: Path) -> None:
    with home.kept_private():
        (tmp_path / "inside").touch()
        (tmp_path / "folder").mkdir()
    (tmp_path / "outside").touch()
    modes = [_mode(tmp_path / name) for name in ("inside", "folder", "outside")]
    assert modes == [0o600, 0o700, 0o644]


def test_several_inits_at_once_make_one_key_and_one_ledger(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "exchange.cli", "init", "--home", str(tmp_path / "home")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EXCHANGE_")}
    started = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    ended = [process.communicate(timeout=120) for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], ended
    assert len({printed for printed, _ in ended}) == 1
    assert _open_to_others(tmp_path / "home") == []
    operations = make_operations(load({}, home=tmp_path / "home"))
    assert operations.services.log.size() == 1
    operations.database.dispose()
