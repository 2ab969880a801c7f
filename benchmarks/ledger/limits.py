"""What no ledger in Python can beat: F, synced writes of the disk; V, signatures checked; L, entries hashed in C."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import nacl.bindings

from benchmarks.figures import Figure, median_ratio
from ledger.entry import DOMAIN, Draft, Signature
from ledger.signatures import signing_input
from ledger.together import cores

TARGET_HASHING = 0.05
_BLOCK = 4096
_HASHING = r"""
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
/* For each entry the hash of a leaf, and that of a node over it: SIZE COUNT, prints entries a second of processor time. */
int main(int count, char **given) {
    size_t size = (size_t)atol(given[1]) + 1;
    long entries = atol(given[2]);
    unsigned char *leaf = calloc(1, size), node[65] = {1}, hash[32];
    struct timespec start, stop;
    SHA256_CTX context;
    if (count != 3 || leaf == NULL) return 1;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    for (long entry = 0; entry < entries; entry++) {
        SHA256_Init(&context); SHA256_Update(&context, leaf, size); SHA256_Final(hash, &context);
        memcpy(node + 33, hash, 32);
        SHA256_Init(&context); SHA256_Update(&context, node, 65); SHA256_Final(hash, &context);
        memcpy(node + 1, hash, 32);
        leaf[1] = hash[0];
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &stop);
    printf("%.1f\n", entries / (stop.tv_sec - start.tv_sec + (stop.tv_nsec - start.tv_nsec) / 1e9));
    return 0;
}
"""


def synced_writes(folder: Path, seconds: float) -> float:
    """Return F: how often a second a block of a file that already has its length is written and synced."""
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        number = file.fileno()
        os.pwrite(number, bytes(256 * _BLOCK), 0)
        os.fsync(number)
        block, count, started = b"x" * _BLOCK, 0, time.perf_counter()
        while (taken := time.perf_counter() - started) < seconds:
            os.pwrite(number, block, count % 256 * _BLOCK)
            os.fdatasync(number)
            count += 1
    return count / taken


def checked_signatures(statements: Sequence[tuple[Draft, Signature]]) -> float:
    """Return V: how many signatures of these statements PyNaCl checks in a second of processor time, one by one."""
    messages = _messages(statements)
    check = nacl.bindings.crypto_sign_open
    started = time.process_time()
    for message, public in messages:
        check(message, public)
    return len(messages) / (time.process_time() - started)


@contextlib.contextmanager
def every_core(statements: Sequence[tuple[Draft, Signature]]) -> Iterator[Callable[[], float]]:
    """Yield what returns V of all cores: how many signatures PyNaCl checks in a second of the clock, a process on each."""
    with ProcessPoolExecutor(cores(), multiprocessing.get_context("fork"), _keep, (list(statements),)) as pool:
        everywhere = range(cores())

        def measure() -> float:
            started = time.perf_counter()
            checked = sum(pool.map(_check_kept, everywhere))
            return checked / (time.perf_counter() - started)

        measure()
        yield measure


_kept: list[tuple[bytes, bytes]] = []


def _keep(statements: Sequence[tuple[Draft, Signature]]) -> None:
    _kept[:] = _messages(statements)


def _check_kept(_: int) -> int:
    for message, public in _kept:
        nacl.bindings.crypto_sign_open(message, public)
    return len(_kept)


def _messages(statements: Sequence[tuple[Draft, Signature]]) -> list[tuple[bytes, bytes]]:
    return [
        (signature.value + signing_input(DOMAIN, draft.payload), signature.public) for draft, signature in statements
    ]


def settle() -> None:
    """Let the interpreter's collector pass over what a benchmark has prepared, which would slow down what is measured."""
    gc.collect()
    gc.freeze()


def c_hashing(folder: Path) -> Callable[[int, int], float] | None:
    """Return what measures L for entries of a size, in C with OpenSSL; None where there is no compiler or no OpenSSL to build with."""
    source, program = folder / "hashing.c", folder / "hashing"
    source.write_text(_HASHING)
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    command = [compiler, "-O2", "-w", str(source), "-lcrypto", "-o", str(program)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        return None

    def measure(size: int, count: int) -> float:
        done = subprocess.run([str(program), str(size), str(count)], capture_output=True, check=True, text=True)
        return float(done.stdout)

    return measure


def against_hashing(name: str, rates: Sequence[float], unit: str, limit: Sequence[float] | None) -> Figure:
    """Return a figure against L, which says so where L could not be measured."""
    if limit is None:
        return Figure(name, statistics.median(rates), unit, "L, which needs a C compiler with OpenSSL: neither is here")
    ratio = median_ratio(rates, limit)
    return Figure(
        name=name,
        value=statistics.median(rates),
        unit=unit,
        against="L, the entries of this size that C with OpenSSL hashes in a second of one core, leaf and node",
        against_value=statistics.median(limit),
        ratio=ratio,
        target=f"ratio >= {TARGET_HASHING}",
        holds=ratio >= TARGET_HASHING,
    )
