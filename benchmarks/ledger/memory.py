"""The memory of an audit of ten million entries, made while they are read: the log is never stored as a whole.

The entries are those of a million agreements. In the public audit, some minutes, form, chain, tree, checkpoints and
counters are checked. In the whole one, most of an hour, each agreement goes from the provider's signature to the
payment, and openings, signatures, keys and what the statements mean together are checked besides.
"""

from __future__ import annotations

import base64
import itertools
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from benchmarks.ledger.statements import bare
from benchmarks.servers import ROOT
from ledger import checkpoint
from ledger.attestation import EXCHANGE, GENESIS
from ledger.entry import Admitted, Custody, Entry, Erased, Opening, Statement, admit, commit, entry_bytes, sign
from ledger.fsck import fsck
from ledger.signatures import SigningKey
from ledger.storage import Record, StoredCheckpoint, View
from ledger.tree import KEPT_LEVEL, Frontier, Growth

TARGET_MB = 500.0
ENTRIES, FEWER = 10_000_000, 100_000
_BATCH = 256
_FIRMS = 50
_ORIGIN = "exchange.example/log"
_LOG_KEY, _EXCHANGE_KEY = SigningKey.from_seed(b"L" * 32), SigningKey.from_seed(b"S" * 32)
_AT = "2026-11-20T08:00:00Z"
_Step = tuple[str, str, dict[str, Any]]


def figures(*, quick: bool = False) -> Iterator[Figure]:
    """Measure the whole audit of ten million entries and of a hundredth of them, each in a process of its own."""
    yield _figure("ledger.audit.memory", "whole", quick=quick)


def public(*, quick: bool) -> Iterator[Figure]:
    """Measure the public audit of as many entries."""
    yield _figure("ledger.audit.memory.public", "public", quick=quick)


def _figure(name: str, kind: str, *, quick: bool) -> Figure:
    entries, fewer = (6_000, 2_000) if quick else (ENTRIES, FEWER)
    small, _ = _audited(fewer, kind)
    large, seconds = _audited(entries, kind)
    return Figure(
        name=name,
        value=large,
        unit=f"MB at the peak of a {kind} audit of {entries:,} entries, which took {seconds:,.0f} s",
        against=f"the same of {fewer:,} entries",
        against_value=small,
        ratio=large / small,
        target=f"< {TARGET_MB:.0f} MB",
        holds=large < TARGET_MB,
    )


def _audited(entries: int, kind: str) -> tuple[float, float]:
    """Return the peak resident memory in megabytes and the seconds of an audit in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.ledger.memory", str(entries), kind]
    done = subprocess.run(command, capture_output=True, check=True, text=True, cwd=ROOT)
    megabytes, seconds = done.stdout.split()[-2:]
    return float(megabytes), float(seconds)


class _Stream:
    """As much of a storage as a whole-log check reads, with entries that come into being as it reads them."""

    def __init__(self, count: int, kind: str) -> None:
        self._count = count
        self._statements = itertools.chain(_beginning(), bare(0, count - 1)) if kind == "public" else _statements()
        self._tree = Growth()
        self._last_leaf: bytes | None = None
        self._records: deque[Record] = deque()
        self._checkpoints: deque[StoredCheckpoint] = deque()
        self._head = Frontier(count, tuple(bytes(32) for _ in range(count.bit_count())))

    def view(self) -> View:
        """Return the head, whose hashes are known only when the last entry has been made."""
        return View(self._head, StoredCheckpoint(self._count, b"", ""))

    def records(self, start: int, stop: int, *, openings: bool = True) -> Iterator[Record]:  # noqa: ARG002
        """Yield each entry once."""
        for _ in range(start, stop):
            if not self._records:
                self._make()
            yield self._records.popleft()

    def checkpoints(self) -> Iterator[StoredCheckpoint]:
        """Yield a checkpoint for every batch."""
        while self._checkpoints or self._tree.size < self._count:
            if not self._checkpoints:
                self._make()
            yield self._checkpoints.popleft()

    def unplaced(self) -> Sequence[str]:
        """Nothing is left behind."""
        return ()

    def faults(self) -> Iterator[str]:
        """There are no files that could be wrong."""
        return iter(())

    def openings(self, statement_id: str) -> Mapping[str, Opening | Erased]:  # noqa: ARG002
        """Openings come with their records and are never asked for alone."""
        return {}

    def _make(self) -> None:
        for _ in range(min(_BATCH, self._count - self._tree.size)):
            self._add(next(self._statements))
        root = self._tree.root()
        note = checkpoint.sign(_ORIGIN, self._tree.size, root, _LOG_KEY)
        self._checkpoints.append(StoredCheckpoint(self._tree.size, root, note))
        if self._tree.size == self._count:
            object.__setattr__(self._head, "hashes", self._tree.frontier().hashes)

    def _add(self, admitted: Admitted) -> None:
        index = self._tree.size
        body = entry_bytes(index, self._last_leaf, admitted.payload, admitted.signature)
        entry = Entry.parse(body)
        self._last_leaf = entry.leaf_hash
        created = self._tree.add(self._last_leaf)
        hashes = [created[0], *created[KEPT_LEVEL:]]
        # As from a database, where values are read from their bytes.
        openings = {
            name: Opening.from_canonical(item.salt, item.canonical()) for name, item in admitted.openings.items()
        }
        self._records.append(Record(index, body, entry, True, openings or None, hashes))


def _beginning() -> Iterator[Admitted]:
    stated = {"origin": _ORIGIN, "log_key": checkpoint.vkey(_ORIGIN, _LOG_KEY.public)}
    yield _admitted(GENESIS, EXCHANGE, {EXCHANGE: _EXCHANGE_KEY}, stated | {"statement_key": _base64(_EXCHANGE_KEY)})


def _statements() -> Iterator[Admitted]:
    yield from _beginning()
    firms = [(_urn(1, number), SigningKey.from_seed(number.to_bytes(32, "big"))) for number in range(_FIRMS)]
    keys = dict(firms) | {EXCHANGE: _EXCHANGE_KEY}
    for name, key in firms:
        yield _admitted("participant.verified", EXCHANGE, keys, {"participant": name, "signing_key": _base64(key)})
    number = 0
    while True:
        number += 1
        provider, consumer = firms[number % _FIRMS][0], firms[(number + 7) % _FIRMS][0]
        for counter, (kind, signer, fields) in enumerate(_life(number, provider, consumer), 1):
            yield _admitted(kind, signer, keys, fields, _urn(2, number), counter)


def _life(number: int, provider: str, consumer: str) -> Iterator[_Step]:
    """Yield the statements of one agreement: kind, signer and fields."""
    agreement, transfer, price = _urn(3, number), _urn(4, number), 123_00
    digest, plan, sealed, plain = (_digest() for _ in range(4))
    parties = {"provider": provider, "consumer": consumer}
    terms = parties | {"agreement_id": agreement, "agreement_digest": digest, "plan_digest": plan, "price_fen": price}
    terms |= {"negotiation": _urn(5, number), "dataset": _urn(6, number % 1000), "offer": _urn(7, number % 1000)}
    terms |= {"uses": 3, "use_until": None, "valid_until": "2027-11-20T08:00:00Z", "terms_digest": _digest()}
    postings = [
        {"owner": consumer, "kind": "cash", "amount_fen": -price},
        {"owner": provider, "kind": "escrow", "amount_fen": price},
    ]
    money = parties | {"amount_fen": price, "currency": "CNY", "postings": postings, "agreement_id": agreement}
    named = {"transfer": transfer, "agreement": agreement, "agreement_digest": digest}
    yield "negotiation.agreed", provider, terms
    yield "negotiation.verified", consumer, terms
    yield "escrow.held", EXCHANGE, money
    yield "negotiation.finalized", EXCHANGE, terms
    yield "transfer.requested", consumer, named | {"format": "parquet"}
    yield "transfer.decided", EXCHANGE, named | {"decision": "permit", "reasons": []}
    bytes_sent = {"sealed_digest": sealed, "plain_digest": plain, "plan_digest": plan, "use": 1, "rows": 1000}
    yield "transfer.started", EXCHANGE, named | bytes_sent
    yield "delivery.acknowledged", consumer, named | {"digest": sealed}
    yield "escrow.released", EXCHANGE, money | {"reason": "acknowledged", "fee_fen": 0}
    yield "transfer.part_denied", EXCHANGE, named | {"reasons": []}


def _admitted(
    kind: str,
    signer: str,
    keys: Mapping[str, SigningKey],
    fields: Mapping[str, Any],
    agreement: str | None = None,
    counter: int | None = None,
) -> Admitted:
    random = os.urandom(16).hex()
    made = f"urn:uuid:{random[:8]}-{random[8:12]}-{random[12:16]}-{random[16:20]}-{random[20:]}"
    custody: Custody = "exchange" if signer == EXCHANGE else "custodial"
    draft = commit(Statement(kind, made, _AT, fields, signer, custody, agreement, counter), lambda _: os.urandom(32))
    return admit(draft, sign(draft, keys[signer]))


def _urn(kind: int, number: int) -> str:
    return f"urn:uuid:0190a000-0000-7000-8{kind:03x}-{number:012x}"


def _digest() -> str:
    return "sha256:" + os.urandom(32).hex()


def _base64(key: SigningKey) -> str:
    return base64.b64encode(key.public).decode()


def main(entries: int, kind: str) -> None:
    """Audit a log of so many entries; print the peak of resident memory in megabytes, and the seconds."""
    started = time.perf_counter()
    stream: Any = _Stream(entries, kind)
    report = fsck(stream, checkpoint.vkey(_ORIGIN, _LOG_KEY.public), openings=kind == "whole")
    if not report.ok or report.size != entries:
        raise RuntimeError(str(report.problems[:3]))
    # Not ru_maxrss, which begins at what the parent process held when it started this one.
    status = Path("/proc/self/status").read_text()
    print(int(status.partition("VmHWM:")[2].split()[0]) / 1024, time.perf_counter() - started)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
