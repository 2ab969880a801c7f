"""What is particular to SQLite: one writer at a time, so a statement is sequenced in the caller's own transaction."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine, ExceptionContext

from ledger.entry import Admitted
from ledger.errors import LedgerError, LedgerUnavailableError
from ledger.openingkeys import OpeningKeys
from ledger.storage import Sequenced, StoredCheckpoint
from ledger.storage.sql import statements as sql
from ledger.storage.sql.batch import Batch, Head, Row, place, row_of
from ledger.storage.sql.openings import pack
from ledger.tree import Frontier

_SECURE = "ledger_erases_securely"
_ADD_CHECKPOINT = sql.ADD_CHECKPOINT.format(bytes="BLOB")


def forget_readonly(engine: Engine) -> None:
    """Let an engine's pool drop a connection that turns out to be for reading only, instead of lending it out again.

    Where SQLite cannot open a file for writing it opens it for reading, whatever the reason was. A disk or a
    table of files that failed for a moment would thus leave a connection that refuses every write for ever.
    """

    def look(context: ExceptionContext) -> None:
        if _is_readonly(context.original_exception):
            context.is_disconnect, context.invalidate_pool_on_disconnect = True, False

    event.listen(engine, "handle_error", look)


def _is_readonly(error: BaseException) -> bool:
    return "readonly database" in str(error)


class Sqlite:
    """The writing half of a log in SQLite."""

    is_sqlite = True

    def __init__(self, engine: Engine, keys: OpeningKeys | None) -> None:
        self._engine = engine
        self._keys = keys
        # The right edge as this process has left it. Whether it still is that, the database says when it moves.
        self._left: Head | None = None

    def read(self, text: str, parameters: tuple[Any, ...]) -> list[Any]:
        """Return the rows of a statement that only reads; it needs no transaction around it."""
        # SQLAlchemy's way to a statement takes several times as long as SQLite needs for it.
        with closing(self._engine.raw_connection()) as pooled:
            rows: list[Any] = pooled.driver_connection.execute(text, parameters).fetchall()  # type: ignore[union-attr]
            return rows

    def lock_head(self, connection: Connection) -> Head:
        """Take the log's write lock until the transaction ends, then read the head."""
        # Through SQLAlchemy, so that the transaction has begun when the driver is used directly.
        return _head(connection.exec_driver_sql(sql.LOCK_HEAD_SQLITE).one_or_none())

    def append(self, connection: Connection, batch: Sequence[Admitted]) -> Sequenced:
        """Write statements as the next entries."""
        self.erase_securely(connection)
        head = self.lock_head(connection)
        return self._append(_driver(connection), head, batch).sequenced

    def write(self, batch: Sequence[Admitted], signed: StoredCheckpoint | None) -> Sequenced:
        """Write statements as the next entries in a transaction of its own."""
        with closing(self._engine.raw_connection()) as pooled:
            driver: Any = pooled.driver_connection
            if not pooled.info.get(_SECURE):
                driver.execute("PRAGMA secure_delete = ON").close()
                pooled.info[_SECURE] = True
            driver.execute("BEGIN IMMEDIATE")
            try:
                placed = self._append(driver, self._left, batch)
                if signed is not None:
                    driver.execute(_ADD_CHECKPOINT, (signed.size, signed.root, signed.note))
                driver.execute("COMMIT")
            except BaseException as error:
                if _is_readonly(error):
                    pooled.invalidate(error)
                elif driver.in_transaction:
                    driver.execute("ROLLBACK")
                raise
            self._left = placed.head
            return placed.sequenced

    def _append(self, driver: Any, head: Head | None, batch: Sequence[Admitted]) -> Batch:
        """Write statements after a head, or where the database has another, after that. Requires the write lock."""
        rows = [row_of(item) for item in batch]
        placed = None if head is None else _move(driver, head, rows)
        if placed is None:
            # Nobody else can move the head of the log now.
            placed = _move(driver, _head(driver.execute(sql.HEAD).fetchone()), rows)
        if placed is None:
            raise LedgerUnavailableError("the head of the log cannot be moved")
        placing = list(enumerate(placed.statements, placed.sequenced.start))
        _insert(driver, sql.ADD_STATEMENTS, [(row[0], index) for index, row in placing])
        _insert(driver, sql.ADD_AGREEMENTS, [(row[1], row[2], index) for index, row in placing if row[1] is not None])
        opened = [(row[0], item) for row, item in zip(placed.statements, batch, strict=True) if item.openings]
        _insert(driver, sql.ADD_OPENINGS, [(key, *pack(item, self._keys)) for key, item in opened])
        _insert(driver, sql.ADD_ENTRIES, placed.entries)
        _insert(driver, sql.ADD_HASHES, placed.hashes)
        return placed

    def keep(self, connection: Connection, signed: StoredCheckpoint) -> None:
        """Store a checkpoint in the caller's transaction, which is the only one that writes."""
        connection.exec_driver_sql(_ADD_CHECKPOINT, (signed.size, signed.root, signed.note))

    def add_checkpoint(self, connection: Connection, signed: StoredCheckpoint) -> bool:
        """Store a checkpoint as the successor of the latest, if it is larger."""
        given = (signed.size, signed.root, signed.note)
        return connection.exec_driver_sql(_ADD_CHECKPOINT, given).rowcount == 1

    @contextmanager
    def bounded(self, deadline: float, *, durable: bool = True) -> Iterator[Connection]:  # noqa: ARG002
        """A write transaction of its own whose waiting for locks ends at the deadline; always durable."""
        # The waiting is set on the driver's connection before SQLAlchemy begins a transaction on it.
        with (
            self._engine.connect() as connection,
            _waiting_until(deadline, _driver(connection)),
            connection.begin(),
        ):
            yield connection

    def erase_securely(self, connection: Connection) -> None:
        """Let SQLite overwrite what it deletes, also where it moves a row."""
        if not connection.info.get(_SECURE):
            connection.exec_driver_sql("PRAGMA secure_delete = ON").close()
            connection.info[_SECURE] = True

    def found(self, connection: Connection, genesis: Admitted) -> None:
        """Write entry 0 in an empty log. Requires the lock on the head."""
        self.append(connection, [genesis])

    def scrub(self, deadline: float) -> None:
        """Bring the pages that were overwritten into the database file, and empty the write-ahead log.

        Raises LedgerUnavailableError where readers of older pages do not end in time.
        """
        while True:
            with self._engine.connect() as connection:
                driver = _driver(connection)
                # In a transaction of SQLAlchemy's making there could be no checkpoint.
                with _waiting_until(deadline, driver):
                    busy = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            if not busy:
                return
            if time.monotonic() > deadline:
                raise LedgerUnavailableError("the write-ahead log is in use; its traces are removed later")
            time.sleep(0.01)


def _move(driver: Any, head: Head, rows: Sequence[Row]) -> Batch | None:
    """Let the head move from where it is to the end of the rows, and return these in their places; None if it is not there.

    The last leaf stands for all entries before it, so with its size it names the tree.
    """
    placed = place(head, rows)
    done = driver.execute(sql.MOVE_HEAD, (*placed.move, head.last_leaf)).rowcount == 1
    return placed if done else None


def _insert(driver: Any, text: str, rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows, as many as can be with each call of SQLite: every call lets other threads run, and waits for them."""
    place = 0
    for count in sql.AT_ONCE:
        while len(rows) - place >= count:
            some = rows[place : place + count]
            driver.execute(sql.rows(text, len(some[0]), count), [value for row in some for value in row])
            place += count


@contextmanager
def _waiting_until(deadline: float, driver: Any) -> Iterator[None]:
    """Let what is done on a connection wait for locks until the deadline instead of as long as otherwise."""
    remaining = max(1, int((deadline - time.monotonic()) * 1000))
    before = driver.execute("PRAGMA busy_timeout").fetchone()[0]
    driver.execute(f"PRAGMA busy_timeout = {remaining}").close()
    try:
        yield
    finally:
        driver.execute(f"PRAGMA busy_timeout = {before}").close()


def _head(row: Any) -> Head:
    if row is None:
        raise LedgerError("the log has no genesis yet: call Log.open first")
    return Head(Frontier.from_bytes(row[0], row[1]), row[2])


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection
