"""The auditor's tool on tiles: export, prove, consistency, verify, fsck; verdicts in words and in exit codes."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.bundle import write_bundle
from ledger.cli import main
from ledger.identifiers import new_id
from ledger.receipt import parse_proof, verify_proof


@pytest.fixture
def case(tmp_path, sqlite_log, sqlite_url, record, statement_key, capsys):
    """A log of 40 entries in SQLite, its export, an old checkpoint, a new one, a bundle."""
    log = sqlite_log
    ids = [record(log, signer="exchange", custody="exchange", key=statement_key) for _ in range(9)]
    log.integrate()
    (tmp_path / "old").write_text(log.checkpoint())
    ids += [record(log, signer="exchange", custody="exchange", key=statement_key) for _ in range(30)]
    log.integrate()
    (tmp_path / "new").write_text(log.checkpoint())
    write_bundle(tmp_path / "evidence.zip", log, ids[4:6], {})
    assert main(["export", sqlite_url, str(tmp_path / "tiles"), "--key", log.vkey]) == 0
    assert "holds the log at size 40, before 0; 3 files." in capsys.readouterr().out
    log.storage.engine.dispose()
    return tmp_path, log, sqlite_url, ids


def test_an_exported_log_is_whole_by_fsck_and_by_verify(case, capsys):
    folder, log, _, _ = case
    assert main(["fsck", str(folder / "tiles"), "--key", log.vkey]) == 0
    assert "Log of 40 entries" in capsys.readouterr().out
    assert main(["verify", str(folder / "tiles"), "--key", log.vkey, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["ok"], report["size"], report["openings"], report["pinned"]) == (True, "40", False, True)
    for command in ("verify", "fsck"):
        assert main([command, str(folder / "tiles")]) == 2
        assert "--key" in capsys.readouterr().err


def test_a_tampered_tile_is_not_verified(case, capsys):
    folder, log, _, _ = case
    (tile,) = (folder / "tiles/tile/0/000.p").iterdir()
    data = bytearray(tile.read_bytes())
    data[7 * 32] ^= 1
    tile.write_bytes(data)
    for command in ("fsck", "verify"):
        assert main([command, str(folder / "tiles"), "--key", log.vkey]) == 1
        printed = capsys.readouterr().out
        assert "FAILED entry 7 (tree)" in printed
        assert "tile/0/000.p/40" in printed
    # The neighbour's proof needs the damaged hash, the entry's own does not.
    assert main(["prove", str(folder / "tiles"), "--index", "6", "--key", log.vkey]) == 1
    assert "NOT PROVEN" in capsys.readouterr().out
    assert main(["prove", str(folder / "tiles"), "--index", "7", "--key", log.vkey]) == 0


def test_an_entry_is_proven_from_tiles_database_and_bundle_alike(case, capsys):
    folder, log, url, ids = case
    body = log.storage.bodies
    outputs = []
    for source in (str(folder / "tiles"), url, str(folder / "evidence.zip")):
        for choice in (["--index", "6"], ["--statement", ids[5]]):
            assert main(["prove", source, *choice, "--key", log.vkey]) == 0
            outputs.append(capsys.readouterr().out)
    assert len(set(outputs)) == 1
    parts = parse_proof(outputs[0])
    assert parts.index == 6
    (entry,) = body(6, 7)
    assert verify_proof(outputs[0], entry, log.vkey).size == 40
    assert main(["prove", url, "--index", "6", "-o", str(folder / "p"), "--key", log.vkey]) == 0
    assert (folder / "p").read_text() == outputs[0]
    assert main(["verify", str(folder / "p"), "--entry", str(_entry(folder, entry)), "--key", log.vkey]) == 0
    capsys.readouterr()
    assert main(["prove", url, "--index", "6", "--json"]) == 0
    receipt = json.loads(capsys.readouterr().out)
    assert (receipt["index"], receipt["statement_id"], receipt["pinned"]) == ("6", ids[5], False)


def _entry(folder, body):
    (folder / "entry").write_bytes(body)
    return folder / "entry"


@pytest.mark.parametrize("choice", [["--index", "40"], ["--index", "-1"], ["--statement", "unknown"]])
def test_what_is_not_there_cannot_be_proven(case, capsys, choice):
    folder, log, url, _ = case
    choice = ["--statement", new_id_of_nothing()] if choice[1] == "unknown" else choice
    for source in (str(folder / "tiles"), url, str(folder / "evidence.zip")):
        assert main(["prove", source, *choice, "--key", log.vkey]) == 2
        assert "error:" in capsys.readouterr().err


def new_id_of_nothing():
    from datetime import UTC, datetime

    return new_id(datetime.now(UTC))


def test_a_proof_under_another_key_is_not_given_out(case, capsys):
    from ledger import checkpoint
    from ledger.signatures import SigningKey

    folder, log, url, _ = case
    other = checkpoint.vkey(log.origin, SigningKey.generate().public)
    for source in (str(folder / "tiles"), url, str(folder / "evidence.zip")):
        assert main(["prove", source, "--index", "6", "--key", other, "--json"]) == 1
        assert json.loads(capsys.readouterr().out)["ok"] is False


def test_a_database_is_verified_like_a_folder_and_a_bundle_is_no_whole_log(case, capsys):
    folder, log, url, _ = case
    assert main(["verify", url, "--key", log.vkey, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["ok"], report["size"], report["openings"]) == (True, "40", True)
    assert main(["verify", url, "--entry", str(folder / "old")]) == 2
    assert "under --key alone" in capsys.readouterr().err
    words = ["export", str(folder / "evidence.zip"), str(folder / "copy"), "--key", log.vkey]
    assert main(words) == 2
    assert "is a bundle" in capsys.readouterr().err
    assert not (folder / "copy").exists()


def test_of_a_bundle_all_that_it_holds_is_checked(case, capsys):
    folder, log, _, _ = case
    bundle = str(folder / "evidence.zip")
    assert main(["fsck", bundle, "--key", log.vkey]) == 0
    by_fsck = capsys.readouterr().out
    assert main(["verify", bundle, "--key", log.vkey]) == 0
    assert capsys.readouterr().out == by_fsck
    assert "VERIFIED: 3 entries" in by_fsck
    assert main(["fsck", bundle, "--checkpoint", str(folder / "old")]) == 2
    assert "compare kept checkpoints with `consistency`" in capsys.readouterr().err
    data = bytearray((folder / "evidence.zip").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "evidence.zip").write_bytes(data)
    assert main(["fsck", bundle, "--key", log.vkey]) in (1, 2)


ISOLATED = """
import sys
from ledger.__main__ import main
codes = [main(words.split()) for words in sys.argv[1:]]
names = {name.partition(".")[0] for name in sys.modules}
print(codes, sorted(names & {"exchange", "contracts", "valuation", "flask", "sqlalchemy", "sqlite3", "psycopg", "boto3", "cryptography"}))
"""


def test_tiles_are_checked_and_proven_without_any_code_of_the_exchange_or_a_database(case):
    folder, log, _, _ = case
    tiles, key = folder / "tiles", f"--key {log.vkey}"
    commands = [
        f"fsck {tiles} {key}", f"verify {tiles} {key}", f"prove {tiles} --index 6 {key} -o {folder / 'proof'}",
        f"consistency {folder / 'old'} {tiles} {key}", f"export {tiles} {folder / 'mirror'} {key}",
    ]  # fmt: skip
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-W", "error", "-c", ISOLATED, *commands]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.stdout.splitlines()[-1] == "[0, 0, 0, 0, 0] []", done.stdout + done.stderr


def test_a_terminal_is_shown_a_progress_bar(case, capsys, monkeypatch):
    folder, log, url, _ = case
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert main(["export", url, str(folder / "again"), "--key", log.vkey]) == 0
    assert "2/2 files" in capsys.readouterr().err
    assert main(["fsck", str(folder / "again"), "--key", log.vkey]) == 0
    assert "40/40 entries" in capsys.readouterr().err


def test_tiles_are_exported_again_from_tiles(case, capsys):
    folder, log, _, _ = case
    assert main(["export", str(folder / "tiles"), str(folder / "mirror")]) == 2
    assert "--key" in capsys.readouterr().err
    assert main(["export", str(folder / "tiles"), str(folder / "mirror"), "--key", log.vkey]) == 0
    assert main(["fsck", str(folder / "mirror"), "--key", log.vkey]) == 0
    for path in (folder / "tiles").rglob("*"):
        if path.is_file():
            assert (folder / "mirror" / path.relative_to(folder / "tiles")).read_bytes() == path.read_bytes()


def test_an_entry_that_a_database_lacks_is_not_proven(case, capsys):
    folder, log, url, _ = case
    with sqlite3.connect(folder / "ledger.db") as connection:
        connection.execute("DROP TRIGGER ledger_entries_no_DELETE")
        connection.execute('DELETE FROM ledger_entries WHERE "index" = 6')
    connection.close()
    assert main(["prove", url, "--index", "6", "--key", log.vkey]) == 1
    assert "entry 6 is missing" in capsys.readouterr().out


def test_a_log_itself_stands_for_its_newest_checkpoint_and_its_proof(case, capsys):
    folder, log, url, _ = case
    for new in (str(folder / "tiles"), url):
        assert main(["consistency", str(folder / "old"), new, "--key", log.vkey]) == 0
        assert "size 40 extends size 10" in capsys.readouterr().out
    assert main(["consistency", str(folder / "tiles"), url, "--key", log.vkey]) == 0


def test_consistency_is_proven_from_tiles(case, capsys):
    folder, log, _, _ = case
    words = ["consistency", str(folder / "old"), str(folder / "new"), "--key", log.vkey]
    assert main([*words, "--log", str(folder / "tiles")]) == 0
    assert "size 40 extends size 10" in capsys.readouterr().out
    assert main(words) == 2


def test_an_export_again_adds_and_another_log_is_refused(case, capsys, record, make_engine, open_log, make_storage):
    folder, log, url, _ = case
    for _ in range(300):
        record(log)
    log.integrate()
    assert main(["export", url, str(folder / "tiles"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["size"], report["before"]) == ("340", "40")
    assert main(["fsck", str(folder / "tiles"), "--key", log.vkey]) == 0
    engine = make_engine(f"sqlite:///{folder / 'other.db'}")
    other = open_log(make_storage(engine))
    for _ in range(400):
        record(other)
    other.integrate()
    engine.dispose()
    capsys.readouterr()
    assert main(["export", f"sqlite:///{folder / 'other.db'}", str(folder / "tiles"), "--key", log.vkey]) == 1
    assert "NOT EXPORTED: the target holds another log" in capsys.readouterr().out


@pytest.mark.parametrize("source", ["nowhere", "sqlite:///nowhere.db"])
def test_what_is_no_log_is_unusable(source, capsys, tmp_path):
    assert main(["fsck", source]) == 2
    assert main(["prove", source, "--index", "0"]) == 2
    assert main(["fsck", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("error:") == 3
