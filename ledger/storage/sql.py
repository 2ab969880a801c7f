"""The log in a relational database: SQLite or PostgreSQL, through SQLAlchemy Core.

A statement is written in the caller's own transaction. On SQLite, which has one writer at a time, it
is sequenced there and then. On PostgreSQL it is left as pending, so that writers do not queue for the
head row; whoever asks for a receipt sequences all pending statements, and if that process dies the
database drops its lock and the next one does it. The index always comes from the head row.

The caller's engine decides on durability (SQLite: WAL and synchronous=FULL) and on its pool; nothing
here depends on how transactions begin, as every own transaction starts with the statement that takes
the lock.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine

from ledger.canonical import decode, encode
from ledger.entry import Admitted, Erased, Opening, entry_bytes
from ledger.errors import AdmissionError, LedgerError, LedgerUnavailableError, VerificationError
from ledger.hashing import HASH_SIZE, leaf_hash
from ledger.storage import StoredCheckpoint, View
from ledger.tree import Frontier, hash_count

BATCH = 256

metadata = sa.MetaData()
_BigInteger = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _hash_column(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, sa.CheckConstraint(f"length({name}) = {HASH_SIZE}"), nullable=False)


statements = sa.Table(
    "ledger_statements",
    metadata,
    sa.Column("statement_id", sa.Text, primary_key=True),
    sa.Column("agreement", sa.Text),
    sa.Column("counter", _BigInteger),
    sa.UniqueConstraint("agreement", "counter", name="ledger_statements_counter"),
    sqlite_with_rowid=False,
)
openings = sa.Table(
    "ledger_openings",
    metadata,
    sa.Column("statement_id", sa.Text, primary_key=True),
    sa.Column("field", sa.Text, primary_key=True),
    sa.Column("salt", sa.LargeBinary),
    sa.Column("value", sa.LargeBinary),
    sa.Column("erased_by", sa.Text),
    sqlite_with_rowid=False,
)
pending = sa.Table(
    "ledger_pending",
    metadata,
    sa.Column("arrival", _BigInteger, primary_key=True, autoincrement=True),
    sa.Column("statement_id", sa.Text, nullable=False, unique=True),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    _hash_column("signature"),
)
entries = sa.Table(
    "ledger_entries",
    metadata,
    sa.Column("index", _BigInteger, primary_key=True, autoincrement=False),
    sa.Column("statement_id", sa.Text, nullable=False, unique=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
hashes = sa.Table(
    "ledger_hashes",
    metadata,
    sa.Column("position", _BigInteger, primary_key=True, autoincrement=False),
    _hash_column("hash"),
)
head = sa.Table(
    "ledger_head",
    metadata,
    sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    sa.Column("size", _BigInteger, nullable=False),
    sa.Column("frontier", sa.LargeBinary, nullable=False),
    sa.Column("last_leaf", sa.LargeBinary),
)
# Two checkpoints cannot name the same predecessor, so inserting one is the compare-and-swap.
checkpoints = sa.Table(
    "ledger_checkpoints",
    metadata,
    sa.Column("size", _BigInteger, primary_key=True, autoincrement=False),
    sa.Column("previous", _BigInteger, nullable=False, unique=True),
    _hash_column("root"),
    sa.Column("note", sa.Text, nullable=False),
    sa.CheckConstraint("previous < size", name="ledger_checkpoints_grow"),
)
_NO_CHECKPOINT = -1

_IMMUTABLE = (statements, entries, hashes, checkpoints)
_SQLITE_REFUSAL = """
CREATE TRIGGER {table}_no_{event} BEFORE {event} ON {table} {condition}
BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"""
_POSTGRESQL_FUNCTION = """
CREATE OR REPLACE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '%% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation'; END $$"""
_POSTGRESQL_REFUSAL = """
CREATE TRIGGER {table}_no_{event} BEFORE {event} ON {table} FOR EACH {level} {condition}
EXECUTE FUNCTION ledger_refuse()"""


def _ddl(text: str, dialect: str) -> Any:
    return sa.DDL(text).execute_if(dialect=dialect)  # type: ignore[no-untyped-call]  # Untyped in SQLAlchemy.


def _refuse(table: sa.Table, event: str, condition: str = "") -> None:
    """Let the database itself refuse an event on a table, whoever asks for it."""
    sa.event.listen(table, "before_create", _ddl(_POSTGRESQL_FUNCTION, "postgresql"))
    level = "STATEMENT" if event == "TRUNCATE" else "ROW"
    for dialect, template in (("sqlite", _SQLITE_REFUSAL), ("postgresql", _POSTGRESQL_REFUSAL)):
        if dialect == "sqlite" and event == "TRUNCATE":
            continue
        when = f"WHEN ({condition})" if condition else ""
        text = template.format(table=table.name, event=event, level=level, condition=when)
        sa.event.listen(table, "after_create", _ddl(text, dialect))


for _table in _IMMUTABLE:
    _refuse(_table, "UPDATE")
for _table in (*_IMMUTABLE, openings):
    _refuse(_table, "DELETE")
    _refuse(_table, "TRUNCATE")
# An opening can be erased and nothing else.
_refuse(openings, "UPDATE", "NEW.salt IS NOT NULL OR NEW.value IS NOT NULL")


class SqlStorage:
    """A log in the database of an engine. Requires SQLite >= 3.35 or PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        if engine.dialect.name not in ("sqlite", "postgresql"):
            raise LedgerError(f"the ledger runs on SQLite and PostgreSQL, not on {engine.dialect.name}")
        self.engine = engine
        # An engine whose SQLite transactions begin IMMEDIATE can look at this option, so that readers
        # do not queue behind writers.
        self._reader = engine.execution_options(writes=False)
        self._is_sqlite = engine.dialect.name == "sqlite"

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
            frontier, last_leaf = self._locked_head(connection)
            if frontier.size == 0:
                self._register(connection, genesis)
                one = (genesis.statement_id, genesis.payload, genesis.signature)
                self._sequence(connection, frontier, last_leaf, [one])

    def append(self, connection: Connection, admitted: Admitted) -> None:
        with _translated():
            if not self._is_sqlite:
                self._register(connection, admitted)
                values = {"payload": admitted.payload, "signature": admitted.signature}
                connection.execute(sa.insert(pending), {"statement_id": admitted.statement_id} | values)
                return
            frontier, last_leaf = self._locked_head(connection)
            self._register(connection, admitted)
            one = (admitted.statement_id, admitted.payload, admitted.signature)
            self._sequence(connection, frontier, last_leaf, [one])

    def integrate(self, deadline: float) -> None:
        if self._is_sqlite:
            return
        oldest = sa.select(pending).order_by(pending.c.arrival).limit(BATCH)
        full = True
        while full:
            with self._bounded(deadline) as connection:
                frontier, last_leaf = self._locked_head(connection)
                rows = connection.execute(oldest).all()
                if rows:
                    batch = [(row.statement_id, row.payload, row.signature) for row in rows]
                    self._sequence(connection, frontier, last_leaf, batch)
                    done = pending.c.arrival.in_([row.arrival for row in rows])
                    connection.execute(sa.delete(pending).where(done))
                full = len(rows) == BATCH

    def view(self, statement_id: str | None = None) -> View:
        with self._reading() as connection:
            row = connection.execute(_VIEW, {"wanted": statement_id}).one_or_none()
        if row is None:
            return View(Frontier(), None)
        latest = None if row.note is None else StoredCheckpoint(row.checkpoint_size, row.root, row.note)
        frontier = Frontier.from_bytes(row.size, row.frontier)
        return View(frontier, latest, row.known is not None, row.entry_index)

    def swap_checkpoint(self, previous: int | None, new: StoredCheckpoint, deadline: float) -> bool:
        values = {"size": new.size, "root": new.root, "note": new.note}
        values["previous"] = _NO_CHECKPOINT if previous is None else previous
        try:
            with self._bounded(deadline) as connection:
                connection.execute(sa.insert(checkpoints), values)
        except AdmissionError:
            return False
        return True

    def hashes(self, positions: Sequence[int]) -> list[bytes]:
        wanted = sa.select(hashes).where(hashes.c.position.in_(list(positions)))
        with self._reading() as connection:
            found = {row.position: row.hash for row in connection.execute(wanted)}
        missing = [position for position in positions if position not in found]
        if missing:
            raise VerificationError([f"the subtree hash at position {missing[0]} is missing"])
        return [found[position] for position in positions]

    def bodies(self, start: int, stop: int) -> Iterator[bytes]:
        column = entries.c["index"]
        while start < stop:
            chunk = sa.select(column, entries.c.body).where(column >= start, column < stop)
            with self._reading() as connection:
                rows = connection.execute(chunk.order_by(column).limit(BATCH)).all()
            if not rows:
                return
            for row in rows:
                yield row.body
            start = rows[-1][0] + 1

    def checkpoints(self) -> Iterator[StoredCheckpoint]:
        with self._reading() as connection:
            rows = connection.execute(sa.select(checkpoints).order_by(checkpoints.c.size)).all()
        for row in rows:
            yield StoredCheckpoint(row.size, row.root, row.note)

    def indexes_of_agreement(self, agreement: str) -> list[int]:
        column = entries.c["index"]
        joined = entries.join(statements, statements.c.statement_id == entries.c.statement_id)
        wanted = sa.select(column).select_from(joined).where(statements.c.agreement == agreement)
        with self._reading() as connection:
            return list(connection.execute(wanted.order_by(column)).scalars())

    def openings(self, statement_id: str) -> Mapping[str, Opening | Erased]:
        wanted = sa.select(openings).where(openings.c.statement_id == statement_id).order_by(openings.c.field)
        with self._reading() as connection:
            rows = connection.execute(wanted).all()
        return {
            row.field: Erased(row.erased_by) if row.salt is None else Opening(row.salt, decode(row.value))
            for row in rows
        }

    def erase(self, connection: Connection, statement_id: str, field: str, by: str | None) -> bool:
        one = (openings.c.statement_id == statement_id) & (openings.c.field == field)
        with _translated():
            if self._is_sqlite:
                # Without this, SQLite leaves the old bytes on freed parts of its pages.
                connection.exec_driver_sql("PRAGMA secure_delete = ON").close()
            change = sa.update(openings).where(one).values(salt=None, value=None, erased_by=by)
            return connection.execute(change).rowcount == 1

    def _register(self, connection: Connection, admitted: Admitted) -> None:
        identity = {"agreement": admitted.agreement, "counter": admitted.counter}
        connection.execute(sa.insert(statements), {"statement_id": admitted.statement_id} | identity)
        rows = [
            {"statement_id": admitted.statement_id, "field": name, "salt": item.salt, "value": encode(item.value)}
            for name, item in admitted.openings.items()
        ]
        connection.execute(sa.insert(openings), rows)

    def _locked_head(self, connection: Connection) -> tuple[Frontier, bytes | None]:
        """Take the log's write lock until the transaction ends; return the frontier and the last leaf."""
        columns = (head.c.size, head.c.frontier, head.c.last_leaf)
        if self._is_sqlite:
            # Writing first takes SQLite's lock before anything is read that could go stale.
            lock: sa.Executable = sa.update(head).values(size=head.c.size).returning(*columns)
        else:
            lock = sa.select(*columns).with_for_update()
        row = connection.execute(lock).one_or_none()
        if row is None:
            raise LedgerError("the log has no genesis yet: call Log.open first")
        return Frontier.from_bytes(row.size, row.frontier), row.last_leaf

    def _sequence(
        self,
        connection: Connection,
        frontier: Frontier,
        last_leaf: bytes | None,
        batch: Sequence[tuple[str, bytes, bytes]],
    ) -> None:
        """Write statements as the next entries. Requires the lock of `_locked_head`."""
        rows, leaves = [], []
        for index, (statement_id, payload, signature) in enumerate(batch, frontier.size):
            body = entry_bytes(index, last_leaf, payload, signature)
            last_leaf = leaf_hash(body)
            leaves.append(last_leaf)
            rows.append({"index": index, "statement_id": statement_id, "body": body})
        grown, created = frontier.extend(leaves)
        first = hash_count(frontier.size)
        connection.execute(sa.insert(entries), rows)
        nodes = [{"position": first + offset, "hash": item} for offset, item in enumerate(created)]
        connection.execute(sa.insert(hashes), nodes)
        values = {"size": grown.size, "frontier": grown.to_bytes(), "last_leaf": last_leaf}
        changed = connection.execute(sa.update(head).where(head.c.size == frontier.size), values)
        if changed.rowcount != 1:
            raise LedgerUnavailableError("another writer has moved the head of the log")

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
                    connection.execute(_LIMITS, {"limit": f"{remaining}ms"})
                    yield connection


_LIMITS = sa.text("SELECT set_config('lock_timeout', :limit, true), set_config('statement_timeout', :limit, true)")


def _view() -> sa.Select[Any]:
    wanted: sa.BindParameter[str | None] = sa.bindparam("wanted", type_=sa.Text)
    latest = sa.select(checkpoints).order_by(checkpoints.c.size.desc()).limit(1).subquery()
    known = sa.select(sa.literal(1)).where(statements.c.statement_id == wanted).scalar_subquery()
    index = sa.select(entries.c["index"]).where(entries.c.statement_id == wanted).scalar_subquery()
    return sa.select(
        head.c.size,
        head.c.frontier,
        latest.c.size.label("checkpoint_size"),
        latest.c.root,
        latest.c.note,
        known.label("known"),
        index.label("entry_index"),
    ).select_from(head.outerjoin(latest, sa.true()))


# One statement, so that what it says is consistent on both databases at any isolation level.
_VIEW = _view()


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
        cause = getattr(error, "orig", None) or type(error)
        raise LedgerUnavailableError(f"the ledger's database refused: {cause}") from getattr(error, "orig", None)
