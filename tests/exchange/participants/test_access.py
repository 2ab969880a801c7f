"""Sessions, tokens, CSRF, and the gate in front of every view."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from exchange.access import EXCHANGE_ROLES, ROLE_PERMISSIONS, Actor, Permission, Role
from exchange.participants.models import ApiToken, LoginSession
from exchange.web import required_permission

PASSWORD = "correct horse battery"


def _csrf(client: Any, path: str = "/login") -> str:
    return str(re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get(path).text).group(1))  # type: ignore[union-attr]


def _sign_in(client: Any, email: str, password: str = PASSWORD) -> Any:
    return client.post("/login", data={"email": email, "password": password, "csrf_token": _csrf(client)})


def test_a_person_signs_in_and_out_and_the_session_dies_on_the_server(sqlite_exchange: Any) -> None:
    sqlite_exchange.firm("Works")
    client = sqlite_exchange.app.test_client()
    assert client.get("/account").status_code == 401
    assert _sign_in(client, "owner1@firm.example").status_code == 303
    assert client.get("/account").status_code == 200
    cookie = client.get_cookie("session").value
    client.post("/logout", data={"csrf_token": _csrf(client)})
    client.set_cookie("session", cookie)
    assert client.get("/account").status_code == 401


def test_a_wrong_password_and_an_unknown_account_get_the_same_answer(sqlite_exchange: Any) -> None:
    sqlite_exchange.firm("Works")
    client = sqlite_exchange.app.test_client()
    answers = {
        re.sub(r"csrf_token[^>]*>|value=\"[^\"]*\"", "", _sign_in(client, email, "wrong password here").text)
        for email in ("owner1@firm.example", "nobody@firm.example")
    }
    assert len(answers) == 1


def test_a_form_without_its_csrf_token_changes_nothing(sqlite_exchange: Any) -> None:
    sqlite_exchange.firm("Works")
    client = sqlite_exchange.app.test_client()
    assert client.post("/login", data={"email": "owner1@firm.example", "password": PASSWORD}).status_code == 400
    _sign_in(client, "owner1@firm.example")
    assert client.post("/api/v1/tokens", json={"name": "stolen"}).status_code == 400
    assert client.post("/logout").status_code == 400


def test_idle_and_old_sessions_end(sqlite_exchange: Any) -> None:
    sqlite_exchange.firm("Works")
    for column, value in (("seen_at", timedelta(minutes=61)), ("expires_at", timedelta(seconds=1))):
        client = sqlite_exchange.app.test_client()
        _sign_in(client, "owner1@firm.example")
        with sqlite_exchange.operations.database.writing() as session:
            session.execute(update(LoginSession).values({column: datetime.now(UTC) - value}))
        assert client.get("/account").status_code == 401


def test_guessing_passwords_is_throttled(make_exchange: Any) -> None:
    exchange = make_exchange()
    exchange.app.extensions["limiter"]
    object.__setattr__(exchange.settings, "login_attempts_per_minute", 3)
    client = exchange.app.test_client()
    codes = [client.post("/api/v1/login", json={"email": "a@b.example", "password": "x"}).status_code for _ in range(5)]
    assert codes[:3] == [401, 401, 401]
    assert codes[3:] == [429, 429]


@pytest.mark.parametrize("spoil", ["expired", "revoked", "mistyped", "unknown", "scheme"])
def test_a_bad_token_is_refused_and_never_a_stranger(exchange: Any, spoil: str) -> None:
    owner = exchange.firm("Works")
    token = exchange.token(owner)
    with exchange.operations.database.writing() as session:
        if spoil == "expired":
            session.execute(update(ApiToken).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
        if spoil == "revoked":
            session.execute(update(ApiToken).values(revoked_at=datetime.now(UTC)))
    header = {
        "mistyped": f"Bearer {token[:-1]}{'0' if token[-1] != '0' else '1'}",
        "unknown": "Bearer ide_" + "0" * 64 + "_ffffffff",
        "scheme": f"Basic {token}",
    }.get(spoil, f"Bearer {token}")
    answer = exchange.app.test_client().get("/api/v1/me", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.content_type == "application/problem+json"
    assert answer.json["code"] == "invalid-token"


def test_a_token_is_stored_as_a_hash_only(sqlite_exchange: Any) -> None:
    token = sqlite_exchange.token(sqlite_exchange.firm("Works"))
    files = list(sqlite_exchange.settings.home.glob("exchange.db*"))
    assert files
    assert all(token.encode() not in file.read_bytes() for file in files)


def test_a_scoped_token_can_do_no_more_than_its_scopes(exchange: Any) -> None:
    owner = exchange.firm("Works")
    token = exchange.token(owner, scopes=[str(Permission.DATASET_READ)])
    client = exchange.app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    assert client.get("/api/v1/datasets").status_code == 200
    assert client.post("/api/v1/datasets", json={"title": "New data"}).status_code == 403
    assert client.post("/api/v1/tokens", json={"name": "wider"}).status_code == 403


def test_every_view_names_its_permission(sqlite_exchange: Any) -> None:
    app = sqlite_exchange.app
    missing = [
        (rule.rule, method)
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if not rule.endpoint.endswith("static") and required_permission(app, rule.endpoint, method) is None
    ]
    assert missing == []


def test_strangers_reach_only_what_is_public(sqlite_exchange: Any) -> None:
    app = sqlite_exchange.app
    client = app.test_client()
    for rule in app.url_map.iter_rules():
        if rule.endpoint.endswith("static") or "GET" not in rule.methods:
            continue
        if required_permission(app, rule.endpoint, "GET") == Permission.PUBLIC:
            continue
        path = re.sub(r"<[^>]+>", "urn:uuid:018f0000-0000-7000-8000-000000000000", rule.rule)
        assert client.get(path).status_code in {401, 404}, rule.rule


def test_roles_of_a_firm_never_see_across_and_exchange_roles_never_trade() -> None:
    for role in Role:
        across = {permission for permission in ROLE_PERMISSIONS[role] if permission.startswith("exchange:")}
        assert bool(across) == (role in EXCHANGE_ROLES)
    for role in EXCHANGE_ROLES:
        assert Permission.NEGOTIATION_REQUEST not in ROLE_PERMISSIONS[role]
        assert Permission.TRANSFER_REQUEST not in ROLE_PERMISSIONS[role]


def test_a_stranger_has_only_the_public_permission() -> None:
    assert Actor().permissions == {Permission.PUBLIC}


def test_pages_carry_a_strict_policy_and_no_inline_script(sqlite_exchange: Any) -> None:
    answer = sqlite_exchange.app.test_client().get("/")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe-inline" not in policy
    assert not re.search(r"<script(?![^>]*src=)[^>]*>|<style| style=| onclick=", answer.text)


def test_an_open_redirect_is_not_to_be_had(sqlite_exchange: Any) -> None:
    sqlite_exchange.firm("Works")
    client = sqlite_exchange.app.test_client()
    for target in ("//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)"):
        assert client.get("/preferences", query_string={"locale": "zh", "next": target}).headers["Location"] == "/"
        answer = client.post(
            "/login", query_string={"next": target},
            data={"email": "owner1@firm.example", "password": PASSWORD, "csrf_token": _csrf(client)},
        )  # fmt: skip
        assert "evil" not in answer.headers.get("Location", "")


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_only_those_who_publish_may_send_more_than_a_message(sqlite_exchange: Any, content_type: str) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n' + b"a" * (3 * 1024 * 1024)
    path = "/api/v1/login" if content_type == "application/json" else "/login"
    assert sqlite_exchange.app.test_client().post(path, data=body, content_type=content_type).status_code == 413
    pending = sqlite_exchange.client(sqlite_exchange.firm("Newcomer", verified=False))
    assert pending.post("/api/v1/tokens", data=body, content_type="application/json").status_code == 413
    publisher = sqlite_exchange.client(sqlite_exchange.firm("Works"))
    assert publisher.post("/api/v1/datasets", data=body, content_type="application/json").status_code == 413
    dataset = publisher.post("/api/v1/datasets", json={"title": "Spindles"}).json["id"]
    sent = publisher.put(
        f"/api/v1/datasets/{dataset}/content?filename=a.bin", data=body, content_type="application/octet-stream"
    )
    assert sent.status_code in {200, 202}, sent.text


def test_text_that_cannot_be_recorded_is_refused_as_the_senders_mistake(sqlite_exchange: Any) -> None:
    client = sqlite_exchange.client(sqlite_exchange.firm("Works"))
    for path, body in (
        ("/api/v1/tokens", '{"name": "broken \\ud800"}'),
        ("/api/v1/datasets", '{"title": "broken \\ud800"}'),
        ("/api/v1/login", '{"email": "broken@firm.example", "password": "broken \\ud800"}'),
    ):
        answer = client.post(path, data=body, content_type="application/json")
        assert answer.status_code == 422, answer.text


def test_a_colleague_who_uses_the_same_idempotency_key_does_not_get_anothers_answer(sqlite_exchange: Any) -> None:
    owner = sqlite_exchange.firm("Works")
    colleague = sqlite_exchange.person(owner, "buyer")
    headers = {"Idempotency-Key": "monthly"}
    mine = sqlite_exchange.client(owner).post("/api/v1/tokens", json={"name": "batch"}, headers=headers)
    theirs = sqlite_exchange.client(colleague).post("/api/v1/tokens", json={"name": "batch"}, headers=headers)
    assert mine.status_code == 201
    assert (theirs.status_code, theirs.json["code"]) == (422, "idempotency-key-reused")
