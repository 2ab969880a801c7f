"""The same plan over the same row groups on other machines: Dask, Ray Data and Spark, each an optional extra.

One source row group makes one part, by the one kernel and the one writer, so every runner gives the same bytes and
the same combined digest as `engine.run`. The paths must be readable where the work is done. Keys travel to the
workers with the task, not in the plan, over whatever channel the cluster has: it must be an encrypted one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from contracts.desensitization.engine import BATCH_ROWS, Part, apply, compile_plan, open_parquet, write_part
from contracts.desensitization.keys import Keys
from contracts.desensitization.model import Plan
from contracts.fingerprint import Fingerprint, mark

# One source row group: the number of its part, the file, and its number in the file.
Task = tuple[int, str, int]


@dataclass(frozen=True)
class Work:
    """What every worker needs besides its task; it can be pickled, and never prints a key."""

    plan: Plan
    keys: Keys | None = field(default=None, repr=False)
    fingerprint: Fingerprint | None = None

    def part(self, task: Task) -> Part:
        """The part that one row group makes, as `engine.run` makes it."""
        index, path, group = task
        with open_parquet(path) as file:
            compiled = compile_plan(self.plan, file.schema_arrow.remove_metadata(), self.keys)
            wanted = list(compiled.needed)
            batches: Iterable[Any] = (
                file.iter_batches(BATCH_ROWS, [group], wanted, use_threads=False) if group >= 0 else ()
            )
            delivered = (apply(batch.select(wanted), compiled) for batch in batches)
            if self.fingerprint is not None:
                fingerprint = self.fingerprint
                delivered = (mark(batch, fingerprint) for batch in delivered)
            data, rows = write_part(compiled.schema, delivered)
        return Part(index, data, rows, hashlib.sha256(data).hexdigest())


def tasks(paths: Sequence[str]) -> list[Task]:
    """One task for every row group of the files, in order; one without rows where there is no row group."""
    found = []
    for path in map(str, paths):
        with open_parquet(path) as file:
            found += [(path, group) for group in range(file.num_row_groups)]
    listed = [(index, path, group) for index, (path, group) in enumerate(found)]
    return listed or [(0, str(paths[0]), -1)]


def run_on_dask(paths: Sequence[str], work: Work, *, at_once: int = 8, **options: Any) -> Iterator[Part]:
    """The parts in order from Dask; `options` go to `dask.compute` (`scheduler`), and `at_once` parts are held."""
    import dask

    listed = tasks(paths)
    for start in range(0, len(listed), at_once):
        yield from dask.compute(*(dask.delayed(work.part)(task) for task in listed[start : start + at_once]), **options)


def run_on_ray(paths: Sequence[str], work: Work) -> Iterator[Part]:
    """The parts in order from Ray Data, streamed from a cluster that `ray.init` has joined."""
    import ray

    def one(row: dict[str, Any]) -> dict[str, Any]:
        return _row(work.part((row["index"], row["path"], row["group"])))

    ray.data.DataContext.get_current().execution_options.preserve_order = True
    listed = [{"index": index, "path": path, "group": group} for index, path, group in tasks(paths)]
    # A row a block, so that a worker takes one row group at a time.
    made = ray.data.from_items(listed, override_num_blocks=len(listed)).map(one)
    yield from map(_part, made.iter_rows())


def run_on_spark(paths: Sequence[str], work: Work, session: Any) -> Iterator[Part]:
    """The parts in order from Spark: `mapInArrow` over one partition for every row group, fetched one after another."""

    def many(batches: Iterable[Any]) -> Iterator[Any]:
        for batch in batches:
            for row in batch.to_pylist():
                made = _row(work.part((row["index"], row["path"], row["group"])))
                yield pa.RecordBatch.from_pylist([made], schema=_SCHEMA)

    listed = tasks(paths)
    frame = session.createDataFrame(
        session.sparkContext.parallelize(listed, len(listed)), "index long, path string, group long"
    )
    rows = frame.mapInArrow(many, "index long, data binary, rows long, sha256 string").toLocalIterator()
    yield from (_part(row.asDict()) for row in rows)


_SCHEMA = pa.schema([("index", pa.int64()), ("data", pa.binary()), ("rows", pa.int64()), ("sha256", pa.string())])


def _row(part: Part) -> dict[str, Any]:
    return {"index": part.index, "data": part.data.to_pybytes(), "rows": part.rows, "sha256": part.sha256}


def _part(row: dict[str, Any]) -> Part:
    return Part(int(row["index"]), pa.py_buffer(bytes(row["data"])), int(row["rows"]), row["sha256"])
