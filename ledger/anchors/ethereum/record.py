"""The record of an anchor and the port that keeps it.

Durability contract: a record is durable when `Store.add` or `Store.save` returns, so a transaction that was sent is
always known. Concurrency contract: `add` and `save` are compare-and-swap, so of several workers one goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from ledger.anchors.ethereum.account import Fees
from ledger.anchors.ethereum.chain import Link, next_head


class State(StrEnum):
    """The life of an anchor. Until it is finalized, a reorganisation of the chain can take it back to broadcast.

    Failed: the account's turn was used by a transaction that is not this anchor; the next anchor takes its place.
    """

    PREPARED = "prepared"
    BROADCAST = "broadcast"
    MINED = "mined"
    SAFE = "safe"
    FINALIZED = "finalized"
    FAILED = "failed"


ENDED = frozenset({State.FINALIZED, State.FAILED})


@dataclass(frozen=True)
class Attempt:
    """One signed transaction for an anchor. Those of one anchor share the nonce, so at most one of them is mined.

    `sent_at` is None until a node has taken it.
    """

    link: Link
    note: str
    fees: Fees
    gas: int
    raw: bytes
    hash: bytes
    at: datetime
    sent_at: datetime | None = None


@dataclass(frozen=True)
class Mined:
    """Where an attempt stands in the chain, as last seen."""

    transaction: bytes
    block_number: int
    block_hash: bytes
    block_time: int
    succeeded: bool
    gas_used: int
    gas_price: int
    confirmations: int


@dataclass(frozen=True)
class Anchor:
    """One anchor. `previous` is the account's head before it; `version` counts what was saved."""

    number: int
    chain_id: int
    contract: bytes
    sender: bytes
    nonce: int
    previous: bytes
    attempts: tuple[Attempt, ...]
    prepared_at: datetime
    state: State = State.PREPARED
    mined: Mined | None = None
    reorganisations: int = 0
    finalized_at: datetime | None = None
    proof: bytes | None = None
    version: int = 0

    @property
    def attempt(self) -> Attempt:
        """Return the attempt that was mined, else the newest."""
        if self.mined is not None:
            for attempt in self.attempts:
                if attempt.hash == self.mined.transaction:
                    return attempt
        return self.attempts[-1]

    @property
    def link(self) -> Link:
        """Return the tree head that is anchored."""
        return self.attempt.link

    @property
    def head(self) -> bytes:
        """Return the account's head after this anchor."""
        return next_head(self.previous, self.link)

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED


class StaleError(Exception):
    """Another worker has saved this anchor, or added one of its number, meanwhile; it never leaves this package."""


class Store(Protocol):
    """Keeps anchors by their number, from 1."""

    def newest(self) -> Anchor | None:
        """Return the anchor of the highest number."""

    def finalized(self, limit: int) -> Sequence[Anchor]:
        """Return up to `limit` finalized anchors, newest first."""

    def add(self, anchor: Anchor) -> None:
        """Keep a new anchor. Raises StaleError when there is one of its number."""

    def save(self, anchor: Anchor) -> Anchor:
        """Keep a changed anchor and return it with its next version. Raises StaleError unless it was the last version."""


class MemoryStore:
    """Keeps anchors in memory: for trying out, and for tests."""

    def __init__(self) -> None:
        self.anchors: dict[int, Anchor] = {}

    def newest(self) -> Anchor | None:
        return self.anchors[max(self.anchors)] if self.anchors else None

    def finalized(self, limit: int) -> Sequence[Anchor]:
        ended = [self.anchors[number] for number in sorted(self.anchors, reverse=True)]
        return [anchor for anchor in ended if anchor.state is State.FINALIZED][:limit]

    def add(self, anchor: Anchor) -> None:
        if anchor.number in self.anchors:
            raise StaleError
        self.anchors[anchor.number] = anchor

    def save(self, anchor: Anchor) -> Anchor:
        if self.anchors[anchor.number].version != anchor.version:
            raise StaleError
        self.anchors[anchor.number] = saved = replace(anchor, version=anchor.version + 1)
        return saved
