"""The names of the files of a tiled log, and the form of what is in them (c2sp.org/tlog-tiles)."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ledger.errors import ProofError
from ledger.hashing import HASH_SIZE

HEIGHT = 8
WIDTH = 1 << HEIGHT
MAX_LEVEL = 63
MAX_ENTRY_BYTES = 65_535
CHECKPOINT = "checkpoint"
ENTRIES = "entries"

_PATH = re.compile(
    r"tile/(?P<level>0|[1-9][0-9]?|entries)/(?P<index>(?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True)
class Tile:
    """A file of the log: the hashes of a level from index·256 on, or the entries under those of level 0.

    `level` is None for entries. A partial one has less than 256 of them.
    """

    level: int | None
    index: int
    width: int = WIDTH

    def __post_init__(self) -> None:
        if self.level is not None and not 0 <= self.level <= MAX_LEVEL:
            raise ProofError(f"there are no tiles on level {self.level}")
        if not 0 <= self.index < 1 << 63 or not 1 <= self.width <= WIDTH:
            raise ProofError("a tile has an index below 2^63 and 1 to 256 items")

    @property
    def is_full(self) -> bool:
        """Whether it has all 256 items."""
        return self.width == WIDTH

    @property
    def start(self) -> int:
        """The index of its first item on its level."""
        return self.index * WIDTH

    def full(self) -> "Tile":
        """Return the full tile at the same place."""
        return Tile(self.level, self.index)

    def path(self) -> str:
        """Return its name below the log's prefix."""
        level = ENTRIES if self.level is None else str(self.level)
        number, groups = self.index, []
        while True:
            groups.append(f"{number % 1000:03d}")
            number //= 1000
            if not number:
                break
        steps = [*(f"x{group}" for group in groups[:0:-1]), groups[0]]
        return f"tile/{level}/{'/'.join(steps)}" + ("" if self.is_full else f".p/{self.width}")

    @classmethod
    def parse(cls, path: str) -> "Tile":
        """Return the tile of a name. Raises ProofError for any other text, also for a second spelling of a name."""
        found = _PATH.fullmatch(path)
        if found is None:
            raise ProofError(f"{path[:80]!r} is no name of a tile")
        level = None if found["level"] == ENTRIES else int(found["level"])
        index = int(found["index"].replace("x", "").replace("/", ""))
        width = WIDTH if found["width"] is None else int(found["width"])
        tile = cls(level, index, width)
        if tile.path() != path:
            raise ProofError(f"{path[:80]!r} is not how the name of a tile is written")
        return tile


def tile_at(level: int | None, index: int, size: int) -> Tile | None:
    """Return the tile of a tree of `size` entries at a place, as wide as the tree makes it; None where it is empty."""
    count = (size >> HEIGHT * (level or 0)) - index * WIDTH
    return Tile(level, index, min(count, WIDTH)) if count > 0 else None


def levels_of(size: int, since: int = 0) -> Iterator[tuple[int | None, range]]:
    """Yield the levels of a tree of `size` entries, with the places of the tiles that were not full at size `since`.

    Entries come first, then the levels upwards.
    """
    for level in (None, *range(MAX_LEVEL + 1)):
        shift = HEIGHT * (level or 0)
        if not size >> shift:
            return
        yield level, range((since >> shift) // WIDTH, -(-(size >> shift) // WIDTH))


def tiles_of(size: int, since: int = 0) -> Iterator[Tile]:
    """Yield the tiles of a tree of `size` entries, without those that were full at size `since` already.

    Entries come first, then the levels upwards.
    """
    for level, places in levels_of(size, since):
        yield from (tile for index in places if (tile := tile_at(level, index, size)) is not None)


def pack(entries: Sequence[bytes]) -> bytes:
    """Return the bytes of an entry bundle. Raises ProofError for an entry that is too long for one."""
    if any(len(entry) > MAX_ENTRY_BYTES for entry in entries):
        raise ProofError(f"an entry is longer than {MAX_ENTRY_BYTES} bytes")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def unpack(data: bytes, width: int) -> list[bytes]:
    """Return the first `width` entries of a bundle. Raises ProofError when it has fewer, or is cut."""
    entries: list[bytes] = []
    place = 0
    for _ in range(width):
        start = place + 2
        place = start + int.from_bytes(data[place:start], "big")
        if start > len(data) or place > len(data):
            raise ProofError(f"the bundle ends within entry {len(entries)}")
        entries.append(data[start:place])
    return entries


def split(data: bytes, width: int) -> list[bytes]:
    """Return the first `width` hashes of a tile. Raises ProofError when it has fewer."""
    if len(data) < width * HASH_SIZE or len(data) % HASH_SIZE:
        raise ProofError(f"a tile of {width} hashes has {width * HASH_SIZE} bytes, not {len(data)}")
    return [data[place : place + HASH_SIZE] for place in range(0, width * HASH_SIZE, HASH_SIZE)]
