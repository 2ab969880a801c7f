"""People of a firm: roles given and taken, accounts disabled, passwords reset and changed; what ends, ends at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from exchange.access import Actor, Permission, Role
from exchange.audit.models import StatementIndex
from exchange.errors import (
    AuthenticationError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    PermissionDeniedError,
)
from exchange.participants import passwords, tokens
from exchange.participants.models import ApiToken, LoginSession, PasswordReset, User

PASSWORD = "correct horse battery"
NEW = "another long sentence"
NEW_HASH = passwords.hash_password(NEW)


def kinds(exchange: Any, firm: str) -> list[str]:
    with exchange.operations.database.reading() as session:
        rows = session.scalars(
            select(StatementIndex.kind).where(StatementIndex.subject == firm).order_by(StatementIndex.statement)
        )
        return list(rows)


def email_of(exchange: Any, actor: Actor) -> str:
    with exchange.operations.database.reading() as session:
        return session.get_one(User, actor.user).email


def signed_in(exchange: Any, actor: Actor) -> str:
    """Return the id of a new browser session."""
    with exchange.operations.database.writing() as session:
        return tokens.open_session(session, exchange.settings, session.get_one(User, actor.user), "test")


def is_live(exchange: Any, identifier: str) -> bool:
    with exchange.operations.database.reading_connection() as connection:
        return tokens.actor_of_session(connection, exchange.settings, identifier) is not None


def may_sign_in(exchange: Any, email: str, password: str) -> bool:
    try:
        with exchange.operations.database.reading() as session:
            tokens.authenticate(session, email, password)
    except AuthenticationError:
        return False
    return True


def test_an_owner_changes_and_removes_roles_and_the_next_request_feels_it(exchange: Any) -> None:
    owner = exchange.firm("Works")
    buyer = exchange.person(owner, "buyer")
    token = exchange.token(buyer)
    client = exchange.app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    assert client.post("/api/v1/datasets", json={"title": "Spindles"}).status_code == 403
    answer = exchange.client(owner).put(f"/api/v1/people/{buyer.user}/roles", json={"roles": ["publisher", "finance"]})
    assert (answer.status_code, answer.json["roles"]) == (200, ["finance", "publisher"])
    assert len(answer.json["receipts"]) == 1
    assert client.post("/api/v1/datasets", json={"title": "Spindles"}).status_code == 201
    exchange.operations.run(owner, "participants.set_roles", user=buyer.user, roles=["finance"])
    assert client.post("/api/v1/datasets", json={"title": "More spindles"}).status_code == 403
    assert kinds(exchange, owner.participant).count("participant.roles") == 3


def test_roles_that_are_the_same_already_are_not_recorded_again(exchange: Any) -> None:
    owner = exchange.firm("Works")
    buyer = exchange.person(owner, "buyer")
    outcome = exchange.operations.run(owner, "participants.set_roles", user=buyer.user, roles=["buyer"])
    assert outcome.result["roles"] == ["buyer"]
    assert outcome.receipts == ()


def test_only_an_owner_changes_the_people_of_its_own_firm(exchange: Any) -> None:
    owner, stranger = exchange.firm("Works"), exchange.firm("Other Works")
    buyer = exchange.person(owner, "buyer")
    for name, arguments in (
        ("participants.set_roles", {"user": buyer.user, "roles": ["owner"]}),
        ("participants.disable_person", {"user": buyer.user}),
        ("participants.enable_person", {"user": buyer.user}),
        ("participants.reset_password", {"user": buyer.user}),
    ):
        for nobody in (buyer, exchange.staff("operator"), Actor()):
            with pytest.raises(PermissionDeniedError):
                exchange.operations.run(nobody, name, **arguments)
        with pytest.raises(NotFoundError):
            exchange.operations.run(stranger, name, **arguments)
    with pytest.raises(InvalidInputError) as refused:
        exchange.operations.run(owner, "participants.set_roles", user=buyer.user, roles=["operator"])
    assert refused.value.field == "roles"


def test_the_last_owner_stays_and_a_second_one_makes_room(exchange: Any) -> None:
    owner = exchange.firm("Works")
    for name, arguments in (
        ("participants.set_roles", {"user": owner.user, "roles": ["buyer"]}),
        ("participants.disable_person", {"user": owner.user}),
    ):
        with pytest.raises(ConflictError) as refused:
            exchange.operations.run(owner, name, **arguments)
        assert refused.value.code == "last-owner"
    second = exchange.person(owner, "owner")
    exchange.operations.run(second, "participants.set_roles", user=owner.user, roles=["buyer"])
    assert exchange.actor(owner.user).roles == {Role.BUYER}
    with pytest.raises(ConflictError):
        exchange.operations.run(second, "participants.disable_person", user=second.user)


def test_two_owners_who_remove_each_other_at_once_leave_one(exchange: Any) -> None:
    first = exchange.firm("Works")
    second = exchange.person(first, "owner")
    together = threading.Barrier(2)

    def remove(actor: Actor, other: Actor) -> str:
        together.wait(timeout=20)
        try:
            exchange.operations.run(actor, "participants.set_roles", user=other.user, roles=["buyer"])
        except ConflictError as error:
            return error.code
        return "removed"

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(remove, (first, second), (second, first), timeout=60))
    assert sorted(outcomes) == ["last-owner", "removed"]
    owners = [actor for actor in (first, second) if Role.OWNER in exchange.actor(actor.user).roles]
    assert len(owners) == 1


def test_a_disabled_person_is_out_at_once_and_comes_back_without_the_old_tokens(exchange: Any) -> None:
    owner = exchange.firm("Works")
    buyer = exchange.person(owner, "buyer")
    token, session = exchange.token(buyer), signed_in(exchange, buyer)
    client = exchange.app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    assert client.get("/api/v1/me").status_code == 200
    assert is_live(exchange, session)

    desk = exchange.client(owner)
    assert desk.post(f"/api/v1/people/{buyer.user}/deactivation").json["disabled"] is True
    assert client.get("/api/v1/me").status_code == 401
    assert not is_live(exchange, session)
    assert not may_sign_in(exchange, email_of(exchange, buyer), PASSWORD)
    shown = {item["user"]: item["disabled"] for item in desk.get("/api/v1/people").json["items"]}
    assert shown == {owner.user: False, buyer.user: True}

    assert desk.post(f"/api/v1/people/{buyer.user}/activation").json["disabled"] is False
    assert client.get("/api/v1/me").status_code == 401
    assert not is_live(exchange, session)
    assert may_sign_in(exchange, email_of(exchange, buyer), PASSWORD)
    assert kinds(exchange, owner.participant)[-2:] == ["participant.person_disabled", "participant.person_enabled"]


def test_a_code_from_the_owner_sets_one_new_password_and_nothing_of_before_stays(exchange: Any) -> None:
    owner = exchange.firm("Works")
    buyer = exchange.person(owner, "buyer")
    email, token, session = email_of(exchange, buyer), exchange.token(buyer), signed_in(exchange, buyer)
    answer = exchange.client(owner).post(f"/api/v1/people/{buyer.user}/password-reset")
    assert answer.status_code == 201, answer.text
    code = answer.json["code"]
    assert not may_sign_in(exchange, email, PASSWORD)
    assert not is_live(exchange, session)
    client = exchange.app.test_client()
    assert client.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"}).status_code == 401

    body = {"code": code.lower().replace("-", " "), "password": NEW}
    assert client.post("/api/v1/password-resets", json=body).status_code == 200
    assert may_sign_in(exchange, email, NEW)
    again = client.post("/api/v1/password-resets", json=body | {"password": "a third long sentence"})
    assert (again.status_code, again.json["code"]) == (422, "wrong-code")
    assert may_sign_in(exchange, email, NEW)
    recorded = kinds(exchange, owner.participant)
    assert recorded[-2:] == ["participant.password_reset", "participant.password_changed"]


@pytest.mark.parametrize("why", ["unknown", "too old", "replaced", "disabled"])
def test_a_code_that_is_none_any_more_changes_nothing(exchange: Any, why: str) -> None:
    owner = exchange.firm("Works")
    buyer = exchange.person(owner, "buyer")

    def reset() -> str:
        return str(exchange.operations.run(owner, "participants.reset_password", user=buyer.user).result["code"])

    code = "AAAA-BBBB-CCCC-DDDD-EEEE-FFFF" if why == "unknown" else reset()
    if why == "too old":
        with exchange.operations.database.writing() as session:
            session.execute(update(PasswordReset).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    elif why == "replaced":
        reset()
    elif why == "disabled":
        exchange.operations.run(owner, "participants.disable_person", user=buyer.user)
    with pytest.raises(InvalidInputError) as refused:
        exchange.operations.run(Actor(), "participants.redeem_code", code=code, password_hash=NEW_HASH)
    assert refused.value.code == "wrong-code"
    assert not may_sign_in(exchange, email_of(exchange, buyer), NEW)


def test_a_code_is_used_once_by_however_many_at_once(exchange: Any) -> None:
    owner = exchange.firm("Works")
    buyer = exchange.person(owner, "buyer")
    code = exchange.operations.run(owner, "participants.reset_password", user=buyer.user).result["code"]
    together = threading.Barrier(4)

    def redeem(_: int) -> bool:
        together.wait(timeout=20)
        try:
            exchange.operations.run(Actor(), "participants.redeem_code", code=code, password_hash=NEW_HASH)
        except InvalidInputError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(redeem, range(4), timeout=60)) == [False, False, False, True]


def test_a_code_is_stored_as_a_hash_and_not_given_again(sqlite_exchange: Any) -> None:
    owner = sqlite_exchange.firm("Works")
    buyer = sqlite_exchange.person(owner, "buyer")
    ask = {"name": "participants.reset_password", "idempotency_key": "k", "user": buyer.user}
    made = sqlite_exchange.operations.run(owner, ask.pop("name"), **ask)
    code = made.result["code"]
    again = sqlite_exchange.operations.run(owner, "participants.reset_password", **ask)
    assert "code" not in again.result
    for file in sqlite_exchange.settings.home.glob("exchange.db*"):
        data = file.read_bytes()
        assert code.encode() not in data
        assert code.replace("-", "").encode() not in data


def test_a_password_that_was_reset_lets_nobody_in_whatever_is_typed(sqlite_exchange: Any) -> None:
    owner = sqlite_exchange.firm("Works")
    buyer = sqlite_exchange.person(owner, "buyer")
    sqlite_exchange.operations.run(owner, "participants.reset_password", user=buyer.user)
    for typed in ("", PASSWORD, "no account has this password"):
        assert not may_sign_in(sqlite_exchange, email_of(sqlite_exchange, buyer), typed)


def test_oneself_is_not_reset_and_a_disabled_person_neither(sqlite_exchange: Any) -> None:
    owner = sqlite_exchange.firm("Works")
    buyer = sqlite_exchange.person(owner, "buyer")
    sqlite_exchange.operations.run(owner, "participants.disable_person", user=buyer.user)
    for user, code in ((owner.user, "own-password"), (buyer.user, "person-disabled")):
        with pytest.raises(ConflictError) as refused:
            sqlite_exchange.operations.run(owner, "participants.reset_password", user=user)
        assert refused.value.code == code


def test_an_operator_gives_a_code_to_the_last_owner_and_to_nobody_else(exchange: Any) -> None:
    owner = exchange.firm("Works")
    exchange.person(owner, "buyer")
    desk = exchange.client(exchange.staff("operator"))
    address = f"/api/v1/participants/{owner.participant}/owner-recovery"
    wrong = desk.post(address, json={"email": "person2@firm.example"})
    assert (wrong.status_code, wrong.json["field"]) == (422, "email")
    assert exchange.client(exchange.staff("auditor")).post(address, json={"email": "x@y"}).status_code == 403
    email = email_of(exchange, owner)
    second = exchange.person(owner, "owner")
    refused = desk.post(address, json={"email": email})
    assert (refused.status_code, refused.json["code"]) == (409, "other-owners")

    exchange.operations.run(owner, "participants.disable_person", user=second.user)
    made = desk.post(address, json={"email": email.upper()})
    assert made.status_code == 201, made.text
    exchange.operations.run(Actor(), "participants.redeem_code", code=made.json["code"], password_hash=NEW_HASH)
    assert may_sign_in(exchange, email, NEW)
    # The firm reads in its own entries that this happened, and when.
    assert kinds(exchange, owner.participant)[-2:] == ["participant.password_reset", "participant.password_changed"]


def test_changing_ones_own_password_ends_the_other_sessions_and_tokens(exchange: Any) -> None:
    owner = exchange.firm("Works")
    mine, other, token = signed_in(exchange, owner), signed_in(exchange, owner), exchange.token(owner)
    client = exchange.app.test_client()
    client.set_cookie("session", mine)
    page = client.get("/account/tokens").text
    import re

    csrf = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page).group(1)  # type: ignore[union-attr]

    def change(current: str) -> Any:
        body = {"current_password": current, "password": NEW}
        return client.post("/api/v1/me/password", json=body, headers={"X-CSRFToken": csrf})

    wrong = change("not my password")
    assert (wrong.status_code, wrong.json["field"]) == (422, "current_password")
    assert is_live(exchange, other)
    assert change(PASSWORD).status_code == 200
    assert is_live(exchange, mine)
    assert not is_live(exchange, other)
    assert client.get("/api/v1/me").status_code == 200
    stranger = exchange.app.test_client()
    assert stranger.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    assert may_sign_in(exchange, email_of(exchange, owner), NEW)
    assert kinds(exchange, owner.participant)[-1] == "participant.password_changed"


def test_a_repeated_change_of_password_answers_the_same(exchange: Any) -> None:
    owner = exchange.firm("Works")
    client, headers = exchange.client(owner), {"Idempotency-Key": "change"}
    body = {"current_password": PASSWORD, "password": NEW}
    first = client.post("/api/v1/me/password", json=body, headers=headers)
    again = client.post("/api/v1/me/password", json=body, headers=headers)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json == again.json


def test_neither_password_nor_proof_is_kept_with_the_answer(sqlite_exchange: Any) -> None:
    owner = sqlite_exchange.firm("Works")
    body = {"current_password": PASSWORD, "password": NEW}
    headers = {"Idempotency-Key": "change"}
    assert sqlite_exchange.client(owner).post("/api/v1/me/password", json=body, headers=headers).status_code == 200
    data = b"".join(file.read_bytes() for file in sqlite_exchange.settings.home.glob("exchange.db*"))
    assert PASSWORD.encode() not in data
    assert NEW.encode() not in data


def test_what_ends_an_account_does_not_wait_for_a_self_held_key(exchange: Any) -> None:
    import base64

    from contracts.sealing import EncryptionKey
    from ledger.signatures import SigningKey

    key, encryption = SigningKey.generate(), EncryptionKey.generate()
    owner = exchange.firm(
        "Own Keys", custody="self-held", signing_public_key=base64.b64encode(key.public).decode(),
        encryption_public_key=base64.b64encode(encryption.public).decode(),
    )  # fmt: skip
    with exchange.operations.database.writing() as session:
        session.add(
            User(
                id="urn:uuid:01900000-0000-7000-8000-0000000c011e", email="colleague@firm.example", name="Colleague", password_hash=NEW_HASH,
                participant_id=owner.participant, roles=["buyer"], created_at=datetime.now(UTC),
            )
        )  # fmt: skip
    reset = exchange.operations.run(
        owner, "participants.reset_password", user="urn:uuid:01900000-0000-7000-8000-0000000c011e"
    )
    assert reset.result["code"]
    assert exchange.operations.run(
        owner, "participants.disable_person", user="urn:uuid:01900000-0000-7000-8000-0000000c011e"
    ).receipts


def test_two_accounts_of_one_address_asked_for_at_once_are_one(exchange: Any) -> None:
    owner = exchange.firm("Works")
    together = threading.Barrier(4)

    def add(_: int) -> str:
        together.wait(timeout=20)
        try:
            exchange.operations.run(
                owner, "participants.add_user", name="Twin", email="twin@firm.example", password_hash="x",
                roles=["buyer"],
            )  # fmt: skip
        except ConflictError as error:
            return str(error.field)
        return "added"

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(add, range(4), timeout=60)) == ["added", "email", "email", "email"]


def test_no_account_is_left_signed_in_after_its_end(exchange: Any) -> None:
    """The rows themselves: nothing that could be revived is kept."""
    owner = exchange.firm("Works")
    buyer = exchange.person(owner, "buyer")
    exchange.token(buyer)
    signed_in(exchange, buyer)
    exchange.operations.run(owner, "participants.reset_password", user=buyer.user)
    exchange.operations.run(owner, "participants.disable_person", user=buyer.user)
    with exchange.operations.database.reading() as session:
        assert session.scalars(select(LoginSession).where(LoginSession.user_id == buyer.user)).all() == []
        assert session.scalars(select(PasswordReset).where(PasswordReset.user_id == buyer.user)).all() == []
        live = select(ApiToken).where(ApiToken.user_id == buyer.user, ApiToken.revoked_at.is_(None))
        assert session.scalars(live).all() == []
    assert Permission.ACCOUNT in exchange.actor(owner.user).permissions
