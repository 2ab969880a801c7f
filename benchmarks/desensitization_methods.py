"""Methods and measures of desensitization against their peers and limits: tokens, pseudonyms, k, l, t, the lattice, a wide plan.

Peers live in an environment of their own: the variable EXCHANGE_BENCH_PEERS names its interpreter (pip install pycanon ff3
polars presidio-structured presidio-analyzer). Without it, and for a peer that is missing there, only our figure is given.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.figures import Figure, seconds
from benchmarks.servers import ROOT
from contracts.desensitization.cmac import ColumnCmac
from contracts.desensitization.engine import open_parquet, run
from contracts.desensitization.ff1 import FF1
from contracts.desensitization.keys import Keys
from contracts.desensitization.masking import mask
from contracts.desensitization.plan import ColumnRule, Plan
from contracts.desensitization.risk import Hierarchy, closeness, count, distinct_diversity, k_anonymity, search

WIDE_ROWS = 20_000_000
_GROUP = 262_144
_KEY = bytes(range(32))
PLAN = Plan(
    (
        ColumnRule("row", "keep"),
        ColumnRule("plant", "keep"),
        ColumnRule("serial", "pseudonymize"),
        ColumnRule("operator", "pseudonymize"),
        ColumnRule("phone", "mask", {"keep_first": 3, "keep_last": 4}),
        ColumnRule("identity", "mask", {"keep_first": 6}),
        ColumnRule("supplier", "keep"),
        ColumnRule("time", "generalize", {"unit": "hour"}),
        ColumnRule("temperature", "round", {"digits": 1}),
        ColumnRule("pressure", "round", {"digits": 1}),
        ColumnRule("price", "generalize", {"width": 50}),
    )
)


def figures(*, quick: bool = False) -> Iterator[Figure]:
    """Measure single methods, the models on a million rows, the lattice and the plan on twenty million rows."""
    rounds, rows, wide = (1, 20_000, 100_000) if quick else (5, 1_000_000, WIDE_ROWS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        groups, close = _grouped(rows), _grouped(2_000)
        pq.write_table(groups, folder / "groups.parquet")
        pq.write_table(close, folder / "close.parquet")
        make_wide(wide, folder / "wide.parquet")
        peers = _peers(folder)
        yield from _methods(rows, rounds, peers)
        yield from _models(groups, close, rounds, peers)
        yield from _lattice(folder / "wide.parquet", min(rounds, 3))
        yield from _plan(folder / "wide.parquet", wide, min(rounds, 3), peers)


def make_wide(rows: int, path: Path) -> None:
    """Write the table of eleven columns that the plan is for."""
    random = np.random.default_rng(1)
    writer = None
    for start in range(0, rows, _GROUP):
        size = min(_GROUP, rows - start)
        people = random.integers(0, 200_000, size)
        table = pa.table(
            {
                "row": np.arange(start, start + size),
                "plant": pa.array(np.char.add("plant ", random.integers(0, 40, size).astype(str))),
                "serial": pa.array(np.char.add("SN-", np.char.zfill(random.integers(0, 10**6, size).astype(str), 9))),
                "operator": pa.array(np.char.add("operator ", random.integers(0, 500, size).astype(str))),
                "phone": pa.array(np.char.add("138", np.char.zfill(people.astype(str), 8))),
                "identity": pa.array(np.char.add("110101199001", np.char.zfill(people.astype(str), 6))),
                "supplier": pa.array(np.char.add("供应商 ", random.integers(0, 5_000, size).astype(str))),
                "time": pa.array(np.arange(start, start + size) * 1_000_000, pa.timestamp("us")),
                "temperature": np.round(random.normal(60, 8, size), 3),
                "pressure": np.round(random.gamma(5, 3, size), 3),
                "price": np.round(random.uniform(5, 900, size), 2),
            }
        )
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
    assert writer is not None
    writer.close()


def _grouped(rows: int) -> pa.Table:
    random = np.random.default_rng(2)
    return pa.table(
        {
            "a": random.integers(0, 20, rows),
            "b": random.integers(0, 20, rows),
            "c": random.integers(0, 20, rows),
            "s": random.integers(0, 5_000, rows),
        }
    )


def _peers(folder: Path) -> dict[str, float | None]:
    interpreter = os.environ.get("EXCHANGE_BENCH_PEERS")
    if not interpreter:
        print("EXCHANGE_BENCH_PEERS names no interpreter, so there are no peers", file=sys.stderr)
        return {}
    command = [interpreter, str(ROOT / "benchmarks" / "desensitization_peers.py"), str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, float | None] = json.loads(done.stdout.splitlines()[-1])
    return found


def _median(work: Callable[[], object], rounds: int) -> float:
    return statistics.median(seconds(work) for _ in range(rounds))


def _speed(name: str, rate: float, target: float, peer: str = "", peer_rate: float | None = None) -> Figure:
    return Figure(
        name=name,
        value=rate / 1e6,
        unit="million a second, one thread (median)",
        against=peer if peer_rate else "nothing in this run",
        against_value=peer_rate / 1e6 if peer_rate else None,
        ratio=rate / peer_rate if peer_rate else None,
        target=f">= {target} million",
        holds=rate / 1e6 >= target,
    )


def _methods(rows: int, rounds: int, peers: dict[str, float | None]) -> Iterator[Figure]:
    numerals = np.random.default_rng(3).integers(0, 10, (rows, 11))
    texts = pa.array([f"SN-{number:09d}" for number in range(rows)])
    cmac, cipher = ColumnCmac(_KEY), FF1(_KEY, 10)
    yield _speed("desensitization.pseudonyms", rows / _median(lambda: cmac.tags(texts), rounds), 10)
    ff3 = peers.get("ff3 10000")
    rate = rows / _median(lambda: cipher.encrypt(numerals), rounds)
    yield _speed("desensitization.ff1", rate, 2, "ff3, value by value", 10_000 / ff3 if ff3 else None)
    presidio = peers.get("presidio 80000")
    if presidio:
        phones = pa.array([f"138{number:08d}" for number in range(40_000)])
        ours = 2 * _median(lambda: mask(phones, 3, 4, "*"), max(3, rounds))
        yield _against("desensitization.mask", ours, "Presidio structured on the same 80,000 cells", presidio, 1_000)


def _against(name: str, ours: float, peer: str, theirs: float | None, target: float) -> Figure:
    ratio = None if theirs is None else theirs / ours
    return Figure(
        name=name,
        value=ours,
        unit="s (median)",
        against=peer if theirs is not None else f"{peer}, which is missing here",
        against_value=theirs,
        ratio=ratio,
        target=f"ratio >= {target}",
        holds=None if ratio is None else ratio >= target,
    )


def _models(groups: pa.Table, close: pa.Table, rounds: int, peers: dict[str, float | None]) -> Iterator[Figure]:
    quasi = ["a", "b", "c"]
    works: tuple[tuple[str, Callable[[], object]], ...] = (
        ("k", lambda: k_anonymity(count(groups, quasi))),
        ("l", lambda: distinct_diversity(count(groups, [*quasi, "s"]), quasi, "s")),
        ("t", lambda: closeness(count(close, [*quasi, "s"]), quasi, "s")),
    )
    for name, work in works:
        rows = close.num_rows if name == "t" else groups.num_rows
        yield _against(
            f"desensitization.risk.{name}",
            _median(work, rounds),
            f"pycanon on the same {rows:,} rows",
            peers.get(f"pycanon {name}"),
            10,
        )


def _lattice(path: Path, rounds: int) -> Iterator[Figure]:
    columns = ["plant", "operator"]
    hierarchies = [
        Hierarchy("plant", {f"plant {n}": [f"{n // 2}", f"{n // 5}", f"{n // 10}", f"{n // 20}", "*"] for n in range(40)}),
        Hierarchy("operator", {f"operator {n}": [f"{n // 5}", f"{n // 10}", f"{n // 50}", f"{n // 100}", "*"] for n in range(500)}),
    ]  # fmt: skip
    grouping = _median(lambda: count(path, columns), rounds)
    whole = _median(lambda: search(count(path, columns), hierarchies, 50, suppression=0.01), rounds)
    yield Figure(
        name="desensitization.lattice",
        value=whole,
        unit="s for 36 nodes, counting included (median)",
        against="the one GROUP BY",
        against_value=grouping,
        ratio=whole / grouping,
        target="ratio < 2",
        holds=whole / grouping < 2,
    )


def transfer(path: Path) -> None:
    """Run the plan over the file and write its parts."""
    with path.with_suffix(".out").open("wb") as out:
        for part in run(lambda: open_parquet(path), PLAN, Keys(_KEY, "agreement"), threads=2):
            out.write(part.data)


def _plan(path: Path, rows: int, rounds: int, peers: dict[str, float | None]) -> Iterator[Figure]:
    taken, peaks = [], []
    for _ in range(rounds):
        command = [sys.executable, "-m", "benchmarks.desensitization_methods", str(path)]
        done = subprocess.run(command, capture_output=True, check=True, text=True, cwd=ROOT)
        spent, peak = done.stdout.split()[-2:]
        taken.append(float(spent))
        peaks.append(float(peak))
    ours, theirs = statistics.median(taken), peers.get("polars copy")
    yield Figure(
        name="desensitization.plan",
        value=ours,
        unit=f"s for {rows:,} rows of eleven columns, eight rules, two keyed (median, 2 threads)",
        against="polars reading and writing the same file" if theirs else "polars, which is missing here",
        against_value=theirs,
        ratio=ours / theirs if theirs else None,
        target="ratio <= 1.6",
        holds=ours / theirs <= 1.6 if theirs else None,
    )
    yield Figure(
        name="desensitization.plan.memory",
        value=statistics.median(peaks),
        unit="MB at the peak",
        against="the limit",
        against_value=500.0,
        ratio=statistics.median(peaks) / 500,
        target="< 500 MB",
        holds=statistics.median(peaks) < 500,
    )


if __name__ == "__main__":
    started = time.perf_counter()
    transfer(Path(sys.argv[1]))
    status = Path("/proc/self/status").read_text()
    print(time.perf_counter() - started, int(status.partition("VmHWM:")[2].split()[0]) / 1024)
