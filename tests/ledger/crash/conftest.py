"""Fixtures of the tests of crashes: processes that append, what they were told, and how much of each test is run.

`make test` runs each test in its short form; `make test-crash` sets EXCHANGE_TEST_CRASHES=whole and prints the figures.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
IS_WHOLE = os.environ.get("EXCHANGE_TEST_CRASHES") == "whole"


def _load(name: str) -> Any:
    """Return a helper of this folder; tests are no package, so it is taken from its file."""
    known = f"ledger_crash_{name}"
    if known not in sys.modules:
        spec = importlib.util.spec_from_file_location(known, HERE / f"{name}.py")
        sys.modules[known] = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
        spec.loader.exec_module(sys.modules[known])  # type: ignore[union-attr]
    return sys.modules[known]


@pytest.fixture
def chance() -> random.Random:
    """The moments of the kills and cuts: other ones in each whole run, whose seed is printed when it fails."""
    seed = secrets.randbits(32) if IS_WHOLE else 20_260_101
    print(f"seed {seed}")
    return random.Random(seed)


@pytest.fixture(scope="session")
def tools() -> Any:
    """The helpers of this folder by their names: `children`, `witness`, `disk`, `cluster`."""

    class Tools:
        def __getattr__(self, name: str) -> Any:
            return _load(name)

    return Tools()


@dataclass
class Running:
    """A forked process that appends."""

    pid: int
    nursery: Nursery
    exit_code: int | None = None

    def kill(self) -> None:
        if self.exit_code is None:
            os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        """Wait for its end; return its exit code, or the negative signal that killed it."""
        if self.exit_code is None:
            self.exit_code = self.nursery.tell(wait=self.pid)
        return self.exit_code


class Nursery:
    """Forks processes that append."""

    def __init__(self, *before: str) -> None:
        environment = os.environ | {"PYTHONPATH": str(HERE.parents[2])}
        self._process = subprocess.Popen(
            [*before, sys.executable, str(HERE / "children.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._started: list[Running] = []

    @property
    def pid(self) -> int:
        return self._process.pid

    def tell(self, **order: Any) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def start(self, **order: Any) -> Running:
        self._started.append(Running(self.tell(**order), self))
        return self._started[-1]

    def end(self) -> None:
        """Let nothing survive the test."""
        assert self._process.stdout is not None
        if self._process.stdout.closed:
            return
        if self._process.poll() is None:
            for running in self._started:
                running.kill()
        self._process.communicate(timeout=20)


@pytest.fixture
def make_nursery() -> Iterator[Callable[..., Nursery]]:
    """Return a function that makes a nursery, behind the words of a command that may be put before it."""
    made: list[Nursery] = []

    def make(*before: str) -> Nursery:
        made.append(Nursery(*before))
        return made[-1]

    yield make
    for nursery in made:
        nursery.end()


@pytest.fixture
def nursery(make_nursery: Callable[..., Nursery]) -> Nursery:
    return make_nursery()


@dataclass
class Place:
    """A log that processes append to: its address, its keys and mark, and what was said to its writers."""

    url: str
    folder: Path
    tools: Any
    memory: Any

    @property
    def keys(self) -> str:
        return str(self.folder / "opening-keys")

    @property
    def mark(self) -> str:
        return str(self.folder / "mark")

    def order(self, **more: Any) -> dict[str, Any]:
        """Return what a process is told to append here."""
        return {"url": self.url, "keys": self.keys, "mark": self.mark, "notes": str(self.memory.path)} | more

    def log(self) -> Any:
        return self.tools.children.open_log(self.url, self.keys, self.mark)

    def reopened(self) -> Any:
        """Open the log as the next process does, for the length of a `with`."""
        return self.tools.witness.reopened(self.log(), self.tools.children.STATEMENT_KEY)

    def require_whole(self, *, steps_only: bool = True) -> int:
        """Open the log as the next process does and check all that was promised; return its size."""
        self.memory.listen()
        with self.reopened() as log:
            self.tools.witness.require_whole(log, self.memory.receipts, steps_only=steps_only)
            return int(log.size())


@pytest.fixture
def make_place(tools: Any, tmp_path: Path) -> Callable[[str], Place]:
    """Return a function that makes a fresh log at the URL of an empty database."""
    made: list[Place] = []

    def make(url: str) -> Place:
        folder = tmp_path / f"place-{len(made)}"
        folder.mkdir()
        if url == "sqlite":
            url = f"sqlite:///{folder / 'ledger.db'}"
        place = Place(url, folder, tools, tools.witness.Memory(folder / "notes"))
        tools.witness.make_tables(place.log(), tools.children.STATEMENT_KEY)
        made.append(place)
        return place

    return make


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., None]:
    """Return a function that waits for a condition and fails after a while."""

    def wait(condition: Callable[[], Any], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.002)

    return wait


@pytest.fixture
def empty_database(postgresql_server: Any) -> Iterator[Callable[[], str]]:
    """Return a function that gives the URL of a fresh PostgreSQL database."""
    names: list[str] = []

    def make() -> str:
        names.append("c" + secrets.token_hex(8))
        postgresql_server.psql(f"CREATE DATABASE {names[-1]};")
        return str(postgresql_server.get_uri(database=names[-1])).replace("postgresql://", "postgresql+psycopg://", 1)

    yield make
    for name in names:
        postgresql_server.psql(f"DROP DATABASE {name} WITH (FORCE);")


@pytest.fixture
def make_cluster(tools: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Return a function that makes a PostgreSQL of the test's own; none survives it."""
    made: list[Any] = []

    def make(**settings: str) -> Any:
        made.append(tools.cluster.make(tmp_path / f"cluster-{len(made)}", **settings))
        return made[-1]

    yield make
    for cluster in made:
        cluster.kill()
        shutil.rmtree(cluster.sockets)
