"""Keys of openings: each seals one opening, and one that was destroyed can never be made again."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.errors import LedgerError, LedgerUnavailableError, VerificationError
from ledger.openingkeys import OpeningKeys

WHO = "urn:uuid:0190a000-0000-7000-8000-00000000000a"
FIELDS = {"name": b"salt" * 8 + b'"Li Hua"', "price_fen": b"pepp" * 8 + b"1234", "signer": b"x"}


@pytest.fixture
def keys(tmp_path):
    return OpeningKeys(tmp_path / "keys")


def opened(keys, statement, sealed, subject=WHO):
    return {name: keys.unseal(keys.subject_id(subject), statement, name, box) for name, box in sealed.items()}


def folder_bytes(tmp_path):
    return b"".join(path.read_bytes() for path in sorted((tmp_path / "keys").iterdir()))


def test_what_is_sealed_is_opened_and_shows_nothing(keys, tmp_path):
    sealed = keys.seal(WHO, "s1", FIELDS)
    assert opened(keys, "s1", sealed) == FIELDS
    assert opened(OpeningKeys(tmp_path / "keys"), "s1", sealed) == FIELDS
    assert not any(content[:8] in box for box in sealed.values() for content in FIELDS.values() if len(content) > 8)
    assert keys.seal(WHO, "s1", FIELDS) != sealed
    for path in (tmp_path / "keys").iterdir():
        assert path.stat().st_mode & 0o077 == 0


def test_a_sealed_field_opens_at_its_own_place_only(keys):
    sealed = keys.seal(WHO, "s1", FIELDS)
    keys.seal("another", "s1", FIELDS)
    for subject, statement, name in ((WHO, "s2", "name"), (WHO, "s1", "price_fen"), ("another", "s1", "name")):
        with pytest.raises(VerificationError, match="altered"):
            keys.unseal(keys.subject_id(subject), statement, name, sealed["name"])


@pytest.mark.parametrize("place", [0, 3, 10, 40, -1])
def test_an_altered_seal_is_found_and_is_not_taken_for_an_erasure(keys, place):
    sealed = bytearray(keys.seal(WHO, "s1", FIELDS)["name"])
    sealed[place] ^= 1
    with pytest.raises(VerificationError, match="altered"):
        keys.unseal(keys.subject_id(WHO), "s1", "name", bytes(sealed))
    with pytest.raises(VerificationError, match="altered"):
        keys.unseal(keys.subject_id(WHO), "s1", "name", b"")


def test_a_destroyed_key_is_gone_and_every_other_stays(keys, tmp_path):
    sealed = {f"s{number}": keys.seal(WHO, f"s{number}", FIELDS) for number in range(30)}
    keys.destroy(keys.subject_id(WHO), "s7", "name", list(FIELDS))
    for reader in (keys, OpeningKeys(tmp_path / "keys")):
        assert opened(reader, "s7", sealed["s7"]) == FIELDS | {"name": None}
        for number in set(range(30)) - {7}:
            assert opened(reader, f"s{number}", sealed[f"s{number}"]) == FIELDS
    with pytest.raises(LedgerError, match="destroyed"):
        keys.seal(WHO, "s7", FIELDS)


def test_many_keys_are_destroyed_one_after_another(keys):
    statements = [f"s{number}" for number in range(60)]
    sealed = {statement: keys.seal(WHO, statement, FIELDS) for statement in statements}
    gone = set()
    for number, statement in enumerate(statements):
        for name in list(FIELDS)[: number % 4]:
            keys.destroy(keys.subject_id(WHO), statement, name, list(FIELDS))
            gone.add((statement, name))
    for statement in statements:
        expected = {name: None if (statement, name) in gone else content for name, content in FIELDS.items()}
        assert opened(keys, statement, sealed[statement]) == expected


def test_no_byte_of_the_old_file_leads_to_a_destroyed_key(keys, tmp_path):
    """The root and every node on the way to the key are gone from the folder."""
    keys.seal(WHO, "s1", FIELDS)
    before = keys._ring(keys.subject_id(WHO))
    keys.destroy(keys.subject_id(WHO), "s1", "name", list(FIELDS))
    left = folder_bytes(tmp_path)
    assert before.nodes[0, 0] not in left
    assert before.key(before.path("s1"), "name") not in left
    assert before._leaf(before.path("s1")) not in left
    assert before.key(before.path("s1"), "price_fen") in left
    assert sorted(path.suffix for path in (tmp_path / "keys").iterdir()) == ["", ".key"]


def test_a_destroyed_subject_is_gone_as_a_whole_and_can_be_written_about_again(keys):
    sealed, other = keys.seal(WHO, "s1", FIELDS), keys.seal("another", "s1", FIELDS)
    keys.destroy_subject(WHO)
    assert opened(keys, "s1", sealed) == dict.fromkeys(FIELDS)
    assert opened(keys, "s1", other, "another") == FIELDS
    again = keys.seal(WHO, "s1", FIELDS)
    assert opened(keys, "s1", again) == FIELDS
    keys.destroy_subject(WHO)
    assert opened(keys, "s1", sealed) == opened(keys, "s1", again) == dict.fromkeys(FIELDS)


def test_another_process_sees_at_once_that_a_key_is_gone(keys, tmp_path):
    other = OpeningKeys(tmp_path / "keys")
    sealed = keys.seal(WHO, "s1", FIELDS)
    assert opened(other, "s1", sealed) == FIELDS
    keys.destroy(keys.subject_id(WHO), "s1", "name", list(FIELDS))
    assert opened(other, "s1", sealed)["name"] is None


def test_keys_that_are_missing_or_damaged_are_said_so_and_erase_nothing(keys, tmp_path):
    sealed = keys.seal(WHO, "s1", FIELDS)
    (file,) = (tmp_path / "keys").glob("*.key")
    whole = file.read_bytes()
    for damaged in (whole[:-1], whole[:50], b"", whole.replace(b"keys v1", b"keys v2")):
        file.write_bytes(damaged)
        with pytest.raises(LedgerError, match="damaged"):
            OpeningKeys(tmp_path / "keys").unseal(keys.subject_id(WHO), "s1", "name", sealed["name"])
    with pytest.raises(LedgerError, match="no keys"):
        OpeningKeys(tmp_path / "empty").unseal(keys.subject_id(WHO), "s1", "name", sealed["name"])
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerUnavailableError):
        OpeningKeys(tmp_path / "file").seal(WHO, "s1", FIELDS)


DESTROYER = """
import os, sys
from pathlib import Path
from ledger.openingkeys import OpeningKeys
step, folder, subject = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
names = ["open", "fsync", "link", "rename", "replace", "unlink", "pwrite"]
count = 0
def counted(real):
    def call(*args, **kwargs):
        global count
        count += 1
        if count == step:
            os._exit(9)
        return real(*args, **kwargs)
    return call
for name in names:
    setattr(os, name, counted(getattr(os, name)))
keys = OpeningKeys(folder)
keys.destroy(keys.subject_id(subject), "s1", "name", ["name", "price_fen", "signer"])
os._exit(0)
"""


def test_keys_that_another_process_put_there_are_on_the_disk_before_anything_is_sealed_under_them(
    keys, tmp_path, monkeypatch
):
    """It may be killed, or not yet be done, between giving the file its name and syncing the folder."""
    synced, sync = [], os.fsync
    with monkeypatch.context() as killed:
        killed.setattr(OpeningKeys, "_sync", _killed)
        with pytest.raises(Killed):
            keys.seal(WHO, "s1", FIELDS)
    monkeypatch.setattr(
        os, "fsync", lambda handle: (synced.append(os.readlink(f"/proc/self/fd/{handle}")), sync(handle))
    )
    another = OpeningKeys(tmp_path / "keys")
    sealed = another.seal(WHO, "s1", FIELDS)
    assert synced == [str(tmp_path / "keys")]
    another.seal(WHO, "s2", FIELDS)
    assert opened(another, "s1", sealed) == FIELDS
    assert len(synced) == 1
    assert opened(OpeningKeys(tmp_path / "keys"), "s1", sealed) == FIELDS
    assert len(synced) == 1


class Killed(BaseException):
    """What kill -9 looks like from inside: nothing below the process gets a say."""


def _killed(*_):
    raise Killed


def test_a_crash_at_any_step_of_a_destruction_keeps_every_other_key(keys, tmp_path):
    """Killed before each call that touches the folder, the key is there or gone; the next try ends it."""
    sealed = keys.seal(WHO, "s1", FIELDS)
    rest = keys.seal(WHO, "s2", FIELDS)
    root = keys._ring(keys.subject_id(WHO)).nodes[0, 0]
    shutil.copytree(tmp_path / "keys", tmp_path / "start")
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    for step in range(1, 60):
        shutil.rmtree(tmp_path / "keys")
        shutil.copytree(tmp_path / "start", tmp_path / "keys")
        command = [sys.executable, "-c", DESTROYER, str(step), str(tmp_path / "keys"), WHO]
        code = subprocess.run(command, env=environment, check=False, timeout=60).returncode
        after = OpeningKeys(tmp_path / "keys")
        found = opened(after, "s1", sealed)
        assert found in (FIELDS, FIELDS | {"name": None})
        assert opened(after, "s2", rest) == FIELDS
        after.destroy(keys.subject_id(WHO), "s1", "name", list(FIELDS))
        assert opened(after, "s1", sealed) == FIELDS | {"name": None}
        assert root not in folder_bytes(tmp_path)
        if code == 0:
            break
    assert code == 0
    assert step > 5
