"""Settings: where they come from, and which values stop the start."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from exchange.config import Settings, load
from exchange.config_rules import RULES
from exchange.errors import SettingsError


def test_the_environment_wins_over_the_file_and_the_command_line_over_both(tmp_path: Path) -> None:
    (tmp_path / "exchange.toml").write_text(
        'workers = 2\nthreads = 3\nexchange_name = "From the file"\n', encoding="utf-8"
    )
    environment = {"EXCHANGE_HOME": str(tmp_path), "EXCHANGE_WORKERS": "4", "EXCHANGE_THREADS": "5"}
    settings = load(environment, threads=6)
    assert (settings.exchange_name, settings.workers, settings.threads) == ("From the file", 4, 6)


def test_what_is_not_set_lies_in_the_home_folder(tmp_path: Path) -> None:
    settings = load({}, home=tmp_path / "home")
    assert settings.database_url == f"sqlite:///{tmp_path / 'home' / 'exchange.db'}"
    assert settings.object_store == str(tmp_path / "home" / "objects")
    assert settings.key_store == tmp_path / "home" / "keys"
    assert settings.spool == tmp_path / "home" / "spool"


def test_settings_do_not_change_and_show_no_secret(tmp_path: Path) -> None:
    settings = load({}, home=tmp_path, database_url="postgresql://exchange:hidden@db/exchange", s3_secret_key="hidden")
    with pytest.raises(AttributeError):
        settings.workers = 9  # type: ignore[misc]
    assert "hidden" not in repr(settings)


# For each setting what it refuses: of the wrong type, out of its range, or unsafe.
REFUSED: dict[str, list[Any]] = {
    "home": [5, "a\nb", __file__],
    "database_url": [
        5, "mysql://db/exchange", "sqlite://", "sqlite:///:memory:", "sqlite:///", "sqlite://host/file", "sqlite:///a.db?mode=ro",
        "postgresql://exchange:pa@ss:word@db:port/exchange", "exchange.db",
    ],
    "object_store": [5, "s3://", "s3://B", "gs://bucket", __file__],
    "s3_endpoint": [5, "s3.example.org", "ftp://s3.example.org"],
    "s3_region": ["", "a\nb", 1],
    "s3_access_key": [["a"], "a\tb"],
    "s3_secret_key": [5, "a\tb"],
    "key_store": [True, __file__],
    "public_url": [
        "exchange.example.org", "ftp://exchange.example.org", "http://exchange.example.org", "https://", "https://[::1",
        "https://exchange.example.org:port", "https://exchange.example.org/market", "https://me:secret@exchange.example.org", 5,
    ],
    "allow_insecure_http": ["perhaps", 2, "", []],
    "trusted_proxies": [-1, 11, "one", 1.0, True],
    "exchange_name": ["", "   ", "a\nb", "x" * 101, 5, {"zh": "x"}],
    "ledger_origin": ["two words", "", "a+b", "a\nb", 5],
    "publish_log_to": [5, "s3://", "s3://B", "gs://bucket", __file__],
    "ethereum_rpc": ["node.example.org", "ftp://node", "https://", "http://[::1", "https://node:port", "https://a b", "https://me:key@node.example.org", 5],
    "ethereum_chain_id": [-1, 2**53, "main", 1.5],
    "ethereum_contract": ["0x12", "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD", 5],
    "ethereum_keystore": [5, "/", "a\nb"],
    "ethereum_password_file": [True, "/", "a\nb"],
    "ethereum_max_fee_gwei": [0, -1, "nan", "much", 10**6],
    "ethereum_interval_minutes": [0, 43201],
    "ethereum_confirmations": [0, "all"],
    "witness_policy": [5, "/", "a\nb"],
    "witness_interval_minutes": [0, 43201],
    "timestamp_authority": ["tsa.example.org", "ftp://tsa", "https://", "https://me:word@tsa", "https://tsa:0/", "https://a b", 5],
    "timestamp_ca": [True, "/", "a\nb"],
    "timestamp_interval_minutes": [0, 43201],
    "egress_schemes": ["", "ftp", "https file", 5],
    "egress_hosts": ["a/b", "https://a", "a@b", "*.*", 5],
    "egress_internal": ["10.0.0.0/33", "10.0.0.1/8", "a/b", "a@b", "host:0", "host:port", 5],
    "default_locale": ["fr", "", "EN", 1],
    "bind": ["8000", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "a b:80", "unix:socket", "http://127.0.0.1:8000", 8000],
    "workers": ["many", "0", "-1", 65, 2.7, "2.5", True, [2], ""],
    "threads": ["-1", 0, 1025],
    "job_threads": [0, 65],
    "jobs": ["somewhere", "", 1],
    "receipt_timeout_seconds": ["0", "nan", "inf", 61, "soon", True],
    "session_idle_minutes": [0, 43201],
    "session_absolute_hours": [0, 2161],
    "access_token_minutes": [0, 16, "60"],
    "dpop": ["always", "", True],
    "dpop_nonce": ["perhaps", 2],
    "acceptance_window_days": [0, 366],
    "artefact_days": [0, 3651, 10**12],
    "login_attempts_per_minute": [0, 10**7],
    "max_upload_bytes": [0, "20GB", 2**60],
    "max_columns": [0, 10**6],
    "memory_limit": ["", "512", "a lot", "5MB", "-1GB", "80%", 512],
    "log_level": ["loud", "", "INFO", 10],
}  # fmt: skip


def test_every_setting_has_a_rule_and_a_test_of_what_it_refuses() -> None:
    names = [item.name for item in fields(Settings)]
    assert list(RULES) == names
    assert list(REFUSED) == names


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in REFUSED.items() for value in values])
def test_what_a_setting_cannot_be_stops_the_start_with_name_reason_and_mend(
    name: str, value: Any, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError) as refused:
        load({}, **{"home": tmp_path, name: value})
    assert refused.value.field == name
    assert refused.value.reason[0].endswith(".")
    assert refused.value.reason[1].endswith("。")
    assert refused.value.mend[0].endswith(".")
    assert refused.value.mend[1].endswith("。")


@pytest.mark.parametrize("name", [item.name for item in fields(Settings)])
def test_every_default_obeys_its_own_rule(name: str) -> None:
    assert RULES[name](getattr(Settings(), name)) is None


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("workers", " 4 ", 4),
        ("receipt_timeout_seconds", "2.5", 2.5),
        ("receipt_timeout_seconds", 3, 3.0),
        ("allow_insecure_http", "Yes", True),
        ("memory_limit", "1.5 GiB", "1.5 GiB"),
        ("bind", "[::1]:9000", "[::1]:9000"),
        ("bind", ":8000", ":8000"),
        ("bind", "unix:/run/exchange/socket", "unix:/run/exchange/socket"),
        ("database_url", "postgresql://exchange@db.example.org/exchange?sslmode=verify-full", None),
        ("trusted_proxies", "2", 2),
        ("egress_schemes", "https, http", None),
        ("egress_hosts", "*.example.org witness.example", None),
        ("egress_internal", "127.0.0.1:8090,[::1]:8090,10.0.0.0/8,fd00::/8,inside", None),
    ],
)
def test_a_sound_value_is_taken_in_its_own_type(name: str, given: Any, kept: Any, tmp_path: Path) -> None:
    found = getattr(load({f"EXCHANGE_{name.upper()}": given}, home=tmp_path), name)
    assert (found, type(found)) == (given if kept is None else kept, type(given if kept is None else kept))


def test_a_time_stamping_authority_needs_the_certificate_that_it_is_known_by(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        load({}, home=tmp_path, timestamp_authority="https://tsa.example.org/tsr")
    assert refused.value.field == "timestamp_ca"
    load({}, home=tmp_path, timestamp_authority="https://tsa.example.org/tsr", timestamp_ca=tmp_path / "ca.pem")


def test_an_unknown_name_is_refused_with_the_one_that_was_meant(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="Did you mean workers") as refused:
        load({"EXCHANGE_WORKRES": "2"}, home=tmp_path)
    assert refused.value.field == "workres"
    (tmp_path / "exchange.toml").write_text("[server]\nworkers = 2\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="no setting named 'server'"):
        load({}, home=tmp_path)


def test_a_refused_secret_is_not_repeated(tmp_path: Path) -> None:
    for given in (
        {"s3_secret_key": 987654321},
        {"database_url": "postgresql://u:hid@den@db:x/y"},
        {"database_url": 987654321},
        {"ethereum_rpc": "node.example.org/987654321"},
        {"ethereum_rpc": 987654321},
    ):
        with pytest.raises(SettingsError) as refused:
            load({}, home=tmp_path, **given)
        assert not {"987654321", "hid"} & set(re.findall(r"\w+", str(refused.value)))


def test_the_s3_store_needs_both_keys(tmp_path: Path) -> None:
    for given, missing in (({}, "s3_access_key"), ({"s3_access_key": "a"}, "s3_secret_key")):
        with pytest.raises(SettingsError, match="credentials") as refused:
            load({}, home=tmp_path, object_store="s3://bucket", **given)
        assert refused.value.field == missing
    assert load({}, home=tmp_path, object_store="s3://bucket", s3_access_key="a", s3_secret_key="b").s3_region


def test_anchoring_needs_the_number_of_its_chain(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="could follow any") as refused:
        load({}, home=tmp_path, ethereum_rpc="https://node.example.org/v1/key")
    assert refused.value.field == "ethereum_chain_id"
    settings = load({}, home=tmp_path, ethereum_rpc="https://node.example.org/v1/key", ethereum_chain_id=1)
    assert settings.ethereum_keystore == tmp_path / "keys" / "anchor.json"
    assert "v1/key" not in repr(settings)


def test_an_empty_path_is_none_and_leaves_the_default(tmp_path: Path) -> None:
    settings = load({"EXCHANGE_KEY_STORE": "", "EXCHANGE_HOME": ""})
    assert settings.key_store == Path("var").absolute() / "keys"


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:8000", "http://localhost", "http://[::1]:9000", "https://exchange.example.org/"]
)
def test_plain_http_is_for_this_machine_alone(address: str, tmp_path: Path) -> None:
    settings = load({}, home=tmp_path, public_url=address)
    assert settings.public_url == address.rstrip("/")
    assert settings.secure_cookies is address.startswith("https")


def test_plain_http_to_another_machine_can_be_allowed_by_name(tmp_path: Path) -> None:
    settings = load({"EXCHANGE_ALLOW_INSECURE_HTTP": "yes"}, home=tmp_path, public_url="http://10.0.0.5")
    assert settings.allow_insecure_http is True


def test_a_file_that_was_named_must_exist_and_be_toml(tmp_path: Path) -> None:
    for missing in (tmp_path / "none.toml", Path(__file__) / "none.toml"):
        with pytest.raises(SettingsError, match="does not exist"):
            load({"EXCHANGE_CONFIG": str(missing)}, home=tmp_path)
    for written in (b"workers: 2\n", b"\xff\xfe\x00", b"workers = 2\nworkers = 3\n"):
        (tmp_path / "exchange.toml").write_bytes(written)
        with pytest.raises(SettingsError, match="not valid TOML"):
            load({}, home=tmp_path)


def test_a_settings_file_that_cannot_be_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        load({"EXCHANGE_CONFIG": str(tmp_path)}, home=tmp_path)

    def refuse(*_: Any, **__: Any) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(SettingsError, match="Permission denied"):
        load({}, home=tmp_path)


def test_variables_that_are_no_settings_are_left_alone(tmp_path: Path) -> None:
    environment = {"EXCHANGE_TOKEN": "ide_x", "EXCHANGE_DATA": "/data", "EXCHANGE_URL": "http://127.0.0.1:1"}
    assert load(environment, home=tmp_path) == load({}, home=tmp_path)
    assert Settings().workers == 1
