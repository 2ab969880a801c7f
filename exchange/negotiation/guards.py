"""Triggers that keep what was agreed as it was signed, even against a faulty program."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from exchange.negotiation.models import FIXED

_MESSAGE = "A signed agreement does not change."
_EVENT_MESSAGE = "A step of a negotiation is never altered or removed."
_TABLES = ("agreement", "negotiation_event")


def create_guards(connection: Connection) -> None:
    """Create the triggers on `connection` (SQLite or PostgreSQL) where the tables exist; repeatable.

    A refused statement raises sqlalchemy.exc.IntegrityError.
    """
    statements = _sqlite() if connection.dialect.name == "sqlite" else _postgresql()
    for statement in statements:
        connection.exec_driver_sql(statement)


def _changed(differs: str, cast: str) -> str:
    """Return the condition that a fixed column changes, that a signature is replaced, or that an end is undone."""
    fixed = [f"NEW.{name}{cast} {differs} OLD.{name}{cast}" for name in FIXED]
    signature = (
        f"(OLD.consumer_signature IS NOT NULL AND NEW.consumer_signature{cast} {differs} OLD.consumer_signature{cast})"
    )
    ended = "(OLD.state = 'terminated' AND NEW.state <> 'terminated')"
    return " OR ".join([*fixed, signature, ended])


def _sqlite() -> list[str]:
    def trigger(name: str, event: str, table: str, message: str, condition: str = "") -> str:
        return (
            f"CREATE TRIGGER IF NOT EXISTS {name} BEFORE {event} ON {table} {condition} "
            f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
        )

    return [
        trigger("agreement_fixed", "UPDATE", "agreement", _MESSAGE, f"WHEN {_changed('IS NOT', '')}"),
        trigger("agreement_no_delete", "DELETE", "agreement", _MESSAGE),
        trigger("negotiation_event_no_update", "UPDATE", "negotiation_event", _EVENT_MESSAGE),
        trigger("negotiation_event_no_delete", "DELETE", "negotiation_event", _EVENT_MESSAGE),
    ]


def _postgresql() -> list[str]:
    def trigger(name: str, event: str, table: str, message: str, condition: str = "") -> list[str]:
        refusal = f"RAISE EXCEPTION USING MESSAGE = '{message}', ERRCODE = 'integrity_constraint_violation';"
        body = f"IF {condition} THEN {refusal} END IF; RETURN NEW;" if condition else refusal
        each = "STATEMENT" if event == "TRUNCATE" else "ROW"
        return [
            f"CREATE OR REPLACE FUNCTION guard_{name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$",
            f"CREATE OR REPLACE TRIGGER {name} BEFORE {event} ON {table} "
            f"FOR EACH {each} EXECUTE FUNCTION guard_{name}()",
        ]

    # JSON has no equality there, so values are compared as text.
    changed = _changed("IS DISTINCT FROM", "::text")
    return [
        *trigger("agreement_fixed", "UPDATE", "agreement", _MESSAGE, changed),
        *trigger("agreement_no_delete", "DELETE", "agreement", _MESSAGE),
        *trigger("negotiation_event_no_update", "UPDATE", "negotiation_event", _EVENT_MESSAGE),
        *trigger("negotiation_event_no_delete", "DELETE", "negotiation_event", _EVENT_MESSAGE),
        *(line for table in _TABLES for line in trigger(f"{table}_no_truncate", "TRUNCATE", table, _MESSAGE)),
    ]
