"""Who makes a request is remembered between requests only as long as nothing has changed."""

from __future__ import annotations

from typing import Any

from exchange.access import Permission
from exchange.participants import tokens


def _token(exchange: Any, owner: Any) -> tuple[str, str]:
    made = exchange.operations.run(owner, "participants.create_token", name="tool", days=5).result
    return made["token"], made["id"]


def test_a_token_is_refused_by_the_connection_that_knew_it_as_soon_as_it_is_revoked(exchange: Any) -> None:
    owner = exchange.firm("华东机床")
    token, identifier = _token(exchange, owner)
    with exchange.operations.database.reading_connection() as connection:
        first, again = tokens.actor_of_token(connection, token), tokens.actor_of_token(connection, token)
        assert first == again
        assert first.user == owner.user
        exchange.operations.run(owner, "participants.revoke_token", token=identifier)
        assert tokens.actor_of_token(connection, token) is None


def test_a_role_that_is_taken_away_is_gone_at_the_next_request(exchange: Any) -> None:
    owner = exchange.firm("华东机床")
    token, _ = _token(exchange, owner)
    with exchange.operations.database.reading_connection() as connection:
        assert tokens.actor_of_token(connection, token).may(Permission.DATASET_WRITE)
        operator = exchange.staff("operator")
        exchange.operations.run(
            operator, "participants.suspend", participant=owner.participant, reason="Disputed rights."
        )
        assert not tokens.actor_of_token(connection, token).may(Permission.DATASET_WRITE)
