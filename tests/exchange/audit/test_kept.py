"""Whoever kept a checkpoint is shown with every answer that the log extends it, and learns when it does not."""

from __future__ import annotations

import base64
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from werkzeug.serving import make_server

from exchange.cli import main as exchange_tool
from exchange.cli.connection import kept_checkpoint
from exchange.client import Client
from exchange.errors import ExchangeError, SplitViewError
from exchange.kept import KeptCheckpoint
from ledger import checkpoint, verify
from ledger.cli import main as ledger_tool
from ledger.misbehaviour import Misbehaviour, verify_misbehaviour
from ledger.note import Verifier
from ledger.signatures import SigningKey


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def decoded(text: str) -> str:
    return base64.b64decode(text).decode()


def forked(log: Any, size: int, root: bytes = b"\7" * 32) -> str:
    """A checkpoint that the log's own key signed over another history."""
    return checkpoint.sign(log.origin, size, root, log.notary._keys[0])


def test_an_answer_proves_that_the_log_extends_what_the_caller_kept(sqlite_exchange: Any) -> None:
    client, log = sqlite_exchange.client(sqlite_exchange.firm("Lathe Works")), sqlite_exchange.operations.services.log
    kept = log.checkpoint()
    sqlite_exchange.firm("Later Works")
    answer = client.get("/api/v1/me", headers={"If-Checkpoint": encoded(kept)})
    old, path, note = checkpoint.parse_extension(decoded(answer.headers["Ledger-Extension"]))
    before, after = checkpoint.verify(kept, log.vkey), checkpoint.verify(note, log.vkey)
    assert (old, after.size) == (before.size, log.size())
    verify.consistency(before.size, after.size, path, before.root, after.root)
    # A refusal is an answer, too; a page is none.
    assert "Ledger-Extension" in client.get("/api/v1/datasets/none", headers={"If-Checkpoint": encoded(kept)}).headers
    assert "Ledger-Extension" not in client.get("/audit", headers={"If-Checkpoint": encoded(kept)}).headers
    assert "Ledger-Extension" not in client.get("/api/v1/me").headers
    first = client.get("/api/v1/me", headers={"If-Checkpoint": "none"}).headers
    assert checkpoint.verify(decoded(first["Ledger-Checkpoint"]), decoded(first["Ledger-Key"])) == after


def test_a_checkpoint_of_another_history_convicts_the_log_at_every_size(sqlite_exchange: Any) -> None:
    sqlite_exchange.firm("Lathe Works")
    client, log = sqlite_exchange.client(), sqlite_exchange.operations.services.log
    for size in range(1, log.size() + 1):
        answer = client.get("/api/v1/ledger/checkpoint", headers={"If-Checkpoint": encoded(forked(log, size))})
        found = Misbehaviour.parse(decoded(answer.headers["Ledger-Conflict"]))
        assert verify_misbehaviour(found, [Verifier.from_vkey(log.vkey)]).first.size == size
        assert "Ledger-Extension" not in answer.headers


def test_what_is_no_checkpoint_of_this_log_is_passed_over(sqlite_exchange: Any) -> None:
    client, log = sqlite_exchange.client(), sqlite_exchange.operations.services.log
    stranger = checkpoint.sign(log.origin, 1, b"\7" * 32, SigningKey.generate())
    for given in ("x", "", "====", encoded("nonsense"), encoded(stranger), encoded(log.checkpoint()) * 100, "é"):
        answer = client.get("/api/v1/ledger/checkpoint", headers={"If-Checkpoint": given})
        assert answer.status_code == 200
        assert not [name for name, _ in answer.headers if name.startswith("Ledger-")]
    # Of a log that is shorter than it was there is no proof to give.
    longer = client.get("/api/v1/ledger/checkpoint", headers={"If-Checkpoint": encoded(forked(log, log.size() + 1))})
    assert not [name for name, _ in longer.headers if name.startswith("Ledger-")]


class Door:
    """One address behind which now one application answers, now another."""

    def __init__(self) -> None:
        self.app: Any = None

    def __call__(self, environ: Any, start_response: Any) -> Any:
        return self.app(environ, start_response)


@contextmanager
def serving(door: Door) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, door, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def door() -> Iterator[tuple[Door, str]]:
    made = Door()
    with serving(made) as url:
        yield made, url


@pytest.fixture
def twins(make_exchange: Callable[..., Any], tmp_path: Path) -> tuple[Any, Any, Any]:
    """Two exchanges with the same keys and the same beginning, and somebody that both know."""
    first = make_exchange()
    firm = first.firm("Lathe Works")
    first.operations.database.dispose()
    shutil.copytree(tmp_path / "home", tmp_path / "other")
    second = make_exchange(home=tmp_path / "other", key_store=tmp_path / "other" / "keys")
    second._made, second.actors = first._made, dict(first.actors)
    return first, second, firm


def test_a_client_notices_that_it_is_shown_another_log_and_keeps_the_proof(
    door: tuple[Door, str], twins: tuple[Any, Any, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (entrance, url), (first, second, firm) = door, twins
    entrance.app = first.app
    path = tmp_path / "checkpoints" / "kept.json"
    token = first.token(firm)
    other = second.token(firm)
    kept = KeptCheckpoint(url, path)
    client = Client(url, token, kept=kept)
    client.me()
    begun = checkpoint.unsafe_parse(kept.note or "").size
    first.firm("Honest Works")
    client.me()
    grown = checkpoint.unsafe_parse(KeptCheckpoint(url, path).note or "").size
    assert grown > begun
    # Behind the same address now stands a log that forgot the last steps and took others.
    for name in ("Other Works", "Further Works", "Last Works"):
        second.firm(name)
    entrance.app = second.app
    with pytest.raises(SplitViewError) as noticed:
        Client(url, other, kept=KeptCheckpoint(url, path)).me()
    assert "does not prove that its log extends the checkpoint you keep" in noticed.value.reason[0]
    assert "不同内容" in noticed.value.mend[1]
    evidence = Path(noticed.value.details["evidence"])
    assert ledger_tool(["verify", str(evidence), "--key", first.operations.services.log.vkey]) == 0
    assert "MISBEHAVIOUR PROVEN" in capsys.readouterr().out
    # The kept checkpoint is still the one that was seen, and the honest log satisfies it again.
    assert checkpoint.unsafe_parse(KeptCheckpoint(url, path).note or "").size == grown
    entrance.app = first.app
    Client(url, token, kept=KeptCheckpoint(url, path)).me()


def test_a_log_that_was_cut_short_or_that_stays_silent_is_noticed(
    door: tuple[Door, str], twins: tuple[Any, Any, Any], tmp_path: Path
) -> None:
    (entrance, url), (first, second, firm) = door, twins
    entrance.app = first.app
    path = tmp_path / "kept.json"
    Client(url, first.token(firm), kept=KeptCheckpoint(url, path)).me()
    first.firm("Honest Works")
    Client(url, first.token(firm), kept=KeptCheckpoint(url, path)).me()
    entrance.app = second.app
    with pytest.raises(SplitViewError):
        Client(url, second.token(firm), kept=KeptCheckpoint(url, path)).me()

    def mute(environ: Any, start_response: Any) -> Any:
        """Answer as the exchange does, without the proof, and refuse it when asked."""
        environ.pop("HTTP_IF_CHECKPOINT", None)
        if environ["PATH_INFO"] == "/checkpoint":
            start_response("404 Not Found", [("Content-Length", "0")])
            return [b""]
        return first.app(environ, start_response)

    entrance.app = mute
    with pytest.raises(SplitViewError):
        Client(url, first.token(firm), kept=KeptCheckpoint(url, path)).me()


def test_an_answer_without_the_header_is_made_up_for_by_asking(
    door: tuple[Door, str], sqlite_exchange: Any, tmp_path: Path
) -> None:
    entrance, url = door
    firm = sqlite_exchange.firm("Lathe Works")

    def without(environ: Any, start_response: Any) -> Any:
        environ.pop("HTTP_IF_CHECKPOINT", None)
        return sqlite_exchange.app(environ, start_response)

    entrance.app = sqlite_exchange.app
    client = Client(url, sqlite_exchange.token(firm), kept=KeptCheckpoint(url, tmp_path / "kept.json"))
    client.me()
    entrance.app = without
    sqlite_exchange.firm("Later Works")
    client.me()
    size = sqlite_exchange.operations.services.log.size()
    assert checkpoint.unsafe_parse(KeptCheckpoint(url, tmp_path / "kept.json").note or "").size == size


def test_the_command_line_keeps_checkpoints_beside_its_tokens(
    door: tuple[Door, str], sqlite_exchange: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entrance, url = door
    entrance.app = sqlite_exchange.app
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    token = sqlite_exchange.token(sqlite_exchange.firm("Lathe Works"))
    done = CliRunner().invoke(exchange_tool, ["offers", "--url", url, "--token", token])
    assert done.exit_code == 0, done.output
    (path,) = (tmp_path / "config" / "industrial-data-exchange" / "checkpoints").glob("*.json")
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("{}")
    with pytest.raises(ExchangeError, match="does not hold a checkpoint"):
        Client(url, token, kept=kept_checkpoint(url)).me()
