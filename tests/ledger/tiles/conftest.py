"""A log large enough for three levels of tiles, kept in memory, and its export at any size."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ledger import checkpoint
from ledger.entry import entry_bytes
from ledger.hashing import leaf_hash
from ledger.signatures import SigningKey
from ledger.storage import StoredCheckpoint, View
from ledger.tiles import FolderTarget, export
from ledger.tree import Frontier, completed

ORIGIN = "exchange.example/log"
KEY = SigningKey.from_seed(b"L" * 32)
VKEY = checkpoint.vkey(ORIGIN, KEY.public)
_STATEMENT = (
    b'{"at":"2026-11-20T08:00:00Z","commitments":{"signer":"%b"},'
    b'"id":"urn:uuid:0190a000-0000-7000-8000-%012x","kind":"dataset.offered","v":1}'
)


class Grown:
    """The reading half of a storage over entries made by counting; `size` can be set to any size there is."""

    def __init__(self, count: int) -> None:
        bodies, previous = [], None
        for index in range(count):
            bodies.append(entry_bytes(index, previous, _STATEMENT % (b"0" * 64, index), bytes(32)))
            previous = leaf_hash(bodies[-1])
        self.fill(bodies)

    def fill(self, bodies: list[bytes]) -> None:
        """Hold these entries."""
        self.all_bodies, self.all_hashes, self.frontiers = bodies, {}, {0: Frontier()}
        for index, body in enumerate(bodies):
            self.frontiers[index + 1], created = self.frontiers[index].extend([leaf_hash(body)])
            self.all_hashes.update(zip(completed(index), created, strict=True))
        self.size = len(bodies)

    def signed(self, size: int | None = None) -> StoredCheckpoint:
        size = self.size if size is None else size
        root = self.frontiers[size].root()
        return StoredCheckpoint(size, root, checkpoint.sign(ORIGIN, size, root, KEY))

    def view(self, statement_id: str | None = None) -> View:
        return View(self.frontiers[self.size], self.signed())

    def hashes(self, subtrees):
        return [self.all_hashes[subtree] for subtree in subtrees]

    def leaves(self, start, stop):
        return [self.all_hashes[0, index] for index in range(start, min(stop, self.size))]

    def bodies(self, start, stop):
        yield from self.all_bodies[start : min(stop, self.size)]


@pytest.fixture(scope="session")
def grown() -> Grown:
    """A log of 1,300 entries."""
    return Grown(1300)


@pytest.fixture
def exported(grown: Grown, tmp_path: Path) -> Callable[[int], Path]:
    """Return a function that exports the log at a size into a folder, again and again."""

    def at(size: int, folder: str = "tiles") -> Path:
        with FolderTarget.locked(tmp_path / folder) as target:
            export(grown, grown.signed(size), VKEY, target)
        return tmp_path / folder

    return at
