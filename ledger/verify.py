"""Checking Merkle proofs (RFC 9162, sections 2.1.3.2 and 2.1.4.2).

This module has no storage, clock or network, and shares no code with the building of proofs. Beyond
the letter of the RFC every hash that is worked with must be 32 bytes, and a tree of no leaves is proven
by nothing but its own root, SHA-256("").
"""

from collections.abc import Sequence

from ledger.errors import ProofError
from ledger.hashing import EMPTY_ROOT, HASH_SIZE, node_hash


def inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Check that `leaf` is the hash at `index` of the tree of `size` leaves with this root.

    Raises ProofError when it is not proven, also for a hash that is not 32 bytes.
    """
    _require_hashes(leaf, root, *proof)
    if not 0 <= index < size:
        raise ProofError(f"index {index} lies outside a tree of size {size}")
    node, last, current = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofError("the inclusion proof is too long")
        if node & 1 or node == last:
            current = node_hash(sibling, current)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            current = node_hash(current, sibling)
        node >>= 1
        last >>= 1
    if last != 0:
        raise ProofError("the inclusion proof is too short")
    if current != root:
        raise ProofError(f"the inclusion proof of entry {index} does not lead to the root")


def consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Check that the tree of `new` leaves is an append-only extension of the tree of `old` leaves.

    Raises ProofError when it is not proven. An old size of 0 proves nothing about the log and is
    refused, except against another empty tree when both roots are SHA-256("").
    """
    if not 0 <= old <= new:
        raise ProofError(f"size {new} cannot extend size {old}")
    if old == new:
        if proof:
            raise ProofError("a consistency proof between equal sizes is empty")
        if old_root != new_root or (old == 0 and old_root != EMPTY_ROOT):
            raise ProofError(f"two different roots at size {old}: the log has forked")
        return
    _require_hashes(old_root, new_root, *proof)
    if old == 0:
        raise ProofError("the empty tree proves nothing about a later one")
    if not proof:
        raise ProofError("the consistency proof is empty")
    # A complete old tree is itself the first node of the path (RFC 9162, section 2.1.4.2, step 2).
    first = [old_root] if old & (old - 1) == 0 else []
    found_old, found_new = consistency_roots(old, new, [*first, *proof])
    if found_old != old_root:
        raise ProofError(f"the consistency proof does not lead to the root at size {old}")
    if found_new != new_root:
        raise ProofError(f"the consistency proof does not lead to the root at size {new}")


def consistency_roots(old: int, new: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Return the roots at both sizes to which a consistency path leads, whatever they are.

    Here the path always begins with the first node, also where that is the whole old tree, which a
    consistency proof leaves out. Two such roots stand in one tree, so the log that signed the second
    may not have signed another first. Raises ProofError unless 0 < old < new, for a path of another
    length, and for a hash that is not 32 bytes.
    """
    _require_hashes(*path)
    if not 0 < old < new or not path:
        raise ProofError(f"no consistency path leads from size {old} to size {new}")
    node, last = old - 1, new - 1
    while node & 1:
        node >>= 1
        last >>= 1
    old_hash = new_hash = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofError("the consistency proof is too long")
        if node & 1 or node == last:
            old_hash = node_hash(sibling, old_hash)
            new_hash = node_hash(sibling, new_hash)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            new_hash = node_hash(new_hash, sibling)
        node >>= 1
        last >>= 1
    if last != 0:
        raise ProofError("the consistency proof is too short")
    return old_hash, new_hash


def _require_hashes(*hashes: bytes) -> None:
    if any(len(value) != HASH_SIZE for value in hashes):
        raise ProofError("a hash is not 32 bytes")
