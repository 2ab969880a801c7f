"""Fixtures of the witness's tests: trees to sign, a witness over a fresh state, and one running as a process."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ledger import checkpoint, proof
from ledger.checkpoint import format_extension
from ledger.cosignature import Cosigner
from ledger.hashing import leaf_hash
from ledger.note import Verifier
from ledger.signatures import SigningKey
from ledger.tree import Frontier
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

    def read(self, positions: Sequence[int]) -> list[bytes]:
        return [self.hashes[position] for position in positions]

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


@dataclass
class Running:
    """A witness that runs as a process of its own."""

    process: subprocess.Popen[str]
    url: str
    vkey: str
    folder: Path


def tool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the auditor's tool in a process of its own."""
    command = [sys.executable, "-m", "ledger", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)


@pytest.fixture
def start_witness() -> Iterator[Callable[..., Running]]:
    """Return a function that makes (at first) and starts a witness in a folder."""
    processes = []

    def start(folder: Path, *, name: str = "auditor.example/w1", listen: str = "127.0.0.1:0") -> Running:
        if not folder.exists():
            assert tool("witness", "init", folder, "--name", name).returncode == 0
            assert tool("witness", "trust", folder, LOG.to_vkey()).returncode == 0
        command = [sys.executable, "-m", "ledger", "witness", "serve", str(folder), "--listen", listen]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        processes.append(process)
        assert process.stdout is not None
        words = process.stdout.readline().split()
        assert words, process.stderr.read() if process.stderr else ""
        vkey = State(folder / "witness.db").vkey
        return Running(process, words[2], vkey, folder)

    yield start
    for process in processes:
        process.kill()
        process.communicate()
