"""The pages of joining and of an organisation's people."""

from __future__ import annotations

from typing import Any

import pytest

from exchange.errors import AwaitingSignatureError


def test_a_refused_person_leaves_the_steps_that_wait_for_the_key_in_sight(
    sqlite_exchange: Any, visitor: Any, self_held: Any
) -> None:
    owner = self_held(sqlite_exchange)
    with pytest.raises(AwaitingSignatureError) as waiting:
        sqlite_exchange.operations.run(owner, "participants.join")
    page = "/organisation"
    reader = visitor(sqlite_exchange, owner)
    assert waiting.value.request_id in reader.get(page)
    refused = reader.send(
        page, "/organisation/people", 422, name="", email="a@firm.example", password="x", roles="buyer"
    )
    assert waiting.value.request_id in refused.text
