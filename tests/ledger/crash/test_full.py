"""A full disk: an append is refused with the library's own error, and the same processes go on once there is space."""

import os

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("how", ["group", "record"])
def test_a_full_disk_refuses_clearly_and_the_log_goes_on_without_a_restart_on_sqlite(
    how, small_disk, make_nursery, make_place, wait_until, whole, record_property
):
    place = make_place("sqlite")
    nursery = make_nursery(*small_disk.words(place.folder, "4m"))
    disk = small_disk.SmallDisk(nursery.pid, place.folder)
    wait_until(lambda: disk.is_there)
    notes = place.folder.with_name("told")
    place.memory.path = notes
    order = place.order(how=how, threads=4, timeout=1, pause=0.002)
    child = nursery.start(**order, pragmas={"wal_autocheckpoint": 50})
    fill_and_free(place, disk, wait_until, whole(2, 20))
    child.kill()
    disk.bring_back()
    place.require_whole(steps_only=how == "record")
    report(place, record_property)


def fill_and_free(place, disk, wait_until, times):
    """Fill the disk and free it some times; while it is full appends are refused, and afterwards they are not."""
    memory = place.memory
    for _ in range(times):
        wait_until(memory.listen)
        disk.fill(keep=100_000)
        before = len(memory.refusals)
        wait_until(lambda before=before: memory.listen() or len(memory.refusals) > before + 8)
        wait_until(lambda before=before: not memory.listen() and len(memory.refusals) > before + 8)
        disk.free()
        memory.listen()
        wait_until(memory.listen)
    memory.require_only("LedgerUnavailableError")
    told = [refusal["words"] for refusal in memory.refusals]
    clear = [words for words in told if "full" in words or "No space left" in words]
    # Somebody's time may run out just as the space comes back.
    assert len(clear) > len(told) * 3 // 4, sorted(set(told))


def report(place, record_property):
    record_property("receipts, none lost", len(place.memory.receipts))
    record_property("refusals, each by the library's own error", len(place.memory.refusals))


@pytest.mark.slow
@pytest.mark.postgresql
def test_a_full_disk_refuses_clearly_and_the_log_goes_on_without_a_restart_on_postgresql(
    small_disk, make_cluster, nursery, make_place, wait_until, whole, tmp_path, record_property
):
    """The tables are on the disk that fills. Where PostgreSQL has no room for its write-ahead log it ends by itself."""
    if os.geteuid() != 0:
        pytest.skip("a file system for PostgreSQL's own user can only be mounted by root")
    folder = tmp_path / "tables"
    folder.mkdir()
    cluster = make_cluster()
    cluster.start(*small_disk.words(folder, "24m"), is_root=True)
    disk = small_disk.SmallDisk(cluster.pids[0], folder)
    (disk.inside / "space").mkdir()
    cluster.own(disk.inside / "space")
    cluster.run(f"CREATE TABLESPACE small LOCATION '{folder / 'space'}'", "CREATE DATABASE filling TABLESPACE small")
    place = make_place(cluster.url.replace("/postgres?", "/filling?"))
    child = nursery.start(**place.order(how="record", threads=4, timeout=1, pause=0.002, sequences=True))
    fill_and_free(place, disk, wait_until, whole(2, 20))
    child.kill()
    place.require_whole()
    report(place, record_property)
