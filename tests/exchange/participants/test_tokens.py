"""API tokens: one that a token made can do no more, lives no longer and ends with it; what was signed in before an end is ended."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import update

from exchange.access import Permission
from exchange.errors import AuthenticationError
from exchange.participants import tokens
from exchange.participants.models import User


def bearer(exchange: Any, token: str) -> Any:
    client = exchange.app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return client


def make(client: Any, **more: Any) -> dict[str, Any]:
    answer = client.post("/api/v1/tokens", json={"name": "child", **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def test_a_token_made_by_a_token_ends_no_later(exchange: Any) -> None:
    owner = exchange.firm("Works")
    parent = exchange.operations.run(owner, "participants.create_token", name="parent", days=2).result
    child = make(bearer(exchange, parent["token"]), days=300)
    assert child["expires_at"] == parent["expires_at"]
    grandchild = make(bearer(exchange, child["token"]), days=1)
    assert datetime.fromisoformat(grandchild["expires_at"]) < datetime.fromisoformat(parent["expires_at"])


def test_a_token_made_by_a_token_can_do_no_more(exchange: Any) -> None:
    owner = exchange.firm("Works")
    narrow = [str(Permission.TOKEN_MANAGE), str(Permission.DATASET_READ)]
    parent = bearer(exchange, exchange.token(owner, scopes=narrow))
    refused = parent.post("/api/v1/tokens", json={"name": "wide", "scopes": [str(Permission.DATASET_WRITE)]})
    assert (refused.status_code, refused.json["field"]) == (422, "scopes")
    for scopes in (None, [str(Permission.DATASET_READ)], []):
        child = bearer(exchange, make(parent, scopes=scopes)["token"])
        assert child.post("/api/v1/datasets", json={"title": "Spindles"}).status_code == 403
        assert child.get("/api/v1/datasets").status_code == (403 if scopes == [] else 200)


def test_revoking_a_token_ends_all_that_came_of_it_and_nothing_else(exchange: Any) -> None:
    owner = exchange.firm("Works")
    made = exchange.operations.run(owner, "participants.create_token", name="parent").result
    child = make(bearer(exchange, made["token"]))
    grandchild = make(bearer(exchange, child["token"]))
    other = exchange.client(owner)
    assert other.delete(f"/api/v1/tokens/{made['id']}").json["revoked"] is True
    for token in (made, child, grandchild):
        assert bearer(exchange, token["token"]).get("/api/v1/me").status_code == 401
    assert other.get("/api/v1/me").status_code == 200


def test_a_token_that_is_revoked_while_it_makes_another_leaves_none(exchange: Any) -> None:
    owner = exchange.firm("Works")
    made = exchange.operations.run(owner, "participants.create_token", name="parent").result
    with exchange.operations.database.reading_connection() as connection:
        actor = tokens.actor_of_token(connection, made["token"])
    together = threading.Barrier(5)

    def act(number: int) -> str | None:
        together.wait(timeout=20)
        if number == 0:
            exchange.operations.run(owner, "participants.revoke_token", token=made["id"])
            return None
        try:
            return str(exchange.operations.run(actor, "participants.create_token", name="child").result["token"])
        except AuthenticationError:
            return None

    with ThreadPoolExecutor(5) as pool:
        children = [token for token in pool.map(act, range(5), timeout=60) if token]
    assert [bearer(exchange, token).get("/api/v1/me").status_code for token in children] == [401] * len(children)
    with pytest.raises(AuthenticationError):
        exchange.operations.run(actor, "participants.create_token", name="late")


def test_a_password_that_changed_between_the_look_and_the_token_signs_nobody_in(exchange: Any) -> None:
    owner = exchange.firm("Works")
    with exchange.operations.database.reading() as session:
        user = session.get_one(User, owner.user)
    with exchange.operations.database.writing() as session:
        session.execute(update(User).where(User.id == owner.user).values(password_hash="another"))
    with pytest.raises(AuthenticationError):
        exchange.operations.run(owner, "participants.create_token", name="t", proof=user.password_hash)
    with pytest.raises(AuthenticationError), exchange.operations.database.writing() as session:
        tokens.open_session(session, exchange.settings, user, "test")
