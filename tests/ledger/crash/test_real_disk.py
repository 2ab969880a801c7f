"""Power cuts on a real file system: the image under a mounted ext4 is copied while the writer stands still, and mounted anew.

What the file system had not given to its disk by then is gone with the cut. Only root may mount an image; each mount is in a
namespace of its own, and gone with the process that it was made for.
"""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

_MOUNT = 'mount -o loop "$0" "$1" && shift && exec "$@"'


@pytest.fixture
def image(tmp_path, whole):
    """Return an empty ext4 in a file, and the folder that it is to be mounted over; skips where it cannot be."""
    if whole(True, False):
        pytest.skip("make test-crash does this; test_power is the short form")
    if os.geteuid() != 0:
        pytest.skip("only root may mount an image")
    if shutil.which("mkfs.ext4") is None or shutil.which("unshare") is None:
        pytest.skip("mkfs.ext4 or unshare is not installed (on Debian: e2fsprogs, util-linux)")
    made, folder = tmp_path / "image", tmp_path / "mounted"
    folder.mkdir()
    with made.open("wb") as file:
        file.truncate(32 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(made)], check=True, capture_output=True)
    done = subprocess.run([*mounted(made, folder), "true"], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no image may be mounted here: {done.stderr.strip()}")
    return made, folder


def mounted(image, folder):
    """Return the words before a command by which it finds the image at the folder, and nobody else does."""
    return ["unshare", "--mount", "sh", "-c", _MOUNT, str(image), str(folder)]


@pytest.fixture
def cut(image, make_nursery, make_place, wait_until, chance, tmp_path):
    """Return a function that lets a process append, cuts the power under it, and gives the place that is left."""
    made, folder = image
    rounds = 0

    def run(how, synchronous):
        nonlocal rounds
        rounds += 1
        place = make_place("sqlite")
        fresh, left = tmp_path / f"fresh-{rounds}", tmp_path / f"left-{rounds}"
        shutil.copyfile(made, fresh)
        subprocess.run([*mounted(fresh, folder), "cp", "-a", str(place.folder), str(folder / "place")], check=True)
        place.memory.path = tmp_path / f"told-{rounds}"
        inside = {"keys": str(folder / "place" / "opening-keys"), "mark": str(folder / "place" / "mark")}
        order = place.order(how=how, threads=4, pragmas={"synchronous": synchronous}) | inside
        order["url"] = f"sqlite:///{folder / 'place' / 'ledger.db'}"
        nursery = make_nursery(*mounted(fresh, folder))
        child = nursery.start(**order)
        wait_until(place.memory.listen)
        time.sleep(chance.uniform(0.0, 0.15))
        os.kill(child.pid, signal.SIGSTOP)
        wait_until(lambda: "State:\tT" in Path(f"/proc/{child.pid}/status").read_text())
        place.memory.listen()
        shutil.copyfile(fresh, left)
        nursery.end()
        shutil.rmtree(place.folder)
        subprocess.run([*mounted(left, folder), "cp", "-a", str(folder / "place"), str(place.folder)], check=True)
        for spent in (fresh, left):
            spent.unlink()
        return place

    return run


@pytest.mark.slow
@pytest.mark.parametrize("how", ["group", "record"])
def test_a_power_cut_on_a_real_file_system_loses_no_receipt(how, cut, record_property):
    count, receipts = 25, 0
    for _ in range(count):
        place = cut(how, "FULL")
        place.require_whole(steps_only=how == "record")
        receipts += len(place.memory.receipts)
    assert receipts > 0
    record_property("cuts", count)
    record_property("receipts, none lost", receipts)


@pytest.mark.slow
def test_a_database_that_does_not_wait_for_a_real_disk_loses_rows(cut, tools, record_property):
    """The control: with synchronous=NORMAL nearly every cut loses receipts."""
    count, losing, lost = 12, 0, 0
    for _ in range(count):
        place = cut("group", "NORMAL")
        log = place.log()
        missing = len(tools.witness.lost(log, place.memory.receipts))
        log.storage.engine.dispose()
        losing, lost = losing + (missing > 0), lost + missing
    assert losing >= count // 2
    record_property("cuts", count)
    record_property("of them lost receipts, as they must", losing)
    record_property("receipts lost", lost)
