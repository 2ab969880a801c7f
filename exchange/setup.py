"""First start: key store, schema, genesis of the log, and the first people of the exchange."""

from __future__ import annotations

from ledger.log import Log
from ledger.storage.sql import SqlStorage

from exchange.config import Settings
from exchange.database import Database
from exchange.keystore import LOG, KeyStore
from exchange.participants.keys import statement_key
from ledger.signatures import SigningKey


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


def open_log(settings: Settings, keystore: KeyStore, database: Database) -> Log:
    """Return the log, with its genesis entry written if it was empty."""
    log = Log(SqlStorage(database.engine), SigningKey.from_seed(keystore.secret(LOG)), settings.ledger_origin)
    log.ensure_genesis(statement_key(keystore).public)
    return log
