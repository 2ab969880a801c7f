"""Encrypted packages for one buyer: C2SP chunked-encryption for the bytes, HPKE for their key.

A sealed file is `salt (24) || commitment (32) || chunks`, as https://c2sp.org/chunked-encryption lays down
with SHA-512 and AES-256-GCM: 16 KiB of plaintext a chunk, the last one always shorter, the nonce of chunk k
being the base nonce XOR k. The key that opens it is 32 random bytes used for this one file; `wrap_key` hands
it to the buyer (RFC 9180: DHKEM(X25519, HKDF-SHA256) or the ML-KEM-768 hybrid, HKDF-SHA256, AES-256-GCM). Every failure is a
`SealingError`.
"""

from __future__ import annotations

import hmac
import io
import secrets
from typing import TYPE_CHECKING, BinaryIO, Self

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from contracts.errors import SealingError
from contracts.key_wrapping import EncryptionKey, HybridKey, unwrap_key, wrap_key

if TYPE_CHECKING:
    from types import TracebackType

    from _typeshed import ReadableBuffer, WriteableBuffer

__all__ = [
    "CHUNK_BYTES",
    "HEADER_BYTES",
    "KEY_BYTES",
    "SEALED_CHUNK_BYTES",
    "EncryptionKey",
    "HybridKey",
    "OpenReader",
    "SealWriter",
    "new_key",
    "opened_length",
    "sealed_length",
    "unwrap_key",
    "wrap_key",
]

KEY_BYTES = 32
SALT_BYTES = 24
HEADER_BYTES = SALT_BYTES + 32
CHUNK_BYTES = 16 * 1024
TAG_BYTES = 16
SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES
# The standard allows 2^38 chunks, which is 4 PiB.
MAXIMUM_CHUNKS = 2**38
# Chunks handled between two calls of the operating system: 512 KiB amortises the call and stays in the cache.
_BATCH = 32
# Chunks decrypted ahead of a sequential reader that asks for small pieces.
_READ_AHEAD = 16


def sealed_length(length: int) -> int:
    """The size in bytes of the sealed form of `length` bytes (>= 0)."""
    return HEADER_BYTES + length + (length // CHUNK_BYTES + 1) * TAG_BYTES


def opened_length(sealed: int) -> int:
    """The plaintext length behind `sealed` bytes; raises SealingError where no message has that size."""
    chunks, rest = divmod(sealed - HEADER_BYTES, SEALED_CHUNK_BYTES)
    if sealed < HEADER_BYTES or rest < TAG_BYTES:
        raise SealingError(
            "The sealed file is cut short: no complete message has its length.",
            "密封文件不完整：其长度不对应任何完整的内容。",
            mend_en="Fetch it again.",
            mend_zh="请重新下载。",
        )
    return chunks * CHUNK_BYTES + rest - TAG_BYTES


def _altered() -> SealingError:
    return SealingError(
        "The sealed file was altered: a chunk does not authenticate.",
        "密封文件已被改动：有数据块未通过校验。",
        mend_en="Fetch it again.",
        mend_zh="请重新下载。",
    )


class _Chunks:
    """The AEAD of one message: it seals and opens runs of whole chunks by their number."""

    def __init__(self, key: bytes, salt: bytes, context: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise SealingError(
                f"A sealing key has {KEY_BYTES} bytes; this one has {len(key)}.",
                f"密封密钥应为 {KEY_BYTES} 字节，此密钥为 {len(key)} 字节。",
            )
        info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + salt + context
        derived = HKDFExpand(SHA512(), KEY_BYTES + 12 + 32, info).derive(key)
        self._aead = AESGCM(derived[:KEY_BYTES])
        self._nonce_head = np.frombuffer(derived, np.uint8, 4, KEY_BYTES)
        self._nonce_tail = int.from_bytes(derived[KEY_BYTES + 4 : KEY_BYTES + 12], "big")
        self.commitment = derived[KEY_BYTES + 12 :]

    def _nonces(self, first: int, count: int) -> bytes:
        # A chunk number has at most 38 bits, so only the last eight bytes of the base nonce change.
        nonces = np.empty((count, 12), np.uint8)
        nonces[:, :4] = self._nonce_head
        numbers = np.arange(first, first + count, dtype=np.uint64) ^ np.uint64(self._nonce_tail)
        nonces[:, 4:] = numbers.astype(">u8").view(np.uint8).reshape(count, 8)
        return nonces.tobytes()

    def seal(self, first: int, plain: memoryview, out: memoryview) -> int:
        """Seal `plain` as chunks from number `first` (only the last may be short); return the size."""
        count = max(1, -(-len(plain) // CHUNK_BYTES))
        if first + count > MAXIMUM_CHUNKS:
            raise SealingError("A sealed file holds at most 4 PiB.", "密封文件最大为 4 PiB。")
        nonces, encrypt_into, end = self._nonces(first, count), self._aead.encrypt_into, 0
        for number in range(count):
            piece = plain[number * CHUNK_BYTES : (number + 1) * CHUNK_BYTES]
            start, end = end, end + len(piece) + TAG_BYTES
            encrypt_into(nonces[number * 12 : number * 12 + 12], piece, None, out[start:end])
        return end

    def open(self, first: int, sealed: memoryview, out: memoryview) -> None:
        """Open a run of chunks into `out`, of their exact length; a failure leaves no plaintext there."""
        count = -(-len(sealed) // SEALED_CHUNK_BYTES)
        nonces, decrypt_into = self._nonces(first, count), self._aead.decrypt_into
        try:
            for number in range(count):
                piece = sealed[number * SEALED_CHUNK_BYTES : (number + 1) * SEALED_CHUNK_BYTES]
                start = number * CHUNK_BYTES
                target = out[start : start + len(piece) - TAG_BYTES]
                decrypt_into(nonces[number * 12 : number * 12 + 12], piece, None, target)
        except InvalidTag as error:
            # OpenSSL writes before it checks the tag; what was not authenticated must not stay readable.
            out[:] = bytes(len(out))
            raise _altered() from error


class SealWriter:
    """Seals what is written to it, in order, into `target`; the bytes are complete only after `close`.

    `key` must be fresh for this file. `context` (agreement, buyer, artefact…) is bound into the key and must
    be given again to open. `target` is not closed. Left by an exception, or dropped without `close`, the file
    lacks its last chunk and no reader accepts it. Not for use by two threads at once.
    """

    def __init__(self, target: BinaryIO, key: bytes, context: bytes = b"", *, salt: bytes | None = None) -> None:
        if salt is None:
            salt = secrets.token_bytes(SALT_BYTES)
        if len(salt) != SALT_BYTES:
            raise SealingError(f"A salt has {SALT_BYTES} bytes.", f"盐值应为 {SALT_BYTES} 字节。")
        self._chunks = _Chunks(key, salt, context)
        self._target = target
        self._pending = bytearray()
        self._sealed = memoryview(bytearray(_BATCH * SEALED_CHUNK_BYTES))
        self._number = 0
        self._length = 0
        self.closed = False
        self._put(memoryview(salt + self._chunks.commitment))

    def _put(self, data: memoryview) -> None:
        while data:
            written = self._target.write(data)
            data = data[len(data) if written is None else written :]

    def _seal(self, plain: memoryview) -> None:
        size = self._chunks.seal(self._number, plain, self._sealed)
        self._number += max(1, -(-len(plain) // CHUNK_BYTES))
        self._put(self._sealed[:size])

    def write(self, data: ReadableBuffer) -> int:
        """Take all of `data` and return its length; raises SealingError once closed."""
        if self.closed:
            raise SealingError("The sealed file is already closed.", "密封文件已经关闭。")
        view = memoryview(data).cast("B")
        length = len(view)
        if self._pending:
            fill = min(CHUNK_BYTES - len(self._pending), length)
            self._pending += view[:fill]
            view = view[fill:]
            if len(self._pending) == CHUNK_BYTES:
                self._seal(memoryview(bytes(self._pending)))
                self._pending.clear()
        whole = len(view) - len(view) % CHUNK_BYTES
        for start in range(0, whole, _BATCH * CHUNK_BYTES):
            self._seal(view[start : min(start + _BATCH * CHUNK_BYTES, whole)])
        self._pending += view[whole:]
        self._length += length
        return length

    def tell(self) -> int:
        """The number of plaintext bytes written."""
        return self._length

    def flush(self) -> None:
        """Flush the target; a chunk that is not full yet stays here, since it cannot be sealed twice."""
        self._target.flush()

    def close(self) -> None:
        """Write the last, short chunk. Closing twice is allowed."""
        if not self.closed:
            self.closed = True
            self._seal(memoryview(bytes(self._pending)))
            self._pending.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        self.closed = True


class OpenReader(io.RawIOBase):
    """The plaintext of a sealed file, read at any position with bounded memory.

    `source` must be seekable and belongs to this reader alone while it is in use; it is closed with the reader
    only if `close_source` says so. The header, the key, the context and the length (by its last chunk) are
    checked at once; every chunk is authenticated before a byte of it is handed out. After a chunk has failed,
    nothing more is read. Not for use by two threads at once.
    """

    def __init__(self, source: BinaryIO, key: bytes, context: bytes = b"", *, close_source: bool = False) -> None:
        super().__init__()
        self._source = source
        self._close_source = close_source
        try:
            self._start(key, context)
        except SealingError:
            # Nobody will hold the reader that could close its source.
            self.close()
            raise

    def _start(self, key: bytes, context: bytes) -> None:
        source = self._source
        self._sealed_length = source.seek(0, io.SEEK_END)
        self._length = opened_length(self._sealed_length)
        header = bytes(self._fetch(0, memoryview(bytearray(HEADER_BYTES))))
        self._chunks = _Chunks(key, header[:SALT_BYTES], context)
        if not hmac.compare_digest(header[SALT_BYTES:], self._chunks.commitment):
            raise SealingError(
                "The key or the context does not belong to this sealed file, or its header was altered.",
                "密钥或上下文与此密封文件不符，或文件头被改动。",
                mend_en="Open it with the key that was delivered with it.",
                mend_zh="请使用随文件交付的密钥打开。",
            )
        self._position = 0
        self._failure: SealingError | None = None
        self._window = memoryview(b"")
        self._window_start = 0
        self._sealed = memoryview(bytearray(min(self._sealed_length, _BATCH * SEALED_CHUNK_BYTES)))
        self._load(self._length // CHUNK_BYTES, 1)

    @property
    def length(self) -> int:
        """The number of plaintext bytes."""
        return self._length

    def _fetch(self, start: int, into: memoryview) -> memoryview:
        """Fill `into` from the source at `start`; raises SealingError where the source has become shorter."""
        self._source.seek(start)
        done = 0
        while done < len(into):
            count = self._source.readinto(into[done:])  # type: ignore[attr-defined]  # Every binary file has it.
            if not count:
                raise _altered()
            done += count
        return into

    def _open(self, first: int, out: memoryview) -> None:
        """Fill `out` with the plaintext from chunk `first`; `out` ends with a chunk or with the message."""
        if self._failure is not None:
            raise self._failure
        start = HEADER_BYTES + first * SEALED_CHUNK_BYTES
        size = sealed_length(len(out)) - HEADER_BYTES
        if len(out) and len(out) % CHUNK_BYTES == 0:
            size -= TAG_BYTES
        try:
            self._chunks.open(first, self._fetch(start, self._sealed[:size]), out)
        except SealingError as error:
            self._failure = error
            raise

    def _load(self, first: int, count: int) -> None:
        size = min(count * CHUNK_BYTES, self._length - first * CHUNK_BYTES)
        window = memoryview(bytearray(size))
        self._open(first, window)
        self._window, self._window_start = window, first * CHUNK_BYTES

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill `buffer` as far as the message goes and return the number of bytes."""
        self._check_open()
        view = memoryview(buffer).cast("B")
        wanted = max(0, min(len(view), self._length - self._position))
        done = 0
        while done < wanted:
            done += self._step(view[done:wanted])
        return wanted

    def _step(self, view: memoryview) -> int:
        """Put at least one byte at the position into `view` (not empty), advance, and return how many."""
        inside = self._position - self._window_start
        chunk, offset = divmod(self._position, CHUNK_BYTES)
        whole = min(len(view) // CHUNK_BYTES, _BATCH)
        if 0 <= inside < len(self._window):
            size = min(len(view), len(self._window) - inside)
            view[:size] = self._window[inside : inside + size]
        elif offset == 0 and whole:
            size = whole * CHUNK_BYTES
            self._open(chunk, view[:size])
        else:
            sequential = inside == len(self._window)
            self._load(chunk, _READ_AHEAD if sequential else 1)
            return 0
        self._position += size
        return size

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a plaintext position, which may lie beyond the end, and return it."""
        self._check_open()
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._length}.get(whence)
        if base is None or base + offset < 0:
            raise SealingError("The position lies before the start of the file.", "位置在文件开头之前。")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        self._check_open()
        return self._position

    def close(self) -> None:
        """Let go of the plaintext in memory, and of the source where that was asked for."""
        if not self.closed:
            super().close()
            self._window = self._sealed = memoryview(b"")
            if self._close_source:
                self._source.close()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def _check_open(self) -> None:
        if self.closed:
            raise SealingError("The reader is closed.", "读取器已经关闭。")


def new_key() -> bytes:
    """A fresh 32-byte key for one sealed file."""
    return secrets.token_bytes(KEY_BYTES)
