"""Power cuts: of what was written only the synced part is sure to be there, and every receipt that was given out holds.

The processes' writes and syncs are recorded, and the disk is rebuilt as it may have been at any moment: what was synced, and of
what was not any part of it, down to single sectors. A database that does not wait for the disk must lose rows here; that control
shows that the cuts are real.
"""

import os
import shutil

import pytest

FULL, NORMAL = "FULL", "NORMAL"


@pytest.fixture
def record(tools, nursery, make_place, wait_until, tmp_path):
    """Return a function that lets a process append on SQLite under record; it gives the disk before, and what happened."""
    tools.faults.require_strace()

    def run(how, appends, synchronous):
        place = make_place("sqlite")
        notes = tmp_path / "told"
        gate = tmp_path / "gate"
        order = place.order(how=how, threads=4, count=appends // 4, opens=False, gates=[str(gate)], notes=str(notes))
        # Small, so that the write-ahead log starts anew several times.
        child = nursery.start(**order, pragmas={"synchronous": synchronous, "wal_autocheckpoint": 60})
        wait_until(gate.exists)
        base, trace = tmp_path / "base", tmp_path / "trace"
        shutil.copytree(place.folder, base, ignore=shutil.ignore_patterns("*-shm"))
        with tools.faults.traced([child.pid], trace, *tools.disk.OPTIONS):
            gate.rmdir()
            assert child.wait() == 0
        events = [event for event in tools.disk.events(trace) if not event.path.endswith("-shm")]
        return place, base, events, notes

    return run


def cuts(tools, recorded, moments, chance, target):
    """Yield the place that a cut leaves at each of some moments, with what had been acknowledged until then."""
    place, base, events, notes = recorded
    disk, left = tools.disk.Disk(base, place.folder), events
    for number, moment in enumerate(sorted(moments)):
        left = disk.replay(left, moment, notes)
        folder = target / f"cut-{number}"
        # Nothing that was not synced, everything, or any part of it.
        disk.cut(folder, chance, (0, 1, 0.5, 0.9, 0.99)[number % 5])
        memory = tools.witness.Memory(folder / "told")
        memory.take(disk.told)
        yield type(place)(f"sqlite:///{folder / 'ledger.db'}", folder, tools, memory)
        shutil.rmtree(folder)


def moments(events, notes, count, chance):
    """Return lines of the record at which the power is cut: after the first receipt, and otherwise anywhere."""
    first = next(event.begun for event in events if event.path == str(notes))
    return [chance.randint(first + 1, events[-1].ended + 1) for _ in range(count)]


def test_the_record_of_the_writes_is_complete(record, tools, chance, tmp_path):
    """Replayed to its end, it gives the very bytes that the processes left."""
    place, base, events, notes = record("record", 20, NORMAL)
    disk = tools.disk.Disk(base, place.folder)
    assert disk.replay(events, events[-1].ended + 1, notes) == []
    disk.cut(tmp_path / "replayed", chance, 1)
    replayed = files(tmp_path / "replayed")
    assert replayed == {name: data for name, data in files(place.folder).items() if not name.endswith("-shm")}
    assert "ledger.db-wal" in replayed
    disk.cut(tmp_path / "synced", chance, 0)
    assert files(tmp_path / "synced") != replayed


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize("how", ["group", "record"])
def test_a_power_cut_loses_no_receipt_on_sqlite(how, record, tools, chance, whole, tmp_path, record_property):
    recorded = record(how, whole(40, 200), FULL)
    count, receipts = whole(12, 200), 0
    for place in cuts(tools, recorded, moments(recorded[2], recorded[3], count, chance), chance, tmp_path):
        place.require_whole(steps_only=how == "record")
        receipts += len(place.memory.receipts)
        # The log goes on.
        with place.reopened() as log:
            children = tools.children
            draft, signature = children.signed(children.new_id(children.datetime.now(children.UTC)))
            with log.storage.transaction() as connection:
                log.append(connection, draft, signature)
            assert log.receipt(draft.statement.id).index == log.size() - 1
    record_property("cuts", count)
    record_property("receipts held against them, none lost", receipts)
    assert receipts > count


def test_a_database_that_does_not_wait_for_the_disk_loses_rows(record, tools, chance, whole, tmp_path, record_property):
    """The control: with synchronous=NORMAL most cuts lose receipts, and the high-water mark notices that the log is an old one."""
    recorded = record("group", whole(40, 200), NORMAL)
    count, losing, lost, refused = whole(10, 50), 0, 0, 0
    for place in cuts(tools, recorded, moments(recorded[2], recorded[3], count, chance), chance, tmp_path):
        log = place.log()
        missing = len(tools.witness.lost(log, place.memory.receipts))
        log.storage.engine.dispose()
        losing, lost = losing + (missing > 0), lost + missing
    assert losing >= count // 3
    record_property("cuts", count)
    record_property("of them lost receipts, as they must", losing)
    record_property("receipts lost", lost)
