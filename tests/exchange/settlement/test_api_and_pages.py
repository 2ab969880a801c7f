"""Accounts and money over HTTP and on pages; what is somebody else's is not there."""

from __future__ import annotations

import csv
import io
from typing import Any


def test_an_agreement_is_funded_and_refunded_over_the_api(market: Any) -> None:
    exchange = market.exchange
    operator, consumer = exchange.client(exchange.staff("operator")), exchange.client(market.consumer)
    provider = exchange.client(market.provider)
    agreement = market.signed(price_fen=4_000)
    refused = consumer.post(f"/api/v1/agreements/{agreement}/funding")
    assert (refused.status_code, refused.json["code"], refused.json["missing_fen"]) == (409, "balance-too-small", 4_000)
    booked = operator.post(
        "/api/v1/accounts/top-ups",
        json={"participant": market.consumer.participant, "amount_fen": 5_000, "reference": "BANK-1"},
    )
    assert (booked.status_code, booked.json["balance_fen"]) == (201, 5_000)
    assert int(booked.json["receipts"][0]["index"]) > 0
    funded = consumer.post(f"/api/v1/agreements/{agreement}/funding")
    assert (funded.status_code, funded.json["state"]) == (201, "in_force")
    assert consumer.get("/api/v1/accounts").json["available_fen"] == 1_000
    assert provider.get(f"/api/v1/agreements/{agreement}/escrow").json["state"] == "held"
    back = provider.post(f"/api/v1/agreements/{agreement}/refund", json={"reason": "The machine is gone."})
    assert (back.status_code, back.json["state"]) == (200, "terminated")
    assert consumer.get("/api/v1/accounts").json["available_fen"] == 5_000
    lines = consumer.get("/api/v1/accounts/journal?limit=3").json
    assert [(line["kind"], line["amount_fen"]) for line in lines["items"]] == [
        ("refund", 4_000), ("refund", -4_000), ("hold", 4_000),
    ]  # fmt: skip
    rest = consumer.get("/api/v1/accounts/journal", query_string={"cursor": lines["next"]}).json
    assert [(line["kind"], line["amount_fen"]) for line in rest["items"]] == [("hold", -4_000), ("top_up", 5_000)]
    assert rest["next"] is None


def test_strangers_find_no_account_escrow_or_step(sqlite_market: Any) -> None:
    market = sqlite_market
    agreement = market.funded(price_fen=4_000)
    stranger = market.exchange.client(market.exchange.firm("Stranger"))
    consumer = market.exchange.client(market.consumer)
    account = consumer.get("/api/v1/accounts").json["items"][0]["id"]
    assert consumer.get(f"/api/v1/accounts/{account}").status_code == 200
    for method, path, body in [
        ("GET", f"/accounts/{account}", None), ("GET", f"/accounts/journal?account={account}", None),
        ("GET", f"/agreements/{agreement}/escrow", None), ("POST", f"/agreements/{agreement}/funding", None),
        ("POST", f"/agreements/{agreement}/refund", {"reason": "Because."}),
        ("POST", f"/agreements/{agreement}/reclaim", None),
    ]:  # fmt: skip
        answer = stranger.open(f"/api/v1{path}", method=method, json=body)
        assert answer.status_code == 404, (method, path, answer.json)
    assert stranger.get("/api/v1/accounts").json == {"items": [], "available_fen": 0, "next": None}
    assert stranger.get("/api/v1/accounts/journal").json["items"] == []
    assert stranger.get("/api/v1/accounts/journal?cursor=x").status_code == 422


def test_who_may_not_book_or_read_is_told_so(sqlite_market: Any) -> None:
    exchange = sqlite_market.exchange
    body = {"participant": sqlite_market.consumer.participant, "amount_fen": 5, "reference": "B"}
    assert exchange.client(sqlite_market.consumer).post("/api/v1/accounts/top-ups", json=body).status_code == 403
    assert exchange.client().get("/api/v1/accounts").status_code == 401
    assert exchange.client(exchange.staff("auditor")).get("/api/v1/accounts").status_code == 403
    pending = exchange.client(exchange.firm("New Firm", verified=False))
    assert pending.get("/api/v1/accounts").status_code == 403
    assert exchange.client(exchange.staff("operator")).get("/api/v1/accounts").status_code == 200


def test_the_journal_as_csv_balances_and_holds_no_formula(sqlite_market: Any) -> None:
    market = sqlite_market
    market.run(
        market.exchange.staff("operator"), "settlement.top_up", participant=market.consumer.participant,
        amount_fen=4_050, reference="=cmd|' /C calc'!A0", note="+49 30",
    )  # fmt: skip
    agreement = market.signed(price_fen=4_050)
    market.run(market.consumer, "settlement.fund", agreement=agreement)
    answer = market.exchange.client(market.consumer).get("/api/v1/accounts/journal.csv")
    assert answer.mimetype == "text/csv"
    rows = list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"))))
    assert [row["kind"] for row in rows] == ["top_up", "hold", "hold"]
    assert rows[0]["reference"].startswith("'=")
    assert rows[0]["note"].startswith("'+")
    assert rows[1]["amount_yuan"] == "-40.50"
    assert sum(int(row["amount_fen"]) for row in rows[1:]) == 0


def test_the_operator_books_a_transfer_on_the_page_and_sees_the_exchanges_accounts(market: Any, visit: Any) -> None:
    operator = visit(market.exchange, market.exchange.staff("operator"))
    form = "/accounts/top-up"
    assert "East China Bearing" in operator.get(form)
    given = {"participant": market.consumer.participant, "amount": "1,234.50", "reference": "BANK-9"}
    for wrong in ({"amount": "12.345"}, {"amount": "a lot"}, {"amount": ""}, {"reference": ""}):
        assert operator.post(form, source=form, **given | wrong).status_code == 200
    assert operator.post(form, source=form, **given).status_code == 303
    again = operator.post(form, source=form, **given)
    assert again.status_code == 200
    assert "is booked already" in again.text
    html = operator.get("/accounts")
    assert "External clearing" in html
    assert "−¥1,234.50" in html
    consumer = visit(market.exchange, market.consumer)
    assert "¥1,234.50" in consumer.get("/accounts")


def test_the_account_page_shows_balance_escrow_and_journal(sqlite_market: Any, visit: Any) -> None:
    market = sqlite_market
    consumer = visit(market.exchange, market.consumer)
    assert "No money was booked yet" in consumer.get("/accounts")
    market.top_up(market.consumer, 1_000)
    agreement = market.signed(price_fen=900)
    page = f"/agreements/{agreement}"
    assert consumer.post(f"{page}/funding", source=page).status_code == 303
    html = consumer.get("/accounts")
    assert "¥9.00" in html
    assert "¥1.00" in html
    assert "Held in escrow" in html
    account = market.exchange.client(market.consumer).get("/api/v1/accounts").json["items"][0]["id"]
    assert consumer.get(f"/accounts?account={account}")
    visit(market.exchange, market.provider).get(f"/accounts?account={account}", 404)
    assert consumer.client.get("/accounts/journal.csv").mimetype == "text/csv"


def test_the_provider_refunds_on_the_page_with_a_reason(sqlite_market: Any, visit: Any) -> None:
    market = sqlite_market
    agreement = market.funded(price_fen=900)
    provider, page = visit(market.exchange, market.provider), f"/agreements/{agreement}"
    assert provider.post(f"{page}/refund", source=page, reason="").status_code == 303
    assert market.agreement(agreement).state == "in_force"
    assert provider.post(f"{page}/refund", source=page, reason="The machine is gone.").status_code == 303
    assert "The machine is gone." in provider.get(page)
    assert market.agreement(agreement).state == "terminated"


def test_strangers_find_no_page_of_money(sqlite_market: Any, visit: Any) -> None:
    market = sqlite_market
    agreement = market.funded(price_fen=900)
    stranger = visit(market.exchange, market.exchange.firm("Stranger"))
    for act in ("funding", "refund", "reclaim"):
        path = f"/agreements/{agreement}/{act}"
        assert stranger.post(path, source="/offers/x/request", reason="Because.").status_code in {400, 404}
    stranger.get("/accounts/top-up", 403)
    assert market.agreement(agreement).state == "in_force"
