"""The port between the log and what keeps it.

Durability contract: what a method has written is durable when it returns, except in `append` and
`erase`, which write in the caller's transaction and become durable at the caller's commit, and in
`add_checkpoint`, which a power cut may undo: the entries under it are durable before it is signed, so
signing them again gives the same checkpoint or a later one that covers them. Entries,
hashes, statements and checkpoints are only ever added. Concurrency contract: any number of threads
and processes may use one log; `append` and `integrate` assign indexes without gaps, `add_checkpoint`
is a compare-and-swap on the latest checkpoint.

A deadline is a `time.monotonic()` instant; a method that cannot finish by then raises
LedgerUnavailableError.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from ledger.entry import Admitted, Entry, Erased, Opening
from ledger.tree import Frontier

C = TypeVar("C")
"""The connection of a storage: what carries a caller's transaction."""


@dataclass(frozen=True)
class StoredCheckpoint:
    """A checkpoint as stored: the signed note verbatim, with its size and root."""

    size: int
    root: bytes
    note: str


@dataclass(frozen=True)
class View:
    """One consistent look at the log: its head, its latest checkpoint, and where a statement stands.

    `index` is None while the statement is pending or when it is not `known` at all.
    """

    frontier: Frontier
    checkpoint: StoredCheckpoint | None
    known: bool = False
    index: int | None = None


@dataclass(frozen=True)
class Record:
    """All that is stored about an entry, for checking it.

    `entry` is what the bytes say, None where they are not those of an entry. It `is_filed` when its
    statement, and its agreement's counter, are known to stand at its index. `hashes` are those that are
    kept for it, None where one is missing: its leaf hash, then the subtrees of `ledger.tree.KEPT_LEVEL`
    and above that it completes.
    """

    index: int
    body: bytes
    entry: Entry | None
    is_filed: bool
    openings: Mapping[str, Opening | Erased]
    hashes: Sequence[bytes | None]


class Storage(Protocol[C]):
    """What the log needs from a storage."""

    def transaction(self) -> AbstractContextManager[C]:
        """Open a transaction of its own: committed on leaving, rolled back on an exception."""

    def found(self, genesis: Admitted) -> None:
        """Write entry 0, unless there is one already; of several callers at once one wins."""

    def append(self, connection: C, admitted: Admitted) -> None:
        """Write a statement in the caller's transaction.

        Raises AdmissionError when the statement's id, or the counter of its agreement, is already
        recorded; the caller then rolls back. Raises LedgerUnavailableError when it cannot be written.
        """

    def append_all(self, connection: C, batch: Sequence[Admitted]) -> None:
        """Write statements, one at least, in the caller's transaction and in this order; as `append` otherwise."""

    def integrate(self, deadline: float, statement_id: str | None = None) -> View:
        """Give every committed statement that has no index yet its index.

        Returns the view after it; its `checkpoint` may be left out where it was not looked up.
        """

    def view(self, statement_id: str | None = None) -> View:
        """Return one consistent look at the log."""

    def add_checkpoint(self, new: StoredCheckpoint, deadline: float) -> bool:
        """Store a checkpoint as the successor of the latest, if it is larger.

        Returns whether it was stored; of several callers at once one succeeds.
        """

    def hashes(self, positions: Sequence[int]) -> list[bytes]:
        """Return stored subtree hashes in the order asked. Raises VerificationError if one is missing."""

    def bodies(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes of the entries start..stop that exist, in order."""

    def records(self, start: int, stop: int, *, openings: bool = True) -> Iterator[Record]:
        """Yield all that is stored about the entries start..stop that exist, in order; `openings` only if wanted."""

    def unplaced(self) -> Sequence[str]:
        """Return what was recorded of statements that are neither integrated nor pending, in words."""

    def checkpoints(self) -> Iterator[StoredCheckpoint]:
        """Yield every stored checkpoint by growing size."""

    def bodies_of_agreement(self, agreement: str) -> Sequence[bytes]:
        """Return the bytes of an agreement's integrated entries, in order."""

    def openings(self, statement_id: str) -> Mapping[str, Opening | Erased]:
        """Return the openings of a statement by field; empty when it is unknown."""

    def erase(self, connection: C, statement_id: str, field: str, by: str | None) -> bool:
        """Destroy salt and value of an opening in the caller's transaction; False if there is none."""
