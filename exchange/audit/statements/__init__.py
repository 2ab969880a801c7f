"""The typed statements of the exchange: every kind that is recorded, with its fields, who signs it and what it does.

`STATEMENTS` is the schema that the log checks at admission; `table` makes docs/statements.md of it.
"""

from __future__ import annotations

from exchange.audit.statements.kinds import ALL, SECTIONS
from ledger.schema import Schema

STATEMENTS = Schema.of(ALL, "exchange/audit/statements")

__all__ = ["ALL", "SECTIONS", "STATEMENTS"]
