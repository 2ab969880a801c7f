"""Reading a log: auditing all of it, proving one entry of a million, and what the entries take on the disk."""

from __future__ import annotations

import contextlib
import random
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.figures import Figure, interleaved, median_ratio, seconds
from benchmarks.ledger import limits
from benchmarks.ledger.logs import log_in
from benchmarks.ledger.statements import bare, signed
from ledger import verify
from ledger.entry import SIGNATURE, SIGNER, Opening, admit
from ledger.fsck import _signing_key, fsck
from ledger.log import Log
from ledger.storage.sql import SqlStorage
from ledger.together import Together, cores

TARGET_SIGNATURES = 0.8
TARGET_PROOF_MS = 1.0
TARGET_STORAGE = 1.2
_BATCH = 256


def audit(folder: Path, hashing: Callable[[int, int], float] | None, *, quick: bool) -> Iterator[Figure]:
    """Measure the check of a whole log: what is public alone, its signatures alone, and everything."""
    rounds, count = (1, 2 * _BATCH) if quick else (5, 40 * _BATCH)
    given = signed(count)
    with limits.every_core(given) as every_core, log_in(folder, "audited") as log:
        for start in range(0, count, _BATCH):
            log.write([admit(*each) for each in given[start : start + _BATCH]])
        log.integrate()
        size = len(log.entry(1).body)
        checks = _signatures_of(log, count)
        limits.settle()
        rates = interleaved(
            rounds,
            every_core,
            lambda: count / _processor_seconds(lambda: _require_ok(log, openings=False)),
            lambda: len(checks) / seconds(lambda: _check_together(checks)),
            lambda: count / seconds(lambda: _require_ok(log, openings=True)),
            *([] if hashing is None else [lambda: hashing(size, 20_000 if quick else 200_000)]),
        )
    all_cores, public, checked, everything = rates[:4]
    unit = "entries/s of one core in the check of all that is public (median)"
    yield limits.against_hashing("ledger.audit.public", public, unit, rates[4] if hashing else None)
    ratio = median_ratio(checked, all_cores)
    yield Figure(
        name="ledger.audit.signatures",
        value=statistics.median(checked),
        unit=f"signatures of statements/s checked by the audit on {cores()} cores (median)",
        against=f"V of {cores()} cores, the signatures that PyNaCl checks in a second with a process on each",
        against_value=statistics.median(all_cores),
        ratio=ratio,
        target=f"ratio >= {TARGET_SIGNATURES}",
        holds=ratio >= TARGET_SIGNATURES,
    )
    yield Figure(
        name="ledger.audit.whole",
        value=statistics.median(everything),
        unit=f"entries/s checked with nine openings and a signature each on {cores()} cores (median)",
        against=f"V of {cores()} cores",
        against_value=statistics.median(all_cores),
        ratio=median_ratio(everything, all_cores),
    )


def _require_ok(log: Log[Any], *, openings: bool) -> None:
    report = fsck(log.storage, log.vkey, openings=openings)
    if not report.ok:
        raise RuntimeError(report.problems[0].detail)


def _processor_seconds(work: Callable[[], None]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _signatures_of(log: Log[Any], count: int) -> list[tuple[Any, ...]]:
    """Return what the check of each entry's signature is given."""
    found = []
    for record in log.storage.records(1, count + 1):
        openings = record.openings or {}
        signer, signature = openings.get(SIGNER), openings.get(SIGNATURE)
        if record.entry is None or not isinstance(signer, Opening) or not isinstance(signature, Opening):
            raise RuntimeError("An entry was not recorded.")
        found.append((record.index, record.entry.payload, signer.value, signature.value))
    return found


def _check_together(checks: list[tuple[Any, ...]]) -> None:
    with Together() as together:
        for given in checks:
            together.add(_signing_key, given, _require_verified)


def _require_verified(found: Any) -> None:
    if isinstance(found, Exception):
        raise found


def large_log(folder: Path, *, quick: bool) -> Iterator[Figure]:
    """Measure proofs from a log of a million entries, and the size of its database."""
    count, samples = (5_000, 50) if quick else (1_000_000, 400)
    with log_in(folder, "large") as log:
        for start in range(1, count, 4096):
            log.write(list(bare(start, min(start + 4096, count), varied=True)))
        log.integrate()
        yield _proofs(log, count, samples)
        if not isinstance(log.storage, SqlStorage):
            raise TypeError
        yield _storage(log, log.storage.engine, folder / "large.db", count)


def _proofs(log: Log[Any], count: int, samples: int) -> Figure:
    chosen, root = random.Random(1), log.root(count)
    taken, checked = [], []
    for _ in range(samples):
        index = chosen.randrange(count)
        started = time.perf_counter()
        proof = log.inclusion_proof(index, count)
        taken.append(time.perf_counter() - started)
        checked.append(seconds(partial(verify.inclusion, index, count, log.entry(index).leaf_hash, proof, root)))
    value = statistics.median(taken) * 1000
    return Figure(
        name="ledger.proof",
        value=value,
        unit=f"ms to build an inclusion proof from storage, of any of {count:,} entries (median)",
        against="checking the same proof",
        against_value=statistics.median(checked) * 1000,
        ratio=median_ratio(checked, taken),
        target=f"< {TARGET_PROOF_MS:.0f} ms",
        holds=value < TARGET_PROOF_MS,
    )


def _storage(log: Log[Any], engine: sa.Engine, database: Path, count: int) -> Figure:
    bodies = sum(len(body) for body in log.storage.bodies(0, count))
    # Outside of a transaction, in which there could be none.
    with contextlib.closing(engine.raw_connection()) as pooled:
        pooled.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    stored = database.stat().st_size / count
    ratio = stored * count / bodies
    return Figure(
        name="ledger.storage",
        value=stored,
        unit="bytes of the database for each entry, without openings",
        against="the mean length of an entry",
        against_value=bodies / count,
        ratio=ratio,
        target=f"ratio <= {TARGET_STORAGE}",
        holds=ratio <= TARGET_STORAGE,
    )
