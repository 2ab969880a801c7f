"""Two buyers at once, and the same buyer twice at once, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from exchange.errors import ConflictError, ExchangeError
from exchange.negotiation.models import AgreementRecord
from exchange.settlement import escrow
from exchange.settlement.book import check_book, find_account
from exchange.settlement.models import Escrow, JournalEntry
from exchange.steps import OPERATIONS, Operation, Step


def _at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Run all calls in threads that start together; return what each gave or raised."""
    gate, outcomes = threading.Barrier(len(calls)), [None] * len(calls)

    def run(number: int, call: Callable[[], Any]) -> None:
        gate.wait()
        try:
            outcomes[number] = call()
        except ExchangeError as error:
            outcomes[number] = error

    threads = [threading.Thread(target=run, args=item) for item in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def _succeeded(outcomes: list[Any]) -> list[Any]:
    assert all(outcome is not None for outcome in outcomes), "a thread ended with an unexpected error"
    return [outcome for outcome in outcomes if not isinstance(outcome, ExchangeError)]


def _book(market: Any, owner: Any) -> int:
    with market.exchange.operations.database.reading() as session:
        assert check_book(session) == []
        found = find_account(session, owner.participant, "available")
        return found.balance_fen if found else 0


def test_the_same_buyer_funds_an_agreement_six_times_at_once_and_pays_once(market: Any) -> None:
    agreement = market.signed(price_fen=700)
    market.top_up(market.consumer, 7_000)
    outcomes = _at_once(*[lambda: market.run(market.consumer, "settlement.fund", agreement=agreement)] * 6)
    assert len(_succeeded(outcomes)) == 1
    assert all(isinstance(outcome, ConflictError) for outcome in outcomes if isinstance(outcome, ExchangeError))
    assert _book(market, market.consumer) == 6_300


def test_the_same_buyer_cannot_spend_one_balance_on_two_agreements(market: Any) -> None:
    first, second = market.signed(price_fen=700), market.signed(price_fen=700)
    market.top_up(market.consumer, 1_000)
    outcomes = _at_once(
        *(
            lambda a=agreement: market.run(market.consumer, "settlement.fund", agreement=a)
            for agreement in (first, second)
        )
    )
    assert len(_succeeded(outcomes)) == 1
    assert {getattr(outcome, "code", "paid") for outcome in outcomes} == {"paid", "balance-too-small"}
    assert _book(market, market.consumer) == 300


def test_the_same_key_sent_at_once_gives_one_payment_and_one_answer(market: Any) -> None:
    agreement = market.signed(price_fen=700)
    market.top_up(market.consumer, 7_000)

    def fund() -> Any:
        return market.run(market.consumer, "settlement.fund", idempotency_key="one", agreement=agreement)

    results = [outcome.result for outcome in _succeeded(_at_once(*[fund] * 4))]
    assert results
    assert all(result == results[0] for result in results)
    assert fund().result == results[0]
    assert _book(market, market.consumer) == 6_300


def test_two_buyers_request_sign_and_fund_the_same_offer_at_once(market: Any) -> None:
    other = market.exchange.firm("Second Buyer")
    offer = market.offer(price_fen=500)

    def buy(buyer: Any) -> str:
        asked = market.run(buyer, "negotiation.request", offer=offer, purpose="research", intended_use="")
        negotiation = asked.result["negotiation"]
        agreed = market.run(market.provider, "negotiation.agree", negotiation=negotiation)
        market.run(buyer, "negotiation.verify", negotiation=negotiation)
        agreement = agreed.result["agreement"]
        market.run(buyer, "settlement.fund", agreement=agreement)
        return agreement

    for buyer in (market.consumer, other):
        market.top_up(buyer, 500)
    bought = _succeeded(_at_once(lambda: buy(market.consumer), lambda: buy(other)))
    assert len(set(bought)) == 2
    assert {market.agreement(agreement).state for agreement in bought} == {"in_force"}
    assert (_book(market, market.consumer), _book(market, other)) == (0, 0)


def test_a_provider_who_clicks_twice_signs_one_agreement(market: Any) -> None:
    negotiation = market.request()
    outcomes = _at_once(*[lambda: market.run(market.provider, "negotiation.agree", negotiation=negotiation)] * 3)
    assert len(_succeeded(outcomes)) == 1
    with market.exchange.operations.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(AgreementRecord)) == 1


def test_both_sides_moving_at_once_leave_one_legal_course(market: Any) -> None:
    negotiation = market.request()
    outcomes = _at_once(
        lambda: market.run(market.provider, "negotiation.agree", negotiation=negotiation),
        lambda: market.run(market.consumer, "negotiation.terminate", negotiation=negotiation, reason="Too late."),
    )
    row = market.negotiation(negotiation)
    # Ending is legal before and after the signature, so only the order is open.
    assert row.state == "TERMINATED"
    agreed = not isinstance(outcomes[0], ExchangeError)
    if agreed:
        assert market.agreement(outcomes[0].result["agreement"]).state == "terminated"


def test_release_and_refund_at_once_pay_one_of_them(market: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def call(step: Step, *, helper: str, agreement: str) -> dict[str, Any]:
        row = step.session.get_one(AgreementRecord, agreement)
        return {"done": getattr(escrow, helper)(step, row, "at once")}

    monkeypatch.setitem(OPERATIONS, "test.escrow", Operation("test.escrow", call, None))
    agreement = market.funded(price_fen=700)
    run = market.exchange.operations.run_as_system
    outcomes = _at_once(
        *[lambda: run("test.escrow", helper="release", agreement=agreement)] * 3,
        *[lambda: run("test.escrow", helper="refund", agreement=agreement)] * 3,
    )
    assert [outcome.result["done"] for outcome in _succeeded(outcomes)].count(True) == 1
    with market.exchange.operations.database.reading() as session:
        state = session.scalar(select(Escrow.state).where(Escrow.agreement_id == agreement))
    paid = {"released": (0, 700), "refunded": (700, 0)}[str(state)]
    assert (_book(market, market.consumer), _book(market, market.provider)) == paid


def test_a_bank_reference_booked_at_once_counts_once(market: Any) -> None:
    operator = market.exchange.staff("operator")
    given = {"participant": market.consumer.participant, "amount_fen": 900, "reference": "BANK-AT-ONCE"}
    outcomes = _at_once(*[lambda: market.run(operator, "settlement.top_up", **given)] * 4)
    assert len(_succeeded(outcomes)) == 1
    assert _book(market, market.consumer) == 900
    with market.exchange.operations.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(JournalEntry)) == 1
