"""An erased opening is gone from the files of the database, and every proof still holds."""

import secrets

import pytest
import sqlalchemy as sa

from ledger.entry import Erased, Opening
from ledger.errors import LedgerUnavailableError, NotFoundError
from ledger.fsck import fsck
from ledger.receipt import verify_proof


def test_proofs_and_the_other_openings_survive_an_erasure(log, record):
    statement_id = record(log, fields={"name": "Li Hua", "step": 1})
    before = log.receipt(statement_id)
    order = record(log, kind="opening.erased")
    with log.storage.transaction() as connection:
        log.erase(connection, statement_id, "name", by=order)
    openings = log.openings(statement_id)
    assert openings["name"] == Erased(by=order)
    assert isinstance(openings["step"], Opening)
    assert log.receipt(statement_id).leaf_hash == before.leaf_hash
    verify_proof(before.proof, log.entry(before.index).body, log.vkey)
    log.integrate()
    report = fsck(log.storage, log.vkey)
    assert report.ok
    assert report.erased == 1


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


@pytest.mark.parametrize("size", [40, 40_000])
def test_value_and_salt_are_gone_from_the_files_of_sqlite(tmp_path, sqlite_log, record, size):
    log, engine = sqlite_log, sqlite_log.storage.engine
    value = "SECRET" + secrets.token_hex(size // 2)
    statement_id = record(log, fields={"name": value})
    for _ in range(20):
        record(log)
    log.receipt(statement_id)
    salt = log.openings(statement_id)["name"].salt
    assert _files_hold(tmp_path, value[:40].encode())
    assert _files_hold(tmp_path, salt)
    with engine.begin() as connection:
        log.erase(connection, statement_id, "name")
    with engine.connect() as connection:
        connection.connection.dbapi_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    assert not _files_hold(tmp_path, value[:20].encode())
    assert not _files_hold(tmp_path, value[-30:].encode())
    assert not _files_hold(tmp_path, salt)
    assert fsck(log.storage, log.vkey).ok


def _files_hold(folder, needle):
    return any(needle in path.read_bytes() for path in folder.glob("ledger.db*"))


def test_a_failing_database_is_said_so(sql_log, record):
    statement_id = record(sql_log)
    with sql_log.storage.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE ledger_openings RENAME TO elsewhere"))
    with pytest.raises(LedgerUnavailableError), sql_log.storage.engine.begin() as connection:
        sql_log.erase(connection, statement_id, "number")
