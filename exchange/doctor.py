"""What `exchange doctor` looks at: each finding with the command or the setting that mends it. It makes nothing."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from exchange import faults
from exchange.audit.anchoring import service as anchoring
from exchange.audit.attestations import service as attestations
from exchange.audit.service import count_statements
from exchange.config import Settings
from exchange.database import Database, sqlite_module
from exchange.errors import ExchangeError
from exchange.home import database_file, exposed
from exchange.keystore import LOG, KeyStore
from exchange.objects import make_object_store
from exchange.settlement.book import check_book
from exchange.setup import check_schema, open_log
from ledger.errors import LedgerError, VerificationError
from ledger.storage.sql import SqlStorage

_LEAST_FREE = 1024**3


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str
    mend: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield a finding for everything that an exchange needs, in the order in which it is needed.

    Without a home folder nothing else is looked at, since all of it lies there or is made with it.
    """
    yield Finding("settings", True, "known and within their ranges")
    yield _finding("sqlite", lambda: f"{sqlite_module().sqlite_version}, free of the WAL-reset bug")
    if not settings.home.is_dir():
        yield Finding("home", False, f"There is no exchange at {settings.home}.", f"Run `{_init(settings)}`.")
        return
    yield Finding("home", True, str(settings.home))
    yield _finding(
        "key store", lambda: f"{settings.key_store}, opens" if KeyStore.open(settings.key_store).secret(LOG) else ""
    )
    yield _finding("disk", lambda: _free(settings.home))
    yield _finding("object store", lambda: _objects(settings))
    yield _finding("schema", lambda: _schema(settings))
    yield _finding("ledger", lambda: _ledger(settings))
    yield _finding("book", lambda: _book(settings))
    if settings.witness_policy != Path() or settings.timestamp_authority:
        yield _finding("outsiders", lambda: _outsiders(settings))
    if settings.ethereum_rpc:
        yield _finding("anchoring", lambda: anchoring.examine(settings))
    # Last, since looking at the database makes the files beside it.
    yield _finding("privacy", lambda: _private(settings))


def _finding(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, look())
    except ExchangeError as error:
        return Finding(name, False, f"{error.field + ': ' if error.field else ''}{error.reason[0]}", error.mend[0])
    except (SQLAlchemyError, OSError) as error:
        fault = faults.of(error)
        return Finding(name, False, fault.reason, fault.mend)
    except VerificationError as error:
        return Finding(
            name,
            False,
            f"The ledger does not verify: {error}.",
            "Stop serving, keep a copy, restore the newest backup.",
        )
    except LedgerError as error:
        return Finding(name, False, f"{str(error)[:300].rstrip('.').capitalize()}.", "Mend that and look again.")


def _init(settings: Settings) -> str:
    return f"exchange init --home {shlex.quote(str(settings.home))}"


def _private(settings: Settings) -> str:
    open_to_others = exposed(settings)
    if open_to_others:
        raise ExchangeError(
            f"Other users of this machine can look into {', '.join(str(path) for path in open_to_others)}.",
            f"Run `chmod go= {' '.join(shlex.quote(str(path)) for path in open_to_others)}`.",
        )
    return "closed to other users of this machine"


def _free(home: Path) -> str:
    free = shutil.disk_usage(home).free
    if free < _LEAST_FREE:
        raise ExchangeError(
            f"Only {free // 2**20} MiB are free at {home}.", "Free at least 1 GiB, or move home to a larger disk."
        )
    return f"{free // 2**30} GiB free"


def _objects(settings: Settings) -> str:
    if not settings.object_store.startswith("s3://") and not Path(settings.object_store).is_dir():
        raise ExchangeError(
            f"There is no folder {settings.object_store}.", f"Mount it, or run `{_init(settings)}` to make it."
        )
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


@contextmanager
def _database(settings: Settings) -> Iterator[Database]:
    """Yield the database that there is; opening one that is missing would make it."""
    file = database_file(settings)
    if file is not None and not file.exists():
        raise ExchangeError(f"There is no database at {file}.", f"Restore its backup, or run `{_init(settings)}`.")
    database = Database(settings.database_url)
    try:
        yield database
    finally:
        database.dispose()


def _schema(settings: Settings) -> str:
    with _database(settings) as database:
        return f"revision {check_schema(database)}"


def _ledger(settings: Settings) -> str:
    with _database(settings) as database:
        check_schema(database)
        if SqlStorage(database.deferred).view().frontier.size == 0:
            raise ExchangeError("The ledger has no first entry.", f"Run `{_init(settings)}`.")
        log = open_log(settings, KeyStore.open(settings.key_store), database)
        with database.reading() as session:
            size, found = log.size(), count_statements(session)
    # The log's first entry is its own and stands in no index.
    if found < size - 1:
        raise ExchangeError(
            f"{size - 1 - found} of {size} entries cannot be found by what they are about.",
            "Rows of statement_index are missing: restore the newest backup.",
        )
    return f"{size} entries, all in the index; last checkpoint fits the tree"


def _outsiders(settings: Settings) -> str:
    with _database(settings) as database:
        check_schema(database)
        log = open_log(settings, KeyStore.open(settings.key_store), database)
        with database.reading() as session:
            return attestations.examine(session, settings, log.vkey)


def _book(settings: Settings) -> str:
    with _database(settings) as database:
        check_schema(database)
        with database.reading() as session:
            wrong = check_book(session)
    if wrong:
        raise ExchangeError("; ".join(wrong), "Compare the journal with the ledger's statements.")
    return "every journal sums to zero"
