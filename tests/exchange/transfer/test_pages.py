"""The pages of use and delivery: what a use costs is said before it is taken, and a button that would be refused is not shown."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any


def text(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def starts(html: str, agreement: str) -> bool:
    return f'action="/agreements/{agreement}/transfers"' in html


def test_starting_a_delivery_says_which_use_it_takes_of_how_many(trade: Any, visitor: Any) -> None:
    agreement = trade.agreement(template="n-times", parameters={"count": 2})
    page, reader = f"/agreements/{agreement}", visitor(trade.exchange, trade.consumer)
    first = reader.get(page)
    assert starts(first, agreement)
    assert "This takes use 1 of 2." in text(first)
    reader.send(page, f"{page}/transfers")
    assert trade.used(agreement) == 1
    second = text(reader.get(page))
    assert "Uses so far 1 / 2" in second
    assert "This takes use 2 of 2." in second


def test_when_all_uses_are_spent_the_reason_stands_in_the_place_of_the_button(trade: Any, visitor: Any) -> None:
    agreement = trade.agreement(template="n-times", parameters={"count": 1})
    trade.started(agreement)
    html = visitor(trade.exchange, trade.consumer).get(f"/agreements/{agreement}")
    assert not starts(html, agreement)
    assert "No further delivery can be started" in html
    assert "this would be use number 2" in text(html)


def test_an_agreement_without_a_number_says_so(embedded: Any, visitor: Any) -> None:
    agreement = embedded.agreement()
    html = text(visitor(embedded.exchange, embedded.consumer).get(f"/agreements/{agreement}"))
    assert "This is use number 1; the agreement does not limit how many." in html


def test_when_the_agreement_has_lapsed_the_reason_stands_in_the_place_of_the_button(
    embedded: Any, visitor: Any, later: Any
) -> None:
    agreement = embedded.agreement(template="duration", parameters={"days": 1, "starts": "agreement"})
    page, reader = f"/agreements/{agreement}", visitor(embedded.exchange, embedded.consumer)
    assert starts(reader.get(page), agreement)
    later(timedelta(days=1, seconds=1))
    html = reader.get(page)
    assert not starts(html, agreement)
    assert "No further delivery can be started" in html


def test_a_suspended_side_is_named_in_the_place_of_the_button(embedded: Any, visitor: Any) -> None:
    agreement = embedded.agreement()
    operator = embedded.exchange.staff("operator")
    embedded.run(operator, "participants.suspend", participant=embedded.provider.participant, reason="Under review.")
    html = visitor(embedded.exchange, embedded.consumer).get(f"/agreements/{agreement}")
    assert not starts(html, agreement)
    assert "suspended" in text(html)


def test_the_provider_and_those_who_only_read_see_no_button(embedded: Any, visitor: Any) -> None:
    agreement = embedded.agreement()
    for actor in (embedded.provider, embedded.exchange.person(embedded.consumer, "compliance")):
        html = visitor(embedded.exchange, actor).get(f"/agreements/{agreement}")
        assert not starts(html, agreement)
        assert "This is use number" not in html


def test_deliveries_received_and_given_stand_in_lists_of_their_own(embedded: Any, visitor: Any) -> None:
    transfer = embedded.started()
    consumer, provider = visitor(embedded.exchange, embedded.consumer), visitor(embedded.exchange, embedded.provider)
    assert transfer in consumer.get("/transfers")
    assert transfer in provider.get("/transfers"), "its only deliveries are those it gave"
    assert transfer not in provider.get("/transfers?tab=received")
    assert "Nobody has received your data yet" in consumer.get("/transfers?tab=given")
    consumer.get("/transfers?tab=nonsense", 404)
