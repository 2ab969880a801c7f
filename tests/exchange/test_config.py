"""Settings: where they come from, and which values stop the start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from exchange.config import Settings, load
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


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"workres": "2"}, "workres"),
        ({"workers": "many"}, "workers"),
        ({"workers": "0"}, "workers"),
        ({"threads": "-1"}, "threads"),
        ({"allow_insecure_http": "perhaps"}, "allow_insecure_http"),
        ({"public_url": "exchange.example.org"}, "public_url"),
        ({"public_url": "ftp://exchange.example.org"}, "public_url"),
        ({"public_url": "http://exchange.example.org"}, "public_url"),
        ({"database_url": "mysql://db/exchange"}, "database_url"),
        ({"database_url": "sqlite://"}, "database_url"),
        ({"database_url": "sqlite:///:memory:"}, "database_url"),
        ({"object_store": "s3://bucket"}, "s3_access_key"),
        ({"default_locale": "fr"}, "default_locale"),
        ({"jobs": "somewhere"}, "jobs"),
        ({"access_token_minutes": "60"}, "access_token_minutes"),
        ({"receipt_timeout_seconds": "0"}, "receipt_timeout_seconds"),
        ({"ledger_origin": "two words"}, "ledger_origin"),
        ({"ledger_origin": ""}, "ledger_origin"),
    ],
)
def test_unknown_and_unsafe_values_stop_the_start_with_the_mend(
    given: dict[str, Any], field: str, tmp_path: Path
) -> None:
    environment = {f"EXCHANGE_{name.upper()}": value for name, value in given.items()}
    with pytest.raises(SettingsError) as refused:
        load(environment, home=tmp_path)
    assert refused.value.field == field
    assert all(text.endswith((".", "。")) for text in refused.value.reason)
    assert refused.value.mend[0]


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
    with pytest.raises(SettingsError, match="does not exist"):
        load({"EXCHANGE_CONFIG": str(tmp_path / "none.toml")}, home=tmp_path)
    (tmp_path / "exchange.toml").write_text("workers: 2\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="not valid TOML"):
        load({}, home=tmp_path)


def test_variables_that_are_no_settings_are_left_alone(tmp_path: Path) -> None:
    environment = {"EXCHANGE_TOKEN": "ide_x", "EXCHANGE_DATA": "/data", "EXCHANGE_URL": "http://127.0.0.1:1"}
    assert load(environment, home=tmp_path) == load({}, home=tmp_path)
    assert Settings().workers == 1
