"""A suspended firm and a frozen dataset stop what runs at its next part, and what has not begun; lifted, it goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from exchange.errors import ConflictError

REASON = "A complaint is being looked into."


def stop(trade: Any, what: str, agreement: str) -> Callable[[], None]:
    """Suspend a side or freeze the dataset; return what lifts it."""
    operator, row = trade.exchange.staff("operator"), trade.agreement_row(agreement)
    if what == "dataset":
        trade.run(operator, "catalog.freeze_dataset", dataset=row.dataset_id, reason=REASON)
        return lambda: trade.run(operator, "catalog.unfreeze_dataset", dataset=row.dataset_id, reason="Settled.")
    firm = {"provider": row.provider_id, "consumer": row.consumer_id}[what]
    trade.run(operator, "participants.suspend", participant=firm, reason=REASON)
    return lambda: trade.run(operator, "participants.reinstate", participant=firm, reason="Settled.")


CODES = {"dataset": "dataset-frozen", "provider": "participant-suspended", "consumer": "participant-suspended"}


@pytest.mark.parametrize("what", CODES)
@pytest.mark.usefixtures("in_small_parts")
def test_a_running_download_stops_at_its_next_part_and_is_taken_up_when_it_is_lifted(trade: Any, what: str) -> None:
    agreement = trade.agreement(data=b"a,b\n" + b"\n".join(b"%d,%d" % (n, n * n) for n in range(9_000)))
    transfer = trade.started(agreement)
    client = trade.exchange.client(trade.consumer)
    whole = client.get(f"/api/v1/transfers/{transfer}/artefact").data
    token = client.post(f"/api/v1/transfers/{transfer}/token").json["access_token"]
    stranger = trade.exchange.app.test_client()
    header = {"Authorization": f"Bearer {token}"}
    answer = stranger.get(f"/api/v1/transfers/{transfer}/artefact", headers=header, buffered=False)
    blocks, received = answer.iter_encoded(), []
    received.append(next(blocks))
    lift = stop(trade, what, agreement)
    with pytest.raises(ConflictError) as refused:
        received.extend(blocks)
    assert refused.value.code == CODES[what]
    answer.close()
    assert len(b"".join(received)) <= 4096 < len(whole)
    again = stranger.get(f"/api/v1/transfers/{transfer}/artefact", headers=header)
    assert (again.status_code, again.json["code"]) == (409, CODES[what])
    lift()
    rest = {"Range": f"bytes={len(b''.join(received))}-"} | header
    assert b"".join(received) + stranger.get(f"/api/v1/transfers/{transfer}/artefact", headers=rest).data == whole


@pytest.mark.parametrize("what", CODES)
def test_nothing_is_agreed_signed_paid_or_begun_meanwhile(trade: Any, what: str) -> None:
    offer = trade.offer()
    asked = [
        trade.run(
            trade.consumer, "negotiation.request", offer=offer, purpose="predictive-maintenance",
            intended_use="Predict failures of our own spindles.",
        ).result["negotiation"]
        for _ in range(3)
    ]  # fmt: skip
    trade.run(trade.provider, "negotiation.agree", negotiation=asked[1])
    trade.run(trade.provider, "negotiation.agree", negotiation=asked[2])
    unpaid = trade.run(trade.consumer, "negotiation.verify", negotiation=asked[2]).result["agreement"]
    agreement = trade.agreement(offer)
    lift = stop(trade, what, agreement)
    steps = (
        (trade.provider, "negotiation.agree", {"negotiation": asked[0]}),
        (trade.consumer, "negotiation.verify", {"negotiation": asked[1]}),
        (trade.consumer, "settlement.fund", {"agreement": unpaid}),
        (trade.consumer, "transfer.request", {"agreement": agreement}),
    )
    for actor, name, arguments in steps:
        with pytest.raises(ConflictError) as refused:
            trade.run(actor, name, **arguments)
        assert refused.value.code == CODES[what], name
    lift()
    for actor, name, arguments in steps:
        trade.run(actor, name, **arguments)


def test_what_was_being_prepared_ends_without_a_use(embedded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from exchange.transfer import work

    agreement = embedded.agreement(template="n-times", parameters={"count": 1})
    make = work._make

    def suspended_meanwhile(*args: Any) -> Any:
        made = make(*args)
        stop(embedded, "provider", agreement)
        return made

    monkeypatch.setattr(work, "_make", suspended_meanwhile)
    stored = set(embedded.exchange.operations.services.objects.digests())
    row = embedded.transfer(embedded.request(agreement)["transfer"])
    assert (row.state, embedded.used(agreement)) == ("TERMINATED", 0)
    assert "suspended" in row.reason
    assert set(embedded.exchange.operations.services.objects.digests()) == stored


FACTS = {
    "industry": ({"leftOperand": "industry", "operator": "isPartOf", "rightOperand": "C34"}, {"industry": "C3411"}),
    "spatial": ({"leftOperand": "spatial", "operator": "eq", "rightOperand": "CN"}, {"country": "CN"}),
}


@pytest.mark.parametrize("operand", FACTS)
def test_a_fact_that_nobody_verified_permits_nothing(
    trade: Any, refused: Any, operand: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from contracts.odrl import parse

    constraint, declared = FACTS[operand]
    buyer = trade.exchange.firm("Facts Institute", **declared)
    trade.consumer = buyer
    agreement = trade.agreement()
    policy = parse(
        {
            "@id": "urn:example:policy", "@type": "Agreement", "assigner": trade.provider.participant,
            "assignee": buyer.participant, "target": trade.agreement_row(agreement).dataset_id,
            "permission": [{"action": "use", "constraint": [constraint]}],
        }
    )  # fmt: skip
    monkeypatch.setattr("exchange.negotiation.service.policy_of", lambda _: policy)
    client = trade.client(buyer)
    assert client.post(f"/api/v1/agreements/{agreement}/transfers", json={}).status_code == 202

    other = {"industry": "F51"} if operand == "industry" else {"country": "DE"}
    trade.run(buyer, "participants.declare", evidence="Moved and changed; register entry 44.", **other)
    back = {"industry": "C3411"} if operand == "industry" else {"country": "CN"}
    trade.run(buyer, "participants.declare", evidence="Moved back again; register entry 45.", **back)
    assert client.post(f"/api/v1/agreements/{agreement}/transfers", json={}).status_code == 202
    trade.run(buyer, "participants.declare", evidence="Moved and changed; register entry 46.", **other)
    document = refused(client.post(f"/api/v1/agreements/{agreement}/transfers", json={}), 403, "policy-denied")
    assert [reason["left_operand"] for reason in document["reasons"]] == [operand]
    trade.run(trade.exchange.staff("operator"), "participants.verify", participant=buyer.participant)
    document = refused(client.post(f"/api/v1/agreements/{agreement}/transfers", json={}), 403, "policy-denied")
    assert str(next(iter(other.values()))) in document["reasons"][0]["text_en"]
