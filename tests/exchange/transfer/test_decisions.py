"""The policy is decided at every access, the decision is recorded either way, and what is not understood denies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.odrl import parse
from exchange.settlement import guards
from exchange.settlement.models import Escrow


def decisions(trade: Any, transfer: str) -> list[dict[str, Any]]:
    return [fields for kind, fields in trade.statements(transfer) if kind == "transfer.decided"]


def test_a_permitted_request_is_recorded_before_its_artefact_is_prepared(trade: Any) -> None:
    agreement = trade.agreement()
    transfer = trade.started(agreement)
    kinds = trade.kinds(transfer)
    assert kinds == ["transfer.requested", "transfer.decided", "transfer.started"]
    (decided,) = decisions(trade, transfer)
    assert (decided["decision"], decided["action"], decided["reasons"]) == ("permit", "use", [])
    assert decided["agreement_digest"] == trade.agreement_row(agreement).digest


def test_what_left_is_recorded_with_the_digests_of_version_plan_package_and_parts(trade: Any) -> None:
    import hashlib

    agreement = trade.agreement()
    transfer = trade.started(agreement)
    row = trade.transfer(transfer)
    (started,) = [fields for kind, fields in trade.statements(transfer) if kind == "transfer.started"]
    sealed = trade.client(trade.consumer).get(f"/api/v1/transfers/{transfer}/artefact").data
    opened = trade.client(trade.consumer).get(f"/api/v1/transfers/{transfer}/content").data
    assert started["sealed_digest"] == "sha256:" + hashlib.sha256(sealed).hexdigest()
    assert started["plain_digest"] == "sha256:" + hashlib.sha256(opened).hexdigest()
    assert started["parts_digest"] == row.parts_digest
    assert started["version_digest"].startswith("sha256:")
    assert started["plan_digest"].startswith("sha256:")
    assert (started["use"], started["rows"], started["sealed_size"]) == (1, 60, len(sealed))


def test_a_denied_request_is_recorded_with_its_reasons_and_takes_no_use(trade: Any, refused: Any) -> None:
    agreement = trade.agreement(template="n-times", parameters={"count": 1})
    trade.started(agreement)
    client = trade.client(trade.consumer)
    document = refused(client.post(f"/api/v1/agreements/{agreement}/transfers", json={}), 403, "policy-denied")
    assert document["reasons"][0]["left_operand"] == "count"
    assert document["reasons"][0]["text_en"]
    assert document["reasons"][0]["text_zh"]
    newest = client.get(f"/api/v1/agreements/{agreement}/transfers").json["items"][0]
    assert newest["state"] == "TERMINATED"
    (decided,) = decisions(trade, newest["id"])
    assert decided["decision"] == "deny"
    assert decided["reasons"]
    assert trade.used(agreement) == 1
    refused(client.get(f"/api/v1/transfers/{newest['id']}/artefact"), 409)
    refused(client.post(f"/api/v1/transfers/{newest['id']}/token"), 409)


def test_a_signed_purpose_that_the_signed_policy_does_not_allow_is_denied_by_name(trade: Any, refused: Any) -> None:
    agreement = trade.agreement(
        template="purpose", parameters={"purposes": ["predictive-maintenance"]}, signed_purpose="marketing"
    )
    client = trade.client(trade.consumer)
    document = refused(client.post(f"/api/v1/agreements/{agreement}/transfers", json={}), 403, "policy-denied")
    assert [reason["left_operand"] for reason in document["reasons"]] == ["purpose"]


def test_a_policy_that_lapses_suspends_the_transfer_and_the_refused_part_is_recorded(
    trade: Any, refused: Any, later: Any
) -> None:
    agreement = trade.agreement(template="duration", parameters={"days": 1, "starts": "agreement"})
    transfer = trade.started(agreement)
    client = trade.client(trade.consumer)
    later(timedelta(days=1, seconds=1))
    refused(client.get(f"/api/v1/transfers/{transfer}/artefact"), 403, "policy-denied")
    assert trade.transfer(transfer).state == "SUSPENDED"
    assert trade.kinds(transfer)[-1] == "transfer.part_denied"


def test_what_stands_beside_the_signed_document_decides_nothing(trade: Any, refused: Any) -> None:
    """Purpose, end and price are read from what both signed, whatever the columns say that make it searchable."""
    terms = {"template": "purpose", "parameters": {"purposes": ["predictive-maintenance"]}, "price_fen": 900}
    kept, denied = trade.agreement(**terms), trade.agreement(**terms, signed_purpose="marketing")
    transfer = trade.started(kept)
    past = datetime.now(UTC) - timedelta(days=1)
    trade.tampered(kept, "negotiation", purpose="marketing", policy={}, price={"amount_fen": 10**9})
    trade.tampered(kept, "agreement", valid_until=past)
    trade.tampered(denied, "negotiation", purpose="predictive-maintenance")
    client = trade.client(trade.consumer)
    assert client.get(f"/api/v1/transfers/{transfer}/artefact").status_code == 200
    assert client.post(f"/api/v1/agreements/{kept}/transfers", json={}).status_code == 202
    refused(client.post(f"/api/v1/agreements/{denied}/transfers", json={}), 403, "policy-denied")


def test_a_longer_end_beside_the_signed_one_lengthens_nothing(trade: Any, refused: Any, later: Any) -> None:
    end = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    asked = trade.run(
        trade.consumer, "negotiation.request", offer=trade.offer(), purpose="predictive-maintenance",
        intended_use="Predict failures of our own spindles.", valid_until=end,
    )  # fmt: skip
    negotiation = asked.result["negotiation"]
    agreement = trade.run(trade.provider, "negotiation.agree", negotiation=negotiation).result["agreement"]
    trade.run(trade.consumer, "negotiation.verify", negotiation=negotiation)
    trade.run(trade.consumer, "settlement.fund", agreement=agreement)
    trade.tampered(agreement, "agreement", valid_until=None)
    later(timedelta(days=4))
    client = trade.client(trade.consumer)
    refused(client.post(f"/api/v1/agreements/{agreement}/transfers", json={}), 409, "agreement-expired")


@pytest.mark.parametrize("what", ["document", "signature", "version"])
def test_under_an_agreement_that_is_not_the_signed_one_nothing_leaves(trade: Any, refused: Any, what: str) -> None:
    agreement, other = trade.agreement(), trade.agreement()
    transfer = trade.started(agreement)
    row = trade.agreement_row(agreement)
    values: dict[str, Any] = {
        "document": {"document": row.document.replace(b"predictive-maintenance", b"predictive-maintenancE")},
        "signature": {"consumer_signature": trade.agreement_row(other).consumer_signature},
        "version": {"version_id": trade.agreement_row(other).version_id},
    }[what]
    trade.tampered(agreement, "agreement", **values)
    client = trade.client(trade.consumer)
    for answer in (
        client.post(f"/api/v1/agreements/{agreement}/transfers", json={}),
        client.get(f"/api/v1/transfers/{transfer}/artefact"),
    ):
        document = refused(answer, 409, "agreement-altered")
        assert "signed" in document["detail"]
    assert client.post(f"/api/v1/agreements/{other}/transfers", json={}).status_code == 202


def test_an_agreement_whose_price_is_not_held_delivers_nothing(trade: Any, refused: Any) -> None:
    agreement = trade.agreement(price_fen=900)
    engine = trade.exchange.operations.database.engine
    with engine.begin() as connection:
        where = "" if connection.dialect.name == "sqlite" else " ON escrow"
        connection.exec_driver_sql(f"DROP TRIGGER escrow_settled_once{where}")
        table = Escrow.__table__
        connection.execute(table.update().where(table.c.agreement_id == agreement).values(amount_fen=1))
        guards.create_guards(connection)
    client = trade.client(trade.consumer)
    refused(client.post(f"/api/v1/agreements/{agreement}/transfers", json={}), 409, "agreement-not-paid")


def test_an_operand_that_the_exchange_does_not_know_denies_and_is_named(
    embedded: Any, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreement = embedded.agreement()
    transfer = embedded.started(agreement)
    constraint = {"leftOperand": "moonPhase", "operator": "eq", "rightOperand": "full"}
    policy = parse(
        {
            "@id": "urn:example:policy", "@type": "Agreement", "assigner": embedded.provider.participant,
            "assignee": embedded.consumer.participant, "target": embedded.agreement_row(agreement).dataset_id,
            "permission": [{"action": "use", "constraint": [constraint]}],
        }
    )  # fmt: skip
    monkeypatch.setattr("exchange.negotiation.service.policy_of", lambda _: policy)
    client = embedded.client(embedded.consumer)
    for answer in (
        client.post(f"/api/v1/agreements/{agreement}/transfers", json={}),
        client.get(f"/api/v1/transfers/{transfer}/artefact"),
    ):
        document = refused(answer, 403, "policy-denied")
        assert "moonPhase" in str(document["reasons"])
    newest = client.get(f"/api/v1/agreements/{agreement}/transfers").json["items"][0]["id"]
    assert "moonPhase" in str(decisions(embedded, newest)[-1]["reasons"])


def test_a_policy_that_says_nothing_denies(embedded: Any, refused: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    agreement = embedded.agreement()
    empty = parse(
        {
            "@id": "urn:example:policy", "@type": "Agreement", "assigner": embedded.provider.participant,
            "assignee": embedded.consumer.participant, "target": embedded.agreement_row(agreement).dataset_id,
        }
    )  # fmt: skip
    monkeypatch.setattr("exchange.negotiation.service.policy_of", lambda _: empty)
    client = embedded.client(embedded.consumer)
    refused(client.post(f"/api/v1/agreements/{agreement}/transfers", json={}), 403, "policy-denied")


def test_an_agreement_past_its_end_delivers_nothing_any_more(trade: Any, refused: Any, later: Any) -> None:
    end = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    asked = trade.run(
        trade.consumer, "negotiation.request", offer=trade.offer(), purpose="predictive-maintenance",
        intended_use="Predict failures of our own spindles.", valid_until=end,
    )  # fmt: skip
    negotiation = asked.result["negotiation"]
    agreement = trade.run(trade.provider, "negotiation.agree", negotiation=negotiation).result["agreement"]
    trade.run(trade.consumer, "negotiation.verify", negotiation=negotiation)
    trade.run(trade.consumer, "settlement.fund", agreement=agreement)
    transfer = trade.started(agreement)
    client = trade.client(trade.consumer)
    later(timedelta(days=4))
    for answer in (
        client.post(f"/api/v1/agreements/{agreement}/transfers", json={}),
        client.post(f"/api/v1/transfers/{transfer}/token"),
        client.get(f"/api/v1/transfers/{transfer}/artefact"),
        client.get(f"/api/v1/transfers/{transfer}/content"),
    ):
        refused(answer, 409, "agreement-expired")


@pytest.mark.parametrize("starts", ["agreement", "first-use"])
def test_a_length_of_time_is_counted_and_then_denies(embedded: Any, refused: Any, later: Any, starts: str) -> None:
    agreement = embedded.agreement(template="duration", parameters={"days": 2, "starts": starts})
    transfer = embedded.started(agreement)
    client = embedded.client(embedded.consumer)
    later(timedelta(days=1))
    assert client.get(f"/api/v1/transfers/{transfer}/artefact").status_code == 200
    later(timedelta(days=2, seconds=1))
    refused(client.get(f"/api/v1/transfers/{transfer}/artefact"), 403, "policy-denied")
    assert embedded.transfer(transfer).state == "SUSPENDED"
    refused(client.post(f"/api/v1/agreements/{agreement}/transfers", json={}), 403, "policy-denied")


def test_a_last_day_of_use_counts_to_its_end_and_not_beyond(embedded: Any, refused: Any, later: Any) -> None:
    day = datetime.now(UTC).date() + timedelta(days=2)
    agreement = embedded.agreement(template="until-date", parameters={"date": day.isoformat(), "zone": "Z"})
    transfer = embedded.started(agreement)
    client = embedded.client(embedded.consumer)
    end = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1) - datetime.now(UTC)
    later(end - timedelta(minutes=1))
    assert client.get(f"/api/v1/transfers/{transfer}/artefact").status_code == 200
    later(end + timedelta(seconds=1))
    refused(client.get(f"/api/v1/transfers/{transfer}/artefact"), 403, "policy-denied")


def test_a_prepared_artefact_expires_while_the_agreement_lives_on(embedded: Any, refused: Any, later: Any) -> None:
    agreement = embedded.agreement()
    transfer = embedded.started(agreement)
    client = embedded.client(embedded.consumer)
    later(timedelta(days=embedded.exchange.settings.artefact_days, seconds=1))
    refused(client.get(f"/api/v1/transfers/{transfer}/artefact"), 409, "artefact-expired")
    fresh = client.post(f"/api/v1/agreements/{agreement}/transfers", json={}).json["transfer"]
    assert client.get(f"/api/v1/transfers/{fresh}/artefact").status_code == 200


@pytest.mark.parametrize("kind", ["agreed", "signed by both", "refunded"])
def test_without_an_agreement_in_force_nothing_is_prepared(embedded: Any, refused: Any, kind: str) -> None:
    if kind == "agreed":
        asked = embedded.run(
            embedded.consumer, "negotiation.request", offer=embedded.offer(), purpose="predictive-maintenance",
            intended_use="Predict failures of our own spindles.",
        )  # fmt: skip
        agreement = embedded.run(
            embedded.provider, "negotiation.agree", negotiation=asked.result["negotiation"]
        ).result["agreement"]
    elif kind == "signed by both":
        agreement = embedded.signed()
    else:
        agreement = embedded.agreement(price_fen=900)
        embedded.run(embedded.provider, "settlement.refund", agreement=agreement, reason="We cannot deliver it.")
    client = embedded.client(embedded.consumer)
    refused(client.post(f"/api/v1/agreements/{agreement}/transfers", json={}), 409, "agreement-not-in-force")
    assert client.get(f"/api/v1/agreements/{agreement}/transfers").json["items"] == []


def test_the_provider_cannot_fetch_in_the_consumers_place(embedded: Any, refused: Any) -> None:
    agreement = embedded.agreement()
    transfer = embedded.started(agreement)
    client = embedded.client(embedded.provider)
    assert client.get(f"/api/v1/transfers/{transfer}").json["recipient_wrapped_key"] is None
    refused(client.post(f"/api/v1/agreements/{agreement}/transfers", json={}), 404)
    for path in ("artefact", "content"):
        refused(client.get(f"/api/v1/transfers/{transfer}/{path}"), 404)
    refused(client.post(f"/api/v1/transfers/{transfer}/token"), 404)


def test_only_parquet_is_delivered_and_the_answer_says_so(embedded: Any, refused: Any) -> None:
    agreement = embedded.agreement()
    answer = embedded.client(embedded.consumer).post(
        f"/api/v1/agreements/{agreement}/transfers", json={"format": "exe"}
    )
    refused(answer, 422)
