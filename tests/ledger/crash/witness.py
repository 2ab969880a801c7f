"""What a test of crashes remembers: every receipt that was ever given out, held against the log as it is after the crash."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ledger.errors import LedgerError
from ledger.fsck import fsck
from ledger.hashing import leaf_hash
from ledger.log import Log
from ledger.receipt import Receipt, parse_proof, verify_proof


@dataclass
class Memory:
    """The receipts and refusals that the processes noted in a file, read as far as they were written."""

    path: Path
    receipts: list[Receipt] = field(default_factory=list)
    refusals: list[dict[str, str]] = field(default_factory=list)
    _read: int = 0

    def listen(self) -> list[Receipt]:
        """Take in what was noted since the last time, and return its receipts; a line that was cut waits for its end."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(self._read)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        return self.take([note for line in whole.splitlines() if (note := _note(line)) is not None])

    def take(self, notes: list[dict[str, Any]]) -> list[Receipt]:
        """Take in some notes and return the receipts among them."""
        self.refusals += [note for note in notes if "error" in note]
        new = [Receipt.from_json(note) for note in notes if "error" not in note]
        self.receipts += new
        return new

    def require_only(self, *errors: str) -> None:
        """Nothing else than errors of these types was shown to a writer."""
        assert {refusal["error"] for refusal in self.refusals} <= set(errors), self.refusals


def _note(line: bytes) -> dict[str, Any] | None:
    """Return what a line says; None where a kill has cut it, so that nobody was told."""
    try:
        return dict(json.loads(line)) if line else None
    except ValueError:
        return None


def lost(log: Log[Any], receipts: list[Receipt]) -> list[str]:
    """Return the statements whose receipts do not hold: the entry is not there, is another one, or stands elsewhere."""
    return [receipt.statement_id for receipt in receipts if not _holds(log, receipt)]


def _holds(log: Log[Any], receipt: Receipt) -> bool:
    try:
        entry = log.entry(receipt.index)
        verify_proof(receipt.proof, entry.body, log.vkey)
        return leaf_hash(entry.body) == receipt.leaf_hash and log.index_of(receipt.statement_id) == receipt.index
    except LedgerError:
        return False


def require_whole(log: Log[Any], receipts: list[Receipt], *, steps_only: bool = True) -> None:
    """No receipt is lost, every checkpoint in one is of this very tree (so there is no fork), and the whole log verifies.

    No step of the business stands there without its entry; with `steps_only`, no entry without its step either.
    """
    assert lost(log, receipts) == []
    kept = {parse_proof(receipt.proof).checkpoint for receipt in receipts}
    report = fsck(log.storage, log.vkey, kept=sorted(kept))
    assert report.problems == []
    assert report.size == log.size()
    entries = {entry.statement_id for entry in log.entries(1, log.size())}
    with log.storage.engine.connect().execution_options(writes=False) as connection:
        steps = set(connection.execute(sa.text("SELECT id FROM steps")).scalars())
    assert steps <= entries
    assert entries <= steps or not steps_only


@contextmanager
def reopened(log: Log[Any], statement_key: Any) -> Iterator[Log[Any]]:
    """Open a log as its next process does after a crash, and let go of the database afterwards."""
    try:
        log.open(statement_key, timeout=30)
        yield log
    finally:
        log.storage.engine.dispose()


def make_tables(log: Log[Any], statement_key: Any) -> None:
    """Make the tables of the log and of the business beside it, and the log's genesis."""
    log.storage.create()
    with log.storage.transaction() as connection:
        connection.execute(sa.text("CREATE TABLE steps (id varchar(64) PRIMARY KEY)"))
    with reopened(log, statement_key):
        pass
