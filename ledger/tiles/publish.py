"""The bytes of tiles and entry bundles, made from a log's storage. What is given out is public: entries hold commitments."""

from collections.abc import Sequence

from ledger.errors import NotFoundError, VerificationError
from ledger.hashing import leaf_hash
from ledger.storage import Readable, StoredCheckpoint
from ledger.tiles.layout import CHECKPOINT, HEIGHT, Tile, pack, split, tile_at, unpack
from ledger.tree import join


def tile_bytes(storage: Readable, tile: Tile, size: int) -> bytes:
    """Return the bytes of a tile or a bundle of the log at a size. Requires a storage of at least as many entries.

    Raises NotFoundError for a tile that is not part of the log at that size, VerificationError where the storage lacks
    what belongs in it.
    """
    there = tile_at(tile.level, tile.index, size)
    if there is None or there.width < tile.width:
        raise NotFoundError(f"the log of {size} entries has no {tile.path()}")
    items = _entries(storage, tile) if tile.level is None else _hashes(storage, tile, tile.level)
    if len(items) != tile.width:
        raise VerificationError([f"entries below {tile.path()} are missing"])
    return pack(items) if tile.level is None else b"".join(items)


def checked_bytes(storage: Readable, tile: Tile, size: int) -> bytes:
    """Return the bytes of a tile after comparing them with the hashes that are stored over or under it.

    What is published stays published, so damage is found here: bundles are compared with the leaf hashes, full
    tiles with the subtree that they are. Raises as `tile_bytes` does, VerificationError where they differ.
    """
    data = tile_bytes(storage, tile, size)
    if tile.level is None:
        leaves = storage.leaves(tile.start, tile.start + tile.width)
        for index, (entry, leaf) in enumerate(zip(unpack(data, tile.width), leaves, strict=True), tile.start):
            if leaf_hash(entry) != leaf:
                raise VerificationError([f"entry {index} does not have the leaf hash that is stored"])
    elif tile.is_full:
        over = storage.hashes([(HEIGHT * (tile.level + 1), tile.index)])
        if [join(split(data, tile.width))] != over:
            raise VerificationError([f"the hashes of {tile.path()} do not have the subtree hash that is stored"])
    return data


class StorageSource:
    """The files of a log that is in a storage, at the size of a checkpoint, as if they had been exported."""

    def __init__(self, storage: Readable, signed: StoredCheckpoint) -> None:
        self._storage = storage
        self._signed = signed

    def read(self, path: str) -> bytes | None:
        if path == CHECKPOINT:
            return self._signed.note.encode()
        try:
            return tile_bytes(self._storage, Tile.parse(path), self._signed.size)
        except NotFoundError:
            return None

    def beside(self, tile: Tile) -> Sequence[str]:  # noqa: ARG002
        return []


def _entries(storage: Readable, tile: Tile) -> list[bytes]:
    return list(storage.bodies(tile.start, tile.start + tile.width))


def _hashes(storage: Readable, tile: Tile, level: int) -> list[bytes]:
    stop = tile.start + tile.width
    if level == 0:
        return storage.leaves(tile.start, stop)
    return storage.hashes([(HEIGHT * level, index) for index in range(tile.start, stop)])
