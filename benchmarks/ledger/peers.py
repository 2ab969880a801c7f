"""Single appends beside pymerkle's tree in SQLite, both on a memory file system and both with `synchronous = FULL`.

On both sides whoever appends a leaf is given the root and the proof that the leaf is under it; ours are its receipt,
under a root that the log has signed. What pymerkle does not do at all, checking the leaf's own signature and storing
what opens it, is left out of the comparison, and counted in a figure beside it.
"""

from __future__ import annotations

import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, interleaved, median_ratio
from benchmarks.ledger import limits
from benchmarks.ledger.append import record
from benchmarks.ledger.logs import log_in
from benchmarks.ledger.statements import bare, signed
from ledger.entry import Admitted
from ledger.log import Log
from ledger.standalone import StandaloneLog

TARGET = 3.0
_BATCH = 256
_MEMORY = Path("/dev/shm")  # noqa: S108  # A folder of its own is made in it.


def appends(*, quick: bool) -> Iterator[Figure]:
    """Measure appends with root and proof of one client on both, and on pymerkle's also with the journal that ours has."""
    rounds, count, before = (1, 50, 100) if quick else (7, 400, 10_000)
    try:
        from pymerkle import SqliteTree
    except ImportError:
        yield Figure("ledger.peer", 0.0, "appends/s", "pymerkle, which is not installed, so nothing was measured")
        return
    if not _MEMORY.is_dir():
        yield Figure("ledger.peer", 0.0, "appends/s", "pymerkle; there is no memory file system here to measure on")
        return

    def peer(tree: SqliteTree, size: int) -> Callable[[], float]:
        entries = iter([os.urandom(size) for _ in range(rounds * count)])

        def measure() -> float:
            started = time.perf_counter()
            for _ in range(count):
                index = tree.append_entry(next(entries))
                tree.get_root()
                tree.prove_inclusion(index)
            return (time.perf_counter() - started) / count

        return measure

    with tempfile.TemporaryDirectory(dir=_MEMORY) as name, log_in(Path(name)) as log:
        shared, given, leaves = (
            StandaloneLog(log),
            iter(signed(rounds * count)),
            bare(2 * 10**9, 2 * 10**9 + rounds * count),
        )
        for start in range(0, before, _BATCH):
            log.write(list(bare(10**9 + start, 10**9 + start + _BATCH)))
        size = len(log.entry(1).body)
        with SqliteTree(f"{name}/peer.db") as shipped, SqliteTree(f"{name}/faster.db") as faster:
            for tree, journal in ((shipped, "DELETE"), (faster, "WAL")):
                tree.con.execute(f"PRAGMA journal_mode = {journal}")
                tree.con.execute("PRAGMA synchronous = FULL")
                tree.append_entries([os.urandom(size) for _ in range(before)])
            limits.settle()
            ours, whole, theirs, tuned = interleaved(
                rounds,
                lambda: _leaves(log, leaves, count),
                lambda: statistics.mean(record(shared, given, count)),
                peer(shipped, size),
                peer(faster, size),
            )
    ratio = median_ratio(theirs, ours)
    value = 1 / statistics.median(ours)
    unit = "appends/s of one client to a memory file system, each with its leaf, signed root and proof (median)"
    yield Figure(
        name="ledger.peer",
        value=value,
        unit=unit,
        against="appends/s with root and proof of pymerkle's SqliteTree as shipped, of leaves of the same size",
        against_value=1 / statistics.median(theirs),
        ratio=ratio,
        target=f"ratio >= {TARGET:.0f}",
        holds=ratio >= TARGET,
    )
    yield Figure(
        name="ledger.peer.signed",
        value=1 / statistics.median(whole),
        unit="the same appends/s with the entry's own signature checked and nine openings stored",
        against="the same",
        against_value=1 / statistics.median(theirs),
        ratio=median_ratio(theirs, whole),
    )
    yield Figure(
        name="ledger.peer.wal",
        value=value,
        unit=unit,
        against="the same tree with a write-ahead log set from outside",
        against_value=1 / statistics.median(tuned),
        ratio=median_ratio(tuned, ours),
    )


def _leaves(log: Log[Any], leaves: Iterator[Admitted], count: int) -> float:
    """Append leaves that were admitted before, each with its receipt; return the mean seconds."""
    chosen = list(itertools.islice(leaves, count))
    started = time.perf_counter()
    for leaf in chosen:
        log.receipts(log.write([leaf]))
    return (time.perf_counter() - started) / count
