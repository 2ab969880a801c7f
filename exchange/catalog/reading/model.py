"""What goes into reading a file and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from exchange.catalog.reading.errors import ReadingWarning

MEBIBYTE = 1 << 20

Progress = Callable[[float, str], None]
"""Called with the share of the work done (0 to 1, never falling) and the name of the file at hand."""


@dataclass(frozen=True)
class Limits:
    """How much of a file may be how large. Memory is bounded by these figures, never by the size of the file.

    `row_group_rows` is the number of rows of a Parquet row group; a table so wide or so full of long texts that
    this many rows would exceed `row_group_bytes` in memory gets smaller row groups.
    """

    max_columns: int = 4_096
    max_name_characters: int = 256
    max_cell_bytes: int = MEBIBYTE
    max_row_bytes: int = 4 * MEBIBYTE
    row_group_rows: int = 131_072
    row_group_bytes: int = 192 * MEBIBYTE
    archive_entries: int = 10_000
    archive_bytes: int = 4_096 * MEBIBYTE
    archive_ratio: int = 250
    shared_text_bytes: int = 1_024 * MEBIBYTE


@dataclass(frozen=True)
class Hints:
    """What the publisher says about a file, where detection was wrong; None leaves it to detection."""

    encoding: str | None = None
    delimiter: str | None = None
    header: bool | None = None
    sheet: str | None = None


@dataclass(frozen=True)
class ColumnGuess:
    """A column as it is understood: `type` holds every value of the file, `alternatives` are other spellings of
    types that an override may name (see `exchange.catalog.reading.types`)."""

    name: str
    type: str
    example: str | None
    nulls_in_sample: int
    alternatives: tuple[str, ...]


@dataclass(frozen=True)
class Detected:
    """What a file is. `encoding`, `delimiter` and `header` are None for formats that have none; `rows` is exact."""

    format: str
    encoding: str | None
    delimiter: str | None
    header: bool | None
    columns: tuple[ColumnGuess, ...]
    warnings: tuple[ReadingWarning, ...]
    rows: int


@dataclass(frozen=True)
class ParquetFileInfo:
    """One written Parquet file: the upload it came from, its rows, its size and the hex SHA-256 of its bytes."""

    path: Path
    source_name: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Table:
    """A table in Parquet: its files in order, one schema over all of them, and what was remarked on the way."""

    files: tuple[ParquetFileInfo, ...]
    schema: pa.Schema
    rows: int
    columns: tuple[ColumnGuess, ...]
    warnings: tuple[ReadingWarning, ...]
