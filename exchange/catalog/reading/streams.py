"""A text file of any encoding as a stream of UTF-8, for pyarrow and line by line."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from exchange.catalog.reading.encoding import Encoding
from exchange.catalog.reading.model import MEBIBYTE


class Utf8Stream:
    """A file decoded from any encoding and read as UTF-8, without its byte-order mark; what pyarrow reads from.

    `consumed` is how many bytes of the file were read, for progress.
    """

    def __init__(self, path: Path, encoding: Encoding) -> None:
        self._stream = path.open("rb", buffering=0)
        self._stream.seek(encoding.mark)
        codec = encoding.codec
        self._decoder = None if codec == "utf-8" else codecs.getincrementaldecoder(codec)("strict")
        self.consumed = encoding.mark

    def read(self, size: int = -1) -> bytes:
        """Return at most `size` next bytes (at least 16 must be asked for), none at the end."""
        if self._decoder is None:
            chunk = self._stream.read(size) or b""
            self.consumed += len(chunk)
            return chunk
        parts: list[bytes] = []
        room = size if size >= 0 else 1 << 62
        # pyarrow may not get more than it asked for: a byte becomes at most three, and three may be pending.
        while room >= 16:
            chunk = self._stream.read(min(room // 3 - 3, MEBIBYTE)) or b""
            self.consumed += len(chunk)
            parts.append(self._decoder.decode(chunk, final=not chunk).encode())
            room -= len(parts[-1])
            if not chunk:
                break
        return b"".join(parts)

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""
        return self._stream.closed

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def readable(self) -> bool:
        """Return that this is a stream to read from."""
        return True

    def seekable(self) -> bool:
        """Return that this stream only goes forward."""
        return False

    def writable(self) -> bool:
        """Return that this stream cannot be written."""
        return False


class _Raw(io.RawIOBase):
    """A Utf8Stream as the raw stream that Python's text layer wants."""

    def __init__(self, stream: Utf8Stream) -> None:
        self._inner = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._inner.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def lines(stream: Utf8Stream, limit: int) -> Iterator[str]:
    """Yield the lines of `stream` with their ends; one of `limit` characters or more is cut there and is the last."""
    text = io.TextIOWrapper(io.BufferedReader(_Raw(stream), MEBIBYTE), encoding="utf-8", newline="")
    while line := text.readline(limit):
        yield line
        if len(line) >= limit:
            return
