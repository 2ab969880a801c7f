"""What `exchange doctor` looks at: each finding with its mend."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from exchange.audit.service import count_statements
from exchange.config import Settings
from exchange.database import Database, alembic_config, sqlite_module
from exchange.errors import ExchangeError
from exchange.keystore import LOG, KeyStore
from exchange.objects import make_object_store
from exchange.settlement.book import check_book
from exchange.setup import open_log
from ledger.errors import LedgerError

_LEAST_FREE = 1024**3


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str
    mend: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield a finding for everything that an exchange needs, in the order in which it is needed."""
    yield _finding("settings", lambda: f"home {settings.home}")
    yield _finding("sqlite", lambda: f"{sqlite_module().sqlite_version}, free of the WAL-reset bug")
    yield _finding(
        "key store", lambda: f"{settings.key_store}, opens" if KeyStore.open(settings.key_store).secret(LOG) else ""
    )
    yield _finding("disk", lambda: _free(settings.home))
    yield _finding("object store", lambda: _objects(settings))
    yield _finding("schema", lambda: _schema(settings))
    yield _finding("ledger", lambda: _ledger(settings))
    yield _finding("book", lambda: _book(settings))


def _finding(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, look())
    except ExchangeError as error:
        return Finding(name, False, error.reason[0], error.mend[0])
    except (LedgerError, SQLAlchemyError, OSError) as error:
        return Finding(
            name, False, f"{type(error).__name__}: {str(error).splitlines()[0][:200]}", "Mend it and look again."
        )


def _free(home: Path) -> str:
    place = home if home.exists() else home.parent
    free = shutil.disk_usage(place).free
    if free < _LEAST_FREE:
        raise ExchangeError(f"Only {free // 2**20} MiB are free at {place}.", "Free at least 1 GiB.")
    return f"{free // 2**30} GiB free"


def _objects(settings: Settings) -> str:
    store = make_object_store(settings)
    handle, name = tempfile.mkstemp(dir=settings.spool if settings.spool.is_dir() else None)
    with os.fdopen(handle, "wb") as file:
        file.write(b"doctor " + os.urandom(16))
    try:
        digest = store.put(Path(name))
        store.delete(digest)
    finally:
        Path(name).unlink()
    return f"{settings.object_store}, writes and deletes"


def _schema(settings: Settings) -> str:
    from alembic.script import ScriptDirectory

    database = Database(settings.database_url)
    try:
        found, newest = database.revision(), ScriptDirectory.from_config(alembic_config()).get_current_head()
    finally:
        database.dispose()
    if found != newest:
        raise ExchangeError(f"The schema is at {found}, the program at {newest}.", "Run `exchange init`.")
    return f"revision {found}"


def _ledger(settings: Settings) -> str:
    database = Database(settings.database_url)
    try:
        log = open_log(settings, KeyStore.open(settings.key_store), database)
        with database.reading() as session:
            size, found = log.size(), count_statements(session)
        # The log's first entry is its own and stands in no index.
        if found < size - 1:
            raise ExchangeError(
                f"{size - 1 - found} of {size} entries cannot be found by what they are about.",
                "Restore the database from a backup: rows of statement_index are missing.",
            )
        return f"{size} entries, all in the index; last checkpoint fits the tree"
    finally:
        database.dispose()


def _book(settings: Settings) -> str:
    database = Database(settings.database_url)
    try:
        with database.reading() as session:
            faults = check_book(session)
    finally:
        database.dispose()
    if faults:
        raise ExchangeError("; ".join(faults), "Compare the journal with the ledger's statements.")
    return "every journal sums to zero"
