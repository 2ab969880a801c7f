"""Rows parsed one by one, kept on disk as Arrow batches so that they can be read again quickly.

Columns may appear at any row: a batch holds the columns of its own rows, and reading fills in the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc

from exchange.catalog.reading.model import MEBIBYTE

_BATCH_ROWS = 16_384
_BATCH_BYTES = 8 * MEBIBYTE


class Spool:
    """Text cells by column key, appended row by row, then read back in batches. The file is `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sink = pa.OSFile(str(path), "wb")
        self._writer: pa.RecordBatchStreamWriter | None = None
        self._schema: pa.Schema | None = None
        self._waiting: list[Mapping[str, str | None]] = []
        self._bytes = 0
        self.rows = 0
        self.keys: dict[str, int] = {}
        """Every column key in order of first appearance, with the number of its cells that hold a value."""

    def append(self, row: Mapping[str, str | None], size: int) -> None:
        """Add a row; `size` is roughly its bytes."""
        self._waiting.append(row)
        self._bytes += size
        self.rows += 1
        if len(self._waiting) >= _BATCH_ROWS or self._bytes >= _BATCH_BYTES:
            self._flush()

    def _flush(self) -> None:
        rows, self._waiting, self._bytes = self._waiting, [], 0
        keys = dict.fromkeys(key for row in rows for key in row)
        arrays = [pa.array([row.get(key) for row in rows], pa.string()) for key in keys]
        for key, array in zip(keys, arrays, strict=True):
            self.keys[key] = self.keys.get(key, 0) + len(array) - array.null_count
        if not keys:
            # A batch needs a column to have rows; this one belongs to no key and is never read.
            keys, arrays = {"": None}, [pa.nulls(len(rows), pa.string())]
        batch = pa.record_batch(arrays, names=list(keys))
        if batch.schema != self._schema or self._writer is None:
            self._end_stream()
            self._schema = batch.schema
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            self._writer = pa.ipc.new_stream(self._sink, batch.schema, options=options)
        self._writer.write_batch(batch)

    def _end_stream(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def finish(self) -> None:
        """Write what is waiting and close the file; reading may begin."""
        if self._waiting:
            self._flush()
        self._end_stream()
        self._sink.close()

    def batches(self, keys: Sequence[str], names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield all rows with the columns `keys`, called `names`."""
        size = self._path.stat().st_size
        with pa.OSFile(str(self._path), "rb") as source:
            while source.tell() < size:
                for batch in pa.ipc.open_stream(source):
                    yield _align(batch, keys, names)


def _align(batch: pa.RecordBatch, keys: Sequence[str], names: Sequence[str]) -> pa.RecordBatch:
    places = {key: place for place, key in enumerate(batch.schema.names)}
    missing = pa.nulls(batch.num_rows, pa.string())
    arrays = [batch.column(places[key]) if key in places else missing for key in keys]
    return pa.record_batch(arrays, names=list(names))
