"""What is particular to PostgreSQL: many writers, so a statement waits as pending until whoever leads sequences it.

The leader holds an advisory lock, which the database drops when its process or its connection dies. It
gives a batch of pending statements their indexes in one transaction, whose index always comes from the
head row under its own lock; so two leaders, if there ever were two, could not fork the log.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy.engine import Connection, Engine

from ledger.entry import Admitted
from ledger.errors import LedgerError, LedgerUnavailableError
from ledger.openingkeys import OpeningKeys
from ledger.storage import Sequenced, StoredCheckpoint
from ledger.storage.sql import statements as sql
from ledger.storage.sql.batch import Batch, Head, place, row_of
from ledger.storage.sql.openings import pack
from ledger.tree import Frontier

COPY_FROM = 32
"""From this many entries on, COPY is faster than one statement that brings all."""


def _spelled(text: str) -> str:
    return sql.spelled(text, sqlite=False)


_APPEND, _SEQUENCE, _SEQUENCE_FEW = map(_spelled, (sql.APPEND, sql.SEQUENCE, sql.SEQUENCE_FEW))
LIMITS, CALL = _spelled(sql.LIMITS), _spelled(sql.CALL)
ADD_CHECKPOINT = _spelled(sql.ADD_CHECKPOINT.format(bytes="bytea"))


class Postgresql:
    """The writing half of a log in PostgreSQL."""

    is_sqlite = False

    def __init__(self, engine: Engine, keys: OpeningKeys | None) -> None:
        self._engine = engine
        self._keys = keys
        # Each read is one statement, so it needs no transaction around it.
        self._reader = engine.execution_options(isolation_level="AUTOCOMMIT")

    def read(self, text: str, parameters: tuple[Any, ...]) -> Sequence[Any]:
        """Return the rows of a statement that only reads."""
        with self._reader.connect() as connection:
            return connection.exec_driver_sql(text, parameters).all()

    def lock_head(self, connection: Connection) -> Head:
        """Take the log's write lock until the transaction ends, then read the head."""
        return _head(connection.exec_driver_sql(sql.LOCK_HEAD_POSTGRESQL).one_or_none())

    def append(self, connection: Connection, batch: Sequence[Admitted]) -> None:
        """Write statements as pending."""
        keys = self._require_keys()
        packed = [pack(item, keys) for item in batch]
        ids, agreements, counters, payloads, signatures = _columns([row_of(item) for item in batch])
        subjects, openings = _columns(packed)
        parameters = (ids, agreements, counters, subjects, openings, payloads, signatures)
        connection.exec_driver_sql(_APPEND, parameters)

    def write(self, batch: Sequence[Admitted], signed: StoredCheckpoint | None) -> None:  # noqa: ARG002
        """Write statements as pending in a transaction of its own; checkpoints are the leader's."""
        with self._engine.begin() as connection:
            self.append(connection, batch)

    def found(self, connection: Connection, genesis: Admitted) -> None:
        """Write entry 0 in an empty log. Requires the lock on the head."""
        self.append(connection, [genesis])
        self.sequence(connection)

    def _require_keys(self) -> OpeningKeys:
        if self._keys is None:
            raise LedgerError("openings in PostgreSQL are sealed: give the storage the keys of the openings")
        return self._keys

    def keep(self, connection: Connection, signed: StoredCheckpoint) -> None:
        """Store nothing: the caller's transaction must not compete with the leader's checkpoints."""

    def add_checkpoint(self, connection: Connection, signed: StoredCheckpoint) -> bool:
        """Store a checkpoint as the successor of the latest, if it is larger."""
        given = (signed.size, signed.root, signed.note)
        return connection.exec_driver_sql(ADD_CHECKPOINT, given).rowcount == 1

    @contextmanager
    def bounded(self, deadline: float, *, durable: bool = True) -> Iterator[Connection]:
        """A write transaction of its own whose waiting for locks ends at the deadline."""
        with self._engine.connect() as connection:
            connection.execution_options(isolation_level="READ COMMITTED")
            with connection.begin():
                connection.exec_driver_sql(LIMITS, limits(deadline, durable=durable))
                yield connection

    def sequence(self, connection: Connection) -> tuple[Sequenced | None, list[bytes]]:
        """Give the oldest pending statements their indexes; return their places and ids, oldest first."""
        return sequence(_cursor(connection))


def sequence(cursor: Any) -> tuple[Sequenced | None, list[bytes]]:
    """Give up to 256 pending statements their indexes in the transaction of a driver's cursor."""
    head = _head(cursor.execute(sql.LOCK_HEAD_POSTGRESQL).fetchone())
    rows = cursor.execute(sql.OLDEST_PENDING, prepare=True).fetchall()
    if not rows:
        return None, []
    placed = place(head, [row[1:] for row in rows])
    _write(cursor, placed, [row[0] for row in rows])
    return placed.sequenced, [row[1] for row in rows]


def _write(cursor: Any, placed: Batch, arrivals: list[int]) -> None:
    indexes, leaves, bodies = _columns(placed.entries)
    ids, agreements, counters, _, _ = _columns(placed.statements)
    positions, hashes = _columns(placed.hashes) if placed.hashes else ([], [])
    rest = (positions, hashes, arrivals, ids, agreements, counters, indexes, *placed.move)
    if len(ids) < COPY_FROM:
        cursor.execute(_SEQUENCE_FEW, (indexes, leaves, bodies, *rest))
    else:
        with cursor.copy(sql.COPY_ENTRIES) as copy:
            copy.set_types(sql.COPY_TYPES)
            for row in placed.entries:
                copy.write_row(row)
        cursor.execute(_SEQUENCE, rest)
    if cursor.fetchone() != (len(ids), 1):
        raise LedgerUnavailableError("another writer has moved the head of the log")


def _columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Return rows by column, as PostgreSQL takes many at once. Requires one at least."""
    return [list(column) for column in zip(*rows, strict=True)]


def _head(row: Any) -> Head:
    if row is None:
        raise LedgerError("the log has no genesis yet: call Log.open first")
    return Head(Frontier.from_bytes(row[0], row[1]), row[2])


def limits(deadline: float, *, durable: bool) -> tuple[str, str, bool]:
    """Return the parameters of LIMITS: how long locks and statements of the transaction may take."""
    remaining = f"{max(1, int((deadline - time.monotonic()) * 1000))}ms"
    return remaining, remaining, durable


def _cursor(connection: Connection) -> Any:
    driver: Any = connection.connection.driver_connection
    return driver.cursor()
