"""Parquet files of one table, opened for measuring: DuckDB with a memory limit, a spill folder and nothing
else.

Columns are addressed by position (`c0`, `c1`, …) throughout, so a column may be called anything, twice, or
nothing. Rows are those of the files in the order given; `r` is the row's number inside its file.
"""

# ruff: noqa: S608  (The SQL is made of this module's own identifiers; no name or value of the data enters
# it.)
from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from valuation.errors import ResourceError, SourceError, ValuationError

Kind = Literal["integer", "decimal", "float", "boolean", "string", "date", "timestamp", "time", "binary", "other"]

# Below this many cells and bytes the table is read once into memory, so that wide tables need not be opened
# anew for every column.
_LOADED_CELLS = 4_000_000
_LOADED_BYTES = 48 * 1024 * 1024
# Columns whose values are longer than this on average are compared by their SHA-256.
_LONG_VALUE_BYTES = 256

_SIGNED = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_INTEGERS = frozenset((*_SIGNED, *(f"U{name}" for name in _SIGNED)))


@dataclass(frozen=True)
class Column:
    """One column: its place, the name as the first file has it, DuckDB's type, and whether its values are long."""

    index: int
    name: str
    type: str
    kind: Kind
    long: bool

    @property
    def ref(self) -> str:
        """The identifier of the column in every query of this package."""
        return f"c{self.index}"


@dataclass(frozen=True)
class FileSchema:
    """What a file's footer says: names, Arrow types and sizes, before any row is read."""

    path: Path
    names: tuple[str, ...]
    types: tuple[pa.DataType, ...]
    rows: int
    column_bytes: tuple[int, ...]


class Source:
    """An opened table; made by `open_source`, which also closes it."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, files: Sequence[FileSchema], columns: tuple[Column, ...]
    ) -> None:
        self._connection = connection
        self.files = tuple(files)
        self.columns = columns
        self.rows = sum(file.rows for file in files)

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query over the table `s`. Raises ResourceError or SourceError, never DuckDB's own."""
        with translated():
            return self._connection.execute(sql, list(parameters)).fetchall()

    def row(self, sql: str, parameters: Sequence[object] = ()) -> tuple[Any, ...]:
        """The first row of a query that always has one."""
        return self.query(sql, parameters)[0]


@contextmanager
def translated() -> Iterator[None]:
    """Turn DuckDB's and the system's errors into this package's, each with the mend."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise ResourceError(
            "The measurement did not fit in its memory limit and spill folder; raise the limit."
        ) from error
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        text = str(error)
        if "No space left" in text or "max_temp_directory_size" in text:
            raise ResourceError("The spill folder is full; free some space or name another one.") from error
        first_line = text.splitlines()[0] if text else repr(error)
        raise SourceError(f"The data could not be read: {first_line}") from error


@contextmanager
def open_source(
    paths: Sequence[Path], *, memory_limit: str, temp_directory: Path, threads: int | None = None
) -> Iterator[Source]:
    """The Parquet files `paths` as one table, in that order, spilling into a folder of its own that is
    removed.

    Files belong together when their columns have the same names, white space around them aside. Types are
    widened to one that holds all. Raises SourceError for a file that is missing, cut short or no Parquet,
    for no files, for no columns, and where the columns differ, naming the difference.
    """
    files = [read_schema(path) for path in paths]
    if not files:
        raise SourceError("Name at least one Parquet file.")
    orders = [_order(files[0], file) for file in files]
    try:
        Path(temp_directory).mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="valuation-", dir=temp_directory))
    except OSError as error:
        raise ResourceError(f"The spill folder cannot be used: {error}.") from error
    try:
        with _connect(folder, memory_limit, threads) as connection:
            with translated():
                _define(connection, files, orders, folder)
                columns = _columns(connection, files[0])
                _load(connection, files)
            yield Source(connection, files, columns)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def read_schema(path: Path) -> FileSchema:
    """A Parquet file's footer. Raises SourceError where there is no readable footer or no column."""
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            schema, metadata = file.schema_arrow, file.metadata
            sizes = _column_bytes(metadata, schema)
    except FileNotFoundError as error:
        raise SourceError(f"There is no file {path}.") from error
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{Path(path).name} is not a complete Parquet file: {error}") from error
    if not schema.names:
        raise SourceError(f"{Path(path).name} has no columns.")
    return FileSchema(Path(path), tuple(schema.names), tuple(schema.types), metadata.num_rows, sizes)


def _column_bytes(metadata: pq.FileMetaData, schema: pa.Schema) -> tuple[int, ...]:
    # Nested columns have several leaves; their size is of no use here.
    if metadata.num_columns != len(schema):
        return (0,) * len(schema)
    groups = [metadata.row_group(k) for k in range(metadata.num_row_groups)]
    return tuple(sum(group.column(k).total_uncompressed_size for group in groups) for k in range(len(schema)))


def _order(first: FileSchema, file: FileSchema) -> tuple[int, ...]:
    """For each column of `file` its place in `first`; raises SourceError where the two do not match."""
    wanted, found = [n.strip() for n in first.names], [n.strip() for n in file.names]
    if wanted == found:
        return tuple(range(len(found)))
    missing, extra = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
    if missing or extra:
        raise SourceError(
            f"{file.path.name} does not belong to {first.path.name}: "
            f"columns missing {missing[:5]}, columns of its own {extra[:5]}."
        )
    if len(set(wanted)) < len(wanted) or len(wanted) != len(found):
        raise SourceError(f"{file.path.name} repeats column names in another order than {first.path.name}.")
    return tuple(wanted.index(name) for name in found)


@contextmanager
def _connect(folder: Path, memory_limit: str, threads: int | None) -> Iterator[duckdb.DuckDBPyConnection]:
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory_limit,
        "temp_directory": str(folder / "spill"),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "preserve_insertion_order": True,
    }
    if threads is not None:
        config["threads"] = threads
    try:
        connection = duckdb.connect(":memory:", config=config)
    except duckdb.Error as error:
        raise ValuationError(f"DuckDB refuses its settings: {error}") from error
    try:
        # Settings of the Parquet reader and of the calendar are known only once DuckDB runs.
        connection.execute("SET parquet_metadata_cache = true")
        connection.execute("SET TimeZone = 'UTC'")
        yield connection
    finally:
        connection.close()


def _define(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[FileSchema],
    orders: Sequence[tuple[int, ...]],
    folder: Path,
) -> None:
    """Create the view `v` over all files, its columns called by position."""
    # DuckDB reads patterns and key=value folders into paths, so it is shown links with names of our own.
    links = [folder / f"{k:06d}.parquet" for k in range(len(files))]
    for link, file in zip(links, files, strict=True):
        link.symlink_to(file.path.resolve())
    names = [f"c{k}" for k in range(len(files[0].names))]
    alike = all(file.names == files[0].names and file.types == files[0].types for file in files)
    parts = [([link], order) for link, order in zip(links, orders, strict=True)]
    if alike:
        parts = [(links, orders[0])]
    # DuckDB's own row number would clash with a column of that name.
    numbered = not any(name.lower() == "file_row_number" for file in files for name in file.names)
    selects = []
    for k, (group, order) in enumerate(parts):
        relation = connection.read_parquet(
            [str(link) for link in group], file_row_number=numbered, hive_partitioning=False
        )
        relation.create_view(f"p{k}")
        aliases = [f"c{place}" for place in order]
        number = "r" if numbered else "row_number() OVER () - 1 AS r"
        table = f"p{k} AS t({', '.join([*aliases, 'r'] if numbered else aliases)})"
        selects.append(f"SELECT {', '.join(names)}, {number} FROM {table}")
    connection.execute("CREATE VIEW v AS " + " UNION ALL ".join(selects))


def _columns(connection: duckdb.DuckDBPyConnection, first: FileSchema) -> tuple[Column, ...]:
    described = connection.execute("DESCRIBE v").fetchall()
    rows = max(first.rows, 1)
    return tuple(
        Column(k, name, kind_type, kind_of(kind_type), size // rows > _LONG_VALUE_BYTES)
        for k, (name, size, (_, kind_type, *_)) in enumerate(
            zip(first.names, first.column_bytes, described[: len(first.names)], strict=True)
        )
    )


def _load(connection: duckdb.DuckDBPyConnection, files: Sequence[FileSchema]) -> None:
    """Make `s` the table to measure: a copy in memory where it is small, else the view."""
    cells = sum(file.rows * len(file.names) for file in files)
    size = sum(sum(file.column_bytes) for file in files)
    kind = "TABLE" if cells <= _LOADED_CELLS and size <= _LOADED_BYTES else "VIEW"
    connection.execute(f"CREATE {kind} s AS SELECT * FROM v")


def kind_of(sql_type: str) -> Kind:
    """The family of a DuckDB type, as far as measuring is concerned."""
    if sql_type in _INTEGERS:
        return "integer"
    if sql_type.endswith("]") or ("(" in sql_type and not sql_type.startswith("DECIMAL")):
        return "other"
    if sql_type.startswith("DECIMAL"):
        return "decimal"
    if sql_type.startswith("TIMESTAMP"):
        return "timestamp"
    simple: dict[str, Kind] = {
        "FLOAT": "float",
        "DOUBLE": "float",
        "BOOLEAN": "boolean",
        "VARCHAR": "string",
        "DATE": "date",
        "BLOB": "binary",
        "TIME": "time",
    }
    return simple.get(sql_type, "other")
