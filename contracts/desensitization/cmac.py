"""AES-CMAC (RFC 4493, NIST SP 800-38B) of a whole Arrow column at once.

The messages advance in step: one AES-ECB call encrypts the current block of every message that has one, so a
column of n short values costs a handful of numpy passes instead of n calls.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC
from numpy.typing import NDArray

from contracts.errors import PlanError

BLOCK = 16
# A message of more blocks than this goes through OpenSSL on its own; else one huge cell would mean as many
# passes over the column as it has blocks.
_STEPS = 64
# The table index of a block that is not the last of its message; 0 to 16 count the bytes of a last block.
_INNER = BLOCK + 1


class ColumnCmac:
    """AES-CMAC under one key of 16, 24 or 32 bytes (PlanError for another length); threads may share it."""

    def __init__(self, key: bytes) -> None:
        if len(key) not in (16, 24, 32):
            raise PlanError("An AES-CMAC key has 16, 24 or 32 bytes.", "AES-CMAC 密钥应为 16、24 或 32 字节。")
        self._algorithm = algorithms.AES(key)
        subkey = _double(self._encrypt(np.zeros(2, np.uint64)).tobytes())
        self._keep, self._flip = _last_block_tables(subkey, _double(subkey))

    def _encrypt(self, blocks: NDArray[np.uint64]) -> NDArray[np.uint64]:
        # ECB only drives the block cipher here; the chaining of CMAC is done by the caller.
        encryptor = Cipher(self._algorithm, modes.ECB()).encryptor()  # noqa: S305
        out = np.empty(blocks.size + 2, np.uint64)
        encryptor.update_into(blocks.data.cast("B"), out.data.cast("B"))
        return out[: blocks.size].reshape(blocks.shape)

    def tags(self, column: Any) -> NDArray[np.uint8]:
        """The 16-byte tags, shape (rows, 16), of a string or binary array; a null's tag means nothing."""
        if len(column) == 0:
            return np.empty((0, BLOCK), np.uint8)
        starts, lengths, data = _messages(column)
        state = np.zeros((len(lengths), 2), np.uint64)
        steps = np.maximum(1, -(-lengths // BLOCK))
        long = np.flatnonzero(steps > _STEPS)
        steps[long] = 0
        windows = np.ndarray((len(data) - BLOCK + 1,), "V16", data, strides=(1,))
        rows = None if not len(long) else np.flatnonzero(steps)
        for step in range(int(steps.max())):
            if step:
                rows = np.flatnonzero(steps > step) if rows is None else rows[steps[rows] > step]
            at, left = (starts, lengths) if rows is None else (starts[rows], lengths[rows])
            kind = np.minimum(left - step * BLOCK, _INNER)
            blocks = windows[at + step * BLOCK].view(np.uint64).reshape(-1, 2)
            blocks &= np.take(self._keep, kind, axis=0)
            blocks ^= np.take(self._flip, kind, axis=0)
            if rows is None:
                state = self._encrypt(blocks)
            else:
                blocks ^= state[rows]
                state[rows] = self._encrypt(blocks)
        tags: NDArray[np.uint8] = state.view(np.uint8).reshape(-1, BLOCK)
        for row in long:
            tags[row] = np.frombuffer(self._one(data[starts[row] : starts[row] + lengths[row]]), np.uint8)
        return tags

    def _one(self, message: NDArray[np.uint8]) -> bytes:
        mac = CMAC(self._algorithm)
        mac.update(message.tobytes())
        return mac.finalize()


def _double(block: bytes) -> bytes:
    """Multiplication by x in GF(2^128), as RFC 4493 section 2.3 makes the subkeys."""
    value = int.from_bytes(block, "big") << 1
    if value >> 128:
        value = value & (2**128 - 1) ^ 0x87
    return value.to_bytes(BLOCK, "big")


def _last_block_tables(first: bytes, second: bytes) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """What to AND and to XOR a block with, by its kind: 0 to 16 bytes of a last block, or an inner one."""
    keep, flip = bytearray(), bytearray()
    for size in range(BLOCK):
        padding = bytes(size) + b"\x80" + bytes(BLOCK - 1 - size)
        keep += b"\xff" * size + bytes(BLOCK - size)
        flip += bytes(a ^ b for a, b in zip(padding, second, strict=True))
    keep += b"\xff" * 2 * BLOCK
    flip += first + bytes(BLOCK)
    return np.frombuffer(keep, np.uint64).reshape(-1, 2), np.frombuffer(flip, np.uint64).reshape(-1, 2)


def _messages(column: Any) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
    """The start and length of every value, and their bytes with a block of zeros behind them."""
    kind = column.type
    if not (
        pa.types.is_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_large_binary(kind)
    ):
        raise PlanError(
            f"AES-CMAC takes strings or bytes, not {kind}.", f"AES-CMAC 只接受字符串或字节，不接受 {kind}。"
        )
    wide = pa.types.is_large_string(kind) or pa.types.is_large_binary(kind)
    _, offsets_buffer, data_buffer = column.buffers()
    raw = np.frombuffer(offsets_buffer, np.int64 if wide else np.int32)
    offsets: NDArray[np.int64] = raw[column.offset : column.offset + len(column) + 1].astype(np.int64)
    first, last = int(offsets[0]), int(offsets[-1])
    data = np.zeros(last - first + BLOCK, np.uint8)
    if last > first:
        data[: last - first] = np.frombuffer(data_buffer, np.uint8)[first:last]
    return offsets[:-1] - first, np.diff(offsets), data
