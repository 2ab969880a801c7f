"""The thread of a process that sequences the log while it is this process's turn.

Where several processes write, their threads contend for the turn; the one that has it gives batches of
pending statements their indexes, signs, and answers those who wait in its own process from memory. The
others hear of it and look. When the process that has the turn dies, another has it within a fifth of a
second. Where every step sequences itself (SQLite), the thread only stores the newest checkpoint. It also
removes traces of erasures that were left behind.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from ledger.errors import LedgerError
from ledger.notary import Notary
from ledger.storage import Sequenced, Storage, StoredCheckpoint

_LOOK_SECONDS = 0.2
_RETRY_SECONDS = 0.2
_STATEMENT_SECONDS = 5.0
_SCRUB_SECONDS = 30.0


@dataclass(frozen=True)
class Placed:
    """Where a statement came to stand, in which batch, under which checkpoint."""

    index: int
    sequenced: Sequenced
    signed: StoredCheckpoint


@dataclass
class Waiter:
    """Somebody who waits for a statement. `answer` is None where it must look for itself."""

    woken: threading.Event = field(default_factory=threading.Event)
    answer: Placed | None = None

    def wait(self, timeout: float) -> Placed | None:
        """Return the answer once there is one; None after the timeout, or when it is time to look again."""
        self.woken.wait(timeout)
        self.woken.clear()
        return self.answer


class Sequencer:
    """Starts and stops the thread, and lets others wait for their statements."""

    def __init__(self, storage: Storage[Any], notary: Notary) -> None:
        self._storage = storage
        self._notary = notary
        self._ended = threading.Event()
        self._guard = threading.Lock()
        self._waiters: dict[str, list[Waiter]] = {}
        self._turn: Any = None
        self._leads = False
        self._scrub_at = 0.0
        self.trouble: str | None = None
        """Why this process could not sequence when it last tried; None where it could, or where it is another's turn."""
        self._thread = threading.Thread(target=self._run, name="ledger-sequencer", daemon=True)

    def start(self) -> None:
        """Begin to contend for the turn."""
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """Give up the turn, store the newest checkpoint, and end the thread."""
        self._ended.set()
        self._wake()
        self._thread.join(timeout)

    @contextmanager
    def expecting(self, statement_id: str) -> Iterator[Waiter]:
        """Be woken when a statement may have been sequenced."""
        waiter = Waiter()
        with self._guard:
            self._waiters.setdefault(statement_id, []).append(waiter)
        try:
            yield waiter
        finally:
            with self._guard:
                self._waiters[statement_id].remove(waiter)
                if not self._waiters[statement_id]:
                    del self._waiters[statement_id]

    def call(self) -> None:
        """Let whoever has the turn know that statements are waiting."""
        if self._leads:
            self._wake()
        else:
            self._storage.call()

    def _wake(self) -> None:
        turn = self._turn
        if turn is not None:
            turn.wake()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                turn = self._storage.turn()
                if turn is None:
                    self.trouble = None
                    self._keep_checkpoints()
                    continue
                with closing(turn):
                    self._turn = turn
                    try:
                        self._contend(turn)
                    finally:
                        self._turn, self._leads = None, False
                        self._release()
            except LedgerError as error:
                # Whoever waits meanwhile asks for itself; the next attempt may find the database again.
                self.trouble = str(error)
            except Exception as error:
                # Without this thread nothing that this process writes is sequenced by it any more, so it outlives what
                # nobody expected. The error may hold what is secret, so only its kind is told.
                self.trouble = f"the thread that sequences met with {type(error).__name__}"
            self._ended.wait(_RETRY_SECONDS)

    def _contend(self, turn: Any) -> None:
        while not self._ended.is_set():
            self._leads = turn.leads()
            if not self._leads:
                self.trouble = None
                turn.wait(_LOOK_SECONDS)
                self._release()
                continue
            placed, ids = turn.sequence(time.monotonic() + _STATEMENT_SECONDS)
            self.trouble = None
            if placed is not None:
                self._answer(placed, ids)
                turn.announce()
            due = self._notary.due(idle=placed is None)
            if due is not None:
                turn.keep(due, time.monotonic() + _STATEMENT_SECONDS)
                self._notary.stored(due)
            if len(ids) < turn.batch:
                self._scrub()
                turn.wait(_LOOK_SECONDS)
        due = self._notary.due(idle=True)
        if self._leads and due is not None:
            turn.keep(due, time.monotonic() + _STATEMENT_SECONDS)

    def _keep_checkpoints(self) -> None:
        while not self._ended.wait(1.0):
            self._keep_newest()
            self._scrub()
        self._keep_newest()

    def _keep_newest(self) -> None:
        due = self._notary.due(idle=True)
        if due is not None:
            with suppress(LedgerError):
                self._storage.add_checkpoint(due, time.monotonic() + 1.0)
                self._notary.stored(due)

    def _scrub(self) -> None:
        """Remove the traces of erasures that could not be removed when they were made."""
        if time.monotonic() >= self._scrub_at:
            self._scrub_at = time.monotonic() + _SCRUB_SECONDS
            with suppress(LedgerError):
                self._storage.scrub(time.monotonic() + 1.0)

    def _answer(self, sequenced: Sequenced, ids: Sequence[str]) -> None:
        signed = None
        with suppress(LedgerError):
            signed = self._notary.sign(sequenced.after, sequenced.before)
        if signed is None or signed.size != sequenced.after.size:
            self._release()
            return
        with self._guard:
            for index, statement_id in enumerate(ids, sequenced.start):
                for waiter in self._waiters.get(statement_id, ()):
                    waiter.answer = Placed(index, sequenced, signed)
                    waiter.woken.set()

    def _release(self) -> None:
        """Let everybody who waits look for itself."""
        with self._guard:
            for waiters in self._waiters.values():
                for waiter in waiters:
                    waiter.woken.set()
