"""A proof of misbehaviour convicts a log that forked, and no honest log can be framed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import checkpoint, proof
from ledger.errors import ProofError, SignatureError
from ledger.hashing import leaf_hash
from ledger.misbehaviour import HEADER, Misbehaviour, Placed, from_entries, from_trees, verify_misbehaviour
from ledger.note import Verifier
from ledger.signatures import SigningKey
from ledger.tree import Frontier, position

ORIGIN = "exchange.example/log"
KEY = SigningKey.from_seed(b"L" * 32)
LOG = Verifier(ORIGIN, KEY.public)
SIZE = 40


class Tree:
    def __init__(self, forks_at: int = SIZE, origin: str = ORIGIN, key: SigningKey = KEY) -> None:
        leaves = [leaf_hash(f"{'log' if index < forks_at else 'evil'} {index}".encode()) for index in range(SIZE)]
        self.hashes = Frontier().extend(leaves)[1]
        self.origin, self.key = origin, key

    def read(self, subtrees):
        return [self.hashes[position(*subtree)] for subtree in subtrees]

    def signed(self, size: int) -> str:
        return checkpoint.sign(self.origin, size, proof.root(size, self.read), self.key)

    def path(self, old: int, new: int) -> list[bytes]:
        """Return the consistency path with its first node, also where that is the whole old tree."""
        if old == new:
            return []
        first = [proof.root(old, self.read)] if old & (old - 1) == 0 else []
        return [*first, *proof.consistency(old, new, self.read)]

    def placed(self, index: int, size: int) -> tuple[str, Placed]:
        path = proof.inclusion(index, size, self.read)
        return self.signed(size), Placed(self.hashes[position(0, index)], tuple(path))


HONEST, EVIL = Tree(), Tree(4)
SIZES = st.integers(1, SIZE)


@given(SIZES, SIZES, st.booleans())
def test_every_fork_is_proven_from_the_trees_alone(one: int, other: int, evil_is_larger: bool):
    old, new = sorted((one, other))
    small, large = (HONEST, EVIL) if evil_is_larger else (EVIL, HONEST)
    if old <= 4:
        with pytest.raises(ProofError):
            from_trees([LOG], small.signed(old), large.signed(new), large.path(old, new))
        return
    made = from_trees([LOG], large.signed(new), small.signed(old), large.path(old, new))
    read = Misbehaviour.parse(made.to_text())
    assert read == made
    finding = verify_misbehaviour(read, [LOG])
    assert (finding.first.size, finding.second.size, finding.pinned) == (old, new, True)


@given(SIZES, SIZES, st.data())
def test_an_honest_log_cannot_be_framed(one: int, other: int, data: st.DataObject):
    old, new = sorted((one, other))
    path = HONEST.path(old, new)
    for changed in (path, EVIL.path(old, new)):
        if changed and data.draw(st.booleans()):
            place = data.draw(st.integers(0, len(changed) - 1))
            changed = [*changed[:place], data.draw(st.binary(min_size=32, max_size=32)), *changed[place + 1 :]]
        with pytest.raises(ProofError):
            from_trees([LOG], HONEST.signed(old), HONEST.signed(new), changed)


@pytest.mark.parametrize(("first", "second"), [(20, 30), (30, 20), (20, 20), (11, 40)])
def test_two_receipts_with_different_entries_at_one_index_are_a_proof(first: int, second: int):
    made = from_entries([LOG], 10, HONEST.placed(10, first), EVIL.placed(10, second))
    read = Misbehaviour.parse(made.to_text())
    assert read == made
    assert "different entries 10" in verify_misbehaviour(read, [LOG]).text
    with pytest.raises(ProofError, match="the same entry"):
        from_entries([LOG], 2, HONEST.placed(2, first), EVIL.placed(2, second))
    with pytest.raises(ProofError):
        from_entries([LOG], 10, HONEST.placed(10, first), EVIL.placed(11, second))


def test_only_the_logs_own_signatures_convict_it():
    stranger = SigningKey.from_seed(b"M" * 32)
    forged = Tree(4, key=stranger)
    with pytest.raises(SignatureError):
        from_trees([LOG], HONEST.signed(20), forged.signed(20))
    # A file may carry any key; it convicts nobody whose key it is not.
    both = Misbehaviour((Verifier(ORIGIN, stranger.public),), Tree(key=stranger).signed(20), forged.signed(20))
    assert not verify_misbehaviour(both).pinned
    with pytest.raises(SignatureError):
        verify_misbehaviour(both, [LOG])
    with pytest.raises(SignatureError, match="no key"):
        verify_misbehaviour(Misbehaviour((), HONEST.signed(20), EVIL.signed(20)))
    other = Verifier("other.example/log", KEY.public)
    elsewhere = Tree(4, origin="other.example/log")
    with pytest.raises(ProofError, match="two logs"):
        from_trees([LOG, other], HONEST.signed(20), elsewhere.signed(20))


def test_a_log_that_changed_its_key_is_convicted_across_both():
    second = SigningKey.from_seed(b"N" * 32)
    keys = [LOG, Verifier(ORIGIN, second.public)]
    made = from_trees(keys, HONEST.signed(20), Tree(4, key=second).signed(20))
    assert verify_misbehaviour(Misbehaviour.parse(made.to_text()), keys).first.size == 20


PROOF = from_trees([LOG], HONEST.signed(13), EVIL.signed(40), EVIL.path(13, 40)).to_text()
ENTRIES = from_entries([LOG], 10, HONEST.placed(10, 20), EVIL.placed(10, 30)).to_text()


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEADER,
        HONEST.signed(3),
        PROOF.replace(HEADER, HEADER.replace("v1", "v2")),
        PROOF.replace("\ntree ", "\nwood "),
        PROOF.replace("\ntree ", "\ntree  "),
        PROOF.replace("\ntree ", "\ntree AAAA "),
        PROOF.replace("\ntree ", "\ntree " + "A" * 43 + "= " * 70),
        PROOF.replace("\nlog ", "\nlog x"),
        PROOF + "\n\n",
        PROOF.rpartition("\n\n")[0],
        ENTRIES.replace("entry 10", "entry ten"),
        ENTRIES.replace("entry 10", "entry ١"),
        ENTRIES.replace("\nfirst ", "\nthird "),
        ENTRIES.replace("\nsecond ", "\nsecond\nsecond "),
        ENTRIES.replace("\nentry 10", "\nentry 10 11"),
    ],
)
def test_a_malformed_proof_is_refused(text: str):
    with pytest.raises(ProofError):
        Misbehaviour.parse(text)


@pytest.mark.parametrize("text", [PROOF, ENTRIES])
def test_no_changed_byte_of_a_proof_makes_another_proof(text: str):
    data = text.encode()
    fine = Misbehaviour.parse(text)
    for place in range(len(data)):
        changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        try:
            read = Misbehaviour.parse(changed.decode("utf-8", "replace"))
            verify_misbehaviour(read, [LOG])
        except (ProofError, SignatureError):
            continue
        # The keys in the file are not used where the reader brings his own.
        assert (read.first, read.second, read.path, read.placed) == (fine.first, fine.second, fine.path, fine.placed)
