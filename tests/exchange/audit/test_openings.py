"""Who reads what stands behind a public entry: its parties, and auditors whose every look is an entry of its own."""

from __future__ import annotations

from typing import Any

import pytest

SECRETS = ("internal-use", "Spindle telemetry", "predictive-maintenance")


def place(trade: Any, agreement: str, kind: str) -> int:
    """Return the index of the entry of this kind about an agreement."""
    log = trade.exchange.operations.services.log
    ledger_id = trade.agreement_row(agreement).ledger_id
    return next(entry.index for entry in log.by_agreement(ledger_id) if entry.kind == kind)


def recorded(trade: Any, since: int) -> list[str]:
    log = trade.exchange.operations.services.log
    return [entry.kind for entry in log.entries(since, log.size())]


def test_the_public_entry_names_neither_party_nor_price_nor_purpose(trade: Any) -> None:
    agreement = trade.agreement(price_fen=7_654_321)
    transfer = trade.transfer(trade.started(agreement))
    listed = trade.client().get("/api/v1/ledger/entries?limit=1000").text
    secrets = [
        trade.provider.participant, trade.consumer.participant, agreement, transfer.id, transfer.artefact, "7654321",
        "East China Bearing", "Delta Institute", "spindle", "predictive", trade.agreement_row(agreement).digest,
    ]  # fmt: skip
    assert [secret for secret in secrets if secret in listed] == []
    assert trade.agreement_row(agreement).ledger_id in listed


def test_both_parties_read_their_entry_and_another_firm_reads_only_commitments(trade: Any) -> None:
    agreement = trade.agreement(price_fen=7_654_321)
    address = f"/api/v1/ledger/entries/{place(trade, agreement, 'escrow.held')}"
    for party in (trade.provider, trade.consumer):
        opened = trade.client(party).get(address).json["openings"]
        assert opened["amount_fen"]["value"] == 7_654_321
    for other in (None, trade.exchange.firm("Rival Works"), trade.exchange.staff("operator")):
        answer = trade.client(other).get(address)
        assert answer.status_code == 200
        assert not answer.json["openings"]
        assert "7654321" not in answer.text


@pytest.mark.parametrize("role", ["auditor", "supervisor"])
def test_a_look_of_the_exchanges_own_people_is_recorded_before_they_see_anything(embedded: Any, role: str) -> None:
    agreement = embedded.agreement(price_fen=7_654_321)
    client = embedded.client(embedded.exchange.staff(role))
    index = place(embedded, agreement, "escrow.held")
    before = embedded.exchange.operations.services.log.size()

    closed = client.get(f"/audit/entries/{index}")
    assert closed.status_code == 200
    assert "7654321" not in closed.text
    assert recorded(embedded, before) == []

    opened = client.get(f"/audit/entries/{index}?open=1")
    assert opened.status_code == 200
    assert "7654321" in opened.text
    assert recorded(embedded, before) == ["audit.read"]


def test_over_the_api_an_auditor_sees_no_opening_at_all(embedded: Any) -> None:
    index = place(embedded, embedded.agreement(), "escrow.held")
    answer = embedded.client(embedded.exchange.staff("auditor")).get(f"/api/v1/ledger/entries/{index}")
    assert answer.json["openings"] is None


def test_an_operator_may_not_open_an_entry_at_all(embedded: Any) -> None:
    index = place(embedded, embedded.agreement(price_fen=7_654_321), "escrow.held")
    before = embedded.exchange.operations.services.log.size()
    page = embedded.client(embedded.exchange.staff("operator")).get(f"/audit/entries/{index}?open=1")
    assert page.status_code == 200
    assert "7654321" not in page.text
    assert recorded(embedded, before) == []


def test_where_the_look_cannot_be_recorded_nothing_is_shown(embedded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from ledger.errors import LedgerUnavailableError

    index = place(embedded, embedded.agreement(price_fen=7_654_321), "escrow.held")
    client = embedded.client(embedded.exchange.staff("auditor"))
    log = embedded.exchange.operations.services.log

    def refuse(*_: Any) -> None:
        raise LedgerUnavailableError("no space")

    monkeypatch.setattr(log.storage, "append", refuse)
    page = client.get(f"/audit/entries/{index}?open=1")
    assert page.status_code == 503
    assert "7654321" not in page.text


def test_the_agreements_of_all_firms_are_listed_to_auditors_with_an_entry(embedded: Any) -> None:
    agreement = embedded.agreement()
    client = embedded.client(embedded.exchange.staff("auditor"))
    before = embedded.exchange.operations.services.log.size()
    page = client.get("/supervision/agreements")
    assert page.status_code == 200
    assert agreement in page.text
    bundle = client.get(f"/supervision/agreements/{agreement}/bundle")
    assert bundle.status_code == 200
    assert recorded(embedded, before) == ["audit.read", "audit.exported"]


def test_an_entry_that_is_not_there_and_a_number_beyond_all_numbers_are_not_found(embedded: Any, refused: Any) -> None:
    client = embedded.client()
    for index in ("999999", "9223372036854775807", "99999999999999999999999999"):
        refused(client.get(f"/api/v1/ledger/entries/{index}"), 404)
        assert client.get(f"/audit/entries/{index}").status_code == 404


def test_a_token_whose_scopes_leave_evidence_out_opens_nothing(embedded: Any) -> None:
    agreement = embedded.agreement()
    address = f"/api/v1/ledger/entries/{place(embedded, agreement, 'escrow.held')}"
    for scopes, seen in ((["firm:catalog:read"], False), (["firm:evidence:read"], True)):
        token = embedded.exchange.token(embedded.consumer, scopes)
        answer = embedded.client().get(address, headers={"Authorization": f"Bearer {token}"})
        assert (answer.json["openings"] is not None) is seen
