"""A log of its own: writers share a queue, one commit serves all who wait, and each has its own outcome."""

import threading
import time

import pytest

from ledger.entry import sign
from ledger.errors import AdmissionError, LedgerUnavailableError, SignatureError
from ledger.fsck import fsck
from ledger.receipt import verify_proof
from ledger.signatures import SigningKey
from ledger.standalone import BATCH, StandaloneLog

KEY = SigningKey.from_seed(b"P" * 32)


class Slow:
    """Makes each batch wait until it is let go, and counts the batches."""

    def __init__(self, log):
        self.write, self.batches, self.gate = log.write, [], threading.Semaphore(0)
        log.write = self

    def __call__(self, batch):
        self.gate.acquire(timeout=20)
        self.batches.append(len(batch))
        return self.write(batch)

    def let_go(self, count=1000):
        self.gate.release(count)


def in_threads(functions):
    threads = [threading.Thread(target=function, daemon=True) for function in functions]
    for thread in threads:
        thread.start()
    return threads


def wait_until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def admitted(log, make_draft, count, **changes):
    drafts = [make_draft(**changes) for _ in range(count)]
    return [log.admit(draft, sign(draft, KEY)) for draft in drafts]


def test_an_idle_log_writes_at_once(log, make_draft):
    writers = StandaloneLog(log)
    for index in range(1, 4):
        draft = make_draft()
        receipt = writers.record(draft, sign(draft, KEY))
        assert (receipt.index, receipt.statement_id) == (index, draft.statement.id)
        verify_proof(receipt.proof, log.entry(index).body, log.vkey)
    assert log.size() == 4


def test_who_comes_while_the_disk_is_awaited_shares_the_next_commit(log, make_draft):
    slow, writers, receipts = Slow(log), StandaloneLog(log), []

    def append():
        draft = make_draft()
        receipts.append(writers.record(draft, sign(draft, KEY), timeout=30))

    threads = in_threads([append])
    wait_until(lambda: writers._busy and not writers._queue)
    threads += in_threads([append] * 40)
    wait_until(lambda: len(writers._queue) == 40)
    slow.let_go()
    for thread in threads:
        thread.join(30)
    assert slow.batches == [1, 40]
    assert sorted(receipt.index for receipt in receipts) == list(range(1, 42))
    for receipt in receipts:
        verify_proof(receipt.proof, log.entry(receipt.index).body, log.vkey)
    log.integrate()
    assert fsck(log.storage, log.vkey).problems == []


def test_a_batch_is_bounded_and_what_one_brings_stays_together(sqlite_log, make_draft):
    slow, writers, receipts = Slow(sqlite_log), StandaloneLog(sqlite_log), {}
    batches = {size: admitted(sqlite_log, make_draft, size) for size in (1, 200, 100, 300)}

    def append(size):
        receipts[size] = writers.record_all(batches[size], timeout=30)

    threads = in_threads([lambda: append(1)])
    wait_until(lambda: writers._busy and not writers._queue)
    for position, size in enumerate((200, 100, 300), 1):
        threads += in_threads([lambda size=size: append(size)])
        wait_until(lambda position=position: len(writers._queue) == position)
    slow.let_go()
    for thread in threads:
        thread.join(30)
    assert slow.batches == [1, 200, 100, 300]
    assert BATCH == 256
    for size, found in receipts.items():
        assert [receipt.index for receipt in found] == list(range(found[0].index, found[0].index + size))
        assert [receipt.statement_id for receipt in found] == [item.statement_id for item in batches[size]]


def test_one_refused_statement_does_not_refuse_the_others(sql_log, make_draft):
    slow, writers = Slow(sql_log), StandaloneLog(sql_log)
    twice = make_draft()
    outcomes = []

    def append(draft):
        try:
            outcomes.append(writers.record(draft, sign(draft, KEY), timeout=30).index)
        except AdmissionError:
            outcomes.append("refused")

    drafts = [make_draft(), twice, make_draft(), twice, make_draft()]
    threads = in_threads([lambda: append(make_draft())])
    wait_until(lambda: writers._busy and not writers._queue)
    for position, draft in enumerate(drafts, 1):
        threads += in_threads([lambda draft=draft: append(draft)])
        wait_until(lambda position=position: len(writers._queue) == position)
    slow.let_go()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes, key=str) == [1, 2, 3, 4, 5, "refused"]
    sql_log.integrate()
    assert fsck(sql_log.storage, sql_log.vkey).problems == []


def test_all_of_a_writers_statements_are_refused_together(log, make_draft):
    writers = StandaloneLog(log)
    first, second, third = admitted(log, make_draft, 3)
    writers.record_all([first])
    if log.storage.__class__.__name__ != "MemoryStorage":
        with pytest.raises(AdmissionError):
            writers.record_all([second, first, third])
        assert log.integrate() == 2
        assert [receipt.index for receipt in writers.record_all([second, third])] == [2, 3]
    assert writers.record_all([]) == []
    draft = make_draft()
    with pytest.raises(SignatureError):
        writers.record(draft, sign(make_draft(), KEY))


def test_who_waits_too_long_leaves_the_queue_and_nothing_was_written(sqlite_log, make_draft):
    slow, writers = Slow(sqlite_log), StandaloneLog(sqlite_log)
    (held,) = in_threads([lambda: writers.record_all(admitted(sqlite_log, make_draft, 1), timeout=30)])
    wait_until(lambda: writers._busy and not writers._queue)
    late = admitted(sqlite_log, make_draft, 1)
    with pytest.raises(LedgerUnavailableError, match="nothing was written"):
        writers.record_all(late, timeout=0.05)
    slow.let_go()
    held.join(30)
    assert sqlite_log.size() == 2
    assert writers.record_all(late)[0].index == 2


def test_a_log_that_cannot_be_written_tells_everybody_and_recovers(sqlite_log, make_draft, monkeypatch):
    writers = StandaloneLog(sqlite_log)
    one = admitted(sqlite_log, make_draft, 1)
    with monkeypatch.context() as broken:
        broken.setattr(sqlite_log.storage, "write", _refuse)
        with pytest.raises(LedgerUnavailableError, match="no space"):
            writers.record_all(one)
    with monkeypatch.context() as broken:
        broken.setattr(sqlite_log.storage, "write", _crash)
        with pytest.raises(ZeroDivisionError):
            writers.record_all(one)
    assert writers.record_all(one)[0].index == 1


def _refuse(*_):
    raise LedgerUnavailableError("no space")


def _crash(*_):
    raise ZeroDivisionError


def test_many_writers_at_once_leave_no_gap_and_no_fork(sql_log, make_draft):
    writers, receipts, failures = StandaloneLog(sql_log), [], []

    def append():
        try:
            for _ in range(10):
                draft = make_draft()
                receipts.append(writers.record(draft, sign(draft, KEY), timeout=60))
        except Exception as error:
            failures.append(error)

    for thread in in_threads([append] * 16):
        thread.join(60)
    assert failures == []
    assert sorted(receipt.index for receipt in receipts) == list(range(1, 161))
    for receipt in receipts:
        verify_proof(receipt.proof, sql_log.entry(receipt.index).body, sql_log.vkey)
    sql_log.integrate()
    assert fsck(sql_log.storage, sql_log.vkey).problems == []


def test_writers_that_each_remember_the_head_follow_each_other_and_steps_of_transactions(
    sqlite_log, make_storage, make_engine, sqlite_url, open_log, make_draft, record
):
    engine = make_engine(sqlite_url)
    writers = [StandaloneLog(sqlite_log), StandaloneLog(open_log(make_storage(engine)))]
    receipts = []
    for number in range(12):
        draft = make_draft()
        receipts.append(writers[number % 3 % 2].record(draft, sign(draft, KEY)))
        if number % 4 == 3:
            record(sqlite_log)
    refused = make_draft(id=receipts[-1].statement_id)
    with pytest.raises(AdmissionError):
        writers[0].record(refused, sign(refused, KEY))
    draft = make_draft()
    receipts.append(writers[0].record(draft, sign(draft, KEY)))
    report = fsck(sqlite_log.storage, sqlite_log.vkey)
    assert report.ok, report.problems
    assert report.size == 1 + 12 + 3 + 1
    for receipt in receipts:
        verify_proof(receipt.proof, sqlite_log.entry(receipt.index).body, sqlite_log.vkey)
    engine.dispose()
