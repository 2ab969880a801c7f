"""Negotiations and agreements over HTTP: the whole course, its answers, and walls between tenants."""

from __future__ import annotations

import json
from typing import Any

from contracts.agreement import SignedAgreement, verify

REQUEST = {"purpose": "predictive-maintenance", "intended_use": "Predict failures of our spindles."}


def _buy(market: Any, **request: Any) -> tuple[Any, Any, str]:
    provider, consumer = market.exchange.client(market.provider), market.exchange.client(market.consumer)
    made = consumer.post("/api/v1/negotiations", json={"offer": market.offer(), **REQUEST, **request})
    assert made.status_code == 201, made.json
    return provider, consumer, made.json["negotiation"]


def test_the_whole_course_over_the_api_with_receipts(market: Any) -> None:
    provider, consumer, negotiation = _buy(market, proposed_price_fen=100)
    path = f"/api/v1/negotiations/{negotiation}"
    shown = consumer.get(path).json
    assert (shown["state"], shown["role"], shown["next_side"]) == ("REQUESTED", "consumer", "provider")
    assert shown["actions"] == ["terminate"]
    countered = provider.post(f"{path}/counter", json={"price_fen": 300, "note": "At least this."})
    assert countered.status_code == 200, countered.json
    assert int(countered.json["receipts"][0]["index"]) > 0
    assert consumer.get(path).json["actions"] == ["accept", "counter", "terminate"]
    assert consumer.post(f"{path}/acceptance").json["state"] == "ACCEPTED"
    agreed = provider.post(f"{path}/agreement")
    assert agreed.status_code == 201
    agreement = agreed.json["agreement"]
    assert agreed.headers["Location"].endswith(f"/api/v1/agreements/{agreement}")
    assert consumer.post(f"{path}/verification").json["state"] == "VERIFIED"

    events = provider.get(path).json["events"]
    assert [event["state"] for event in events] == ["REQUESTED", "OFFERED", "ACCEPTED", "AGREED", "VERIFIED"]
    assert events[1]["changes"] == [{"term": "price", "before": 100, "after": 300}]
    assert events[1]["note"] == "At least this."

    detail = consumer.get(f"/api/v1/agreements/{agreement}").json
    assert detail["document"]["price"]["amount_fen"] == 300
    assert detail["provider_signature"]["key"] != detail["consumer_signature"]["key"]
    file = consumer.get(f"/api/v1/agreements/{agreement}/document")
    assert verify(SignedAgreement.from_json(json.loads(file.data))).id == agreement
    assert "attachment" in file.headers["Content-Disposition"]


def test_creating_answers_201_with_its_location(sqlite_market: Any) -> None:
    client = sqlite_market.exchange.client(sqlite_market.consumer)
    made = client.post("/api/v1/negotiations", json={"offer": sqlite_market.offer(), **REQUEST})
    assert made.status_code == 201
    assert client.get(made.headers["Location"]).json["id"] == made.json["negotiation"]


def test_the_same_key_gives_the_same_negotiation(market: Any) -> None:
    client, offer = market.exchange.client(market.consumer), market.offer()
    answers = [
        client.post(
            "/api/v1/negotiations", json={"offer": offer, **REQUEST}, headers={"Idempotency-Key": "request-1"}
        ).json
        for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert len(client.get("/api/v1/negotiations").json["items"]) == 1


def test_lists_are_split_by_side_and_paged_by_cursor(sqlite_market: Any) -> None:
    market = sqlite_market
    offer = market.offer()
    made = [market.request(offer) for _ in range(5)]
    provider, consumer = market.exchange.client(market.provider), market.exchange.client(market.consumer)
    assert provider.get("/api/v1/negotiations?role=consumer").json["items"] == []
    seen: list[str] = []
    cursor = None
    while True:
        query = {"role": "consumer", "limit": 2, **({"cursor": cursor} if cursor else {})}
        page = consumer.get("/api/v1/negotiations", query_string=query).json
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == made[::-1]
    assert consumer.get("/api/v1/negotiations?state=AGREED").json["items"] == []
    assert consumer.get("/api/v1/negotiations?cursor=nonsense").status_code == 422
    assert consumer.get("/api/v1/negotiations?state=MAYBE").status_code == 422


def test_agreements_are_listed_by_side_and_state(sqlite_market: Any) -> None:
    agreement = sqlite_market.signed()
    client = sqlite_market.exchange.client(sqlite_market.provider)
    assert [item["id"] for item in client.get("/api/v1/agreements?role=provider").json["items"]] == [agreement]
    assert client.get("/api/v1/agreements?role=consumer").json["items"] == []
    assert client.get("/api/v1/agreements?state=in_force").json["items"] == []


def test_every_route_looks_empty_to_a_stranger(sqlite_market: Any) -> None:
    market = sqlite_market
    negotiation, agreement = market.agreed()
    stranger = market.exchange.client(market.exchange.firm("Stranger"))
    path = f"/api/v1/negotiations/{negotiation}"
    calls = [
        ("GET", path, None), ("POST", f"{path}/counter", {"price_fen": 1}), ("POST", f"{path}/acceptance", None),
        ("POST", f"{path}/agreement", None), ("POST", f"{path}/verification", None),
        ("POST", f"{path}/termination", {"reason": "Because."}), ("GET", f"/api/v1/agreements/{agreement}", None),
        ("GET", f"/api/v1/agreements/{agreement}/document", None),
    ]  # fmt: skip
    for method, url, body in calls:
        for address in (url, url.replace(negotiation, "urn:uuid:0").replace(agreement, "urn:uuid:0")):
            answer = stranger.open(address, method=method, json=body)
            assert answer.status_code == 404, (method, address, answer.status_code)
            assert answer.json["code"] == "not-found"
    assert stranger.get("/api/v1/negotiations").json["items"] == []
    assert stranger.get("/api/v1/agreements").json["items"] == []
    assert market.negotiation(negotiation).state == "AGREED"


def test_nobody_reads_without_signing_in_and_staff_does_not_read_here(sqlite_market: Any) -> None:
    negotiation, agreement = sqlite_market.agreed()
    anonymous = sqlite_market.exchange.client()
    auditor = sqlite_market.exchange.client(sqlite_market.exchange.staff("auditor"))
    for path in ("negotiations", f"negotiations/{negotiation}", "agreements", f"agreements/{agreement}"):
        assert anonymous.get(f"/api/v1/{path}").status_code == 401
        assert auditor.get(f"/api/v1/{path}").status_code == 403


def test_malformed_bodies_are_named_field_by_field(sqlite_market: Any) -> None:
    client = sqlite_market.exchange.client(sqlite_market.consumer)
    for body in ({}, {"offer": "x"}, {"offer": 1, "purpose": "p"}, {"offer": "x", "purpose": "p", "moon": 1}):
        answer = client.post("/api/v1/negotiations", json=body)
        assert answer.status_code == 422
        assert answer.content_type == "application/problem+json"
    wrong = client.post("/api/v1/negotiations", json={"offer": "x", "purpose": "p", "proposed_price_fen": "12"})
    assert wrong.status_code == 422


def test_a_refused_step_is_a_conflict_that_names_what_is_allowed(sqlite_market: Any) -> None:
    _, consumer, negotiation = _buy(sqlite_market)
    answer = consumer.post(f"/api/v1/negotiations/{negotiation}/verification")
    assert (answer.status_code, answer.json["code"]) == (409, "illegal-transition")
    assert answer.json["allowed"] == ["TERMINATED"]


def test_a_pending_firm_is_told_to_wait(sqlite_market: Any) -> None:
    pending = sqlite_market.exchange.client(sqlite_market.exchange.firm("New Firm", verified=False))
    answer = pending.post("/api/v1/negotiations", json={"offer": sqlite_market.offer(), **REQUEST})
    assert (answer.status_code, answer.json["code"]) == (403, "participant-not-verified")


def test_the_purposes_of_an_offer_are_listed_for_those_who_see_it(sqlite_market: Any) -> None:
    market = sqlite_market
    named = market.offer(
        template="purpose", parameters={"purposes": ["research"]}, grade=2, audience=(market.consumer,)
    )
    client = market.exchange.client(market.consumer)
    answer = client.get(f"/api/v1/offers/{named}/purposes").json
    assert answer == {"items": [{"purpose": "research", "title_en": "Research", "title_zh": "科学研究"}], "open": False}
    free = client.get(f"/api/v1/offers/{market.offer()}/purposes").json
    assert free["open"] is True
    assert "predictive-maintenance" in {item["purpose"] for item in free["items"]}
    stranger = market.exchange.client(market.exchange.firm("Stranger"))
    assert stranger.get(f"/api/v1/offers/{named}/purposes").status_code == 404
