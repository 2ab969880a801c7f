"""Tokens of the same form: the characters of an alphabet are encrypted with FF1, separators stay where they are."""

from __future__ import annotations

import string
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from contracts.desensitization.ff1 import FF1
from contracts.desensitization.types import validity

ALPHABETS = {
    "digits": string.digits,
    "hex": string.digits + "abcdef",
    "lower": string.ascii_lowercase,
    "upper": string.ascii_uppercase,
    "alphanumeric": string.digits + string.ascii_uppercase,
    "mixed": string.digits + string.ascii_uppercase + string.ascii_lowercase,
}
# Only what separates may stay as it is; a value with any other character outside the alphabet is masked.
_SEPARATORS = b" -./:()+_"
_STAR = ord("*")


class Tokenizer:
    """Text of one column to tokens under one key; the token of a value is the same wherever it stands."""

    def __init__(self, key: bytes, alphabet: str, keep_first: int = 0, keep_last: int = 0) -> None:
        characters = ALPHABETS.get(alphabet, alphabet).encode()
        self._cipher = FF1(key, len(characters))
        self._numeral = np.full(256, -1, np.int64)
        self._numeral[np.frombuffer(characters, np.uint8)] = np.arange(len(characters))
        self._characters = np.frombuffer(characters, np.uint8)
        self._stays = np.zeros(256, np.bool_)
        self._stays[np.frombuffer(_SEPARATORS, np.uint8)] = True
        self._keep = (keep_first, keep_last)

    def tokens(self, array: Any) -> Any:
        """The tokens of a string array, of the same type; nulls stay.

        A value that is too short for a domain of a million, or that holds other characters, becomes asterisks.
        """
        rows = len(array)
        kind = np.int64 if pa.types.is_large_string(array.type) else np.int32
        _, offsets_buffer, data_buffer = array.buffers()
        if rows == 0 or data_buffer is None:
            return array
        offsets = np.frombuffer(offsets_buffer, kind)[array.offset : array.offset + rows + 1]
        data = np.frombuffer(data_buffer, np.uint8)[int(offsets[0]) : int(offsets[-1])].copy()
        offsets = offsets - offsets[0]
        if self._all_alike(data, offsets, rows):
            return self._masked(array, data, offsets, np.empty(0, np.int64), np.zeros(rows, np.bool_))
        row = np.repeat(np.arange(rows), np.diff(offsets))
        free = self._free(data, offsets.astype(np.int64), row)
        used = free & (self._numeral[data] >= 0)
        strange = free & ~used & ~self._stays[data]
        bad = np.bincount(row[strange], minlength=rows) > 0
        lengths = np.bincount(row[used], minlength=rows)
        for length in np.unique(lengths[~bad]):
            chosen = ~bad & (lengths == length)
            if not self._cipher.fits(int(length)):
                bad |= chosen
                continue
            places = np.flatnonzero(used & chosen[row])
            numerals = self._numeral[data[places]].reshape(-1, int(length))
            data[places] = self._characters[self._cipher.encrypt(numerals).ravel()]
        return self._masked(array, data, offsets, row, bad)

    def _all_alike(self, data: NDArray[np.uint8], offsets: NDArray[Any], rows: int) -> bool:
        """Replace the characters where all rows have one length and nothing but the alphabet; else say so, untouched."""
        first, last = self._keep
        size, odd = divmod(len(data), rows)
        if odd or size <= first + last or not self._cipher.fits(size - first - last):
            return False
        if (np.diff(offsets) != size).any() or data.max() > 127:
            return False
        free = data.reshape(rows, size)[:, first : size - last]
        numerals = self._numeral[free]
        if numerals.min() < 0:
            return False
        free[...] = self._characters[self._cipher.encrypt(numerals)]
        return True

    def _free(self, data: NDArray[np.uint8], offsets: NDArray[np.int64], row: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which bytes belong to characters that are neither among the first nor among the last that are kept."""
        first, last = self._keep
        if not (first or last):
            return np.ones(len(data), np.bool_)
        # A character is counted where it starts; continuation bytes of UTF-8 belong to the one before.
        starts = np.append(0, np.cumsum((data & 0xC0) != 0x80))
        place = starts[1:] - 1 - starts[offsets[:-1]][row]
        count = (starts[offsets[1:]] - starts[offsets[:-1]])[row]
        # What would show whole is not kept at all.
        free: NDArray[np.bool_] = (count <= first + last) | ((place >= first) & (place < count - last))
        return free

    def _masked(
        self, array: Any, data: NDArray[np.uint8], offsets: NDArray[Any], row: NDArray[np.int64], bad: NDArray[np.bool_]
    ) -> Any:
        if bad.any():
            hidden = bad[row]
            # One asterisk a character: bytes that continue one are left out.
            stays = ~hidden | ((data & 0xC0) != 0x80)
            data = np.where(hidden, _STAR, data).astype(np.uint8)[stays]
            counts = np.bincount(row[stays], minlength=len(array))
            offsets = np.append(0, np.cumsum(counts)).astype(offsets.dtype)
        buffers = [validity(array), pa.py_buffer(np.ascontiguousarray(offsets)), pa.py_buffer(data)]
        return pa.Array.from_buffers(array.type, len(array), buffers, array.null_count)
