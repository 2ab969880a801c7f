"""Fixtures of the witness's tests: trees to sign, a witness over a fresh state, and one running as a process."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ledger import checkpoint, proof
from ledger.checkpoint import format_extension
from ledger.cosignature import Cosigner
from ledger.hashing import leaf_hash
from ledger.note import Verifier
from ledger.signatures import SigningKey
from ledger.tree import Frontier, Subtree, position
from ledger.witness.core import Witness
from ledger.witness.state import Proven, State

ORIGIN = "exchange.example/log"
KEY = SigningKey.from_seed(b"L" * 32)
LOG = Verifier(ORIGIN, KEY.public)


@dataclass
class Tree:
    """A log of made-up entries: `name` makes its entries other ones from the index `forks_at` on."""

    name: str = "log"
    forks_at: int = 0
    size: int = 70
    origin: str = ORIGIN
    key: SigningKey = KEY
    hashes: list[bytes] = field(init=False)

    def __post_init__(self) -> None:
        names = ["log" if index < self.forks_at else self.name for index in range(self.size)]
        leaves = [leaf_hash(f"{name} {index}".encode()) for index, name in enumerate(names)]
        self.hashes = Frontier().extend(leaves)[1]

    def read(self, subtrees: Sequence[Subtree]) -> list[bytes]:
        return [self.hashes[position(*subtree)] for subtree in subtrees]

    def root(self, size: int) -> bytes:
        return proof.root(size, self.read)

    def signed(self, size: int) -> str:
        return checkpoint.sign(self.origin, size, self.root(size), self.key)

    def path(self, old: int, new: int) -> list[bytes]:
        return proof.consistency(old, new, self.read) if 0 < old < new else []

    def request(self, old: int, new: int) -> bytes:
        return format_extension(old, self.path(old, new), self.signed(new)).encode()


@pytest.fixture(scope="session")
def tree() -> Tree:
    return Tree()


@pytest.fixture
def cosigner() -> Cosigner:
    return Cosigner("auditor.example/w1", hashlib.sha256(b"w1").digest())


@dataclass
class Setup:
    """A witness with what its tests look at."""

    witness: Witness
    state: State
    found: list[Proven]
    now: list[float]


@pytest.fixture
def setup(tmp_path: Path, cosigner: Cosigner) -> Setup:
    state = State.create(tmp_path / "witness.db", cosigner.verifier.to_vkey())
    found: list[Proven] = []
    now = [1_700_000_000.0]
    other = Verifier("other.example/log", SigningKey.from_seed(b"O" * 32).public)
    return Setup(Witness(state, cosigner, [LOG, other], clock=lambda: now[0], found=found.append), state, found, now)
