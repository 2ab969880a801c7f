"""A log of its own: its writers share a queue, and one commit serves all who wait (group commit).

Whoever comes to an idle log writes at once, in its own thread. While it waits for the disk, others queue;
the first of them writes the next batch for all. So the batches grow with the load, by themselves, and
nobody ever waits for a timer.
"""

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ledger.entry import Admitted, Draft, Signature
from ledger.errors import AdmissionError, LedgerError, LedgerUnavailableError
from ledger.log import Log, Written
from ledger.receipt import Receipt

BATCH = 256
"""How many statements one commit serves at most, unless one writer brings more."""


@dataclass(eq=False)
class _Ticket:
    """What one writer brings. `leads` says that it is to write the next batch."""

    batch: Sequence[Admitted]
    woken: threading.Lock = field(default_factory=threading.Lock)
    leads: bool = False
    taken: bool = False
    start: int = 0
    written: Written | None = None
    error: LedgerError | None = None

    def __post_init__(self) -> None:
        self.woken.acquire()

    @property
    def is_done(self) -> bool:
        return self.written is not None or self.error is not None


class StandaloneLog:
    """A log that nobody else's transactions are tied to. Safe to share between threads, and that is its purpose."""

    def __init__(self, log: Log[Any]) -> None:
        self.log = log
        self._guard = threading.Lock()
        self._queue: deque[_Ticket] = deque()
        self._busy = False

    def record(
        self, draft: Draft, signature: Signature, *, subject: str | None = None, timeout: float = 5.0
    ) -> Receipt:
        """Record a signed statement, durably, and return its receipt.

        Raises SignatureError or AdmissionError when it is refused, LedgerUnavailableError when it could not
        be written in time; it may then have been written all the same, which `log.receipt` tells.
        """
        return self.record_all([self.log.admit(draft, signature, subject)], timeout=timeout)[0]

    def record_all(self, batch: Sequence[Admitted], *, timeout: float = 5.0) -> list[Receipt]:
        """Record admitted statements, all or none, and return their receipts in the same order."""
        if not batch:
            return []
        deadline = time.monotonic() + timeout
        ticket = _Ticket(batch)
        with self._guard:
            ticket.leads, self._busy = not self._busy, True
            self._queue.append(ticket)
        while not ticket.is_done:
            if ticket.leads:
                self._lead(ticket)
            elif not ticket.woken.acquire(timeout=max(0.0, deadline - time.monotonic())):
                self._give_up(ticket)
        if ticket.error is not None or ticket.written is None:
            raise ticket.error or LedgerUnavailableError("the log was busy for too long")
        remaining = max(0.0, deadline - time.monotonic())
        return self.log.receipts(ticket.written, ticket.start, ticket.start + len(batch), remaining)

    def _lead(self, own: _Ticket) -> None:
        """Write what is queued, wake those it was for, and pass the lead to the first who came meanwhile."""
        batch = self._take()
        try:
            self._write(batch)
        finally:
            own.leads = False
            with self._guard:
                following = self._queue[0] if self._queue else None
                if following is None:
                    self._busy = False
                else:
                    following.leads = True
            if following is not None:
                following.woken.release()
            for ticket in batch:
                if ticket is not own:
                    ticket.woken.release()

    def _take(self) -> list[_Ticket]:
        taken: list[_Ticket] = []
        size = 0
        with self._guard:
            while self._queue and (not taken or size + len(self._queue[0].batch) <= BATCH):
                ticket = self._queue.popleft()
                ticket.taken = True
                taken.append(ticket)
                size += len(ticket.batch)
        return taken

    def _write(self, tickets: list[_Ticket]) -> None:
        try:
            written = self.log.write([item for ticket in tickets for item in ticket.batch])
        except AdmissionError as error:
            if len(tickets) == 1:
                tickets[0].error = error
                return
            # One of them is refused, and the others must not be refused with it.
            for ticket in tickets:
                self._write([ticket])
            return
        except LedgerError as error:
            for ticket in tickets:
                ticket.error = error
            return
        except BaseException:
            for ticket in tickets:
                ticket.error = LedgerUnavailableError("the writer of the batch failed")
            raise
        start = 0
        for ticket in tickets:
            ticket.start, ticket.written = start, written
            start += len(ticket.batch)

    def _give_up(self, ticket: _Ticket) -> None:
        """Leave the queue after the deadline, unless the ticket's batch is being written or is its to write."""
        with self._guard:
            if not ticket.taken and not ticket.leads:
                self._queue.remove(ticket)
                ticket.error = LedgerUnavailableError("the log was busy for too long; nothing was written")
                return
        if ticket.taken and not ticket.leads and not ticket.woken.acquire(timeout=_GRACE_SECONDS):
            ticket.error = LedgerUnavailableError("the log was busy for too long; ask for the receipt")


_GRACE_SECONDS = 1.0
