"""The shape of the Merkle tree (RFC 9162, section 2.1) and its growing right edge.

A complete subtree is named by (level, index): it covers the leaves index·2^level up to
(index+1)·2^level. Hashes of complete subtrees never change, so they can be stored once. They come into
being in one order: each leaf, followed by the subtrees which it completes. `position` is the place of a
subtree in that order, as in Go's tlog package.

A storage keeps every leaf hash, and of the subtrees those of KEPT_LEVEL and above. The smaller ones,
nine tenths of all, are cheaper to compute from their few leaves than to keep.
"""

import functools
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ledger.errors import ProofError
from ledger.hashing import EMPTY_ROOT, HASH_SIZE, NODE, node_hash

Subtree = tuple[int, int]
"""A complete subtree: its level and its index on that level."""
KEPT_LEVEL = 4


def position(level: int, index: int) -> int:
    """Return the storage position of a complete subtree. Requires level >= 0 and index >= 0."""
    last_leaf = ((index + 1) << level) - 1
    return 2 * last_leaf - last_leaf.bit_count() + level


def hash_count(size: int) -> int:
    """Return how many hashes a tree of `size` leaves stores. Requires size >= 0."""
    return 2 * size - size.bit_count()


@functools.lru_cache(maxsize=4096)
def peaks(start: int, stop: int) -> tuple[Subtree, ...]:
    """Return the complete subtrees that make up the leaves start..stop, left to right.

    Requires 0 <= start <= stop and a range that is a subtree of some tree: start is a multiple of
    the smallest power of two not below stop - start.
    """
    found = []
    while start < stop:
        level = (stop - start).bit_length() - 1
        found.append((level, start >> level))
        start += 1 << level
    return tuple(found)


def kept(subtree: Subtree) -> list[Subtree]:
    """Return the subtrees that a storage keeps and that a subtree consists of: itself, or 2^n leaves in order."""
    level, index = subtree
    if level >= KEPT_LEVEL:
        return [subtree]
    return [(0, leaf) for leaf in range(index << level, (index + 1) << level)]


def join(hashes: Sequence[bytes]) -> bytes:
    """Return the hash over 2^n neighbouring subtrees of one level. Requires at least one."""
    while len(hashes) > 1:
        hashes = [node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes), 2)]
    return hashes[0]


def completed(index: int) -> list[Subtree]:
    """Return the subtrees that leaf `index` completes, from the leaf itself upwards."""
    height = ((index + 1) & -(index + 1)).bit_length()
    return [(level, index >> level) for level in range(height)]


def fold(hashes: Sequence[bytes]) -> bytes:
    """Return the hash over the peaks of a range, joined from the right. Empty gives SHA-256("")."""
    return hashes[0] if len(hashes) == 1 else _fold(tuple(hashes))


# The root of one tree is asked for when it is signed, when it is marked, and when the next one is.
@functools.lru_cache(maxsize=256)
def _fold(hashes: tuple[bytes, ...]) -> bytes:
    if not hashes:
        return EMPTY_ROOT
    result = hashes[-1]
    for left in reversed(hashes[:-1]):
        result = node_hash(left, result)
    return result


@dataclass(frozen=True)
class Frontier:
    """The peaks of a tree of `size` leaves: all that appending and the root need (O(log n))."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.hashes) != self.size.bit_count():
            raise ProofError(f"a tree of {self.size} leaves does not have {len(self.hashes)} peaks")
        if not {HASH_SIZE}.issuperset(map(len, self.hashes)):
            raise ProofError("a peak is not a 32-byte hash")

    def root(self) -> bytes:
        """Return the Merkle tree hash of all leaves so far."""
        return fold(self.hashes)

    def peaks(self) -> dict[Subtree, bytes]:
        """Return the complete subtrees that make up the tree, with their hashes."""
        return dict(zip(peaks(0, self.size), self.hashes, strict=True))

    def extend(self, leaves: Iterable[bytes]) -> tuple["Frontier", list[bytes]]:
        """Append leaf hashes; return the new frontier and the new stored hashes.

        The hashes belong at consecutive positions from `hash_count(self.size)` on.
        """
        # What `Growth.add` does leaf by leaf, without its calls, which take longer than the hashes.
        size, hashes, created, sha256 = self.size, list(self.hashes), [], hashlib.sha256
        for leaf in leaves:
            created.append(leaf)
            current, remaining = leaf, size
            while remaining & 1:
                current = sha256(NODE + hashes.pop() + current).digest()
                created.append(current)
                remaining >>= 1
            hashes.append(current)
            size += 1
        return Frontier(size, tuple(hashes)), created

    def to_bytes(self) -> bytes:
        """Return the peaks, 32 bytes each, left to right."""
        return b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> "Frontier":
        """Rebuild a frontier. Raises ProofError when the peaks do not fit the size."""
        return cls(size, tuple(data[i : i + HASH_SIZE] for i in range(0, len(data), HASH_SIZE)))


class Growth:
    """A tree that grows in place, leaf by leaf."""

    def __init__(self, start: Frontier = Frontier()) -> None:
        self.size = start.size
        self._hashes = list(start.hashes)

    def add(self, leaf: bytes) -> list[bytes]:
        """Append a leaf hash; return the hashes that come into being: it, and the subtrees it completes, upwards."""
        created, current, hashes, remaining = [leaf], leaf, self._hashes, self.size
        while remaining & 1:
            current = hashlib.sha256(NODE + hashes.pop() + current).digest()
            created.append(current)
            remaining >>= 1
        hashes.append(current)
        self.size += 1
        return created

    def root(self) -> bytes:
        """Return the Merkle tree hash of all leaves so far."""
        return fold(self._hashes)

    def frontier(self) -> Frontier:
        """Return the tree as it is now."""
        return Frontier(self.size, tuple(self._hashes))
