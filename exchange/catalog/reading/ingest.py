"""Reading a file or a folder of files: `inspect` says what it is, `to_parquet` turns it into Parquet.

Both read textual files twice, once to decide the types over all rows and once to convert. Memory is bounded by
`Limits`, not by the files.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from exchange.catalog.reading.agreement import Columns, Profiles, agree_on_names, agree_on_types
from exchange.catalog.reading.copying import copy_parquet, guess_columns
from exchange.catalog.reading.errors import ReadingError
from exchange.catalog.reading.formats import open_source
from exchange.catalog.reading.model import Detected, Hints, Limits, ParquetFileInfo, Progress, Table
from exchange.catalog.reading.parquet import ParquetSource
from exchange.catalog.reading.profile import Profile, first_unreadable
from exchange.catalog.reading.progress import Meter
from exchange.catalog.reading.source import Report, Source, gathered
from exchange.catalog.reading.types import ColumnType, parse_cells
from exchange.catalog.reading.writer import PartWriter

_OPENED, _SCANNED = 0.3, 0.55


def inspect(
    path: Path,
    filename: str,
    *,
    hints: Hints | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Detected:
    """Return what the file is and the type of every column, decided over all of its rows.

    Raises ReadingError; its code is NOT_A_TABLE where the file is no table.
    """
    limits = limits or Limits()
    meter = Meter([(filename, path.stat().st_size)], progress)
    with tempfile.TemporaryDirectory(prefix="reading-") as workspace:
        source = open_source(
            path,
            filename,
            hints=hints or Hints(),
            limits=limits,
            workspace=Path(workspace),
            report=meter.phase(0, 0.0, _OPENED),
        )
        if isinstance(source, ParquetSource):
            columns = guess_columns(source)
            meter.done()
            return Detected("parquet", None, None, None, columns, tuple(source.remarks), source.rows)
        profiles = _scan(source, meter.phase(0, _OPENED, 1.0))
        decided = agree_on_types([(filename, profiles)], {})
    meter.done()
    rows = next(iter(profiles.values())).rows
    return Detected(
        source.format,
        source.encoding,
        source.delimiter,
        source.header,
        decided.guesses,
        (*source.remarks, *decided.remarks),
        rows,
    )


def to_parquet(
    paths: Sequence[tuple[Path, str]],
    target_directory: Path,
    *,
    overrides: Mapping[str, str] | None = None,
    hints: Hints | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Table:
    """Write the files, in the order of their names, as one table of zstd Parquet files in `target_directory`.

    `paths` pairs each file with the name it was uploaded under; `overrides` maps columns to type spellings. Each file
    becomes one part (`part-00000.parquet` …) and all share one schema. Raises ReadingError, and then leaves nothing
    in `target_directory`.
    """
    if not paths:
        raise ValueError("there must be at least one file")
    limits, hints = limits or Limits(), hints or Hints()
    ordered = sorted(paths, key=lambda pair: pair[1])
    meter = Meter([(name, path.stat().st_size) for path, name in ordered], progress)
    with _workspace(target_directory) as workspace:
        sources: list[Source] = []
        tables: list[ParquetSource] = []
        for number, (path, name) in enumerate(ordered):
            room = workspace / f"source-{number}"
            room.mkdir()
            report = meter.phase(number, 0.0, _OPENED)
            source = open_source(path, name, hints=hints, limits=limits, workspace=room, report=report)
            report(1.0)
            if isinstance(source, ParquetSource):
                tables.append(source)
            else:
                sources.append(source)
        if tables and sources:
            raise _mixed_formats(tables[0].file, sources[0].file)
        if tables:
            table = copy_parquet(tables, workspace, overrides or {}, limits, meter)
        else:
            table = _convert(sources, workspace, overrides or {}, limits, meter)
        placed = _place(table.files, target_directory)
    meter.done()
    return Table(placed, table.schema, table.rows, table.columns, table.warnings)


def _convert(
    sources: Sequence[Source], workspace: Path, overrides: Mapping[str, str], limits: Limits, meter: Meter
) -> Table:
    """Write textual sources as parts in `workspace`."""
    order = agree_on_names([(source.file, source.names) for source in sources])
    profiles = [
        (source.file, _scan(source, meter.phase(number, _OPENED, _SCANNED))) for number, source in enumerate(sources)
    ]
    columns = agree_on_types(profiles, overrides)
    schema = columns.schema
    files = []
    for number, source in enumerate(sources):
        with PartWriter(workspace / f"part-{number:05}.parquet", source.file, schema, limits) as writer:
            for batch in _typed(source, columns, schema, meter.phase(number, _SCANNED, 1.0)):
                writer.write(batch)
            files.append(writer.finish())
    noted = [remark for source in sources for remark in source.remarks]
    rows = sum(file.rows for file in files)
    return Table(tuple(files), schema, rows, columns.guesses, (*noted, *order, *columns.remarks))


def _scan(source: Source, report: Report) -> Profiles:
    """Return the profile of every column over all rows of the source."""
    profiles = {
        name: Profile(name, declared_text=name in source.declared_text, declared_time=name in source.declared_time)
        for name in source.names
    }
    row = source.first_row
    for batch in gathered(source.batches(report)):
        for profile, column in zip(profiles.values(), batch.columns, strict=True):
            profile.observe(column, row)
        row += batch.num_rows
    return profiles


def _typed(source: Source, columns: Columns, schema: pa.Schema, report: Report) -> Iterator[pa.RecordBatch]:
    """Yield the rows of the source with the decided types, its columns in the order of the schema."""
    row = source.first_row
    for batch in gathered(source.batches(report)):
        arrays = []
        for name, kind in columns.kinds.items():
            cells = batch.column(name)
            try:
                arrays.append(parse_cells(cells, kind))
            except pa.ArrowInvalid:
                # The cause quotes the value, and what is logged of an error must not.
                raise _unreadable_as(kind, cells, source.file, name, row) from None
        yield pa.record_batch(arrays, schema=schema)
        row += batch.num_rows


def _unreadable_as(kind: ColumnType, cells: pa.StringArray, file: str, name: str, row: int) -> ReadingError:
    """Return the error for a cell that is no value of the type chosen for its column."""
    place = first_unreadable(cells, kind) or 0
    return ReadingError(
        "not-of-type",
        field=f"{file}: row {row + place}, {name}",
        reason=(f"This cell cannot be read as {kind.spelling}.", f"该单元格无法按 {kind.spelling} 读取。"),
        mend=("Choose another type for this column, or mend the cell.", "请为该列选择其他类型，或修正该单元格。"),
    )


def _mixed_formats(parquet: str, other: str) -> ReadingError:
    return ReadingError(
        "mixed-formats",
        field=other,
        reason=(
            f"{parquet} is Parquet and {other} is not: types of the one cannot be matched with text of the other.",
            f"{parquet} 是 Parquet 而 {other} 不是：前者的类型无法与后者的文本对应。",
        ),
        mend=("Upload files of one format.", "请上传同一格式的文件。"),
    )


@contextlib.contextmanager
def _workspace(target: Path) -> Iterator[Path]:
    """Give a folder inside `target` for what is unfinished; it goes in any case, and so does a `target` made here."""
    made = not target.exists()
    target.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=".reading-", dir=target) as workspace:
            yield Path(workspace)
    except BaseException:
        if made:
            target.rmdir()
        raise


def _place(files: Sequence[ParquetFileInfo], target: Path) -> tuple[ParquetFileInfo, ...]:
    """Move finished parts into `target`, all of them or none."""
    placed: list[ParquetFileInfo] = []
    try:
        for file in files:
            path = file.path.replace(target / file.path.name)
            placed.append(ParquetFileInfo(path, file.source_name, file.rows, file.bytes, file.sha256))
    except OSError:
        for file in placed:
            file.path.unlink(missing_ok=True)
        raise
    return tuple(placed)
