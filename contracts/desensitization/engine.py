"""A plan run over tables: a stateless kernel for one batch, and the local runner over Parquet row groups.

`apply` is the whole of the processing, a pure function of one batch, so any runner that maps it over the same row
groups and writes with `write_part` gives the same bytes. What a plan takes out never reaches the writer, and a part
carries no metadata but the output schema: no source statistics, dictionaries, row-group or key-value metadata.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from contracts.desensitization.filters import prepare_filter
from contracts.desensitization.keys import Keys
from contracts.desensitization.methods import Prepared, prepare
from contracts.desensitization.model import Plan
from contracts.desensitization.shifting import can_key
from contracts.desensitization.types import plain_type
from contracts.errors import PlanError
from contracts.fingerprint import Fingerprint, mark

# Rows that pass through the kernel at a time: large enough for vectorised work, small enough for the cache.
BATCH_ROWS = 65_536
# A source of rows: a function that opens it anew, since each thread reads through a handle of its own.
Source = Callable[[], Any]


@dataclass(frozen=True)
class Compiled:
    """A plan made ready for one schema; it holds derived keys and never prints them."""

    source: Any
    schema: Any
    _columns: tuple[tuple[str, Prepared], ...] = field(repr=False)
    _filters: tuple[tuple[str, Callable[[Any], Any]], ...] = field(repr=False)

    @property
    def needed(self) -> tuple[str, ...]:
        """The source columns that must be read, in the source's order: delivered or filtered on."""
        names = {name for name, _ in self._columns} | {name for name, _ in self._filters}
        names |= {name for _, prepared in self._columns for name in prepared.needs}
        return tuple(name for name in self.source.names if name in names)


@dataclass(frozen=True)
class Part:
    """One Parquet file in memory, made from one source row group."""

    index: int
    data: Any
    rows: int
    sha256: str


def open_parquet(source: Any) -> Any:
    """A Parquet reader with bounded memory on a path or a seekable file object.

    Raises PlanError where it is not a complete Parquet file, and closes a file object then. Pre-buffering is off: it
    would hold the whole file, and abort the process at exit when it reads through Python.
    """
    try:
        return pq.ParquetFile(source, pre_buffer=False)
    except Exception as error:
        if hasattr(source, "close"):
            source.close()
        if not isinstance(error, pa.ArrowException | OSError | ValueError):
            raise
        raise PlanError(
            "The source is not a complete Parquet file.",
            "数据源不是完整的 Parquet 文件。",
            mend_en="Publish the dataset again.",
            mend_zh="请重新发布数据集。",
        ) from error


def compile_plan(plan: Plan, schema: Any, keys: Keys | None) -> Compiled:
    """Check a plan against a source schema and make it ready.

    Raises PlanError where the plan names a column that is not there, leaves one without a rule, has a method that
    does not fit a type, or delivers nothing; the message names the columns. Nothing is ever delivered by default.
    """
    _check_cover(plan, schema)
    columns: list[tuple[str, Prepared]] = []
    for column in schema:
        rule = plan.rule(column.name)
        assert rule is not None, "covered above"  # noqa: S101
        prepared = prepare(rule, column.type, keys)
        if prepared is not None:
            _check_needs(prepared, column.name, schema)
            columns.append((column.name, prepared))
    if not columns:
        raise PlanError(
            "The plan suppresses every column, so there is nothing to deliver.", "方案不交付任何列，没有可交付的内容。"
        )
    filters = tuple((item.column, prepare_filter(item, schema.field(item.column).type)) for item in plan.row_filter)
    output = pa.schema([pa.field(name, prepared.type) for name, prepared in columns])
    compiled = Compiled(schema.remove_metadata(), output, tuple(columns), filters)
    _try_out(compiled)
    return compiled


def _check_cover(plan: Plan, schema: Any) -> None:
    present, ruled = list(schema.names), {rule.column for rule in plan.columns}
    repeated = sorted({name for name in present if present.count(name) > 1})
    if repeated:
        raise _column_error("The table has more than one column named", "表中有重复的列名", repeated)
    named = ruled | {item.column for item in plan.row_filter}
    named |= {rule.parameters["by"] for rule in plan.columns if "by" in rule.parameters}
    unknown = sorted(named - set(present))
    if unknown:
        raise _column_error("The plan names columns that the table does not have", "方案提到了表中没有的列", unknown)
    uncovered = [name for name in present if name not in ruled]
    if uncovered:
        raise _column_error("The plan has no rule for", "方案没有为下列列规定规则", uncovered)


def _check_needs(prepared: Prepared, column: str, schema: Any) -> None:
    for name in prepared.needs:
        if not can_key(plain_type(name, schema.field(name).type)):
            raise PlanError(
                f"The dates of {column!r} cannot shift by {name!r}, which holds neither text nor whole numbers.",
                f"“{column}”列的日期无法按“{name}”列偏移：该列不是文本或整数。",
            )


def _column_error(text_en: str, text_zh: str, names: Sequence[str]) -> PlanError:
    return PlanError(
        f"{text_en}: {', '.join(repr(name) for name in names)}.",
        f"{text_zh}：{'、'.join(f'“{name}”' for name in names)}。",
        mend_en="Give every column of the table exactly one rule.",
        mend_zh="请为表中每一列规定且只规定一条规则。",
    )


def _try_out(compiled: Compiled) -> None:
    """Run an empty batch to the end, so that what Arrow or Parquet cannot do is found before any row is read."""
    needed = pa.schema([compiled.source.field(name) for name in compiled.needed])
    empty = pa.RecordBatch.from_arrays([pa.nulls(0, column.type) for column in needed], schema=needed)
    for column in compiled.schema:
        try:
            write_part(pa.schema([column]), [])
        except pa.ArrowException as error:
            raise PlanError(
                f"The column {column.name!r} of type {column.type} cannot be written to Parquet.",
                f"“{column.name}”列（类型 {column.type}）无法写入 Parquet。",
                mend_en="Suppress it.",
                mend_zh="请使用 suppress。",
            ) from error
    apply(empty, compiled)


def apply(batch: Any, compiled: Compiled) -> Any:
    """The delivered form of one batch: rows filtered, every column by its rule, in the source's order.

    `batch` has the columns and types of the schema that was compiled for, or at least those in `needed`; others are
    refused with PlanError. Depends on nothing but its arguments.
    """
    for column in batch.schema:
        index = compiled.source.get_field_index(column.name)
        if index < 0 or compiled.source.field(index).type != column.type:
            raise _column_error(
                "The batch has a column the plan was not made for", "批次中有方案之外的列", [column.name]
            )
    missing = [name for name in compiled.needed if batch.schema.get_field_index(name) < 0]
    if missing:
        raise _column_error("The batch lacks columns", "批次缺少列", missing)
    batch = _filtered(batch.select(list(compiled.needed)), compiled)
    arrays = []
    for name, prepared in compiled._columns:
        try:
            arrays.append(prepared.transform(batch.column(name), *map(batch.column, prepared.needs)))
        except pa.ArrowException:
            # Arrow's own message may quote a value, so the cause is left out on purpose.
            raise PlanError(
                f"A value of the column {name!r} could not be processed by its rule.",
                f"“{name}”列中有值无法按规则处理。",
                mend_en="Suppress the column, or correct its type.",
                mend_zh="请使用 suppress，或更正该列的类型。",
            ) from None
    return pa.RecordBatch.from_arrays(arrays, schema=compiled.schema)


def _filtered(batch: Any, compiled: Compiled) -> Any:
    for name, keep in compiled._filters:
        batch = batch.filter(keep(batch.column(name)))
    return batch


def write_part(schema: Any, batches: Iterable[Any]) -> tuple[Any, int]:
    """The bytes of one Parquet file (zstd) with these batches, as an Arrow buffer, and its number of rows."""
    sink, rows = pa.BufferOutputStream(), 0
    with pq.ParquetWriter(sink, schema, compression="zstd", version="2.6") as writer:
        for batch in batches:
            rows += batch.num_rows
            writer.write_batch(batch)
    return sink.getvalue(), rows


def run(
    source: Source | Sequence[Source],
    plan: Plan,
    keys: Keys | None,
    fingerprint: Fingerprint | None = None,
    *,
    threads: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Part]:
    """Deliver one or more Parquet files of one schema, as one part for every source row group, in order.

    Each `source` opens its file (see `open_parquet`) and is called once by every thread; the files are closed. At most `threads + 1` parts
    are held at a time, so memory does not grow with the file. The parts depend on the bytes, plan, keys and
    fingerprint alone, not on the number of threads. A source without a row group gives one part without rows.
    `progress(done, total)` counts row groups. Raises PlanError as `compile_plan` does.
    """
    sources = [source] if callable(source) else list(source)
    with ExitStack() as stack:
        files = _Files(sources, stack)
        compiled = compile_plan(plan, files.schema(), keys)
        tasks = [(file, group) for file in range(len(sources)) for group in range(files.groups(file))]
        work: list[tuple[int, int] | None] = list(tasks) or [None]

        def make(index: int) -> Part:
            place = work[index]
            batches = iter(()) if place is None else files.batches(*place, compiled.needed)
            return _part(index, compiled, batches, fingerprint)

        pool = ThreadPoolExecutor(max(1, threads), "desensitize")
        waiting: deque[Future[Part]] = deque()
        try:
            for index in range(len(work)):
                waiting.append(pool.submit(make, index))
                if len(waiting) > max(1, threads):
                    yield _next(waiting, progress, len(work))
            while waiting:
                yield _next(waiting, progress, len(work))
        finally:
            # The workers stop before the files they read are closed.
            pool.shutdown(wait=True, cancel_futures=True)


def _next(waiting: deque[Future[Part]], progress: Callable[[int, int], None] | None, total: int) -> Part:
    part = waiting.popleft().result()
    if progress is not None:
        progress(part.index + 1, total)
    return part


def _part(index: int, compiled: Compiled, batches: Iterator[Any], fingerprint: Fingerprint | None) -> Part:
    delivered = (apply(batch, compiled) for batch in batches)
    if fingerprint is not None:
        delivered = (mark(batch, fingerprint) for batch in delivered)
    data, rows = write_part(compiled.schema, delivered)
    return Part(index, data, rows, hashlib.sha256(data).hexdigest())


class _Files:
    """The sources, opened once by every thread that asks, all closed with the stack."""

    def __init__(self, sources: Sequence[Source], stack: ExitStack) -> None:
        if not sources:
            raise PlanError("There is no file to deliver.", "没有可交付的文件。")
        self._sources = sources
        self._stack = stack
        self._local = threading.local()
        self._lock = threading.Lock()

    def _file(self, number: int) -> Any:
        opened: dict[int, Any] = self._local.__dict__.setdefault("opened", {})
        if number not in opened:
            opened[number] = self._sources[number]()
            with self._lock:
                self._stack.callback(opened[number].close, force=True)
        return opened[number]

    def schema(self) -> Any:
        first = self._file(0).schema_arrow.remove_metadata()
        for number in range(1, len(self._sources)):
            if not self._file(number).schema_arrow.remove_metadata().equals(first):
                raise PlanError("The files of the dataset have different columns.", "数据集各文件的列不一致。")
        return first

    def groups(self, number: int) -> int:
        count: int = self._file(number).num_row_groups
        return count

    def batches(self, number: int, group: int, columns: Sequence[str]) -> Iterator[Any]:
        wanted = list(columns)
        try:
            for batch in self._file(number).iter_batches(BATCH_ROWS, [group], wanted, use_threads=False):
                # The reader takes a name with a dot for a path, and may read more than was asked for.
                yield batch.select(wanted)
        except (pa.ArrowException, OSError) as error:
            raise PlanError(
                "The source file is damaged and cannot be read to its end.",
                "数据源文件已损坏，无法完整读取。",
                mend_en="Publish the dataset again.",
                mend_zh="请重新发布数据集。",
            ) from error


def combined_digest(digests: Iterable[str]) -> str:
    """`sha256:` and the hex SHA-256 over the parts' own hex digests in order, each followed by a line feed."""
    whole = hashlib.sha256()
    for digest in digests:
        whole.update(digest.encode() + b"\n")
    return "sha256:" + whole.hexdigest()


def preview(table: Any, plan: Plan, keys: Keys | None, *, rows: int = 20) -> tuple[Any, Any]:
    """The first rows of a table before and after the plan, for its provider to look at; both are tables.

    Rows that the plan filters out are missing from both. Raises PlanError as `compile_plan` does.
    """
    compiled = compile_plan(plan, table.schema, keys)
    before, after, left = [], [], rows
    for batch in table.to_batches(max_chunksize=BATCH_ROWS):
        before.append(_filtered(batch, compiled)[:left])
        after.append(apply(batch, compiled)[:left])
        left -= after[-1].num_rows
        if left <= 0:
            break
    return pa.Table.from_batches(before, table.schema), pa.Table.from_batches(after, compiled.schema)
