"""The command line: what its user is told, in one sentence with the mend, and the exit codes."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

from exchange.access import STRANGER
from exchange.application import make_operations
from exchange.cli import main
from exchange.config import load
from exchange.errors import InvalidInputError
from exchange.keystore import KeyStore
from exchange.participants.models import User
from exchange.participants.passwords import hash_password
from tests.exchange.cli_tools import one_sentence

STAFF = ["staff", "--name", "Olga", "--email", "olga@exchange.example", "--role", "operator"]


def test_init_prints_the_verifier_key_and_changes_nothing_when_repeated(run: Any, tmp_path: Path) -> None:
    first, second = run("init", "--home", "home"), run("init", "--home", "home")
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert re.search(r"exchange\.local/log\+[0-9a-f]{8}\+\S{44}", first.output)
    assert first.output == second.output
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700


def test_staff_signs_in_with_the_given_roles_and_one_address_once(run: Any) -> None:
    run("init", "--home", "home")
    made = run(*STAFF, "--role", "auditor", "--home", "home", EXCHANGE_STAFF_PASSWORD="correct horse battery")
    assert made.exit_code == 0
    assert "can sign in as auditor, operator" in made.output
    again = run(*STAFF, "--home", "home", EXCHANGE_STAFF_PASSWORD="correct horse battery")
    assert "has an account already" in one_sentence(again)


def test_somebody_of_the_exchange_who_lost_the_password_gets_a_code_that_sets_a_new_one_once(run: Any) -> None:
    run("init", "--home", "home")
    run(*STAFF, "--home", "home", EXCHANGE_STAFF_PASSWORD="correct horse battery")
    assert "Nobody of the exchange" in one_sentence(run("staff-password", "--home", "home", "--email", "x@y.example"))
    made = run("staff-password", "--home", "home", "--email", "Olga@exchange.example")
    assert made.exit_code == 0, made.output
    code = re.search(r"One-time code: (\S+)", made.output)
    operations = make_operations(load({}, home=Path("home")))
    try:
        with operations.database.reading() as session:
            (olga,) = session.scalars(select(User))
            assert olga.password_hash == ""
        new = hash_password("another correct horse")
        operations.run(STRANGER, "participants.redeem_code", code=code[1], password_hash=new)
        with pytest.raises(InvalidInputError, match="unknown, used already"):
            operations.run(STRANGER, "participants.redeem_code", code=code[1], password_hash=new)
        kinds = [entry.kind for entry in operations.services.log.entries(1, 99)]
        assert kinds == ["exchange.roles", "participant.password_reset", "participant.password_changed"]
    finally:
        operations.database.dispose()


def test_a_weak_password_is_refused_with_the_mend(run: Any) -> None:
    run("init", "--home", "home")
    assert "10 to 128 characters" in one_sentence(run(*STAFF, "--home", "home", EXCHANGE_STAFF_PASSWORD="short"))


def test_the_doctor_ends_well_on_a_sound_exchange_and_with_1_on_a_faulty_one(run: Any, tmp_path: Path) -> None:
    run("init", "--home", "home")
    sound = run("doctor", "--home", "home")
    assert sound.exit_code == 0
    assert sound.output.count("ok   ") == 10
    (tmp_path / "home" / "keys" / "keystore.json").chmod(0o644)
    faulty = run("doctor", "--home", "home")
    assert "FAIL key store" in faulty.output
    assert "chmod 600" in faulty.output
    assert faulty.exit_code == 1


def test_an_exchange_that_was_not_initialised_is_not_served(run: Any) -> None:
    assert "exchange init" in one_sentence(run("serve", "--home", "home"))


def test_an_unsafe_setting_stops_every_command_with_the_mend(run: Any) -> None:
    told = one_sentence(run("init", "--home", "home", EXCHANGE_PUBLIC_URL="http://exchange.example.org"))
    assert "public_url" in told
    assert "https" in told


def test_wrong_usage_has_the_exit_code_2(run: Any) -> None:
    for arguments in (
        ["nothing"],
        ["staff"],
        ["serve", "--workers", "0"],
        ["publish", "missing.csv"],
        ["sample", "--rows", "x"],
    ):
        assert run(*arguments).exit_code == 2, arguments


def test_the_sample_is_the_same_for_the_same_seed(run: Any, tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        assert run("sample", "--rows", "300", "-o", name).exit_code == 0
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert run("sample", "--rows", "300", "--seed", "8", "-o", "c.parquet").exit_code == 0
    assert pq.read_metadata(tmp_path / "c.parquet").num_rows == 300
    assert ".csv or .parquet" in one_sentence(run("sample", "-o", "d.txt"))


def test_a_command_that_needs_an_account_says_how_to_sign_in(run: Any) -> None:
    told = one_sentence(run("offers", "--url", "https://exchange.example.org"))
    assert "exchange login --url https://exchange.example.org" in told


def test_an_exchange_that_does_not_answer_is_named(run: Any) -> None:
    told = one_sentence(run("offers", "--url", "http://127.0.0.1:9", "--token", "ide_x"))
    assert "does not answer" in told


def test_own_keys_are_made_once_and_readable_by_their_owner_alone(run: Any, tmp_path: Path) -> None:
    made = run("keys", "new", "--keys", "firm.json")
    assert made.exit_code == 0
    assert stat.S_IMODE((tmp_path / "firm.json").stat().st_mode) == 0o600
    document = json.loads((tmp_path / "firm.json").read_text(encoding="utf-8"))
    assert all(document[name]["public"] in made.output for name in ("signing", "encryption"))
    assert not any(document[name]["private"] in made.output for name in ("signing", "encryption"))
    assert "exists already" in one_sentence(run("keys", "new", "--keys", "firm.json"))


def test_a_key_file_that_others_can_read_opens_nothing(run: Any, tmp_path: Path) -> None:
    run("keys", "new", "--keys", "firm.json")
    (tmp_path / "firm.json").chmod(0o640)
    (tmp_path / "package.sealed").write_bytes(b"sealed")
    assert "chmod 600" in one_sentence(run("open", "package.sealed", "--keys", "firm.json"))


def test_what_is_no_package_leaves_nothing_behind(run: Any, tmp_path: Path) -> None:
    run("keys", "new", "--keys", "firm.json")
    (tmp_path / "package.sealed").write_bytes(b"sealed")
    (tmp_path / "package.key.json").write_text("{}", encoding="utf-8")
    assert "is not a key note" in one_sentence(run("open", "package.sealed", "--keys", "firm.json"))
    assert {path.name for path in tmp_path.iterdir()} == {"firm.json", "package.sealed", "package.key.json"}


def test_evidence_of_one_thing_is_exported_at_a_time(run: Any) -> None:
    run("init", "--home", "home")
    assert "--agreement" in one_sentence(run("audit", "export", "--home", "home", "-o", "x.zip"))
    unknown = run("audit", "export", "--home", "home", "--agreement", "urn:uuid:nothing", "-o", "x.zip")
    assert "Nothing on the ledger speaks of that" in one_sentence(unknown)
    assert not Path("x.zip").exists()


def test_every_command_has_help(run: Any) -> None:
    def walk(command: Any, path: list[str]) -> list[list[str]]:
        inner = getattr(command, "commands", {})
        return [path, *(found for name, item in inner.items() for found in walk(item, [*path, name]))]

    for path in walk(main, []):
        shown = run(*path, "--help")
        assert shown.exit_code == 0
        assert len(shown.output.strip().splitlines()) > 3, path


def test_the_commands_are_listed_in_the_order_of_the_journey_and_in_whole_sentences(run: Any) -> None:
    listed = run("--help").output.partition("Commands:")[2].strip().splitlines()
    names = [line.split()[0] for line in listed]
    assert all(line.endswith(".") and not line.endswith("...") for line in listed)
    order = ["init", "serve", "login", "publish", "request", "approve", "accept", "fund", "fetch", "keys"]
    assert [name for name in names if name in order] == order


def test_the_key_store_of_an_exchange_is_its_own(run: Any, tmp_path: Path) -> None:
    run("init", "--home", "one")
    run("init", "--home", "two")
    stores = [KeyStore.open(load({}, home=tmp_path / name).key_store).secret("log") for name in ("one", "two")]
    assert stores[0] != stores[1]
