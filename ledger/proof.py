"""Building Merkle proofs (RFC 9162, sections 2.1.3.1 and 2.1.4.1) from stored subtree hashes.

A proof is a list of hashes, each over a range of leaves. Complete ranges are read, ranges at the
right edge are joined from their peaks; so a proof reads O(log n) hashes, whatever the size.
"""

from collections.abc import Callable, Mapping, Sequence

from ledger.errors import ProofError
from ledger.tree import Frontier, Subtree, fold, peaks

_Range = tuple[int, int]
Read = Callable[[Sequence[Subtree]], Sequence[bytes]]
"""Given complete subtrees, return their hashes in the same order."""


def inclusion(index: int, size: int, read: Read) -> list[bytes]:
    """Return the inclusion proof of leaf `index` in the tree of `size` leaves, leaf side first.

    Raises ProofError unless 0 <= index < size.
    """
    if not 0 <= index < size:
        raise ProofError(f"there is no entry {index} in a tree of size {size}")
    return _hashes(_path(index, size), read)


def consistency(old: int, new: int, read: Read) -> list[bytes]:
    """Return the proof that the tree of `new` leaves extends the tree of `old` leaves.

    It is empty when the sizes are equal. Raises ProofError unless 0 < old <= new.
    """
    if not 0 < old <= new:
        raise ProofError(f"there is no consistency proof from size {old} to size {new}")
    return _hashes(_subproof(old, new), read)


def root(size: int, read: Read) -> bytes:
    """Return the Merkle tree hash of the first `size` leaves. Requires size >= 0."""
    return fold(read(peaks(0, size)))


def knowing(known: Mapping[Subtree, bytes], read: Read) -> Read:
    """Return a `read` that takes what is known from there, and asks `read` for the others only."""

    def answer(subtrees: Sequence[Subtree]) -> Sequence[bytes]:
        missing = [subtree for subtree in subtrees if subtree not in known]
        if not missing:
            return [known[subtree] for subtree in subtrees]
        found = dict(zip(missing, read(missing), strict=True))
        return [known[subtree] if subtree in known else found[subtree] for subtree in subtrees]

    return answer


def of_trees(trees: Sequence[Frontier], read: Read) -> Read:
    """Return a `read` that knows the peaks of some trees, and asks `read` for everything else."""

    def answer(subtrees: Sequence[Subtree]) -> Sequence[bytes]:
        for tree in trees:
            if subtrees == peaks(0, tree.size):
                return tree.hashes
        return knowing({key: value for tree in trees for key, value in tree.peaks().items()}, read)(subtrees)

    return answer


def _split(start: int, stop: int) -> int:
    """Return where RFC 9162 splits a range of two leaves or more."""
    return start + (1 << ((stop - start - 1).bit_length() - 1))


def _path(index: int, size: int) -> list[_Range]:
    start, stop = 0, size
    ranges: list[_Range] = []
    while stop - start > 1:
        middle = _split(start, stop)
        if index < middle:
            ranges.append((middle, stop))
            stop = middle
        else:
            ranges.append((start, middle))
            start = middle
    return ranges[::-1]


def _subproof(old: int, new: int) -> list[_Range]:
    start, stop = 0, new
    ranges: list[_Range] = []
    # `whole` is the flag b of the RFC: the old tree itself is known to the verifier and left out.
    whole = True
    while old != stop:
        middle = _split(start, stop)
        if old <= middle:
            ranges.append((middle, stop))
            stop = middle
        else:
            ranges.append((start, middle))
            start = middle
            whole = False
    if not whole:
        ranges.append((start, stop))
    return ranges[::-1]


def _hashes(ranges: list[_Range], read: Read) -> list[bytes]:
    plan = [peaks(start, stop) for start, stop in ranges]
    found = iter(read([subtree for group in plan for subtree in group]))
    return [fold([next(found) for _ in group]) for group in plan]
