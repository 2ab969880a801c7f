"""A log in SQLite or PostgreSQL, through SQLAlchemy's connections.

The caller's engine decides on durability (SQLite: WAL and synchronous=FULL) and on its pool; nothing
here depends on how transactions begin, as every own write transaction starts by taking its lock.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import exc, inspect
from sqlalchemy.engine import Connection, Engine

from ledger.entry import Admitted, Erased, Opening
from ledger.errors import AdmissionError, LedgerError, LedgerUnavailableError, VerificationError
from ledger.identifiers import known_to_bytes, to_bytes
from ledger.openingkeys import OpeningKeys
from ledger.storage import Record, Sequenced, StoredCheckpoint, View
from ledger.storage.sql import rows as values
from ledger.storage.sql import statements as sql
from ledger.storage.sql.openings import erase, names, unpack
from ledger.storage.sql.postgresql import Postgresql
from ledger.storage.sql.schema import metadata
from ledger.storage.sql.sqlite import Sqlite
from ledger.storage.sql.turn import Turn
from ledger.tree import KEPT_LEVEL, Frontier, Subtree, hash_count, join, kept, position

_DAMAGED = Opening(b"", None)
_FIRST_LOOK, _LONGEST_LOOK = 0.001, 0.02


class SqlStorage:
    """A log in the database of an engine. Requires SQLite >= 3.35 or PostgreSQL.

    With `keys` the openings are sealed under keys that lie outside the database; PostgreSQL, whose old row
    versions and backups nobody can overwrite, takes statements only with them.
    """

    def __init__(self, engine: Engine, keys: OpeningKeys | None = None) -> None:
        if engine.dialect.name not in ("sqlite", "postgresql"):
            raise LedgerError(f"the ledger runs on SQLite and PostgreSQL, not on {engine.dialect.name}")
        self.engine = engine
        self._keys = keys
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._own: Sqlite | Postgresql = (Sqlite if self._is_sqlite else Postgresql)(engine, keys)
        self._driver: Any = engine.dialect.loaded_dbapi
        self._view = self._spelled(sql.VIEW)

    def create(self) -> None:
        """Create the tables and their triggers where they are missing, in a transaction of its own."""
        with self._translated():
            metadata.create_all(self.engine)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        with self._translated(), self.engine.begin() as connection:
            yield connection

    def found(self, genesis: Admitted) -> None:
        with self.transaction() as connection:
            connection.exec_driver_sql(self._spelled(sql.FOUND), (b"",))
            if self._own.lock_head(connection).frontier.size == 0:
                self._own.found(connection, genesis)

    def append(self, connection: Connection, admitted: Admitted) -> None:
        self.append_all(connection, [admitted])

    def append_all(self, connection: Connection, batch: Sequence[Admitted]) -> Sequenced | None:
        with self._translated():
            return self._own.append(connection, batch)

    def write(self, batch: Sequence[Admitted], signed: StoredCheckpoint | None) -> Sequenced | None:
        with self._translated():
            return self._own.write(batch, signed)

    def keep(self, connection: Connection, signed: StoredCheckpoint) -> None:
        with self._translated():
            self._own.keep(connection, signed)

    def integrate(self, deadline: float, statement_id: str | None = None) -> View:
        if isinstance(self._own, Postgresql):
            self._integrate(self._own, deadline, statement_id)
        return self.view(statement_id)

    def view(self, statement_id: str | None = None) -> View:
        rows = self._read(self._view, (values.key_of(statement_id),))
        if not rows:
            return View(Frontier(), None)
        size, frontier, signed, root, note, known, index, leaf = rows[0]
        latest = None if note is None else StoredCheckpoint(signed, root, note)
        return View(Frontier.from_bytes(size, frontier), latest, known is not None, index, leaf)

    def add_checkpoint(self, new: StoredCheckpoint, deadline: float) -> bool:
        try:
            with self._translated(), self._own.bounded(deadline, durable=False) as connection:
                return self._own.add_checkpoint(connection, new)
        except AdmissionError:
            return False

    def hashes(self, subtrees: Sequence[Subtree]) -> list[bytes]:
        parts = {subtree: kept(subtree) for subtree in subtrees}
        found = self._kept({part for group in parts.values() for part in group})
        for part in (part for group in parts.values() for part in group if part not in found):
            raise VerificationError([f"the hash of subtree {part[1]} on level {part[0]} is missing"])
        return [join([found[part] for part in parts[subtree]]) for subtree in subtrees]

    def leaves(self, start: int, stop: int) -> list[bytes]:
        return [row[0] for row in self._read(self._spelled(sql.LEAVES), (start, stop))]

    def bodies(self, start: int, stop: int) -> Iterator[bytes]:
        for rows in self._batches(start, stop):
            yield from (body for _, _, body in rows)

    def records(self, start: int, stop: int, *, openings: bool = True) -> Iterator[Record]:
        for rows in self._batches(start, stop):
            parsed = [values.entry_of(body) for _, _, body in rows]
            ids = [b"" if entry is None else known_to_bytes(entry.statement_id) for entry in parsed]
            counted = [values.counter_of(entry) for entry in parsed]
            places = self._places([identifier for identifier in ids if identifier])
            counters = self._counted([pair for pair in counted if pair is not None])
            opened = {row[0]: row[1:] for row in self._wanted((sql.OPENED, ids))} if openings else {}
            span = hash_count(rows[0][0]), hash_count(rows[-1][0] + 1)
            above = dict(self._read(self._spelled(sql.HASH_RANGE), span))
            for (index, leaf, body), entry, identifier, pair in zip(rows, parsed, ids, counted, strict=True):
                is_filed = places.get(identifier) == index and (pair is None or counters.get(pair) == index)
                hashes = [leaf]
                if (index + 1) % (1 << KEPT_LEVEL) == 0:
                    kept = range(hash_count(index) + KEPT_LEVEL, hash_count(index + 1))
                    hashes += [above.get(place) for place in kept]
                found = self._opened(identifier, *opened.get(identifier, (None, None))) if openings else None
                yield Record(index, body, entry, is_filed, found, hashes)

    def _places(self, ids: list[bytes]) -> dict[bytes, int]:
        """Return where some statements stand, and perhaps others."""
        if not ids:
            return {}
        rows = self._read(self._spelled(sql.PLACES_BETWEEN), (min(ids), max(ids)))
        return dict(rows if len(rows) < sql.MOST_BETWEEN else self._wanted((sql.PLACES, ids)))

    def _counted(self, pairs: list[tuple[bytes, int]]) -> dict[tuple[bytes, int], int]:
        """Return where the statements of some agreements and counters stand, and perhaps others."""
        if not pairs:
            return {}
        rows = self._read(self._spelled(sql.COUNTED_BETWEEN), (min(pairs)[0], max(pairs)[0]))
        if len(rows) < sql.MOST_BETWEEN:
            return {(agreement, counter): index for agreement, counter, index in rows}
        form: str = sql.PAIRS_POSTGRESQL
        given: list[Any] = [list(column) for column in zip(*pairs, strict=True)]
        if self._is_sqlite:
            form = sql.PAIRS_SQLITE.format(rows=",".join(["(?,?)"] * len(pairs)))
            given = [value for pair in pairs for value in pair]
        rows = self._read(sql.COUNTED.format(pairs=form), tuple(given))
        return {(agreement, counter): index for agreement, counter, index in rows}

    def _opened(
        self, identifier: bytes, subject: bytes | None, packed: bytes | None
    ) -> dict[str, Opening | Erased] | None:
        if packed is None:
            return {}
        if subject is not None and self._keys is None:
            return None
        return unpack(packed, subject, values.urn(identifier), self._keys, damaged=_DAMAGED)

    def _batches(self, start: int, stop: int) -> Iterator[Sequence[Any]]:
        """Yield the index, leaf hash and bytes of the entries start..stop that exist, some at a time."""
        while start < stop and (rows := self._read(self._spelled(sql.BODIES), (start, stop))):
            yield rows
            start = rows[-1][0] + 1

    def unplaced(self) -> Sequence[str]:
        found = [values.urn(row[0]) for row in self._read(sql.UNPLACED)]
        is_crowded = self._read(sql.IS_CROWDED)
        for key, index in self._read(sql.CROWDED) if is_crowded and is_crowded[0][0] else ():
            found += [values.urn(key) for body in self.bodies(index, index + 1) if not _is_of(body, key)]
        uncounted = self._read(sql.UNCOUNTED)
        return found + [f"statement {counter} of {values.urn(agreement)}" for agreement, counter in uncounted]

    def faults(self) -> Iterator[str]:
        found = inspect(self.engine)
        for table in metadata.sorted_tables:
            key = [column.name for column in table.primary_key]
            if not found.has_table(table.name):
                yield f"the table {table.name} is missing"
            elif found.get_pk_constraint(table.name)["constrained_columns"] != key:
                yield f"the table {table.name} has lost its primary key, so a place in it may be taken twice"

    def checkpoints(self) -> Iterator[StoredCheckpoint]:
        after = sql.NO_CHECKPOINT
        while rows := self._read(self._spelled(sql.CHECKPOINTS), (after,)):
            for size, root, note in rows:
                yield StoredCheckpoint(size, root, note)
            after = rows[-1][0]

    def bodies_of_agreement(self, agreement: str) -> Sequence[bytes]:
        return [row[0] for row in self._read(self._spelled(sql.OF_AGREEMENT), (values.key_of(agreement),))]

    def openings(self, statement_id: str) -> Mapping[str, Opening | Erased]:
        rows = self._read(self._spelled(sql.OPENINGS), (values.key_of(statement_id),))
        return unpack(rows[0][1], rows[0][0], statement_id, self._keys) if rows else {}

    def erase(self, connection: Connection, statement_id: str, field: str, by: str | None) -> bool:
        identifier = values.key_of(statement_id)
        with self._translated():
            if isinstance(self._own, Sqlite):
                self._own.erase_securely(connection)
            row = connection.exec_driver_sql(self._spelled(sql.OPENINGS), (identifier,)).one_or_none()
            left = None if row is None else erase(row[1], field, by)
            if row is None or left is None:
                return False
            if connection.exec_driver_sql(self._spelled(sql.ERASE), (left, identifier, row[1])).rowcount != 1:
                raise LedgerUnavailableError("another opening of the statement was erased at the same moment")
            connection.exec_driver_sql(self._spelled(sql.NOTE_ERASURE), (identifier, field, row[0]))
            return True

    def scrub(self, deadline: float) -> int:
        waiting = self._read(sql.ERASURES)
        for statement, field, subject in waiting:
            if subject is not None and self._keys is not None:
                row = self._read(self._spelled(sql.OPENINGS), (statement,))
                self._keys.destroy(subject, values.urn(statement), field, names(row[0][1]) if row else [])
        if waiting and isinstance(self._own, Sqlite):
            self._own.scrub(deadline)
        done = [row for row in waiting if row[2] is None or self._keys is not None]
        if done:
            with self._translated(), self._own.bounded(deadline) as connection:
                for statement, field, _ in done:
                    connection.exec_driver_sql(self._spelled(sql.FORGET_ERASURE), (statement, field))
        return len(done)

    def _integrate(self, own: Postgresql, deadline: float, statement_id: str | None) -> None:
        """Sequence what is pending, or wait for the process that leads to do so."""
        identifier = None if statement_id is None else to_bytes(statement_id)
        newest = self._read(sql.NEWEST_PENDING)[0][0] if identifier is None else None
        pause = _FIRST_LOOK
        while True:
            with self._translated(), own.bounded(deadline) as connection:
                leads = connection.exec_driver_sql(sql.LEAD_ONCE).scalar_one()
                ids = own.sequence(connection)[1] if leads else []
            if leads and (identifier in ids or len(ids) < sql.BATCH):
                return
            if not leads:
                if self._is_done(identifier, newest):
                    return
                if time.monotonic() + pause > deadline:
                    raise LedgerUnavailableError("the process that sequences the log did not do so in time")
                self.call()
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_LOOK)

    def _is_done(self, identifier: bytes | None, newest: int | None) -> bool:
        if identifier is not None:
            return self._read(self._view, (identifier,))[0][6] is not None
        return newest is None or not self._read(self._spelled(sql.IS_PENDING), (newest,))[0][0]

    def call(self) -> None:
        """Tell the process that leads, wherever it is, that statements are waiting."""
        if not self._is_sqlite:
            self._read(self._spelled(sql.CALL), (sql.WORK,))

    def turn(self) -> Turn | None:
        """Return this process's place in the queue of those that sequence; None where a step sequences itself.

        Raises LedgerUnavailableError.
        """
        return None if self._is_sqlite else Turn(self.engine)

    def _kept(self, subtrees: set[Subtree]) -> dict[Subtree, bytes]:
        """Return those of these kept hashes that exist."""
        leaves = [index for level, index in subtrees if level == 0]
        above = {position(*subtree): subtree for subtree in subtrees if subtree[0] > 0}
        wanted = [(sql.WANTED_LEAVES, leaves), (sql.WANTED_HASHES, list(above))]
        rows = self._wanted(*((text, keys) for text, keys in wanted if keys))
        return {above[key] if kind else (0, key): value for kind, key, value in rows}

    def _wanted(self, *wanted: tuple[str, list[Any]]) -> Sequence[Any]:
        """Return the rows that are wanted by their keys, of one or several tables at once."""
        if not wanted:
            return []
        text = " UNION ALL ".join(part.format(among=self._among(len(keys))) for part, keys in wanted)
        lists = [keys if self._is_sqlite else [keys] for _, keys in wanted]
        return self._read(text, tuple(key for keys in lists for key in keys))

    def _among(self, count: int) -> str:
        return f"IN ({', '.join('?' * count)})" if self._is_sqlite else "= ANY (%s)"

    def _spelled(self, text: str) -> str:
        return sql.spelled(text, sqlite=self._is_sqlite)

    def _read(self, text: str, parameters: tuple[Any, ...] = ()) -> Sequence[Any]:
        with self._translated():
            return self._own.read(text, parameters)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Let no exception of the database cross the border of this package."""
        try:
            yield
        except (exc.IntegrityError, self._driver.IntegrityError) as error:
            message = "the statement, or the counter of its agreement, is already recorded"
            raise AdmissionError(message) from getattr(error, "orig", error)
        except (exc.SQLAlchemyError, self._driver.Error) as error:
            # The driver's own error is named: SQLAlchemy's carries the parameters, salts among them.
            original = getattr(error, "orig", error if isinstance(error, self._driver.Error) else None)
            raise LedgerUnavailableError(f"the ledger's database refused: {original or type(error)}") from original


def _is_of(body: bytes, identifier: bytes) -> bool:
    entry = values.entry_of(body)
    return entry is not None and to_bytes(entry.statement_id) == identifier
