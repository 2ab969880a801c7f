"""Reading uploads: CSV, TSV, Parquet, XLSX and JSON lines become typed Parquet; anything else is said to be no table.

    inspect(path, filename) -> Detected                 what a file is, shown before it is published
    to_parquet(paths, target_directory) -> Table        one table from one file or from a folder of files

Pure: no web, no database, no clock. Every value is kept: a column whose values no narrower type holds exactly is text.
"""

from __future__ import annotations

from exchange.catalog.reading.errors import NOT_A_TABLE, ReadingError, ReadingWarning
from exchange.catalog.reading.ingest import inspect, to_parquet
from exchange.catalog.reading.model import (
    ColumnGuess,
    Detected,
    Hints,
    Limits,
    ParquetFileInfo,
    Progress,
    Table,
)
from exchange.catalog.reading.types import SPELLINGS

__all__ = [
    "NOT_A_TABLE",
    "SPELLINGS",
    "ColumnGuess",
    "Detected",
    "Hints",
    "Limits",
    "ParquetFileInfo",
    "Progress",
    "ReadingError",
    "ReadingWarning",
    "Table",
    "inspect",
    "to_parquet",
]
