"""What a witness keeps: the newest checkpoint that it cosigned of each log, the sizes before it, and what it refused.

Durability contract: what a transaction wrote is on disk when it returns. Concurrency contract: any
number of threads and processes may use one file; `transaction` lets one of them decide at a time, so that
reading the newest size and writing the next are one act.

A rollback journal is used and not SQLite's write-ahead log: writes are few, and with `synchronous=EXTRA`
each is durable as a whole.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import LedgerError, LedgerUnavailableError

HISTORY = 100_000
"""How many cosigned sizes of each log are kept, to recognise another tree of one of them."""
REFUSALS = 1_000
PROOFS = 1_000
_BUSY_SECONDS = 10.0

_SCHEMA = """
CREATE TABLE witness (vkey TEXT NOT NULL);
CREATE TABLE newest (
    origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL, time INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE history (
    origin TEXT, size INTEGER, root BLOB NOT NULL, note TEXT NOT NULL, PRIMARY KEY (origin, size)
) WITHOUT ROWID;
CREATE TABLE refused (
    origin TEXT, size INTEGER, root BLOB, note TEXT NOT NULL, reason TEXT NOT NULL, time INTEGER NOT NULL,
    PRIMARY KEY (origin, size, root)
) WITHOUT ROWID;
CREATE TABLE misbehaviour (
    digest TEXT PRIMARY KEY, origin TEXT NOT NULL, time INTEGER NOT NULL, proof TEXT NOT NULL, what TEXT NOT NULL
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Cosigned:
    """A checkpoint that was cosigned at `time`: the signed note, with the cosignature where it is the newest."""

    size: int
    root: bytes
    note: str
    time: int = 0


@dataclass(frozen=True)
class Refused:
    """A checkpoint that the log signed and that was not cosigned, and why."""

    origin: str
    size: int
    root: bytes
    note: str
    reason: str
    time: int


@dataclass(frozen=True)
class Proven:
    """A proof of misbehaviour, named by its SHA-256."""

    digest: str
    origin: str
    time: int
    proof: str
    what: str


class State:
    """The witness's file. Made by `create`, once, with the key whose promises it keeps."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise LedgerError(
                f"{path} does not exist: a witness that forgot what it cosigned must not go on; make a new one"
            )
        self._path = path
        with _translated(), closing(self._connect()) as connection:
            self.vkey = str(connection.execute("SELECT vkey FROM witness").fetchone()[0])

    @classmethod
    def create(cls, path: Path, vkey: str) -> "State":
        """Make the file of a new witness. Raises LedgerError when there is one."""
        if path.exists():
            raise LedgerError(f"{path} exists already")
        with _translated(), closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
            connection.execute("INSERT INTO witness VALUES (?)", (vkey,))
        return cls(path)

    @contextmanager
    def transaction(self) -> Iterator["Transaction"]:
        """Be the only one that decides; committed on leaving, rolled back on an exception."""
        with _translated(), closing(self._connect()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield Transaction(connection)
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def newest(self) -> dict[str, Cosigned]:
        """Return the newest cosigned checkpoint of each log by its origin."""
        with _translated(), closing(self._connect()) as connection:
            rows = connection.execute("SELECT origin, size, root, note, time FROM newest ORDER BY origin").fetchall()
        return {row[0]: Cosigned(*row[1:]) for row in rows}

    def proofs(self) -> list[Proven]:
        """Return every proof of misbehaviour, oldest first."""
        with _translated(), closing(self._connect()) as connection:
            rows = connection.execute("SELECT * FROM misbehaviour ORDER BY time, digest").fetchall()
        return [Proven(*row) for row in rows]

    def refusals(self) -> list[Refused]:
        """Return what was refused and is not explained by a proof, oldest first."""
        with _translated(), closing(self._connect()) as connection:
            rows = connection.execute("SELECT * FROM refused ORDER BY time, origin, size").fetchall()
        return [Refused(*row) for row in rows]

    def _connect(self) -> sqlite3.Connection:
        # URI mode keeps SQLite from making an empty file where a vanished one was.
        address = f"{self._path.absolute().as_uri()}?mode=rw"
        connection = sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
        connection.execute("PRAGMA synchronous = EXTRA")
        return connection


class Transaction:
    """Reads and writes of one decision."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def newest(self, origin: str) -> Cosigned | None:
        """Return the newest checkpoint that was cosigned of a log, or None."""
        query = "SELECT size, root, note, time FROM newest WHERE origin = ?"
        row = self._connection.execute(query, (origin,)).fetchone()
        return None if row is None else Cosigned(*row)

    def cosigned(self, origin: str, size: int) -> Cosigned | None:
        """Return the checkpoint of exactly this size that was cosigned, if it is still kept."""
        query = "SELECT size, root, note FROM history WHERE origin = ? AND size = ?"
        row = self._connection.execute(query, (origin, size)).fetchone()
        return None if row is None else Cosigned(*row)

    def keep(self, origin: str, item: Cosigned, cosigned_note: str) -> None:
        """Make a checkpoint the newest of its log. `cosigned_note` is its note with the cosignature."""
        execute = self._connection.execute
        newest = (origin, item.size, item.root, cosigned_note, item.time)
        execute("INSERT OR REPLACE INTO newest VALUES (?, ?, ?, ?, ?)", newest)
        execute("INSERT OR IGNORE INTO history VALUES (?, ?, ?, ?)", (origin, item.size, item.root, item.note))
        oldest = "SELECT size FROM history WHERE origin = ? ORDER BY size DESC LIMIT 1 OFFSET ?"
        execute(f"DELETE FROM history WHERE origin = ? AND size <= ({oldest})", (origin, origin, HISTORY))  # noqa: S608
        same = "origin = ? AND size = ? AND root = ?"
        execute(f"DELETE FROM refused WHERE {same}", (origin, item.size, item.root))  # noqa: S608

    def refused(self, origin: str, size: int) -> list[Refused]:
        """Return the refused checkpoints of exactly this size."""
        query = "SELECT * FROM refused WHERE origin = ? AND size = ?"
        return [Refused(*row) for row in self._connection.execute(query, (origin, size)).fetchall()]

    def refuse(self, item: Refused) -> None:
        """Keep a signed checkpoint that was refused; of each log a limited number."""
        execute = self._connection.execute
        count = execute("SELECT count(*) FROM refused WHERE origin = ?", (item.origin,)).fetchone()[0]
        if count < REFUSALS:
            row = (item.origin, item.size, item.root, item.note, item.reason, item.time)
            execute("INSERT OR IGNORE INTO refused VALUES (?, ?, ?, ?, ?, ?)", row)

    def prove(self, item: Proven) -> bool:
        """Keep a proof of misbehaviour, of each log a limited number; return whether it is a new one."""
        count = self._connection.execute("SELECT count(*) FROM misbehaviour WHERE origin = ?", (item.origin,))
        if count.fetchone()[0] >= PROOFS:
            return False
        row = (item.digest, item.origin, item.time, item.proof, item.what)
        return self._connection.execute("INSERT OR IGNORE INTO misbehaviour VALUES (?, ?, ?, ?, ?)", row).rowcount == 1


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise LedgerUnavailableError(f"the witness's file cannot be used: {error}") from error
