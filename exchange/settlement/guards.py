"""Triggers that keep the book's promises even against a faulty program: nothing booked is altered, every entry balances.

A JournalEntry is written after its postings. The trigger on its insert sees all legs and refuses it unless there are
two or more, in one currency, that sum to zero; from then on a trigger on postings refuses another leg. The foreign
key of a posting is checked at the commit, so legs without an entry never stay.
"""

from __future__ import annotations

from sqlalchemy.engine import Connection

_FROZEN = ("posting", "journal_entry")
_KEPT = ("account", "escrow")

_UNBALANCED = """
    (SELECT COUNT(*) FROM posting WHERE entry_id = NEW.id) < 2
    OR (SELECT SUM(amount_fen) FROM posting WHERE entry_id = NEW.id) <> 0
    OR (SELECT COUNT(DISTINCT account.currency) FROM posting JOIN account ON account.id = posting.account_id
        WHERE posting.entry_id = NEW.id) <> 1
"""
_CLOSED = "EXISTS (SELECT 1 FROM journal_entry WHERE id = NEW.entry_id)"
_ACCOUNT_CHANGED = " OR ".join(
    f"NEW.{name} <> OLD.{name}" for name in ("id", "owner", "kind", "subject", "currency", "may_be_negative")
)
_ESCROW_CHANGED = "OLD.state <> 'held' OR " + " OR ".join(
    f"NEW.{name} <> OLD.{name}"
    for name in ("id", "agreement_id", "consumer_id", "provider_id", "amount_fen", "currency")
)

# name, event, table, condition under which it is refused, what the error says
_CONDITIONAL = (
    ("journal_entry_balances", "INSERT", "journal_entry", _UNBALANCED, "The postings do not sum to zero."),
    ("posting_entry_closed", "INSERT", "posting", _CLOSED, "The journal entry is closed."),
    ("account_fixed", "UPDATE", "account", _ACCOUNT_CHANGED, "Only the balance of an account changes."),
    ("escrow_settled_once", "UPDATE", "escrow", _ESCROW_CHANGED, "An escrow is settled once."),
)


def create_guards(connection: Connection) -> None:
    """Create the triggers on `connection` (SQLite or PostgreSQL) where the tables exist; repeatable.

    A refused statement raises sqlalchemy.exc.IntegrityError.
    """
    statements = _sqlite() if connection.dialect.name == "sqlite" else _postgresql()
    for statement in statements:
        connection.exec_driver_sql(statement)


def _refusals() -> list[tuple[str, str, str, str]]:
    """Return name, event, table and message of the refusals that need no condition."""
    frozen = [
        (f"{table}_no_{event.lower()}", event, table, f"A row of {table} is never altered or removed.")
        for table in _FROZEN
        for event in ("UPDATE", "DELETE")
    ]
    kept = [(f"{table}_no_delete", "DELETE", table, f"A row of {table} is never removed.") for table in _KEPT]
    return frozen + kept


def _sqlite() -> list[str]:
    plain = [
        f"CREATE TRIGGER IF NOT EXISTS {name} BEFORE {event} ON {table} BEGIN SELECT RAISE(ABORT, '{message}'); END"
        for name, event, table, message in _refusals()
    ]
    conditional = [
        f"CREATE TRIGGER IF NOT EXISTS {name} BEFORE {event} ON {table} WHEN {condition} "
        f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
        for name, event, table, condition, message in _CONDITIONAL
    ]
    return plain + conditional


def _postgresql() -> list[str]:
    statements = []
    for name, event, table, message in _refusals():
        statements += [
            _function(name, _raise(message)),
            f"CREATE OR REPLACE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION guard_{name}()",
        ]
    for name, event, table, condition, message in _CONDITIONAL:
        statements += [
            _function(name, f"IF {condition} THEN {_raise(message)} END IF; RETURN NEW;"),
            f"CREATE OR REPLACE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION guard_{name}()",
        ]
    for table in (*_FROZEN, *_KEPT):
        name = f"{table}_no_truncate"
        statements += [
            _function(name, _raise(f"The rows of {table} are never removed.")),
            f"CREATE OR REPLACE TRIGGER {name} BEFORE TRUNCATE ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION guard_{name}()",
        ]
    return statements


def _raise(message: str) -> str:
    return f"RAISE EXCEPTION USING MESSAGE = '{message}', ERRCODE = 'integrity_constraint_violation';"


def _function(name: str, body: str) -> str:
    return f"CREATE OR REPLACE FUNCTION guard_{name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$"
