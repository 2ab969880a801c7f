"""The log in a database: transactions, concurrency, crashes, tampering; the same on both dialects."""

import functools
import itertools
import json
import subprocess
import threading
import time

import pytest
import sqlalchemy as sa

from ledger import verify
from ledger.checkpoint import verify as verify_checkpoint
from ledger.entry import admit, sign
from ledger.errors import (
    AdmissionError,
    LedgerError,
    LedgerUnavailableError,
    NotFoundError,
    VerificationError,
)
from ledger.fsck import fsck
from ledger.log import Log
from ledger.receipt import Receipt, verify_proof
from ledger.signatures import SigningKey
from ledger.storage.memory import MemoryStorage
from ledger.storage.sql import SqlStorage, metadata

KEY = SigningKey.from_seed(b"P" * 32)
AGREEMENT = "urn:uuid:0190a000-0000-7000-8000-0000000000aa"


def require_whole(log):
    """Check the whole log, and that each of its checkpoints extends the one before."""
    report = fsck(log.storage, log.vkey)
    assert report.problems == []
    signed = [verify_checkpoint(item.note, log.vkey) for item in log.storage.checkpoints()]
    for before, after in itertools.pairwise(signed):
        path = log.consistency_proof(before.size, after.size)
        verify.consistency(before.size, after.size, path, before.root, after.root)
    return report


def test_a_rolled_back_statement_leaves_nothing(sql_log, make_draft, record):
    draft = make_draft(agreement=AGREEMENT, counter=1)
    with sql_log.storage.engine.connect() as connection, connection.begin() as transaction:
        statement_id = sql_log.append(connection, draft, sign(draft, KEY))
        transaction.rollback()
    with pytest.raises(NotFoundError):
        sql_log.receipt(statement_id)
    with pytest.raises(NotFoundError):
        sql_log.openings(statement_id)
    record(sql_log, agreement=AGREEMENT, counter=1)
    assert sql_log.integrate() == 2
    require_whole(sql_log)


def test_a_statement_commits_with_the_callers_own_rows_or_not_at_all(sql_log, make_draft):
    engine = sql_log.storage.engine
    mine = sa.Table("mine", sa.MetaData(), sa.Column("statement", sa.Text, primary_key=True))
    mine.create(engine)
    kept, lost = make_draft(), make_draft()
    with engine.begin() as connection:
        connection.execute(sa.insert(mine), {"statement": sql_log.append(connection, kept, sign(kept, KEY))})
    with engine.connect() as connection:
        connection.execute(sa.insert(mine), {"statement": sql_log.append(connection, lost, sign(lost, KEY))})
        connection.rollback()
    with engine.connect() as connection:
        assert list(connection.execute(sa.select(mine)).scalars()) == [kept.statement.id]
    assert sql_log.receipt(kept.statement.id).index == 1
    assert sql_log.integrate() == 2


def test_several_statements_of_one_transaction_stand_in_its_order(sql_log, make_draft):
    drafts = [make_draft() for _ in range(5)]
    with sql_log.storage.engine.begin() as connection:
        for draft in drafts:
            sql_log.append(connection, draft, sign(draft, KEY))
    receipts = [sql_log.receipt(draft.statement.id) for draft in drafts]
    assert [receipt.index for receipt in receipts] == [1, 2, 3, 4, 5]
    assert {receipt.size for receipt in receipts} == {6}


def test_nothing_is_visible_to_others_before_the_callers_commit(sql_log, make_draft):
    draft = make_draft()
    with sql_log.storage.engine.begin() as connection:
        statement_id = sql_log.append(connection, draft, sign(draft, KEY))
        with pytest.raises(NotFoundError):
            sql_log.receipt(statement_id)
        assert sql_log.size() == 1
    assert sql_log.receipt(statement_id).index == 1


def test_a_refused_statement_leaves_the_callers_transaction_to_the_caller(sql_log, make_draft):
    draft = make_draft()
    broken = make_draft()
    with sql_log.storage.engine.begin() as connection:
        with pytest.raises(LedgerError):
            sql_log.append(connection, broken, sign(draft, KEY))
        sql_log.append(connection, draft, sign(draft, KEY))
    assert sql_log.receipt(draft.statement.id).index == 1


def test_a_statement_is_recorded_once(sql_log, make_draft):
    draft = make_draft()
    for attempt in range(3):
        if attempt == 2:
            sql_log.receipt(draft.statement.id)
        if attempt:
            with pytest.raises(AdmissionError, match="already recorded"), sql_log.storage.transaction() as connection:
                sql_log.append(connection, draft, sign(draft, KEY))
        else:
            with sql_log.storage.transaction() as connection:
                sql_log.append(connection, draft, sign(draft, KEY))
    require_whole(sql_log)


def test_a_receipt_can_be_had_again_and_later_ones_cover_more(sql_log, record):
    statement_id = record(sql_log)
    first = sql_log.receipt(statement_id)
    assert sql_log.receipt(statement_id) == first
    sql_log.receipt(record(sql_log))
    later = sql_log.receipt(statement_id)
    assert (later.index, later.size) == (first.index, 3)
    for receipt in (first, later):
        verify_proof(receipt.proof, sql_log.entry(1).body, sql_log.vkey)


def test_opening_a_log_again_changes_nothing(make_storage, sql_log, statement_key, log_key):
    checkpoint = sql_log.checkpoint()
    again = Log(make_storage(sql_log.storage.engine), log_key, sql_log.origin)
    again.open(statement_key)
    assert again.checkpoint() == checkpoint
    assert again.size() == 1


def test_a_log_of_another_key_or_origin_is_not_opened(make_storage, sql_log, statement_key, log_key):
    storage = make_storage(sql_log.storage.engine)
    with pytest.raises(LedgerError, match="another log key"):
        Log(storage, SigningKey.generate(), sql_log.origin).open(statement_key)
    with pytest.raises(LedgerError, match="another origin"):
        Log(storage, log_key, "other.example/log").open(statement_key)


def test_a_log_that_was_never_opened_takes_no_statement(make_storage, engine, log_key, make_draft):
    storage = make_storage(engine)
    storage.create()
    log = Log(storage, log_key, "exchange.example/log")
    draft = make_draft()
    if engine.dialect.name == "sqlite":
        with pytest.raises(LedgerError, match="no genesis"), storage.transaction() as connection:
            log.append(connection, draft, sign(draft, KEY))
    with pytest.raises(LedgerError, match="no genesis"):
        log.integrate()
    with pytest.raises(NotFoundError):
        log.checkpoint()
    assert log.head() is None


def test_a_log_opened_by_many_threads_at_once_has_one_genesis(make_storage, engine, log_key, statement_key):
    storage = make_storage(engine)
    storage.create()
    failures = []

    def open_it():
        try:
            Log(make_storage(engine), log_key, "exchange.example/log").open(statement_key, timeout=30)
        except Exception as error:
            failures.append(error)

    _in_threads([open_it] * 6)
    assert failures == []
    log = Log(storage, log_key, "exchange.example/log")
    assert log.size() == 1
    require_whole(log)


def test_threads_appending_at_once_leave_no_gap_and_no_fork(sql_log, record):
    receipts, failures = [], []

    def append():
        try:
            for _ in range(15):
                receipts.append(sql_log.receipt(record(sql_log), timeout=60))
        except Exception as error:
            failures.append(error)

    _in_threads([append] * 8)
    assert failures == []
    assert sorted(receipt.index for receipt in receipts) == list(range(1, 121))
    for receipt in receipts:
        verify_proof(receipt.proof, sql_log.entry(receipt.index).body, sql_log.vkey)
    require_whole(sql_log)


def test_threads_of_an_engine_with_deferred_transactions_wait_for_each_other(sqlite_log, record, log_key):
    """Every own write transaction takes its lock first, so none fails half-way on a stale snapshot."""
    deferred = SqlStorage(sqlite_log.storage.engine.execution_options(writes=False))
    logs = [Log(deferred, log_key, sqlite_log.origin) for _ in range(4)]
    receipts, failures = [], []

    def append(log):
        try:
            for _ in range(15):
                receipts.append(log.receipt(record(log), timeout=60))
        except Exception as error:
            failures.append(error)

    _in_threads([functools.partial(append, log) for log in logs])
    assert failures == []
    assert sorted(receipt.index for receipt in receipts) == list(range(1, 61))
    require_whole(sqlite_log)


@pytest.mark.postgresql
def test_a_lost_connection_is_unavailable_and_the_next_call_gives_the_receipt(postgresql_log, record):
    statement_id = record(postgresql_log)
    mine, other = (postgresql_log.storage.engine.connect() for _ in range(2))
    other.exec_driver_sql("SELECT 1")
    other.close()
    mine.exec_driver_sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    mine.close()
    outcomes = []
    for _ in range(4):
        try:
            outcomes.append(postgresql_log.receipt(statement_id).index)
        except LedgerUnavailableError:
            outcomes.append(None)
    assert outcomes[-1] == 1
    assert set(outcomes) <= {None, 1}
    require_whole(postgresql_log)


@pytest.mark.slow
def test_processes_appending_at_once_leave_no_gap_and_no_fork(sql_log, database_url, start_worker):
    workers = [start_worker(database_url, 25) for _ in range(4)]
    lines = [line for worker in workers for line in worker.communicate(timeout=120)[0].splitlines()]
    assert [worker.returncode for worker in workers] == [0] * 4
    receipts = [Receipt.from_json(json.loads(line)) for line in lines]
    assert sorted(receipt.index for receipt in receipts) == list(range(1, 101))
    for receipt in receipts:
        verify_proof(receipt.proof, sql_log.entry(receipt.index).body, sql_log.vkey)
    require_whole(sql_log)


def test_a_process_killed_between_commit_and_receipt_loses_nothing(sql_log, database_url, start_worker, record):
    """The next caller's receipt integrates the orphan, and the orphan's own receipt can be had later."""
    worker = start_worker(database_url, 3, "--die-after", "1")
    lines = [json.loads(line) for line in worker.communicate(timeout=60)[0].splitlines()]
    assert worker.returncode == -9
    acknowledged, orphan = lines[0], lines[1]["orphan"]
    next_receipt = sql_log.receipt(record(sql_log))
    assert next_receipt.size == 4
    assert sql_log.index_of(orphan) == 2
    assert next_receipt.index == 3
    assert sql_log.receipt(orphan).index == 2
    receipt = Receipt.from_json(acknowledged)
    assert sql_log.receipt(receipt.statement_id).leaf_hash == receipt.leaf_hash
    require_whole(sql_log)


def test_an_orphan_is_integrated_when_the_log_is_opened_again(make_storage, sql_log, record, log_key, statement_key):
    orphan = record(sql_log)
    again = Log(make_storage(sql_log.storage.engine), log_key, sql_log.origin)
    again.open(statement_key)
    assert again.latest().size == 2
    assert again.index_of(orphan) == 1


@pytest.mark.slow
def test_a_process_killed_at_any_moment_leaves_a_whole_log(sql_log, database_url, start_worker, record):
    known = {}
    for round_ in range(6):
        worker = start_worker(database_url, 10_000)
        for _ in range(5 + round_):
            receipt = Receipt.from_json(json.loads(worker.stdout.readline()))
            known[receipt.statement_id] = receipt
        worker.kill()
        for line in worker.communicate()[0].splitlines():
            try:
                receipt = Receipt.from_json(json.loads(line))
            except ValueError:
                continue  # The last line may have been cut.
            known[receipt.statement_id] = receipt
        sql_log.receipt(record(sql_log), timeout=30)
    for receipt in known.values():
        assert sql_log.receipt(receipt.statement_id).leaf_hash == receipt.leaf_hash
        verify_proof(receipt.proof, sql_log.entry(receipt.index).body, sql_log.vkey)
    require_whole(sql_log)


def test_more_pending_statements_than_one_batch_are_all_integrated(sql_log, make_draft):
    drafts = [make_draft() for _ in range(600)]
    with sql_log.storage.engine.begin() as connection:
        for draft in drafts:
            sql_log.append(connection, draft, sign(draft, KEY))
    assert sql_log.receipt(drafts[-1].statement.id, timeout=30).index == 600
    assert sql_log.receipt(drafts[0].statement.id).index == 1
    require_whole(sql_log)


@pytest.mark.postgresql
def test_a_blocked_log_answers_unavailable_in_time_and_gives_the_receipt_later(postgresql_log, record):
    statement_id = record(postgresql_log)
    with postgresql_log.storage.engine.begin() as blocker:
        blocker.execute(sa.text("UPDATE ledger_head SET size = size"))
        started = time.monotonic()
        with pytest.raises(LedgerUnavailableError):
            postgresql_log.receipt(statement_id, timeout=0.5)
        assert time.monotonic() - started < 8
    assert postgresql_log.receipt(statement_id).index == 1


def test_on_sqlite_a_receipt_needs_no_writing_so_nobody_can_block_it(sqlite_log, record):
    statement_id = record(sqlite_log)
    with sqlite_log.storage.engine.begin() as blocker:
        blocker.execute(sa.text("UPDATE ledger_head SET size = size"))
        assert sqlite_log.receipt(statement_id, timeout=0.5).index == 1
        with pytest.raises(LedgerUnavailableError):
            sqlite_log.integrate(timeout=0.2)
    assert sqlite_log.integrate() == 2


def test_a_full_disk_answers_unavailable_and_gives_the_receipt_later(sqlite_log, record, make_draft):
    log, engine = sqlite_log, sqlite_log.storage.engine
    statement_id = record(log)
    engine.dispose()

    def limit(connection, _record):
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}").close()

    sa.event.listen(engine, "connect", limit)
    refused = make_draft(fields={"large": "x" * 100_000})
    with pytest.raises(LedgerUnavailableError, match="full"), engine.begin() as connection:
        log.append(connection, refused, sign(refused, KEY))
    sa.event.remove(engine, "connect", limit)
    engine.dispose()
    assert log.receipt(statement_id).index == 1
    with pytest.raises(NotFoundError):
        log.receipt(refused.statement.id)
    require_whole(log)


@pytest.mark.parametrize("in_a_transaction_of_its_own", [True, False])
def test_a_connection_that_can_only_read_is_not_lent_out_again(
    sqlite_log, sqlite_url, record, make_draft, in_a_transaction_of_its_own
):
    """SQLite opens a file for reading where it cannot for writing, be it for a moment."""
    engine, opened = sqlite_log.storage.engine, []

    def connect(dialect, _record, _arguments, options):
        name = sqlite_url.removeprefix("sqlite:///")
        opened.append("ro" if not opened else "rw")
        return dialect.loaded_dbapi.connect(f"file:{name}?mode={opened[-1]}", uri=True, **options)

    def write():
        if in_a_transaction_of_its_own:
            draft = make_draft()
            return sqlite_log.write([sqlite_log.admit(draft, sign(draft, KEY))]).sequenced.start
        return sqlite_log.receipt(record(sqlite_log)).index

    engine.dispose()
    sa.event.listen(engine, "do_connect", connect)
    with pytest.raises(LedgerUnavailableError, match="readonly"):
        write()
    assert [write(), write()] == [1, 2]
    assert opened == ["ro", "rw"]
    require_whole(sqlite_log)


@pytest.mark.postgresql
def test_waiting_for_another_thread_of_the_process_is_bounded_too(postgresql_log, record):
    statement_id = record(postgresql_log)
    with postgresql_log._turn, pytest.raises(LedgerUnavailableError, match="busy"):
        postgresql_log.receipt(statement_id, timeout=0.2)
    assert postgresql_log.receipt(statement_id).index == 1


def test_the_callers_settings_of_its_connections_are_left_as_they_were(sql_log, record):
    sql_log.receipt(record(sql_log), timeout=30)
    with sql_log.storage.engine.connect() as connection:
        if sql_log.storage.engine.dialect.name == "sqlite":
            assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 10_000
        else:
            assert connection.exec_driver_sql("SHOW lock_timeout").scalar() == "0"
            assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "0"


def test_a_database_that_fails_shows_no_secret_and_no_foreign_error(sql_log, make_draft, record):
    statement_id = record(sql_log)
    draft = make_draft(fields={"note": "TOP-SECRET"})
    with sql_log.storage.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE ledger_openings RENAME TO elsewhere"))
    with pytest.raises(LedgerUnavailableError) as caught, sql_log.storage.engine.begin() as connection:
        sql_log.append(connection, draft, sign(draft, KEY))
    assert "TOP-SECRET" not in str(caught.value)
    assert "TOP-SECRET" not in str(caught.value.__cause__)
    with pytest.raises(LedgerUnavailableError):
        sql_log.openings(statement_id)


@pytest.fixture
def record_many(make_draft):
    """Return a function that records many statements in one transaction and integrates them."""

    def write(log, count, agreement=None):
        numbers = range(1, count + 1)
        drafts = [make_draft(agreement=agreement, counter=number if agreement else None) for number in numbers]
        with log.storage.transaction() as connection:
            log.storage.append_all(connection, [admit(draft, sign(draft, KEY)) for draft in drafts])
        assert log.integrate() == count + 1
        return drafts

    return write


def test_statements_of_one_call_stand_in_its_order_and_are_refused_together(sql_log, record_many, make_draft):
    drafts = record_many(sql_log, 70)
    assert [sql_log.index_of(draft.statement.id) for draft in drafts] == list(range(1, 71))
    fresh = make_draft()
    with pytest.raises(AdmissionError), sql_log.storage.transaction() as connection:
        sql_log.storage.append_all(connection, [admit(draft, sign(draft, KEY)) for draft in (fresh, drafts[0])])
    assert sql_log.integrate() == 71
    for index in range(71):
        receipt = sql_log.receipt(sql_log.entry(index).statement_id)
        verify_proof(receipt.proof, sql_log.entry(index).body, sql_log.vkey)
    require_whole(sql_log)


@pytest.mark.parametrize(
    "change",
    [
        'UPDATE ledger_entries SET body = body WHERE "index" = 0',
        "DELETE FROM ledger_entries",
        "UPDATE ledger_hashes SET hash = hash",
        "DELETE FROM ledger_hashes",
        "UPDATE ledger_checkpoints SET note = 'x'",
        "DELETE FROM ledger_checkpoints",
        "UPDATE ledger_agreements SET counter = 5",
        "DELETE FROM ledger_agreements",
        'UPDATE ledger_statements SET "index" = 5',
        'UPDATE ledger_statements SET "index" = NULL',
        "DELETE FROM ledger_statements",
        "UPDATE ledger_openings SET packed = packed",
        "UPDATE ledger_openings SET packed = :longer",
        "DELETE FROM ledger_openings",
    ],
)
def test_the_database_itself_refuses_to_alter_what_was_written(sql_log, change, record_many):
    record_many(sql_log, 16, agreement=AGREEMENT)
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), sql_log.storage.engine.begin() as connection:
        connection.execute(sa.text(change), {"longer": bytes(9_999)} if "longer" in change else {})
    require_whole(sql_log)


def test_sqlite_refuses_to_replace_evidence(sqlite_log, record_many):
    record_many(sqlite_log, 16, agreement=AGREEMENT)
    log, engine = sqlite_log, sqlite_log.storage.engine
    for table in ("entries", "checkpoints", "openings"):
        change = f"INSERT OR REPLACE INTO ledger_{table} SELECT * FROM ledger_{table} LIMIT 1"  # noqa: S608  # Names of this test only.
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), engine.begin() as connection:
            connection.execute(sa.text(change))
    require_whole(log)


@pytest.mark.postgresql
def test_postgresql_refuses_to_truncate(postgresql_log):
    log, engine = postgresql_log, postgresql_log.storage.engine
    for table in ("entries", "hashes", "checkpoints", "statements", "agreements", "openings"):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), engine.begin() as connection:
            connection.execute(sa.text(f"TRUNCATE ledger_{table}"))
    require_whole(log)


def test_tables_copied_into_another_metadata_bring_their_triggers(engine):
    """Migrations create the ledger's tables from the application's own metadata."""
    copy = sa.MetaData()
    for table in metadata.tables.values():
        table.to_metadata(copy)
    copy.create_all(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO ledger_statements (statement_id) VALUES (:s)"), {"s": bytes(16)})
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM ledger_statements"))


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ('UPDATE ledger_entries SET leaf_hash = :hash WHERE "index" = 1', 0),
        ("UPDATE ledger_hashes SET hash = :hash WHERE position > 60", 0),
    ],
)
def test_a_store_whose_tree_was_altered_gives_no_receipt(sql_log, record, change, wanted):
    statements = [record(sql_log) for _ in range(40)]
    sql_log.receipt(statements[wanted])
    with sql_log.storage.engine.begin() as connection:
        for table in ("ledger_entries", "ledger_hashes"):
            _drop_triggers(connection, table)
        connection.execute(sa.text(change), {"hash": bytes(32)})
    record(sql_log)
    with pytest.raises(LedgerError, match="does not lead to the root"):
        sql_log.receipt(statements[wanted])


def test_a_store_whose_checkpoint_is_of_another_tree_is_not_opened(
    make_storage, sql_log, record, log_key, statement_key
):
    record(sql_log)
    sql_log.integrate()
    with sql_log.storage.engine.begin() as connection:
        _drop_triggers(connection, "ledger_entries")
        connection.execute(
            sa.text('UPDATE ledger_entries SET leaf_hash = :hash WHERE "index" = 1'), {"hash": bytes(32)}
        )
    again = Log(make_storage(sql_log.storage.engine), log_key, sql_log.origin)
    with pytest.raises(VerificationError, match="not of this tree"):
        again.open(statement_key)


def test_a_checkpoint_that_a_power_cut_undid_is_signed_again(make_storage, sql_log, record, log_key, statement_key):
    """Storing a checkpoint does not wait for the disk, since what it signs is durable before it is signed."""
    given = sql_log.receipt(record(sql_log))
    sql_log.integrate()
    lost = sql_log.checkpoint()
    with sql_log.storage.engine.begin() as connection:
        _drop_triggers(connection, "ledger_checkpoints")
        connection.execute(sa.text("DELETE FROM ledger_checkpoints WHERE size = 2"))
    again = Log(make_storage(sql_log.storage.engine), log_key, sql_log.origin)
    again.open(statement_key)
    assert again.checkpoint() == lost
    verify_proof(given.proof, again.entry(1).body, again.vkey)
    assert fsck(again.storage, again.vkey, kept=[lost]).ok


def test_only_checkpoints_do_not_wait_for_the_disk(sqlite_log, record):
    """What a connection is set to for them does not stay on it when it goes back to the pool."""
    for _ in range(3):
        sqlite_log.receipt(record(sqlite_log))
    engine = sqlite_log.storage.engine
    connections = [engine.connect() for _ in range(engine.pool.checkedin())]
    assert connections
    for connection in connections:
        driver = connection.connection.dbapi_connection
        assert driver.execute("PRAGMA synchronous").fetchone() == (2,)
        assert driver.execute("PRAGMA busy_timeout").fetchone() == (10_000,)
        connection.close()


def _drop_triggers(connection, table):
    if connection.dialect.name == "sqlite":
        for event in ("UPDATE", "DELETE", "INSERT"):
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {table}_no_{event}")
    else:
        connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")


def test_another_dialect_is_refused():
    with pytest.raises(LedgerError, match="SQLite and PostgreSQL"):
        SqlStorage(sa.create_mock_engine("mssql+pyodbc://", lambda *_: None))


def test_an_engine_in_its_default_settings_serves_too(tmp_path, open_log, record):
    """The storage depends on no pragma and on no way of beginning transactions."""
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'plain.db'}")
    log = open_log(SqlStorage(engine))
    for _ in range(3):
        log.receipt(record(log))
    require_whole(log)
    engine.dispose()


def test_the_memory_storage_agrees_with_the_databases(sql_log, open_log, make_draft):
    memory = open_log(MemoryStorage())
    drafts = [make_draft() for _ in range(5)]
    for log in (sql_log, memory):
        for draft in drafts:
            with log.storage.transaction() as connection:
                log.append(connection, draft, sign(draft, KEY))
        log.integrate()
    ours = [entry.payload for entry in sql_log.entries(1, 10)]
    assert ours == [entry.payload for entry in memory.entries(1, 10)]
    assert require_whole(memory).size == require_whole(sql_log).size == 6


def _in_threads(functions):
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_the_worker_explains_itself_when_the_database_is_absent(tmp_path, start_worker):
    worker = start_worker(f"sqlite:///{tmp_path / 'none' / 'x.db'}", 1)
    assert isinstance(worker, subprocess.Popen)
    worker.communicate(timeout=30)
    assert worker.returncode == 1
