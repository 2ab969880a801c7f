"""Appending: one client alone, many at once, and in batches, against the disk, the signatures and the hashes they need."""

from __future__ import annotations

import itertools
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, interleaved, median_ratio
from benchmarks.ledger import limits
from benchmarks.ledger.logs import log_in
from benchmarks.ledger.statements import PARTY, bare, signed
from ledger import signatures
from ledger.entry import DOMAIN, Admitted, Draft, Signature, admit
from ledger.log import Log
from ledger.standalone import StandaloneLog

TARGET = 0.8
CPU_SECONDS = 120e-6
WRITERS = 32
_WRITERS_SECONDS = 0.003
_BATCH = 256
_WARM_UP = 300
_Given = Iterator[tuple[Draft, Signature]]


def single(folder: Path, *, quick: bool) -> Iterator[Figure]:
    """Measure what one client alone appends durably in a second: to a log of its own, and in a transaction of its own."""
    rounds, count = (1, 50) if quick else (9, 500)
    given = iter(signed(2 * (_WARM_UP + rounds * count)))
    with log_in(folder, "own") as own, log_in(folder, "tied") as tied:
        # SQLite's log of writes is slower while it grows; it has its full length after this.
        record(StandaloneLog(own), given, _WARM_UP)
        append(tied, given, _WARM_UP)
        limits.settle()
        synced, alone, within = interleaved(
            rounds,
            lambda: 1 / limits.synced_writes(folder, 0.05 if quick else 0.3),
            lambda: statistics.mean(record(StandaloneLog(own), given, count)),
            lambda: append(tied, given, count),
        )
    best = [each + CPU_SECONDS for each in synced]
    against = f"1/(1/F + 120 µs) with F = {1 / statistics.median(synced):.0f} synced writes/s"
    ratio = median_ratio(best, alone)
    yield Figure(
        name="ledger.append",
        value=1 / statistics.median(alone),
        unit="durable appends/s of one client, each with its receipt (median)",
        against=against,
        against_value=1 / statistics.median(best),
        ratio=ratio,
        target=f"ratio >= {TARGET}",
        holds=ratio >= TARGET,
    )
    yield Figure(
        name="ledger.append.transaction",
        value=1 / statistics.median(within),
        unit="appends/s of one client in transactions of its own, each with its receipt (median)",
        against=against,
        against_value=1 / statistics.median(best),
        ratio=median_ratio(best, within),
    )


def record(log: StandaloneLog, given: _Given, count: int) -> list[float]:
    """Record statements one by one, each with its receipt; return the seconds that each took."""
    taken = []
    for draft, signature in list(itertools.islice(given, count)):
        started = time.perf_counter()
        log.record(draft, signature)
        taken.append(time.perf_counter() - started)
    return taken


def append(log: Log[Any], given: _Given, count: int) -> float:
    """Append statements one by one in a transaction of the caller's, then ask for the receipt; return the mean seconds."""
    chosen = list(itertools.islice(given, count))
    started = time.perf_counter()
    for draft, signature in chosen:
        with log.storage.transaction() as connection:
            log.append(connection, draft, signature)
        log.receipt(draft.statement.id)
    return (time.perf_counter() - started) / len(chosen)


def many(folder: Path, *, quick: bool) -> Iterator[Figure]:
    """Measure how long each of many writers waits for its receipt, when none waits for another's."""
    rounds, count = (1, 3) if quick else (9, 25)
    given = iter(signed(2 * _WARM_UP + rounds * count * WRITERS))
    with log_in(folder, "shared") as log:
        shared = StandaloneLog(log)
        record(shared, given, _WARM_UP)
        _at_once(shared, given, _WARM_UP // WRITERS)
        limits.settle()
        waits: list[list[float]] = []
        synced, medians = interleaved(
            rounds,
            lambda: 1 / limits.synced_writes(folder, 0.05 if quick else 0.3),
            lambda: statistics.median(_noted(waits, _at_once(shared, given, count))),
        )
    allowed = [2 * each + _WRITERS_SECONDS for each in synced]
    # How long is waited is the figure here, so less is better.
    ratio = median_ratio(medians, allowed)
    everyone = sorted(each for part in waits for each in part)
    slowest = everyone[int(len(everyone) * 0.99)] * 1000
    yield Figure(
        name="ledger.writers",
        value=statistics.median(medians) * 1000,
        unit=f"ms to a durable entry and its receipt, {WRITERS} writers at once (median; 99 of 100 within {slowest:.1f} ms)",
        against=f"2/F + 3 ms with F = {1 / statistics.median(synced):.0f} synced writes/s",
        against_value=statistics.median(allowed) * 1000,
        ratio=ratio,
        target="ratio <= 1",
        holds=ratio <= 1,
    )


def _noted(waits: list[list[float]], found: list[float]) -> list[float]:
    waits.append(found)
    return found


def _at_once(log: StandaloneLog, given: _Given, count: int) -> list[float]:
    """Let every writer record so many statements; return the seconds that each took."""
    shares = [list(itertools.islice(given, count)) for _ in range(WRITERS)]
    found: list[list[float]] = []
    start = threading.Barrier(WRITERS)

    def write(share: list[tuple[Draft, Signature]]) -> None:
        start.wait()
        found.append(record(log, iter(share), count))

    threads = [threading.Thread(target=write, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = [each for part in found for each in part]
    if len(taken) != WRITERS * count:
        raise RuntimeError("A writer failed.")
    return taken


def batches(folder: Path, hashing: Callable[[int, int], float] | None, *, quick: bool) -> Iterator[Figure]:
    """Measure batches of 256, each under a checkpoint, in processor time: the disk is another limit."""
    rounds, count = (1, 2 * _BATCH) if quick else (5, 12 * _BATCH)
    drafts = iter(signed(count * rounds))
    admitted = iter(list(bare(0, 2 * count * rounds)))
    sample = signed(count)
    with log_in(folder, "signed") as first, log_in(folder, "unsigned") as second, log_in(folder, "whole") as third:
        second.write(list(bare(10**9, 10**9 + 1)))
        size = len(second.entry(1).body)
        limits.settle()
        rates = interleaved(
            rounds,
            lambda: limits.checked_signatures(sample),
            lambda: _rate(first, _with_signatures(admitted, count), _verified),
            lambda: _rate(second, list(itertools.islice(admitted, count)), list),
            lambda: _rate(third, list(itertools.islice(drafts, count)), lambda batch: [admit(*each) for each in batch]),
            *([] if hashing is None else [lambda: hashing(size, 20_000 if quick else 200_000)]),
        )
    verify, one_signature, none, whole = rates[:4]
    ratio = median_ratio(one_signature, verify)
    yield Figure(
        name="ledger.batch.signed",
        value=statistics.median(one_signature),
        unit=f"entries/s of one core, in batches of {_BATCH} with one signature each (median)",
        against="V, the signatures that PyNaCl checks in a second of one core",
        against_value=statistics.median(verify),
        ratio=ratio,
        target=f"ratio >= {TARGET}",
        holds=ratio >= TARGET,
    )
    unit = f"entries/s of one core, in batches of {_BATCH} whose signatures were checked before (median)"
    yield limits.against_hashing("ledger.batch.unsigned", none, unit, rates[4] if hashing else None)
    yield Figure(
        name="ledger.batch.whole",
        value=statistics.median(whole),
        unit="entries/s of one core, with one signature and the nine openings of each stored too (median)",
        against="V",
        against_value=statistics.median(verify),
        ratio=median_ratio(whole, verify),
    )


def _rate(log: Log[Any], given: Sequence[Any], prepare: Callable[[Sequence[Any]], Sequence[Admitted]]) -> float:
    """Return how many entries a second of processor time goes through the log."""
    started = time.process_time()
    for start in range(0, len(given), _BATCH):
        log.write(prepare(given[start : start + _BATCH]))
    return len(given) / (time.process_time() - started)


def _with_signatures(given: Iterator[Admitted], count: int) -> list[tuple[Admitted, bytes]]:
    return [(one, PARTY.sign(DOMAIN, one.payload)) for one in itertools.islice(given, count)]


def _verified(batch: Sequence[tuple[Admitted, bytes]]) -> list[Admitted]:
    for one, signature in batch:
        signatures.verify(PARTY.public, DOMAIN, one.payload, signature)
    return [one for one, _ in batch]
