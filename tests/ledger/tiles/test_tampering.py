"""Every way to tamper with a folder of tiles is named by fsck with the index of the entry or the name of the file."""

import shutil

import pytest

from ledger import checkpoint
from ledger.entry import Entry, entry_bytes
from ledger.errors import LedgerError
from ledger.fsck import fsck
from ledger.hashing import leaf_hash
from ledger.signatures import SigningKey
from ledger.tiles import FolderSource, FolderTarget, TileLog, export
from ledger.tiles.layout import CHECKPOINT, pack, unpack

VKEY = checkpoint.vkey("exchange.example/log", SigningKey.from_seed(b"L" * 32).public)
BUNDLE, LEAVES = "tile/entries/001", "tile/0/001"


def problems(folder, kept=()):
    report = fsck(TileLog(FolderSource(folder)), VKEY, kept=kept, workers=1)
    return [(item.index, item.check, item.detail) for item in report.problems]


class Attacker:
    """Someone who can write to the folder, but has not the log's key."""

    def __init__(self, folder):
        self.folder = folder

    def entries(self):
        return unpack((self.folder / BUNDLE).read_bytes(), 256)

    def write(self, entries, leaves=False):
        """Put other entries into the second bundle; a careful one changes their leaf hashes, too."""
        (self.folder / BUNDLE).write_bytes(pack(entries))
        if leaves:
            (self.folder / LEAVES).write_bytes(b"".join(leaf_hash(entry) for entry in entries[:256]))


@pytest.fixture
def folder(exported):
    """The tiles of 700 entries; the second bundle holds those from 256 to 511."""
    return exported(700)


@pytest.fixture
def attacker(folder):
    return Attacker(folder)


def edited(body):
    return body.replace(b"dataset.offered", b"dataset.removed")


def reforged(body, index, previous):
    entry = Entry.parse(body)
    return entry_bytes(index, previous, entry.payload, entry.signature)


CHANGES = {
    "edit": lambda entries: [*entries[:44], edited(entries[44]), *entries[45:]],
    "delete": lambda entries: [*entries[:44], *entries[45:]],
    "delete, padded": lambda entries: [*entries[:44], *entries[45:], entries[-1]],
    "insert": lambda entries: [*entries[:44], entries[44], *entries[44:]],
    "insert, cut": lambda entries: [*entries[:44], entries[3], *entries[44:-1]],
    "swap": lambda entries: [*entries[:44], entries[45], entries[44], *entries[46:]],
    "duplicate index": lambda entries: [*entries[:44], reforged(entries[44], 299, bytes(32)), *entries[45:]],
    "change only prev": lambda entries: [*entries[:44], reforged(entries[44], 300, bytes(32)), *entries[45:]],
}  # fmt: skip


@pytest.mark.parametrize("leaves", [False, True], ids=["entries", "entries and leaf hashes"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_entries_is_named_with_index_and_file(attacker, folder, change, leaves):
    attacker.write(CHANGES[change](attacker.entries()), leaves)
    found = problems(folder)
    named = [(index, check, detail) for index, check, detail in found if check != "file"]
    if change == "delete":
        # The bundle is too short: none of its entries is taken from it.
        assert {index for index, check, _ in named if check == "entry"} == set(range(256, 512))
        assert any(check == "file" and BUNDLE in detail for _, check, detail in found)
        return
    # With new leaf hashes the tree over them is another one, which the subtree of 16 leaves or the next chain link says.
    assert min(index for index, _, _ in named if index is not None) in (300, 301)
    assert any(index in (300, 301, 303, 511) and check in ("tree", "chain", "entry") for index, check, _ in named)
    if not leaves:
        assert any(index in (300, 301) and BUNDLE in detail and LEAVES in detail for index, _, detail in named)
    if change == "insert":
        assert any(check == "file" and BUNDLE in detail and "too many" in detail for _, check, detail in found)


def test_only_the_tree_changed_is_named_with_the_tile(folder):
    for name, places in ((LEAVES, {300, 301}), ("tile/1/000.p/2", {255, 511})):
        data = bytearray((folder / name).read_bytes())
        row = 44 if name == LEAVES else 0
        data[row * 32] ^= 1
        kept, _ = (folder / name).read_bytes(), (folder / name).write_bytes(data)
        found = problems(folder)
        assert places & {index for index, check, _ in found if check in ("tree", "chain")}
        (folder / name).write_bytes(kept)
    assert problems(folder) == []


def test_a_tail_that_is_missing_is_named(folder):
    (folder / "tile/entries/002.p/188").unlink()
    (folder / "tile/0/002.p/188").unlink()
    found = problems(folder)
    assert {(index, check) for index, check, _ in found} == {(512, "head"), (512, "checkpoint"), (None, "file")}
    assert {"tile/entries/002.p/188 is missing", "tile/0/002.p/188 is missing"} == {detail for *_, detail in found[2:]}


def test_a_folder_replaced_by_an_older_one_is_named_by_a_kept_checkpoint(exported, grown):
    older = exported(300)
    assert problems(older) == []
    assert [found[:2] for found in problems(older, kept=[grown.signed(400).note])] == [(300, "checkpoint")]


def test_a_fork_is_named_by_kept_checkpoints_with_the_entry_at_which_it_parts(tmp_path, grown):
    """The log's own key has signed two histories, which part at entry 290."""
    forked = type(grown)(0)
    bodies, previous = grown.all_bodies[:290], leaf_hash(grown.all_bodies[289])
    for index in range(290, 700):
        body = edited(reforged(grown.all_bodies[index], index, previous))
        bodies.append(body)
        previous = leaf_hash(body)
    forked.fill(bodies)
    with FolderTarget.locked(tmp_path / "fork") as target:
        export(forked, forked.signed(700), VKEY, target)
    assert problems(tmp_path / "fork") == []
    kept = [grown.signed(size).note for size in (100, 290, 291, 700)]
    found = problems(tmp_path / "fork", kept)
    assert [item[:2] for item in found] == [(290, "checkpoint")] * 2
    assert "of size 291 is of another tree: entry 290 was changed" in found[0][2]


@pytest.mark.parametrize("size", [1, 3])
def test_every_flipped_byte_of_every_file_is_found(exported, size):
    folder = exported(size)
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".export"]
    assert len(files) == 3
    for path in files:
        name, data = str(path.relative_to(folder)), path.read_bytes()
        for place in range(len(data)):
            altered = bytearray(data)
            altered[place] ^= 1 << place % 8
            path.write_bytes(altered)
            assert names(folder, name), (name, place)
        path.write_bytes(data)
    assert problems(folder) == []


def names(folder, name):
    """Say whether the altered file is named: the checkpoint as such, another by its path or an index of what it holds."""
    try:
        found = problems(folder)
    except LedgerError:
        # What is no signed note at all is refused before anything is checked.
        return name == CHECKPOINT
    if name == CHECKPOINT:
        return any(check in ("checkpoint", "head", "file") for _, check, _ in found)
    return any(index is not None or name in detail for index, _, detail in found)


@pytest.mark.parametrize("name", ["tile/0/002", "tile/0/002.p/200", "tile/entries/002"])
def test_a_wider_tile_that_is_not_of_this_tree_is_named(folder, name):
    """An export that died leaves tiles beyond the checkpoint; they begin as those of the tree do."""
    begins = (folder / f"{name.removesuffix('.p/200')}.p/188").read_bytes()
    (folder / name).write_bytes(begins + bytes(32))
    assert problems(folder) == []
    (folder / name).write_bytes(bytes(32) + begins)
    assert [check for _, check, _ in problems(folder)] == ["file"]
    assert problems(folder)[0][2].startswith(f"{name} does not begin as ")


def test_a_mirror_of_the_folder_is_as_good(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "mirror")
    assert problems(tmp_path / "mirror") == []
