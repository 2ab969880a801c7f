"""Power cuts: of what was written only the synced part is sure to be there, and every receipt that was given out holds.

The processes' writes and syncs are recorded, and the disk is rebuilt as it may have been at any moment: what was synced, and of
what was not any part of it, down to single sectors. A database that does not wait for the disk must lose rows here; that control
shows that the cuts are real.
"""

import shutil
import subprocess
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from ledger.identifiers import new_id

FULL, NORMAL = "FULL", "NORMAL"
KEPT = (0, 0.5, 1, 0.9, 0.99)
"""How much of what was not synced is there after a cut: nothing, everything, or each sector with that likelihood."""


@pytest.fixture
def record(tools, faults, nursery, make_place, wait_until, tmp_path):
    """Return a function that lets a process append on SQLite under record; it gives the disk before, and what happened."""
    faults.require_strace()

    def run(how, appends, synchronous):
        place = make_place("sqlite")
        notes = tmp_path / "told"
        gate = tmp_path / "gate"
        order = place.order(how=how, threads=4, count=appends // 4, opens=False, gates=[str(gate)], notes=str(notes))
        # Small, so that the write-ahead log starts anew several times, unless it is never waited for.
        pages = 60 if synchronous == FULL else 1000
        child = nursery.start(**order, pragmas={"synchronous": synchronous, "wal_autocheckpoint": pages})
        wait_until(gate.exists)
        base, trace = tmp_path / "base", tmp_path / "trace"
        shutil.copytree(place.folder, base, ignore=shutil.ignore_patterns("*-shm"))
        with faults.traced([child.pid], trace, *tools.disk.OPTIONS):
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
        disk.cut(folder, chance, KEPT[number % len(KEPT)])
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


def require_going_on(tools, place):
    """The next statement gets the next place."""
    with place.reopened() as log:
        draft, signature = tools.children.signed(new_id(datetime.now(UTC)))
        size = log.size()
        with log.storage.transaction() as connection:
            log.append(connection, draft, signature)
        assert log.receipt(draft.statement.id).index == size


@pytest.mark.slow
@pytest.mark.parametrize("how", ["group", "record"])
def test_a_power_cut_loses_no_receipt_on_sqlite(how, record, tools, chance, whole, tmp_path, record_property):
    recorded = record(how, whole(40, 200), FULL)
    count, receipts = whole(10, 200), 0
    for place in cuts(tools, recorded, moments(recorded[2], recorded[3], count, chance), chance, tmp_path):
        place.require_whole(steps_only=how == "record")
        receipts += len(place.memory.receipts)
        require_going_on(tools, place)
    record_property("cuts", count)
    record_property("receipts held against them, none lost", receipts)
    assert receipts > count


def test_a_database_that_does_not_wait_for_the_disk_loses_rows(record, tools, chance, whole, tmp_path, record_property):
    """The control: with synchronous=NORMAL cuts lose receipts, and the same checks see it."""
    recorded = record("group", whole(40, 200), NORMAL)
    count, losing, lost = whole(10, 50), 0, 0
    for place in cuts(tools, recorded, moments(recorded[2], recorded[3], count, chance), chance, tmp_path):
        log = place.log()
        missing = len(tools.witness.lost(log, place.memory.receipts))
        log.storage.engine.dispose()
        losing, lost = losing + (missing > 0), lost + missing
    assert losing >= count // 2
    record_property("cuts", count)
    record_property("of them lost receipts, as they must", losing)
    record_property("receipts lost", lost)


@pytest.fixture
def record_postgresql(tools, faults, nursery, make_place, make_cluster, wait_until, tmp_path):
    """Return a function that lets two processes append on PostgreSQL, with the server's own writes under record too."""
    faults.require_strace()

    def run(appends, **settings):
        cluster = make_cluster(**settings)
        cluster.start()
        place = make_place(cluster.url)
        aside = tmp_path.with_name(tmp_path.name + "-aside")
        aside.mkdir()
        gates, notes, base, trace = (
            [aside / "gate-0", aside / "gate-1"],
            aside / "told",
            aside / "base",
            aside / "trace",
        )
        order = place.order(how="record", threads=2, count=appends // 4, sequences=True, notes=str(notes))
        children = [nursery.start(**order, gates=[str(gate)]) for gate in gates]
        for gate in gates:
            wait_until(gate.exists)
        cluster.run("CHECKPOINT")
        with faults.traced([*cluster.pids, *(child.pid for child in children)], trace, *tools.disk.OPTIONS):
            # What the server writes meanwhile is in the record too, and replayed over the copy.
            subprocess.run(["cp", "-a", str(tmp_path), str(base)], check=True)
            for gate in gates:
                gate.rmdir()
            wait_until(lambda: notes.exists() and notes.read_bytes().count(b'"proof"') > appends // 2)
            cluster.run("CHECKPOINT")
            assert [child.wait() for child in children] == [0, 0]
        cluster.stop()
        return cluster, place, base, tools.disk.events(trace), notes

    return run


def cuts_of_postgresql(tools, recorded, root, count, chance, target):
    """Yield the server, and the place beside it, as a cut leaves them at each of some moments."""
    cluster, place, base, events, notes = recorded
    disk, left = tools.disk.Disk(base, root), events
    for number, moment in enumerate(sorted(moments(events, notes, count, chance))):
        left = disk.replay(left, moment, notes)
        folder = target / f"cut-{number}"
        disk.cut(folder, chance, KEPT[number % len(KEPT)])
        memory = tools.witness.Memory(folder / "told")
        memory.take(disk.told)
        server = tools.cluster.restored(cluster, folder / cluster.data.relative_to(root))
        try:
            yield server, type(place)(place.url, folder / place.folder.relative_to(root), tools, memory)
        finally:
            server.kill()
            shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.postgresql
def test_a_power_cut_loses_no_receipt_on_postgresql(record_postgresql, tools, chance, whole, tmp_path, record_property):
    recorded = record_postgresql(whole(40, 200))
    count, receipts = whole(3, 60), 0
    aside = recorded[2].parent
    for server, place in cuts_of_postgresql(tools, recorded, tmp_path, count, chance, aside):
        server.start()
        place.require_whole()
        receipts += len(place.memory.receipts)
        require_going_on(tools, place)
    assert receipts > count
    record_property("cuts", count)
    record_property("receipts held against them, none lost", receipts)


@pytest.mark.slow
@pytest.mark.postgresql
def test_a_postgresql_that_does_not_wait_for_the_disk_loses_rows(
    record_postgresql, tools, chance, whole, tmp_path, record_property
):
    """The control: with fsync=off a cut leaves an old database, or none that starts, and the same checks see it."""
    recorded = record_postgresql(whole(20, 100), fsync="off")
    count, losing, lost = whole(2, 10), 0, 0
    for server, place in cuts_of_postgresql(tools, recorded, tmp_path, count, chance, recorded[2].parent):
        missing = len(place.memory.receipts)
        with suppress(AssertionError):
            server.start(patience=10)
            log = place.log()
            missing = len(tools.witness.lost(log, place.memory.receipts))
            log.storage.engine.dispose()
        losing, lost = losing + (missing > 0), lost + missing
    assert lost > 0
    record_property("cuts", count)
    record_property("of them lost receipts, as they must", losing)
    record_property("receipts lost", lost)
