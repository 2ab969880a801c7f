"""The key store: made once, readable by its owner alone, and nothing opens with another one."""

from __future__ import annotations

import json
import stat
from pathlib import Path

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
    for text in ("", "{}", "[]", '{"root": "?", "wrapped": {}}', '{"root": "AAAA", "wrapped": {"log": 7}}'):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(SettingsError, match="damaged"):
            KeyStore.open(tmp_path)


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
