"""What tests share to be fast leads nothing from one test to another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from exchange.keystore import FILE
from exchange.operations import Operations
from exchange.setup import check_schema
from tests.exchange.founding import Applications


def test_a_copied_exchange_is_a_whole_one_and_the_next_of_a_test_has_keys_of_its_own(
    make_exchange: Any, tmp_path: Path
) -> None:
    first, second = make_exchange(), make_exchange(home=tmp_path / "other")
    for exchange in (first, second):
        assert check_schema(exchange.operations.database)
        assert exchange.operations.services.log.size() == 1
        exchange.firm("Works")
        assert exchange.operations.services.log.size() > 1
    keys = {(exchange.settings.key_store / FILE).read_bytes() for exchange in (first, second)}
    assert len(keys) == 2


def test_an_application_serves_the_next_exchange_as_if_it_were_new(sqlite_exchange: Any) -> None:
    applications, settings = Applications(), sqlite_exchange.settings
    operations = sqlite_exchange.operations
    app = applications.lend(settings, operations)
    # Two exchanges at once have an application each.
    assert applications.lend(settings, operations) is not app
    app.config["WTF_CSRF_ENABLED"] = False
    app.config.pop("SITE_NAME")
    applications.take_back(app)
    elsewhere = Operations(operations.database, operations.services)
    again = applications.lend(replace(settings, home=Path("elsewhere")), elsewhere)
    assert again is app
    assert again.extensions["exchange"] is elsewhere
    assert "WTF_CSRF_ENABLED" not in again.config or again.config["WTF_CSRF_ENABLED"]
    assert again.config["SITE_NAME"] == settings.exchange_name
    applications.take_back(again)
    assert applications.lend(replace(settings, trusted_proxies=1), operations) is not app


def test_an_application_that_a_test_has_added_to_serves_no_other(sqlite_exchange: Any) -> None:
    applications = Applications()
    app = applications.lend(sqlite_exchange.settings, sqlite_exchange.operations)

    @app.before_request
    def look() -> None:
        """Look at nothing."""

    applications.take_back(app)
    assert applications.lend(sqlite_exchange.settings, sqlite_exchange.operations) is not app
