"""What every textual format offers: named columns, and the rows as batches of strings, as often as asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import pyarrow as pa

from exchange.catalog.reading.errors import ReadingWarning
from exchange.catalog.reading.model import MEBIBYTE

Report = Callable[[float], None]
"""Called with the share of the file that was read, 0 to 1."""


class Source(Protocol):
    """One file whose cells are written as text.

    `first_row` is the number of the first row of data as the publisher counts rows. `declared_text` names the
    columns in which the file itself says that a value is text, `declared_time` those in which it says it is a time.
    """

    format: str
    file: str
    names: tuple[str, ...]
    encoding: str | None
    delimiter: str | None
    header: bool | None
    first_row: int
    remarks: list[ReadingWarning]
    declared_text: frozenset[str]
    declared_time: frozenset[str]

    def batches(self, report: Report) -> Iterator[pa.RecordBatch]:
        """Yield all rows in order; every column is a string column, and every call begins anew.

        Raises ReadingError for what cannot be read, at the latest after the last row.
        """
        ...


_WIDE = 64
_TOGETHER = 16 * MEBIBYTE


def gathered(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the same rows, those of a wide table in larger batches: every step costs something for each column."""
    waiting: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        if batch.num_columns < _WIDE:
            yield batch
            continue
        waiting.append(batch)
        size += batch.nbytes
        if size >= _TOGETHER:
            yield pa.concat_batches(waiting)
            waiting, size = [], 0
    if waiting:
        yield pa.concat_batches(waiting)
