"""First start: key store, schema, genesis of the log, and the first people of the exchange."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from exchange.config import Settings
from exchange.database import Database
from exchange.errors import SettingsError
from exchange.keystore import LOG, KeyStore
from exchange.participants.keys import statement_key
from ledger.errors import LedgerError, LedgerUnavailableError
from ledger.highwater import FileHighWater
from ledger.log import Log
from ledger.signatures import SigningKey
from ledger.storage.sql import SqlStorage


def initialise(settings: Settings) -> str:
    """Make the home folder, key store, schema and the log's first entry; return the log's verifier key.

    Safe to repeat: what exists stays. Raises SettingsError where key store and database do not belong together.
    """
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = not (settings.key_store / "keystore.json").exists()
    keystore = KeyStore.create(settings.key_store) if fresh else KeyStore.open(settings.key_store)
    database = Database(settings.database_url)
    try:
        database.migrate()
        return open_log(settings, keystore, database).vkey
    finally:
        database.dispose()


def open_log(settings: Settings, keystore: KeyStore, database: Database) -> Log[Connection]:
    """Return the log, checked against its key and last checkpoint, with its genesis entry written if it was empty.

    Raises SettingsError where the database holds another log, or a log that was altered.
    """
    # Beside the key, not in the database: a database restored from an old backup must not sign another history.
    mark = FileHighWater(settings.key_store / "log.mark")
    key = SigningKey.from_seed(keystore.secret(LOG))
    log = Log(SqlStorage(database.deferred), key, settings.ledger_origin, high_water=mark)
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
