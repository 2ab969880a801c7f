"""Which encoding a text file has, checked over the whole file, and the file as a stream of UTF-8."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from exchange.catalog.reading.errors import ReadingError

_CHUNK = 1 << 20
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # Before UTF-16, whose mark it begins with.
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_FORCEABLE = (
    *("utf-8", "gb18030", "gbk", "gb2312", "big5", "shift_jis", "euc_kr"),
    *("utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252"),
)


@dataclass(frozen=True)
class Encoding:
    """The codec of a file, the length of its byte-order mark, and how many quotation marks it holds."""

    codec: str
    mark: int
    quotes: int

    @property
    def label(self) -> str:
        """How the encoding is shown."""
        return f"{self.codec} with BOM" if self.mark else self.codec


def detect_encoding(path: Path, file: str, forced: str | None = None) -> Encoding:
    """Return the encoding of `path`, having decoded all of it.

    A byte-order mark decides; without one it is UTF-8, or else GB18030 if what comes out is plausible Chinese.
    Raises ReadingError naming the offset of the first byte that cannot be read, or of a NUL.
    """
    if forced is not None:
        return _forced(path, file, forced)
    with path.open("rb") as stream:
        head = stream.read(4)
    for mark, codec in _BOMS:
        if head.startswith(mark):
            try:
                return Encoding(codec, len(mark), _decode_all(path, file, codec, len(mark)))
            except _UndecodableError as error:
                raise _undecodable(file, codec, error.offset, error.byte) from error
    try:
        return Encoding("utf-8", 0, _decode_all(path, file, "utf-8", 0))
    except _UndecodableError as error:
        offset, byte = error.offset, error.byte
    try:
        chinese = _Plausibility()
        quotes = _decode_all(path, file, "gb18030", 0, chinese.look)
        if chinese.holds():
            return Encoding("gb18030", 0, quotes)
    except _UndecodableError:
        pass
    raise _undecodable(file, "UTF-8, GB18030", offset, byte)


def _forced(path: Path, file: str, codec: str) -> Encoding:
    """Return the encoding that the publisher named."""
    try:
        known = codecs.lookup(codec).name
    except (LookupError, ValueError):
        known = ""
    if known not in {codecs.lookup(name).name for name in _FORCEABLE}:
        raise ReadingError(
            "unknown-encoding",
            field=file,
            reason=(f"The encoding “{codec}” is not known.", f"未知的编码“{codec}”。"),
            mend=(f"Use one of {', '.join(_FORCEABLE)}.", f"请使用以下之一：{', '.join(_FORCEABLE)}。"),
        )
    codec = known
    with path.open("rb") as stream:
        head = stream.read(4)
    mark, marked = next(((len(mark), name) for mark, name in _BOMS if head.startswith(mark)), (0, ""))
    if codec == "utf-16":
        codec = marked if marked.startswith("utf-16") else "utf-16-le"
    mark = mark if marked == codec else 0
    try:
        return Encoding(codec, mark, _decode_all(path, file, codec, mark))
    except _UndecodableError as error:
        raise _undecodable(file, codec, error.offset, error.byte) from error


class _UndecodableError(Exception):
    def __init__(self, offset: int, byte: int) -> None:
        super().__init__(offset, byte)
        self.offset, self.byte = offset, byte


class _Plausibility:
    """Whether decoded text is Chinese in earnest: nearly any bytes are valid GB18030, but then rare characters come."""

    _enough = 4_000

    def __init__(self) -> None:
        self.common = 0
        self.rare = 0

    def look(self, text: str) -> None:
        """Take in the characters beyond ASCII, up to a sufficient number of them."""
        if text.isascii() or self.common + self.rare >= self._enough:
            return
        for character in text:
            if character >= "\x80":
                # GB2312 holds the 6,763 characters and the punctuation of everyday text.
                try:
                    character.encode("gb2312")
                    self.common += 1
                except UnicodeEncodeError:
                    self.rare += 1
                if self.common + self.rare >= self._enough:
                    return

    def holds(self) -> bool:
        """Return whether nearly all characters are everyday ones."""
        return self.common >= 0.9 * (self.common + self.rare)


def _decode_all(path: Path, file: str, codec: str, start: int, look: Callable[[str], None] | None = None) -> int:
    """Decode the whole file and return the number of quotation marks. Raises on an undecodable byte or a NUL."""
    decoder = codecs.getincrementaldecoder(codec)("strict")
    offset, quotes, wide = start, 0, codec.startswith(("utf-16", "utf-32"))
    with path.open("rb") as stream:
        stream.seek(start)
        while True:
            chunk = stream.read(_CHUNK)
            pending = len(decoder.getstate()[0])
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                raise _UndecodableError(offset - pending + error.start, error.object[error.start]) from error
            # Quotation marks and NUL never stand inside a longer character, save in the wide encodings.
            quotes += text.count('"') if wide else chunk.count(b'"')
            place = text.find("\0") if wide else chunk.find(b"\0")
            if place >= 0:
                raise _nul(file, offset + place * (1 if not wide else 2), chunk)
            if look:
                look(text)
            if not chunk:
                return quotes
            offset += len(chunk)


def _nul(file: str, offset: int, chunk: bytes) -> ReadingError:
    wide = chunk[:4096].count(0) > len(chunk[:4096]) // 4
    return ReadingError(
        "nul-byte",
        field=file,
        reason=(f"There is a NUL byte at offset {offset:,}.", f"偏移 {offset:,} 处有 NUL 字节。"),
        mend=(
            "The file looks like UTF-16 without a byte-order mark; save it as UTF-8."
            if wide
            else "The file is damaged or not text; export it again.",
            "文件似为不带 BOM 的 UTF-16，请另存为 UTF-8。" if wide else "文件已损坏或不是文本，请重新导出。",
        ),
    )


def _undecodable(file: str, tried: str, offset: int, byte: int) -> ReadingError:
    return ReadingError(
        "undecodable",
        field=file,
        reason=(
            f"The byte 0x{byte:02X} at offset {offset:,} fits none of these encodings: {tried}.",
            f"偏移 {offset:,} 处的字节 0x{byte:02X} 不符合以下任何编码：{tried}。",
        ),
        mend=(
            "Save the file as UTF-8, or name its encoding.",
            "请将文件另存为 UTF-8，或指明其编码。",
        ),
    )
