"""Writing files that must be whole, durable and their owner's alone: keys, tokens, stored objects."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def create(path: Path, data: bytes) -> None:
    """Make `path` with mode 0600, durable on return. Raises FileExistsError where there is one, OSError; then nothing stays.

    The name appears with all its bytes or not at all, and of several makers one wins.
    """
    partial = _written(path, data)
    try:
        os.link(partial, path)
    finally:
        partial.unlink()
    sync_folder(path.parent)


def replace(path: Path, data: bytes) -> None:
    """Write `path` anew with mode 0600, durable on return; a reader sees the old bytes or the new ones. Raises OSError."""
    partial = _written(path, data)
    try:
        partial.replace(path)
    except BaseException:
        partial.unlink()
        raise
    sync_folder(path.parent)


def _written(path: Path, data: bytes) -> Path:
    handle, name = _beside(path)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        Path(name).unlink()
        raise
    return Path(name)


def _beside(path: Path) -> tuple[int, str]:
    """Make an empty file of another name in the same folder; the error names the folder, which is what was given."""
    try:
        return tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(path.parent)) from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def require_writable(folder: Path) -> None:
    """Raise OSError, naming the folder, where no file can be made in it. Nothing stays behind."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(folder)) from error


@contextmanager
def arriving(path: Path) -> Iterator[Path]:
    """Yield a file beside `path` (mode 0600) to write to; at the end it takes the name, after an error it is gone.

    Raises OSError before anything is done where nothing can be written there.
    """
    handle, name = _beside(path)
    os.close(handle)
    try:
        yield Path(name)
        # Whoever wrote it may have put another file in its place.
        Path(name).chmod(0o600)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
