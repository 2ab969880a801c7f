"""Counts of groups: rows that look alike in some columns, by one GROUP BY with bounded memory."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from contracts.errors import PlanError

MEMORY = "512MB"
_COUNT = "n rows"


@dataclass(frozen=True)
class Groups:
    """The groups of rows that are equal in `columns`: their values, as an Arrow table, and how many rows each has.

    A null equals a null, as an attacker would read it.
    """

    columns: tuple[str, ...]
    values: Any
    sizes: NDArray[np.int64]

    @property
    def rows(self) -> int:
        """The number of rows in all groups."""
        return int(self.sizes.sum())

    def codes(self, columns: Sequence[str]) -> NDArray[np.int64]:
        """A number for every group, equal where the groups are equal in `columns` (all of them in `self.columns`)."""
        code = np.zeros(len(self.sizes), np.int64)
        for name in columns:
            column = self.values.column(name).combine_chunks()
            if isinstance(column, pa.ChunkedArray):
                column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.nulls(0, column.type)
            indices = column.dictionary_encode(null_encoding="encode").indices
            part = np.array(indices.cast(pa.int64()).fill_null(-1)) + 1
            # Numbered anew after every column, so that the product never leaves 64 bits.
            _, code = np.unique(code * (int(part.max(initial=0)) + 1) + part, return_inverse=True)
        return code


def count(
    source: Any, columns: Sequence[str], *, memory: str = MEMORY, folder: Path | None = None, threads: int = 2
) -> Groups:
    """The groups of a table, a RecordBatchReader, or one or more Parquet files (paths), by `columns`.

    DuckDB may use `memory` and then spills into `folder`. Raises PlanError for a column that is not there, and where
    the source cannot be read or grouped in that memory.
    """
    names = tuple(columns)
    with tempfile.TemporaryDirectory(prefix="groups-", dir=folder) as spill:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory,
            "temp_directory": spill,
            "threads": threads,
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        try:
            with duckdb.connect(":memory:", config=settings) as connection:
                relation, parameters = _relation(connection, source)
                listed = ", ".join(map(_quoted, names)) or "1 AS nothing"
                query = f"SELECT {listed}, count(*) AS {_quoted(_COUNT)} FROM {relation} GROUP BY ALL"  # noqa: S608
                table = connection.sql(query, params=parameters).to_arrow_table()
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            raise PlanError(
                "The rows could not be grouped: a column is missing, the file is damaged, or the memory does not do.",
                "无法对行分组：列不存在、文件损坏或内存不足。",
                mend_en="Check the columns, or allow more memory.",
                mend_zh="请检查列名或增加内存。",
            ) from error
    sizes = np.array(table.column(_COUNT).cast(pa.int64()), np.int64)
    return Groups(names, table.select(list(names)), sizes)


def _relation(connection: Any, source: Any) -> tuple[str, list[Any]]:
    if isinstance(source, pa.Table | pa.RecordBatchReader):
        connection.register("source", source)
        return "source", []
    paths = [str(path) for path in ([source] if isinstance(source, str | Path) else source)]
    return "read_parquet(?)", [paths]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def merged(groups: Groups, columns: Sequence[str]) -> Groups:
    """The groups by fewer columns, without another look at the rows."""
    code = groups.codes(columns)
    _, first = np.unique(code, return_index=True)
    sizes = np.bincount(code, groups.sizes, len(first)).astype(np.int64)
    return Groups(tuple(columns), groups.values.select(list(columns)).take(pa.array(first)), sizes)


def numbers(groups: Groups, column: str) -> NDArray[np.float64] | None:
    """The values of a numeric column as floats, NaN for null; None where it holds no numbers."""
    kind = groups.values.schema.field(column).type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        return None
    values = pc.fill_null(groups.values.column(column).cast(pa.float64(), safe=False), float("nan"))
    return np.array(values, np.float64)
