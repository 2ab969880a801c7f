"""A dispute over rights freezes a dataset: its offers are not found, nothing new is made of it, until it is decided."""

from __future__ import annotations

from typing import Any

import pytest

from exchange.access import Actor
from exchange.catalog.models import Dataset
from exchange.errors import ConflictError, InvalidInputError, NotFoundError, PermissionDeniedError

REASON = "Another firm claims to hold this data; case 17."


def frozen(market: Any, dataset: str) -> None:
    market.run(market.exchange.staff("operator"), "catalog.freeze_dataset", dataset=dataset, reason=REASON)


def unfrozen(market: Any, dataset: str) -> str:
    operator = market.exchange.staff("operator")
    done = market.run(operator, "catalog.unfreeze_dataset", dataset=dataset, reason="The claim was withdrawn.")
    return str(done["state"])


def row(market: Any, dataset: str) -> Dataset:
    with market.exchange.operations.database.reading() as session:
        return session.get_one(Dataset, dataset)


def test_a_frozen_dataset_is_found_by_nobody_and_is_back_after_the_decision(market: Any, sample_csv: bytes) -> None:
    owner, buyer = market.exchange.firm("Works"), market.exchange.firm("Buyer")
    dataset = market.prepared(owner, sample_csv)
    offer = market.offer(owner, dataset)
    desk, client = market.exchange.client(market.exchange.staff("operator")), market.exchange.client(buyer)
    assert client.get(f"/api/v1/offers/{offer}").status_code == 200
    answer = desk.post(f"/api/v1/datasets/{dataset}/freeze", json={"reason": REASON})
    assert (answer.status_code, answer.json["state"]) == (200, "frozen"), answer.text
    assert client.get(f"/api/v1/offers/{offer}").status_code == 404
    assert client.get("/api/v1/catalog").json["items"] == []
    assert market.kinds(dataset)[-1] == "dataset.frozen"
    assert row(market, dataset).freeze_reason == REASON
    assert desk.post(f"/api/v1/datasets/{dataset}/freeze", json={"reason": REASON}).status_code == 409

    answer = desk.post(f"/api/v1/datasets/{dataset}/unfreeze", json={"reason": "The claim was withdrawn."})
    assert (answer.status_code, answer.json["state"]) == (200, "offered")
    assert [item["offer"] for item in client.get("/api/v1/catalog").json["items"]] == [offer]
    assert market.kinds(dataset)[-1] == "dataset.unfrozen"
    assert desk.post(f"/api/v1/datasets/{dataset}/unfreeze", json={"reason": REASON}).status_code == 409


def test_a_frozen_dataset_is_neither_offered_nor_requested(market: Any, sample_csv: bytes) -> None:
    owner, buyer = market.exchange.firm("Works"), market.exchange.firm("Buyer")
    dataset = market.prepared(owner, sample_csv)
    offer, draft = market.offer(owner, dataset), market.draft(owner, dataset)
    frozen(market, dataset)
    with pytest.raises(ConflictError) as refused:
        market.run(owner, "catalog.publish_offer", offer=draft)
    assert refused.value.code == "dataset-frozen"
    with pytest.raises(NotFoundError):
        market.run(buyer, "negotiation.request", offer=offer, purpose="research", intended_use="")


def test_withdrawing_the_offers_of_a_frozen_dataset_does_not_thaw_it(market: Any, sample_csv: bytes) -> None:
    owner = market.exchange.firm("Works")
    dataset = market.prepared(owner, sample_csv)
    offer = market.offer(owner, dataset)
    frozen(market, dataset)
    market.run(owner, "catalog.withdraw_offer", offer=offer)
    assert row(market, dataset).state == "frozen"
    assert unfrozen(market, dataset) == "withdrawn"


def test_a_draft_that_was_frozen_is_a_draft_again(market: Any) -> None:
    owner = market.exchange.firm("Works")
    dataset = market.dataset(owner)
    frozen(market, dataset)
    assert unfrozen(market, dataset) == "draft"


def test_only_an_operator_freezes_and_only_what_there_is_and_with_a_reason(market: Any) -> None:
    owner = market.exchange.firm("Works")
    dataset = market.dataset(owner)
    for name in ("catalog.freeze_dataset", "catalog.unfreeze_dataset"):
        for nobody in (owner, market.exchange.staff("auditor"), market.exchange.staff("supervisor"), Actor()):
            with pytest.raises(PermissionDeniedError):
                market.run(nobody, name, dataset=dataset, reason=REASON)
        with pytest.raises(NotFoundError):
            market.run(market.exchange.staff("operator"), name, dataset="urn:x", reason=REASON)
    with pytest.raises(InvalidInputError) as refused:
        market.run(market.exchange.staff("operator"), "catalog.freeze_dataset", dataset=dataset, reason=" ")
    assert refused.value.field == "reason"
