"""The hashes of the Merkle tree (RFC 9162, section 2.1.1), over SHA-256."""

import hashlib

HASH_SIZE = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
LEAF, NODE = b"\x00", b"\x01"


def leaf_hash(entry: bytes) -> bytes:
    """Return SHA-256(0x00 || entry): the leaf in the tree and the `prev` of the next entry."""
    return hashlib.sha256(LEAF + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(0x01 || left || right). Requires two 32-byte hashes."""
    return hashlib.sha256(NODE + left + right).digest()
