"""The ledger: appending, batches, audits, proofs, storage, a peer, and steps through HTTP.

Limits are measured in the same run, in turn with what they limit: F, synced writes of the disk; V, signatures that
PyNaCl checks; L, entries that C hashes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure


def figures(*, quick: bool = False) -> Iterator[Figure]:
    """Measure everything but the memory of a whole audit of ten million entries, which has a benchmark of its own."""
    # Imported here, so that the audit whose memory is measured does not carry the exchange along.
    from benchmarks.ledger import append, limits, memory, peers, reading, steps

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hashing = limits.c_hashing(folder)
        yield from append.single(folder, quick=quick)
        yield from append.many(folder, quick=quick)
        yield from append.batches(folder, hashing, quick=quick)
        yield from reading.audit(folder, hashing, quick=quick)
        yield from peers.appends(quick=quick)
        yield from reading.large_log(folder, quick=quick)
    yield from memory.public(quick=quick)
    yield from steps.through_http(quick=quick)
