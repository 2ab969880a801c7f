"""The home folder: what of the exchange lies on this machine's disk, and that nobody else on it can read that.

Bytes of datasets are sealed wherever they rest, but rows, openings of the ledger and settings are plain in the database and the
settings file; so folders have mode 0700 and files 0600.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from exchange.config import Settings
from exchange.keystore import FILE

_OTHERS = 0o077
_BESIDE = ("", "-wal", "-shm", "-journal")


def database_file(settings: Settings) -> Path | None:
    """Return the file of an SQLite database, or None for a server's."""
    return Path(settings.database_url.removeprefix("sqlite:///")) if settings.is_sqlite else None


def prepare(settings: Settings) -> None:
    """Make the folders and an empty database file, and take from others what they may read of those there are.

    A folder that holds other things, too, keeps its mode, since it is not the exchange's alone. Raises OSError.
    """
    folders, files = _places(settings)
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = database_file(settings)
    if database is not None:
        database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # SQLite gives the files beside it the database's own mode.
        os.close(os.open(database, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    for path in exposed(settings):
        # Whoever owns it must do it then; `exchange doctor` says so.
        with suppress(PermissionError):
            if path in files or _is_ours(path, settings):
                path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_OTHERS)


def exposed(settings: Settings) -> list[Path]:
    """Return the folders and files of the exchange that other users of this machine can look into."""
    folders, files = _places(settings)
    return [path for path in (*folders, *files) if path.exists() and stat.S_IMODE(path.stat().st_mode) & _OTHERS]


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold `folder` against other processes that do the same, so that one after another makes what is missing in it."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # Some network disks lock no folders; the key store is made exclusively even there.
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def kept_private() -> Iterator[None]:
    """Give what is made inside to its owner alone, whatever the shell's umask says."""
    before = os.umask(_OTHERS)
    try:
        yield
    finally:
        os.umask(before)


def _places(settings: Settings) -> tuple[list[Path], list[Path]]:
    folders = [settings.home, settings.key_store, settings.spool]
    if not settings.object_store.startswith("s3://"):
        folders.append(Path(settings.object_store))
    files = [settings.home / "exchange.toml", settings.key_store / "log.mark", settings.key_store / "in-use.lock"]
    for database in (database_file(settings), settings.home / "jobs.db"):
        if database is not None:
            files += [database.with_name(database.name + ending) for ending in _BESIDE]
    return folders, files


def _is_ours(folder: Path, settings: Settings) -> bool:
    """Say whether nothing but the exchange lies in a folder: /tmp or a person's own folder must keep its mode."""
    folders, files = _places(settings)
    if str(folder) == settings.object_store:
        return all(re.fullmatch("[0-9a-f]{2}", path.name) for path in folder.iterdir())
    known = {*folders, *files, settings.key_store / FILE}
    return folder == settings.spool or all(path in known for path in folder.iterdir())
