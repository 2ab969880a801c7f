"""Logs to measure, set up as the exchange sets up its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from exchange.database import make_engine
from ledger.highwater import FileHighWater
from ledger.log import Log
from ledger.signatures import SigningKey
from ledger.storage.sql import SqlStorage

ORIGIN = "exchange.example/log"
_LOG_KEY = SigningKey.from_seed(b"L" * 32)
_STATEMENT_KEY = SigningKey.from_seed(b"S" * 32)


@contextlib.contextmanager
def log_in(folder: Path, name: str = "ledger") -> Iterator[Log[sa.Connection]]:
    """Yield the log of a new SQLite database in a folder; it is as durable as the exchange's."""
    engine = make_engine(f"sqlite:///{folder / name}.db")
    storage = SqlStorage(engine)
    storage.create()
    log = Log(storage, _LOG_KEY, ORIGIN, high_water=FileHighWater(folder / f"{name}.mark"))
    log.open(_STATEMENT_KEY)
    try:
        yield log
    finally:
        engine.dispose()
