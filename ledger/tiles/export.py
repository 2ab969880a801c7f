"""Writing a log as static files, a little more each time, so that what can be read is always a whole log.

Tiles are durable before the checkpoint that needs them is put in place, in one step. An export that dies in
between leaves the older checkpoint with all its tiles, and files that the next export finds or writes again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ledger import checkpoint, proof
from ledger.checkpoint import Checkpoint
from ledger.errors import LedgerError, VerificationError
from ledger.storage import Readable, StoredCheckpoint
from ledger.succession import verify_with
from ledger.tiles.layout import CHECKPOINT, levels_of, tile_at, tiles_of
from ledger.tiles.publish import StorageSource, checked_bytes
from ledger.tiles.read import TileLog

Progress = Callable[[int, int], None]
"""Called with (done, total)."""


class Target(Protocol):
    """Where the files go. What a method has written is durable, and visible as a whole, when it returns.

    All methods raise LedgerUnavailableError where the place does not take or give the bytes.
    """

    def read(self, path: str) -> bytes | None:
        """Return a file, None where there is none."""

    def write(self, path: str, data: bytes) -> bool:
        """Have a file with these bytes there; return False where it was there already, and nothing was written."""

    def remove(self, prefix: str) -> None:
        """Remove the files whose names start like this, if there are any; the prefix ends in a slash."""


@dataclass(frozen=True)
class Exported:
    """What an export has done: the size that can be read now, the size before, and how many files it wrote."""

    size: int
    before: int
    written: int


def export(
    storage: Readable,
    signed: StoredCheckpoint,
    vkey: str,
    target: Target,
    *,
    former: Sequence[str] = (),
    progress: Progress | None = None,
) -> Exported:
    """Bring the files of a target up to a checkpoint that the log has signed.

    What the target holds may bear the signature of a `former` key of the log. Requires a storage that reaches the checkpoint. Raises VerificationError where the target holds another log or a
    larger one, or the checkpoint is not of the storage's tree; where an entry or a hash of the storage is damaged it
    is named, and the target stays at the size before.
    """
    found = checkpoint.verify(signed.note, vkey)
    before = _published(target, [vkey, *former])
    since = 0 if before is None else before.size
    if since > found.size:
        raise VerificationError([f"the target is at size {since} already, beyond {found.size}"])
    log = TileLog(StorageSource(storage, signed))
    if proof.root(found.size, log.hashes) != found.root:
        raise VerificationError([f"the checkpoint of size {found.size} is not of this tree"])
    if before is not None and proof.root(since, log.hashes) != before.root:
        raise VerificationError([f"the target holds another log: at size {since} its root is another one"])
    # From the top down, so that each tile is compared with one that leads to the signed root itself.
    levels = list(levels_of(found.size, since))[::-1]
    total, written = sum(len(places) for _, places in levels), 0
    wanted = (tile_at(level, index, found.size) for level, places in levels for index in reversed(places))
    for done, tile in enumerate((tile for tile in wanted if tile is not None), 1):
        written += target.write(tile.path(), checked_bytes(storage, tile, found.size))
        if progress is not None:
            progress(done, total)
    if before is None or since < found.size:
        written += target.write(CHECKPOINT, signed.note.encode())
    for tile in tiles_of(since, since):
        # Whoever still reads at an older size finds the full tile, of which the partial ones are the beginning.
        now = tile_at(tile.level, tile.index, found.size)
        if now is not None and now.is_full:
            target.remove(now.path() + ".p/")
    return Exported(found.size, since, written)


def _published(target: Target, vkeys: Sequence[str]) -> Checkpoint | None:
    note = target.read(CHECKPOINT)
    if note is None:
        return None
    try:
        return verify_with(note.decode("utf-8", "replace"), vkeys)[0]
    except LedgerError as error:
        raise VerificationError([f"the target holds another log, or an altered checkpoint: {error}"]) from error
