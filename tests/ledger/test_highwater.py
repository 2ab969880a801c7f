"""The high-water mark keeps a log from signing in an old or another database."""

import fcntl
import os
import threading
import time

import pytest

from ledger.errors import LedgerUnavailableError, VerificationError
from ledger.hashing import leaf_hash
from ledger.highwater import FileHighWater
from ledger.log import Log
from ledger.storage.memory import MemoryStorage
from ledger.tree import Frontier, position

LEAVES = [leaf_hash(b"%d" % i) for i in range(20)]
_, STORED = Frontier().extend(LEAVES)


def read(subtrees):
    return [STORED[position(*subtree)] for subtree in subtrees]


def root(size):
    return Frontier().extend(LEAVES[:size])[0].root()


@pytest.fixture
def mark(tmp_path):
    return FileHighWater(tmp_path / "mark")


def test_a_mark_grows_and_is_kept(mark, tmp_path):
    assert mark.size() == 0
    for size in (1, 2, 2, 7, 20):
        assert mark.reserve(size, root(size), read)
        assert FileHighWater(tmp_path / "mark").size() == size
    assert (tmp_path / "mark").stat().st_mode & 0o077 == 0


def test_a_smaller_tree_is_not_noted(mark):
    mark.reserve(7, root(7), read)
    assert not mark.reserve(6, root(6), read)
    assert mark.size() == 7


def test_another_tree_of_the_same_or_a_larger_size_is_refused(mark):
    mark.reserve(7, root(7), read)
    with pytest.raises(VerificationError, match="another tree"):
        mark.reserve(7, leaf_hash(b"fork"), read)
    with pytest.raises(VerificationError, match="another tree"):
        mark.reserve(9, root(9), lambda subtrees: [leaf_hash(b"fork") for _ in subtrees])


@pytest.mark.parametrize("torn", [0, 1])
def test_a_torn_write_leaves_the_mark_before(mark, tmp_path, torn):
    for size in (5, 6):
        mark.reserve(size, root(size), read)
    path = tmp_path / "mark"
    data = bytearray(path.read_bytes())
    half = len(data) // 2
    data[half * torn + 20] ^= 0xFF
    path.write_bytes(data)
    assert mark.size() in (5, 6)
    assert mark.reserve(8, root(8), read)
    assert mark.size() == 8


def test_a_mark_that_cannot_be_read_at_all_stops_the_log(mark, tmp_path):
    mark.reserve(5, root(5), read)
    mark.reserve(6, root(6), read)
    (tmp_path / "mark").write_bytes(b"\xff" * 144)
    with pytest.raises(VerificationError, match="damaged"):
        mark.size()


def test_a_mark_whose_folder_is_gone_stops_the_log(tmp_path):
    with pytest.raises(LedgerUnavailableError):
        FileHighWater(tmp_path / "none" / "mark").size()


def test_a_mark_that_another_holds_is_given_up_in_time(mark, tmp_path):
    mark.reserve(5, root(5), read)
    with (tmp_path / "mark").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        started = time.monotonic()
        with pytest.raises(LedgerUnavailableError, match="holds"):
            mark.reserve(6, root(6), read)
        assert time.monotonic() - started < 8
    assert mark.reserve(6, root(6), read)


def test_one_sync_reserves_256_sizes_and_every_size_is_written(mark, tmp_path, monkeypatch):
    synced, sizes = [], iter(range(1, 601))
    monkeypatch.setattr(os, "fdatasync", lambda file: synced.append(size))
    leaves = [leaf_hash(b"%d" % i) for i in range(600)]
    stored = Frontier().extend(leaves)[1]
    for size in sizes:
        tree = Frontier().extend(leaves[:size])[0]
        assert mark.reserve(size, tree.root(), lambda subtrees: [stored[position(*s)] for s in subtrees])
        assert FileHighWater(tmp_path / "mark").size() == size
    assert synced == [1, 258, 515]


def test_a_size_that_was_noted_but_not_synced_is_synced_by_whoever_signs_it_next(mark, tmp_path, monkeypatch):
    """A process may be killed between the two; otherwise a power cut could set the mark back by more than it says."""
    synced = []
    with monkeypatch.context() as killed:
        killed.setattr(FileHighWater, "_sync", _killed)
        with pytest.raises(Killed):
            mark.reserve(7, root(7), read)
    monkeypatch.setattr(os, "fdatasync", synced.append)
    another = FileHighWater(tmp_path / "mark")
    assert another.size() == 7
    assert another.reserve(7, root(7), read)
    assert another.reserve(7, root(7), read)
    assert len(synced) == 1


class Killed(BaseException):
    """What kill -9 looks like from inside: nothing below the process gets a say."""


def _killed(*_):
    raise Killed


def test_a_log_signs_only_from_the_database_that_its_key_has_signed(mark, open_log, record, log_key, statement_key):
    log = open_log(MemoryStorage(), high_water=mark)
    for _ in range(3):
        log.receipt(record(log))
    assert mark.size() == log.size() == 4
    with pytest.raises(VerificationError, match="old copy"):
        Log(MemoryStorage(), log_key, log.origin, high_water=mark).open(statement_key)


def test_a_database_that_has_outgrown_the_mark_with_another_history_is_refused(mark, open_log, record):
    open_log(MemoryStorage(), high_water=mark)
    other = open_log(MemoryStorage())
    record(other)
    other.notary._high_water = mark
    with pytest.raises(VerificationError, match="another tree"):
        other.receipt(record(other))


def test_threads_of_several_logs_share_one_mark(mark, sql_log, record, log_key):
    logs = [Log(sql_log.storage, log_key, sql_log.origin, high_water=mark) for _ in range(3)]
    failures = []

    def append(log):
        try:
            for _ in range(10):
                log.receipt(record(log), timeout=60)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=append, args=(log,)) for log in logs for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert mark.size() == sql_log.size() == 61
