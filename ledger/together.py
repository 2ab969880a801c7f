"""Checking many signatures at a time, on all cores.

The arithmetic of a signature holds no lock of the interpreter, so threads share it; and it is done for
hundreds at a time while nothing else runs, since whatever does would make them wait for that lock.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ledger.errors import LedgerError

AT_ONCE = 1024


class Together:
    """Checks that wait until there are enough of them. Leave its block to have the rest checked too."""

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads or cores()
        self._pool = ThreadPoolExecutor(self._threads)
        self._waiting: list[tuple[Callable[[], Any], Callable[[Any], None]]] = []

    def __enter__(self) -> "Together":
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is None:
            self.finish()
        self._pool.shutdown()

    def add(self, check: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Let `then` have, in the order of adding, what `check` returns or the LedgerError that it raises."""
        self._waiting.append((check, then))
        if len(self._waiting) >= AT_ONCE:
            self.finish()

    def finish(self) -> None:
        """Check all that wait."""
        waiting, self._waiting = self._waiting, []
        share = -(-len(waiting) // self._threads) or 1
        parts = [waiting[start : start + share] for start in range(0, len(waiting), share)]
        found = [outcome for outcomes in self._pool.map(_outcomes, parts) for outcome in outcomes]
        for (_, then), outcome in zip(waiting, found, strict=True):
            then(outcome)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _outcomes(waiting: Sequence[tuple[Callable[[], Any], object]]) -> list[Any]:
    found = []
    for check, _ in waiting:
        try:
            found.append(check())
        except LedgerError as error:
            found.append(error)
    return found
