"""Another implementation of RFC 9162, pymerkle, has the same roots for 0 to 600 leaves, and the same proofs."""

import random

import pytest
from pymerkle import InmemoryTree, verify_consistency, verify_inclusion

from ledger import proof, verify
from ledger.hashing import leaf_hash
from ledger.tree import Frontier, completed

LEAVES = [b"entry %d" % number for number in range(600)]


@pytest.fixture(scope="module")
def theirs():
    tree = InmemoryTree(algorithm="sha256")
    for leaf in LEAVES:
        tree.append_entry(leaf)
    return tree


@pytest.fixture(scope="module")
def ours():
    """All complete subtrees of the tree, and its frontier at every size."""
    frontiers, hashes = [Frontier()], {}
    for index, leaf in enumerate(LEAVES):
        grown, created = frontiers[-1].extend([leaf_hash(leaf)])
        frontiers.append(grown)
        hashes.update(zip(completed(index), created, strict=True))
    return frontiers, lambda subtrees: [hashes[subtree] for subtree in subtrees]


def test_the_roots_of_0_to_600_leaves_are_the_same(theirs, ours):
    frontiers, read = ours
    assert len(frontiers) == 601
    for size, frontier in enumerate(frontiers):
        assert frontier.root() == proof.root(size, read) == theirs.get_root(size), size


def test_inclusion_proofs_are_the_same_and_each_verifies_the_others(theirs, ours):
    frontiers, read = ours
    rng = random.Random(1)
    for size in {1, 2, 3, 255, 256, 257, 511, 512, 513, 600, *(rng.randrange(1, 601) for _ in range(40))}:
        root = frontiers[size].root()
        for index in {0, size - 1, *(rng.randrange(size) for _ in range(6))}:
            leaf, path = leaf_hash(LEAVES[index]), proof.inclusion(index, size, read)
            found = theirs.prove_inclusion(index + 1, size)  # They count from one.
            verify_inclusion(leaf, root, found)
            # Their path holds the leaf, too.
            siblings = [item for item in found.path if item != leaf]
            assert siblings == path
            verify.inclusion(index, size, leaf, siblings, root)


def test_each_verifies_its_consistency_proofs_under_the_roots_of_the_other(theirs, ours):
    """The hashes differ: theirs names every subtree, ours joins those on the right, as RFC 9162 does."""
    frontiers, read = ours
    rng = random.Random(2)
    for _ in range(200):
        new = rng.randrange(1, 601)
        old = rng.randrange(1, new + 1)
        verify_consistency(frontiers[old].root(), frontiers[new].root(), theirs.prove_consistency(old, new))
        verify.consistency(old, new, proof.consistency(old, new, read), theirs.get_root(old), theirs.get_root(new))
