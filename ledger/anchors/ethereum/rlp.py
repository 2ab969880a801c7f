"""Recursive Length Prefix (Yellow Paper, appendix B): how Ethereum writes headers, accounts and tree nodes.

Decoding accepts the one canonical form of a value only, so that a hash stands for one meaning.
"""

from collections.abc import Sequence
from typing import TypeAlias

from ledger.errors import ProofError

Item: TypeAlias = "bytes | list[Item]"

_MAX_DEPTH = 8
_SHORT = 55


def encode(item: "bytes | Sequence[Item]") -> bytes:
    """Return the encoding of a byte string or of a list of such."""
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < 0x80:
            return item
        return _prefix(len(item), 0x80) + item
    body = b"".join(encode(part) for part in item)
    return _prefix(len(body), 0xC0) + body


def encode_int(number: int) -> bytes:
    """Return a number as RLP has it: big-endian without leading zeros. Requires number >= 0."""
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def decode(data: bytes) -> Item:
    """Return the one value that `data` encodes. Raises ProofError unless it is canonical and complete."""
    item, end = _decode(data, 0, 0)
    if end != len(data):
        raise ProofError("there are bytes behind the end of an RLP value")
    return item


def decode_list(data: bytes) -> list[Item]:
    """Return the list that `data` encodes. Raises ProofError when it encodes a byte string."""
    item = decode(data)
    if isinstance(item, bytes):
        raise ProofError("an RLP list was expected")
    return item


def decode_int(item: Item) -> int:
    """Return the number of an RLP item. Raises ProofError unless it is canonical and below 2^256."""
    if not isinstance(item, bytes) or item[:1] == b"\0" or len(item) > 32:
        raise ProofError("an RLP item is no number")
    return int.from_bytes(item, "big")


def _prefix(length: int, offset: int) -> bytes:
    if length <= _SHORT:
        return bytes([offset + length])
    size = encode_int(length)
    return bytes([offset + _SHORT + len(size)]) + size


def _decode(data: bytes, start: int, depth: int) -> tuple[Item, int]:
    if depth > _MAX_DEPTH:
        raise ProofError("an RLP value is nested too deeply")
    body, end, is_list = _span(data, start)
    if not is_list:
        if end - body == 1 and body > start and data[body] < 0x80:
            raise ProofError("an RLP value is not canonical")
        return data[body:end], end
    items: list[Item] = []
    while body < end:
        item, body = _decode(data[:end], body, depth + 1)
        items.append(item)
    return items, end


def _span(data: bytes, start: int) -> tuple[int, int, bool]:
    """Return where the value at `start` has its body, where it ends, and whether it is a list."""
    if start >= len(data):
        raise ProofError("an RLP value is cut off")
    first = data[start]
    if first < 0x80:
        return start, start + 1, False
    is_list = first >= 0xC0
    length = first - (0xC0 if is_list else 0x80)
    body = start + 1
    if length > _SHORT:
        width = length - _SHORT
        size = data[body : body + width]
        length, body = int.from_bytes(size, "big"), body + width
        if size[:1] == b"\0" or length <= _SHORT:
            raise ProofError("an RLP value is not canonical")
    if body + length > len(data):
        raise ProofError("an RLP value is cut off")
    return body, body + length, is_list
