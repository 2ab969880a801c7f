"""Every command with input that cannot be: one sentence with the mend, the documented exit code, and nothing left behind."""

from __future__ import annotations

import base64
import errno
import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from contracts.sealing import wrap_key
from exchange.cli import main
from exchange.cli.connection import remember
from exchange.config import load
from exchange.errors import SettingsError
from exchange.faults import of
from exchange.server import require_free
from tests.exchange.cli_tools import answering, one_sentence, serving, wrong_usage

PASSWORD = "correct horse battery"
STAFF = ["staff", "--name", "Olga", "--email", "olga@exchange.example", "--role", "operator", "--password", PASSWORD]
EXPORT = ["audit", "export", "--agreement", "urn:uuid:x", "-o", "x.zip"]
# A port on which nothing listens.
NOBODY = "http://127.0.0.1:9"
# Each command that speaks to an exchange, as somebody might write it.
SPEAKING = [
    ["offers"], ["domains"], ["negotiations"], ["request", "x", "--purpose", "p"], ["approve", "x"], ["counter", "x", "--price", "5"],
    ["decline", "x", "--reason", "no"], ["accept", "x"], ["fund", "x"], ["fetch", "x"], ["sign"], ["sign", "x"], ["publish", "table.csv"],
    ["token", "new", "x"], ["token", "list"], ["token", "revoke", "x"],
]  # fmt: skip
LOCAL = [
    ["init"],
    ["serve"],
    ["worker"],
    STAFF,
    ["staff-password", "--email", "olga@exchange.example"],
    EXPORT,
    ["doctor"],
]


@pytest.fixture(autouse=True)
def _table(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    (tmp_path / "file").write_text("a file", encoding="utf-8")
    (tmp_path / "binary").write_bytes(bytes(range(256)) * 9)
    (tmp_path / "folder").mkdir()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exchange that was initialised."""
    from exchange.setup import initialise

    folder = tmp_path_factory.mktemp("exchange") / "home"
    initialise(load({}, home=folder))
    return folder


# -- Files and folders that cannot be written or read ----------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        ["sample", "--rows", "10", "-o", "{}/x.csv"],
        ["keys", "new", "--keys", "{}/keys.json"],
        ["init", "--home", "{}/home"],
        ["demo", "--folder", "{}/demo"],
        ["fetch", "x", "--url", NOBODY, "--token", "ide_x", "-o", "{}/deliveries"],
    ],
)
def test_a_place_below_a_file_is_refused_by_name(command: list[str], run: Any, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    told = one_sentence(run(*[part.format("file") for part in command]))
    assert "is a file, not a folder" in told
    assert "Name another place" in told
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "command", [["sample", "--rows", "10", "-o", "none/x.csv"], ["keys", "new", "--keys", "none/keys.json"]]
)
def test_a_folder_that_is_not_there_is_named_with_the_mend(command: list[str], run: Any, tmp_path: Path) -> None:
    told = one_sentence(run(*command))
    assert "no file or folder none" in told
    assert "Make the folder first" in told
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC])
@pytest.mark.parametrize("command", [["sample", "--rows", "10", "-o", "x.csv"], ["keys", "new", "--keys", "keys.json"]])
def test_a_folder_that_takes_nothing_is_one_sentence(
    command: list[str], code: int, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(code, os.strerror(code), str(tmp_path / ".temporary"))

    monkeypatch.setattr("exchange.files.tempfile.mkstemp", refuse)
    monkeypatch.setattr("exchange.files.tempfile.TemporaryFile", refuse)
    told = one_sentence(run(*command))
    assert ".temporary" not in told
    assert {errno.EACCES: "may not", errno.EROFS: "read-only", errno.ENOSPC: "full"}[code] in told


def test_a_bundle_that_cannot_be_written_is_not_recorded_as_exported(run: Any, home: Path) -> None:
    assert run(*STAFF, "--home", str(home)).exit_code == 0
    entries = run("doctor", "--home", str(home)).stdout
    period = ["--from", "2020-01-01", "--to", "2100-01-01", "--home", str(home)]
    assert "no file or folder none" in one_sentence(run("audit", "export", *period, "-o", "none/x.zip"))
    assert run("doctor", "--home", str(home)).stdout == entries
    written = run("audit", "export", *period, "-o", "x.zip")
    assert written.exit_code == 0, written.output
    assert stat.S_IMODE(Path("x.zip").stat().st_mode) == 0o600
    # Only the bundle is left, and the export is recorded now.
    assert not list(Path().glob(".x.zip*"))
    assert run("doctor", "--home", str(home)).stdout != entries


@pytest.mark.parametrize(
    "command",
    [
        ["sample", "-o", "folder"],
        ["keys", "new", "--keys", "folder"],
        [*EXPORT, "-o", "folder"],
        ["open", "folder"],
        ["open", "none"],
        ["open", "binary", "--key", "folder"],
        ["publish", "none.csv", "--token", "x"],
        ["demo", "--data", "none"],
        ["demo", "--folder", "file"],
        ["fetch", "x", "-o", "file", "--token", "x"],
    ],
)
def test_a_folder_for_a_file_and_a_file_that_is_not_there_are_wrong_usage(command: list[str], run: Any) -> None:
    assert "Error: Invalid value for" in wrong_usage(run(*command))


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["open", "binary"], "no key file exchange-keys.json"),
        (["open", "binary", "--keys", "binary"], "chmod 600"),
        (["open", "binary", "--keys", "damaged.json"], "is no key file"),
        (["open", "binary", "--keys", "short.json"], "is no key file"),
        (["open", "binary", "--keys", "keys.json"], "no key note binary.key.json"),
        (["open", "binary", "--keys", "keys.json", "--key", "binary"], "is not a key note"),
        (["open", "binary", "--keys", "keys.json", "--key", "list.json"], "is not a key note"),
        (["open", "binary", "--keys", "keys.json", "--key", "note.json"], "does not open"),
        (["open", "binary", "--keys", "keys.json", "--key", "note.json", "-o", "folder"], "exists already"),
        (["publish", "folder", "--token", "x"], "no table in folder"),
        (["demo", "--data", "folder", "--folder", "demo"], "no table below folder"),
        (["init", "--home", "file"], "file is a file, not a folder"),
    ],
)
def test_files_that_are_something_else_are_named(command: list[str], said: str, run: Any, tmp_path: Path) -> None:
    assert run("keys", "new", "--keys", "keys.json").exit_code == 0
    for name, content in (
        ("damaged.json", "[]"),
        ("short.json", json.dumps({name: {"private": "AAAA"} for name in ("signing", "encryption")})),
        ("list.json", "[1]"),
        ("note.json", json.dumps({"context": "x", "recipient_wrapped_key": "AAAA"})),
    ):
        (tmp_path / name).write_text(content, encoding="utf-8")
        (tmp_path / name).chmod(0o600)
    assert said in one_sentence(run(*command))
    assert not list(tmp_path.glob("*.partial"))


def test_a_package_is_not_opened_into_a_place_that_cannot_be_written(run: Any, tmp_path: Path) -> None:
    made = run("keys", "new", "--keys", "keys.json")
    public = base64.b64decode(made.stdout.split()[-1])
    note = {"context": "x", "recipient_wrapped_key": base64.b64encode(wrap_key(bytes(32), public, b"x")).decode()}
    (tmp_path / "note.json").write_text(json.dumps(note), encoding="utf-8")
    given = ["open", "binary", "--keys", "keys.json", "--key", "note.json"]
    assert "is a file, not a folder" in one_sentence(run(*given, "-o", "file/opened"))
    # The key fits, and the package is none.
    assert one_sentence(run(*given, "-o", "opened"))
    assert not list(tmp_path.glob("opened*"))


# -- The database, the settings and the address ----------------------------------------------------------------------


@pytest.mark.parametrize("command", LOCAL[1:5], ids=lambda command: command[0])
def test_where_nothing_was_initialised_the_command_is_named(command: list[str], run: Any, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    assert "exchange init" in one_sentence(run(*command, "--home", "none"))
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("command", LOCAL, ids=lambda command: command[0])
def test_a_postgresql_that_does_not_answer_is_one_sentence_without_its_password(
    command: list[str], run: Any, home: Path
) -> None:
    result = run(*command, "--home", str(home), EXCHANGE_DATABASE_URL="postgresql://u:hidden@127.0.0.1:9/x")
    told = one_sentence(result)
    assert "hidden" not in result.output
    assert "cannot be reached" in (result.stdout if command == ["doctor"] else told)


@pytest.mark.postgresql
def test_a_postgresql_that_refuses_the_role_or_the_database_is_one_sentence(
    postgresql_url: str, run: Any, home: Path
) -> None:
    for wrong in ({"database": "no_such_database"}, {"username": "nobody_here"}):
        address = make_url(postgresql_url).set(**wrong).render_as_string(hide_password=False)
        told = one_sentence(run("init", "--home", str(home), EXCHANGE_DATABASE_URL=address))
        assert "does not exist" in told
        assert "database_url" in told


@pytest.mark.parametrize(("file", "said"), [("binary", "no SQLite database"), ("folder", "is a folder, not a file")])
def test_a_database_file_that_is_something_else_is_named(file: str, said: str, run: Any, tmp_path: Path) -> None:
    told = one_sentence(run("init", "--home", "home", EXCHANGE_DATABASE_URL=f"sqlite:///{tmp_path / file}"))
    assert said in told


@pytest.mark.parametrize("command", LOCAL, ids=lambda command: command[0])
def test_settings_that_cannot_be_read_stop_every_command_of_the_exchange(
    command: list[str], run: Any, home: Path
) -> None:
    for variables, said in (
        ({"EXCHANGE_CONFIG": "folder"}, "cannot be read"),
        ({"EXCHANGE_CONFIG": "binary"}, "not valid TOML"),
        ({"EXCHANGE_CONFIG": "none.toml"}, "does not exist"),
        ({"EXCHANGE_WORKERS": "many"}, "workers: 'many' is not a whole number"),
    ):
        assert said in one_sentence(run(*command, "--home", str(home), **variables))


@pytest.fixture
def taken() -> Iterator[str]:
    """An address at which another program listens."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield f"127.0.0.1:{other.getsockname()[1]}"


def test_an_address_in_use_is_said_before_anything_is_served(taken: str, run: Any, home: Path) -> None:
    told = one_sentence(run("serve", "--home", str(home), "--bind", taken))
    assert f"{taken}: Another program uses this address already" in told
    assert "--bind" in told


@pytest.mark.parametrize("bind", ["192.0.2.1:8000", "unix:/no/such/folder/socket", f"unix:{__file__}"])
def test_an_address_that_cannot_be_listened_at_is_refused(bind: str) -> None:
    with pytest.raises(SettingsError, match="Nothing can listen") as refused:
        require_free(bind)
    assert refused.value.field == "bind"


def test_a_socket_left_behind_is_free_and_one_that_answers_is_not(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(SettingsError, match="uses this address"):
            require_free(f"unix:{path}")
    require_free(f"unix:{path}")


def test_a_worker_without_work_is_told_so(run: Any, home: Path) -> None:
    assert "external" in one_sentence(run("worker", "--home", str(home), EXCHANGE_JOBS="immediate"))


# -- The exchange at the other end -----------------------------------------------------------------------------------


@pytest.mark.parametrize("command", SPEAKING, ids=lambda command: " ".join(command[:2]))
def test_an_exchange_that_is_not_there_or_that_is_something_else_is_one_sentence(
    command: list[str], run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exchange.client._TRIES", 1)
    assert "exchange login" in one_sentence(run(*command, "--url", NOBODY))
    assert "does not answer" in one_sentence(run(*command, "--url", NOBODY, "--token", "ide_x"))
    for status, kind, body in (
        (200, "text/html", b"<h1>It works</h1>"),
        (200, "application/json", b"[]"),
        (502, "text/html", b"x"),
    ):
        with answering((status, kind, body)) as (address, _):
            assert "no exchange" in one_sentence(run(*command, "--url", address, "--token", "ide_x"))


def test_a_wrong_token_is_refused_by_every_command_that_needs_one(run: Any, sqlite_exchange: Any) -> None:
    with serving(sqlite_exchange.app) as address:
        for command in SPEAKING:
            told = one_sentence(run(*command, "--url", address, "--token", "ide_x"))
            assert "unknown, expired or revoked" in told, command
            assert "exchange login" in told


@pytest.mark.parametrize("address", ["nonsense", "ftp://host", "https://", "http://host/market"])
def test_what_is_no_address_is_wrong_usage(address: str, run: Any) -> None:
    assert "http or https address" in wrong_usage(run("offers", "--url", address, "--token", "x"))
    assert "http or https address" in wrong_usage(run("login", EXCHANGE_URL=address))


def test_https_where_http_is_spoken_is_said_so(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exchange.client._TRIES", 1)
    with answering((200, "text/plain", b"")) as (address, _):
        told = one_sentence(run("offers", "--url", address.replace("http:", "https:"), "--token", "x"))
    assert "does not speak https" in told


@pytest.mark.parametrize("token", ["ide_\n1", "令牌", "two words"])
def test_a_token_that_cannot_be_one_never_leaves_the_machine(token: str, run: Any) -> None:
    assert "Copy it again" in one_sentence(run("offers", "--url", NOBODY, EXCHANGE_TOKEN=token))


def test_a_login_whose_token_could_not_be_kept_makes_none(run: Any, sqlite_exchange: Any) -> None:
    sqlite_exchange.staff("auditor")
    given = ["login", "--email", "auditor@exchange.example", "--password", PASSWORD]
    entries = sqlite_exchange.operations.services.log.size()
    with serving(sqlite_exchange.app) as address:
        told = one_sentence(run(*given, "--url", address, XDG_CONFIG_HOME="file"))
        assert "No token can be kept in file/" in told
        assert sqlite_exchange.operations.services.log.size() == entries
        assert run(*given, "--url", address).exit_code == 0
        assert "do not belong together" in one_sentence(run(*given[:-1], "wrong", "--url", address))
    with answering((200, "application/json", b"{}")) as (address, _):
        assert "no exchange" in one_sentence(run(*given, "--url", address))
    assert "does not answer" in one_sentence(run(*given, "--url", NOBODY))


@pytest.mark.parametrize("content", ["[1]", "{", '{"http://127.0.0.1:9": 7}'])
def test_a_damaged_file_of_tokens_is_named_and_not_overwritten(content: str, run: Any) -> None:
    kept = _kept()
    kept.write_text(content, encoding="utf-8")
    assert "does not hold tokens" in one_sentence(run("offers", "--url", NOBODY))
    assert kept.read_text(encoding="utf-8") == content


def _kept() -> Path:
    folder = Path(os.environ["XDG_CONFIG_HOME"]) / "industrial-data-exchange"
    folder.mkdir(parents=True)
    return remember(NOBODY, "ide_x")


def test_nothing_is_asked_where_there_is_no_terminal(run: Any) -> None:
    assert "no terminal" in one_sentence_after_prompt(run(*STAFF[:-2]))
    assert "no terminal" in one_sentence_after_prompt(run("login", "--email", "a@b.example"))


def one_sentence_after_prompt(result: Any) -> str:
    assert result.exit_code == 1
    return str(result.stderr.strip().splitlines()[-1])


# -- What nobody foresaw ---------------------------------------------------------------------------------------------


def test_an_error_that_nobody_foresaw_is_named_by_place_and_shown_on_request(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise KeyError("a secret value")

    monkeypatch.setattr("exchange.cli.data.write_sample", broken)
    told = one_sentence(run("sample"))
    assert "KeyError in tests/exchange/test_cli_failures.py, line" in told
    assert "a secret value" not in told
    shown = run("sample", EXCHANGE_TRACEBACK="1")
    assert isinstance(shown.exception, KeyError)
    # An error that has words stays one sentence.
    assert "does not answer" in one_sentence(run("offers", "--url", NOBODY, "--token", "x", EXCHANGE_TRACEBACK="1"))


def test_a_reader_that_has_gone_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m exchange.cli offers --templates | head -c 1"
    ended = subprocess.run(["/bin/bash", "-c", command], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ended.stderr == ""


@pytest.mark.parametrize("code", [value for name, value in vars(errno).items() if name.startswith("E")])
def test_every_error_of_the_system_has_a_sentence(code: int) -> None:
    for error in (OSError(code, os.strerror(code), "place"), OSError(code, os.strerror(code))):
        fault = of(error)
        assert fault.reason.endswith(".")
        assert fault.mend.endswith(".")
        assert "{}" not in fault.reason + fault.mend


def test_every_command_is_tried_here() -> None:
    tried = {command[0] for command in (*SPEAKING, *LOCAL)} | {"sample", "keys", "open", "demo", "login"}
    assert tried == set(main.commands)
