"""First start: key store, schema, genesis of the log, and the first people of the exchange."""

from __future__ import annotations

import base64
from functools import cache

from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import Connection

from exchange import home
from exchange.audit.statements import STATEMENTS
from exchange.config import Settings
from exchange.database import Database, alembic_config
from exchange.errors import SettingsError, UnavailableError
from exchange.keystore import FILE, FORMER_LOG, LOG, SUCCESSIONS, KeyStore
from exchange.participants.keys import statement_key
from ledger.errors import LedgerError, LedgerUnavailableError
from ledger.highwater import FileHighWater
from ledger.log import Log
from ledger.openingkeys import OpeningKeys
from ledger.signatures import SigningKey
from ledger.storage.sql import SqlStorage
from ledger.succession import Succession


def initialise(settings: Settings) -> str:
    """Make the home folder, key store, schema and the log's first entry; return the log's verifier key.

    Safe to repeat, and at once by several: what exists stays, and what others may read of it is taken from them. Raises
    SettingsError where key store and database do not belong together, OSError and SQLAlchemyError where they cannot be made.
    """
    home.prepare(settings)
    with home.alone(settings.key_store):
        fresh = not (settings.key_store / FILE).exists()
        keystore = KeyStore.create(settings.key_store) if fresh else KeyStore.open(settings.key_store)
        database = Database(settings.database_url)
        try:
            _migrate(database)
            log = open_log(settings, keystore, database)
            if log.size() == 0:
                raise UnavailableError(
                    ("The ledger's first entry could not be written.", "无法写入账本的首条记录。"),
                    ("See that nobody else holds the database, then run `exchange init` again.", "请确认数据库未被占用，然后再次运行 `exchange init`。"),
                )  # fmt: skip
            return log.vkey
        finally:
            database.dispose()


def _migrate(database: Database) -> None:
    try:
        database.migrate()
    except CommandError as error:
        raise _newer(database) from error


def check_schema(database: Database) -> str:
    """Return the schema's revision. Raises SettingsError where the database is empty or of another version of the program."""
    found, newest = database.revision(), _newest()
    if found is None:
        raise SettingsError(
            ("The database is empty.", "数据库为空。"),
            ("Run `exchange init` first, with the same settings.", "请先以相同设置运行 `exchange init`。"),
            field="database_url",
        )
    if found != newest:
        raise _newer(database) if found not in _revisions() else SettingsError(
            (f"The schema is at {found}, the program at {newest}.", f"数据库结构版本为 {found}，程序为 {newest}。"),
            ("Run `exchange init`; it brings the schema to the newest revision.", "请运行 `exchange init` 升级数据库结构。"),
            field="database_url",
        )  # fmt: skip
    return found


def _newer(database: Database) -> SettingsError:
    return SettingsError(
        (f"The schema {database.revision()} is not known to this version of the program.", f"本版本程序不认识数据库结构 {database.revision()}。"),
        ("Install the version that made it, or a newer one.", "请安装创建该数据库的版本或更新版本。"),
        field="database_url",
    )  # fmt: skip


@cache
def _revisions() -> tuple[str, ...]:
    """Return all revisions of this program, newest first."""
    return tuple(script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions())


def _newest() -> str:
    return _revisions()[0]


def open_log(settings: Settings, keystore: KeyStore, database: Database) -> Log[Connection]:
    """Return the log, checked against its key and last checkpoint, with its genesis entry written if it was empty.

    Raises SettingsError where the database holds another log, or a log that was altered.
    """
    # Beside the key, not in the database: a database restored from an old backup must not sign another history.
    mark = FileHighWater(settings.key_store / "log.mark")
    key = SigningKey.from_seed(keystore.secret(LOG))
    # Nobody can overwrite PostgreSQL's old row versions and backups, so there openings are sealed under keys beside the log's.
    keys = None if database.is_sqlite else OpeningKeys(settings.key_store / "openings")
    storage = SqlStorage(database.deferred, keys)
    former = [SigningKey.from_seed(keystore.secret(FORMER_LOG))] if keystore.holds(FORMER_LOG) else []
    changes = [Succession.from_bytes(base64.b64decode(item)) for item in keystore.noted(SUCCESSIONS) or []]
    log = Log(
        storage, key, settings.ledger_origin, high_water=mark, schema=STATEMENTS, former=former, successions=changes
    )
    try:
        log.open(statement_key(keystore))
    except LedgerUnavailableError:
        # The database is locked or full just now; every step will say so until it recovers.
        return log
    except LedgerError as error:
        raise SettingsError(
            f"The ledger in the database does not belong to this key store and origin: {error}.",
            "Use the key store and ledger_origin that this database was made with, or restore its backup.",
            field="ledger_origin",
        ) from error
    return log
