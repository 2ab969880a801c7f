"""The port between the log and what keeps it.

Durability contract: what a method has written is durable when it returns, except in `append`, `keep` and
`erase`, which write in the caller's transaction and become durable at the caller's commit. Entries,
hashes, statements and checkpoints are only ever added. Concurrency contract: any number of threads
and processes may use one log; `append` and `integrate` assign indexes without gaps, `add_checkpoint`
is a compare-and-swap on the latest checkpoint.

Not every checkpoint that was signed is stored: Ed25519 is deterministic, so from the committed tree of a
size the log's key makes the same note again, byte for byte.

A deadline is a `time.monotonic()` instant; a method that cannot finish by then raises
LedgerUnavailableError.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeVar

from ledger.entry import Admitted, Entry, Erased, Opening
from ledger.tree import Frontier, Subtree, completed

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
    """One consistent look at the log: its head, its latest stored checkpoint, and where a statement stands.

    `index` and `leaf` are None while the statement is pending or when it is not `known` at all.
    """

    frontier: Frontier
    checkpoint: StoredCheckpoint | None
    known: bool = False
    index: int | None = None
    leaf: bytes | None = None


@dataclass(frozen=True)
class Sequenced:
    """Statements that got their index together: `leaves` from `start` on, and the tree before and after."""

    before: Frontier
    after: Frontier
    leaves: Sequence[bytes]
    created: Sequence[bytes]

    @property
    def start(self) -> int:
        """The index of the first one."""
        return self.before.size

    @cached_property
    def hashes(self) -> Mapping[Subtree, bytes]:
        """The subtrees that there are, as far as the proofs of these entries need them."""
        found = self.before.peaks()
        created = iter(self.created)
        for index in range(self.before.size, self.after.size):
            for subtree in completed(index):
                found[subtree] = next(created)
        return found


# Not frozen: an audit makes millions, and freezing one takes longer than some of its checks.
@dataclass(slots=True)
class Record:
    """All that is stored about an entry, for checking it.

    `entry` is what the bytes say, None where they are not those of an entry. It `is_filed` when its
    statement, and its agreement's counter, are known to stand at its index. `openings` is None where they
    were not asked for, are not kept beside the entries, as in published tiles, or cannot be unsealed for want
    of their keys. `hashes` are those that are kept for it, None where one is missing: its leaf hash, then
    the subtrees of `ledger.tree.KEPT_LEVEL` and above that it completes. `files` names where the entry
    and its leaf hash are, if in files.
    """

    index: int
    body: bytes
    entry: Entry | None
    is_filed: bool
    openings: Mapping[str, Opening | Erased] | None
    hashes: Sequence[bytes | None]
    files: str = ""

    @property
    def where(self) -> str:
        """The files in parentheses, to be said after what is wrong."""
        return f" ({self.files})" if self.files else ""


class Turn(Protocol):
    """A process's place in the queue of those that sequence. Only `wake` may be called by other threads.

    Every method raises LedgerUnavailableError where the storage is lost; the turn is then to be closed.
    """

    batch: int

    def leads(self) -> bool:
        """Say whether this process is the one that sequences, after trying to become it."""

    def sequence(self, deadline: float) -> tuple[Sequenced | None, Sequence[str]]:
        """Give the oldest pending statements their indexes; return their places and ids. Requires the lead."""

    def keep(self, signed: StoredCheckpoint, deadline: float) -> bool:
        """Store a checkpoint as the successor of the latest, if it is larger."""

    def announce(self) -> None:
        """Tell the other processes that statements were sequenced."""

    def wait(self, timeout: float) -> object:
        """Wait until somebody calls, in this process or another."""

    def wake(self) -> None:
        """End a wait, from another thread."""

    def close(self) -> None:
        """Give up the turn."""


class Readable(Protocol):
    """What proving and checking a log needs: a storage, or a log in static files."""

    def view(self, statement_id: str | None = None) -> View:
        """Return one consistent look at the log."""

    def hashes(self, subtrees: Sequence[Subtree]) -> list[bytes]:
        """Return hashes of complete subtrees in the order asked. Raises VerificationError if one is missing."""

    def leaves(self, start: int, stop: int) -> list[bytes]:
        """Return the leaf hashes of the entries start..stop that exist, in order."""

    def bodies(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes of the entries start..stop that exist, in order."""

    def records(self, start: int, stop: int, *, openings: bool = True) -> Iterator[Record]:
        """Yield all that is stored about the entries start..stop that exist, in order; `openings` only if wanted."""

    def unplaced(self) -> Sequence[str]:
        """Return what was recorded of statements that are neither integrated nor pending, in words."""

    def faults(self) -> Iterator[str]:
        """Yield what is wrong with the storage as such, in words that go without an entry's index."""

    def checkpoints(self) -> Iterator[StoredCheckpoint]:
        """Yield every stored checkpoint by growing size."""

    def bodies_of_agreement(self, agreement: str) -> Sequence[bytes]:
        """Return the bytes of an agreement's integrated entries, in order."""

    def openings(self, statement_id: str) -> Mapping[str, Opening | Erased]:
        """Return the openings of a statement by field; empty when it is unknown."""


class Storage(Readable, Protocol[C]):
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

    def append_all(self, connection: C, batch: Sequence[Admitted]) -> Sequenced | None:
        """Write several statements as `append` does; return their places unless they are pending yet."""

    def write(self, batch: Sequence[Admitted], signed: StoredCheckpoint | None) -> Sequenced | None:
        """Write several statements in a transaction of its own, and a checkpoint along as `keep` does."""

    def keep(self, connection: C, signed: StoredCheckpoint) -> None:
        """Store a checkpoint along in the caller's transaction, where that cannot make it wait for others."""

    def integrate(self, deadline: float, statement_id: str | None = None) -> View:
        """Give every committed statement that has no index yet its index.

        Returns the view after it; its `checkpoint` may be left out where it was not looked up.
        """

    def add_checkpoint(self, new: StoredCheckpoint, deadline: float) -> bool:
        """Store a checkpoint as the successor of the latest, if it is larger.

        Returns whether it was stored; of several callers at once one succeeds.
        """

    def erase(self, connection: C, statement_id: str, field: str, by: str | None) -> bool:
        """Destroy salt and value of an opening in the caller's transaction; False if there is none."""

    def scrub(self, deadline: float) -> int:
        """Remove the last traces of committed erasures: what a transaction cannot do. Return how many there were."""

    def turn(self) -> Turn | None:
        """Return this process's place in the queue of those that sequence; None where every step does so itself.

        Raises LedgerUnavailableError.
        """

    def call(self) -> None:
        """Tell the process that has the turn, wherever it is, that statements are waiting."""
