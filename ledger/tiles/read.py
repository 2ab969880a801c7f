"""Reading a log from its static files, as an auditor or a mirror does: nothing in them is trusted.

`TileLog` has the reading half of a storage, so that whatever proves and checks a log works on a folder of tiles
as on a database. It verifies nothing by itself: proofs are checked against a signed root, and a whole-log check
computes everything anew from the entries' bytes.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Protocol

from ledger import checkpoint
from ledger.entry import Entry, Erased, Opening
from ledger.errors import LedgerError, ProofError, VerificationError
from ledger.hashing import leaf_hash
from ledger.storage import Record, StoredCheckpoint, View
from ledger.tiles.layout import CHECKPOINT, HEIGHT, WIDTH, Tile, levels_of, split, tile_at, unpack
from ledger.tree import KEPT_LEVEL, Frontier, Growth, Subtree, join, peaks

_KEPT_TILES = 512
# After so many files in a row that are not there, those after them are not looked for: who signs a size of 2^60 must
# not keep an auditor busy for ever.
_PATIENCE = 64


class Source(Protocol):
    """Where the files are."""

    def read(self, path: str) -> bytes | None:
        """Return a file, None where there is none. Raises LedgerError where it cannot be read."""

    def beside(self, tile: Tile) -> Sequence[str]:
        """Return the names that stand at the same place in other widths, as far as the source can tell."""


class TileLog:
    """A log in static files, at the size of its checkpoint. Raises LedgerError when there is no checkpoint."""

    def __init__(self, source: Source) -> None:
        note = source.read(CHECKPOINT)
        if note is None:
            raise LedgerError("there is no checkpoint, so these are not the files of a log")
        text = note.decode("utf-8", "replace")
        claimed = checkpoint.unsafe_parse(text)
        self.checkpoint = StoredCheckpoint(claimed.size, claimed.root, text)
        self.size = claimed.size
        self._source = source
        self._hashes = lru_cache(_KEPT_TILES)(self._read_hashes)

    def view(self, statement_id: str | None = None) -> View:
        """Return the tree of the tiles, with the checkpoint; a statement is looked for in all entries."""
        places = peaks(0, self.size)
        try:
            frontier = Frontier(self.size, tuple(self.hashes(places)))
        except VerificationError:
            # A whole-log check names the file; until then the tree has these peaks in no case.
            frontier = Frontier(self.size, tuple(bytes(32) for _ in places))
        if statement_id is None:
            return View(frontier, self.checkpoint)
        index = self.index_of(statement_id)
        leaf = None if index is None else self.hashes([(0, index)])[0]
        return View(frontier, self.checkpoint, index is not None, index, leaf)

    def index_of(self, statement_id: str) -> int | None:
        """Return the index of a statement after reading all entries, None where none states it."""
        wanted = statement_id.encode()
        for index, body in enumerate(self.bodies(0, self.size)):
            if wanted in body and Entry.parse(body).statement_id == statement_id:
                return index
        return None

    def checkpoints(self) -> Iterator[StoredCheckpoint]:
        """Yield the one checkpoint."""
        yield self.checkpoint

    def hashes(self, subtrees: Sequence[Subtree]) -> list[bytes]:
        """Return hashes of complete subtrees in the order asked. Raises VerificationError naming a file that lacks one."""
        return [self._hash(*subtree) for subtree in subtrees]

    def leaves(self, start: int, stop: int) -> list[bytes]:
        """Return the leaf hashes start..stop that exist, in order."""
        return self.hashes([(0, index) for index in range(start, min(stop, self.size))])

    def bodies(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes of the entries start..stop that exist, in order. Raises VerificationError naming a bad bundle."""
        for bundle in self._bundles(start, stop):
            yield from self._entries(bundle)[max(0, start - bundle.start) : stop - bundle.start]

    def records(self, start: int, stop: int, *, openings: bool = True) -> Iterator[Record]:  # noqa: ARG002
        """Yield what the files hold about each entry; what is missing or damaged is left out, and named by `faults`.

        Requires start = 0, since the levels that no tile keeps are computed on the way.
        """
        if start:
            raise ProofError("tiles are checked from the first entry on")
        grown, missing = Growth(), 0
        for bundle in self._bundles(start, stop):
            try:
                entries, missing = self._entries(bundle), 0
            except VerificationError:
                entries, missing = [], missing + 1
            if missing == _PATIENCE:
                return
            files = f"{Tile(0, bundle.index, bundle.width).path()}, {bundle.path()}"
            for index, body in enumerate(entries, bundle.start):
                while grown.size < index:
                    grown.add(self._found(0, grown.size) or bytes(32))
                yield self._record(index, body, grown, files)

    def unplaced(self) -> Sequence[str]:
        """Return nothing: only integrated entries are published."""
        return []

    def bodies_of_agreement(self, agreement: str) -> Sequence[bytes]:
        """Return the bytes of an agreement's entries, in order, after reading all of them."""
        return [body for body in self.bodies(0, self.size) if Entry.parse(body).agreement == agreement]

    def openings(self, statement_id: str) -> Mapping[str, Opening | Erased]:  # noqa: ARG002
        """Return nothing: openings are not published."""
        return {}

    def faults(self) -> Iterator[str]:
        """Yield every file that is missing, cut, too long, or of another width and not of the same tree."""
        for level, places in levels_of(self.size):
            missing = 0
            for tile in filter(None, (tile_at(level, index, self.size) for index in places)):
                if missing == _PATIENCE:
                    yield f"{tile.path()} and those after it were not looked for"
                    break
                found = self._read(tile)
                missing = 0 if found else missing + 1
                yield from self._faults_of(tile, *found) if found else [f"{tile.path()} is missing"]

    def _faults_of(self, tile: Tile, path: str, data: bytes) -> Iterator[str]:
        try:
            whole = _length(tile, data)
            if len(data) != whole and path == tile.path():
                yield f"{path} has {len(data) - whole} bytes too many"
        except ProofError as error:
            yield f"{path} is damaged: {error}"
        yield from self._faults_beside(tile, data)

    def _faults_beside(self, tile: Tile, data: bytes) -> Iterator[str]:
        for path in self._source.beside(tile):
            try:
                other = Tile.parse(path)
            except ProofError:
                yield f"{path} is no name of a tile"
                continue
            found = self._source.read(path) or b""
            # One that is wider than the tree is what an export has left that did not reach its checkpoint.
            if found[: len(data)] != data[: _length_or(other, data)]:
                yield f"{path} does not begin as {tile.path()} does"

    def _record(self, index: int, body: bytes, grown: Growth, files: str) -> Record:
        try:
            entry = Entry.parse(body)
        except VerificationError:
            entry = None
        leaf = self._found(0, index)
        # The levels between two tiles are kept nowhere, so what the leaves give stands for them.
        created = grown.add(leaf or leaf_hash(body))
        above = [
            self._found(level, index >> level) if not level % HEIGHT else item for level, item in enumerate(created)
        ]
        return Record(index, body, entry, True, None, [leaf, *above[KEPT_LEVEL:]], files)

    def _bundles(self, start: int, stop: int) -> Iterator[Tile]:
        for number in range(start // WIDTH, -(-min(stop, self.size) // WIDTH)):
            bundle = tile_at(None, number, self.size)
            if bundle is not None:
                yield bundle

    def _entries(self, bundle: Tile) -> list[bytes]:
        found = self._read(bundle)
        try:
            if found is None:
                raise ProofError("it is missing")
            return unpack(found[1], bundle.width)
        except ProofError as error:
            raise VerificationError([f"{bundle.path()}: {error}"]) from error

    def _hash(self, level: int, index: int) -> bytes:
        height = level % HEIGHT
        first = index << height
        row = first % WIDTH
        hashes = self._hashes(level // HEIGHT, first // WIDTH)
        if row + (1 << height) > len(hashes):
            raise VerificationError([f"the tree of {self.size} entries has no subtree {index} on level {level}"])
        return join(hashes[row : row + (1 << height)])

    def _found(self, level: int, index: int) -> bytes | None:
        try:
            return self._hash(level, index)
        except VerificationError:
            return None

    def _read_hashes(self, level: int, number: int) -> list[bytes]:
        tile = tile_at(level, number, self.size)
        if tile is None:
            return []
        found = self._read(tile)
        try:
            if found is None:
                raise ProofError("it is missing")
            return split(found[1], tile.width)
        except ProofError as error:
            raise VerificationError([f"{tile.path()}: {error}"]) from error

    def _read(self, tile: Tile) -> tuple[str, bytes] | None:
        """Return name and bytes of a tile, or of the full one that has taken the place of a partial one."""
        for path in dict.fromkeys((tile.path(), tile.full().path())):
            data = self._source.read(path)
            if data is not None:
                return path, data
        return None


def _length(tile: Tile, data: bytes) -> int:
    """Return how many bytes the items of a tile take in this data. Raises ProofError when there are fewer."""
    if tile.level is not None:
        split(data, tile.width)
        return tile.width * 32
    return sum(2 + len(entry) for entry in unpack(data, tile.width))


def _length_or(tile: Tile, data: bytes) -> int:
    try:
        return _length(tile, data)
    except ProofError:
        return len(data)
