"""A real server that can be killed and started again, and two firms that trade through the API alone."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from exchange.client import Client
from exchange.participants.credit_code import check_character

PASSWORD = "correct horse battery staple"
PHONES = [f"1380013{number:04d}" for number in range(400)]


def environment(**extra: str) -> dict[str, str]:
    """The environment without the settings of whoever runs the tests."""
    return {name: value for name, value in os.environ.items() if not name.startswith("EXCHANGE_")} | extra


@dataclass
class Server:
    """`exchange serve` in a process group of its own."""

    home: Path
    port: int
    settings: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    started: list[int] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self, *arguments: str, **extra: str) -> str:
        """Run a command line of the exchange and return what it printed; it must succeed."""
        ended = subprocess.run(
            [sys.executable, "-m", "exchange.cli", *arguments], env=environment(**self.settings, **extra),
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def start(self) -> None:
        log = (self.home / "server.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "exchange.cli", "serve", "--quiet"], env=environment(**self.settings), stdout=log,
            stderr=log, start_new_session=True,
        )  # fmt: skip
        log.close()
        self.started.append(self.process.pid)
        for _ in range(600):
            if self.process.poll() is not None:
                break
            with contextlib.suppress(requests.RequestException):
                if requests.get(f"{self.url}/healthz", timeout=5).status_code == 200:
                    return
            time.sleep(0.05)
        pytest.fail((self.home / "server.log").read_text(errors="replace")[-3000:])

    def kill(self) -> None:
        """kill -9 of the server and its workers, all at once."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(30)
            if self.process.poll() is None:
                self.kill()


@dataclass
class Market:
    """A server with an operator and two verified firms."""

    server: Server
    operator: Client
    provider: Client
    consumer: Client
    consumer_id: str

    def table(self, folder: Path, rows: int = 400) -> Path:
        """Write a small table with names, phones and prices."""
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(["采集时间", "设备编号", "操作员姓名", "联系电话", "单价", "振动"])
        for number in range(rows):
            stamp = f"2026-01-{number % 28 + 1:02d} 08:{number % 60:02d}:{number // 60 % 60:02d}"
            writer.writerow(
                [
                    stamp,
                    f"M-{number % 7:03d}",
                    "欧阳建国",
                    PHONES[number % 400],
                    f"{10 + number % 90}.50",
                    number % 13 / 100,
                ]
            )
        path = folder / "spindle.csv"
        path.write_text(out.getvalue(), encoding="utf-8")
        return path

    def list(self, path: Path) -> str:
        """Upload a table and return the dataset, read and ready."""
        dataset = self.provider.create_dataset(title="轴承振动 spindle vibration", domain="production")["id"]
        state = self.provider.upload(dataset, [path])
        version = self.provider.wait_for_version(state["version"])
        assert version["state"] == "ready", version
        return str(dataset)

    def offer(self, dataset: str, *, count: int = 3, price_fen: int = 12_300) -> str:
        """Declare, grade and offer a dataset; return the open offer."""
        self.provider.declare_rights(
            dataset, "own-production", "Our own machines, register 42.", ("holding", "processing", "operating")
        )
        self.provider.grade(dataset, {"safety": 1, "loss": 1, "reach": 1})
        drafted = self.provider.draft_offer(
            dataset, template="n-times", parameters={"count": count}, visibility="public",
            price={"kind": "one-off", "amount_fen": price_fen, "currency": "CNY"} if price_fen else {"kind": "free"},
        )  # fmt: skip
        return str(self.provider.publish_offer(drafted["id"])["id"])

    def agree(self, offer: str) -> str:
        """Negotiate to the end and return the agreement in force."""
        asked = self.consumer.request(offer, "predictive-maintenance", intended_use="Plan our maintenance.")
        made = self.provider.step(asked["negotiation"], "agreement")
        self.consumer.step(asked["negotiation"], "verification")
        assert self.consumer.fund(made["agreement"])["state"] == "in_force"
        return str(made["agreement"])


def credit_code(number: int) -> str:
    body = f"91320594MA2{number:06d}"
    return body + check_character(body)


@pytest.fixture
def make_market(tmp_path: Path) -> Iterator[Callable[..., Market]]:
    """A maker of markets; every server it started is stopped at the end."""
    servers: list[Server] = []

    def make(database_url: str = "", workers: int = 1) -> Market:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        home = tmp_path / f"home-{secrets.token_hex(3)}"
        home.mkdir()
        settings = {
            "EXCHANGE_HOME": str(home), "EXCHANGE_BIND": f"127.0.0.1:{port}", "EXCHANGE_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "EXCHANGE_WORKERS": str(workers), "EXCHANGE_LOGIN_ATTEMPTS_PER_MINUTE": "10000",
        }  # fmt: skip
        if database_url:
            settings["EXCHANGE_DATABASE_URL"] = database_url
        server = Server(home, port, settings)
        servers.append(server)
        server.command("init")
        server.command(
            "staff",
            "--name",
            "Op",
            "--email",
            "op@exchange.example",
            "--role",
            "operator",
            EXCHANGE_STAFF_PASSWORD=PASSWORD,
        )
        server.start()
        operator = Client.login(server.url, "op@exchange.example", PASSWORD)
        clients, firms = [], []
        for number, name in enumerate(("华东机床", "江南轴承"), 1):
            made = Client.register(
                server.url, name=name, credit_code=credit_code(number), evidence="Extract of the public register 123.",
                owner_name=name, email=f"owner{number}@firm.example", password=PASSWORD,
            )  # fmt: skip
            operator.verify_participant(made["participant"])
            clients.append(Client.login(server.url, f"owner{number}@firm.example", PASSWORD))
            firms.append(made["participant"])
        operator.top_up(firms[1], 1_000_000, "BANK-1")
        return Market(server, operator, *clients, firms[1])

    yield make
    for server in servers:
        server.stop()


@pytest.fixture
def run_tool() -> Callable[..., Any]:
    """Run a module in a process of its own, as an outsider would, and return what it did."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run
