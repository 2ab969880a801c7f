"""Reading a zip file that may be hostile: bounded, and without ever writing a file."""

import hashlib
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger.bundle.layout import NAME, document_name, index_of
from ledger.errors import BundleError

MAX_FILES = 1_000_000
MAX_FILE_BYTES = 1 << 20
MAX_MANIFEST_BYTES = 512 << 20
# What the manifest says of one file; it is read as a whole, and so may not be large in a small archive.
MAX_MANIFEST_PER_FILE = 4 << 10
MAX_DOCUMENT_BYTES = 2 << 30
MAX_TOTAL_BYTES = 16 << 30
MAX_RATIO = 1_100  # Deflate cannot compress further than about 1,032 to 1.
_BLOCK = 1 << 20


class Archive:
    """The files of a bundle by name. `problems` names what makes the archive unfit to be looked into."""

    def __init__(self, opened: zipfile.ZipFile) -> None:
        self._zip = opened
        self.problems = list(_problems(opened.infolist()))
        self.names = [info.filename for info in opened.infolist()]

    def __contains__(self, name: str) -> bool:
        return name in self._zip.NameToInfo

    def indexes(self) -> list[int]:
        """Return the indexes that have an entry, a proof or openings in the archive, in order."""
        return sorted({index for index in map(index_of, self.names) if index is not None})

    def read(self, name: str) -> bytes:
        """Return a small file. Raises BundleError when it is missing, damaged or too large."""
        return b"".join(self._blocks(name, _limit(name)))

    def measure(self, name: str) -> tuple[str, str]:
        """Return `sha256:` with the hex digest, and the size, of a file of any admitted size.

        Raises BundleError.
        """
        state, size = hashlib.sha256(), 0
        for block in self._blocks(name, _limit(name)):
            state.update(block)
            size += len(block)
        return "sha256:" + state.hexdigest(), str(size)

    def _blocks(self, name: str, limit: int) -> Iterator[bytes]:
        total = 0
        try:
            with self._zip.open(name) as file:
                while block := file.read(_BLOCK):
                    total += len(block)
                    if total > limit:
                        raise BundleError(f"{name} is larger than it may be")
                    yield block
        except KeyError as error:
            raise BundleError(f"{name} is missing") from error
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
            raise BundleError(f"{name} is damaged: {error}") from error


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open a bundle. Raises BundleError when the file cannot be read or is no zip archive."""
    try:
        opened = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise BundleError(
            f"{path} is not a bundle: no readable zip file; it may be incomplete, so fetch it again"
        ) from error
    except (OSError, ValueError, RuntimeError) as error:
        raise BundleError(f"{path} is not a bundle: {error}") from error
    with opened:
        yield Archive(opened)


def _limit(name: str) -> int:
    if name.startswith("documents/"):
        return MAX_DOCUMENT_BYTES
    return MAX_MANIFEST_BYTES if name == "manifest.json" else MAX_FILE_BYTES


def _problems(files: list[zipfile.ZipInfo]) -> Iterator[str]:
    if len(files) > MAX_FILES:
        yield f"more than {MAX_FILES} files"
        return
    seen: set[str] = set()
    manifest = MAX_FILE_BYTES + MAX_MANIFEST_PER_FILE * len(files)
    for info in files:
        name = info.filename
        if name in seen:
            yield f"{name!r} is in the archive twice"
        seen.add(name)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if not NAME.fullmatch(name) or (name.startswith("documents/") and not document_name(name[10:])):
            yield f"{name!r} is no name of a bundle's file"
        elif kind not in (0, stat.S_IFREG):
            yield f"{name!r} is not a plain file"
        elif info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            yield f"{name!r} is encrypted or compressed in a way that bundles do not use"
        elif info.file_size > _limit(name) or info.file_size > MAX_RATIO * max(info.compress_size, 1):
            yield f"{name!r} would unpack to {info.file_size} bytes"
        elif name == "manifest.json" and info.file_size > manifest:
            yield f"{name!r} has {info.file_size} bytes, too many for the manifest of {len(files)} files"
    if sum(info.file_size for info in files) > MAX_TOTAL_BYTES:
        yield f"the archive would unpack to more than {MAX_TOTAL_BYTES} bytes"
