"""Exporting: what stands in the folder is always a whole log, whenever the export ends."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ledger import checkpoint
from ledger.errors import LedgerError, LedgerUnavailableError, NotFoundError, VerificationError
from ledger.fsck import fsck
from ledger.signatures import SigningKey
from ledger.storage import StoredCheckpoint
from ledger.tiles import FolderSource, FolderTarget, Tile, TileLog, export
from ledger.tiles.layout import tiles_of
from ledger.tiles.publish import tile_bytes

ORIGIN = "exchange.example/log"
VKEY = checkpoint.vkey(ORIGIN, SigningKey.from_seed(b"L" * 32).public)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != ".export"}


def sound(folder: Path, size: int) -> None:
    report = fsck(TileLog(FolderSource(folder)), VKEY)
    assert report.problems == []
    assert report.size == size
    assert not report.openings


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 513, 1300])
def test_the_folder_holds_the_tiles_of_the_size_and_nothing_else(exported, grown, size):
    folder = exported(size)
    assert files(folder) == {"checkpoint"} | {tile.path() for tile in tiles_of(size)}
    assert (folder / "checkpoint").read_text() == grown.signed(size).note
    for tile in tiles_of(size):
        assert (folder / tile.path()).read_bytes() == tile_bytes(grown, tile, size)
    if size:
        sound(folder, size)


def test_an_export_adds_to_the_last_one_and_clears_what_full_tiles_replace(exported):
    before = set()
    for size in (1, 3, 200, 256, 300, 700, 700, 701, 1024, 1300):
        folder = exported(size)
        assert {name for name in before if ".p/" not in name} <= files(folder)
        sound(folder, size)
        before = files(folder)
    # Partial tiles of earlier checkpoints stay until the full one is there.
    assert files(folder) - {"checkpoint"} == {tile.path() for tile in tiles_of(1300)} | {"tile/1/000.p/1", "tile/1/000.p/2", "tile/1/000.p/4"}  # fmt: skip


def test_nothing_is_written_twice(exported, monkeypatch):
    folder = exported(700)
    written = []
    real = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, target: written.append(target) or real(self, target))
    exported(700)
    assert written == []
    exported(770)
    names = sorted(str(path.relative_to(folder)) for path in written)
    assert names == ["checkpoint", "tile/0/002", "tile/0/003.p/2", "tile/1/000.p/3", "tile/entries/002", "tile/entries/003.p/2"]  # fmt: skip


def test_another_log_or_a_larger_one_is_left_alone(exported, grown, tmp_path):
    folder = exported(300)
    before = {name: (folder / name).read_bytes() for name in files(folder)}
    with pytest.raises(VerificationError, match="size 300 already"):
        exported(299)
    other = SigningKey.generate()
    forked = StoredCheckpoint(400, grown.signed(400).root, checkpoint.sign(ORIGIN, 400, grown.signed(400).root, other))
    with FolderTarget.locked(folder) as target:
        with pytest.raises(VerificationError, match="another log"):
            export(grown, forked, checkpoint.vkey(ORIGIN, other.public), target)
        wrong = checkpoint.sign(ORIGIN, 400, bytes(32), SigningKey.from_seed(b"L" * 32))
        with pytest.raises(VerificationError, match="not of this tree"):
            export(grown, StoredCheckpoint(400, bytes(32), wrong), VKEY, target)
    assert {name: (folder / name).read_bytes() for name in files(folder)} == before
    # A log that forked below the size which was exported.
    note = checkpoint.sign(ORIGIN, 300, bytes(32), SigningKey.from_seed(b"L" * 32))
    (folder / "checkpoint").write_text(note)
    with pytest.raises(VerificationError, match="its root is another one"):
        exported(500)


def test_one_export_at_a_time_writes_to_a_folder(tmp_path):
    with (
        FolderTarget.locked(tmp_path / "tiles"),
        pytest.raises(LedgerError, match="another export"),
        FolderTarget.locked(tmp_path / "tiles"),
    ):
        pass


def test_tiles_that_the_log_does_not_have_yet_are_not_made(grown):
    for tile in (Tile(0, 5, 21), Tile(0, 6, 1), Tile(1, 0, 6), Tile(2, 0, 1), Tile(None, 5, 21), Tile(None, 9)):
        with pytest.raises(NotFoundError):
            tile_bytes(grown, tile, 1300)
    assert len(tile_bytes(grown, Tile(1, 0, 5), 1300)) == 160
    # Entries that no checkpoint covers yet are not published.
    for tile in (Tile(0, 1, 45), Tile(None, 1), Tile(1, 0, 2)):
        with pytest.raises(NotFoundError):
            tile_bytes(grown, tile, 300)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda grown: grown.all_bodies.__setitem__(300, grown.all_bodies[301]), "entry 300 does not have the leaf"),
        (lambda grown: grown.all_hashes.__setitem__((0, 300), bytes(32)), "tile/0/001 do not have the subtree hash"),
        (lambda grown: grown.all_hashes.__setitem__((8, 1), bytes(32)), "not of this tree"),
        (lambda grown: grown.all_hashes.__setitem__((0, 699), bytes(32)), "not of this tree"),
        (lambda grown: grown.all_bodies.pop(650), "entry 650 does not have the leaf"),
        (lambda grown: grown.all_bodies.__delitem__(slice(690, None)), "entries below tile/entries/002.p/188 are missing"),
    ],
)  # fmt: skip
def test_a_damaged_entry_or_hash_is_never_published(tmp_path, grown, damage, named):
    damaged = copy.copy(grown)
    damaged.all_bodies, damaged.all_hashes = list(grown.all_bodies), dict(grown.all_hashes)
    damage(damaged)
    with FolderTarget.locked(tmp_path / "tiles") as target, pytest.raises(VerificationError, match=named):
        export(damaged, grown.signed(700), VKEY, target)
    assert not (tmp_path / "tiles/checkpoint").exists()
    for path in (tmp_path / "tiles/tile").rglob("*"):
        name = str(path.relative_to(tmp_path / "tiles"))
        assert path.is_dir() or path.read_bytes() == tile_bytes(grown, Tile.parse(name), 700)


def test_what_cannot_be_written_is_named(tmp_path, grown):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LedgerUnavailableError, match="file/tiles cannot be written"), FolderTarget.locked(tmp_path / "file/tiles"):  # fmt: skip
        pass
    with FolderTarget.locked(tmp_path / "tiles") as target:
        (tmp_path / "tiles/tile").write_text("in the way")
        with pytest.raises(LedgerUnavailableError, match="cannot be written"):
            export(grown, grown.signed(10), VKEY, target)


EXPORTER = """
import os, runpy, sys
from pathlib import Path
step, folder = int(sys.argv[1]), Path(sys.argv[2])
conftest = runpy.run_path(sys.argv[3])
grown = conftest["Grown"](600)
from ledger.tiles import FolderTarget, export
count = 0
def counted(real):
    def call(*args, **kwargs):
        global count
        count += 1
        if count == step:
            os._exit(9)
        return real(*args, **kwargs)
    return call
for name in ("fsync", "replace", "mkdir", "unlink", "rmdir"):
    setattr(os, name, counted(getattr(os, name)))
with FolderTarget.locked(folder) as target:
    export(grown, grown.signed(600), conftest["VKEY"], target)
os._exit(0)
"""


@pytest.mark.slow
def test_an_export_killed_at_any_step_leaves_a_whole_log_and_the_next_one_finishes(exported, tmp_path):
    """Killed before each sync, rename and removal: the folder is at the old size or at the new one, never between."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    conftest = Path(__file__).with_name("conftest.py")
    steps = 0
    for step in [*range(1, 30, 3), *range(30, 400, 9)]:
        folder = exported(300, f"from-{step}")
        command = [sys.executable, "-c", EXPORTER, str(step), str(folder), str(conftest)]
        code = subprocess.run(command, env=environment, check=False, timeout=60).returncode
        size = int((folder / "checkpoint").read_text().split("\n")[1])
        assert size in (300, 600)
        sound(folder, size)
        exported(700, f"from-{step}")
        sound(folder, 700)
        steps += 1
        if code == 0:
            break
    assert code == 0
    assert steps > 8
