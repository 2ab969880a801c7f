"""A log in SQLite or PostgreSQL, through SQLAlchemy Core.

The caller's engine decides on durability (SQLite: WAL and synchronous=FULL) and on its pool; nothing
here depends on how transactions begin, as every own write transaction starts by taking its lock.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine, Row

from ledger.canonical import decode, encode
from ledger.entry import Admitted, Erased, Opening, entry_bytes
from ledger.errors import AdmissionError, LedgerError, LedgerUnavailableError, VerificationError
from ledger.hashing import leaf_hash
from ledger.storage import Record, StoredCheckpoint, View
from ledger.storage.sql import statements as sql
from ledger.storage.sql.schema import checkpoints, head, metadata, openings
from ledger.tree import Frontier, hash_count

_SECURE = "ledger_erases_securely"


@dataclass(frozen=True)
class _Head:
    """The right edge of the log, read under its lock."""

    frontier: Frontier
    last_leaf: bytes | None


class SqlStorage:
    """A log in the database of an engine. Requires SQLite >= 3.35 or PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        if engine.dialect.name not in ("sqlite", "postgresql"):
            raise LedgerError(f"the ledger runs on SQLite and PostgreSQL, not on {engine.dialect.name}")
        self.engine = engine
        self._is_sqlite = engine.dialect.name == "sqlite"
        # Each read is one statement, so on PostgreSQL it needs no transaction around it. An engine whose
        # SQLite transactions begin IMMEDIATE can look at `writes`, to let readers not queue with writers.
        options = {} if self._is_sqlite else {"isolation_level": "AUTOCOMMIT"}
        self._reader = engine.execution_options(writes=False, **options)

    def create(self) -> None:
        """Create the tables and their triggers where they are missing, in a transaction of its own."""
        with _translated():
            metadata.create_all(self.engine)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        with _translated(), self.engine.begin() as connection:
            yield connection

    def found(self, genesis: Admitted) -> None:
        insert = sqlite.insert if self._is_sqlite else postgresql.insert
        row = insert(head).values(id=1, size=0, frontier=b"", last_leaf=None).on_conflict_do_nothing()
        with self.transaction() as connection:
            connection.execute(row)
            before = self._locked_head(connection)
            if before.frontier.size == 0:
                self._register(connection, genesis)
                self._sequence(connection, before, [(genesis.statement_id, genesis.payload, genesis.signature)])

    def append(self, connection: Connection, admitted: Admitted) -> None:
        one = (admitted.statement_id, admitted.payload, admitted.signature)
        with _translated():
            if self._is_sqlite:
                before = self._locked_head(connection)
                self._register(connection, admitted)
                self._sequence(connection, before, [one])
            else:
                self._register(connection, admitted)
                connection.execute(sql.ADD_PENDING, dict(zip(sql.PENDING_COLUMNS, one, strict=True)))

    def integrate(self, deadline: float, statement_id: str | None = None) -> View:
        while not self._is_sqlite:
            with self._bounded(deadline) as connection:
                before = self._locked_head(connection)
                rows = connection.execute(sql.OLDEST_PENDING).all()
                batch = [(row.statement_id, row.payload, row.signature) for row in rows]
                if batch:
                    after = self._sequence(connection, before, batch, [row.arrival for row in rows])
            if len(rows) < sql.BATCH:
                ids = [row.statement_id for row in rows]
                if statement_id not in ids:
                    break
                return View(after, None, True, before.frontier.size + ids.index(statement_id))
        return self.view(statement_id)

    def view(self, statement_id: str | None = None) -> View:
        with self._reading() as connection:
            row = connection.execute(sql.VIEW, {"wanted": statement_id}).one_or_none()
        if row is None:
            return View(Frontier(), None)
        latest = None if row.note is None else StoredCheckpoint(row.checkpoint_size, row.root, row.note)
        return View(Frontier.from_bytes(row.size, row.frontier), latest, row.known is not None, row.entry_index)

    def add_checkpoint(self, new: StoredCheckpoint, deadline: float) -> bool:
        values = {"new_size": new.size, "root": new.root, "note": new.note}
        try:
            with self._bounded(deadline) as connection:
                return connection.execute(sql.ADD_CHECKPOINT, values).rowcount == 1
        except AdmissionError:
            return False

    def hashes(self, positions: Sequence[int]) -> list[bytes]:
        with self._reading() as connection:
            rows = connection.execute(sql.HASHES, {"positions": list(positions)})
            found = {row.position: row.hash for row in rows}
        missing = [position for position in positions if position not in found]
        if missing:
            raise VerificationError([f"the subtree hash at position {missing[0]} is missing"])
        return [found[position] for position in positions]

    def bodies(self, start: int, stop: int) -> Iterator[bytes]:
        while start < stop:
            with self._reading() as connection:
                rows = connection.execute(sql.BODIES, {"start": start, "stop": stop}).all()
            if not rows:
                return
            for row in rows:
                yield row.body
            start = rows[-1].entry_index + 1

    def records(self, start: int, stop: int) -> Iterator[Record]:
        while start < stop:
            with self._reading() as connection:
                rows = connection.execute(sql.RECORDS, {"start": start, "stop": stop}).all()
                wanted = {"wanted": [row.statement_id for row in rows]}
                opened = connection.execute(sql.OPENINGS, wanted).all() if rows else []
                first, last = (
                    (hash_count(rows[0].entry_index), hash_count(rows[-1].entry_index + 1)) if rows else (0, 0)
                )
                nodes = connection.execute(sql.HASH_RANGE, {"start": first, "stop": last}).all()
            if not rows:
                return
            found = {row.position: row.hash for row in nodes}
            fields = _openings(opened)
            for row in rows:
                places = range(hash_count(row.entry_index), hash_count(row.entry_index + 1))
                yield Record(
                    index=row.entry_index,
                    statement_id=row.statement_id,
                    agreement=row.agreement,
                    counter=row.counter,
                    body=row.body,
                    openings=fields.get(row.statement_id, {}),
                    hashes=tuple(found.get(place) for place in places),
                )
            start = rows[-1].entry_index + 1

    def unplaced(self) -> Sequence[str]:
        with self._reading() as connection:
            return list(connection.execute(sql.UNPLACED).scalars())

    def checkpoints(self) -> Iterator[StoredCheckpoint]:
        with self._reading() as connection:
            rows = connection.execute(sa.select(checkpoints).order_by(checkpoints.c.size)).all()
        for row in rows:
            yield StoredCheckpoint(row.size, row.root, row.note)

    def bodies_of_agreement(self, agreement: str) -> Sequence[bytes]:
        with self._reading() as connection:
            return list(connection.execute(sql.OF_AGREEMENT, {"agreement": agreement}).scalars())

    def openings(self, statement_id: str) -> Mapping[str, Opening | Erased]:
        with self._reading() as connection:
            rows = connection.execute(sql.OPENINGS, {"wanted": [statement_id]}).all()
        return _openings(rows).get(statement_id, {})

    def erase(self, connection: Connection, statement_id: str, field: str, by: str | None) -> bool:
        one = (openings.c.statement_id == statement_id) & (openings.c.field == field) & openings.c.salt.is_not(None)
        with _translated():
            self._erase_securely(connection)
            change = sa.update(openings).where(one).values(salt=None, value=None, erased_by=by)
            return connection.execute(change).rowcount == 1

    def _erase_securely(self, connection: Connection) -> None:
        # Without this SQLite leaves old bytes on freed parts of its pages, also where it moves a row.
        if self._is_sqlite and not connection.info.get(_SECURE):
            connection.exec_driver_sql("PRAGMA secure_delete = ON").close()
            connection.info[_SECURE] = True

    def _register(self, connection: Connection, admitted: Admitted) -> None:
        """Write what is known of a statement before it has an index."""
        self._erase_securely(connection)
        identity = {"agreement": admitted.agreement, "counter": admitted.counter}
        connection.execute(sql.ADD_STATEMENT, {"statement_id": admitted.statement_id} | identity)
        rows = [
            {"statement_id": admitted.statement_id, "field": name, "salt": item.salt, "value": encode(item.value)}
            for name, item in admitted.openings.items()
        ]
        connection.execute(sql.ADD_OPENING, rows)

    def _locked_head(self, connection: Connection) -> _Head:
        """Take the log's write lock until the transaction ends, then read the head."""
        if self._is_sqlite:
            # Writing first takes SQLite's lock before anything is read that could go stale.
            connection.execute(sql.TOUCH_HEAD)
        row = connection.execute(sql.HEAD if self._is_sqlite else sql.HEAD_FOR_UPDATE).one_or_none()
        if row is None:
            raise LedgerError("the log has no genesis yet: call Log.open first")
        return _Head(Frontier.from_bytes(row.size, row.frontier), row.last_leaf)

    def _sequence(
        self,
        connection: Connection,
        before: _Head,
        batch: Sequence[tuple[str, bytes, bytes]],
        arrivals: Sequence[int] = (),
    ) -> Frontier:
        """Write statements as the next entries and return the new frontier. Requires the lock."""
        last_leaf, leaves, bodies = before.last_leaf, [], []
        for index, (_, payload, signature) in enumerate(batch, before.frontier.size):
            bodies.append(entry_bytes(index, last_leaf, payload, signature))
            last_leaf = leaf_hash(bodies[-1])
            leaves.append(last_leaf)
        after, created = before.frontier.extend(leaves)
        indexes = range(before.frontier.size, after.size)
        positions = range(hash_count(before.frontier.size), hash_count(after.size))
        ids = [statement_id for statement_id, _, _ in batch]
        edge = {"old_size": before.frontier.size, "frontier": after.to_bytes(), "last_leaf": last_leaf}
        edge["new_size"] = after.size
        if self._is_sqlite:
            rows = zip(indexes, ids, bodies, strict=True)
            connection.execute(sql.ADD_ENTRY, [{"index": i, "statement_id": s, "body": b} for i, s, b in rows])
            nodes = zip(positions, created, strict=True)
            connection.execute(sql.ADD_HASH, [{"position": place, "hash": item} for place, item in nodes])
            moved = connection.execute(sql.MOVE_HEAD, edge)
        else:
            lists = {"indexes": list(indexes), "ids": ids, "bodies": bodies, "arrivals": list(arrivals)}
            lists |= {"positions": list(positions), "hashes": created}
            moved = connection.execute(sql.SEQUENCE, lists | edge)
        if moved.rowcount != 1:
            raise LedgerUnavailableError("another writer has moved the head of the log")
        return after

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with _translated(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def _bounded(self, deadline: float) -> Iterator[Connection]:
        """A write transaction of its own whose waiting for locks ends at the deadline."""
        remaining = max(1, int((deadline - time.monotonic()) * 1000))
        with _translated(), self.engine.connect() as connection:
            if self._is_sqlite:
                # Set on the driver's connection, before SQLAlchemy begins a transaction on it.
                driver: Any = connection.connection.dbapi_connection
                before = driver.execute("PRAGMA busy_timeout").fetchone()[0]
                driver.execute(f"PRAGMA busy_timeout = {remaining}").close()
                try:
                    with connection.begin():
                        yield connection
                finally:
                    driver.execute(f"PRAGMA busy_timeout = {before}").close()
            else:
                connection.execution_options(isolation_level="READ COMMITTED")
                with connection.begin():
                    connection.execute(sql.LIMITS, {"limit": f"{remaining}ms"})
                    yield connection


def _openings(rows: Sequence[Row[*tuple[Any, ...]]]) -> dict[str, dict[str, Opening | Erased]]:
    """Return the openings of rows by statement and field."""
    found: dict[str, dict[str, Opening | Erased]] = {}
    for row in rows:
        fields = found.setdefault(row.statement_id, {})
        if row.salt is None or row.value is None:
            fields[row.field] = Erased(row.erased_by)
        else:
            fields[row.field] = Opening(row.salt, decode(row.value))
    return found


@contextmanager
def _translated() -> Iterator[None]:
    """Let no exception of the database cross the border of this package."""
    try:
        yield
    except exc.IntegrityError as error:
        message = "the statement, or the counter of its agreement, is already recorded"
        raise AdmissionError(message) from error.orig
    except exc.SQLAlchemyError as error:
        # The driver's own error is named: SQLAlchemy's carries the parameters, salts among them.
        original = getattr(error, "orig", None)
        raise LedgerUnavailableError(f"the ledger's database refused: {original or type(error)}") from original
