"""The pages of both sides: only the right buttons, terms in plain words of the reader's language, what changed."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

from contracts.agreement import SignedAgreement, verify


def _text(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def _forms(html: str) -> set[str]:
    return {unescape(action).rsplit("/", 1)[-1] for action in re.findall(r'<form method="post" action="([^"]+)"', html)}


def test_a_request_is_sent_answered_signed_and_shown_on_pages_alone(market: Any, visit: Any) -> None:
    offer = market.offer(template="purpose", parameters={"purposes": ["research", "energy-management"]}, grade=2)
    consumer, provider = visit(market.exchange, market.consumer), visit(market.exchange, market.provider)
    form = f"/offers/{offer}/request"
    page = consumer.get(form)
    assert re.findall(r'<option[^>]*value="([^"]+)"', page)[:2] == ["research", "energy-management"]

    refused = consumer.post(form, source=form, purpose="research", intended_use="short")
    assert refused.status_code == 200
    assert "state their need" in refused.text
    sent = consumer.post(form, source=form, purpose="research", intended_use="A study of spindle wear.", price="900")
    assert sent.status_code == 303, sent.text
    address = sent.headers["Location"]
    assert "¥900.00" in consumer.get(address)
    assert "A study of spindle wear." in provider.get(address)

    counter = f"{address}/counter"
    answer = provider.post(counter, source=counter, price="1,000.50", note="Our last word.")
    assert answer.status_code == 303, answer.text
    shown = consumer.get(address)
    assert "Our last word." in shown
    assert "<del>¥900.00</del> <ins>¥1,000.50</ins>" in shown
    assert consumer.post(f"{address}/accept", source=address).status_code == 303
    assert provider.post(f"{address}/agree", source=address).status_code == 303
    signed = consumer.post(f"{address}/verify", source=address)
    agreement = signed.headers["Location"]
    page = consumer.get(agreement)
    assert page.count("Signature valid") == 2
    file = consumer.client.get(f"{agreement}/document")
    assert verify(SignedAgreement.from_json(json.loads(file.data))).price["amount_fen"] == 100_050


def test_each_side_sees_exactly_its_own_buttons_in_each_state(sqlite_market: Any, visit: Any) -> None:
    market = sqlite_market
    provider, consumer = visit(market.exchange, market.provider), visit(market.exchange, market.consumer)
    negotiation = market.request()
    page = f"/negotiations/{negotiation}"

    def buttons(visitor: Any) -> tuple[set[str], bool]:
        html = visitor.get(page)
        return _forms(html) & {"agree", "accept", "verify", "terminate"}, f'href="{page}/counter"' in html

    assert buttons(provider) == ({"agree", "terminate"}, True)
    assert buttons(consumer) == ({"terminate"}, False)
    market.run(market.provider, "negotiation.counter", negotiation=negotiation, price_fen=5)
    assert buttons(provider) == ({"terminate"}, False)
    assert buttons(consumer) == ({"accept", "terminate"}, True)
    market.run(market.consumer, "negotiation.accept", negotiation=negotiation)
    assert buttons(provider) == ({"agree", "terminate"}, False)
    assert buttons(consumer) == ({"terminate"}, False)
    market.run(market.provider, "negotiation.agree", negotiation=negotiation)
    assert buttons(provider) == ({"terminate"}, False)
    assert buttons(consumer) == ({"verify", "terminate"}, False)
    market.run(market.consumer, "negotiation.verify", negotiation=negotiation)
    assert buttons(consumer) == ({"terminate"}, False)
    assert "Go on to payment" in consumer.get(page)
    assert "Go on to payment" not in provider.get(page)
    market.run(market.consumer, "negotiation.terminate", negotiation=negotiation, reason="The budget is gone.")
    for visitor in (provider, consumer):
        assert buttons(visitor) == (set(), False)
        assert "The budget is gone." in visitor.get(page)


def test_a_person_who_may_only_read_sees_no_button(sqlite_market: Any, visit: Any) -> None:
    negotiation = sqlite_market.request()
    reader = visit(sqlite_market.exchange, sqlite_market.exchange.person(sqlite_market.provider, "compliance"))
    html = reader.get(f"/negotiations/{negotiation}")
    assert not _forms(html) & {"agree", "accept", "verify", "terminate"}
    assert "Your role may read this negotiation." in html


def test_terms_and_plan_stand_in_the_readers_language(sqlite_market: Any, visit: Any) -> None:
    negotiation = sqlite_market.request(sqlite_market.offer(template="n-times", parameters={"count": 3}))
    english = _text(visit(sqlite_market.exchange, sqlite_market.consumer).get(f"/negotiations/{negotiation}"))
    chinese = _text(visit(sqlite_market.exchange, sqlite_market.consumer, "zh").get(f"/negotiations/{negotiation}"))
    assert "The consumer may" in english
    assert "Predictive maintenance" in english
    assert "使用方可以" in chinese
    assert "预测性维护" in chinese
    assert "“operator”" in chinese


def test_a_change_of_terms_is_shown_sentence_by_sentence(sqlite_market: Any, visit: Any) -> None:
    market = sqlite_market
    negotiation = market.request(market.offer(template="n-times", parameters={"count": 3}))
    provider = visit(market.exchange, market.provider)
    form = f"/negotiations/{negotiation}/counter?template=n-times"
    assert 'name="parameter_count"' in provider.get(form)
    bad = provider.post(f"/negotiations/{negotiation}/counter", source=form, template="n-times", parameter_count="0")
    assert bad.status_code == 200
    assert market.negotiation(negotiation).state == "REQUESTED"
    sent = provider.post(
        f"/negotiations/{negotiation}/counter", source=form, template="n-times", parameter_count="2",
        valid_until="2030-12-31",
    )  # fmt: skip
    assert sent.status_code == 303, sent.text
    html = provider.get(f"/negotiations/{negotiation}")
    assert re.search(r"<del>[^<]*3[^<]*</del>", html)
    assert re.search(r"<ins>[^<]*2[^<]*</ins>", html)
    # The day counts to its end in China.
    assert market.negotiation(negotiation).valid_until.isoformat() == "2030-12-31T15:59:59+00:00"


def test_the_lists_say_whose_turn_it_is(sqlite_market: Any, visit: Any) -> None:
    sqlite_market.request()
    provider = visit(sqlite_market.exchange, sqlite_market.provider)
    consumer = visit(sqlite_market.exchange, sqlite_market.consumer)
    assert "yours" in _text(provider.get("/negotiations?tab=incoming"))
    assert "the other side's" in _text(consumer.get("/negotiations?tab=outgoing"))
    assert "No requests yet" in consumer.get("/negotiations?tab=incoming")
    assert "You have not requested any data" in provider.get("/negotiations?tab=outgoing")
    assert "No agreement yet" in provider.get("/negotiations?tab=agreements")
    sqlite_market.signed()
    assert "Spindle telemetry" in provider.get("/negotiations?tab=agreements")


def _tabs(html: str) -> dict[str, tuple[bool, str]]:
    """Return the tabs of a page: whether each is the open one, and the number beside it."""
    found = {}
    for shown, label, count in re.findall(
        r'<li><a href="[^"]*"( aria-current="page")?>([^<]+?)(?: <span class="count">(\d+)</span>)?</a></li>',
        html[html.index('class="tabs"') :].partition("</nav>")[0],
    ):
        found[unescape(label).strip()] = (bool(shown), count)
    return found


def test_own_requests_stand_in_a_list_of_their_own_that_opens_where_something_waits(
    sqlite_market: Any, visit: Any
) -> None:
    market = sqlite_market
    negotiation = market.request()
    provider, consumer = visit(market.exchange, market.provider), visit(market.exchange, market.consumer)
    assert _tabs(provider.get("/negotiations")) == {
        "Requests to us": (True, "1"), "Our requests": (False, ""), "Signed agreements": (False, "")
    }  # fmt: skip
    # An owner may do both; with nothing that waits, the list that has something is opened.
    assert _tabs(consumer.get("/negotiations"))["Our requests"] == (True, "")
    market.run(market.provider, "negotiation.counter", negotiation=negotiation, price_fen=5)
    assert _tabs(consumer.get("/negotiations"))["Our requests"] == (True, "1")
    assert _tabs(provider.get("/negotiations"))["Requests to us"] == (True, "")
    buyer = visit(market.exchange, market.exchange.person(market.provider, "buyer"))
    assert _tabs(buyer.get("/negotiations?tab=outgoing"))["Our requests"] == (True, "")


def test_ending_without_a_reason_is_refused_on_the_page(sqlite_market: Any, visit: Any) -> None:
    negotiation = sqlite_market.request()
    provider, page = visit(sqlite_market.exchange, sqlite_market.provider), f"/negotiations/{negotiation}"
    assert provider.post(f"{page}/terminate", source=page, reason=" ").status_code == 303
    assert "Give a reason" in provider.get(page)
    assert sqlite_market.negotiation(negotiation).state == "REQUESTED"


def test_names_of_persons_are_shown_to_their_own_side_only(sqlite_market: Any, visit: Any) -> None:
    negotiation = sqlite_market.request()
    page = f"/negotiations/{negotiation}"
    assert "Owner of Delta Institute" in _aside(visit(sqlite_market.exchange, sqlite_market.consumer).get(page))
    assert "Owner of Delta Institute" not in visit(sqlite_market.exchange, sqlite_market.provider).get(page)


def _aside(html: str) -> str:
    return html[html.index("<aside") :]


def test_pages_look_empty_to_strangers_and_post_nothing_without_a_token(sqlite_market: Any, visit: Any) -> None:
    negotiation, agreement = sqlite_market.agreed()
    stranger = visit(sqlite_market.exchange, sqlite_market.exchange.firm("Stranger"))
    page = f"/negotiations/{negotiation}"
    for path in (page, f"{page}/counter", f"/agreements/{agreement}", f"/agreements/{agreement}/document"):
        stranger.get(path, 404)
    for act in ("agree", "accept", "verify"):
        assert stranger.post(f"{page}/{act}", source="/login").status_code in {400, 404}
        assert stranger.client.post(f"{page}/{act}").status_code == 400
    assert stranger.post(f"{page}/terminate", source="/", reason="Because.").status_code in {400, 404}
    assert sqlite_market.negotiation(negotiation).state == "AGREED"


def test_an_agreement_shows_its_digest_key_custody_bundle_and_the_step_to_take(sqlite_market: Any, visit: Any) -> None:
    market = sqlite_market
    agreement = market.signed(price_fen=90_000)
    consumer, provider = visit(market.exchange, market.consumer), visit(market.exchange, market.provider)
    row = market.agreement(agreement)
    html = consumer.get(f"/agreements/{agreement}")
    assert row.digest in html
    assert row.ledger_id in html
    assert row.provider_signature["key"] in html
    assert "custodial key" in html
    assert f"/audit/bundles/agreement/{agreement}" in html
    assert "The balance is too small" in html
    assert "funding" not in _forms(html)
    market.top_up(market.consumer, 90_000)
    assert "funding" in _forms(consumer.get(f"/agreements/{agreement}"))
    assert "funding" not in _forms(provider.get(f"/agreements/{agreement}"))
    market.run(market.consumer, "settlement.fund", agreement=agreement)
    html = consumer.get(f"/agreements/{agreement}")
    assert "transfers" in _forms(html)
    assert "Held in escrow" in html
    assert "refund" in _forms(provider.get(f"/agreements/{agreement}"))
