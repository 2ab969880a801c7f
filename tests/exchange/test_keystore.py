"""The key store: made once, readable by its owner alone, and nothing opens with another one."""

from __future__ import annotations

import base64
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from exchange.errors import ExchangeError, SettingsError
from exchange.keystore import LOG, STATEMENT, TOKENS, WEB, KeyStore


def test_a_key_store_is_made_with_fresh_secrets_for_its_owner_alone(tmp_path: Path) -> None:
    first, second = KeyStore.create(tmp_path / "one"), KeyStore.create(tmp_path / "two")
    assert stat.S_IMODE((tmp_path / "one" / "keystore.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "one").stat().st_mode) == 0o700
    found = [store.secret(purpose) for store in (first, second) for purpose in (LOG, STATEMENT, WEB, TOKENS)]
    assert len(set(found)) == 8
    assert {len(secret) for secret in found} == {32}


def test_what_was_made_is_what_is_opened(tmp_path: Path) -> None:
    made = KeyStore.create(tmp_path)
    opened = KeyStore.open(tmp_path)
    assert opened.secret(LOG) == made.secret(LOG)
    tenant = made.new_tenant_key("urn:uuid:a")
    wrapped = made.tenant("urn:uuid:a", tenant).wrap(b"private half", "key/1")
    assert opened.tenant("urn:uuid:a", tenant).unwrap(wrapped, "key/1") == b"private half"
    assert b"private half" not in wrapped


def test_a_second_key_store_never_takes_the_place_of_the_first(tmp_path: Path) -> None:
    KeyStore.create(tmp_path)
    before = (tmp_path / "keystore.json").read_bytes()
    with pytest.raises(SettingsError, match="unreadable"):
        KeyStore.create(tmp_path)
    assert (tmp_path / "keystore.json").read_bytes() == before


def test_a_key_store_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    KeyStore.create(tmp_path)
    (tmp_path / "keystore.json").chmod(0o640)
    with pytest.raises(SettingsError, match="chmod 600"):
        KeyStore.open(tmp_path)


def test_a_missing_or_damaged_key_store_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="exchange init"):
        KeyStore.open(tmp_path)
    path = tmp_path / "keystore.json"
    path.touch(0o600)
    for text in (
        "",
        "{}",
        "[]",
        "7",
        "null",
        '{"version": 1, "root": "?", "wrapped": {}}',
        '{"version": 1, "root": 7}',
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(SettingsError, match="damaged"):
            KeyStore.open(tmp_path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="damaged"):
        KeyStore.open(tmp_path)


def test_a_key_store_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "keystore.json").mkdir()
    with pytest.raises(SettingsError, match="Is a directory"):
        KeyStore.open(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="exchange init"):
        KeyStore.open(tmp_path / "file")


SHORT, OTHER = base64.b64encode(b"short").decode(), base64.b64encode(bytes(60)).decode()


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("root", SHORT),
        ("root", "not base64!"),
        ("root", OTHER),
        ("wrapped", []),
        ("wrapped", "text"),
        ("wrapped", {}),
        ("log", ""),
        ("log", SHORT),
        ("log", OTHER),
        ("log", "not base64!"),
        ("log", 7),
        ("web", None),
    ],
)
def test_a_malformed_key_is_refused_as_damage_and_not_shown(part: str, value: Any, tmp_path: Path) -> None:
    KeyStore.create(tmp_path)
    path = tmp_path / "keystore.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    place = document if part in document else document["wrapped"]
    place[part] = value
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(SettingsError, match="damaged") as refused:
        KeyStore.open(tmp_path)
    assert "backup" in refused.value.mend[0]
    assert document["root"] not in str(refused.value)


def test_a_key_store_of_a_later_form_is_not_taken_for_this_one(tmp_path: Path) -> None:
    KeyStore.create(tmp_path)
    path = tmp_path / "keystore.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**document, "version": 2}), encoding="utf-8")
    with pytest.raises(SettingsError, match="unknown form 2"):
        KeyStore.open(tmp_path)


def test_a_short_wrapped_key_of_a_tenant_is_refused_in_words(tmp_path: Path) -> None:
    store = KeyStore.create(tmp_path)
    for blob in (b"", b"short", bytes(12), bytes(27)):
        with pytest.raises(ExchangeError, match="does not open"):
            store.tenant("a", blob).derive("use")


def test_a_key_store_that_could_not_be_written_whole_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("exchange.files.os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            KeyStore.create(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert KeyStore.create(tmp_path).secret(LOG) == KeyStore.open(tmp_path).secret(LOG)


def test_a_key_store_is_synced_before_it_has_its_name_and_its_folder_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, link = os.fsync, os.link

    def note_sync(handle: int) -> None:
        done.append("sync folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "sync file")
        sync(handle)

    def note_link(source: Path, target: Path) -> None:
        done.append("name")
        link(source, target)

    monkeypatch.setattr("exchange.files.os.fsync", note_sync)
    monkeypatch.setattr("exchange.files.os.link", note_link)
    KeyStore.create(tmp_path)
    assert done == ["sync file", "name", "sync folder"]
    assert [path.name for path in tmp_path.iterdir()] == ["keystore.json"]


def test_of_several_makers_at_once_one_wins_and_the_others_are_told(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: _create_or_none(tmp_path), range(8)))
    (winner,) = [store for store in made if store is not None]
    assert KeyStore.open(tmp_path).secret(LOG) == winner.secret(LOG)


def _create_or_none(folder: Path) -> KeyStore | None:
    try:
        return KeyStore.create(folder)
    except SettingsError:
        return None


def test_an_altered_secret_is_refused_and_never_replaced(tmp_path: Path) -> None:
    KeyStore.create(tmp_path)
    path = tmp_path / "keystore.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["wrapped"][LOG] = document["wrapped"][STATEMENT]
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ExchangeError):
        KeyStore.open(tmp_path)


def test_a_wrapped_key_opens_in_its_own_store_for_its_own_tenant_and_use_alone(tmp_path: Path) -> None:
    store, other = KeyStore.create(tmp_path / "one"), KeyStore.create(tmp_path / "two")
    tenant = store.new_tenant_key("a")
    wrapped = store.tenant("a", tenant).wrap(b"k", "key/1")
    for opened in (other.tenant("a", tenant), store.tenant("b", tenant)):
        with pytest.raises(ExchangeError, match="key store"):
            opened.unwrap(wrapped, "key/1")
    with pytest.raises(ExchangeError):
        store.tenant("a", tenant).unwrap(wrapped, "key/2")


def test_secrets_of_a_tenant_are_derived_the_same_each_time_and_differ_by_purpose(tmp_path: Path) -> None:
    store = KeyStore.create(tmp_path)
    tenant = store.new_tenant_key("a")
    assert store.tenant("a", tenant).derive("pseudonyms") == KeyStore.open(tmp_path).tenant("a", tenant).derive(
        "pseudonyms"
    )
    assert store.tenant("a", tenant).derive("pseudonyms") != store.tenant("a", tenant).derive("fingerprint")
    assert store.tenant("a", tenant).derive("pseudonyms") != store.tenant("a", store.new_tenant_key("a")).derive(
        "pseudonyms"
    )
