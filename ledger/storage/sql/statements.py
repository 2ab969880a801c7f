"""The SQL statements of the log, built once."""

from typing import Any

import sqlalchemy as sa

from ledger.storage.sql.schema import NO_CHECKPOINT, checkpoints, entries, hashes, head, openings, pending, statements

BATCH = 256
"""How many entries one transaction sequences or reads at most."""

ADD_STATEMENT = sa.insert(statements)
ADD_OPENING = sa.insert(openings)
ADD_PENDING = sa.insert(pending)
ADD_ENTRY = sa.insert(entries)
ADD_HASH = sa.insert(hashes)
PENDING_COLUMNS = ("statement_id", "payload", "signature")
OLDEST_PENDING = sa.select(pending).order_by(pending.c.arrival).limit(BATCH)

_wanted: sa.BindParameter[Any] = sa.bindparam("wanted", type_=sa.Text)
_index = entries.c["index"]
_latest = sa.select(checkpoints).order_by(checkpoints.c.size.desc()).limit(1).subquery()
# One statement, so that what it says is consistent on both databases at any isolation level.
VIEW = sa.select(
    head.c.size,
    head.c.frontier,
    _latest.c.size.label("checkpoint_size"),
    _latest.c.root,
    _latest.c.note,
    sa.select(sa.literal(1)).where(statements.c.statement_id == _wanted).scalar_subquery().label("known"),
    sa.select(_index).where(entries.c.statement_id == _wanted).scalar_subquery().label("entry_index"),
).select_from(head.outerjoin(_latest, sa.true()))
HEAD = sa.select(head.c.size, head.c.frontier, head.c.last_leaf)
HEAD_FOR_UPDATE = HEAD.with_for_update()
TOUCH_HEAD = sa.update(head).values(size=head.c.size)
MOVE_HEAD = (
    sa.update(head)
    .where(head.c.size == sa.bindparam("old_size"))
    .values(size=sa.bindparam("new_size"), frontier=sa.bindparam("frontier"), last_leaf=sa.bindparam("last_leaf"))
)
# On PostgreSQL, all that sequencing a batch writes travels in one statement.
SEQUENCE = sa.text("""
    WITH added AS (
        INSERT INTO ledger_entries ("index", statement_id, body)
        SELECT * FROM unnest(CAST(:indexes AS bigint[]), CAST(:ids AS text[]), CAST(:bodies AS bytea[]))
    ), hashed AS (
        INSERT INTO ledger_hashes (position, hash)
        SELECT * FROM unnest(CAST(:positions AS bigint[]), CAST(:hashes AS bytea[]))
    ), taken AS (
        DELETE FROM ledger_pending WHERE arrival = ANY (CAST(:arrivals AS bigint[]))
    )
    UPDATE ledger_head SET size = :new_size, frontier = :frontier, last_leaf = :last_leaf
    WHERE size = :old_size
""")
# The new checkpoint names the latest as its predecessor and must be larger. Two writers at once name
# the same predecessor, which the unique constraint grants to one.
_predecessor = sa.func.coalesce(sa.func.max(checkpoints.c.size), NO_CHECKPOINT)
_new_size: sa.BindParameter[int] = sa.bindparam("new_size", type_=sa.BigInteger)
ADD_CHECKPOINT = sa.insert(checkpoints).from_select(
    ["size", "previous", "root", "note"],
    sa.select(
        _new_size,
        _predecessor,
        sa.bindparam("root", type_=sa.LargeBinary),
        sa.bindparam("note", type_=sa.Text),
    ).having(_predecessor < _new_size),
)
LIMITS = sa.text("SELECT set_config('lock_timeout', :limit, true), set_config('statement_timeout', :limit, true)")

HASHES = sa.select(hashes).where(hashes.c.position.in_(sa.bindparam("positions", expanding=True)))
BODIES = (
    sa.select(_index.label("entry_index"), entries.c.body)
    .where(_index >= sa.bindparam("start"), _index < sa.bindparam("stop"))
    .order_by(_index)
    .limit(BATCH)
)
OPENINGS = (
    sa.select(openings)
    .where(openings.c.statement_id.in_(sa.bindparam("wanted", expanding=True)))
    .order_by(openings.c.statement_id, openings.c.field)
)
RECORDS = (
    sa.select(
        _index.label("entry_index"),
        entries.c.statement_id,
        statements.c.agreement,
        statements.c.counter,
        entries.c.body,
    )
    .select_from(entries.outerjoin(statements, statements.c.statement_id == entries.c.statement_id))
    .where(_index >= sa.bindparam("start"), _index < sa.bindparam("stop"))
    .order_by(_index)
    .limit(BATCH)
)
HASH_RANGE = sa.select(hashes).where(
    hashes.c.position >= sa.bindparam("start"), hashes.c.position < sa.bindparam("stop")
)
UNPLACED = (
    sa.select(statements.c.statement_id)
    .where(
        ~sa.exists().where(entries.c.statement_id == statements.c.statement_id),
        ~sa.exists().where(pending.c.statement_id == statements.c.statement_id),
    )
    .order_by(statements.c.statement_id)
)
OF_AGREEMENT = (
    sa.select(entries.c.body)
    .select_from(entries.join(statements, statements.c.statement_id == entries.c.statement_id))
    .where(statements.c.agreement == sa.bindparam("agreement"))
    .order_by(_index)
)
