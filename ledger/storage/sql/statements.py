"""The SQL of the log, in the driver's own words: what runs at every append is not built anew each time.

A question mark stands for a parameter; `spelled` gives a text in the spelling of a database's driver.
"""

import functools

BATCH = 256
"""How many entries one transaction sequences or reads at most; the texts say it in figures."""
NO_CHECKPOINT = -1
"""What the first checkpoint names as its predecessor."""

AT_ONCE = (64, 16, 4, 1)
"""How many rows one INSERT brings on SQLite. There are so few sizes that each is prepared once and for all."""


def spelled(text: str, *, sqlite: bool) -> str:
    """Return a text with the placeholders of the driver: `?` on SQLite, `%s` on PostgreSQL."""
    return text if sqlite else text.replace("?", "%s")


@functools.lru_cache(maxsize=64)
def rows(text: str, columns: int, count: int) -> str:
    """Return an INSERT of so many rows."""
    row = f"({', '.join('?' * columns)})"
    return f"{text} {', '.join([row] * count)}"


# One statement, so that what it says is consistent on both databases at any isolation level.
VIEW = """
    SELECT h.size, h.frontier, c.size, c.root, c.note, s.statement_id, s."index", e.leaf_hash
    FROM ledger_head h
    LEFT JOIN (SELECT size, root, note FROM ledger_checkpoints ORDER BY size DESC LIMIT 1) c ON true
    LEFT JOIN ledger_statements s ON s.statement_id = ?
    LEFT JOIN ledger_entries e ON e."index" = s."index"
"""

# Each of these is followed by one row of parameters or several.
ADD_STATEMENTS = 'INSERT INTO ledger_statements (statement_id, "index") VALUES'
ADD_AGREEMENTS = 'INSERT INTO ledger_agreements (agreement, counter, "index") VALUES'
ADD_OPENINGS = "INSERT INTO ledger_openings (statement_id, subject, packed) VALUES"
ADD_ENTRIES = 'INSERT INTO ledger_entries ("index", leaf_hash, body) VALUES'
ADD_HASHES = "INSERT INTO ledger_hashes (position, hash) VALUES"
MOVE_HEAD = """
    UPDATE ledger_head SET size = ?, frontier = ?, last_leaf = ? WHERE id = 1 AND size = ? AND last_leaf IS ?"""
# Writing first takes SQLite's lock before anything is read that could go stale.
LOCK_HEAD_SQLITE = "UPDATE ledger_head SET size = size RETURNING size, frontier, last_leaf"
HEAD = "SELECT size, frontier, last_leaf FROM ledger_head"
LOCK_HEAD_POSTGRESQL = "SELECT size, frontier, last_leaf FROM ledger_head FOR UPDATE"
FOUND = "INSERT INTO ledger_head (id, size, frontier) VALUES (1, 0, ?) ON CONFLICT DO NOTHING"

# On PostgreSQL all that a step writes travels in one statement, and so does all that sequencing a batch writes.
APPEND = """
    WITH given AS (
        SELECT * FROM unnest(?::bytea[], ?::bytea[], ?::bigint[], ?::bytea[], ?::bytea[], ?::bytea[], ?::bytea[])
        WITH ORDINALITY AS g (id, agreement, counter, subject, packed, payload, signature, place)
    ), known AS (
        INSERT INTO ledger_statements (statement_id) SELECT id FROM given
    ), counted AS (
        INSERT INTO ledger_agreements (agreement, counter)
        SELECT agreement, counter FROM given WHERE agreement IS NOT NULL
    ), opened AS (
        INSERT INTO ledger_openings (statement_id, subject, packed) SELECT id, subject, packed FROM given
    )
    INSERT INTO ledger_pending (statement_id, agreement, counter, payload, signature)
    SELECT id, agreement, counter, payload, signature FROM given ORDER BY place"""
OLDEST_PENDING = """
    SELECT arrival, statement_id, agreement, counter, payload, signature
    FROM ledger_pending ORDER BY arrival LIMIT 256"""
NEWEST_PENDING = "SELECT max(arrival) FROM ledger_pending"
IS_PENDING = "SELECT EXISTS (SELECT 1 FROM ledger_pending WHERE arrival <= ?)"
# Besides the entries, which come by COPY where they are many.
SEQUENCE = """
    WITH hashed AS (
        INSERT INTO ledger_hashes (position, hash) SELECT * FROM unnest(?::bigint[], ?::bytea[])
    ), taken AS (
        DELETE FROM ledger_pending WHERE arrival = ANY (?::bigint[])
    ), given AS (
        SELECT * FROM unnest(?::bytea[], ?::bytea[], ?::bigint[], ?::bigint[]) AS g (id, agreement, counter, place)
    ), placed AS (
        UPDATE ledger_statements s SET "index" = given.place
        FROM given WHERE s.statement_id = given.id RETURNING 1
    ), counted AS (
        UPDATE ledger_agreements a SET "index" = given.place
        FROM given WHERE a.agreement = given.agreement AND a.counter = given.counter
    ), moved AS (
        UPDATE ledger_head SET size = ?, frontier = ?, last_leaf = ? WHERE size = ? RETURNING 1
    )
    SELECT (SELECT count(*) FROM placed), (SELECT count(*) FROM moved)"""
SEQUENCE_FEW = SEQUENCE.replace(
    "WITH hashed AS",
    """WITH added AS (
        INSERT INTO ledger_entries ("index", leaf_hash, body) SELECT * FROM unnest(?::bigint[], ?::bytea[], ?::bytea[])
    ), hashed AS""",
)
COPY_ENTRIES = 'COPY ledger_entries ("index", leaf_hash, body) FROM STDIN (FORMAT BINARY)'
COPY_TYPES = ("int8", "bytea", "bytea")
# The log's place among PostgreSQL's advisory locks: whoever holds it sequences.
TURN = int.from_bytes(b"ledger/1", "big")
LEAD = f"SELECT pg_try_advisory_lock({TURN})"
LEAD_ONCE = f"SELECT pg_try_advisory_xact_lock({TURN})"
WORK, DONE = "ledger_work", "ledger_done"
CALL = "SELECT pg_notify(?, '')"
LIMITS = """
    SELECT set_config('lock_timeout', ?, true), set_config('statement_timeout', ?, true),
        set_config('synchronous_commit', CASE
            WHEN ?::boolean THEN coalesce(nullif(current_setting('synchronous_commit'), 'off'), 'on')
            ELSE 'off' END, true)"""

# The new checkpoint names the latest as its predecessor and must be larger. Two writers at once name
# the same predecessor, which the unique constraint grants to one.
ADD_CHECKPOINT = """
    INSERT INTO ledger_checkpoints (size, previous, root, note)
    SELECT n.size, n.previous, n.root, n.note FROM (
        SELECT CAST(? AS bigint) AS size, CAST(? AS {bytes}) AS root, CAST(? AS text) AS note,
            coalesce((SELECT max(size) FROM ledger_checkpoints), -1) AS previous
    ) n WHERE n.previous < n.size"""
CHECKPOINTS = "SELECT size, root, note FROM ledger_checkpoints WHERE size > ? ORDER BY size LIMIT 256"

LEAVES = 'SELECT leaf_hash FROM ledger_entries WHERE "index" >= ? AND "index" < ? ORDER BY "index"'
BODIES = """
    SELECT "index", leaf_hash, body FROM ledger_entries
    WHERE "index" >= ? AND "index" < ? ORDER BY "index" LIMIT 256"""
# Identifiers are ordered by their time, so those of neighbours on the log are mostly neighbours here. No more rows
# are wanted than twice as many as there are entries; where there are more between, they are asked for one by one.
PLACES_BETWEEN = """
    SELECT statement_id, "index" FROM ledger_statements WHERE statement_id BETWEEN ? AND ? LIMIT 512"""
COUNTED_BETWEEN = """
    SELECT agreement, counter, "index" FROM ledger_agreements WHERE agreement BETWEEN ? AND ? LIMIT 512"""
MOST_BETWEEN = 512
# `{among}` becomes the list of what is wanted, in the form of each database.
PLACES = 'SELECT statement_id, "index" FROM ledger_statements WHERE statement_id {among}'
OPENED = "SELECT statement_id, subject, packed FROM ledger_openings WHERE statement_id {among}"
COUNTED = """
    SELECT a.agreement, a.counter, a."index" FROM {pairs} JOIN ledger_agreements a
    ON a.agreement = given.agreement AND a.counter = given.counter"""
PAIRS_SQLITE = "(SELECT column1 AS agreement, column2 AS counter FROM (VALUES {rows})) AS given"
PAIRS_POSTGRESQL = "unnest(%s::bytea[], %s::bigint[]) AS given (agreement, counter)"
WANTED_LEAVES = 'SELECT 0, "index", leaf_hash FROM ledger_entries WHERE "index" {among}'
WANTED_HASHES = "SELECT 1, position, hash FROM ledger_hashes WHERE position {among}"
HASH_RANGE = "SELECT position, hash FROM ledger_hashes WHERE position >= ? AND position < ?"
OF_AGREEMENT = """
    SELECT e.body FROM ledger_agreements a JOIN ledger_entries e ON e."index" = a."index"
    WHERE a.agreement = ? ORDER BY e."index"
"""
# A statement without a place in the log, or one of several at the same place, is not what an entry records.
UNPLACED = """
    SELECT s.statement_id FROM ledger_statements s CROSS JOIN ledger_head h
    WHERE (s."index" IS NULL OR s."index" < 0 OR s."index" >= h.size)
    AND NOT EXISTS (SELECT 1 FROM ledger_pending p WHERE p.statement_id = s.statement_id)
    ORDER BY s.statement_id"""
UNCOUNTED = """
    SELECT a.agreement, a.counter FROM ledger_agreements a CROSS JOIN ledger_head h
    WHERE (a."index" IS NULL OR a."index" < 0 OR a."index" >= h.size)
    AND NOT EXISTS (SELECT 1 FROM ledger_pending p WHERE p.agreement = a.agreement AND p.counter = a.counter)
    ORDER BY a.agreement, a.counter"""
IS_CROWDED = """
    SELECT (SELECT count(*) FROM ledger_statements WHERE "index" IS NOT NULL) > size FROM ledger_head"""
CROWDED = """
    SELECT statement_id, "index" FROM (
        SELECT statement_id, "index", count(*) OVER (PARTITION BY "index") AS together
        FROM ledger_statements WHERE "index" IS NOT NULL
    ) AS s WHERE together > 1 ORDER BY statement_id"""

OPENINGS = "SELECT subject, packed FROM ledger_openings WHERE statement_id = ?"
ERASE = "UPDATE ledger_openings SET packed = ? WHERE statement_id = ? AND packed = ?"
NOTE_ERASURE = "INSERT INTO ledger_erasures (statement_id, field, subject) VALUES (?, ?, ?)"
ERASURES = "SELECT statement_id, field, subject FROM ledger_erasures"
FORGET_ERASURE = "DELETE FROM ledger_erasures WHERE statement_id = ? AND field = ?"
