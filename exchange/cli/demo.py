"""`exchange demo`: the main job from an empty folder, over HTTP against a real server, each step with what proves it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from exchange.cli.data import write_sample
from exchange.cli.publishing import TABLES, files_of
from exchange.errors import ExchangeError, InvalidInputError, SettingsError

_MARK = ".exchange-demo"
_PORT = 8000
_console = Console(highlight=False, soft_wrap=True)


@dataclass
class Stage:
    """The folder, the server and the accounts of one demonstration."""

    folder: Path
    url: str = ""
    passwords: dict[str, str] = field(default_factory=dict)
    number: int = 0

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def step(self, title: str) -> None:
        """Print the heading of the next step."""
        self.number += 1
        _console.print(f"\n[bold cyan]{self.number:2}. {title}[/]")


def say(text: str) -> None:
    """Print what happened."""
    _console.print(f"    {text}")


def proof(result: dict[str, Any]) -> None:
    """Print the ledger entries that prove what happened."""
    for receipt in result.get("receipts", ()):
        _console.print(
            f"    [green]✓ entry {receipt['index']}[/] [dim]leaf {receipt['leaf_hash'][:24]}… under a signed checkpoint of {receipt['size']}[/]"
        )


@contextlib.contextmanager
def bar(text: str) -> Iterator[Any]:
    """Show a bar while a long step runs; yields report(share, text)."""
    with Progress(
        TextColumn("    {task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        console=_console,
        transient=True,
    ) as shown:
        task = shown.add_task(text, total=1.0)
        yield lambda share, words="": shown.update(task, completed=share, description=words or text)


@click.command(short_help="The whole journey in one command, with two made-up firms.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True),
    help="Your own table or folder of tables (CSV, Parquet, XLSX, JSON lines).",
)
@click.option(
    "--rows", type=click.IntRange(1_000, 10**9), default=20_000, show_default=True, help="Rows of the synthetic sample."
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo-data"),
    show_default=True,
    help="Where the demonstration lives; made anew each time.",
)
@click.option("--serve/--no-serve", default=None, help="Serve the site at the end (default: only at a terminal).")
def demo(data: Path | None, rows: int, folder: Path, serve: bool | None) -> None:
    """The whole journey: two firms and an auditor, a dataset listed, valued, agreed, delivered, verified."""
    from exchange.cli.journey import run_journey

    started = time.monotonic()
    own = None if data is None else _tables(data)
    stage = _prepare(folder)
    tables = own or _sample(stage, rows)
    with _ended_orderly(), _server(stage):
        bundles = run_journey(stage, tables)
    for bundle in bundles:
        _verify_elsewhere(stage, bundle)
    shutil.rmtree(_earlier(stage.folder), ignore_errors=True)
    _console.print(
        f"\n[bold green]Done in {time.monotonic() - started:.0f} s.[/] Evidence: {', '.join(str(bundle) for bundle in bundles)}"
    )
    if serve if serve is not None else sys.stdin.isatty() and sys.stdout.isatty():
        _serve(stage)


def _earlier(folder: Path) -> Path:
    """Return where an earlier demonstration is kept until this one has verified."""
    return folder.with_name(f"{folder.name}-earlier")


def _prepare(folder: Path) -> Stage:
    folder = folder.resolve()
    if folder.exists() and any(folder.iterdir()) and not (folder / _MARK).exists():
        raise InvalidInputError(
            f"{folder} is not empty and no earlier demonstration.", "Name another folder with --folder."
        )
    if any(folder.glob("evidence-*.zip")):
        # That evidence stays until there is a new one.
        shutil.rmtree(_earlier(folder), ignore_errors=True)
        folder.rename(_earlier(folder))
    shutil.rmtree(folder, ignore_errors=True)
    stage = Stage(folder)
    stage.home.mkdir(parents=True)
    (folder / _MARK).touch()
    settings = f'public_url = "http://127.0.0.1:{_PORT}"\nlogin_attempts_per_minute = 600\n'
    (stage.home / "exchange.toml").write_text(settings, encoding="utf-8")
    for name in ("operator", "auditor", "provider", "consumer"):
        stage.passwords[name] = secrets.token_urlsafe(12)
    _command(stage, "init", "--home", str(stage.home))
    for role in ("operator", "auditor"):
        _command(
            stage, "staff", "--home", str(stage.home), "--name", role.title(), "--email", f"{role}@exchange.example", "--role", role,
            EXCHANGE_STAFF_PASSWORD=stage.passwords[role],
        )  # fmt: skip
    return stage


def _sample(stage: Stage, rows: int) -> list[tuple[str, list[Path]]]:
    path = stage.folder / "synthetic-machining-cell.csv"
    write_sample(path, rows)
    return [("Synthetic machining cell / 合成数据：数控加工单元", [path])]


def _tables(data: Path) -> list[tuple[str, list[Path]]]:
    """Return (title, files) of each dataset: one file, or one dataset for each folder that holds tables."""
    if data.is_file():
        return [(data.stem.replace("_", " "), [data])]
    folders = [data, *sorted(path for path in data.rglob("*") if path.is_dir())]
    groups = [(path.name.replace("_", " "), files_of([path])) for path in folders if _holds_tables(path)]
    if not groups:
        raise InvalidInputError(f"There is no table below {data}.", f"Give files of {', '.join(sorted(TABLES))}.")
    return groups


def _holds_tables(folder: Path) -> bool:
    return any(item.is_file() and item.suffix.lower() in TABLES for item in folder.iterdir())


def _command(stage: Stage, *arguments: str, **environment: str) -> str:
    ended = subprocess.run(  # noqa: S603 - this program itself, in a process of its own
        [sys.executable, "-m", "exchange.cli", *arguments],
        env={**_environment(), **environment}, capture_output=True, text=True, check=False, cwd=stage.folder,
    )  # fmt: skip
    if ended.returncode != 0:
        raise ExchangeError(
            ended.stderr.strip().removeprefix("Error: ") or "A command failed.",
            "Mend it and run the demonstration again.",
        )
    return ended.stdout


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("EXCHANGE_")}


@contextlib.contextmanager
def _ended_orderly() -> Iterator[None]:
    """Let a demonstration that is ended from outside take its server with it."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _server(stage: Stage) -> Iterator[None]:
    """Run the server in a process of its own on a free port, and stop that process at the end."""
    port = _free_port()
    stage.url = f"http://127.0.0.1:{port}"
    log = (stage.folder / "server.log").open("wb")
    arguments = [
        sys.executable,
        "-m",
        "exchange.cli",
        "serve",
        "--quiet",
        "--home",
        str(stage.home),
        "--bind",
        f"127.0.0.1:{port}",
    ]
    server = subprocess.Popen(arguments, env=_environment(), stdout=log, stderr=log, cwd=stage.folder)  # noqa: S603 - as above
    try:
        _wait_until_up(stage, server)
        yield
    finally:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(30)
        if server.poll() is None:
            server.kill()
        log.close()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_until_up(stage: Stage, server: subprocess.Popen[bytes]) -> None:
    import requests

    for _ in range(300):
        if server.poll() is not None:
            break
        with contextlib.suppress(requests.ConnectionError, requests.Timeout):
            if requests.get(f"{stage.url}/healthz", timeout=5).status_code == 200:
                return
        time.sleep(0.1)
    said = (stage.folder / "server.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    reason = said[-1].removeprefix("Error: ") if said else "It says nothing."
    raise ExchangeError(f"The server did not start: {reason}", f"All it said is in {stage.folder / 'server.log'}.")


def _verify_elsewhere(stage: Stage, bundle: Path) -> None:
    """Verify the bundle with the auditor's tool, in a process that knows nothing of the exchange."""
    stage.step("An auditor verifies the evidence offline, in a separate process")
    vkey = (stage.folder / "ledger.vkey").read_text(encoding="utf-8").strip()
    say(f"[dim]{os.path.relpath(sys.executable)} -m ledger verify {os.path.relpath(bundle)} --key {vkey}[/]")
    ended = subprocess.run(  # noqa: S603 - the auditor's tool
        [sys.executable, "-m", "ledger", "verify", str(bundle), "--key", vkey, "--json"],
        env=_environment(), capture_output=True, text=True, check=False, cwd=stage.folder,
    )  # fmt: skip
    if ended.returncode != 0:
        _console.print(ended.stdout + ended.stderr)
        raise ExchangeError("The evidence does not verify.", "Report this; it must never happen.")
    checks = json.loads(ended.stdout)["checks"]
    say(
        f"[green]✓ {sum(bool(check['ok']) for check in checks)} of {len(checks)} checks hold[/]: bytes, chain, inclusion, checkpoint, openings, signatures, counters"
    )


def _serve(stage: Stage) -> None:
    from exchange.server import require_free

    port = _PORT
    try:
        require_free(f"127.0.0.1:{port}")
    except SettingsError:
        # Another exchange may be at its usual place; this one moves.
        port = _free_port()
    _console.print(
        f"\n[bold]The site is at http://127.0.0.1:{port}[/] (Ctrl+C stops it). Accounts of this demonstration:"
    )
    for name, password in stage.passwords.items():
        domain = "exchange.example" if name in {"operator", "auditor"} else "firm.example"
        _console.print(f"    {name}@{domain:18} password {password}")
    arguments = [
        sys.executable,
        "-m",
        "exchange.cli",
        "serve",
        "--quiet",
        "--home",
        str(stage.home),
        "--bind",
        f"127.0.0.1:{port}",
    ]
    environment = {**_environment(), "EXCHANGE_PUBLIC_URL": f"http://127.0.0.1:{port}"}
    with contextlib.suppress(KeyboardInterrupt):
        subprocess.run(arguments, env=environment, check=False, cwd=stage.folder)  # noqa: S603 - as above
