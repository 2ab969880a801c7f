"""Reading tiles: proofs as from a database, and every altered, missing or surplus file is named."""

import random

import pytest

from ledger import checkpoint, proof, verify
from ledger.errors import LedgerError, ProofError, VerificationError
from ledger.fsck import fsck
from ledger.hashing import leaf_hash
from ledger.signatures import SigningKey
from ledger.tiles import FolderSource, FolderTarget, TileLog, export
from ledger.tiles.layout import pack, unpack
from ledger.tree import join

VKEY = checkpoint.vkey("exchange.example/log", SigningKey.from_seed(b"L" * 32).public)


def opened(folder):
    return TileLog(FolderSource(folder))


def problems(folder, **options):
    return [(item.index, item.check, item.detail) for item in fsck(opened(folder), VKEY, **options).problems]


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 1300])
def test_proofs_from_tiles_are_those_of_the_log(exported, grown, size):
    log = opened(exported(size))
    root = grown.frontiers[size].root()
    assert log.view().frontier == grown.frontiers[size]
    assert proof.root(size, log.hashes) == root
    rng = random.Random(size)
    for index in {0, size - 1, *(rng.randrange(size) for _ in range(20))}:
        path = proof.inclusion(index, size, log.hashes)
        assert path == proof.inclusion(index, size, grown.hashes)
        (body,) = log.bodies(index, index + 1)
        verify.inclusion(index, size, leaf_hash(body), path, root)
    for old in {1, size, *(rng.randrange(1, size + 1) for _ in range(20))}:
        path = proof.consistency(old, size, log.hashes)
        verify.consistency(old, size, path, grown.frontiers[old].root(), root)


def test_entries_come_verbatim_from_any_place_to_any_place(exported, grown):
    log = opened(exported(1300))
    for start, stop in ((0, 1300), (0, 1), (255, 257), (256, 256), (700, 1300), (1299, 5000), (1300, 1301)):
        assert list(log.bodies(start, stop)) == grown.all_bodies[start : min(stop, 1300)]
        assert log.leaves(start, stop) == [leaf_hash(body) for body in grown.all_bodies[start : min(stop, 1300)]]


def test_a_statement_is_found_by_its_id(exported):
    log = opened(exported(600))
    view = log.view("urn:uuid:0190a000-0000-7000-8000-000000000201")
    assert (view.known, view.index) == (True, 0x201)
    assert log.view("urn:uuid:0190a000-0000-7000-8000-00000000ffff").index is None


def test_what_is_read_at_an_older_size_finds_the_full_tiles(exported, grown):
    folder = exported(300)
    note = (folder / "checkpoint").read_text()
    exported(1300)
    (folder / "checkpoint").write_text(note)
    log = opened(folder)
    assert proof.root(300, log.hashes) == grown.frontiers[300].root()
    assert list(log.bodies(0, 2000)) == grown.all_bodies[:300]
    assert fsck(log, VKEY).problems == []


def test_a_folder_without_a_checkpoint_is_no_log(tmp_path):
    with pytest.raises(LedgerError, match="no checkpoint"):
        opened(tmp_path)


def test_an_edited_entry_is_named_with_its_files(exported):
    folder = exported(700)
    bundle = folder / "tile/entries/001"
    entries = unpack(bundle.read_bytes(), 256)
    entries[44] = entries[44].replace(b"dataset.offered", b"dataset.removed")
    bundle.write_bytes(pack(entries))
    found = problems(folder)
    assert [(index, check) for index, check, _ in found] == [(300, "tree")]
    assert "tile/entries/001" in found[0][2]


def test_an_edited_hash_is_named_with_its_entry_and_tile(exported):
    folder = exported(700)
    tile = folder / "tile/0/001"
    data = bytearray(tile.read_bytes())
    data[44 * 32] ^= 1
    tile.write_bytes(data)
    found = problems(folder)
    assert (300, "tree") in {(index, check) for index, check, _ in found}
    assert any(index == 300 and "tile/0/001" in detail for index, _, detail in found)
    # The chain goes on from the hash that is stored, so its neighbour is named, too; nothing before it is.
    assert {index for index, _, _ in found} <= {300, 301, 511, None}
    log = opened(folder)
    with pytest.raises(ProofError):
        verify.inclusion(301, 700, log.leaves(301, 302)[0], proof.inclusion(301, 700, log.hashes), log.checkpoint.root)


def test_an_edited_upper_tile_is_named_with_the_entry_that_completes_it(exported):
    folder = exported(700)
    tile = folder / "tile/1/000.p/2"
    data = bytearray(tile.read_bytes())
    data[0] ^= 1
    tile.write_bytes(data)
    assert (255, "tree") in {(index, check) for index, check, _ in problems(folder)}


@pytest.mark.parametrize(
    "name", ["tile/entries/001", "tile/entries/002.p/188", "tile/0/000", "tile/0/002.p/188", "tile/1/000.p/2"]
)
def test_a_missing_file_is_named(exported, name):
    folder = exported(700)
    (folder / name).unlink()
    assert f"{name} is missing" in {detail for _, check, detail in problems(folder) if check == "file"}


@pytest.mark.parametrize("name", ["tile/entries/001", "tile/0/001", "tile/1/000.p/2"])
@pytest.mark.parametrize("change", ["cut", "longer"])
def test_a_cut_or_longer_file_is_named(exported, name, change):
    folder = exported(700)
    path = folder / name
    data = path.read_bytes()
    path.write_bytes(data[:-7] if change == "cut" else data + bytes(32))
    assert any(check == "file" and name in detail for _, check, detail in problems(folder))


def test_partial_tiles_that_are_not_the_beginning_of_the_whole_are_named(exported):
    folder = exported(600)
    exported(700)
    assert (folder / "tile/0/002.p/88").exists()
    data = bytearray((folder / "tile/0/002.p/88").read_bytes())
    data[5] ^= 1
    (folder / "tile/0/002.p/88").write_bytes(data)
    (folder / "tile/entries/002.p/surplus").write_bytes(b"x")
    (folder / "tile/0/002.p/250").write_bytes(bytes(250 * 32))
    details = {detail for _, check, detail in problems(folder) if check == "file"}
    assert "tile/0/002.p/88 does not begin as tile/0/002.p/188 does" in details
    assert "tile/entries/002.p/surplus is no name of a tile" in details
    assert "tile/0/002.p/250 does not begin as tile/0/002.p/188 does" in details


def test_a_history_rewritten_throughout_is_found_by_the_checkpoint(exported, grown, tmp_path):
    """Entries, chain and tiles of another history, under the checkpoint that was signed for this one."""
    from ledger.entry import Entry, entry_bytes

    folder = exported(300)
    previous, bodies = None, []
    for index, body in enumerate(grown.all_bodies[:300]):
        entry = Entry.parse(body)
        payload = entry.payload.replace(b"T08:", b"T09:") if index == 17 else entry.payload
        bodies.append(entry_bytes(index, previous, payload, entry.signature))
        previous = leaf_hash(bodies[-1])
    leaves = [leaf_hash(body) for body in bodies]
    from ledger.tree import Frontier

    (folder / "tile/entries/000").write_bytes(pack(bodies[:256]))
    (folder / "tile/entries/001.p/44").write_bytes(pack(bodies[256:]))
    (folder / "tile/0/000").write_bytes(b"".join(leaves[:256]))
    (folder / "tile/0/001.p/44").write_bytes(b"".join(leaves[256:]))
    (folder / "tile/1/000.p/1").write_bytes(Frontier().extend(leaves[:256])[0].root())
    found = problems(folder)
    assert [check for _, check, _ in found] == ["checkpoint"]
    assert "another tree" in found[0][2]


def test_a_folder_rolled_back_is_found_by_a_kept_checkpoint(exported, grown):
    folder = exported(300)
    assert problems(folder) == []
    (found,) = problems(folder, kept=[grown.signed(400).note])
    assert "cut short" in found[2]


def test_a_checkpoint_of_another_key_is_no_checkpoint(exported):
    folder = exported(10)
    other = checkpoint.vkey("exchange.example/log", SigningKey.generate().public)
    assert {item.check for item in fsck(opened(folder), other).problems} == {"checkpoint"}
    (folder / "checkpoint").write_text("nonsense\n")
    with pytest.raises(LedgerError):
        opened(folder)


def test_reading_starts_at_the_first_entry(exported):
    with pytest.raises(ProofError):
        next(opened(exported(10)).records(5, 10))
    with pytest.raises(VerificationError):
        opened(exported(10)).hashes([(3, 5)])


def test_a_size_that_no_log_has_keeps_nobody_busy(tmp_path):
    key = SigningKey.from_seed(b"L" * 32)
    # Its only peak is a hash of the highest level, so that the signed root is that of the files.
    size, root = 2**60, b"\2" * 32
    top = join([root] * 16)
    (tmp_path / "tile/7/000.p").mkdir(parents=True)
    (tmp_path / "tile/7/000.p/16").write_bytes(root * 16)
    (tmp_path / "checkpoint").write_text(checkpoint.sign("exchange.example/log", size, top, key))
    vkey = checkpoint.vkey("exchange.example/log", key.public)
    log = TileLog(FolderSource(tmp_path))
    found = [problem.detail for problem in fsck(log, vkey).problems]
    assert "tile/entries/000 is missing" in found
    assert "tile/entries/064 and those after it were not looked for" in found
    assert any("the head of size" in detail for detail in found)
    assert len(found) < 1000
    with FolderTarget.locked(tmp_path / "mirror") as target, pytest.raises(VerificationError, match="is missing"):
        export(log, log.checkpoint, vkey, target)
