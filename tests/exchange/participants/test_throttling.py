"""Guesses at passwords: counted for each address and for each account, behind proxies as in front of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from exchange import extensions
from exchange.extensions import client_address
from tests.exchange.conftest import PASSWORD, Exchange

MOST = 3


@pytest.fixture
def open_exchange(make_exchange: Callable[..., Exchange]) -> Iterator[Callable[..., Exchange]]:
    """A maker of exchanges in which an address and an account have three attempts a minute."""

    def make(**settings: Any) -> Exchange:
        exchange = make_exchange(login_attempts_per_minute=MOST, **settings)
        exchange.staff("auditor")
        extensions.limiter.reset()
        return exchange

    yield make
    extensions.limiter.reset()


def guess(exchange: Exchange, address: str, email: str, password: str = "", **headers: str) -> int:
    given = {"email": email, "password": password or "wrong"}
    client = exchange.app.test_client()
    return client.post("/api/v1/login", json=given, environ_base={"REMOTE_ADDR": address}, headers=headers).status_code


def test_an_account_is_guessed_at_a_few_times_a_minute_however_many_addresses_guess(open_exchange: Any) -> None:
    exchange = open_exchange()
    answers = [guess(exchange, f"192.0.2.{number}", "auditor@exchange.example") for number in range(MOST + 2)]
    assert answers == [401] * MOST + [429] * 2
    # The right password is not looked at either, however the address is written; other accounts are open.
    assert guess(exchange, "192.0.2.77", " Auditor@Exchange.example ", PASSWORD) == 429
    assert guess(exchange, "192.0.2.77", "operator@exchange.example") == 401


def test_an_account_that_does_not_exist_is_counted_like_one_that_does(open_exchange: Any) -> None:
    exchange = open_exchange()
    answers = [guess(exchange, f"192.0.2.{number}", "nobody@exchange.example") for number in range(MOST + 1)]
    assert answers == [401] * MOST + [429]


def test_signing_in_rightly_is_never_counted_against_the_account(open_exchange: Any) -> None:
    exchange = open_exchange()
    answers = [guess(exchange, f"192.0.2.{number}", "auditor@exchange.example", PASSWORD) for number in range(MOST + 3)]
    assert answers == [201] * (MOST + 3)


def test_the_form_counts_with_the_api(open_exchange: Any) -> None:
    exchange = open_exchange()
    for number in range(MOST):
        guess(exchange, f"192.0.2.{number}", "auditor@exchange.example")
    client = exchange.app.test_client()
    csrf = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get("/login").text)
    given = {"email": "auditor@exchange.example", "password": PASSWORD, "csrf_token": csrf and csrf[1]}
    page = client.post("/login", data=given, environ_base={"REMOTE_ADDR": "192.0.2.99"})
    assert page.status_code == 429
    assert "Too many attempts" in page.text


def test_behind_a_proxy_each_visitor_has_attempts_of_its_own(open_exchange: Any) -> None:
    exchange = open_exchange(trusted_proxies=1)

    def through_proxy(visitor: str, number: int, claimed: str = "") -> int:
        forwarded = f"{claimed}, {visitor}" if claimed else visitor
        return guess(exchange, "127.0.0.1", f"person{number}@firm.example", **{"X-Forwarded-For": forwarded})

    assert [through_proxy("198.51.100.7", number) for number in range(MOST + 1)] == [401] * MOST + [429]
    assert through_proxy("198.51.100.8", 50) == 401
    # What a visitor claims stands before what the proxy appended, and is not believed.
    assert through_proxy("198.51.100.7", 60, claimed="203.0.113.9") == 429


def test_without_a_trusted_proxy_the_header_is_not_read(open_exchange: Any) -> None:
    exchange = open_exchange()
    answers = [
        guess(exchange, "192.0.2.5", f"person{number}@firm.example", **{"X-Forwarded-For": f"198.51.100.{number}"})
        for number in range(MOST + 1)
    ]
    assert answers == [401] * MOST + [429]


def test_the_proxy_says_that_the_visitor_came_by_tls(open_exchange: Any) -> None:
    exchange = open_exchange(trusted_proxies=1, public_url="https://exchange.example.org")
    seen: list[tuple[str, str | None]] = []

    @exchange.app.before_request
    def look() -> None:
        from flask import request

        seen.append((request.scheme, request.remote_addr))

    forwarded = {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https"}
    exchange.app.test_client().get("/healthz", environ_base={"REMOTE_ADDR": "127.0.0.1"}, headers=forwarded)
    assert seen == [("https", "198.51.100.7")]


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.5", "192.0.2.5"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.5", "192.0.2.5"),
        ("", "local"),
    ],
)
def test_a_household_counts_as_one_address(address: str, counted: str, sqlite_exchange: Any) -> None:
    with sqlite_exchange.app.test_request_context(environ_base={"REMOTE_ADDR": address}):
        assert client_address() == counted
