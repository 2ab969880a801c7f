"""Masking of text by characters (Unicode code points), never by bytes."""

from __future__ import annotations

from re import escape
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from contracts.desensitization.types import validity


def mask(array: Any, first: int, last: int, character: str) -> Any:
    """Replace every character but the `first` first and `last` last by `character`, keeping the length.

    A value of at most `first + last` characters would show whole, so all of it is replaced. Nulls stay.
    """
    if character.isascii():
        fast = _mask_ascii(array, first, last, ord(character))
        if fast is not None:
            return fast
    lengths = pc.utf8_length(array).cast(pa.int64())
    longer = pc.greater(lengths, first + last)
    hidden = pc.if_else(longer, pc.subtract(lengths, first + last), lengths)
    parts = [pc.binary_repeat(pa.scalar(character, array.type), hidden)]
    empty = pa.scalar("", array.type)
    if first:
        parts.insert(0, pc.if_else(longer, pc.utf8_slice_codeunits(array, 0, first), empty))
    if last:
        parts.append(pc.if_else(longer, pc.utf8_slice_codeunits(array, -last), empty))
    return pc.binary_join_element_wise(*parts, empty)


def mask_beside(array: Any, sign: str, side: str, first: int, last: int, character: str) -> Any:
    """Mask what stands before, or after, the first `sign` of each value; the rest and the sign itself stay.

    Of the masked side the `first` first and `last` last characters stay, as in `mask`. A value without the sign is
    masked as a whole. Nulls stay.
    """
    parts = pc.extract_regex(array, f"(?s)^(?P<head>.*?)(?P<sign>{escape(sign)})(?P<tail>.*)$")
    head, tail = (pc.struct_field(parts, name) for name in ("head", "tail"))
    mark, empty = pa.scalar(sign, array.type), pa.scalar("", array.type)
    if side == "before":
        made = pc.binary_join_element_wise(mask(head, first, last, character), mark, tail, empty)
    else:
        made = pc.binary_join_element_wise(head, mark, mask(tail, first, last, character), empty)
    return pc.if_else(parts.is_valid(), made, mask(array, 0, 0, character))


def _mask_ascii(array: Any, first: int, last: int, code: int) -> Any | None:
    """The same for a column whose bytes are all ASCII, where it is an overwrite in place; None for others."""
    rows = len(array)
    _, offsets_buffer, data_buffer = array.buffers()
    if rows == 0 or data_buffer is None:
        return array
    kind = np.int64 if pa.types.is_large_string(array.type) else np.int32
    offsets = np.frombuffer(offsets_buffer, kind)[array.offset : array.offset + rows + 1]
    start, end = int(offsets[0]), int(offsets[-1])
    data = np.frombuffer(data_buffer, np.uint8)[start:end]
    if len(data) and data.max() > 127:
        return None
    offsets = offsets - offsets[0]
    lengths = np.diff(offsets)
    longer = lengths > first + last
    if len(data) and longer.all() and lengths.min() == lengths.max():
        masked = data.reshape(rows, -1).copy()
        masked[:, first : masked.shape[1] - last] = code
    else:
        starts = offsets[:-1] + np.where(longer, first, 0)
        ends = offsets[1:] - np.where(longer, last, 0)
        masked = np.where(_covered(starts, ends, len(data)), np.uint8(code), data)
    buffers = [validity(array), pa.py_buffer(offsets), pa.py_buffer(masked)]
    return pa.Array.from_buffers(array.type, rows, buffers, array.null_count)


def _covered(starts: NDArray[Any], ends: NDArray[Any], size: int) -> NDArray[np.bool_]:
    """Which of `size` positions lie in one of the disjoint, ordered intervals."""
    steps = np.zeros(size + 1, np.int8)
    filled = ends > starts
    # Starts are distinct among themselves, and so are ends, so neither line loses an increment.
    steps[starts[filled]] += 1
    steps[ends[filled]] -= 1
    covered: NDArray[np.bool_] = np.cumsum(steps[:-1], dtype=np.int8).astype(bool)
    return covered
