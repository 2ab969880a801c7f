"""The data path of a transfer against plain Parquet, its memory, and sealing against the bare cipher.

A sealed transfer opens the sealed source, desensitizes by the derived plan, fingerprints and seals. Its peer reads the
same rows from the same file and writes them again, untouched, with the same compression: as one table, and part by part
with as many threads as the transfer has; the faster of the two counts.
"""

from __future__ import annotations

import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from benchmarks.figures import Figure, interleaved, median_ratio, seconds
from benchmarks.servers import ROOT
from contracts.desensitization.detect import detect
from contracts.desensitization.engine import combined_digest, open_parquet, run
from contracts.desensitization.keys import Keys
from contracts.desensitization.plan import derive
from contracts.fingerprint import Fingerprint, choose_columns, disclosed, last_digits
from contracts.sealing import OpenReader, SealWriter
from valuation.sample import SCHEMA
from valuation.sample import rows as sample_rows

ROWS = 1_000_000
ROW_GROUP = 131_072
THREADS = 2
TARGET_RATIO = 0.3
TARGET_MEMORY = 1.3
_KEY = bytes(range(32))


def figures(*, quick: bool = False) -> Iterator[Figure]:
    """Measure time on a million rows, memory on a million and on ten, and the cipher."""
    rows, rounds = (20_000, 1) if quick else (ROWS, 5)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain, sealed = make_source(rows, folder)
        yield from _time(plain, sealed, rows, rounds, folder)
        _, larger = make_source(rows * 10, folder)
        yield _memory(sealed, larger)
    yield from _cipher(4 << 20 if quick else 64 << 20, rounds)


def make_source(rows: int, folder: Path) -> tuple[Path, Path]:
    """Write the synthetic machining cell as a plain and as a sealed Parquet file, and return both."""
    plain, sealed = folder / f"{rows}.parquet", folder / f"{rows}.sealed"
    with pq.ParquetWriter(plain, SCHEMA, compression="zstd") as writer:
        for batch in sample_rows(rows, 1, batch_rows=ROW_GROUP):
            writer.write_batch(batch, row_group_size=ROW_GROUP)
    with plain.open("rb") as source, sealed.open("wb") as target, SealWriter(target, _KEY) as seal:
        while block := source.read(1 << 20):
            seal.write(block)
    return plain, sealed


def transfer(sealed: Path, target: Path) -> str:
    """Run the whole data path and return the combined digest of its parts."""

    def source() -> pq.ParquetFile:
        return open_parquet(OpenReader(sealed.open("rb"), _KEY, close_source=True))

    first = source()
    sample = pa.Table.from_batches([next(first.iter_batches(65_536))])
    first.close(force=True)
    plan = disclosed(derive(sample.schema, detect(sample), 2), last_digits(sample))
    fingerprint = Fingerprint(_KEY, "buyer", choose_columns(sample, plan))
    digests = []
    with target.open("wb") as out, SealWriter(out, bytes(32)) as seal:
        for part in run(source, plan, Keys(_KEY, "agreement"), fingerprint, threads=THREADS):
            seal.write(part.data)
            digests.append(part.sha256)
    return combined_digest(digests)


def copy_table(source: Path, target: Path) -> None:
    """Read the file as one table and write it again."""
    pq.write_table(pq.read_table(source), target, compression="zstd", row_group_size=ROW_GROUP)


def copy_parts(source: Path, target: Path) -> None:
    """Read every row group and write it again, with as many threads as the transfer has."""
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


def _time(plain: Path, sealed: Path, rows: int, rounds: int, folder: Path) -> Iterator[Figure]:
    works = (
        partial(transfer, sealed, folder / "out"),
        partial(copy_table, plain, folder / "copy"),
        partial(copy_parts, plain, folder / "copy"),
    )
    costs: list[list[float]] = [[] for _ in works]
    moving, whole, parts = interleaved(rounds, *(_timed(work, cost) for work, cost in zip(works, costs, strict=True)))
    faster = min((whole, parts), key=statistics.median)
    ratio = median_ratio(faster, moving)
    yield Figure(
        name="desensitization.transfer",
        value=statistics.median(moving),
        unit=f"s for a sealed transfer of {rows:,} rows (median, {THREADS} threads)",
        against=f"reading and writing the same Parquet file ({plain.stat().st_size / 1e6:.1f} MB), the faster of two ways",
        against_value=statistics.median(faster),
        ratio=ratio,
        target=f"ratio >= {TARGET_RATIO}",
        holds=ratio >= TARGET_RATIO,
    )
    cheaper = costs[1] if faster is whole else costs[2]
    yield Figure(
        name="desensitization.transfer.processor",
        value=statistics.median(costs[0]),
        unit="s of processor time (median)",
        against="the same copy",
        against_value=statistics.median(cheaper),
        ratio=median_ratio(cheaper, costs[0]),
    )


def _timed(work: Callable[[], object], costs: list[float]) -> Callable[[], float]:
    def measure() -> float:
        before = time.process_time()
        taken = seconds(work)
        costs.append(time.process_time() - before)
        return taken

    return measure


def _memory(sealed: Path, larger: Path) -> Figure:
    small, large = _peak_megabytes(sealed), _peak_megabytes(larger)
    return Figure(
        name="desensitization.memory",
        value=large,
        unit="MB at the peak, ten times the rows",
        against="the same transfer of a tenth of the rows, each in a process of its own",
        against_value=small,
        ratio=large / small,
        target=f"ratio < {TARGET_MEMORY}",
        holds=large / small < TARGET_MEMORY,
    )


def _peak_megabytes(sealed: Path) -> float:
    """Return the peak resident memory of one transfer in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.desensitization", str(sealed)]
    done = subprocess.run(command, capture_output=True, check=True, text=True, cwd=ROOT)
    return float(done.stdout.split()[-1])


class _Nowhere(io.RawIOBase):
    def writable(self) -> bool:
        return True

    def write(self, block: object) -> int:
        return len(memoryview(block))  # type: ignore[arg-type]  # Any buffer.


def _cipher(size: int, rounds: int) -> Iterator[Figure]:
    """Yield how fast packages are sealed and opened, beside the cipher alone on messages of 1 MiB."""
    data, aead = os.urandom(size), AESGCM(_KEY)
    view, out, nonce = memoryview(data), bytearray((1 << 20) + 16), bytes(12)
    packed = io.BytesIO()
    with SealWriter(packed, _KEY) as writer:
        writer.write(data)
    reader, buffer = OpenReader(packed, _KEY), bytearray(1 << 20)

    def limit() -> None:
        for start in range(0, size, 1 << 20):
            aead.encrypt_into(nonce, view[start : start + (1 << 20)], None, out)

    def seal() -> None:
        with SealWriter(_Nowhere(), _KEY) as writer:
            writer.write(data)

    def unseal() -> None:
        reader.seek(0)
        while reader.readinto(buffer):
            pass

    best, *taken = interleaved(rounds * 2 - 1, *(partial(seconds, work) for work in (limit, seal, unseal)))
    for name, each in zip(("seal", "open"), taken, strict=True):
        yield Figure(
            name=f"sealing.{name}",
            value=size / statistics.median(each) / 1e9,
            unit="GB/s (median)",
            against="AES-256-GCM of cryptography on messages of 1 MiB (limit)",
            against_value=size / statistics.median(best) / 1e9,
            ratio=median_ratio(best, each),
        )


if __name__ == "__main__":
    path = Path(sys.argv[1])
    transfer(path, path.with_suffix(".out"))
    # Not ru_maxrss, which begins at what the parent process held when it started this one.
    status = Path("/proc/self/status").read_text()
    print(int(status.partition("VmHWM:")[2].split()[0]) / 1024)
