"""The log in a relational database: SQLite or PostgreSQL.

A statement is written in the caller's own transaction. On SQLite, which has one writer at a time, it
is sequenced there and then. On PostgreSQL it is left as pending, so that writers do not queue for the
head row; whoever asks for a receipt sequences all pending statements, and if that process dies the
database drops its lock and the next one does it. The index always comes from the head row.

`metadata` holds the tables for migrations; `SqlStorage` is the storage; `forget_readonly` is for engines on SQLite.
"""

from ledger.storage.sql.schema import metadata
from ledger.storage.sql.sqlite import forget_readonly
from ledger.storage.sql.storage import SqlStorage

__all__ = ["SqlStorage", "forget_readonly", "metadata"]
