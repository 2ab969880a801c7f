"""Giving statements their places: the one computation behind every entry, on both databases."""

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.entry import Admitted, entry_bytes
from ledger.hashing import leaf_hash
from ledger.identifiers import agreement_to_bytes, known_to_bytes
from ledger.storage import Sequenced
from ledger.tree import KEPT_LEVEL, Frontier, hash_count

Row = tuple[bytes, bytes | None, int | None, bytes, bytes]
"""What is sequenced of a statement: id, agreement and counter as the rows have them, payload, signature commitment."""


@dataclass(frozen=True)
class Head:
    """The right edge of the log, read under its lock."""

    frontier: Frontier
    last_leaf: bytes | None


@dataclass(frozen=True)
class Batch:
    """The rows that sequencing some statements writes."""

    statements: Sequence[Row]
    sequenced: Sequenced
    entries: list[tuple[int, bytes, bytes]]
    hashes: list[tuple[int, bytes]]

    @property
    def move(self) -> tuple[int, bytes, bytes, int]:
        """The parameters by which the head moves: new size, frontier and last leaf, and the size before."""
        return self.head.frontier.size, self.head.frontier.to_bytes(), self.sequenced.leaves[-1], self.sequenced.start

    @property
    def head(self) -> Head:
        """The right edge of the log with these entries."""
        return Head(self.sequenced.after, self.sequenced.leaves[-1])


def row_of(admitted: Admitted) -> Row:
    """Return what is sequenced of an admitted statement."""
    key = known_to_bytes(admitted.statement_id)
    agreement = None if admitted.agreement is None else agreement_to_bytes(admitted.agreement)
    return key, agreement, admitted.counter, admitted.payload, admitted.signature


def place(head: Head, statements: Sequence[Row]) -> Batch:
    """Return what makes the statements the next entries. Requires the lock on the head, and one statement."""
    start, last_leaf = head.frontier.size, head.last_leaf
    entries, leaves = [], []
    for index, (_, _, _, payload, signature) in enumerate(statements, start):
        body = entry_bytes(index, last_leaf, payload, signature)
        last_leaf = leaf_hash(body)
        leaves.append(last_leaf)
        entries.append((index, last_leaf, body))
    after, created = head.frontier.extend(leaves)
    return Batch(statements, Sequenced(head.frontier, after, leaves, created), entries, _kept(start, created))


def _kept(start: int, created: Sequence[bytes]) -> list[tuple[int, bytes]]:
    """Return position and hash of the created subtrees that are kept, without the leaves."""
    if len(created) <= KEPT_LEVEL:
        return []
    step, offset = 1 << KEPT_LEVEL, hash_count(start)
    rows = []
    # Only the last leaf of a subtree of this height, or higher, completes any.
    after = (start // step + 1) * step
    while (last := hash_count(after)) <= offset + len(created):
        rows += [(at, created[at - offset]) for at in range(hash_count(after - 1) + KEPT_LEVEL, last)]
        after += step
    return rows
