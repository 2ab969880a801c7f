"""Merkle proofs: ours verify, the published vectors are judged as published, and nothing else verifies."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import proof, verify
from ledger.errors import ProofError
from ledger.hashing import EMPTY_ROOT, leaf_hash, node_hash
from ledger.tree import Frontier, fold, hash_count, peaks, position

KNOWN_ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    4: "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    6: "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
KNOWN_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]


def reference_root(leaves):
    """The recursive definition of RFC 9162, section 2.1.1."""
    if len(leaves) < 2:
        return leaves[0] if leaves else EMPTY_ROOT
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return node_hash(reference_root(leaves[:split]), reference_root(leaves[split:]))


class Tree:
    """A tree of n leaves with its stored hashes."""

    def __init__(self, size, mark=b""):
        self.leaves = [leaf_hash(mark + b"%d" % i) for i in range(size)]
        self.frontier, self.stored = Frontier().extend(self.leaves)
        self.reads = 0

    def read(self, subtrees):
        self.reads += len(subtrees)
        return [self.stored[position(*subtree)] for subtree in subtrees]

    def root(self, size):
        return reference_root(self.leaves[:size])


TREE = Tree(300)


def test_the_known_trees_have_the_known_roots():
    leaves = [leaf_hash(bytes.fromhex(text)) for text in KNOWN_LEAVES]
    for size, root in KNOWN_ROOTS.items():
        assert Frontier().extend(leaves[:size])[0].root().hex() == root


@pytest.mark.parametrize("size", [*range(70), 127, 128, 129, 255, 256, 257, 300])
def test_the_frontier_has_the_root_of_the_definition(size):
    frontier, stored = Frontier().extend(TREE.leaves[:size])
    assert frontier.root() == TREE.root(size)
    assert len(stored) == hash_count(size)
    assert proof.root(size, TREE.read) == TREE.root(size)
    assert Frontier.from_bytes(size, frontier.to_bytes()) == frontier


def test_leaves_added_one_by_one_or_together_give_the_same_tree():
    frontier, stored = Frontier(), []
    for leaf in TREE.leaves:
        frontier, created = frontier.extend([leaf])
        stored += created
    assert frontier == TREE.frontier
    assert stored == TREE.stored


def test_positions_name_each_stored_hash_once():
    size = 257
    places = [position(level, i) for level in range(9) for i in range(size >> level)]
    assert sorted(places) == list(range(hash_count(size)))
    for level in range(9):
        for i in range(size >> level):
            covered = TREE.leaves[i << level : (i + 1) << level]
            assert TREE.stored[position(level, i)] == reference_root(covered)


def test_a_frontier_that_does_not_fit_its_size_is_refused():
    for size, data in ((1, b""), (3, bytes(32)), (2, bytes(64)), (1, bytes(31)), (-1, b"")):
        with pytest.raises(ProofError):
            Frontier.from_bytes(size, data)


@given(st.data())
def test_every_inclusion_proof_verifies_and_only_for_its_leaf(data):
    size = data.draw(st.integers(1, 300))
    index = data.draw(st.integers(0, size - 1))
    path, root = proof.inclusion(index, size, TREE.read), TREE.root(size)
    verify.inclusion(index, size, TREE.leaves[index], path, root)
    other = data.draw(st.integers(0, size - 1).filter(lambda i: i != index)) if size > 1 else None
    wrong = [
        (index, size, leaf_hash(b"other"), path, root),
        (index, size, TREE.leaves[index], path, leaf_hash(b"root")),
        (index, size, TREE.leaves[index], [*path, root], root),
        (index, size, TREE.leaves[index], [root, *path], root),
        (size, size, TREE.leaves[index], path, root),
        (-1, size, TREE.leaves[index], path, root),
    ]
    if path:
        wrong.append((index, size, TREE.leaves[index], path[:-1], root))
        wrong.append((index, size, TREE.leaves[index], path[1:], root))
    if other is not None:
        wrong.append((other, size, TREE.leaves[index], path, root))
        wrong.append((index, size, TREE.leaves[other], path, root))
    for case in wrong:
        with pytest.raises(ProofError):
            verify.inclusion(*case)


@given(st.data())
def test_every_consistency_proof_verifies_and_only_for_its_trees(data):
    new = data.draw(st.integers(1, 300))
    old = data.draw(st.integers(1, new))
    path = proof.consistency(old, new, TREE.read)
    old_root, new_root = TREE.root(old), TREE.root(new)
    verify.consistency(old, new, path, old_root, new_root)
    garbage = leaf_hash(b"garbage")
    wrong = [
        (old, new, path, garbage, new_root),
        (old, new, path, old_root, garbage),
        (old, new, [*path, garbage], old_root, new_root),
        (old, new, [garbage, *path], old_root, new_root),
        (new + 1, new, path, old_root, new_root),
        (-1, new, path, old_root, new_root),
    ]
    if path:
        wrong.append((old, new, path[:-1], old_root, new_root))
        place = data.draw(st.integers(0, len(path) - 1))
        wrong.append((old, new, [*path[:place], garbage, *path[place + 1 :]], old_root, new_root))
    for case in wrong:
        with pytest.raises(ProofError):
            verify.consistency(*case)


def test_a_forked_tree_has_no_consistency_proof():
    forked = Tree(40, b"fork")
    path = proof.consistency(20, 40, forked.read)
    with pytest.raises(ProofError):
        verify.consistency(20, 40, path, TREE.root(20), forked.root(40))


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (-1, 5)])
def test_an_impossible_inclusion_proof_is_not_built(index, size):
    with pytest.raises(ProofError):
        proof.inclusion(index, size, TREE.read)


@pytest.mark.parametrize(("old", "new"), [(0, 5), (6, 5), (-1, 5)])
def test_an_impossible_consistency_proof_is_not_built(old, new):
    with pytest.raises(ProofError):
        proof.consistency(old, new, TREE.read)


def test_building_a_proof_reads_few_hashes():
    tree = Tree(5000)
    for index in (0, 1, 2500, 4095, 4096, 4999):
        tree.reads = 0
        proof.inclusion(index, 5000, tree.read)
        assert tree.reads <= 2 * (5000).bit_length()
        tree.reads = 0
        proof.consistency(index + 1, 5000, tree.read)
        assert tree.reads <= 2 * (5000).bit_length()


def _probes(folder):
    files = sorted(folder.rglob("*.json"))
    return [json.loads(path.read_text()) | {"file": path.relative_to(folder)} for path in files]


def _bytes(text):
    return base64.b64decode(text) if text else b""


def test_the_published_inclusion_probes_are_judged_as_published(vectors):
    probes = _probes(vectors("merkle-rfc6962") / "inclusion")
    assert len(probes) == 98
    for probe in probes:
        path = [_bytes(item) for item in probe["proof"] or []]
        case = (probe["leafIdx"], probe["treeSize"], _bytes(probe["leafHash"]), path, _bytes(probe["root"]))
        _judge(verify.inclusion, case, probe)


def test_the_published_consistency_probes_are_judged_as_published(vectors):
    probes = _probes(vectors("merkle-rfc6962") / "consistency")
    assert len(probes) == 98
    for probe in probes:
        path = [_bytes(item) for item in probe["proof"] or []]
        roots = (_bytes(probe["root1"]), _bytes(probe["root2"]))
        _judge(verify.consistency, (probe["size1"], probe["size2"], path, *roots), probe)


def _judge(check, case, probe):
    if probe["wantErr"]:
        with pytest.raises(ProofError):
            check(*case)
    else:
        check(*case)


def test_peaks_cover_a_range_from_the_largest_on():
    assert peaks(0, 7) == ((2, 0), (1, 2), (0, 6))
    assert peaks(4, 7) == ((1, 2), (0, 6))
    assert peaks(3, 3) == ()
    assert fold([]) == EMPTY_ROOT
