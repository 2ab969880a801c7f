"""Dask, Ray Data and Spark give the very parts of the local runner; those that are not installed are skipped.

`make test-scale` runs this file where all three are.
"""

import datetime as dt
import hashlib
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.desensitization.engine import Part, combined_digest, open_parquet, run
from contracts.desensitization.keys import Keys
from contracts.desensitization.plan import ColumnRule, Plan, RowFilter
from contracts.desensitization.runners import Work, run_on_dask, run_on_ray, run_on_spark, tasks
from contracts.fingerprint import Fingerprint, MarkedColumn

KEYS = Keys(bytes(range(32)), "agreement-1")
PLAN = Plan(
    (
        ColumnRule("time", "shift_dates", {"days": 20, "by": "serial"}),
        ColumnRule("serial", "pseudonymize"),
        ColumnRule("phone", "tokenize", {"keep_first": 3}),
        ColumnRule("note", "redact"),
        ColumnRule("temperature", "round", {"digits": 1}),
        ColumnRule("price", "perturb", {"spread": 2.0, "digits": 2}),
        ColumnRule("line", "shuffle"),
    ),
    (RowFilter("temperature", "gteq", 40),),
)
WORK = Work(PLAN, KEYS, Fingerprint(bytes(range(32)), "buyer", (MarkedColumn("temperature", "0.1"),)))


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder, random = tmp_path_factory.mktemp("source"), np.random.default_rng(1)
    names = []
    for number in range(2):
        rows = 9_000
        table = pa.table(
            {
                "time": [dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(minutes=n) for n in range(rows)],
                "serial": [f"SN-{n % 700}" for n in range(rows)],
                "phone": [f"138{n:08d}" for n in range(rows)],
                "note": [f"call 138{n:08d} again" for n in range(rows)],
                "temperature": np.round(random.normal(60, 9, rows), 3),
                "price": np.round(random.normal(100, 9, rows), 2),
                "line": pa.array(random.integers(0, 9, rows).astype(str)).dictionary_encode(),
            }
        )
        names.append(str(folder / f"{number}.parquet"))
        pq.write_table(table, names[-1], row_group_size=2_000)
    return names


def digest(parts: Iterator[Part]) -> str:
    made = list(parts)
    assert [part.index for part in made] == list(range(10))
    for part in made:
        assert hashlib.sha256(part.data).hexdigest() == part.sha256
        assert pq.ParquetFile(pa.BufferReader(part.data)).metadata.num_rows == part.rows
    return combined_digest(part.sha256 for part in made)


@pytest.fixture(scope="module")
def local(paths: list[str]) -> str:
    sources = [lambda path=path: open_parquet(path) for path in paths]
    return digest(run(sources, PLAN, KEYS, WORK.fingerprint, threads=2))


def test_a_task_carries_all_that_its_part_needs_and_prints_no_key(paths: list[str], local: str) -> None:
    work = pickle.loads(pickle.dumps(WORK))  # noqa: S301  # Our own bytes.
    assert digest(work.part(task) for task in tasks(paths)) == local
    assert repr(bytes(range(32))) not in repr(work)


def test_a_file_without_rows_gives_one_part_without_rows(tmp_path: Path) -> None:
    path = str(tmp_path / "empty.parquet")
    pq.ParquetWriter(path, pa.schema([("a", pa.string())])).close()
    work = Work(Plan((ColumnRule("a", "keep"),)))
    (part,) = (work.part(task) for task in tasks([path]))
    (expected,) = run(lambda: open_parquet(path), work.plan, None)
    assert (part.rows, part.sha256) == (0, expected.sha256)


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_dask_gives_the_same_bytes(paths: list[str], local: str, scheduler: str) -> None:
    pytest.importorskip("dask")
    assert digest(run_on_dask(paths, WORK, at_once=4, scheduler=scheduler)) == local


@pytest.mark.filterwarnings("ignore")
def test_ray_data_gives_the_same_bytes(paths: list[str], local: str) -> None:
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        assert digest(run_on_ray(paths, WORK)) == local
    finally:
        ray.shutdown()


@pytest.mark.filterwarnings("ignore")
def test_spark_gives_the_same_bytes(paths: list[str], local: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sql = pytest.importorskip("pyspark.sql")
    # The workers are processes of their own: they run this interpreter and find this tree.
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    session = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        assert digest(run_on_spark(paths, WORK, session)) == local
    finally:
        session.stop()
