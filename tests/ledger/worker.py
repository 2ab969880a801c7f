"""A process that appends to a log, for the tests of several processes and of crashes.

Usage: worker.py URL KEYS COUNT [--die-after N] [--mark FILE] [--sequence] prints one JSON receipt per line.
KEYS is the folder of the openings' keys, for PostgreSQL. With --sequence it contends for the turn.
"""

import argparse
import json
import os
import secrets
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pysqlite3.dbapi2
import sqlalchemy as sa

from ledger.entry import Statement, commit, sign
from ledger.highwater import FileHighWater
from ledger.identifiers import new_id
from ledger.log import Log
from ledger.openingkeys import OpeningKeys
from ledger.signatures import SigningKey
from ledger.storage.sql import SqlStorage, forget_readonly


def make_engine(url: str) -> sa.Engine:
    """Return an engine configured as in production: WAL, synchronous=FULL, writers begin IMMEDIATE."""
    if not url.startswith("sqlite"):
        return sa.create_engine(
            url, pool_size=20, pool_pre_ping=True, connect_args={"application_name": str(os.getpid())}
        )
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
    forget_readonly(engine)
    return engine


def open_log(url: str, keys: str, mark: str | None = None) -> Log[Any]:
    """Return the log of a URL as a process of the exchange has it."""
    sealed = None if url.startswith("sqlite") else OpeningKeys(Path(keys))
    high_water = None if mark is None else FileHighWater(Path(mark))
    storage = SqlStorage(make_engine(url), sealed)
    return Log(storage, SigningKey.from_seed(b"L" * 32), "exchange.example/log", high_water=high_water)


def main(options: argparse.Namespace) -> None:
    log = open_log(options.url, options.keys, options.mark)
    if options.sequence:
        log.start()
    key = SigningKey.from_seed(b"P" * 32)
    for number in range(options.count):
        now = datetime.now(UTC)
        statement = Statement(
            "dataset.offered", new_id(now), "2026-11-20T08:00:00Z", {"pid": os.getpid()}, "x", "custodial"
        )
        draft = commit(statement, lambda _: secrets.token_bytes(32))
        with log.storage.transaction() as connection:
            log.append(connection, draft, sign(draft, key))
        if number == options.die_after:
            print(json.dumps({"orphan": statement.id}), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        print(json.dumps(log.receipt(statement.id, timeout=60).to_json()), flush=True)
    log.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("keys")
    parser.add_argument("count", type=int)
    parser.add_argument("--die-after", type=int)
    parser.add_argument("--mark")
    parser.add_argument("--sequence", action="store_true")
    main(parser.parse_args())
