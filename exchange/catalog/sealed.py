"""Bytes at rest: sealed into the object store and opened again; what a crash leaves behind is noted and removed.

Files are sealed as C2SP chunked-encryption under a fresh key. Before an object is stored its digest is noted, and the operation that
gives it a row drops the note, so an object without a row can always be found and deleted.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from sqlalchemy import Select, delete, select, update

from contracts.errors import SealingError
from contracts.sealing import OpenReader, SealWriter
from exchange import jobs
from exchange.catalog.models import PendingObject, VersionFile, VersionSource
from exchange.config import Settings
from exchange.errors import StorageError, UnavailableError
from exchange.steps import Services, Step, operation

if TYPE_CHECKING:
    from exchange.operations import Operations

BLOCK = 1024 * 1024
# An upload stores its object within seconds of the note; a day later the note can only be a crash's.
_LOST_AFTER = timedelta(days=1)
_BATCH = 100
_REMOVED = "removed"
_NAMING: list[Callable[[set[str]], Select[tuple[str]]]] = []


@dataclass(frozen=True)
class Sealed:
    """A sealed file in the spool: its path, sizes, and the digest of its plain bytes."""

    path: Path
    plain_digest: str
    plain_size: int


@contextmanager
def private_folder(settings: Settings, name: str) -> Iterator[Path]:
    """Yield a new folder in the spool that only this program can read; it is gone when the block ends, however it ends."""
    try:
        settings.spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=settings.spool))
    except OSError as error:
        raise disk_error(error) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def seal(blocks: Iterable[bytes], target: Path, key: bytes, context: bytes) -> Sealed:
    """Seal `blocks` into the file `target`. Raises StorageError where the disk cannot take them."""
    digest, size = hashlib.sha256(), 0
    try:
        with target.open("xb") as file, SealWriter(file, key, context) as writer:
            for block in blocks:
                digest.update(block)
                size += len(block)
                writer.write(block)
    except OSError as error:
        raise disk_error(error) from error
    return Sealed(target, f"sha256:{digest.hexdigest()}", size)


def seal_file(source: Path, target: Path, key: bytes, context: bytes) -> Sealed:
    """Seal the file `source` into the file `target`."""
    with source.open("rb") as file:
        return seal(iter(lambda: file.read(BLOCK), b""), target, key, context)


def store(operations: Operations, subject: str, path: Path) -> str:
    """Put the file at `path` into the object store, noted under `subject` until an operation gives it a row.

    Raises UnavailableError, with nothing left behind, where another worker gave the subject up meanwhile.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    operations.run_as_system("catalog.note_object", subject=subject, digest=digest)
    stored = operations.services.objects.put(path)
    with operations.database.reading() as session:
        note = session.get(PendingObject, digest)
    if note is None or note.subject != subject:
        # Given up between the note and the last byte: whoever deletes by notes would not find it any more.
        operations.services.objects.delete(digest)
        raise _given_up()
    return stored


def _given_up() -> UnavailableError:
    return UnavailableError(
        ("What was stored for this step was given up meanwhile.", "为该步骤保存的内容已被清理。"),
        ("Repeat the step.", "请重新执行该步骤。"),
    )


@operation("catalog.note_object", None)
def note_object(step: Step, *, subject: str, digest: str) -> dict[str, str]:
    """Note that an object is about to be stored."""
    step.session.merge(PendingObject(digest=digest, subject=subject, created_at=step.now))
    return {}


@operation("catalog.drop_notes", None)
def drop_notes(step: Step, *, digests: list[str]) -> dict[str, str]:
    """Forget notes whose objects are deleted."""
    step.session.execute(
        delete(PendingObject).where(PendingObject.digest.in_(digests), PendingObject.subject == _REMOVED)
    )
    return {}


def keep(step: Step, subject: str, digests: Iterable[str]) -> None:
    """Within an operation that gives objects of `subject` their rows: drop their notes.

    Raises UnavailableError, so that the work is done again, where an object was given up meanwhile: what has no note is not
    there any more, or will not be in a moment.
    """
    wanted = set(digests)
    dropped = delete(PendingObject).where(PendingObject.subject == subject, PendingObject.digest.in_(wanted))
    if set(step.session.scalars(dropped.returning(PendingObject.digest))) != wanted:
        raise _given_up()


@operation("catalog.give_up_notes", None)
def give_up_notes(step: Step, *, subject: str) -> dict[str, Any]:
    """Take the notes of `subject`, so that no operation gives their objects rows any more; return the digests to delete."""
    taken = update(PendingObject).where(PendingObject.subject == subject).values(subject=_REMOVED)
    taken = taken.returning(PendingObject.digest).execution_options(synchronize_session=False)
    return {"digests": sorted(step.session.scalars(taken))}


@operation("catalog.give_up_lost", None)
def give_up_lost(step: Step) -> dict[str, Any]:
    """Take the notes that a crash left (at most 100 a run), as `give_up_notes` does; an object that a row names is none of them."""
    lost = select(PendingObject).where(PendingObject.created_at <= step.now - _LOST_AFTER).limit(_BATCH)
    notes = step.session.scalars(lost.with_for_update(key_share=True, skip_locked=True)).all()
    digests = {note.digest for note in notes}
    used = {digest for named in _NAMING for digest in step.session.scalars(named(digests))}
    for note in notes:
        if note.digest in used:
            step.session.delete(note)
        else:
            note.subject = _REMOVED
    return {"digests": sorted(digests - used)}


def naming(query: Callable[[set[str]], Select[tuple[str]]]) -> None:
    """Register how rows name objects: a query of those among some digests that are in use; what a row names is never collected."""
    _NAMING.append(query)


naming(lambda digests: select(VersionFile.object_digest).where(VersionFile.object_digest.in_(digests)))
naming(lambda digests: select(VersionSource.object_digest).where(VersionSource.object_digest.in_(digests)))


def discard(operations: Operations, subject: str) -> None:
    """Delete the noted objects of `subject`, which no row names."""
    with operations.database.reading() as session:
        found = session.scalar(select(PendingObject.digest).where(PendingObject.subject == subject).limit(1))
    if found is not None:
        _delete(operations, operations.run_as_system("catalog.give_up_notes", subject=subject).result["digests"])


@jobs.timer("catalog.collect_lost")
def collect_lost(operations: Operations) -> list[str]:
    """Delete what crashes left in the object store, a day later; return the digests. A timer calls this."""
    digests: list[str] = operations.run_as_system("catalog.give_up_lost").result["digests"]
    _delete(operations, digests)
    operations.services.objects.discard_incomplete(datetime.now(UTC) - _LOST_AFTER)
    return digests


def _delete(operations: Operations, digests: list[str]) -> None:
    # The notes go last: a crash in between leaves them, and the timer deletes again.
    for digest in digests:
        operations.services.objects.delete(digest)
    if digests:
        operations.run_as_system("catalog.drop_notes", digests=digests)


def delete_after_commit(step: Step, digests: Iterable[str]) -> None:
    """Within an operation that removes the rows of objects: delete the objects once the rows are gone."""
    for digest in digests:
        # The note makes sure that a crash right after the commit leaves nothing behind for good.
        step.session.merge(PendingObject(digest=digest, subject=_REMOVED, created_at=step.now - _LOST_AFTER))
        step.after_commit.append(_deleter(step.services, digest))


def _deleter(services: Services, digest: str) -> Callable[[], None]:
    return lambda: services.objects.delete(digest)


def open_sealed(services: Services, object_digest: str, key: bytes, context: bytes) -> BinaryIO:
    """Return a seekable reader of an object's plain bytes, for one thread. Raises StorageError where key and bytes differ."""
    source = services.objects.open(object_digest)
    try:
        return _OwningReader(source, key, context)  # type: ignore[return-value]
    except SealingError as error:
        source.close()
        raise StorageError((error.text_en, error.text_zh), (error.mend_en, error.mend_zh), code="wrong-key") from error


class _OwningReader(OpenReader):
    """A reader that closes the stored object along with itself."""

    def close(self) -> None:
        if not self.closed:
            self._source.close()
        super().close()


def copy_out(reader: BinaryIO, target: Path) -> None:
    """Write everything of `reader` to the new file `target` and close the reader."""
    try:
        with reader, target.open("xb") as file:
            shutil.copyfileobj(reader, file, BLOCK)
    except SealingError as error:
        raise StorageError((error.text_en, error.text_zh), (error.mend_en, error.mend_zh)) from error
    except OSError as error:
        raise disk_error(error) from error


def disk_error(error: OSError) -> StorageError:
    """Return what a failed read or write of a file means to the caller."""
    full = error.errno in {28, 122}
    return StorageError(
        (os.strerror(error.errno or 5) + ".", "磁盘空间不足。" if full else "磁盘读写失败。"),
        ("Nothing was kept; tell the operator to free space, then try again.", "未保留任何内容；请联系运营方释放空间后重试。"),
        code="disk-full" if full else "storage",
    )  # fmt: skip
