"""One process's standing offer to sequence a log in PostgreSQL, on a connection of its own.

The advisory lock belongs to the connection: when the process, the connection or the machine dies, the
database drops it, and the next process to try has it.
"""

import os
import select
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import exc
from sqlalchemy.engine import Engine

from ledger.errors import LedgerUnavailableError
from ledger.identifiers import from_bytes
from ledger.storage import Sequenced, StoredCheckpoint
from ledger.storage.sql import statements as sql
from ledger.storage.sql.postgresql import ADD_CHECKPOINT, CALL, LIMITS, limits, sequence


class Turn:
    """Where a process waits for its turn, and works while it has it. Only `wake` may be called by other threads."""

    batch = sql.BATCH

    def __init__(self, engine: Engine) -> None:
        self._errors: Any = engine.dialect.loaded_dbapi
        self._leads = False
        self._gate = threading.Lock()
        self._heard: set[str] = set()
        self._connection: Any = None
        try:
            self._seen, self._waker = os.pipe()
        except OSError as error:
            # Without files to spare now there may be some later, and the thread that waits here must live to see it.
            raise LedgerUnavailableError(f"the log's turn cannot be waited for: {error}") from error
        os.set_blocking(self._waker, False)
        os.set_blocking(self._seen, False)
        try:
            pooled = engine.raw_connection()
            self._connection = pooled.driver_connection
            pooled.detach()
            self._connection.rollback()
            self._connection.autocommit = True
            self._connection.add_notify_handler(lambda note: self._heard.add(note.channel))
            for channel in (sql.WORK, sql.DONE):
                self._connection.execute(f"LISTEN {channel}")
        except (exc.SQLAlchemyError, self._errors.Error) as error:
            self.close()
            raise LedgerUnavailableError(f"the log's turn cannot be waited for: {error}") from error

    def leads(self) -> bool:
        """Say whether this process is the one that sequences, after trying to become it."""
        if not self._leads:
            self._leads = bool(self._run(sql.LEAD).fetchone()[0])
        return self._leads

    def sequence(self, deadline: float) -> tuple[Sequenced | None, Sequence[str]]:
        """Give the oldest pending statements their indexes; return their places and ids. Requires the lead."""
        try:
            with self._connection.transaction():
                cursor = self._connection.cursor()
                cursor.execute(LIMITS, limits(deadline, durable=True))
                placed, ids = sequence(cursor)
        except self._errors.Error as error:
            raise LedgerUnavailableError(f"the ledger's database refused: {error}") from error
        return placed, [from_bytes(identifier) for identifier in ids]

    def keep(self, signed: StoredCheckpoint, deadline: float) -> bool:
        """Store a checkpoint as the successor of the latest, if it is larger."""
        try:
            with self._connection.transaction():
                cursor = self._connection.cursor()
                cursor.execute(LIMITS, limits(deadline, durable=False))
                return bool(cursor.execute(ADD_CHECKPOINT, (signed.size, signed.root, signed.note)).rowcount == 1)
        except self._errors.IntegrityError:
            return False
        except self._errors.Error as error:
            raise LedgerUnavailableError(f"the ledger's database refused: {error}") from error

    def announce(self) -> None:
        """Tell the other processes that statements were sequenced."""
        self._run(CALL, (sql.DONE,))

    def wait(self, timeout: float) -> set[str]:
        """Wait until somebody calls, in this process or another; return the channels that were heard."""
        deadline = time.monotonic() + timeout
        while not self._heard and (remaining := deadline - time.monotonic()) > 0:
            ready = self._ready(remaining)
            if self._seen in ready:
                os.read(self._seen, 4096)
                self._heard.add(sql.WORK)
            if len(ready) > (self._seen in ready):
                self._listen()
        heard, self._heard = self._heard, set()
        return heard

    def _ready(self, timeout: float) -> set[int]:
        """Return on which of the connection and the pipe something has arrived, after waiting for it."""
        # Not `select`, which takes no file beyond the first thousand of a process.
        poll = select.poll()
        for file in (self._connection.fileno(), self._seen):
            poll.register(file, select.POLLIN)
        return {file for file, _ in poll.poll(timeout * 1000)}

    def wake(self) -> None:
        """End a wait, from another thread."""
        with self._gate:
            if self._waker < 0:
                return
            with suppress(BlockingIOError):  # It has been woken often enough.
                os.write(self._waker, b"1")

    def close(self) -> None:
        """Give up the turn."""
        if self._connection is not None:
            self._connection.close()
        with self._gate:
            for end in (self._seen, self._waker):
                os.close(end)
            self._seen = self._waker = -1

    def _listen(self) -> None:
        """Take in what has arrived on the connection while it was idle."""
        try:
            self._connection.pgconn.consume_input()
            while (note := self._connection.pgconn.notifies()) is not None:
                self._heard.add(note.relname.decode())
        except self._errors.Error as error:
            raise LedgerUnavailableError(f"the log's turn was lost: {error}") from error

    def _run(self, text: str, parameters: tuple[Any, ...] = ()) -> Any:
        try:
            return self._connection.execute(text, parameters)
        except self._errors.Error as error:
            raise LedgerUnavailableError(f"the ledger's database refused: {error}") from error
