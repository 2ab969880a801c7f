"""Checking a proof in a Merkle-Patricia tree (Yellow Paper, appendix D), as `eth_getProof` gives it."""

from collections.abc import Sequence

from ledger.anchors.ethereum import rlp
from ledger.anchors.ethereum.keccak import keccak256
from ledger.errors import ProofError

MAX_NODES = 66
_BRANCH = 17


def prove(root: bytes, key: bytes, nodes: Sequence[bytes]) -> bytes:
    """Return the value that the tree with this root holds under the hashed key.

    `nodes` are the encoded nodes from the root down to the value, each named by its hash in the one
    before. Raises ProofError when they do not lead there, or when a node is left over.
    """
    if len(nodes) > MAX_NODES:
        raise ProofError("the proof has more nodes than a path can have")
    path = [nibble for byte in keccak256(key) for nibble in (byte >> 4, byte & 15)]
    expected: rlp.Item = root
    position = 0
    remaining = list(nodes)
    while True:
        node = _open(expected, remaining)
        if len(node) == _BRANCH:
            if position == len(path):
                return _value(node[16], remaining)
            expected, position = node[path[position]], position + 1
            continue
        part, is_leaf = _part(node)
        if path[position : position + len(part)] != part:
            raise ProofError("the tree holds nothing under this key")
        position += len(part)
        if is_leaf:
            if position != len(path):
                raise ProofError("the tree holds nothing under this key")
            return _value(node[1], remaining)
        expected = node[1]


def _open(reference: rlp.Item, remaining: list[bytes]) -> list[rlp.Item]:
    """Return the node that a reference stands for: the next of the proof by its hash, or itself when it is short."""
    if isinstance(reference, list):
        node = reference
    elif reference == b"":
        raise ProofError("the tree holds nothing under this key")
    elif not remaining:
        raise ProofError("the proof ends before the value")
    else:
        encoded = remaining.pop(0)
        if keccak256(encoded) != reference:
            raise ProofError("a node of the proof is not the one that the node before it names")
        node = rlp.decode_list(encoded)
    if len(node) not in (2, _BRANCH):
        raise ProofError("a node of the proof is malformed")
    return node


def _part(node: list[rlp.Item]) -> tuple[list[int], bool]:
    """Return the nibbles of a leaf or an extension, and whether it is a leaf (hex-prefix encoding)."""
    packed = node[0]
    if not isinstance(packed, bytes) or not packed or packed[0] >> 4 > 3:
        raise ProofError("a path in the proof is malformed")
    nibbles = [nibble for byte in packed for nibble in (byte >> 4, byte & 15)]
    is_odd, is_leaf = bool(nibbles[0] & 1), bool(nibbles[0] & 2)
    if not is_odd and nibbles[1]:
        raise ProofError("a path in the proof is malformed")
    part = nibbles[1 if is_odd else 2 :]
    if not is_leaf and not part:
        raise ProofError("a path in the proof is malformed")
    return part, is_leaf


def _value(value: rlp.Item, remaining: list[bytes]) -> bytes:
    if not isinstance(value, bytes) or not value:
        raise ProofError("the tree holds nothing under this key")
    if remaining:
        raise ProofError("the proof has nodes behind the value")
    return value
