"""The pages of joining and of an organisation's people."""

from __future__ import annotations

import re
from typing import Any

import pytest

from exchange.errors import AwaitingSignatureError
from exchange.participants import passwords


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


@pytest.mark.parametrize(("language", "index"), [("en", 0), ("zh", 1)])
def test_the_rule_of_passwords_is_shown_before_it_is_broken_in_the_words_of_its_refusal(
    sqlite_exchange: Any, visitor: Any, language: str, index: int
) -> None:
    owner = sqlite_exchange.firm("Maker")
    for actor, page in ((None, "/register"), (owner, "/organisation")):
        shown = visitor(sqlite_exchange, actor, language).get(page)
        assert re.search(rf'id="password-hint">{re.escape(passwords.RULE[index])}<', shown), page
    person = {"name": "Ada", "email": "ada@firm.example", "roles": "buyer", "password": "aaaaaaaaaaaa"}
    refused = visitor(sqlite_exchange, owner, language).send("/organisation", "/organisation/people", 422, **person)
    assert refused.text.count(passwords.RULE[index]) > 1
