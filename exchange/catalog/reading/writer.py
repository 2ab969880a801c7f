"""Writing one Parquet file with row groups of a fixed number of rows, in bounded memory."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

from exchange.catalog.reading.model import Limits, ParquetFileInfo


class PartWriter:
    """Collects batches and writes them as zstd Parquet; the same rows and limits give the same bytes."""

    def __init__(self, path: Path, source_name: str, schema: pa.Schema, limits: Limits) -> None:
        self._path, self._source_name, self._limits = path, source_name, limits
        self._schema = schema
        texts = [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_binary(field.type)]
        self._writer = pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=texts)
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = 0
        self._waiting_bytes = 0
        self._rows = 0

    def __enter__(self) -> PartWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows."""
        while batch.num_rows:
            taken = batch.slice(0, self._limits.row_group_rows - self._waiting_rows)
            self._waiting.append(taken)
            self._waiting_rows += taken.num_rows
            self._waiting_bytes += taken.nbytes
            if self._waiting_rows >= self._limits.row_group_rows or self._waiting_bytes >= self._limits.row_group_bytes:
                self._flush()
            batch = batch.slice(taken.num_rows)

    def _flush(self) -> None:
        if self._waiting_rows:
            table = pa.Table.from_batches(self._waiting, self._schema)
            self._writer.write_table(table, row_group_size=self._waiting_rows)
            self._rows += self._waiting_rows
        self._waiting, self._waiting_rows, self._waiting_bytes = [], 0, 0

    def finish(self) -> ParquetFileInfo:
        """Write the rest, close the file and return what was written; the digest is over the bytes on disk."""
        self._flush()
        self._writer.close()
        with self._path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return ParquetFileInfo(self._path, self._source_name, self._rows, self._path.stat().st_size, digest)
