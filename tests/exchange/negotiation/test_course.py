"""A negotiation from the request to the signed agreement, step by step, on both databases."""

from __future__ import annotations

import json
from typing import Any

import pytest

from contracts.agreement import Agreement, SignedAgreement, verify
from exchange.audit.service import statements_of
from exchange.negotiation import agreements


def test_a_request_on_the_offers_terms_is_approved_signed_and_countersigned(market: Any) -> None:
    negotiation = market.request()
    assert market.negotiation(negotiation).state == "REQUESTED"
    assert market.negotiation(negotiation).terms_by == "provider"

    agreed = market.run(market.provider, "negotiation.agree", negotiation=negotiation)
    assert agreed.result["state"] == "AGREED"
    assert agreed.receipt is not None
    signed = market.run(market.consumer, "negotiation.verify", negotiation=negotiation)
    assert signed.result["state"] == "VERIFIED"

    row = market.agreement(agreed.result["agreement"])
    assert row.state == "verified"
    document = verify(SignedAgreement.from_json(json.loads(agreements.signed_json(row))))
    assert (document.provider, document.consumer) == (market.provider.participant, market.consumer.participant)
    assert document.digest() == row.digest
    assert [view.ok for view in agreements.signatures(row)] == [True, True]


def test_the_agreement_names_parties_target_version_plan_price_and_mandate(market: Any) -> None:
    _, agreement = market.agreed(template="n-times", parameters={"count": 3}, price_fen=5000)
    row = market.agreement(agreement)
    document = Agreement.from_bytes(row.document)
    policy = agreements.policy_of(row)
    assert (policy.type, policy.assigner, policy.assignee, policy.target) == (
        "Agreement", market.provider.participant, market.consumer.participant, row.dataset_id,
    )  # fmt: skip
    assert document.dataset_version["id"] == row.version_id
    assert document.price == {"kind": "one-off", "amount_fen": 5000, "currency": "CNY"}
    assert document.plan_hash == market.negotiation(row.negotiation_id).plan_digest
    assert document.purpose == "predictive-maintenance"
    assert document.mandate["key"].startswith("ed25519:")
    assert "release" in document.mandate["acts"]


def test_both_sides_counter_until_the_consumer_accepts(market: Any) -> None:
    negotiation = market.request(proposed_price_fen=50_000)
    assert market.negotiation(negotiation).terms_by == "consumer"
    market.run(market.provider, "negotiation.counter", negotiation=negotiation, price_fen=90_000, note="Our best.")
    market.run(market.consumer, "negotiation.counter", negotiation=negotiation, price_fen=70_000)
    market.run(
        market.provider, "negotiation.counter", negotiation=negotiation, price_fen=80_000, template="n-times",
        parameters={"count": 5},
    )  # fmt: skip
    accepted = market.run(market.consumer, "negotiation.accept", negotiation=negotiation)
    assert accepted.result["state"] == "ACCEPTED"
    agreed = market.run(market.provider, "negotiation.agree", negotiation=negotiation)
    document = Agreement.from_bytes(market.agreement(agreed.result["agreement"]).document)
    assert document.price["amount_fen"] == 80_000
    assert "count" in json.dumps(document.policy)


def test_every_step_is_a_statement_signed_by_the_side_that_takes_it(market: Any) -> None:
    negotiation, agreement = market.agreed()
    market.run(market.consumer, "negotiation.verify", negotiation=negotiation)
    log = market.exchange.operations.services.log
    with market.exchange.operations.database.reading() as session:
        found = statements_of(session, negotiation)
    entries = [log.entry(log.index_of(statement)) for statement in found]
    assert [entry.kind for entry in entries] == ["negotiation.requested", "negotiation.agreed", "negotiation.verified"]
    signers = [log.openings(statement)["signer"].value["participant"] for statement in found]
    assert signers == [market.consumer.participant, market.provider.participant, market.consumer.participant]
    opened = log.openings(found[1])
    assert opened["agreement_digest"].value == market.agreement(agreement).digest
    assert opened["terms_digest"].value.startswith("sha256:")


def test_from_agreed_on_statements_carry_the_ledger_id_and_a_counter_without_gaps(market: Any) -> None:
    agreement = market.funded()
    row = market.agreement(agreement)
    assert row.ledger_id != row.id
    log = market.exchange.operations.services.log
    entries = log.by_agreement(row.ledger_id)
    assert [entry.counter for entry in entries] == list(range(1, len(entries) + 1))
    assert [entry.kind for entry in entries] == [
        "negotiation.agreed", "negotiation.verified", "escrow.held", "negotiation.finalized",
    ]  # fmt: skip
    # Neither the agreement's own id nor a party stands on the public entry.
    for entry in entries:
        for secret in (row.id, row.provider_id, row.consumer_id, row.dataset_id):
            assert secret.encode() not in entry.body


def test_a_terminated_negotiation_keeps_the_reason_for_both_sides(market: Any) -> None:
    negotiation = market.request()
    market.run(market.provider, "negotiation.terminate", negotiation=negotiation, reason="Not to this industry.")
    row = market.negotiation(negotiation)
    assert (row.state, row.reason) == ("TERMINATED", "Not to this industry.")


def test_ending_after_the_providers_signature_ends_the_agreement_too(market: Any) -> None:
    negotiation, agreement = market.agreed()
    market.run(market.consumer, "negotiation.terminate", negotiation=negotiation, reason="The budget is gone.")
    assert market.agreement(agreement).state == "terminated"


@pytest.mark.parametrize("purpose", ["predictive-maintenance", "research"])
def test_a_purpose_that_the_offer_names_is_taken(sqlite_market: Any, purpose: str) -> None:
    offer = sqlite_market.offer(template="purpose", parameters={"purposes": ["predictive-maintenance", "research"]})
    assert sqlite_market.negotiation(sqlite_market.request(offer, purpose=purpose)).purpose == purpose
