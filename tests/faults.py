"""Faults at a numbered system call of a running process, by strace: a kill before the call, or an error in its place."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

# Some machines know only the newer of two names of a call; a question mark lets strace pass over the other.
WRITES = (
    "pwrite64", "write", "fdatasync", "fsync", "ftruncate", "openat", "?rename", "?renameat", "?link", "?linkat", "?unlink",
    "?unlinkat", "sendto", "writev",
)  # fmt: skip
"""Every call by which an append leaves a trace outside its process; `writev` is the acknowledgement itself."""


def require_strace() -> None:
    """Skip the test where no process can be traced."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed (on Debian: apt install strace)")
    done = subprocess.run(["strace", "-qq", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no process may be traced here: {done.stderr.strip()}")


@contextmanager
def traced(pids: Sequence[int], report: Path, *options: str) -> Iterator[None]:
    """Let strace follow some processes, and those they fork, while the block runs."""
    command = ["strace", "-f", "-qq", "-o", str(report), *options]
    for pid in pids:
        command += ["-p", str(pid)]
    tracer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 30
        while not all(_is_traced(pid) for pid in pids):
            if tracer.poll() is not None:
                told = tracer.stderr.read() if tracer.stderr else ""
                if "not permitted" in told:
                    pytest.skip(f"only root may trace a process that runs already here: {told.strip()}")
                raise AssertionError(told)
            assert time.monotonic() < deadline, "strace did not take hold of the process in time"
            time.sleep(0.002)
        yield
    finally:
        tracer.terminate()
        try:
            tracer.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            # It waits for the first thread of a process that was killed, which ends only after the others, which it holds.
            tracer.kill()
            tracer.communicate(timeout=60)


def injected(pids: Sequence[int], call: str, fault: str, when: str, report: Path) -> AbstractContextManager[None]:
    """Let the numbered call of each thread of some processes meet with a fault, while the block runs.

    `fault` is strace's: `signal=KILL`, `error=EIO`; `when` too: `3` is the third, `3+` the third and all after it.
    `report` then names each call that met with it.
    """
    return traced(pids, report, "-e", f"trace={call}", "-e", f"inject={call}:{fault}:when={when}")


def _is_traced(pid: int) -> bool:
    try:
        states = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status")]
    except OSError:
        return False  # A thread has just ended.
    return all("TracerPid:\t0\n" not in state for state in states)
