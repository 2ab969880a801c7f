"""The high-water mark: what the log key has signed, kept beside the key and not in the database.

A database restored from an old backup forgets entries that receipts were given for. If its log went
on signing, it would fork. The mark is written before a checkpoint is signed, and only trees whose
entries are already committed are signed; so a database that does not reach the mark, or has another
tree below it, is not the one that was signed, and the log refuses to go on.

Every signed size is written, and every 256th is synced to the disk: one sync is a reservation for the 256
sizes that follow. A crash of the program loses nothing of the mark; after a power cut it may stand up to
256 entries below what was signed, never above it.
"""

import functools
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ledger import proof
from ledger.errors import LedgerUnavailableError, VerificationError
from ledger.hashing import EMPTY_ROOT, HASH_SIZE
from ledger.proof import Read


class HighWater(Protocol):
    """Where the log notes the largest tree it is about to sign."""

    def size(self) -> int:
        """Return the noted size; 0 at first."""

    def reserve(self, size: int, root: bytes, read: Read) -> bool:
        """Note that this tree will be signed; `read` gives its subtree hashes.

        Returns False, noting nothing, when a larger tree is noted already. Raises VerificationError
        when the noted tree is not a part of this one, LedgerUnavailableError when it cannot be noted.
        """


@dataclass(frozen=True)
class _Mark:
    size: int
    root: bytes

    def to_bytes(self) -> bytes:
        body = self.size.to_bytes(8, "big") + self.root
        return body + hashlib.sha256(body).digest()

    @classmethod
    def from_bytes(cls, data: bytes) -> "_Mark | None":
        body, check = data[: 8 + HASH_SIZE], data[8 + HASH_SIZE :]
        if len(data) != _SLOT or hashlib.sha256(body).digest() != check:
            return None
        return cls(int.from_bytes(body[:8], "big"), body[8:])


# Most are read again and again, and are what was written just before.
_read = functools.lru_cache(maxsize=16)(_Mark.from_bytes)
AHEAD = 256
"""How many sizes one sync of the mark reserves."""
_PATIENCE = 1.0
_SLOT = 8 + 2 * HASH_SIZE
_NONE = _Mark(0, EMPTY_ROOT)


class FileHighWater:
    """A mark in a file of two slots, written in turn, so that a torn write leaves the other one.

    Any number of processes may share the file. Its folder must exist and be as durable as the key's.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # What this process knows to be on the disk: the inode of the file, and a size.
        self._synced: tuple[int, int] | None = None

    def size(self) -> int:
        with self._locked() as file:
            return self._latest(file)[0].size

    def reserve(self, size: int, root: bytes, read: Read) -> bool:
        with self._locked() as file:
            mark, slot = self._latest(file)
            if size < mark.size:
                return False
            if (size == mark.size and root != mark.root) or proof.root(mark.size, read) != mark.root:
                raise VerificationError([f"at size {mark.size} another tree was signed: the database was replaced"])
            if size > mark.size:
                os.pwrite(file, _Mark(size, root).to_bytes(), (1 - slot) * _SLOT)
            # Also where the size is noted already: whoever wrote it may have been killed before it was synced.
            inode = os.fstat(file).st_ino
            if self._synced is None or self._synced[0] != inode or size > self._synced[1] + AHEAD:
                self._sync(file)
                self._synced = (inode, size)
            return True

    def _sync(self, file: int) -> None:
        os.fdatasync(file)
        if self._synced is None:
            # The file itself may be new, and its name must be as durable as its bytes.
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _latest(self, file: int) -> tuple[_Mark, int]:
        """Return the larger of the two marks and its slot. Raises VerificationError if neither can be read."""
        slots = [(data := os.pread(file, 2 * _SLOT, 0))[:_SLOT], data[_SLOT:]]
        found = [(mark, slot) for slot, data in enumerate(slots) if (mark := _read(data)) is not None]
        if found:
            return max(found, key=lambda item: item[0].size)
        if slots[0] or slots[1]:
            raise VerificationError([f"the high-water mark {self._path} is damaged"])
        return _NONE, 1

    @contextmanager
    def _locked(self) -> Iterator[int]:
        import fcntl  # Not on every system on which a bundle is verified.

        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LedgerUnavailableError(f"the high-water mark cannot be opened: {error}") from error
        try:
            self._wait(lambda: fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB))
            yield file
        except OSError as error:
            raise LedgerUnavailableError(f"the high-water mark cannot be kept: {error}") from error
        finally:
            os.close(file)

    @staticmethod
    def _wait(lock: Callable[[], None]) -> None:
        """Take the lock, which others hold for microseconds. Raises LedgerUnavailableError after a second."""
        deadline, pause = time.monotonic() + _PATIENCE, 0.0001
        while True:
            try:
                lock()
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise LedgerUnavailableError("another process holds the high-water mark") from error
                time.sleep(pause)
                pause = min(2 * pause, 0.005)
            else:
                return
