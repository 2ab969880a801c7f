"""Signing checkpoints: only of committed trees, only where the high-water mark allows it, one note for one tree.

Ed25519 is deterministic, so any process that holds the key makes the same note of the same tree; what is
stored is a selection, dense enough for an auditor: one checkpoint a second, one every 256 entries, and
the newest when the log rests.
"""

import threading
import time

from ledger import checkpoint
from ledger.errors import VerificationError
from ledger.highwater import HighWater
from ledger.proof import Read, of_trees
from ledger.signatures import SigningKey
from ledger.storage import StoredCheckpoint
from ledger.tree import Frontier

STORE_ENTRIES, STORE_SECONDS = 256, 1.0


class Notary:
    """Holds the log's key, and former ones that sign beside it for a while. Safe to share between threads; `read` gives the log's subtree hashes."""

    def __init__(
        self, origin: str, key: SigningKey, high_water: HighWater | None, read: Read, *former: SigningKey
    ) -> None:
        self.origin = origin
        self.vkey = checkpoint.vkey(origin, key.public)
        self._keys = (key, *former)
        self._high_water = high_water
        self._read = read
        self._guard = threading.Lock()
        self._newest: StoredCheckpoint | None = None
        self._stored_size = -1
        self._stored_at = float("-inf")

    def sign(self, frontier: Frontier, before: Frontier | None = None) -> StoredCheckpoint | None:
        """Return the signed checkpoint of a committed tree; None where a larger one was signed already.

        `before` is an earlier state of the tree, whose peaks then need not be read.
        Raises VerificationError where the high-water mark says that this is not the tree that was signed.
        """
        newest, root = self._newest, frontier.root()
        if newest is not None and newest.size == frontier.size:
            if newest.root != root:
                raise VerificationError([f"at size {frontier.size} another tree was signed: the database was replaced"])
            return newest
        if self._high_water is not None and not self._high_water.reserve(
            frontier.size, root, of_trees([tree for tree in (before, frontier) if tree is not None], self._read)
        ):
            return None
        made = StoredCheckpoint(frontier.size, root, checkpoint.sign(self.origin, frontier.size, root, *self._keys))
        with self._guard:
            if self._newest is None or made.size > self._newest.size:
                self._newest = made
        return made

    def due(self, *, idle: bool = False) -> StoredCheckpoint | None:
        """Return the newest checkpoint if it is time to store it; when the log is `idle`, whatever is not stored."""
        newest = self._newest
        if newest is None or newest.size <= self._stored_size:
            return None
        if idle or newest.size - self._stored_size >= STORE_ENTRIES:
            return newest
        return newest if time.monotonic() - self._stored_at >= STORE_SECONDS else None

    def stored(self, signed: StoredCheckpoint | None) -> None:
        """Take note that a checkpoint of this size, or a larger one, stands in the storage, whoever has stored it."""
        if signed is not None and signed.size > self._stored_size:
            self._stored_size, self._stored_at = signed.size, time.monotonic()

    def mark(self) -> int:
        """Return the size that a database must have at least; 0 without a high-water mark."""
        return 0 if self._high_water is None else self._high_water.size()
