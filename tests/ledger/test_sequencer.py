"""The thread that sequences: it answers its own process, others hear of it, and another takes over when it dies."""

import errno
import fcntl
import itertools
import json
import os
import signal
import threading
import time
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from ledger.entry import sign
from ledger.errors import LedgerUnavailableError, NotFoundError
from ledger.fsck import fsck
from ledger.log import Log
from ledger.receipt import Receipt, verify_proof
from ledger.signatures import SigningKey
from ledger.storage.sql import statements as sql

KEY = SigningKey.from_seed(b"P" * 32)
HOLDER = sa.text(
    "SELECT a.pid FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid"
    " WHERE l.locktype = 'advisory' AND l.granted AND a.datname = current_database()"
)


@pytest.fixture
def started(postgresql_log, make_storage, log_key):
    """Return a function that starts another log on the same database, as another process has it."""
    logs = []

    def start():
        log = Log(make_storage(postgresql_log.storage.engine), log_key, postgresql_log.origin)
        log.start()
        logs.append(log)
        return log

    yield start
    for log in logs:
        log.stop()


def holders(log):
    with log.storage.engine.connect() as connection:
        return list(connection.execute(HOLDER).scalars())


def wait_until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def require_whole(log, size):
    log.integrate()
    report = fsck(log.storage, log.vkey)
    assert report.problems == []
    assert report.size == size


@pytest.mark.postgresql
def test_writers_in_threads_get_their_receipts_from_the_thread_that_leads(started, record):
    log = started()
    wait_until(lambda: holders(log))
    receipts, failures = [], []

    def append():
        try:
            for _ in range(15):
                receipts.append(log.receipt(record(log), timeout=30))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=append) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(receipt.index for receipt in receipts) == list(range(1, 121))
    for receipt in receipts:
        verify_proof(receipt.proof, log.entry(receipt.index).body, log.vkey)
    require_whole(log, 121)


@pytest.mark.postgresql
def test_one_of_several_leads_and_all_get_their_receipts(started, record):
    logs = [started() for _ in range(3)]
    wait_until(lambda: holders(logs[0]))
    for round_ in range(5):
        for log in logs:
            receipt = log.receipt(record(log), timeout=30)
            verify_proof(receipt.proof, log.entry(receipt.index).body, log.vkey)
        assert len(holders(logs[0])) == 1
        assert logs[round_ % 3].size() == 1 + 3 * (round_ + 1)
    require_whole(logs[0], 16)


@pytest.mark.postgresql
def test_a_leader_that_stops_hands_over(started, record):
    first, second = started(), started()
    wait_until(lambda: holders(first))
    leader, other = (first, second) if first._sequencer._leads else (second, first)
    leader.stop()
    assert other.receipt(record(other), timeout=10).index == 1
    wait_until(lambda: other._sequencer._leads)
    # One whose thread has ended asks whoever leads.
    assert leader.receipt(record(leader), timeout=10).index == 2
    require_whole(other, 3)


@pytest.mark.postgresql
def test_a_lost_connection_of_the_leader_is_survived(started, record):
    log = started()
    wait_until(lambda: holders(log))
    for _ in range(3):
        with log.storage.engine.connect() as connection:
            for pid in holders(log):
                connection.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        assert log.receipt(record(log), timeout=10)
    require_whole(log, 4)


@pytest.mark.postgresql
def test_an_orphan_is_sequenced_though_nobody_asks(started, record):
    log = started()
    orphan = record(log)
    wait_until(lambda: log.storage.view(orphan).index is not None)
    with pytest.raises(NotFoundError):
        log.receipt("urn:uuid:0190a000-0000-7000-8000-00000000dead")


@pytest.mark.postgresql
@pytest.mark.parametrize("count", [1, 31, 32, 33, 256, 257, 700])
def test_batches_of_every_size_are_sequenced_alike(postgresql_log, make_draft, count):
    """From 32 entries on they come by COPY, and 256 at most at once."""
    drafts = [make_draft() for _ in range(count)]
    postgresql_log.write([postgresql_log.admit(draft, sign(draft, KEY)) for draft in drafts])
    assert postgresql_log.integrate() == count + 1
    assert [postgresql_log.index_of(draft.statement.id) for draft in drafts] == list(range(1, count + 1))
    require_whole(postgresql_log, count + 1)


@pytest.mark.postgresql
def test_whoever_has_no_turn_leaves_the_sequencing_to_who_has(postgresql_log, record):
    """While somebody holds the turn and does nothing, no statement gets an index, and nothing is lost."""
    statement_id = record(postgresql_log)
    with postgresql_log.storage.engine.connect() as other:
        other.execute(sa.text(f"SELECT pg_advisory_lock({sql.TURN})"))
        with pytest.raises(LedgerUnavailableError, match="in time"):
            postgresql_log.receipt(statement_id, timeout=0.3)
        with pytest.raises(LedgerUnavailableError):
            postgresql_log.integrate(timeout=0.3)
        other.execute(sa.text(f"SELECT pg_advisory_unlock({sql.TURN})"))
    assert postgresql_log.receipt(statement_id).index == 1


@pytest.mark.postgresql
def test_the_thread_survives_a_process_without_files_to_spare_and_files_beyond_the_first_thousand(
    started, record, monkeypatch
):
    pipe, refused = os.pipe, []

    def none_left():
        refused.append(1)
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("ledger.storage.sql.turn.os.pipe", none_left)
    log = started()
    wait_until(lambda: len(refused) > 1)
    assert "Too many open files" in log._sequencer.trouble

    def far():
        ends = pipe()
        moved = tuple(fcntl.fcntl(end, fcntl.F_DUPFD, 1500) for end in ends)
        for end in ends:
            os.close(end)
        return moved

    monkeypatch.setattr("ledger.storage.sql.turn.os.pipe", far)
    wait_until(lambda: holders(log))
    for index in (1, 2, 3):
        assert log.receipt(record(log), timeout=30).index == index
        time.sleep(0.25)
    require_whole(log, 4)


@pytest.mark.postgresql
def test_who_waits_in_vain_is_told_what_the_thread_met_with(started, record, monkeypatch):
    """A full disk, for one, stops the sequencing of statements that were committed; their receipts come later."""
    log = started()
    wait_until(lambda: holders(log))
    with monkeypatch.context() as full:
        full.setattr("ledger.storage.sql.turn.sequence", _refuse)
        statement_id = record(log)
        wait_until(lambda: log._sequencer.trouble)
        with pytest.raises(LedgerUnavailableError, match="no space"):
            log.receipt(statement_id, timeout=0.5)
    assert log.receipt(statement_id, timeout=30).index == 1
    assert log._sequencer.trouble is None
    require_whole(log, 2)


def _refuse(*_):
    raise LedgerUnavailableError("there is no space")


@pytest.mark.postgresql
@pytest.mark.slow
def test_when_the_process_that_leads_is_killed_another_takes_over(
    postgresql_log, postgresql_url, start_worker, tmp_path
):
    """Four processes write; whichever leads is killed, three times; no receipt is lost, no index twice or left out."""
    mark = str(tmp_path / "mark")
    alive = [start_worker(postgresql_url, 10_000, "--sequence", "--mark", mark) for _ in range(4)]
    known, waits = {}, []
    try:
        take(alive[0], known, 3)
        for _ in range(3):
            victim = leading(postgresql_log, alive)
            victim.kill()
            killed = time.monotonic()
            alive.remove(victim)
            for worker in alive:
                take(worker, known, 5)
            waits.append(time.monotonic() - killed)
            rest(victim, known)
    finally:
        for worker in alive:
            worker.send_signal(signal.SIGKILL)
            rest(worker, known)
    postgresql_log.integrate(timeout=30)
    for receipt in known.values():
        assert postgresql_log.receipt(receipt.statement_id).leaf_hash == receipt.leaf_hash
        verify_proof(receipt.proof, postgresql_log.entry(receipt.index).body, postgresql_log.vkey)
    assert len({receipt.index for receipt in known.values()}) == len(known) >= 30
    assert max(waits) < 30
    require_whole(postgresql_log, postgresql_log.size())


def leading(log, workers):
    """Return the worker whose process holds the turn."""
    pids = {worker.pid for worker in workers}
    found = []

    def look():
        for pid in holders(log):
            with log.storage.engine.connect() as connection:
                name = connection.execute(
                    sa.text("SELECT application_name FROM pg_stat_activity WHERE pid = :pid"), {"pid": pid}
                ).scalar_one_or_none()
            # The worker's connections are named after its process.
            if name and name.isdigit() and int(name) in pids:
                found.append(int(name))
        return found

    wait_until(look)
    return next(worker for worker in workers if worker.pid == found[0])


def take(worker, known, count):
    for _ in range(count):
        receipt = Receipt.from_json(json.loads(worker.stdout.readline()))
        known[receipt.statement_id] = receipt


def rest(worker, known):
    """Take what a worker has acknowledged before it died; its last line may be cut."""
    for line in worker.stdout:
        try:
            receipt = Receipt.from_json(json.loads(line))
        except ValueError:
            continue
        known[receipt.statement_id] = receipt
    worker.wait(20)
    worker.stdout.close()


def test_the_thread_outlives_what_nobody_expected_and_tells_its_kind_alone(sqlite_log, record, monkeypatch):
    look, met = sqlite_log.storage.turn, []

    def turn():
        if not met:
            met.append(True)
            raise RuntimeError("a salt")
        assert sqlite_log._sequencer.trouble == "the thread that sequences met with RuntimeError"
        return look()

    monkeypatch.setattr(sqlite_log.storage, "turn", turn)
    sqlite_log.start()
    try:
        record(sqlite_log)
        sqlite_log.latest()
        wait_until(lambda: sqlite_log.storage.view().checkpoint.size == sqlite_log.size())
        assert sqlite_log._sequencer.trouble is None
    finally:
        sqlite_log.stop()


def test_where_every_step_sequences_itself_the_thread_stores_the_newest_checkpoint(sqlite_log, record):
    for _ in range(5):
        sqlite_log.receipt(record(sqlite_log))
    assert sqlite_log.storage.view().checkpoint.size < 6
    sqlite_log.start()
    wait_until(lambda: sqlite_log.storage.view().checkpoint.size == 6)
    sqlite_log.receipt(record(sqlite_log))
    sqlite_log.stop()
    assert sqlite_log.storage.view().checkpoint.size == 7
    assert [item.size for item in sqlite_log.storage.checkpoints()][-1] == 7


def test_checkpoints_are_stored_every_256_entries_and_every_second(sqlite_log, record, monkeypatch):
    clock = [time.monotonic() + 10]
    monkeypatch.setattr("ledger.notary.time", SimpleNamespace(monotonic=lambda: clock[0]))

    def stored(appends, seconds):
        """Return how many checkpoints so many appends stored, in so long a time."""
        before = len(list(sqlite_log.storage.checkpoints()))
        for _ in range(appends):
            sqlite_log.receipt(record(sqlite_log))
            clock[0] += seconds / appends
        return len(list(sqlite_log.storage.checkpoints())) - before

    assert 4 <= stored(60, 5) <= 7
    assert stored(20, 0) <= 1
    assert 1 <= stored(300, 0.5) <= 2
    sizes = [item.size for item in sqlite_log.storage.checkpoints()]
    assert all(after - before <= 257 for before, after in itertools.pairwise([*sizes, 381]))
    assert sqlite_log.latest().size == 381
    require_whole(sqlite_log, 381)
