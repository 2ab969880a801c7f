"""Opening a ZIP that a stranger made, and walking its XML with bounded memory.

Nothing is unpacked before the table of contents was judged: number of entries, total size, ratio, methods, overlaps.
Python's zipfile never gives more bytes than an entry declares, so the declared sizes bound what can come out. XML is
read by expat in small pieces; document types (and with them entities) and outsized tokens are refused.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.parsers import expat

from exchange.catalog.reading.errors import ReadingError
from exchange.catalog.reading.model import MEBIBYTE, Limits
from exchange.catalog.reading.refusals import damaged

_PIECE = 1 << 16
_DIRECTORY_BYTES_PER_ENTRY = 512
_SMALL = 64 * MEBIBYTE
_REMEMBERED_NAMES = 256
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

Start = Callable[[str, dict[str, str]], None]
End = Callable[[str], None]
Text = Callable[[str], None]


def bomb(file: str, english: str, chinese: str) -> ReadingError:
    """Return the error for an archive that would unpack beyond the limits."""
    return ReadingError(
        "archive-bomb",
        field=file,
        reason=(f"The file is refused before it is unpacked: {english}", f"未解包即拒绝该文件：{chinese}"),
        mend=("Save only the table in a new workbook, or as CSV.", "请只将该表另存为新工作簿或 CSV。"),
    )


@contextmanager
def open_archive(path: Path, file: str, limits: Limits) -> Iterator[zipfile.ZipFile]:
    """Open the ZIP at `path` once its table of contents was judged harmless. Raises ReadingError."""
    _check_directory_size(path, file, limits)
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise damaged(file, "The file is cut short or damaged.", "文件被截断或已损坏。") from error
    with archive:
        _check_entries(archive.infolist(), path.stat().st_size, file, limits)
        yield archive


def _check_directory_size(path: Path, file: str, limits: Limits) -> None:
    """Refuse a table of contents too large to be loaded; its size stands at the end of the file (APPNOTE 4.3.14, .16)."""
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - 65_557))
        tail = stream.read()
        place = tail.rfind(b"PK\x05\x06")
        if place < 0 or len(tail) < place + 22:
            raise damaged(file, "The file is cut short: its table of contents is missing.", "文件被截断：缺少目录。")
        directory = struct.unpack_from("<L", tail, place + 12)[0]
        if place >= 20 and tail[place - 20 : place - 16] == b"PK\x06\x07":
            stream.seek(struct.unpack_from("<Q", tail, place - 12)[0] if size > 76 else 0)
            record = stream.read(56)
            directory = struct.unpack_from("<Q", record, 40)[0] if len(record) == 56 else 1 << 62
    if directory > limits.archive_entries * _DIRECTORY_BYTES_PER_ENTRY:
        raise bomb(file, "its table of contents is too large.", "其目录过大。")


def _check_entries(entries: list[zipfile.ZipInfo], size: int, file: str, limits: Limits) -> None:
    total = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries)
    if len(entries) > limits.archive_entries:
        raise bomb(file, f"it has {len(entries):,} entries.", f"它有 {len(entries):,} 个条目。")
    if packed > size or len({entry.filename for entry in entries}) < len(entries):
        raise bomb(file, "its entries overlap.", "其条目相互重叠。")
    if total > limits.archive_bytes:
        raise bomb(file, f"it would unpack to {total:,} bytes.", f"解包后将达 {total:,} 字节。")
    if total > _SMALL and total > limits.archive_ratio * size:
        raise bomb(file, f"it would grow {total // size:,} times.", f"解包后将膨胀 {total // size:,} 倍。")
    if any(entry.flag_bits & 0x1 for entry in entries):
        raise ReadingError(
            "encrypted",
            field=file,
            reason=("The file is encrypted.", "文件已加密。"),
            mend=("Save it without a password.", "请去除密码后另存。"),
        )
    if any(entry.compress_type not in _METHODS for entry in entries):
        raise damaged(
            file, "It is packed by a method that spreadsheets do not use.", "其压缩方法不是电子表格所用的方法。"
        )


class Walk:
    """Reads one XML part of an archive, calling back for elements and text. Names lose their prefix."""

    def __init__(self, archive: zipfile.ZipFile, part: str, file: str, limits: Limits) -> None:
        self._file, self._limits = file, limits
        try:
            self._stream = archive.open(part)
        except (KeyError, zipfile.BadZipFile, OSError) as error:
            raise damaged(file, f"The workbook lacks its part {part}.", f"工作簿缺少部件 {part}。") from error
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.buffer_size = _PIECE
        self._parser.StartDoctypeDeclHandler = self._refuse_document_type
        self._fed = 0
        self._size = max(1, archive.getinfo(part).file_size)

    @property
    def share(self) -> float:
        """How much of the part was read, 0 to 1."""
        return self._fed / self._size

    def handle(self, start: Start | None = None, end: End | None = None, text: Text | None = None) -> None:
        """Set what is called for the start of an element, its end, and text; names as in the file."""
        if start:
            self._parser.StartElementHandler = start
        if end:
            self._parser.EndElementHandler = end
        if text:
            self._parser.CharacterDataHandler = text

    def _refuse_document_type(self, *_: object) -> None:
        raise bomb(self._file, "its XML declares a document type.", "其 XML 声明了文档类型。")

    def pieces(self) -> Iterator[None]:
        """Read on, pausing after each piece so that the caller can take what the callbacks found."""
        try:
            with self._stream:
                while piece := self._stream.read(_PIECE):
                    self._parser.Parse(piece, False)
                    self._fed += len(piece)
                    if self._fed - self._parser.CurrentByteIndex > self._limits.max_row_bytes:
                        raise bomb(self._file, "its XML has an outsized token.", "其 XML 含过长的标记。")
                    yield
                self._parser.Parse(b"", True)
                yield
        except (expat.ExpatError, zipfile.BadZipFile, EOFError, OSError) as error:
            raise damaged(self._file, "A part of the workbook is damaged.", "工作簿的某个部件已损坏。") from error

    def read(self) -> None:
        """Read to the end."""
        for _ in self.pieces():
            pass


class LocalNames(dict[str, str]):
    """Element names without their prefix, remembered, since a sheet repeats a handful of them millions of times."""

    def __missing__(self, name: str) -> str:
        found = name.rpartition(":")[2]
        if len(self) < _REMEMBERED_NAMES:
            self[name] = found
        return found


def local(name: str) -> str:
    """Return an element's name without its prefix."""
    return name.rpartition(":")[2]
