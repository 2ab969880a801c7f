"""Checking many signatures on all cores.

Where this process has one thread and can fork, processes share the work; else threads do, which wait for the
interpreter's lock between signatures. A few checks are done on the spot.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

from ledger.errors import LedgerError

AT_ONCE = 128
"""How many checks travel together."""
_FEW = 1024
_AHEAD = 4

_Check = tuple[Callable[..., Any], tuple[Any, ...]]


class Together:
    """Checks that wait until there are enough of them. Leave its block to have the rest checked too.

    `workers` is how many processes or threads share the work, one for each core if not told otherwise;
    `processes` says which of them, if not the better one.
    """

    def __init__(self, workers: int | None = None, *, processes: bool | None = None) -> None:
        self._workers = workers or cores()
        self._processes = processes
        self._pool: Executor | None = None
        # A worker process whose end of this pipe ends has lost its parent, however that died.
        self._life: tuple[int, int] | None = None
        self._waiting: list[_Check] = []
        self._then: list[Callable[[Any], None]] = []
        self._under_way: deque[tuple[Future[list[Any]], list[Callable[[Any], None]]]] = deque()
        self._done = 0

    def __enter__(self) -> "Together":
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if error is None:
                self.finish()
        finally:
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)
            for end in self._life or ():
                os.close(end)

    def add(self, check: Callable[..., Any], given: tuple[Any, ...], then: Callable[[Any], None]) -> None:
        """Let `then` have, in the order of adding, what `check(*given)` returns or the LedgerError that it raises.

        Requires a function of a module, and values that can be pickled.
        """
        self._waiting.append((check, given))
        self._then.append(then)
        if len(self._waiting) >= AT_ONCE:
            self._send()
            while len(self._under_way) > _AHEAD * self._workers:
                self._take()

    def finish(self) -> None:
        """Check all that wait."""
        self._send()
        while self._under_way:
            self._take()

    def _send(self) -> None:
        waiting, then = self._waiting, self._then
        self._waiting, self._then = [], []
        self._done += len(waiting)
        if self._done <= _FEW and self._processes is None:
            found: Future[list[Any]] = Future()
            found.set_result(outcomes(waiting))
        else:
            if self._pool is None:
                self._pool = self._make_pool()
            found = self._pool.submit(outcomes, waiting)
        self._under_way.append((found, then))

    def _take(self) -> None:
        found, then = self._under_way.popleft()
        try:
            results = found.result()
        except BrokenExecutor as error:
            raise LedgerError("a process that was checking signatures was ended from outside") from error
        for each, outcome in zip(then, results, strict=True):
            each(outcome)

    def _make_pool(self) -> Executor:
        if self._processes is False or (self._processes is None and not _can_fork(self._workers)):
            return ThreadPoolExecutor(self._workers)
        self._life = os.pipe()
        return ProcessPoolExecutor(self._workers, multiprocessing.get_context("fork"), _begin, self._life)


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


def _begin(mine: int, parents: int) -> None:
    """Prepare a worker process: the terminal's interrupt is its parent's to answer, and it does not outlive that."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.close(parents)
    threading.Thread(target=_end_with_parent, args=(mine,), daemon=True).start()


def _end_with_parent(pipe: int) -> None:
    os.read(pipe, 1)
    os._exit(1)
