"""The exchange's own keys are changed under record: what was signed and stored before holds, what is stolen is worth nothing more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner

from exchange import keychange
from exchange.cli import main
from exchange.errors import SplitViewError
from exchange.kept import KeptCheckpoint
from exchange.keystore import COMING, LOG, STATEMENT, KeyStore
from ledger.bundle import verify_bundle
from ledger.fsck import fsck
from ledger.receipt import verify_proof
from tests.exchange.cli_tools import serving


@pytest.fixture
def rotate(tmp_path: Path) -> Any:
    """Run `exchange keys …` on a stopped exchange."""

    def run(exchange: Any, *arguments: str) -> Any:
        stop(exchange)
        settings = exchange.settings
        given = {"EXCHANGE_DATABASE_URL": settings.database_url}
        return CliRunner().invoke(main, ["keys", *arguments, "--home", str(settings.home)], env=given)

    return run


def stop(exchange: Any) -> None:
    exchange.operations.database.dispose()
    exchange.operations.services.keystore.close()


def another(exchange: Any, number: int) -> None:
    """Have something happen under the present keys."""
    exchange.operations.run_as_system(
        "participants.add_staff", name="Auditor", email=f"a{number}@exchange.example", password_hash="x",
        roles=["auditor"],
    )  # fmt: skip


def bundle(exchange: Any, firm: Any, path: Path) -> Path:
    path.write_bytes(exchange.client(firm).get("/api/v1/ledger/bundles/participant").data)
    return path


def test_the_log_key_changes_and_everybody_verifies_under_the_old_one_or_the_new(
    make_exchange: Any, database_url: str, rotate: Any, tmp_path: Path
) -> None:
    before = make_exchange(database_url=database_url)
    firm = before.firm("Maker")
    old = before.operations.services.log.vkey
    early = json.loads(before.client().get("/api/v1/ledger/entries/1").text)
    done = rotate(before, "rotate", "log")
    assert done.exit_code == 0, done.output
    after = make_exchange(database_url=database_url)
    log = after.operations.services.log
    assert log.vkey in done.output
    assert log.vkey != old
    another(after, 5)
    for key in (old, log.vkey):
        assert verify_bundle(bundle(after, firm, tmp_path / "b.zip"), key).ok
        assert fsck(log.storage, key).problems == []
    verify_proof(early["receipt"]["proof"], early["body"].encode(), old)
    # The page still knows the receipt of the former key, and the API names both with the proof.
    asked = {"receipt": early["receipt"]["proof"]}
    assert after.client().post("/api/v1/ledger/verification", json=asked).json["ok"]
    told = after.client().get("/api/v1/ledger/checkpoint").json
    assert (told["vkey"], told["former_keys"]) == (log.vkey, [old])
    assert told["key_changes"][0]["log_key"]["value"] == log.vkey
    assert rotate(after, "rotate", "log").exit_code == 1
    retired = rotate(after, "retire")
    assert retired.exit_code == 0, retired.output
    assert old in retired.output
    last = make_exchange(database_url=database_url)
    another(last, 6)
    assert old.encode() not in last.operations.services.log.checkpoint().encode()
    for key in (old, log.vkey):
        report = verify_bundle(bundle(last, firm, tmp_path / "b.zip"), key)
        assert report.ok, report.problems
        assert fsck(last.operations.services.log.storage, key).problems == []
    assert rotate(last, "retire").exit_code == 1


def test_a_client_that_keeps_a_checkpoint_follows_the_key_and_not_a_forged_one(
    sqlite_exchange: Any, make_exchange: Any, rotate: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kept.json"

    def ask(exchange: Any) -> None:
        with serving(exchange.app) as url:
            kept = KeptCheckpoint(url, path)
            kept.check(requests.get(f"{url}/api/v1/ledger/checkpoint", auth=kept, timeout=30))

    ask(sqlite_exchange)
    assert rotate(sqlite_exchange, "rotate", "log").exit_code == 0
    assert rotate(make_exchange(), "retire").exit_code == 0
    after = make_exchange()
    another(after, 7)
    log = after.operations.services.log
    with monkeypatch.context() as silent:
        silent.setattr(log, "successions", ())
        with pytest.raises(SplitViewError):
            ask(after)
    ask(after)
    assert json.loads(path.read_text())["vkey"] == log.vkey
    ask(after)


def test_the_statement_key_changes_and_the_old_one_is_destroyed(
    make_exchange: Any, database_url: str, rotate: Any, tmp_path: Path
) -> None:
    before = make_exchange(database_url=database_url)
    firm = before.firm("Maker")
    old = before.operations.services.keystore.secret(STATEMENT)
    done = rotate(before, "rotate", "statement")
    assert done.exit_code == 0, done.output
    after = make_exchange(database_url=database_url)
    assert after.operations.services.keystore.secret(STATEMENT) != old
    another(after, 5)
    log = after.operations.services.log
    assert fsck(log.storage, log.vkey).problems == []
    report = verify_bundle(bundle(after, firm, tmp_path / "b.zip"), log.vkey)
    assert report.ok, report.problems


def test_the_root_key_changes_and_all_that_was_stored_opens(make_exchange: Any, database_url: str, rotate: Any) -> None:
    before = make_exchange(database_url=database_url)
    firm = before.firm("Maker")
    held = (before.settings.key_store / "keystore.json").read_bytes()
    done = rotate(before, "rotate", "root")
    assert done.exit_code == 0, done.output
    assert "1 organisations" in done.output
    after = make_exchange(database_url=database_url)
    # The firm's custodial key, under its tenant key, signs as before.
    after.operations.run(after.actor(firm.user), "participants.declare", evidence="Another extract of the register.",
                         industry="", country="CN", contact="", name="Maker")  # fmt: skip
    stop(after)
    (before.settings.key_store / "keystore.json").write_bytes(held)
    again = make_exchange(database_url=database_url)
    with pytest.raises(Exception, match="does not open with this key store"):
        again.operations.run(again.actor(firm.user), "participants.declare", evidence="A third extract of the register.",
                             industry="", country="CN", contact="", name="Maker")  # fmt: skip


@pytest.mark.parametrize(("which", "purpose"), [("log", LOG), ("statement", STATEMENT)])
def test_an_interrupted_change_stops_the_start_and_is_finished_by_the_same_command(
    sqlite_exchange: Any, make_exchange: Any, rotate: Any, monkeypatch: pytest.MonkeyPatch, which: str, purpose: str
) -> None:
    real = KeyStore.change

    def fails_at_the_end(self: KeyStore, secrets: Any, changes: Any = None) -> None:
        if COMING + purpose in secrets and secrets[COMING + purpose] is None:
            raise OSError("no space")
        real(self, secrets, changes)

    with monkeypatch.context() as broken:
        broken.setattr(KeyStore, "change", fails_at_the_end)
        assert rotate(sqlite_exchange, "rotate", which).exit_code == 1
    with pytest.raises(Exception, match="interrupted"):
        make_exchange()
    done = rotate(sqlite_exchange, "rotate", which)
    assert done.exit_code == 0, done.output
    after = make_exchange()
    log = after.operations.services.log
    changes = sum(entry.kind == "exchange.keys" for entry in log.entries(0, log.size()))
    # That of the log's key is said twice: under the old one and under the new one.
    assert changes == (2 if which == "log" else 1)
    assert fsck(log.storage, log.vkey).problems == []
    another(after, 8)
    assert fsck(log.storage, log.vkey).problems == []


def test_an_interrupted_change_of_the_root_key_loses_nothing(
    sqlite_exchange: Any, make_exchange: Any, rotate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    firm = sqlite_exchange.firm("Maker")
    real = KeyStore.replace_root

    def fails_after(self: KeyStore, rewrap: Any) -> None:
        def rewrap_and_stop(under_new: Any) -> None:
            rewrap(under_new)
            raise OSError("no space")

        real(self, rewrap_and_stop)

    with monkeypatch.context() as broken:
        broken.setattr(KeyStore, "replace_root", fails_after)
        assert rotate(sqlite_exchange, "rotate", "root").exit_code == 1
    done = rotate(sqlite_exchange, "rotate", "root")
    assert done.exit_code == 0, done.output
    after = make_exchange()
    after.operations.run(after.actor(firm.user), "participants.declare", evidence="Another extract of the register.",
                         industry="", country="CN", contact="", name="Maker")  # fmt: skip


def test_keys_change_only_while_nothing_uses_them(sqlite_exchange: Any) -> None:
    arguments = ["keys", "rotate", "statement", "--home", str(sqlite_exchange.settings.home)]
    refused = CliRunner().invoke(main, arguments)
    assert refused.exit_code == 1
    assert "The exchange is running." in refused.output
    stop(sqlite_exchange)
    with keychange.standing_still(sqlite_exchange.settings), pytest.raises(Exception, match="being changed"):
        keychange.use(sqlite_exchange.settings)


@pytest.mark.parametrize("which", ["site", "tokens"])
def test_the_secrets_of_the_site_and_of_access_tokens_change(sqlite_exchange: Any, rotate: Any, which: str) -> None:
    purpose = {"site": "web", "tokens": "tokens"}[which]
    old = sqlite_exchange.operations.services.keystore.secret(purpose)
    assert rotate(sqlite_exchange, "rotate", which).exit_code == 0
    assert KeyStore.open(sqlite_exchange.settings.key_store).secret(purpose) != old
