"""Which format a file has, judged by its content first and its name second."""

from __future__ import annotations

import zipfile
from pathlib import Path

from exchange.catalog.reading.csv import CsvSource
from exchange.catalog.reading.dialect import DELIMITERS
from exchange.catalog.reading.errors import ReadingError
from exchange.catalog.reading.jsonl import JsonLinesSource, is_object_line
from exchange.catalog.reading.model import MEBIBYTE, Hints, Limits
from exchange.catalog.reading.parquet import ParquetSource
from exchange.catalog.reading.refusals import damaged, empty_file, not_a_table
from exchange.catalog.reading.source import Report, Source
from exchange.catalog.reading.xlsx import XlsxSource

_DELIMITED = frozenset((".csv", ".tsv", ".tab"))
_MAYBE_DELIMITED = frozenset((".txt", ".dat", ".asc", ".data", ""))
_JSON_LINES = frozenset((".jsonl", ".ndjson"))
_WORKBOOKS = frozenset((".xlsx", ".xlsm"))
_PARQUET = frozenset((".parquet", ".pq", ".parq"))
# What a file that is named like a table turns out to be, by how it begins, in English and Chinese.
_OTHERS = (
    (b"%PDF-", "a PDF document", "PDF 文档"),
    (b"\x89PNG\r\n", "a PNG picture", "PNG 图片"),
    (b"\xff\xd8\xff", "a JPEG picture", "JPEG 图片"),
    (b"GIF87a", "a GIF picture", "GIF 图片"),
    (b"GIF89a", "a GIF picture", "GIF 图片"),
    (b"PK\x03\x04", "a ZIP archive", "ZIP 压缩包"),
    (b"\x1f\x8b", "a gzip archive", "gzip 压缩包"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "7z 压缩包"),
    (b"Rar!\x1a\x07", "a RAR archive", "RAR 压缩包"),
    (b"{\\rtf", "an RTF document", "RTF 文档"),
    (b"<!doctype html", "a web page", "网页"),
    (b"<html", "a web page", "网页"),
    (b"<?xml", "an XML document", "XML 文档"),
)
_ZIP, _OLE = b"PK\x03\x04", bytes.fromhex("D0CF11E0A1B11AE1")


def detect_format(path: Path, file: str, limits: Limits) -> str:
    """Return "csv", "parquet", "xlsx" or "jsonl". Raises ReadingError, with code NOT_A_TABLE for anything else."""
    suffix = Path(file).suffix.lower()
    if not path.stat().st_size:
        raise empty_file(file)
    with path.open("rb") as stream:
        head = stream.read(16)
    if head[:4] in (b"PAR1", b"PARE") or suffix in _PARQUET:
        return "parquet"
    if head.startswith(_OLE):
        raise not_a_table(
            file,
            (
                "This is an old Excel workbook (.xls) or one with a password.",
                "这是旧版 Excel 工作簿（.xls）或加密的工作簿。",
            ),
            (
                "Save it as .xlsx without a password to have it read as a table.",
                "请另存为不加密的 .xlsx，以便按表读取。",
            ),
        )
    if head.startswith(_ZIP) and (suffix in _WORKBOOKS or _has_workbook(path)):
        return "xlsx"
    if suffix in _WORKBOOKS:
        raise damaged(file, "The file is not a workbook: its first bytes are wrong.", "文件不是工作簿：开头字节不符。")
    if suffix in _DELIMITED | _JSON_LINES:
        _refuse_others(file, suffix, head)
    if suffix in _DELIMITED:
        return "csv"
    if suffix in _JSON_LINES or (suffix == ".json" and _has_object_lines(path)):
        return "jsonl"
    if suffix in _MAYBE_DELIMITED and _is_delimited(path, file, limits):
        return "csv"
    raise not_a_table(
        file,
        (f"“{suffix or file}” is not a format of tables.", f"“{suffix or file}”不是表格格式。"),
        (
            "Tables are read from CSV, TSV, Parquet, XLSX and JSON lines.",
            "可读取的表格格式：CSV、TSV、Parquet、XLSX、JSON lines。",
        ),
    )


def _refuse_others(file: str, suffix: str, head: bytes) -> None:
    """Raise ReadingError where a file begins like something that its name denies."""
    for mark, english, chinese in _OTHERS:
        # Markup is written in either case.
        if head.startswith(mark) or (mark.startswith(b"<") and head.lower().startswith(mark)):
            kind = suffix.removeprefix(".").upper()
            raise ReadingError(
                "wrong-format",
                field=file,
                reason=(
                    f"The file is named {suffix}, but it is {english}, not {kind}.",
                    f"文件名以 {suffix} 结尾，但内容是{chinese}，不是 {kind}。",
                ),
                mend=(
                    "Export the table itself and upload that; other files keep their own ending and are stored as they are.",
                    "请导出表格本身后上传；其他文件请保留原扩展名，将按原样保存。",
                ),
            )


def _has_workbook(path: Path) -> bool:
    """Return whether a ZIP of another name begins like a workbook; its table of contents is not loaded for this."""
    with path.open("rb") as stream:
        head = stream.read(MEBIBYTE)
    return zipfile.is_zipfile(path) and b"[Content_Types].xml" in head and b"xl/" in head


def _has_object_lines(path: Path) -> bool:
    """Return whether the first two lines are JSON objects; one document in .json is no table."""
    with path.open("rb") as stream:
        lines = [line.decode("utf-8", "replace") for line in (stream.readline(MEBIBYTE), stream.readline(MEBIBYTE))]
    return all(is_object_line(line.lstrip("\ufeff")) for line in lines)


def _is_delimited(path: Path, file: str, limits: Limits) -> bool:
    """Return whether a text of no telling name is cut evenly by one delimiter."""
    try:
        source = CsvSource(path, file, Hints(), limits)
    except ReadingError:
        return False
    rows = source.sample.records(source.delimiter or DELIMITERS[0])
    even = sum(len(row) == source.width for row in rows)
    return source.width > 1 and len(rows) > 1 and even >= 0.9 * len(rows)


def open_source(
    path: Path, file: str, *, hints: Hints, limits: Limits, workspace: Path, report: Report
) -> Source | ParquetSource:
    """Return the opened file; formats parsed row by row are put into a spool in `workspace`. Raises ReadingError."""
    kind = detect_format(path, file, limits)
    if kind == "parquet":
        return ParquetSource(path, file, limits)
    if kind == "csv":
        return CsvSource(path, file, hints, limits)
    spooled = JsonLinesSource if kind == "jsonl" else XlsxSource
    return spooled(path, file, hints, limits, workspace=workspace, report=report)
