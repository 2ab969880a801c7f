"""A process that appends to a log, for the tests of several processes and of crashes.

Usage: worker.py URL COUNT [--die-after N] prints one JSON receipt per line.
"""

import json
import os
import secrets
import signal
import sys
from datetime import UTC, datetime
from typing import Any

import pysqlite3.dbapi2
import sqlalchemy as sa

from ledger.entry import Statement, commit, sign
from ledger.identifiers import new_id
from ledger.log import Log
from ledger.signatures import SigningKey
from ledger.storage.sql import SqlStorage


def make_engine(url: str) -> sa.Engine:
    """Return an engine configured as in production: WAL, synchronous=FULL, writers begin IMMEDIATE."""
    if not url.startswith("sqlite"):
        return sa.create_engine(url, pool_size=20)
    engine = sa.create_engine(
        url,
        module=pysqlite3.dbapi2,
        connect_args={"isolation_level": None, "timeout": 10, "check_same_thread": False},
        pool_size=20,
    )

    def configure(connection: Any, _record: Any) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000"):
            connection.execute(f"PRAGMA {pragma}").close()

    def begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("writes", True)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    sa.event.listen(engine, "connect", configure)
    sa.event.listen(engine, "begin", begin)
    return engine


def main(url: str, count: int, die_after: int | None) -> None:
    engine = make_engine(url)
    log = Log(SqlStorage(engine), SigningKey.from_seed(b"L" * 32), "exchange.example/log")
    key = SigningKey.from_seed(b"P" * 32)
    for number in range(count):
        now = datetime.now(UTC)
        statement = Statement(
            "dataset.offered", new_id(now), "2026-11-20T08:00:00Z", {"pid": os.getpid()}, "x", "custodial"
        )
        draft = commit(statement, lambda _: secrets.token_bytes(32))
        with engine.begin() as connection:
            log.append(connection, draft, sign(draft, key))
        if number == die_after:
            print(json.dumps({"orphan": statement.id}), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        print(json.dumps(log.receipt(statement.id, timeout=60).to_json()), flush=True)


if __name__ == "__main__":
    dies = int(sys.argv[4]) if len(sys.argv) > 4 else None
    main(sys.argv[1], int(sys.argv[2]), dies)
