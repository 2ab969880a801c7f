"""The ledger's tables, and the triggers by which the database itself keeps them append-only.

`metadata.create_all` makes both on SQLite and on PostgreSQL. Ids, which are `urn:uuid:` in statements,
are the 16 bytes of the UUID here, and nothing that an entry's bytes say is kept a second time, but for
its statement's id, agreement and counter, which the database itself keeps unique.
"""

from typing import Any

import sqlalchemy as sa

from ledger.hashing import HASH_SIZE

metadata = sa.MetaData()
_BigInteger = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _hash_column(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, sa.CheckConstraint(f"length({name}) = {HASH_SIZE}"), nullable=False)


# Where the entry of a statement stands, and that of an agreement's n-th statement. The index is set once: at
# once on SQLite, when the statement is sequenced on PostgreSQL.
statements = sa.Table(
    "ledger_statements",
    metadata,
    sa.Column("statement_id", sa.LargeBinary, primary_key=True),
    sa.Column("index", _BigInteger),
    sqlite_with_rowid=False,
)
agreements = sa.Table(
    "ledger_agreements",
    metadata,
    sa.Column("agreement", sa.LargeBinary, primary_key=True),
    sa.Column("counter", _BigInteger, primary_key=True, autoincrement=False),
    sa.Column("index", _BigInteger),
    sqlite_with_rowid=False,
)
# Salts and values as `ledger.storage.sql.openings` packs them: in the clear where `subject` is empty, else
# sealed under the keys of that subject.
openings = sa.Table(
    "ledger_openings",
    metadata,
    sa.Column("statement_id", sa.LargeBinary, primary_key=True),
    sa.Column("subject", sa.LargeBinary),
    sa.Column("packed", sa.LargeBinary, nullable=False),
)
# Erasures whose traces are still to be removed: what a commit cannot do, and what a crash must not forget.
erasures = sa.Table(
    "ledger_erasures",
    metadata,
    sa.Column("statement_id", sa.LargeBinary, primary_key=True),
    sa.Column("field", sa.Text, primary_key=True),
    sa.Column("subject", sa.LargeBinary),
    sqlite_with_rowid=False,
)
pending = sa.Table(
    "ledger_pending",
    metadata,
    sa.Column("arrival", _BigInteger, primary_key=True, autoincrement=True),
    sa.Column("statement_id", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("agreement", sa.LargeBinary),
    sa.Column("counter", _BigInteger),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    _hash_column("signature"),
)
# The leaf hash stands before the body, so that proofs are built without reading the bodies' pages.
entries = sa.Table(
    "ledger_entries",
    metadata,
    sa.Column("index", _BigInteger, primary_key=True, autoincrement=False),
    _hash_column("leaf_hash"),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
# Subtrees of `ledger.tree.KEPT_LEVEL` and above; the smaller ones are computed from their leaves.
hashes = sa.Table(
    "ledger_hashes",
    metadata,
    sa.Column("position", _BigInteger, primary_key=True, autoincrement=False),
    _hash_column("hash"),
)
head = sa.Table(
    "ledger_head",
    metadata,
    sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    sa.Column("size", _BigInteger, nullable=False),
    sa.Column("frontier", sa.LargeBinary, nullable=False),
    sa.Column("last_leaf", sa.LargeBinary),
)
# Two checkpoints cannot name the same predecessor, so inserting one is a compare-and-swap.
checkpoints = sa.Table(
    "ledger_checkpoints",
    metadata,
    sa.Column("size", _BigInteger, primary_key=True, autoincrement=False),
    sa.Column("previous", _BigInteger, nullable=False, unique=True),
    _hash_column("root"),
    sa.Column("note", sa.Text, nullable=False),
    sa.CheckConstraint("previous < size", name="ledger_checkpoints_grow"),
)
NO_CHECKPOINT = -1

_IMMUTABLE = (entries, hashes, checkpoints)
_SQLITE_REFUSAL = """
CREATE TRIGGER {table}_no_{event} BEFORE {event} ON {table} {condition}
BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"""
_POSTGRESQL_FUNCTION = """
CREATE OR REPLACE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '%% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation'; END $$"""
_POSTGRESQL_REFUSAL = """
CREATE TRIGGER {table}_no_{event} BEFORE {event} ON {table} FOR EACH {level} {condition}
EXECUTE FUNCTION ledger_refuse()"""


def _ddl(text: str, dialect: str) -> Any:
    return sa.DDL(text).execute_if(dialect=dialect)  # type: ignore[no-untyped-call]  # Untyped in SQLAlchemy.


def _refuse(table: sa.Table, event: str, condition: str = "") -> None:
    """Let the database itself refuse an event on a table, whoever asks; also on the table's copies."""
    sa.event.listen(table, "before_create", _ddl(_POSTGRESQL_FUNCTION, "postgresql"), propagate=True)
    level = "STATEMENT" if event == "TRUNCATE" else "ROW"
    for dialect, template in (("sqlite", _SQLITE_REFUSAL), ("postgresql", _POSTGRESQL_REFUSAL)):
        if dialect == "sqlite" and event == "TRUNCATE":
            continue
        when = f"WHEN ({condition})" if condition else ""
        text = template.format(table=table.name, event=event, level=level, condition=when)
        sa.event.listen(table, "after_create", _ddl(text, dialect), propagate=True)


for _table in _IMMUTABLE:
    _refuse(_table, "UPDATE")
for _table in (*_IMMUTABLE, statements, agreements, openings):
    _refuse(_table, "DELETE")
    _refuse(_table, "TRUNCATE")
# A statement gets its index, once, and nothing else.
_indexed = 'OLD."index" IS NOT NULL OR NEW."index" IS NULL OR '
_refuse(statements, "UPDATE", _indexed + "NEW.statement_id <> OLD.statement_id")
_refuse(agreements, "UPDATE", _indexed + "NEW.agreement <> OLD.agreement OR NEW.counter <> OLD.counter")
# Openings can be erased, which leaves less of them, and nothing else.
_refuse(openings, "UPDATE", "length(NEW.packed) >= length(OLD.packed) OR NEW.statement_id <> OLD.statement_id")
# SQLite deletes without asking the triggers when an INSERT says OR REPLACE, so the taken keys refuse it. Asking
# costs a third of an append, so only evidence is kept so; a check of the log finds the rest from the entries.
for _table, _same in (
    (entries, '"index" = NEW."index"'),
    (checkpoints, "size = NEW.size OR previous = NEW.previous"),
    (openings, "statement_id = NEW.statement_id"),
):
    _taken = f"WHEN EXISTS (SELECT 1 FROM {_table.name} WHERE {_same})"  # noqa: S608  # Names of this file only.
    _text = _SQLITE_REFUSAL.format(table=_table.name, event="INSERT", condition=_taken)
    sa.event.listen(_table, "after_create", _ddl(_text, "sqlite"), propagate=True)
