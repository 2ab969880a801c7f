"""Alerts live on the ledger: raised and closed by supervisors, seen by auditors, never by the firms they are about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from click.testing import CliRunner

from exchange.cli import main


def kinds_since(trade: Any, before: int) -> list[str]:
    log = trade.exchange.operations.services.log
    return [entry.kind for entry in log.entries(before, log.size())]


def test_an_alert_is_raised_seen_and_closed_each_under_record(trade: Any, refused: Any) -> None:
    agreement = trade.agreement()
    supervisor, auditor = (trade.client(trade.exchange.staff(role)) for role in ("supervisor", "auditor"))
    before = trade.exchange.operations.services.log.size()
    body = {"about": agreement, "severity": "warning", "findings": ["Twelve uses within a minute."]}
    raised = supervisor.post("/api/v1/supervision/alerts", json=body)
    assert raised.status_code == 201, raised.text
    shown = next(item for item in auditor.get("/api/v1/supervision/alerts").json["items"] if item["about"] == agreement)
    assert (shown["severity"], shown["findings"], shown["closed"]) == ("warning", body["findings"], None)
    assert shown["entry"] == before
    page = auditor.get("/supervision").text
    assert body["findings"][0] in page
    address = f"/api/v1/supervision/alerts/{raised.json['alert']}/closing"
    refused(auditor.post(address, json={"reason": "Looked at."}), 403)
    closed = supervisor.post(address, json={"reason": "A test of the buyer."})
    assert closed.status_code == 200
    refused(supervisor.post(address, json={"reason": "Again."}), 409, "alert-closed")
    assert kinds_since(trade, before) == ["alert.raised", "alert.closed"]
    shown = next(item for item in auditor.get("/api/v1/supervision/alerts").json["items"] if item["about"] == agreement)
    assert shown["closed"] == "A test of the buyer."


def test_firms_and_strangers_see_no_alert_also_not_one_about_them(embedded: Any, refused: Any) -> None:
    supervisor = embedded.client(embedded.exchange.staff("supervisor"))
    about = embedded.provider.participant
    body = {"about": about, "severity": "notice", "findings": ["Evidence out of date."]}
    assert supervisor.post("/api/v1/supervision/alerts", json=body).status_code == 201
    log = embedded.exchange.operations.services.log
    refused(embedded.client(embedded.provider).get("/api/v1/supervision/alerts"), 403)
    refused(embedded.client().get("/api/v1/supervision/alerts"), 401)
    answer = embedded.client(embedded.provider).get(f"/api/v1/ledger/entries/{log.size() - 1}")
    assert answer.json["kind"] == "alert.raised"
    assert answer.json["openings"] is None


def test_what_is_no_alert_is_refused_by_field(embedded: Any, refused: Any) -> None:
    supervisor = embedded.client(embedded.exchange.staff("supervisor"))
    good = {"about": "x", "severity": "notice", "findings": ["Something."]}
    for changed in ({"severity": "loud"}, {"findings": []}, {"findings": [""]}, {"about": ""}):
        refused(supervisor.post("/api/v1/supervision/alerts", json=good | changed), 422)
    unknown = "urn:uuid:01900000-0000-7000-8000-000000000000"
    refused(supervisor.post(f"/api/v1/supervision/alerts/{unknown}/closing", json={"reason": "Done."}), 404)


def test_a_replay_that_deviates_raises_an_alert_when_asked(
    open_exchange: Any, make_trade: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    from contracts.odrl.limits import Limits
    from exchange.negotiation import moves

    trade = make_trade(open_exchange(home=tmp_path / "home"))
    monkeypatch.setattr(moves, "limits", lambda _: Limits(99, None))
    trade.agreement(template="n-times", parameters={"count": 1})
    ended = CliRunner().invoke(main, ["audit", "replay", "--alert", "--home", str(tmp_path / "home")])
    assert ended.exit_code == 1, ended.output
    found = trade.client(trade.exchange.staff("auditor")).get("/api/v1/supervision/alerts").json["items"]
    assert [(item["about"], item["severity"]) for item in found] == [("ledger", "critical")]
    assert "document: uses" in found[0]["findings"][0]
