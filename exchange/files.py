"""Writing files that must be whole, durable and their owner's alone: keys, tokens, stored objects."""

from __future__ import annotations

import os
import tempfile
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
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        Path(name).unlink()
        raise
    return Path(name)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
