"""A mapping that stays small in memory however much is put into it: what was not touched for long lies in a temporary file.

A check of a whole log remembers something about every agreement in it, and there may be more of them than memory holds.
"""

import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ledger.errors import LedgerError

if TYPE_CHECKING:
    import sqlite3

T = TypeVar("T")


class Spill(Generic[T]):
    """Values by keys of bytes, at most `limit` of them in memory. For one thread.

    `pack` makes of a value what SQLite stores, and `unpack` the value again. What `get` returns may be changed
    in place until the next call. Every method raises LedgerError where the temporary file
    cannot be written or read.
    """

    def __init__(self, pack: Callable[[T], Any], unpack: Callable[[Any], T], limit: int) -> None:
        self._pack = pack
        self._unpack = unpack
        self._limit = limit
        # In the order of the last touch.
        self._near: dict[bytes, T] = {}
        self._far: sqlite3.Connection | None = None

    def get(self, key: bytes) -> T | None:
        """Return the value of a key, None where there is none."""
        value = self._near.pop(key, None)
        if value is None and self._far is not None:
            with _translated():
                row = self._far.execute("SELECT value FROM spilled WHERE key = ?", (key,)).fetchone()
            value = None if row is None else self._unpack(row[0])
        if value is not None:
            self[key] = value
        return value

    def swap(self, key: bytes, value: T) -> T | None:
        """Put a value in and return the one before, None where there was none."""
        before = self._near.pop(key, None)
        if before is None and self._far is not None:
            before = self.get(key)
            self._near.pop(key, None)
        self._near[key] = value
        if len(self._near) > self._limit:
            self._spill()
        return before

    def __setitem__(self, key: bytes, value: T) -> None:
        self._near.pop(key, None)
        self._near[key] = value
        if len(self._near) > self._limit:
            self._spill()

    def values(self) -> Iterator[T]:
        """Yield every value, in no order. Nothing may be put in meanwhile."""
        yield from self._near.values()
        if self._far is not None:
            with _translated():
                for key, value in self._far.execute("SELECT key, value FROM spilled"):
                    if key not in self._near:
                        yield self._unpack(value)

    def _spill(self) -> None:
        """Move the older half into the file."""
        old = list(self._near)[: self._limit // 2 + 1]
        with _translated():
            if self._far is None:
                self._far = self._open()
            rows = [(key, self._pack(self._near.pop(key))) for key in old]
            self._far.execute("BEGIN")
            self._far.executemany("INSERT OR REPLACE INTO spilled VALUES (?, ?)", rows)
            self._far.execute("COMMIT")

    def _open(self) -> "sqlite3.Connection":
        import sqlite3  # Small logs and bundles are checked without any database.

        # The file loses its name at once, and its bytes go with this process, however that ends: in them are
        # parties and prices, which a process that was killed could not erase any more.
        with tempfile.TemporaryDirectory(prefix="ledger-", ignore_cleanup_errors=True) as folder:
            made = sqlite3.connect(Path(folder) / "spilled.db", isolation_level=None)
            for setting in ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE"):
                made.execute(f"PRAGMA {setting}").close()
            made.execute("CREATE TABLE spilled (key BLOB PRIMARY KEY, value) WITHOUT ROWID")
        weakref.finalize(self, made.close)
        return made


@contextmanager
def _translated() -> Iterator[None]:
    import sqlite3

    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise LedgerError(f"what the check remembers cannot be kept in the temporary folder: {error}") from error
