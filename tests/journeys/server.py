"""A real exchange in processes of its own, for journeys that know it by its address alone.

Settings travel in the environment. The server leads a process group, so a kill -9 takes its workers along.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from exchange.client import Client
from exchange.participants.credit_code import check_character

PATIENCE = 90


def credit_code() -> str:
    """Return a well-formed credit code that nobody has; its organisation part is invented."""
    body = f"91320594MA{secrets.randbelow(10**7):07d}"
    return body + check_character(body)


@dataclass
class Member:
    """A firm that has joined: its owner's client and how to sign in again."""

    client: Client
    id: str
    email: str
    password: str


@dataclass
class Server:
    """One exchange: its folder, its settings, and its running process, if any."""

    home: Path
    settings: dict[str, str]
    port: int
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def database_url(self) -> str:
        return self.settings.get("EXCHANGE_DATABASE_URL") or f"sqlite:///{self.home / 'exchange.db'}"

    @property
    def log(self) -> str:
        return (self.home.parent / f"{self.home.name}.log").read_text(errors="replace")

    def environment(self, **more: str) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("EXCHANGE_")}
        return {**inherited, **self.settings, **more}

    def run(self, *arguments: str, code: int = 0, **environment: str) -> str:
        """Run a command of this Python in a process of its own; return what it printed, after checking its exit code."""
        done = subprocess.run(
            [sys.executable, "-m", *arguments], env=self.environment(**environment), check=False, capture_output=True,
            text=True, timeout=PATIENCE,
        )  # fmt: skip
        assert done.returncode == code, f"{arguments} exited {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    @property
    def workers(self) -> list[int]:
        """The processes that answer requests."""
        assert self.process is not None
        children = Path("/proc", str(self.process.pid), "task", str(self.process.pid), "children")
        return [int(pid) for pid in children.read_text().split()]

    def start(self, *before: str) -> None:
        """Start serving, behind the words of a command that may be put before it, and wait until the exchange answers."""
        with (self.home.parent / f"{self.home.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*before, sys.executable, "-m", "exchange.cli", "serve", "--quiet"], stdout=log, stderr=log,
                env=self.environment(), start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(requests.RequestException):
                if requests.get(f"{self.url}/healthz", timeout=5).ok:
                    return
            time.sleep(0.05)
        raise AssertionError(f"The server did not start: {self.log[-3000:]}")

    def kill(self) -> None:
        """End the server and its workers as a power cut would: without a word."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)
        self.process = None

    def stop(self) -> int:
        """Ask the server to end, and return its exit code."""
        assert self.process is not None
        self.process.terminate()
        try:
            code = self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self.process = None
        return code

    def login(self, email: str, password: str) -> Client:
        return Client.login(self.url, email, password)

    def operator(self) -> Client:
        return self.login("operator@exchange.example", self.password)

    def join(self, name: str, **registration: Any) -> Member:
        """Register a firm, over HTTP as everybody does, and let the operator verify it."""
        email = f"{secrets.token_hex(4)}@firm.example"
        password = secrets.token_urlsafe(12)
        made = Client.register(
            self.url, name=name, credit_code=credit_code(), evidence="Extract of the public register, no. 123456.",
            owner_name=f"Owner of {name}", email=email, password=password, **registration,
        )  # fmt: skip
        if registration.get("custody") != "self-held":
            self.operator().verify_participant(made["participant"])
        return Member(self.login(email, password), made["participant"], email, password)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def prepare(folder: Path, **settings: str) -> Server:
    """Make an exchange with an operator; it is not serving yet."""
    port = free_port()
    home = folder / "home"
    environment = {
        "EXCHANGE_HOME": str(home), "EXCHANGE_BIND": f"127.0.0.1:{port}", "EXCHANGE_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "EXCHANGE_LOGIN_ATTEMPTS_PER_MINUTE": "1000", **{f"EXCHANGE_{name.upper()}": value for name, value in settings.items()},
    }  # fmt: skip
    server = Server(home, environment, port)
    server.run("exchange.cli", "init")
    server.run(
        "exchange.cli", "staff", "--name", "Operator", "--email", "operator@exchange.example", "--role", "operator",
        EXCHANGE_STAFF_PASSWORD=server.password,
    )  # fmt: skip
    return server


@contextmanager
def serving(folder: Path, **settings: str) -> Iterator[Server]:
    """Serve a fresh exchange for a while; the group of processes is gone afterwards, however the block ends."""
    server = prepare(folder, **settings)
    try:
        server.start()
        yield server
    finally:
        if server.process is not None:
            server.kill()


def cut_download(client: Client, transfer: str, target: Path, *, after: int) -> int:
    """Fetch sealed bytes with an access token and hang up in the middle; return how many arrived."""
    token = client.post(f"/transfers/{transfer}/token")["access_token"]
    address = f"{client.url}/api/v1/transfers/{transfer}/artefact"
    partial = target.with_name(target.name + ".partial")
    with (
        requests.get(address, headers={"Authorization": f"Bearer {token}"}, stream=True, timeout=30) as answer,
        partial.open("wb") as file,
    ):
        assert answer.status_code == 200, answer.text
        while file.tell() < after and (block := answer.raw.read(min(65_536, after - file.tell()))):
            file.write(block)
    return partial.stat().st_size
