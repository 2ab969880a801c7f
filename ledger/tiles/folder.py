"""A folder as the place of a log's static files: a static file server serves it as it is."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ledger.errors import LedgerError, LedgerUnavailableError
from ledger.tiles.layout import WIDTH, Tile

_MAX_FILE = WIDTH * 65_537
_LOCK = ".export"


class FolderSource:
    """A folder of files, as `export` writes it or as it was fetched from a server."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, path: str) -> bytes | None:
        try:
            with (self._folder / path).open("rb") as file:
                return file.read(_MAX_FILE + 1)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise LedgerUnavailableError(f"{self._folder / path} cannot be read: {error.strerror}") from error

    def beside(self, tile: Tile) -> Sequence[str]:
        full = tile.full().path()
        folder = self._folder / f"{full}.p"
        found = [full] if not tile.is_full and (self._folder / full).is_file() else []
        if folder.is_dir():
            # A hidden name is that of a file that an export was just writing.
            names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
            found += [f"{full}.p/{name}" for name in names]
        return [path for path in found if path != tile.path()]


class FolderTarget:
    """The folder to export to. One export at a time writes to it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # An export that was killed may have left names that are not durable yet.
        self._durable = {folder}

    @classmethod
    @contextmanager
    def locked(cls, folder: Path) -> Iterator["FolderTarget"]:
        """Be the only export that writes to a folder; it is made if need be.

        Raises LedgerError while another one does, LedgerUnavailableError where nothing can be written.
        """
        import fcntl  # Not on every system on which a log is read.

        with _reported(folder):
            if not folder.is_dir():
                folder.mkdir(parents=True)
                folder.chmod(0o755)
            handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise LedgerError(f"another export writes to {folder} just now") from error
            yield cls(folder)
        finally:
            os.close(handle)

    def read(self, path: str) -> bytes | None:
        return FolderSource(self._folder).read(path)

    def write(self, path: str, data: bytes) -> bool:
        target = self._folder / path
        partial = target.with_name(f".{target.name}.partial")
        with _reported(target):
            self._make(target.parent)
            if self.read(path) == data:
                _sync(target.parent)
                return False
            with partial.open("wb") as file:
                file.write(data)
                # Whoever serves the files is another user, and they are public whatever the umask says.
                os.fchmod(file.fileno(), 0o644)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
            _sync(target.parent)
        return True

    def remove(self, prefix: str) -> None:
        shutil.rmtree(self._folder / prefix, ignore_errors=True)

    def _make(self, folder: Path) -> None:
        """Make a folder and those above it, durably."""
        if folder in self._durable:
            return
        self._make(folder.parent)
        if not folder.is_dir():
            folder.mkdir()
            folder.chmod(0o755)
        _sync(folder.parent)
        self._durable.add(folder)


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LedgerUnavailableError(f"{path} cannot be written: {error.strerror}") from error


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
