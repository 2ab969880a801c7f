"""Checking many signatures on all cores.

Where this process has one thread and can fork, its children do it, who find what they are to check in their memory;
else threads do, which wait for the interpreter's lock between signatures. A few checks are done on the spot.
"""

import gc
import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

from ledger.errors import LedgerError

AT_ONCE = 1024
"""How many checks one child or thread is given."""

_Check = tuple[Callable[..., Any], tuple[Any, ...]]
_Result = Callable[[], list[Any]]


class Together:
    """Checks that wait until there are enough of them. Leave its block to have the rest checked too.

    `workers` is how many children or threads share the work, one for each core if not told otherwise;
    `processes` says which of them, if not the better one.
    """

    def __init__(self, workers: int | None = None, *, processes: bool | None = None) -> None:
        self._workers = workers or cores()
        self._processes = processes
        self._threads: Executor | None = None
        self._children: list[_Child] = []
        self._waiting: list[_Check] = []
        self._then: list[Callable[[Any], None]] = []
        self._under_way: deque[tuple[_Result, list[Callable[[Any], None]]]] = deque()

    def __enter__(self) -> "Together":
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if error is None:
                self.finish()
        finally:
            if self._threads is not None:
                self._threads.shutdown(cancel_futures=True)
            for child in self._children:
                child.end()

    def add(self, check: Callable[..., Any], given: tuple[Any, ...], then: Callable[[Any], None]) -> None:
        """Let `then` have, in the order of adding, what `check(*given)` returns or the LedgerError that it raises.

        Requires results that can be pickled.
        """
        self._waiting.append((check, given))
        self._then.append(then)
        if len(self._waiting) >= AT_ONCE:
            while len(self._under_way) >= self._workers:
                self._take()
            self._send(AT_ONCE)

    def finish(self) -> None:
        """Check all that wait."""
        few = self._processes is None and not self._under_way and len(self._waiting) < AT_ONCE
        share = -(-len(self._waiting) // (1 if few else self._workers))
        while self._waiting:
            self._send(share, here=few)
        while self._under_way:
            self._take()

    def _send(self, count: int, *, here: bool = False) -> None:
        waiting, then = self._waiting[:count], self._then[:count]
        self._waiting, self._then = self._waiting[count:], self._then[count:]
        result: _Result
        if here:
            found = outcomes(waiting)
            result = lambda: found  # noqa: E731  # As the two below.
        elif self._processes or (self._processes is None and _can_fork(self._workers)):
            child = _Child(waiting)
            self._children.append(child)
            result = child.result
        else:
            self._threads = self._threads or ThreadPoolExecutor(self._workers)
            result = self._threads.submit(outcomes, waiting).result
        self._under_way.append((result, then))

    def _take(self) -> None:
        result, then = self._under_way.popleft()
        found = result()
        self._children = [child for child in self._children if not child.is_over]
        for each, outcome in zip(then, found, strict=True):
            each(outcome)


class _Child:
    """A process that does some checks, sends what it found, and ends."""

    def __init__(self, waiting: Sequence[_Check]) -> None:
        self.is_over = False
        self._pipe, end = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            _check_and_end(waiting, end)
        os.close(end)

    def result(self) -> list[Any]:
        """Return the outcomes, when they are there. Raises LedgerError where the process did not come to its end."""
        parts = []
        while part := os.read(self._pipe, 1 << 20):
            parts.append(part)
        self._close()
        try:
            found: list[Any] = pickle.loads(b"".join(parts))  # noqa: S301  # This program's own child has written it.
        except (EOFError, pickle.UnpicklingError) as error:
            raise LedgerError("a process that was checking signatures was ended from outside") from error
        return found

    def end(self) -> None:
        """End the process, whatever it is doing."""
        if not self.is_over:
            os.kill(self._pid, signal.SIGKILL)
            self._close()

    def _close(self) -> None:
        self.is_over = True
        os.close(self._pipe)
        os.waitpid(self._pid, 0)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def outcomes(waiting: Sequence[_Check]) -> list[Any]:
    """Return what each check returns, or the LedgerError that it raises."""
    found = []
    for check, given in waiting:
        try:
            found.append(check(*given))
        except LedgerError as error:
            found.append(error)
    return found


def _can_fork(workers: int) -> bool:
    # A lock that another thread holds at the fork would stay locked in the child for ever.
    return workers > 1 and hasattr(os, "fork") and threading.active_count() == 1


def _check_and_end(waiting: Sequence[_Check], end: int) -> None:
    """Do what a child process is for. Nothing of its parent may run in it: no handler, no collector, no exit function."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        gc.disable()
        with os.fdopen(end, "wb") as pipe:
            pickle.dump(outcomes(waiting), pipe, pickle.HIGHEST_PROTOCOL)
    finally:
        os._exit(0)
