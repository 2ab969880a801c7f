"""The auditor's tool: verdicts in words and in exit codes, in a process of its own."""

import base64
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ledger import checkpoint
from ledger.__main__ import main
from ledger.bundle import write_bundle
from ledger.signatures import SigningKey

ROOT = Path(__file__).parents[2]


@pytest.fixture
def case(tmp_path, sqlite_log, record, statement_key):
    """A folder with a log's database, a bundle, an old checkpoint, a new one with its proof, and a receipt."""
    log = sqlite_log
    (tmp_path / "old").write_text(log.checkpoint())
    ids = [record(log, signer="exchange", custody="exchange", key=statement_key) for _ in range(5)]
    (tmp_path / "receipt.tlog-proof").write_text(log.receipt(ids[0]).proof)
    (tmp_path / "new").write_text(log.extension(1))
    (tmp_path / "new-alone").write_text(log.checkpoint())
    (tmp_path / "proof").write_text(
        "".join(base64.b64encode(item).decode() + "\n" for item in log.consistency_proof(1, 6))
    )
    write_bundle(tmp_path / "evidence.zip", log, ids[2:4], {})
    log.storage.engine.dispose()
    return tmp_path, log.vkey


def run(*arguments):
    """Run the tool in a process of its own, from an empty folder of its own choosing."""
    command = [sys.executable, "-W", "error", "-m", "ledger", *map(str, arguments)]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)


def test_a_good_bundle_is_verified_under_the_auditors_key(case):
    folder, vkey = case
    done = run("verify", folder / "evidence.zip", "--key", vkey)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "VERIFIED: 3 entries, under the key you gave."
    assert done.stderr == ""


def test_without_a_key_the_verdict_says_what_is_missing(case):
    folder, vkey = case
    done = run("verify", folder / "evidence.zip")
    assert done.returncode == 0
    assert "only against the key inside the bundle" in done.stdout
    assert vkey in done.stdout


def test_the_verdict_can_be_had_as_json(case):
    folder, vkey = case
    done = run("verify", folder / "evidence.zip", "--key", vkey, "--json")
    report = json.loads(done.stdout)
    assert report["ok"] is True
    assert report["pinned"] is True
    assert report["size"] == "6"
    assert [entry["index"] for entry in report["entries"]] == ["0", "3", "4"]
    assert all(check["ok"] for check in report["checks"])


def test_a_bundle_of_another_log_fails(case, capsys):
    folder, _ = case
    other = checkpoint.vkey("exchange.example/log", SigningKey.generate().public)
    assert main(["verify", str(folder / "evidence.zip"), "--key", other]) == 1
    output = capsys.readouterr().out
    assert "NOT VERIFIED" in output
    assert "FAILED checkpoint" in output
    # What is the same for all entries is told once.
    assert output.count("there is no verified checkpoint") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["verify", "{folder}/absent.zip"],
        ["verify", "{folder}/old"],
        ["verify", "{folder}/evidence.zip", "--key", "nonsense"],
        ["consistency", "{folder}/old", "{folder}/new"],
        ["consistency", "{folder}/old", "{folder}/new", "--key", "nonsense"],
        ["consistency", "{folder}/old", "{folder}/new-alone", "--key", "{vkey}"],
        ["consistency", "{folder}/new-alone", "{folder}/absent", "--key", "{vkey}"],
        ["consistency", "{folder}/proof", "{folder}/new", "--key", "{vkey}"],
        ["consistency", "{folder}/old", "{folder}/new-alone", "--key", "{vkey}", "--database", "sqlite:///none.db"],
        ["fsck", "sqlite:///{folder}/absent.db"],
        ["fsck", "sqlite:///{folder}/old"],
        ["fsck", "nonsense"],
        ["fsck", "oracle://nowhere"],
        ["fsck", "postgresql://127.0.0.1:1/none?connect_timeout=1"],
        ["fsck", "{database}", "--key", "nonsense"],
        ["fsck", "{database}", "--checkpoint", "{folder}/proof"],
    ],
)
def test_unusable_input_is_said_so_in_one_sentence(case, sqlite_url, capsys, arguments):
    folder, vkey = case
    words = [word.format(folder=folder, vkey=vkey, database=sqlite_url) for word in arguments]
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert "Traceback" not in captured.err


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("empty", b"", "is empty"),
        ("noise", bytes(range(256)) * 40, "is nothing that can be verified"),
        ("noise", b"\0" * 5_000_000, "is nothing that can be verified"),
        ("words", b"hello world\n\nand more\n", "is nothing that can be verified"),
        ("other.json", b"{}", "not a receipt: the field 'index' is missing"),
        ("deep.json", b'{"a":' * 100_000, "neither a tlog-proof nor a JSON receipt"),
        (
            "endless.json",
            b'{"index":1e999,"statement_id":"a","leaf_hash":"00","proof":"","size":1}',
            "not a receipt: a field of it is malformed",
        ),
    ],
)
def test_a_file_of_another_kind_is_said_to_be_one(case, capsys, name, data, words):
    folder, vkey = case
    (folder / name).write_bytes(data)
    assert main(["verify", str(folder / name), "--key", vkey]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.removesuffix("\n").isprintable()
    assert main(["consistency", str(folder / name), str(folder / "new"), "--key", vkey]) == 2
    assert capsys.readouterr().err.removesuffix("\n").isprintable()


def test_an_absent_file_a_mistyped_key_and_an_address_are_named(case, capsys):
    folder, vkey = case
    for words, said in (
        (["verify", f"{folder}/absent", "--key", vkey], f"error: {folder}/absent: No such file or directory\n"),
        (["verify", f"{folder}/evidence.zip", "--key", "nonsense"], "error: --key is no verifier key: "),
        (
            ["fsck", "https://log.example", "--key", vkey],
            "error: nothing is fetched from https://…: copy the log's files",
        ),
    ):
        assert main(words) == 2
        assert capsys.readouterr().err.startswith(said)


@pytest.mark.parametrize("action", ["serve", "show"])
def test_a_folder_without_a_witness_is_said_to_be_one(tmp_path, capsys, action):
    assert main(["witness", action, str(tmp_path / "absent")]) == 2
    assert capsys.readouterr().err == f"error: {tmp_path / 'absent'} holds no witness; make one with `init`\n"


def test_a_certificate_is_read_even_where_no_stamp_is_in_the_bundle(case, capsys, make_authority, tmp_path):
    folder, vkey = case
    words = ["verify", str(folder / "evidence.zip"), "--key", vkey, "--tsa-ca"]
    assert main([*words, str(folder / "old")]) == 2
    assert "not a certificate of a time-stamping authority" in capsys.readouterr().err
    assert main([*words, str(make_authority().root)]) == 0
    assert "no time stamp is in the bundle: nothing is proven of the time" in capsys.readouterr().out


def test_time_stamps_without_their_package_are_unusable(case, capsys, monkeypatch):
    folder, vkey = case
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    assert main(["verify", str(folder / "evidence.zip"), "--key", vkey, "--tsa-ca", str(folder / "old")]) == 2
    assert "time stamps need the package rfc3161-client" in capsys.readouterr().err


def test_an_unpacked_bundle_is_not_taken_for_a_log_that_was_cut_short(case, capsys):
    folder, vkey = case
    with zipfile.ZipFile(folder / "evidence.zip") as bundle:
        bundle.extractall(folder / "unpacked")
    assert main(["verify", str(folder / "unpacked"), "--key", vkey]) == 2
    assert "it is an unpacked bundle, so name the zip file" in capsys.readouterr().err


def test_a_database_without_sqlalchemy_is_unusable_and_not_unverified(case, sqlite_url, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    for words in (
        ["fsck", sqlite_url],
        ["prove", sqlite_url, "--index", "1"],
        ["export", sqlite_url, str(case[0] / "out")],
    ):
        assert main(words) == 2
        assert "SQLAlchemy, which is not installed" in capsys.readouterr().err


def test_usage_errors_have_the_same_exit_code():
    for words in ([], ["unknown"], ["verify"], ["verify", "a", "--unknown"]):
        with pytest.raises(SystemExit) as stopped:
            main(words)
        assert stopped.value.code == 2


@pytest.mark.parametrize(
    "words",
    [
        "{folder}/old {folder}/new",
        "{folder}/old {folder}/new-alone --proof {folder}/proof",
        "{folder}/old {folder}/new-alone --database {database}",
        "{folder}/old {folder}/evidence.zip --database {database}",
        "{folder}/old {folder}/receipt.tlog-proof --database {database}",
        "{folder}/evidence.zip {folder}/new-alone",
        "{folder}/old {folder}/old",
    ],
)
def test_a_later_checkpoint_extends_an_earlier_one(case, sqlite_url, capsys, words):
    folder, vkey = case
    arguments = words.format(folder=folder, database=sqlite_url).split(" ")
    assert main(["consistency", *arguments, "--key", vkey]) == 0
    assert capsys.readouterr().out.startswith("CONSISTENT: exchange.example/log at size")


def test_the_key_can_come_from_a_bundle_and_the_verdict_says_so(case, sqlite_url, capsys):
    folder, vkey = case
    words = ["consistency", str(folder / "old"), str(folder / "evidence.zip"), "--database", sqlite_url]
    assert main(words) == 0
    assert vkey in capsys.readouterr().out
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "ok": True, "origin": "exchange.example/log", "old": "1", "new": "6", "pinned": False,
    }  # fmt: skip


def test_a_fork_is_not_consistent(case, capsys, log_key):
    folder, vkey = case
    forked = checkpoint.sign("exchange.example/log", 6, bytes(32), log_key)
    (folder / "fork").write_text(forked)
    assert main(["consistency", str(folder / "new-alone"), str(folder / "fork"), "--key", vkey]) == 1
    assert "forked" in capsys.readouterr().out


def test_an_older_checkpoint_does_not_extend_a_newer_one(case, capsys):
    folder, vkey = case
    assert main(["consistency", str(folder / "new-alone"), str(folder / "old"), "--key", vkey, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False


def test_a_proof_from_another_size_is_not_used(case, capsys):
    folder, vkey = case
    (folder / "later").write_text((folder / "new").read_text().replace("old 1", "old 2"))
    assert main(["consistency", str(folder / "old"), str(folder / "later"), "--key", vkey]) == 2
    assert "from size 2" in capsys.readouterr().err


def test_a_whole_log_is_checked_in_its_database_without_touching_it(case, sqlite_url):
    folder, vkey = case
    copy = folder / "copy with space?.db"
    shutil.copy(folder / "ledger.db", copy)
    before = copy.read_bytes()
    done = run(
        "fsck", f"sqlite:///{copy}", "--key", vkey, "--checkpoint", folder / "old", "--checkpoint", folder / "new"
    )
    assert done.returncode == 0, done.stderr
    assert "VERIFIED" in done.stdout
    assert copy.read_bytes() == before


def test_a_tampered_database_fails_and_the_entry_is_named(case, capsys, sqlite_log, sqlite_url):
    _, vkey = case
    engine = sqlite_log.storage.engine
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER ledger_entries_no_DELETE")
        connection.exec_driver_sql('DELETE FROM ledger_entries WHERE "index" = 3')
    engine.dispose()
    assert main(["fsck", sqlite_url, "--key", vkey]) == 1
    assert "FAILED entry 3 (entry): is missing" in capsys.readouterr().out
    assert main(["fsck", sqlite_url, "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["problems"][0] == {"index": "3", "check": "entry", "detail": "is missing"}


def test_what_is_public_can_be_checked_alone(sqlite_log, sqlite_url, capsys):
    with sqlite_log.storage.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER ledger_openings_no_DELETE")
        connection.exec_driver_sql("DELETE FROM ledger_openings")
    sqlite_log.storage.engine.dispose()
    assert main(["fsck", sqlite_url, "--key", sqlite_log.vkey]) == 1
    assert main(["fsck", sqlite_url, "--key", sqlite_log.vkey, "--public"]) == 0
    assert "VERIFIED: chain, tree, checkpoints and counters agree." in capsys.readouterr().out


@pytest.mark.postgresql
def test_a_whole_log_is_checked_on_postgresql(postgresql_url, postgresql_log, record, capsys, tmp_path):
    postgresql_log.receipt(record(postgresql_log))
    check = ["fsck", postgresql_url.replace("+psycopg", ""), "--key", postgresql_log.vkey]
    assert main([*check, "--opening-keys", str(tmp_path / "opening-keys")]) == 0
    assert "openings, signatures" in capsys.readouterr().out
    # Without the keys what is public is checked, and it is said that this was all.
    assert main(check) == 0
    assert "signatures" not in capsys.readouterr().out


def test_a_bundle_is_verified_without_any_code_of_the_exchange_or_a_database(case):
    folder, vkey = case
    program = (
        "import sys; from ledger.__main__ import main; code = main(sys.argv[1:]);"
        "names = {name.partition('.')[0] for name in sys.modules};"
        "print(sorted(names & {'exchange', 'contracts', 'valuation', 'flask', 'sqlalchemy', 'sqlite3', 'psycopg'}));"
        "sys.exit(code)"
    )
    command = [sys.executable, "-c", program, "verify", str(folder / "evidence.zip"), "--key", vkey]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_terminal_is_shown_a_progress_bar(case, capsys, monkeypatch):
    folder, vkey = case
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert main(["verify", str(folder / "evidence.zip"), "--key", vkey]) == 0
    assert "3/3 entries" in capsys.readouterr().err
