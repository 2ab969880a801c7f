"""A file system of a few megabytes in memory, in the place of a folder, for as long as a process lives.

It is mounted in a mount namespace of that process alone: nobody else sees it, and it is gone with the process however a test ends.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

_MOUNT = """set -e
cp -a "$0" "$0.kept"
mount -t tmpfs -o size={size},mode=755 tmpfs "$0"
cp -a "$0.kept/." "$0"
rm -r "$0.kept"
exec "$@"
"""


def words(folder: Path, size: str) -> list[str]:
    """Return the words before a command by which it finds `folder`, with what is in it, on a file system of `size` bytes.

    Skips the test where no file system may be mounted.
    """
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed (on Debian: util-linux)")
    found = ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "--mount"]
    done = subprocess.run(
        [*found, "mount", "-t", "tmpfs", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"no file system may be mounted here: {done.stderr.strip()}")
    return [*found, "sh", "-c", _MOUNT.format(size=size), str(folder)]


class SmallDisk:
    """The folder as the process `pid` sees it; `fill` takes the space away, `free` gives it back."""

    def __init__(self, pid: int, folder: Path) -> None:
        self.inside = Path("/proc", str(pid), "root", folder.relative_to("/"))
        self._folder = folder

    @property
    def is_there(self) -> bool:
        """Whether the process has the file system in its place by now, with all that was in the folder."""
        return self.inside.is_mount() and not self._folder.with_name(self._folder.name + ".kept").exists()

    def left(self) -> int:
        """Return how many bytes can still be written."""
        facts = os.statvfs(self.inside)
        return facts.f_bavail * facts.f_frsize

    def fill(self, *, keep: int = 0) -> None:
        """Take all space but `keep` bytes."""
        with (self.inside / "ballast").open("wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, self.left() - keep)

    def free(self) -> None:
        (self.inside / "ballast").unlink()

    def bring_back(self) -> None:
        """Copy what is there over the folder as everybody else sees it, before the process ends."""
        shutil.copytree(
            self.inside, self._folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("ballast", "*-shm")
        )
