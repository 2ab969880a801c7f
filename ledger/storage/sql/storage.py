"""A log in SQLite or PostgreSQL, through SQLAlchemy Core.

The caller's engine decides on durability (SQLite: WAL and synchronous=FULL) and on its pool; nothing
here depends on how transactions begin, as every own write transaction starts by taking its lock.
"""

import functools
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine

from ledger.entry import Admitted, Entry, Erased, Opening, entry_bytes
from ledger.errors import AdmissionError, LedgerError, LedgerUnavailableError, VerificationError
from ledger.hashing import leaf_hash
from ledger.storage import Record, StoredCheckpoint, View
from ledger.storage.sql import statements as sql
from ledger.storage.sql.rows import Row, columns, entry_of, kept_hashes, key_of, openings_of, urn_of
from ledger.storage.sql.schema import head, metadata, openings
from ledger.tree import KEPT_LEVEL, Frontier, complete_root, hash_count, subtree

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
        self._driver_errors: Any = engine.dialect.loaded_dbapi
        # Each read is one statement, so on PostgreSQL it needs no transaction around it. An engine whose
        # SQLite transactions begin IMMEDIATE can look at `writes`, to let readers not queue with writers.
        options = {} if self._is_sqlite else {"isolation_level": "AUTOCOMMIT"}
        self._reader = engine.execution_options(writes=False, **options)

    def create(self) -> None:
        """Create the tables and their triggers where they are missing, in a transaction of its own."""
        with self._translated():
            metadata.create_all(self.engine)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        with self._translated(), self.engine.begin() as connection:
            yield connection

    def found(self, genesis: Admitted) -> None:
        insert = sqlite.insert if self._is_sqlite else postgresql.insert
        row = insert(head).values(id=1, size=0, frontier=b"", last_leaf=None).on_conflict_do_nothing()
        with self.transaction() as connection:
            connection.execute(row)
            before = self._locked_head(connection)
            if before.frontier.size == 0:
                self._record(connection, [genesis], before if self._is_sqlite else None)
                if not self._is_sqlite:
                    self._sequence_pending(connection, before)

    def append(self, connection: Connection, admitted: Admitted) -> None:
        self.append_all(connection, [admitted])

    def append_all(self, connection: Connection, batch: Sequence[Admitted]) -> None:
        with self._translated():
            if not connection.in_transaction():
                connection.begin()
            self._record(connection, batch, self._locked_head(connection) if self._is_sqlite else None)

    def integrate(self, deadline: float, statement_id: str | None = None) -> View:
        while not self._is_sqlite:
            with self._bounded(deadline) as connection:
                before = self._locked_head(connection)
                after, ids = self._sequence_pending(connection, before)
            if len(ids) < sql.BATCH:
                wanted = key_of(statement_id)
                if wanted not in ids:
                    break
                return View(after, None, True, before.frontier.size + ids.index(wanted))
        return self.view(statement_id)

    def view(self, statement_id: str | None = None) -> View:
        with self._reading() as connection:
            row = self._run(connection, sql.VIEW, {"wanted": key_of(statement_id)}).fetchone()
        if row is None:
            return View(Frontier(), None)
        size, frontier, signed, root, note, known, index = row
        latest = None if note is None else StoredCheckpoint(signed, root, note)
        return View(Frontier.from_bytes(size, frontier), latest, bool(known), index)

    def add_checkpoint(self, new: StoredCheckpoint, deadline: float) -> bool:
        values = {"size": new.size, "root": new.root, "note": new.note}
        try:
            with self._bounded(deadline, durable=False) as connection:
                return bool(self._run(connection, sql.ADD_CHECKPOINT, values).rowcount == 1)
        except AdmissionError:
            return False

    def hashes(self, positions: Sequence[int]) -> list[bytes]:
        places = {place: subtree(place) for place in positions}
        kept = [place for place, (level, _) in places.items() if level >= KEPT_LEVEL]
        below = {
            place: range(i << level, (i + 1) << level) for place, (level, i) in places.items() if level < KEPT_LEVEL
        }
        with self._reading() as connection:
            found = dict(self._wanted(connection, sql.HASHES, kept))
            leaves = dict(
                self._wanted(connection, sql.LEAVES, sorted({leaf for span in below.values() for leaf in span}))
            )
        try:
            found |= {place: complete_root([leaves[leaf] for leaf in span]) for place, span in below.items()}
            return [found[place] for place in positions]
        except KeyError as error:
            raise VerificationError([f"the hash of a leaf or subtree is missing at {error}"]) from error

    def bodies(self, start: int, stop: int) -> Iterator[bytes]:
        for rows in self._batches(start, stop):
            yield from (body for _, _, body in rows)

    def records(self, start: int, stop: int, *, openings: bool = True) -> Iterator[Record]:
        for rows in self._batches(start, stop):
            parsed = [entry_of(body) for _, _, body in rows]
            keys = [b"" if entry is None else key_of(entry.statement_id) for entry in parsed]
            counted = [_counter(entry) for entry in parsed]
            with self._reading() as connection:
                places = dict(self._wanted(connection, sql.PLACES, keys))
                counters = self._counted(connection, [pair for pair in counted if pair is not None])
                opened = openings_of(self._wanted(connection, sql.OPENINGS, keys) if openings else [])
                span = {"start": hash_count(rows[0][0]), "stop": hash_count(rows[-1][0] + 1)}
                nodes = dict(self._run(connection, sql.HASH_RANGE, span).fetchall())
            for (index, leaf, body), entry, key, pair in zip(rows, parsed, keys, counted, strict=True):
                first, after = hash_count(index) + KEPT_LEVEL, hash_count(index + 1)
                is_filed = places.get(key) == index and (pair is None or counters.get(pair) == index)
                hashes = [leaf, *(nodes.get(place) for place in range(first, after))] if first < after else [leaf]
                yield Record(index, body, entry, is_filed, opened.get(key, {}), hashes)

    def unplaced(self) -> Sequence[str]:
        with self._reading() as connection:
            found = [urn_of(key) for (key,) in self._run(connection, sql.UNPLACED).fetchall()]
            uncounted = self._run(connection, sql.UNCOUNTED).fetchall()
            is_crowded = self._run(connection, sql.IS_CROWDED).fetchone()
            crowded = self._run(connection, sql.CROWDED).fetchall() if is_crowded and is_crowded[0] else []
        for key, index in crowded:
            found += [urn_of(key) for body in self.bodies(index, index + 1) if not _is_of(body, statement=urn_of(key))]
        return found + [f"statement {counter} of {urn_of(agreement)}" for agreement, counter in uncounted]

    def checkpoints(self) -> Iterator[StoredCheckpoint]:
        after = -1
        while True:
            with self._reading() as connection:
                rows = self._run(connection, sql.CHECKPOINTS, {"after": after}).fetchall()
            for after, root, note in rows:
                yield StoredCheckpoint(after, root, note)
            if not rows:
                return

    def bodies_of_agreement(self, agreement: str) -> Sequence[bytes]:
        with self._reading() as connection:
            rows = self._run(connection, sql.OF_AGREEMENT, {"agreement": key_of(agreement)}).fetchall()
        return [body for (body,) in rows if _is_of(body, agreement=agreement)]

    def openings(self, statement_id: str) -> Mapping[str, Opening | Erased]:
        key = key_of(statement_id)
        with self._reading() as connection:
            rows = self._wanted(connection, sql.OPENINGS, [key])
        return openings_of(rows).get(key, {})

    def erase(self, connection: Connection, statement_id: str, field: str, by: str | None) -> bool:
        one = (
            (openings.c.statement_id == key_of(statement_id))
            & (openings.c.field == field)
            & openings.c.salt.is_not(None)
        )
        with self._translated():
            self._erase_securely(connection)
            change = sa.update(openings).where(one).values(salt=None, value=None, erased_by=by)
            return connection.execute(change).rowcount == 1

    def _erase_securely(self, connection: Connection) -> None:
        # Without this SQLite leaves old bytes on freed parts of its pages, also where it moves a row.
        if self._is_sqlite and not connection.info.get(_SECURE):
            self._run(connection, "PRAGMA secure_delete = ON").close()
            connection.info[_SECURE] = True

    def _record(self, connection: Connection, batch: Sequence[Admitted], before: "_Head | None") -> None:
        """Write statements with their openings: as the next entries after `before`, else as pending ones."""
        self._erase_securely(connection)
        rows = [
            (
                key_of(one.statement_id),
                None if one.agreement is None else key_of(one.agreement),
                one.counter,
                one.payload,
                one.signature,
            )
            for one in batch
        ]
        opened = [
            (row[0], name, opening.salt, opening.canonical())
            for row, one in zip(rows, batch, strict=True)
            for name, opening in one.openings.items()
        ]
        if before is not None:
            _driver(connection).executemany(sql.ADD_OPENING, opened)
            self._sequence(connection, before, rows)
            return
        owners, fields, salts, values = zip(*opened, strict=True)
        lists = {"opened": list(owners), "fields": list(fields), "salts": list(salts), "values": list(values)}
        self._run(connection, sql.RECORD, lists | columns(rows))

    def _locked_head(self, connection: Connection) -> _Head:
        """Take the log's write lock until the transaction ends, then read the head."""
        row = self._run(connection, sql.LOCK_HEAD if self._is_sqlite else sql.LOCK_HEAD_ROW).fetchone()
        if row is None:
            raise LedgerError("the log has no genesis yet: call Log.open first")
        size, frontier, last_leaf = row
        return _Head(Frontier.from_bytes(size, frontier), last_leaf)

    def _sequence_pending(self, connection: Connection, before: _Head) -> tuple[Frontier, list[bytes]]:
        """Sequence the oldest pending statements, a batch at most; return the new frontier and their keys."""
        rows = self._run(connection, sql.OLDEST_PENDING).fetchall()
        if not rows:
            return before.frontier, []
        arrivals, batch = [row[0] for row in rows], [tuple(row[1:]) for row in rows]
        return self._sequence(connection, before, batch, arrivals), [row[0] for row in batch]

    def _sequence(
        self, connection: Connection, before: _Head, batch: Sequence[Row], arrivals: Sequence[int] = ()
    ) -> Frontier:
        """Write statements as the next entries; return the new frontier. Requires the lock."""
        first, last_leaf = before.frontier.size, before.last_leaf
        leaves, bodies = [], []
        for index, (_, _, _, payload, signature) in enumerate(batch, first):
            bodies.append(entry_bytes(index, last_leaf, payload, signature))
            last_leaf = leaf_hash(bodies[-1])
            leaves.append(last_leaf)
        after, created = before.frontier.extend(leaves)
        kept, indexes = kept_hashes(first, after.size, created), range(first, after.size)
        edge = {"old_size": first, "new_size": after.size, "frontier": after.to_bytes(), "last_leaf": last_leaf}
        if self._is_sqlite:
            driver, numbered = _driver(connection), list(zip(batch, indexes, strict=True))
            driver.executemany(sql.ADD_STATEMENT, [(row[0], index) for row, index in numbered])
            driver.executemany(sql.ADD_AGREEMENT, [(row[1], row[2], index) for row, index in numbered if row[1]])
            driver.executemany(sql.ADD_ENTRY, zip(indexes, leaves, bodies, strict=True))
            driver.executemany(sql.ADD_HASH, kept)
            moved = driver.execute(sql.MOVE_HEAD, edge).rowcount == 1
        else:
            lists = columns(batch) | {"indexes": list(indexes), "leaves": leaves, "bodies": bodies}
            lists |= {"positions": [place for place, _ in kept], "hashes": [item for _, item in kept]}
            row = self._run(connection, sql.SEQUENCE, lists | edge | {"arrivals": list(arrivals)}).fetchone()
            moved = tuple(row) == (len(batch), 1)
        if not moved:
            raise LedgerUnavailableError("another writer has moved the head of the log")
        return after

    def _batches(self, start: int, stop: int) -> Iterator[Sequence[tuple[int, bytes, bytes]]]:
        """Yield the index, leaf hash and bytes of the entries start..stop that exist, some at a time."""
        while start < stop:
            with self._reading() as connection:
                rows = self._run(connection, sql.BODIES, {"start": start, "stop": stop}).fetchall()
            if not rows:
                return
            yield rows
            start = rows[-1][0] + 1

    def _run(self, connection: Connection, statement: str, values: Mapping[str, Any] | None = None) -> Any:
        """Run a statement, on SQLite by its driver, in the transaction that SQLAlchemy has begun, if it has."""
        if self._is_sqlite:
            return _driver(connection).execute(statement, values or {})
        return connection.execute(_text(statement), values)

    def _wanted(self, connection: Connection, template: str, wanted: Sequence[Any]) -> Sequence[Any]:
        """Return the rows that are wanted by their keys."""
        if not wanted:
            return []
        if self._is_sqlite:
            places = ",".join("?" * len(wanted))
            return list(_driver(connection).execute(template.format(wanted=f"IN ({places})"), wanted))
        return connection.execute(_text(template.format(wanted="= ANY (:wanted)")), {"wanted": list(wanted)}).all()

    def _counted(self, connection: Connection, pairs: Sequence[tuple[bytes, int]]) -> dict[tuple[bytes, int], int]:
        """Return where the statements of some agreements and counters stand."""
        if not pairs:
            return {}
        agreements, counters = zip(*pairs, strict=True)
        values: Any = {"agreements": list(agreements), "counters": list(counters)}
        form = sql.PAIRS
        if self._is_sqlite:
            form = sql.PAIRS_OF_SQLITE.format(rows=",".join(["(?,?)"] * len(pairs)))
            values = [value for pair in pairs for value in pair]
        rows = self._run(connection, sql.COUNTED.format(pairs=form), values).fetchall()
        return {(agreement, counter): index for agreement, counter, index in rows}

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._translated(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def _bounded(self, deadline: float, *, durable: bool = True) -> Iterator[Connection]:
        """A write transaction of its own whose waiting for locks ends at the deadline.

        One that is not `durable` does not wait for the disk; the next one that is makes it so too.
        """
        remaining = max(1, int((deadline - time.monotonic()) * 1000))
        with self._translated(), self.engine.connect() as connection:
            if self._is_sqlite:
                # Set on the driver's connection, before SQLAlchemy begins a transaction on it.
                driver: Any = connection.connection.dbapi_connection
                wanted = {"busy_timeout": remaining} | ({} if durable else {"synchronous": 1})
                before = {name: driver.execute(f"PRAGMA {name}").fetchone()[0] for name in wanted}
                _set(driver, wanted)
                try:
                    with connection.begin():
                        yield connection
                finally:
                    _set(driver, before)
            else:
                connection.execution_options(isolation_level="READ COMMITTED")
                with connection.begin():
                    limits = {"limit": f"{remaining}ms", "durable": durable}
                    self._run(connection, sql.LIMITS, limits)
                    yield connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Let no exception of the database cross the border of this package."""
        try:
            yield
        except (exc.IntegrityError, self._driver_errors.IntegrityError) as error:
            message = "the statement, or the counter of its agreement, is already recorded"
            raise AdmissionError(message) from getattr(error, "orig", error)
        except (exc.SQLAlchemyError, self._driver_errors.Error) as error:
            # The driver's own error is named: SQLAlchemy's carries the parameters, salts among them.
            original = error if isinstance(error, self._driver_errors.Error) else getattr(error, "orig", None)
            raise LedgerUnavailableError(f"the ledger's database refused: {original or type(error)}") from original


def _driver(connection: Connection) -> Any:
    """Return a cursor of the driver: SQLAlchemy's way to a statement takes ten times as long as SQLite needs for it."""
    driver: Any = connection.connection.dbapi_connection
    return driver.cursor()


def _set(driver: Any, pragmas: Mapping[str, int]) -> None:
    for name, value in pragmas.items():
        driver.execute(f"PRAGMA {name} = {value}").close()


def _counter(entry: Entry | None) -> tuple[bytes, int] | None:
    """Return agreement and counter of an entry as they are stored, if it has any that a database can hold."""
    if entry is None or entry.agreement is None or entry.counter is None or entry.counter >= 2**63:
        return None
    return key_of(entry.agreement), entry.counter


def _is_of(body: bytes, *, statement: str | None = None, agreement: str | None = None) -> bool:
    entry = entry_of(body)
    return entry is not None and statement in (None, entry.statement_id) and agreement in (None, entry.agreement)


_text = functools.cache(sa.text)
