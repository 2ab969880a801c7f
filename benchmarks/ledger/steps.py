"""Steps of the journey through HTTP on gunicorn with PostgreSQL, each answered with its receipts, by workers.

Every client takes negotiations from the request to FINALIZED: four steps. The clients run on the same machine.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks import servers
from benchmarks.figures import Figure
from benchmarks.market import Market, open_market

WORKERS = (1, 2, 4)
CLIENTS = 8
_STEPS = 4
# Seconds to warm up, and to measure.
_FULL, _QUICK = (2.0, 8.0), (0.0, 1.5)


def through_http(*, quick: bool) -> Iterator[Figure]:
    """Measure the steps a second with 1, 2 and 4 workers, each beside the first."""
    first, lasting = 0.0, _QUICK if quick else _FULL
    for workers in WORKERS[: 1 if quick else None]:
        with tempfile.TemporaryDirectory() as name, ExitStack() as running:
            folder = Path(name)
            url = running.enter_context(servers.postgresql(folder / "postgresql"))
            if url is None:
                yield Figure(
                    "ledger.steps", 0.0, "steps/s", "PostgreSQL's wheel is not installed: nothing was measured"
                )
                return
            served = running.enter_context(servers.exchange(folder / "home", database_url=url, workers=workers))
            rate = _rate(open_market(served, folder), *lasting)
        first = first or rate
        yield Figure(
            name=f"ledger.steps.{workers}",
            value=rate,
            unit=f"steps/s with receipts, {workers} workers, {CLIENTS} clients on the same {os.cpu_count()} cores",
            against="the same with one worker",
            against_value=first,
            ratio=rate / first,
        )


def _rate(market: Market, warm_up: float, seconds: float) -> float:
    """Return how many steps a second are answered."""
    finished: list[float] = []
    begin = time.perf_counter() + warm_up
    end = begin + seconds

    def trade(own: Market) -> None:
        while time.perf_counter() < end:
            own.agree()
            finished.append(time.perf_counter())

    threads = [threading.Thread(target=trade, args=(market.again(),)) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return _STEPS * sum(begin <= moment < end for moment in finished) / seconds
