"""The transfer's data path against plain Parquet and against the cipher, in one run on this machine.

    python benchmarks/bench_transfer_kernel.py [--rows 1000000]

1. A sealed transfer (open the sealed source, desensitize, fingerprint, seal) against reading and writing the same
   rows as plain Parquet with the same number of threads; the ratio is plain time over transfer time.
2. Peak memory of the same transfer on ten times the rows, each in a process of its own.
3. Pseudonyms a second, and sealing and opening against AES-256-GCM of `cryptography` on 1 MiB messages.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from contracts.desensitization.cmac import ColumnCmac
from contracts.desensitization.detect import detect
from contracts.desensitization.engine import combined_digest, open_parquet, run
from contracts.desensitization.keys import Keys
from contracts.desensitization.plan import derive
from contracts.fingerprint import Fingerprint, choose_columns
from contracts.sealing import OpenReader, SealWriter
from valuation.sample import rows as sample_rows

KEY = bytes(range(32))
ROW_GROUP = 131_072
THREADS = 2


def make_source(rows: int, plain: Path, sealed: Path) -> None:
    """The synthetic machining cell as a plain and as a sealed Parquet file."""
    pending: list[pa.RecordBatch] = []
    writer: pq.ParquetWriter | None = None
    for batch in sample_rows(rows, 1):
        writer = writer or pq.ParquetWriter(plain, batch.schema, compression="zstd")
        pending.append(batch)
        if sum(part.num_rows for part in pending) >= ROW_GROUP:
            writer.write_table(pa.Table.from_batches(pending), row_group_size=ROW_GROUP)
            pending = []
    assert writer is not None
    if pending:
        writer.write_table(pa.Table.from_batches(pending), row_group_size=ROW_GROUP)
    writer.close()
    with plain.open("rb") as source, sealed.open("wb") as target, SealWriter(target, KEY) as seal:
        while block := source.read(1 << 20):
            seal.write(block)


def plain_copy(source: Path, target: Path) -> None:
    """Every row group read and written again, untouched, by as many threads as the transfer has."""
    files = [pq.ParquetFile(source, pre_buffer=False) for _ in range(THREADS)]

    def group(number: int) -> bytes:
        sink = pa.BufferOutputStream()
        file = files[number % THREADS]
        with pq.ParquetWriter(sink, file.schema_arrow, compression="zstd") as writer:
            for batch in file.iter_batches(65_536, [number], use_threads=False):
                writer.write_batch(batch)
        return sink.getvalue()

    # One worker a file keeps each reader with one thread.
    with target.open("wb") as out, ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        pools, waiting = [first, second], deque()
        for number in range(files[0].num_row_groups):
            waiting.append(pools[number % THREADS].submit(group, number))
            if len(waiting) > THREADS:
                out.write(waiting.popleft().result())
        while waiting:
            out.write(waiting.popleft().result())


def transfer(sealed: Path, target: Path) -> str:
    """The whole data path; the combined digest of the parts."""

    def source() -> pq.ParquetFile:
        return open_parquet(OpenReader(sealed.open("rb"), KEY, close_source=True))

    first = source()
    sample = pa.Table.from_batches([next(first.iter_batches(65_536))])
    first.close(force=True)
    plan = derive(sample.schema, detect(sample), 2)
    fingerprint = Fingerprint(KEY, "buyer", choose_columns(sample, plan))
    digests = []
    with target.open("wb") as out, SealWriter(out, bytes(32)) as seal:
        for part in run(source, plan, Keys(KEY, "agreement"), fingerprint, threads=THREADS):
            seal.write(part.data)
            digests.append(part.sha256)
    return combined_digest(digests)


def median_seconds(work: Callable[[], object], times: int = 5) -> float:
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def peak_megabytes(rows: int, folder: Path) -> float:
    """Peak resident memory of one transfer in a fresh process."""
    command = [sys.executable, __file__, "--transfer-only", str(folder / f"sealed-{rows}"), "--rows", str(rows)]
    done = subprocess.run(command, capture_output=True, check=True, env={**os.environ, "PYTHONPATH": "."})
    return float(done.stdout.split()[-1])


def report_cipher() -> None:
    size = 64 << 20
    data, nonce, aead = os.urandom(size), bytes(12), AESGCM(KEY)
    view, out = memoryview(data), bytearray((1 << 20) + 16)

    def limit() -> None:
        for start in range(0, size, 1 << 20):
            aead.encrypt_into(nonce, view[start : start + (1 << 20)], None, out)

    class Nowhere(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, block: memoryview) -> int:
            return len(block)

    def seal() -> None:
        with SealWriter(Nowhere(), KEY) as writer:
            writer.write(data)

    sealed = io.BytesIO()
    with SealWriter(sealed, KEY) as writer:
        writer.write(data)
    reader, buffer = OpenReader(sealed, KEY), bytearray(1 << 20)

    def unseal() -> None:
        reader.seek(0)
        while reader.readinto(buffer):
            pass

    best, sealing, opening = (median_seconds(work, 9) for work in (limit, seal, unseal))
    for name, seconds in (("AES-256-GCM, 1 MiB (limit)", best), ("seal", sealing), ("open", opening)):
        print(f"{name:32} {size / seconds / 1e9:6.2f} GB/s   {best / seconds:5.2f} of the limit")


def report_pseudonyms() -> None:
    count = 1_000_000
    column = pa.array([f"SN-{number:09d}" for number in range(count)])
    cmac = ColumnCmac(KEY)
    seconds = median_seconds(lambda: cmac.tags(column).tobytes().hex())
    print(f"{'pseudonyms, all distinct':32} {count / seconds / 1e6:6.2f} million/s a thread")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--transfer-only", type=Path)
    options = parser.parse_args()
    if options.transfer_only:
        transfer(options.transfer_only, options.transfer_only.with_suffix(".out"))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain, sealed = folder / "plain", folder / f"sealed-{options.rows}"
        make_source(options.rows, plain, sealed)
        print(f"{options.rows:,} rows, {plain.stat().st_size / 1e6:.1f} MB of Parquet, {THREADS} threads")
        copying = median_seconds(lambda: plain_copy(plain, folder / "copy"))
        moving = median_seconds(lambda: transfer(sealed, folder / "out"))
        print(f"{'plain Parquet read and write':32} {copying:6.2f} s")
        print(f"{'sealed transfer':32} {moving:6.2f} s   {copying / moving:5.2f} of plain")
        make_source(options.rows * 10, folder / "plain10", folder / f"sealed-{options.rows * 10}")
        small, large = peak_megabytes(options.rows, folder), peak_megabytes(options.rows * 10, folder)
        print(f"{'peak memory':32} {small:6.0f} MB, of ten times the rows {large:.0f} MB: {large / small:.2f} times")
    report_pseudonyms()
    report_cipher()


if __name__ == "__main__":
    main()
