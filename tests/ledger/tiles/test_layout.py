"""Names and bytes of tiles, as c2sp.org/tlog-tiles has them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import ProofError
from ledger.tiles.layout import Tile, pack, split, tile_at, tiles_of, unpack


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 1234067), "tile/0/x001/x234/067"),
        (Tile(None, 1234067, 5), "tile/entries/x001/x234/067.p/5"),
        (Tile(1, 999, 255), "tile/1/999.p/255"),
        (Tile(2, 1000, 1), "tile/2/x001/000.p/1"),
        (Tile(63, 0, 1), "tile/63/000.p/1"),
    ],
)
def test_a_tile_has_one_name_as_the_specification_writes_it(tile, path):
    assert tile.path() == path
    assert Tile.parse(path) == tile


@given(st.integers(0, 2**62), st.integers(1, 256), st.none() | st.integers(0, 63))
def test_every_name_is_read_back(index, width, level):
    assert Tile.parse(Tile(level, index, width).path()) == Tile(level, index, width)


@pytest.mark.parametrize(
    "path",
    [
        "", "tile/0/0", "tile/0/00", "tile/0/0000", "tile/0/x000/000", "tile/00/000", "tile/64/000", "tile/-1/000",
        "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/05", "tile/0/000.p/", "tile/0/001/234", "tile/0/x1/234",
        "tile/0/x001/x234", "tile/entry/000", "/tile/0/000", "tile/0/000/", "tile/0/../000", "tile/0/000.p/5/6", "checkpoint",
        "tile/0/x999/x999/x999/x999/x999/x999/999", "tile/0/٠٠٠",
    ],
)  # fmt: skip
def test_any_other_name_is_refused(path):
    with pytest.raises(ProofError):
        Tile.parse(path)


@pytest.mark.parametrize(
    ("level", "index", "width"), [(64, 0, 1), (-1, 0, 1), (0, -1, 1), (0, 2**63, 1), (0, 0, 0), (0, 0, 257)]
)
def test_there_is_no_tile_beyond_the_specification(level, index, width):
    with pytest.raises(ProofError):
        Tile(level, index, width)


def test_the_trees_of_the_specifications_examples_have_its_tiles():
    """A tree of 70,000: 273 full tiles and one of 112 on level 0, one full and one of 17 on level 1, one of 1 on level 2."""
    tiles = list(tiles_of(70_000))
    for level, full, partial in ((None, 273, 112), (0, 273, 112), (1, 1, 17), (2, 0, 1)):
        here = [tile for tile in tiles if tile.level == level]
        assert [tile.width for tile in here] == [256] * full + [partial]
        assert [tile.index for tile in here] == list(range(full + 1))
    assert {tile.level for tile in tiles} == {None, 0, 1, 2}
    assert list(tiles_of(256)) == [Tile(None, 0), Tile(0, 0), Tile(1, 0, 1)]
    assert list(tiles_of(0)) == []
    assert list(tiles_of(255)) == [Tile(None, 0, 255), Tile(0, 0, 255)]


@given(st.integers(0, 200_000), st.integers(0, 200_000))
def test_what_is_added_between_two_sizes_is_all_that_the_larger_one_needs(first, second):
    since, size = sorted((first, second))
    assert set(tiles_of(size)) == {tile for tile in tiles_of(since) if tile.is_full} | set(tiles_of(size, since))
    assert tile_at(0, size // 256, size) == (Tile(0, size // 256, size % 256) if size % 256 else None)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=256))
def test_bundles_hold_their_entries_verbatim(entries):
    data = pack(entries)
    assert unpack(data, len(entries)) == entries
    assert unpack(data + b"more", len(entries)) == entries
    with pytest.raises(ProofError):
        unpack(data[:-1] if entries[-1] else data[:-2], len(entries))
    with pytest.raises(ProofError):
        unpack(data, len(entries) + 1)


def test_the_longest_entry_fits_and_a_longer_one_does_not():
    longest = bytes(65_535)
    assert unpack(pack([longest, b"x"]), 2) == [longest, b"x"]
    with pytest.raises(ProofError, match="longer"):
        pack([longest + b"x"])


def test_hash_tiles_are_split_into_hashes():
    assert split(bytes(32) + b"\1" * 32, 2) == [bytes(32), b"\1" * 32]
    assert split(bytes(96), 2) == [bytes(32)] * 2
    for data, width in ((bytes(63), 2), (bytes(64), 3), (bytes(65), 2), (b"", 1)):
        with pytest.raises(ProofError):
            split(data, width)
