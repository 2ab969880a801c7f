"""The SQL of the log, for SQLite and for PostgreSQL. Parameters are named in both."""

from ledger.storage.sql.schema import NO_CHECKPOINT

BATCH = 256
"""How many entries one transaction sequences or reads at most."""

# One statement, so that what it says is consistent on both databases at any isolation level.
VIEW = """
    SELECT h.size, h.frontier, c.size, c.root, c.note, s.statement_id IS NOT NULL, s."index"
    FROM ledger_head h
    LEFT JOIN (SELECT size, root, note FROM ledger_checkpoints ORDER BY size DESC LIMIT 1) c ON true
    LEFT JOIN ledger_statements s ON s.statement_id = :wanted
"""

# On SQLite, a statement becomes an entry in the caller's transaction. Writing first takes SQLite's lock before
# anything is read that could go stale.
LOCK_HEAD = "UPDATE ledger_head SET size = size RETURNING size, frontier, last_leaf"
ADD_STATEMENT = 'INSERT INTO ledger_statements (statement_id, "index") VALUES (?, ?)'
ADD_AGREEMENT = 'INSERT INTO ledger_agreements (agreement, counter, "index") VALUES (?, ?, ?)'
ADD_OPENING = "INSERT INTO ledger_openings (statement_id, field, salt, value) VALUES (?, ?, ?, ?)"
ADD_ENTRY = 'INSERT INTO ledger_entries ("index", leaf_hash, body) VALUES (?, ?, ?)'
ADD_HASH = "INSERT INTO ledger_hashes (position, hash) VALUES (?, ?)"
MOVE_HEAD = """
    UPDATE ledger_head SET size = :new_size, frontier = :frontier, last_leaf = :last_leaf WHERE size = :old_size
"""

# On PostgreSQL it is left as pending first, and all that either step writes travels in one statement.
RECORD = """
    WITH given AS (
        SELECT * FROM unnest(CAST(:ids AS bytea[]), CAST(:agreements AS bytea[]), CAST(:counters AS bigint[]),
                             CAST(:payloads AS bytea[]), CAST(:signatures AS bytea[]))
             WITH ORDINALITY AS g (id, agreement, counter, payload, signature, place)
    ), known AS (
        INSERT INTO ledger_statements (statement_id) SELECT id FROM given
    ), counted AS (
        INSERT INTO ledger_agreements (agreement, counter)
        SELECT agreement, counter FROM given WHERE agreement IS NOT NULL
    ), opened AS (
        INSERT INTO ledger_openings (statement_id, field, salt, value)
        SELECT * FROM unnest(CAST(:opened AS bytea[]), CAST(:fields AS text[]), CAST(:salts AS bytea[]),
                             CAST(:values AS bytea[]))
    )
    INSERT INTO ledger_pending (statement_id, agreement, counter, payload, signature)
    SELECT id, agreement, counter, payload, signature FROM given ORDER BY place
"""
LOCK_HEAD_ROW = "SELECT size, frontier, last_leaf FROM ledger_head FOR UPDATE"
OLDEST_PENDING = f"""
    SELECT arrival, statement_id, agreement, counter, payload, signature
    FROM ledger_pending ORDER BY arrival LIMIT {BATCH}
"""  # noqa: S608  # A number of this file.
SEQUENCE = """
    WITH added AS (
        INSERT INTO ledger_entries ("index", leaf_hash, body)
        SELECT * FROM unnest(CAST(:indexes AS bigint[]), CAST(:leaves AS bytea[]), CAST(:bodies AS bytea[]))
    ), hashed AS (
        INSERT INTO ledger_hashes (position, hash)
        SELECT * FROM unnest(CAST(:positions AS bigint[]), CAST(:hashes AS bytea[]))
    ), taken AS (
        DELETE FROM ledger_pending WHERE arrival = ANY (CAST(:arrivals AS bigint[]))
    ), given AS (
        SELECT * FROM unnest(CAST(:ids AS bytea[]), CAST(:agreements AS bytea[]), CAST(:counters AS bigint[]),
                             CAST(:indexes AS bigint[])) AS g (id, agreement, counter, place)
    ), placed AS (
        UPDATE ledger_statements AS s SET "index" = given.place
        FROM given WHERE s.statement_id = given.id RETURNING 1
    ), counted AS (
        UPDATE ledger_agreements AS a SET "index" = given.place
        FROM given WHERE a.agreement = given.agreement AND a.counter = given.counter
    ), moved AS (
        UPDATE ledger_head SET size = :new_size, frontier = :frontier, last_leaf = :last_leaf
        WHERE size = :old_size RETURNING 1
    )
    SELECT (SELECT count(*) FROM placed), (SELECT count(*) FROM moved)
"""
LIMITS = """
    SELECT set_config('lock_timeout', :limit, true), set_config('statement_timeout', :limit, true),
           set_config('synchronous_commit',
                      CASE WHEN :durable THEN current_setting('synchronous_commit') ELSE 'off' END, true)
"""

# The new checkpoint names the latest as its predecessor and must be larger. Two writers at once name
# the same predecessor, which the unique constraint grants to one.
ADD_CHECKPOINT = f"""
    INSERT INTO ledger_checkpoints (size, previous, root, note)
    SELECT :size, latest.size, :root, :note
    FROM (SELECT coalesce(max(size), {NO_CHECKPOINT}) AS size FROM ledger_checkpoints) AS latest
    WHERE latest.size < :size
"""  # noqa: S608  # A number of this package.
CHECKPOINTS = f"""
    SELECT size, root, note FROM ledger_checkpoints WHERE size > :after ORDER BY size LIMIT {BATCH}
"""  # noqa: S608  # A number of this file.

# `{wanted}` becomes the list of what is wanted, in the form of each database.
HASHES = "SELECT position, hash FROM ledger_hashes WHERE position {wanted}"
LEAVES = """SELECT "index", leaf_hash FROM ledger_entries WHERE "index" {wanted}"""
OPENINGS = """
    SELECT statement_id, field, salt, value, erased_by FROM ledger_openings
    WHERE statement_id {wanted} ORDER BY statement_id, field
"""
PLACES = 'SELECT statement_id, "index" FROM ledger_statements WHERE statement_id {wanted}'
COUNTED = """
    SELECT a.agreement, a.counter, a."index" FROM {pairs} JOIN ledger_agreements a
    ON a.agreement = given.agreement AND a.counter = given.counter
"""
PAIRS = "unnest(CAST(:agreements AS bytea[]), CAST(:counters AS bigint[])) AS given (agreement, counter)"
PAIRS_OF_SQLITE = "(SELECT column1 AS agreement, column2 AS counter FROM (VALUES {rows})) AS given"
BODIES = f"""
    SELECT "index", leaf_hash, body FROM ledger_entries
    WHERE "index" >= :start AND "index" < :stop ORDER BY "index" LIMIT {BATCH}
"""  # noqa: S608  # A number of this file.
HASH_RANGE = "SELECT position, hash FROM ledger_hashes WHERE position >= :start AND position < :stop"
# A statement without a place in the log, or one of several at the same place, is not what an entry records.
UNPLACED = """
    SELECT s.statement_id FROM ledger_statements s CROSS JOIN ledger_head h
    WHERE (s."index" IS NULL OR s."index" < 0 OR s."index" >= h.size)
      AND NOT EXISTS (SELECT 1 FROM ledger_pending p WHERE p.statement_id = s.statement_id)
    ORDER BY s.statement_id
"""
UNCOUNTED = """
    SELECT a.agreement, a.counter FROM ledger_agreements a CROSS JOIN ledger_head h
    WHERE (a."index" IS NULL OR a."index" < 0 OR a."index" >= h.size)
      AND NOT EXISTS (SELECT 1 FROM ledger_pending p WHERE p.agreement = a.agreement AND p.counter = a.counter)
    ORDER BY a.agreement, a.counter
"""
CROWDED = """
    SELECT statement_id, "index" FROM (
        SELECT statement_id, "index", count(*) OVER (PARTITION BY "index") AS together
        FROM ledger_statements WHERE "index" IS NOT NULL
    ) AS s WHERE together > 1 ORDER BY statement_id
"""
IS_CROWDED = """
    SELECT (SELECT count(*) FROM ledger_statements WHERE "index" IS NOT NULL) > size FROM ledger_head
"""
OF_AGREEMENT = """
    SELECT e.body FROM ledger_entries e JOIN ledger_agreements a ON a."index" = e."index"
    WHERE a.agreement = :agreement ORDER BY e."index"
"""
