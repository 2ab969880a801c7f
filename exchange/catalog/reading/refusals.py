"""Refusals that more than one format has."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from exchange.catalog.reading.errors import NOT_A_TABLE, Bilingual, ReadingError
from exchange.catalog.reading.model import Limits


def check_cells(batch: pa.RecordBatch, file: str, first_row: int, limits: Limits) -> None:
    """Raise ReadingError if a text cell of `batch` is longer than the limit."""
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if column.nbytes <= limits.max_cell_bytes:
            continue
        longest = pc.max(pc.binary_length(column)).as_py() or 0
        if longest > limits.max_cell_bytes:
            row = first_row + pc.index(pc.binary_length(column), longest).as_py()
            raise cell_too_long(file, row, name, longest, limits)


def cell_too_long(file: str, row: int, column: str, size: int, limits: Limits) -> ReadingError:
    """Return the error for a cell beyond the limit."""
    return ReadingError(
        "cell-too-long",
        field=f"{file}: row {row}, {column}",
        reason=(
            f"A cell has {size:,} bytes; the limit is {limits.max_cell_bytes:,}.",
            f"一个单元格有 {size:,} 字节，上限为 {limits.max_cell_bytes:,} 字节。",
        ),
        mend=("Keep large contents in files of their own.", "大块内容请另存为单独的文件。"),
    )


def empty_file(file: str) -> ReadingError:
    """Return the error for a file without any content."""
    return ReadingError(
        "empty-file",
        field=file,
        reason=("The file is empty.", "文件为空。"),
        mend=("Export it again with its rows.", "请重新导出含数据的文件。"),
    )


def header_only(file: str) -> ReadingError:
    """Return the error for a table without rows."""
    return ReadingError(
        "header-only",
        field=file,
        reason=("The file has a header but no rows.", "文件只有表头，没有数据行。"),
        mend=("Export it again with its rows.", "请重新导出含数据的文件。"),
    )


def not_a_table(file: str, reason: Bilingual, mend: Bilingual) -> ReadingError:
    """Return the error for a file that is no table; a caller may keep it as an opaque file."""
    return ReadingError(NOT_A_TABLE, field=file, reason=reason, mend=mend)


def damaged(file: str, english: str, chinese: str) -> ReadingError:
    """Return the error for a file whose own format is broken."""
    return ReadingError(
        "damaged",
        field=file,
        reason=(english, chinese),
        mend=("Export or copy the file again.", "请重新导出或复制该文件。"),
    )
