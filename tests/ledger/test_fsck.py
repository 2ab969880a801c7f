"""A whole-log check finds every kind of tampering and names the entry, on both dialects."""

import shutil
import uuid

import pytest
import sqlalchemy as sa

from ledger import checkpoint
from ledger.entry import Entry, entry_bytes
from ledger.errors import SignatureError, VerificationError
from ledger.fsck import fsck
from ledger.hashing import leaf_hash
from ledger.highwater import FileHighWater
from ledger.signatures import SigningKey
from ledger.storage.sql import SqlStorage
from ledger.tree import KEPT_LEVEL, Frontier, completed, position

AGREEMENT = "urn:uuid:0190a000-0000-7000-8000-0000000000aa"
TABLES = ("entries", "hashes", "checkpoints", "statements", "agreements", "openings")


@pytest.fixture
def filled(sql_log, record):
    """A log of ten entries: genesis, 1 to 4, and an agreement of five statements at 5 to 9."""
    for _ in range(4):
        record(sql_log)
        sql_log.integrate()
    for counter in range(1, 6):
        record(sql_log, agreement=AGREEMENT, counter=counter)
        sql_log.integrate()
    return sql_log


class Attacker:
    """Someone with full rights on the database."""

    def __init__(self, log):
        self.engine = log.storage.engine
        with self.engine.begin() as connection:
            for table in TABLES:
                self._disarm(connection, f"ledger_{table}")

    def _disarm(self, connection, table):
        if connection.dialect.name == "sqlite":
            for event in ("UPDATE", "DELETE", "INSERT"):
                connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {table}_no_{event}")
        else:
            connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")

    def do(self, change, **values):
        with self.engine.begin() as connection:
            return connection.execute(sa.text(change), values)

    def body(self, index):
        with self.engine.connect() as connection:
            return connection.execute(
                sa.text('SELECT body FROM ledger_entries WHERE "index" = :i'), {"i": index}
            ).scalar_one()

    def set_body(self, index, body):
        self.do('UPDATE ledger_entries SET body = :body WHERE "index" = :i', body=body, i=index)

    def set_leaf(self, index, leaf):
        self.do('UPDATE ledger_entries SET leaf_hash = :leaf WHERE "index" = :i', leaf=leaf, i=index)

    def rebuild_tree(self, size):
        """Make chain, hashes and head consistent with the bodies, as a careful attacker would."""
        previous, leaves = None, []
        for index in range(size):
            entry = Entry.parse(self.body(index))
            body = entry_bytes(index, previous, entry.payload, entry.signature)
            self.set_body(index, body)
            previous = leaf_hash(body)
            self.set_leaf(index, previous)
            leaves.append(previous)
        frontier, created = Frontier().extend(leaves)
        self.do("DELETE FROM ledger_hashes")
        grown = [subtree for index in range(size) for subtree in completed(index)]
        for subtree, value in zip(grown, created, strict=True):
            if subtree[0] >= KEPT_LEVEL:
                self.do("INSERT INTO ledger_hashes (position, hash) VALUES (:p, :h)", p=position(*subtree), h=value)
        self.do(
            "UPDATE ledger_head SET size = :s, frontier = :f, last_leaf = :l",
            s=size,
            f=frontier.to_bytes(),
            l=previous,
        )


def found(log, **options):
    report = fsck(log.storage, log.vkey, **options)
    return {(problem.index, problem.check) for problem in report.problems}


def test_an_untouched_log_is_whole(filled):
    seen = []
    report = fsck(filled.storage, filled.vkey, progress=lambda done, total: seen.append((done, total)))
    assert report.ok
    assert report.problems == []
    assert (report.size, report.root, report.checkpoints) == (10, filled.root(10), 10)
    assert report.pinned
    assert seen[-1] == (10, 10)
    assert report.to_json()["ok"] is True


def test_what_is_recorded_during_the_check_is_no_problem(filled, record):
    checkpoints = filled.storage.checkpoints

    def grow(done, total):
        record(filled)
        filled.integrate()

    report = fsck(filled.storage, filled.vkey, progress=grow)
    assert report.problems == []
    assert (report.size, report.checkpoints) == (10, 10)
    assert len(list(checkpoints())) == 20


def test_what_is_public_is_checked_without_the_openings(filled):
    attacker = Attacker(filled)
    genesis = uuid.UUID(filled.entry(0).statement_id).bytes
    attacker.do("DELETE FROM ledger_openings WHERE statement_id <> :s", s=genesis)
    report = fsck(filled.storage, filled.vkey, openings=False)
    assert report.ok
    assert not report.to_json()["openings"]
    assert (report.size, report.root, report.checkpoints) == (10, filled.root(10), 10)
    assert fsck(filled.storage, openings=False).vkey == filled.vkey
    attacker.set_body(4, attacker.body(4).replace(b"dataset.offered", b"dataset.removed"))
    assert (4, "tree") in found(filled, openings=False)
    attacker.do("DELETE FROM ledger_openings")
    assert {problem.check for problem in fsck(filled.storage, openings=False).problems} == {"tree", "checkpoint"}


@pytest.mark.parametrize("together", [1, 3, 1000])
def test_signatures_are_checked_together_and_each_problem_is_named_in_order(filled, monkeypatch, together):
    monkeypatch.setattr("ledger.together.AT_ONCE", together)
    attacker = Attacker(filled)
    attacker.do("UPDATE ledger_checkpoints SET note = 'x' WHERE size IN (3, 10)")
    for index in (2, 6, 9):
        attacker.set_body(index, attacker.body(index).replace(b"T08:00:00Z", b"T09:00:00Z"))
    problems = fsck(filled.storage, filled.vkey, workers=3).problems
    assert [(problem.index, problem.check) for problem in problems if problem.check != "tree"] == [
        (2, "signature"),
        (6, "signature"),
        (9, "signature"),
        (None, "checkpoint"),
        (None, "checkpoint"),
    ]


def test_without_a_key_the_one_in_the_genesis_is_used_and_said_so(filled):
    report = fsck(filled.storage)
    assert report.ok
    assert not report.pinned
    assert report.vkey == filled.vkey


def test_an_edited_entry_is_named(filled):
    attacker = Attacker(filled)
    attacker.set_body(4, attacker.body(4).replace(b"dataset.offered", b"dataset.removed"))
    assert (4, "tree") in found(filled)
    assert {index for index, _ in found(filled)} == {4}


def test_an_edited_entry_with_its_leaf_hash_is_named_by_its_neighbours(filled):
    attacker = Attacker(filled)
    body = attacker.body(4).replace(b"dataset.offered", b"dataset.removed")
    attacker.set_body(4, body)
    attacker.set_leaf(4, leaf_hash(body))
    problems = found(filled)
    assert (5, "chain") in problems
    assert (4, "opening") in problems


def test_a_history_rewritten_throughout_is_found_by_the_signed_checkpoints(filled):
    attacker = Attacker(filled)
    attacker.set_body(4, attacker.body(4).replace(b"T08:00:00Z", b"T09:00:00Z"))
    attacker.rebuild_tree(10)
    report = fsck(filled.storage, filled.vkey)
    checks = {problem.check for problem in report.problems}
    assert {"checkpoint", "signature"} <= checks
    details = [problem.detail for problem in report.problems if problem.check == "checkpoint"]
    assert len(details) == 6
    assert "size 5" in details[0]
    assert "entry 4 was changed" in details[0]
    assert "one of the entries 4 to 9 was changed" in details[-1]
    assert {problem.index for problem in report.problems} == {4}


def test_a_deleted_entry_is_named(filled):
    attacker = Attacker(filled)
    attacker.do('DELETE FROM ledger_entries WHERE "index" = 4')
    problems = fsck(filled.storage, filled.vkey).problems
    assert (4, "entry") in {(problem.index, problem.check) for problem in problems}
    assert {problem.index for problem in problems} == {4}


def test_an_inserted_entry_is_named(filled, make_draft):
    attacker = Attacker(filled)
    attacker.do('UPDATE ledger_entries SET "index" = "index" + 100 WHERE "index" >= 6')
    attacker.do('UPDATE ledger_entries SET "index" = "index" - 99 WHERE "index" >= 100')
    body = attacker.body(5).replace(b'"index":"5"', b'"index":"6"')
    attacker.do(
        'INSERT INTO ledger_entries ("index", leaf_hash, body) VALUES (6, :leaf, :body)',
        leaf=leaf_hash(body),
        body=body,
    )
    assert {(6, "chain"), (6, "entry"), (7, "entry")} <= found(filled)


def test_swapped_entries_are_both_named(filled):
    attacker = Attacker(filled)
    third, fourth = attacker.body(3), attacker.body(4)
    attacker.set_body(3, fourth)
    attacker.set_body(4, third)
    problems = found(filled)
    for index in (3, 4):
        assert {(index, "entry"), (index, "tree")} <= problems


def cut(attacker, size):
    """Leave the first entries, as if there had never been more."""
    attacker.do('DELETE FROM ledger_entries WHERE "index" >= :size', size=size)
    for table in ("statements", "agreements"):
        attacker.do(f'DELETE FROM ledger_{table} WHERE "index" NOT IN (SELECT "index" FROM ledger_entries)')  # noqa: S608
    attacker.rebuild_tree(size)


def test_a_tail_that_is_missing_is_named_from_its_first_entry_on(filled):
    attacker = Attacker(filled)
    attacker.do('DELETE FROM ledger_entries WHERE "index" >= 8')
    assert (8, "head") in found(filled)
    assert (8, "checkpoint") in found(filled)
    assert {index for index, check in found(filled) if check != "statement"} == {8}


def test_a_log_cut_short_is_found_by_its_checkpoints(filled):
    cut(Attacker(filled), 8)
    problems = fsck(filled.storage, filled.vkey).problems
    assert [(problem.index, problem.check) for problem in problems] == [(8, "checkpoint")] * 2
    assert all("cut short" in problem.detail for problem in problems)


def test_a_log_rolled_back_with_its_checkpoints_is_found_by_a_kept_one(filled):
    kept = filled.checkpoint()
    attacker = Attacker(filled)
    attacker.do("DELETE FROM ledger_checkpoints WHERE size > 8")
    cut(attacker, 8)
    assert found(filled) == set()
    assert found(filled, kept=[kept]) == {(8, "checkpoint")}


@pytest.fixture
def histories(tmp_path, open_log, record, make_engine):
    """A log of eleven entries, its backup of six, and a second history that grew from the backup under the same key.

    The log's checkpoints at every size are kept.
    """
    engine = make_engine(f"sqlite:///{tmp_path / 'live.db'}")
    log, kept = open_log(SqlStorage(engine)), []
    for number in range(10):
        if number == 5:
            engine.dispose()
            for name in ("backup", "fork"):
                shutil.copy(tmp_path / "live.db", tmp_path / f"{name}.db")
        log.receipt(record(log))
        kept.append(log.checkpoint())
    engine.dispose()
    engines = [make_engine(f"sqlite:///{tmp_path / name}.db") for name in ("backup", "fork")]
    backup, fork = (open_log(SqlStorage(engine)) for engine in engines)
    for _ in range(10):
        fork.receipt(record(fork))
    yield log, backup, fork, kept
    for engine in engines:
        engine.dispose()


def test_a_log_replaced_by_its_backup_is_found_by_a_kept_checkpoint_and_a_receipt(histories):
    _, backup, _, kept = histories
    assert found(backup) == set()
    problems = fsck(backup.storage, backup.vkey, kept=kept).problems
    assert {(problem.index, problem.check) for problem in problems} == {(6, "checkpoint")}
    assert all("cut short" in problem.detail for problem in problems)
    assert len(problems) == 5


def test_a_fork_is_named_by_kept_checkpoints_with_the_entry_at_which_it_parts(histories):
    """Whoever holds the log key can sign another history; readers who kept checkpoints see it."""
    log, _, fork, kept = histories
    assert found(fork) == set()
    problems = fsck(fork.storage, log.vkey, kept=kept[::-1]).problems
    assert {(problem.index, problem.check) for problem in problems} == {(6, "checkpoint")}
    assert "of size 7 is of another tree: entry 6 was changed" in problems[0].detail
    assert "of size 11 is of another tree: one of the entries 6 to 10 was changed" in problems[-1].detail
    # With one checkpoint alone all that is known is that an entry below it is another one.
    (found_by_one,) = fsck(fork.storage, log.vkey, kept=kept[-1:]).problems
    assert (found_by_one.index, found_by_one.check) == (None, "checkpoint")
    assert "one of the entries 0 to 10" in found_by_one.detail


def test_an_index_that_stands_twice_is_named(filled):
    """The primary key forbids it, so the attacker takes that away first; a careful one gives both the same bytes."""
    attacker = Attacker(filled)
    if filled.storage.engine.dialect.name == "sqlite":
        attacker.do("ALTER TABLE ledger_entries RENAME TO was")
        attacker.do("CREATE TABLE ledger_entries AS SELECT * FROM was")
    else:
        attacker.do("ALTER TABLE ledger_entries DROP CONSTRAINT ledger_entries_pkey CASCADE")
    assert found(filled) == {(None, "file")}
    attacker.do('INSERT INTO ledger_entries SELECT * FROM ledger_entries WHERE "index" = 6')
    assert found(filled) == {(None, "file"), (6, "entry")}
    details = [problem.detail for problem in fsck(filled.storage, filled.vkey).problems]
    assert details == [
        "stands there more than once",
        "the table ledger_entries has lost its primary key, so a place in it may be taken twice",
    ]


def test_a_changed_predecessor_alone_is_named(filled):
    attacker = Attacker(filled)
    entry = Entry.parse(attacker.body(6))
    attacker.set_body(6, entry_bytes(6, bytes(32), entry.payload, entry.signature))
    assert {(6, "chain"), (6, "tree")} == found(filled)


def test_a_changed_tree_alone_is_named(filled, record):
    for _ in range(6):
        record(filled)
    filled.integrate()
    attacker = Attacker(filled)
    attacker.do("UPDATE ledger_hashes SET hash = :h WHERE position = :p", h=bytes(32), p=position(KEPT_LEVEL, 0))
    assert found(filled) == {(15, "tree")}
    attacker.do("DELETE FROM ledger_hashes WHERE position = :p", p=position(KEPT_LEVEL, 0))
    assert found(filled) == {(15, "tree")}
    attacker.set_leaf(5, bytes(32))
    assert (5, "tree") in found(filled)


def test_a_statement_that_was_filed_and_never_integrated_is_found(filled):
    attacker = Attacker(filled)
    add = 'INSERT INTO ledger_statements (statement_id, "index") VALUES (:s, :i)'
    for number, index in enumerate((None, 3, 99)):
        attacker.do(add, s=bytes([number]) * 16, i=index)
    attacker.do("INSERT INTO ledger_agreements (agreement, counter) VALUES (:a, 7)", a=uuid.UUID(AGREEMENT).bytes)
    problems = fsck(filled.storage, filled.vkey).problems
    assert [problem.check for problem in problems] == ["statement"] * 4
    assert any(f"statement 7 of {AGREEMENT}" in problem.detail for problem in problems)
    for number in range(3):
        assert any(f"{number:02x}" * 4 in problem.detail for problem in problems)


def test_a_changed_head_is_found(filled):
    Attacker(filled).do("UPDATE ledger_head SET frontier = :f", f=bytes(64))
    assert found(filled) == {(None, "head")}


def test_a_forged_checkpoint_is_found(filled):
    attacker = Attacker(filled)
    attacker.do("UPDATE ledger_checkpoints SET root = :r WHERE size = 5", r=bytes(32))
    attacker.do("UPDATE ledger_checkpoints SET note = 'x' WHERE size = 6")
    details = [problem.detail for problem in fsck(filled.storage, filled.vkey).problems]
    assert any("filed as size 5" in detail for detail in details)
    assert any("does not hold" in detail for detail in details)
    assert len(details) == 2


def test_a_changed_opening_is_named(filled):
    attacker = Attacker(filled)
    with attacker.engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT statement_id, packed FROM ledger_openings"))
        packed = {bytes(row.statement_id): bytes(row.packed) for row in rows}
    change = "UPDATE ledger_openings SET packed = :p WHERE statement_id = :s"
    for index, altered in (
        (3, lambda data: data[:-1] + bytes([data[-1] ^ 1])),
        (4, lambda data: data[:100]),
        (6, lambda data: b""),
    ):
        key = uuid.UUID(filled.entry(index).statement_id).bytes
        attacker.do(change, p=altered(packed[key]), s=key)
    attacker.do("DELETE FROM ledger_openings WHERE statement_id = :s", s=uuid.UUID(filled.entry(2).statement_id).bytes)
    assert found(filled) == {(index, "opening") for index in (2, 3, 4, 6)}


@pytest.mark.parametrize("most", [512, 0])
def test_where_statements_stand_is_found_among_neighbours_and_one_by_one(filled, monkeypatch, most):
    monkeypatch.setattr("ledger.storage.sql.statements.MOST_BETWEEN", most)
    assert found(filled) == set()
    attacker = Attacker(filled)
    attacker.do('UPDATE ledger_statements SET "index" = 5 WHERE "index" = 6')
    attacker.do('UPDATE ledger_agreements SET "index" = 8 WHERE "index" = 7')
    assert found(filled) >= {(6, "entry"), (7, "entry")}


def test_a_statement_filed_under_another_agreement_is_named(filled):
    Attacker(filled).do("UPDATE ledger_agreements SET counter = 9 WHERE counter = 3")
    assert found(filled) == {(7, "entry")}


def test_a_gap_in_an_agreements_counter_is_named(filled, record):
    filled.receipt(record(filled, agreement=AGREEMENT, counter=7))
    assert found(filled) == {(10, "counter")}


def test_a_check_that_remembers_little_at_once_finds_the_same(filled, record, monkeypatch):
    monkeypatch.setattr("ledger.fsck._COUNTERS_IN_MEMORY", 1)
    other = AGREEMENT[:-1] + "b"
    for agreement, counter in ((other, 1), (AGREEMENT, 6), (other, 3), (AGREEMENT, 7), (other, 4)):
        filled.receipt(record(filled, agreement=agreement, counter=counter))
    assert found(filled) == {(12, "counter")}


def test_an_erased_opening_is_counted_and_no_problem(filled, erase):
    erase(filled, filled.entry(3).statement_id, "number")
    filled.integrate()
    report = fsck(filled.storage, filled.vkey)
    assert report.ok
    assert report.erased == 1


def test_another_key_does_not_verify_the_log(filled):
    other = checkpoint.vkey(filled.origin, SigningKey.generate().public)
    report = fsck(filled.storage, other)
    assert len(report.problems) == 10
    assert {problem.check for problem in report.problems} == {"checkpoint"}
    with pytest.raises(SignatureError):
        fsck(filled.storage, "nonsense")


def test_a_database_replaced_by_its_backup_is_refused_by_the_high_water_mark(tmp_path, open_log, record, make_engine):
    """The same attack that fsck needs a kept checkpoint for is stopped where the log key is kept."""
    mark = FileHighWater(tmp_path / "mark")
    engine = make_engine(f"sqlite:///{tmp_path / 'live.db'}")
    log = open_log(SqlStorage(engine), high_water=mark)
    log.receipt(record(log))
    engine.dispose()
    shutil.copy(tmp_path / "live.db", tmp_path / "backup.db")
    log.receipt(record(log))
    engine.dispose()
    restored = make_engine(f"sqlite:///{tmp_path / 'backup.db'}")
    with pytest.raises(VerificationError, match="old copy"):
        open_log(SqlStorage(restored), high_water=mark)
    restored.dispose()
