"""Processes that append to a log until they are killed, for the tests of crashes.

Usage: children.py. It reads one order a line, as JSON, and answers each with a number: for an order to work it forks a process,
which costs a hundredth of starting Python, and says its id; for an order to wait it says how that process ended.
"""

import ctypes
import json
import os
import runpy
import secrets
import sys
import threading
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg  # noqa: F401 - loaded once, before any fork
import pysqlite3.dbapi2  # noqa: F401
import sqlalchemy as sa

from ledger.entry import Statement, commit, sign
from ledger.errors import LedgerError
from ledger.highwater import FileHighWater
from ledger.identifiers import new_id
from ledger.log import Log
from ledger.openingkeys import OpeningKeys
from ledger.signatures import SigningKey
from ledger.standalone import StandaloneLog
from ledger.storage.sql import SqlStorage

ORIGIN = "exchange.example/log"
KEY, STATEMENT_KEY, PARTY = (SigningKey.from_seed(seed * 32) for seed in (b"L", b"S", b"P"))
make_engine = runpy.run_path(str(Path(__file__).parents[1] / "worker.py"))["make_engine"]
_PR_SET_PTRACER, _ANYBODY = 0x59616D61, ctypes.c_ulong(-1)


def open_log(url: str, keys: str, mark: str | None, pragmas: dict[str, Any] | None = None) -> Log[Any]:
    """Return a log whose process is configured as in production, save for the pragmas that are named."""
    engine = make_engine(url)

    def configure(connection: Any, _record: Any) -> None:
        for name, value in (pragmas or {}).items():
            connection.execute(f"PRAGMA {name} = {value}").close()

    if pragmas:
        sa.event.listen(engine, "connect", configure)
    sealed = None if url.startswith("sqlite") else OpeningKeys(Path(keys))
    high_water = None if mark is None else FileHighWater(Path(mark))
    return Log(SqlStorage(engine, sealed), KEY, ORIGIN, high_water=high_water)


def signed(identifier: str) -> tuple[Any, Any]:
    """Return a signed statement of that id. Whom it is about changes, so that keys of new subjects are made on the way."""
    statement = Statement(
        "dataset.offered", identifier, "2026-11-20T08:00:00Z", {"pid": os.getpid()}, identifier, "custodial"
    )
    draft = commit(statement, lambda _: secrets.token_bytes(32))
    return draft, sign(draft, PARTY)


class Child:
    """One forked process: `threads` threads append `count` statements each and note every receipt, or error, they get."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.order = order
        self.log = open_log(order["url"], order["keys"], order.get("mark"), order.get("pragmas"))
        self.notes = os.open(order["notes"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.writers = StandaloneLog(self.log)

    def run(self) -> None:
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _ANYBODY, 0, 0, 0)
        if self.order.get("opens", True):
            self.log.open(STATEMENT_KEY, timeout=30)
        if self.order.get("sequences"):
            self.log.start()
        for gate in self.order.get("gates", ()):
            Path(gate).mkdir()
            while Path(gate).exists():
                time.sleep(0.001)
            self.append(getattr(self, self.order["how"]))
        threads = [threading.Thread(target=self._appends) for _ in range(self.order.get("threads", 1) - 1)]
        for thread in threads:
            thread.start()
        self._appends()
        for thread in threads:
            thread.join()

    def _appends(self) -> None:
        how: Callable[[str], Any] = getattr(self, self.order["how"])
        for _ in range(self.order.get("count", 1_000_000)):
            self.append(how)
            time.sleep(self.order.get("pause", 0))

    def append(self, how: Callable[[str], Any]) -> None:
        identifier = new_id(datetime.now(UTC))
        try:
            receipt = how(identifier)
        except LedgerError as error:
            self.note(error=type(error).__name__, words=str(error), statement_id=identifier)
        except BaseException:
            self.note(error="foreign", words=traceback.format_exc(), statement_id=identifier)
            raise
        else:
            self.note(**receipt.to_json())

    def note(self, **what: Any) -> None:
        """Acknowledge: whatever stands in the file of notes was said to somebody."""
        # By a call that the log does not make, so that a fault can be meant for the one or the other.
        os.writev(self.notes, [b"\n" + json.dumps(what).encode() + b"\n"])

    def record(self, identifier: str) -> Any:
        """Append as a step of the exchange does: with a row of its own, in one transaction; then ask for the receipt."""
        draft, signature = signed(identifier)
        with self.log.storage.transaction() as connection:
            connection.execute(sa.text("INSERT INTO steps (id) VALUES (:id)"), {"id": identifier})
            self.log.append(connection, draft, signature)
        return self.log.receipt(identifier, timeout=self.order.get("timeout", 60))

    def group(self, identifier: str) -> Any:
        """Append to a log of its own, where writers share a commit."""
        return self.writers.record(*signed(identifier), timeout=self.order.get("timeout", 60))

    def hasty(self, identifier: str) -> Any:
        """Acknowledge before the commit: what no log may do, and what the tests must find."""
        self.note(statement_id=identifier, index="0", leaf_hash="00" * 32, proof="", size="0")
        return self.group(identifier)


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            answer = os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1])
        elif (answer := os.fork()) == 0:
            try:
                Child(order).run()
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        print(answer, flush=True)


if __name__ == "__main__":
    main()
