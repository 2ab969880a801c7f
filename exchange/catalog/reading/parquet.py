"""Parquet: copied row group by row group, its types kept, nested columns and broken files refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from exchange.catalog.reading.errors import ReadingError, ReadingWarning, shorten
from exchange.catalog.reading.model import MEBIBYTE, Limits
from exchange.catalog.reading.names import check_column_count, clean_names
from exchange.catalog.reading.refusals import cell_too_long, damaged, header_only
from exchange.catalog.reading.source import Report

_MAGIC, _ENCRYPTED = b"PAR1", b"PARE"
_BATCH_CELLS = 1 << 20
_BATCH_ROWS = 16_384
_SPELLINGS = {
    pa.int64(): "int64",
    pa.float64(): "float64",
    pa.string(): "text",
    pa.bool_(): "bool",
    pa.date32(): "date",
    pa.timestamp("us"): "timestamp",
    pa.timestamp("us", "UTC"): "timestamp_utc",
}


def spell(kind: pa.DataType) -> str:
    """Return how an Arrow type is shown: our own spelling where there is one."""
    return _SPELLINGS.get(kind, str(kind))


class ParquetSource:
    """One Parquet file. Raises ReadingError if it is cut short, encrypted, damaged, nested or without rows."""

    format = "parquet"

    def __init__(self, path: Path, file: str, limits: Limits) -> None:
        self.path, self.file, self._limits = path, file, limits
        _check_ends(path, file)
        with self._open() as parquet:
            original = parquet.schema_arrow
            self.rows: int = parquet.metadata.num_rows
        check_column_count(len(original), file, limits)
        _refuse_nested(original, file)
        self.names, self.remarks = clean_names(original.names, file, limits)
        self._original = original
        kinds = [_flat(field.type) for field in original]
        self.schema = pa.schema([pa.field(name, kind) for name, kind in zip(self.names, kinds, strict=True)])
        self.remarks += [_binary_remark(file, field.name) for field in self.schema if _is_binary(field.type)]
        if not self.rows:
            raise header_only(file)

    def _open(self, dictionaries: list[str] | None = None) -> pq.ParquetFile:
        try:
            # Read ahead by column chunk would take memory by the size of a row group.
            return pq.ParquetFile(
                self.path,
                pre_buffer=False,
                buffer_size=MEBIBYTE,
                read_dictionary=dictionaries,
                arrow_extensions_enabled=False,
            )
        except (pa.ArrowException, OSError, ValueError) as error:
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> ReadingError:
        text = str(error)
        if "encrypt" in text.lower() or "decrypt" in text.lower():
            return _encrypted(self.file)
        return damaged(
            self.file, f"The Parquet file is damaged: {shorten(text, 160)}", f"Parquet 文件已损坏：{shorten(text, 160)}"
        )

    def batches(self, report: Report) -> Iterator[pa.RecordBatch]:
        """Yield all rows in order with the types of `schema`. Raises ReadingError for a damaged page or a huge cell."""
        rows = max(256, min(_BATCH_ROWS, _BATCH_CELLS // max(1, len(self.names))))
        # Texts come as dictionaries, so that one long text repeated in every row stays one text until it is judged.
        texts = [field.name for field in self._original if pa.types.is_string(field.type)]
        done = 0
        with self._open(texts) as parquet:
            try:
                for batch in parquet.iter_batches(batch_size=rows):
                    yield self._plain(batch, done)
                    done += batch.num_rows
                    report(done / self.rows)
            except (pa.ArrowException, OSError, ValueError) as error:
                raise self._broken(error) from error

    def _plain(self, batch: pa.RecordBatch, row: int) -> pa.RecordBatch:
        columns = [
            self._plain_column(column, field, row) for column, field in zip(batch.columns, self.schema, strict=True)
        ]
        return pa.record_batch(columns, schema=self.schema)

    def _plain_column(self, column: pa.Array, field: pa.Field, row: int) -> pa.Array:
        if pa.types.is_dictionary(column.type) and len(column.dictionary) and column.null_count < len(column):
            values = column.dictionary
            if _is_text(values.type) or _is_binary(values.type):
                self._check_length(values, field.name, row)
        elif _is_text(column.type) or _is_binary(column.type):
            self._check_length(column, field.name, row)
        return column if column.type == field.type else pc.cast(column, field.type)

    def _check_length(self, values: pa.Array, name: str, row: int) -> None:
        longest = pc.max(pc.binary_length(values)).as_py() or 0
        if longest > self._limits.max_cell_bytes:
            raise cell_too_long(self.file, row + 1, name, longest, self._limits)


def _check_ends(path: Path, file: str) -> None:
    """Refuse a file whose first and last bytes are not those of a whole, open Parquet file."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(4)
        stream.seek(max(0, size - 8))
        tail = stream.read(8)
    if head == _ENCRYPTED or tail.endswith(_ENCRYPTED):
        raise _encrypted(file)
    if head != _MAGIC:
        raise damaged(file, "The file is not Parquet: its first bytes are wrong.", "文件不是 Parquet：开头字节不符。")
    if size < 12 or tail[4:] != _MAGIC or int.from_bytes(tail[:4], "little") > size - 12:
        raise ReadingError(
            "cut-short",
            field=file,
            reason=(
                f"The Parquet file is cut short: its last bytes are missing ({size:,} bytes are there).",
                f"Parquet 文件被截断：缺少末尾部分（现有 {size:,} 字节）。",
            ),
            mend=("Copy or export it again in full.", "请重新完整地复制或导出。"),
        )


def _encrypted(file: str) -> ReadingError:
    return ReadingError(
        "encrypted",
        field=file,
        reason=("The Parquet file is encrypted.", "Parquet 文件已加密。"),
        mend=(
            "Write it without encryption; the exchange encrypts what it stores.",
            "请以不加密的方式写出；交易平台会对所存数据加密。",
        ),
    )


def _refuse_nested(schema: pa.Schema, file: str) -> None:
    nested = [field.name for field in schema if pa.types.is_nested(_flat(field.type))]
    if nested:
        named = "”, “".join(shorten(name) for name in nested[:5])
        raise ReadingError(
            "nested-columns",
            field=nested[0],
            reason=(
                f"{file}: {len(nested)} columns are nested (lists, structs or maps): “{named}”.",
                f"{file}：有 {len(nested)} 个嵌套列（列表、结构或映射）：“{named}”。",
            ),
            mend=(
                "Write each inner field as a column of its own, or as JSON text.",
                "请将内部字段各自写成一列，或写成 JSON 文本。",
            ),
        )


def _flat(kind: pa.DataType) -> pa.DataType:
    """Return the type a column is stored with: dictionaries as their values, long texts as texts, null as text."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or pa.types.is_null(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return pa.binary()
    return kind


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _binary_remark(file: str, name: str) -> ReadingWarning:
    return ReadingWarning(
        "binary-column",
        name,
        f"{file}: column “{name}” holds bytes, not text; if they are text, choose text as its type.",
        f"{file}：列“{name}”是字节而非文本；若其内容为文本，请将类型选为 text。",
    )
