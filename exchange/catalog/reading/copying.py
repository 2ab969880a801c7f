"""Parquet to Parquet: the schemas compared, overrides applied, the values watched while they pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from exchange.catalog.reading.agreement import agree_on_names, check_overrides
from exchange.catalog.reading.errors import ReadingError, ReadingWarning, shorten
from exchange.catalog.reading.model import ColumnGuess, Limits, Table
from exchange.catalog.reading.parquet import ParquetSource, spell
from exchange.catalog.reading.progress import Meter
from exchange.catalog.reading.types import ColumnType, parse_cells, parse_type
from exchange.catalog.reading.writer import PartWriter


def guess_columns(source: ParquetSource) -> tuple[ColumnGuess, ...]:
    """Return the columns with their types, an example and the missing values of the first rows."""
    watch = _Watch(source.schema)
    for batch in source.batches(lambda _: None):
        watch.look(batch)
        break
    return watch.guesses({})


def copy_parquet(
    sources: Sequence[ParquetSource], workspace: Path, overrides: Mapping[str, str], limits: Limits, meter: Meter
) -> Table:
    """Write Parquet sources as parts in `workspace`. Raises ReadingError where their schemas differ."""
    first = sources[0]
    order = agree_on_names([(source.file, source.names) for source in sources])
    for source in sources[1:]:
        _check_types(first, source)
    check_overrides(overrides, first.names)
    chosen = {name: parse_type(spelling, name) for name, spelling in overrides.items()}
    schema = pa.schema(
        [
            pa.field(field.name, chosen[field.name].arrow if field.name in chosen else field.type)
            for field in first.schema
        ]
    )
    watch = _Watch(schema)
    files = []
    for number, source in enumerate(sources):
        with PartWriter(workspace / f"part-{number:05}.parquet", source.file, schema, limits) as writer:
            row = 1
            for batch in source.batches(meter.phase(number, 0.3, 1.0)):
                typed = _recast(batch, schema, chosen, source.file, row)
                watch.look(typed)
                writer.write(typed)
                row += batch.num_rows
            files.append(writer.finish())
    noted = [remark for source in sources for remark in source.remarks]
    guesses = watch.guesses({field.name: spell(field.type) for field in first.schema})
    rows = sum(file.rows for file in files)
    return Table(tuple(files), schema, rows, guesses, (*noted, *order, *watch.remarks()))


def _check_types(first: ParquetSource, other: ParquetSource) -> None:
    for field in first.schema:
        kind = other.schema.field(field.name).type
        if kind != field.type:
            raise ReadingError(
                "different-types",
                field=f"{other.file}: {field.name}",
                reason=(
                    f"The column “{field.name}” is {spell(field.type)} in {first.file} but {spell(kind)} in {other.file}.",
                    f"列“{field.name}”在 {first.file} 中为 {spell(field.type)}，在 {other.file} 中为 {spell(kind)}。",
                ),
                mend=("Write all files with one schema.", "请以同一模式写出所有文件。"),
            )


def _recast(
    batch: pa.RecordBatch, schema: pa.Schema, chosen: Mapping[str, ColumnType], file: str, row: int
) -> pa.RecordBatch:
    """Return the batch in the order and types of `schema`."""
    arrays = []
    for field in schema:
        column = batch.column(field.name)
        if field.name in chosen and column.type != field.type:
            kind = chosen[field.name]
            try:
                textual = pa.types.is_string(column.type)
                column = parse_cells(column, kind) if textual else pc.cast(column, kind.arrow)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                # The cause quotes the value, and what is logged of an error must not.
                raise ReadingError(
                    "not-of-type",
                    field=f"{file}: {field.name}",
                    reason=(
                        f"A value after row {row} cannot be read as {kind.spelling}.",
                        f"第 {row} 行之后的某个值无法按 {kind.spelling} 读取。",
                    ),
                    mend=("Choose another type for this column.", "请为该列选择其他类型。"),
                ) from None
        arrays.append(column)
    return pa.record_batch(arrays, schema=schema)


class _Watch:
    """Counts missing, NaN and infinite values of batches that pass, and keeps one example for each column."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._nulls = [0] * len(schema)
        self._special = [0] * len(schema)
        self._rows = 0
        self._examples: list[str | None] = [None] * len(schema)

    def look(self, batch: pa.RecordBatch) -> None:
        """Take in a batch."""
        self._rows += batch.num_rows
        for place, column in enumerate(batch.columns):
            self._nulls[place] += column.null_count
            if pa.types.is_floating(column.type):
                finite = pc.sum(pc.is_finite(column)).as_py() or 0
                self._special[place] += len(column) - column.null_count - finite
            if self._examples[place] is None and column.null_count < len(column):
                self._examples[place] = shorten(str(column.drop_null()[0].as_py()), 80)

    def guesses(self, before: Mapping[str, str]) -> tuple[ColumnGuess, ...]:
        """Return the columns as seen; `before` holds the types before overrides, which stay alternatives."""
        found = []
        for place, field in enumerate(self._schema):
            kind = spell(field.type)
            others = dict.fromkeys((before.get(field.name, kind), "text"))
            alternatives = tuple(other for other in others if other != kind)
            found.append(ColumnGuess(field.name, kind, self._examples[place], self._nulls[place], alternatives))
        return tuple(found)

    def remarks(self) -> list[ReadingWarning]:
        """Return the remarks on columns without values, and on NaN and infinity."""
        found = []
        for field, nulls, special in zip(self._schema, self._nulls, self._special, strict=True):
            name = field.name
            if nulls == self._rows:
                found.append(
                    ReadingWarning(
                        "empty-column", name, f"Column “{name}” has no value.", f"列“{name}”没有任何值。", nulls
                    )
                )
            if special:
                found.append(
                    ReadingWarning(
                        "nan-or-infinity",
                        name,
                        f"Column “{name}” has {special:,} cells with NaN or infinity, kept as they are.",
                        f"列“{name}”有 {special:,} 个 NaN 或无穷值，已原样保留。",
                        special,
                    )
                )
        return found
