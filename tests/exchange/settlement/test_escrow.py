"""Money in escrow: held once at funding, released or refunded once, and never without a balanced entry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from exchange.errors import ConflictError, InvalidInputError, NotFoundError, PermissionDeniedError
from exchange.negotiation.models import AgreementRecord
from exchange.participants.models import Participant
from exchange.settlement import escrow
from exchange.settlement.book import BalanceTooSmallError, check_book, find_account
from exchange.settlement.models import Account, Escrow, JournalEntry
from exchange.steps import EXCHANGE, OPERATIONS, Operation, Step


@pytest.fixture(autouse=True)
def steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The helpers that later steps call within their own operations, as operations of this test."""

    def call(step: Step, *, helper: str, agreement: str) -> dict[str, Any]:
        row = step.session.get_one(AgreementRecord, agreement)
        extra = ("undelivered",) if helper == "refund" else ()
        return {"done": getattr(escrow, helper)(step, row, *extra)}

    monkeypatch.setitem(OPERATIONS, "test.escrow", Operation("test.escrow", call, None))


def _call(market: Any, helper: str, agreement: str) -> Any:
    return market.exchange.operations.run_as_system("test.escrow", helper=helper, agreement=agreement)


def _balance(market: Any, owner: str, kind: str = "available", subject: str = "") -> int:
    with market.exchange.operations.database.reading() as session:
        found = find_account(session, owner, kind, subject)
        return found.balance_fen if found else 0


def _escrow(market: Any, agreement: str) -> Escrow | None:
    with market.exchange.operations.database.reading() as session:
        return session.scalar(select(Escrow).where(Escrow.agreement_id == agreement))


def _problems(market: Any) -> list[str]:
    with market.exchange.operations.database.reading() as session:
        return check_book(session)


def _set(market: Any, statement: Any) -> None:
    with market.exchange.operations.database.writing() as session:
        session.execute(statement)


def test_a_top_up_moves_money_from_the_clearing_account(market: Any) -> None:
    market.top_up(market.consumer, 5_000)
    assert _balance(market, market.consumer.participant) == 5_000
    assert _balance(market, EXCHANGE, "clearing") == -5_000
    assert _problems(market) == []


def test_a_bank_reference_is_booked_once(market: Any) -> None:
    operator = market.exchange.staff("operator")
    given = {"participant": market.consumer.participant, "amount_fen": 700, "reference": "BANK-7"}
    market.run(operator, "settlement.top_up", **given)
    with pytest.raises(ConflictError) as refused:
        market.run(operator, "settlement.top_up", **given)
    assert refused.value.code == "already-booked"
    assert _balance(market, market.consumer.participant) == 700


def test_a_retry_with_the_same_key_books_once_and_gives_the_same_answer(market: Any) -> None:
    operator = market.exchange.staff("operator")
    given = {"participant": market.consumer.participant, "amount_fen": 700, "reference": "BANK-7"}
    first = market.run(operator, "settlement.top_up", idempotency_key="k1", **given)
    again = market.run(operator, "settlement.top_up", idempotency_key="k1", **given)
    assert again.result == first.result
    assert [receipt.index for receipt in again.receipts] == [receipt.index for receipt in first.receipts]
    assert _balance(market, market.consumer.participant) == 700


def test_only_the_operator_books_bank_transfers_and_only_for_verified_firms(sqlite_market: Any) -> None:
    given = {"participant": sqlite_market.consumer.participant, "amount_fen": 700, "reference": "BANK-7"}
    for actor in (sqlite_market.consumer, sqlite_market.exchange.staff("auditor")):
        with pytest.raises(PermissionDeniedError):
            sqlite_market.run(actor, "settlement.top_up", **given)
    operator = sqlite_market.exchange.staff("operator")
    with pytest.raises(NotFoundError):
        sqlite_market.run(operator, "settlement.top_up", **given | {"participant": "urn:uuid:0"})
    pending = sqlite_market.exchange.firm("Pending Firm", verified=False)
    with pytest.raises(ConflictError):
        sqlite_market.run(operator, "settlement.top_up", **given | {"participant": pending.participant})


def test_malformed_amounts_and_references_name_their_field(sqlite_market: Any) -> None:
    operator = sqlite_market.exchange.staff("operator")
    good = {"participant": sqlite_market.consumer.participant, "amount_fen": 700, "reference": "BANK-7"}
    for field, value in [
        ("amount_fen", 0), ("amount_fen", -1), ("amount_fen", 10**12 + 1), ("amount_fen", 1.5), ("amount_fen", True),
        ("reference", " "), ("reference", "x" * 101), ("reference", "two\nlines"),
    ]:  # fmt: skip
        with pytest.raises(InvalidInputError) as refused:
            sqlite_market.run(operator, "settlement.top_up", **good | {field: value})
        assert refused.value.field == field


def test_funding_holds_the_price_and_puts_the_agreement_in_force_with_two_statements(market: Any) -> None:
    agreement = market.signed(price_fen=90_000)
    market.top_up(market.consumer, 100_000)
    outcome = market.run(market.consumer, "settlement.fund", agreement=agreement)
    assert outcome.result["state"] == "in_force"
    assert _balance(market, market.consumer.participant) == 10_000
    assert _balance(market, market.consumer.participant, "escrow", agreement) == 90_000
    row = market.agreement(agreement)
    assert row.in_force_at is not None
    assert market.negotiation(row.negotiation_id).state == "FINALIZED"
    log = market.exchange.operations.services.log
    kinds = [log.entry(receipt.index).kind for receipt in outcome.receipts]
    assert kinds == ["escrow.held", "negotiation.finalized"]
    opened = log.openings(outcome.receipts[0].statement_id)
    assert sum(leg["amount_fen"] for leg in opened["postings"].value) == 0
    assert opened["signer"].value["participant"] == EXCHANGE
    assert _problems(market) == []


def test_a_free_agreement_comes_into_force_with_an_empty_escrow_and_no_booking(market: Any) -> None:
    agreement = market.signed(price_fen=0)
    market.run(market.consumer, "settlement.fund", agreement=agreement)
    assert market.agreement(agreement).state == "in_force"
    assert _escrow(market, agreement).amount_fen == 0
    assert _call(market, "release", agreement).result["done"] is True
    with market.exchange.operations.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(JournalEntry)) == 0


def test_too_small_a_balance_names_the_missing_amount_and_holds_nothing(market: Any) -> None:
    agreement = market.signed(price_fen=90_000)
    market.top_up(market.consumer, 20_050)
    with pytest.raises(BalanceTooSmallError) as refused:
        market.run(market.consumer, "settlement.fund", agreement=agreement)
    assert refused.value.details["missing_fen"] == 69_950
    assert "699.50" in refused.value.text("zh")[0]
    assert market.agreement(agreement).state == "verified"
    assert _escrow(market, agreement) is None
    assert _balance(market, market.consumer.participant) == 20_050


def test_an_undeliverable_version_is_refused_before_money_is_held(market: Any) -> None:
    agreement = market.signed(price_fen=90_000)
    market.top_up(market.consumer, 90_000)
    market.remove_bytes(agreement)
    with pytest.raises(ConflictError) as refused:
        market.run(market.consumer, "settlement.fund", agreement=agreement)
    assert refused.value.code == "not-deliverable"
    assert _balance(market, market.consumer.participant) == 90_000
    assert _escrow(market, agreement) is None


def test_funding_needs_both_signatures_the_right_side_and_the_permission(sqlite_market: Any) -> None:
    market = sqlite_market
    _, agreement = market.agreed(price_fen=100)
    market.top_up(market.consumer, 1_000)
    for actor, code in [(market.consumer, "not-signed"), (market.provider, "other-side")]:
        with pytest.raises(ConflictError) as refused:
            market.run(actor, "settlement.fund", agreement=agreement)
        assert refused.value.code == code
    with pytest.raises(PermissionDeniedError):
        market.run(market.exchange.person(market.consumer, "publisher"), "settlement.fund", agreement=agreement)


def test_an_agreement_is_funded_once(market: Any) -> None:
    agreement = market.funded(price_fen=500)
    market.top_up(market.consumer, 500)
    with pytest.raises(ConflictError) as refused:
        market.run(market.consumer, "settlement.fund", agreement=agreement)
    assert refused.value.code == "already-funded"
    assert _balance(market, market.consumer.participant) == 500


def test_release_pays_the_provider_once(market: Any) -> None:
    agreement = market.funded(price_fen=800)
    assert _call(market, "release", agreement).result["done"] is True
    assert _call(market, "release", agreement).result["done"] is False
    assert _call(market, "refund", agreement).result["done"] is False
    assert _balance(market, market.provider.participant) == 800
    assert _balance(market, market.consumer.participant, "escrow", agreement) == 0
    assert _balance(market, EXCHANGE, "fee") == 0
    with market.exchange.operations.database.reading() as session:
        assert find_account(session, EXCHANGE, "fee") is not None
    assert market.agreement(agreement).state == "in_force"
    assert _problems(market) == []


def test_refund_pays_the_consumer_back_once_and_ends_the_agreement(market: Any) -> None:
    agreement = market.funded(price_fen=800)
    assert _call(market, "refund", agreement).result["done"] is True
    assert _call(market, "refund", agreement).result["done"] is False
    assert _call(market, "release", agreement).result["done"] is False
    assert _balance(market, market.consumer.participant) == 800
    assert _balance(market, market.provider.participant) == 0
    assert market.agreement(agreement).state == "terminated"
    assert _problems(market) == []


def test_release_and_refund_of_an_unfunded_agreement_find_nothing(sqlite_market: Any) -> None:
    agreement = sqlite_market.signed()
    for helper in ("release", "refund"):
        with pytest.raises(NotFoundError):
            _call(sqlite_market, helper, agreement)


def test_the_timer_releases_after_the_acceptance_window_and_not_before(market: Any) -> None:
    agreement = market.funded(price_fen=800)
    run = market.exchange.operations.services.jobs.run_timer
    _call(market, "delivered", agreement)
    due = _escrow(market, agreement).release_due_at
    assert timedelta(days=6, hours=23) < due - datetime.now(UTC) < timedelta(days=7, hours=1)
    assert run("settlement.release_due") == []
    _set(market, update(Escrow).values(release_due_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert run("settlement.release_due") == [agreement]
    assert run("settlement.release_due") == []
    assert _balance(market, market.provider.participant) == 800
    assert _escrow(market, agreement).reason == "window-passed"


def test_a_second_delivery_does_not_move_the_acceptance_window(sqlite_market: Any) -> None:
    agreement = sqlite_market.funded(price_fen=800)
    _call(sqlite_market, "delivered", agreement)
    first = _escrow(sqlite_market, agreement).release_due_at
    _call(sqlite_market, "delivered", agreement)
    assert _escrow(sqlite_market, agreement).release_due_at == first


def test_after_its_end_an_agreement_is_not_funded_and_what_was_not_delivered_is_refunded(
    sqlite_market: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = sqlite_market
    market.top_up(market.consumer, 600)
    end = datetime.now(UTC) + timedelta(hours=1)

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + timedelta(hours=1)

    funded, unfunded = (_signed_until(market, end) for _ in range(2))
    market.run(market.consumer, "settlement.fund", agreement=funded)
    run = market.exchange.operations.services.jobs.run_timer
    assert run("settlement.refund_due") == []
    for module in ("operations", "settlement.work"):
        monkeypatch.setattr(f"exchange.{module}.datetime", Later)
    assert run("settlement.refund_due") == [funded]
    assert run("settlement.refund_due") == []
    assert market.agreement(funded).state == "terminated"
    with pytest.raises(ConflictError) as refused:
        market.run(market.consumer, "settlement.fund", agreement=unfunded)
    assert refused.value.code == "agreement-ended"
    assert _balance(market, market.consumer.participant) == 600


def _signed_until(market: Any, end: datetime) -> str:
    negotiation = market.request(market.offer(price_fen=300), valid_until=end.isoformat())
    agreement = market.run(market.provider, "negotiation.agree", negotiation=negotiation).result["agreement"]
    market.run(market.consumer, "negotiation.verify", negotiation=negotiation)
    return agreement


def test_the_provider_refunds_with_a_reason_and_only_the_provider(sqlite_market: Any) -> None:
    market = sqlite_market
    agreement = market.funded(price_fen=800)
    with pytest.raises(ConflictError):
        market.run(market.consumer, "settlement.refund", agreement=agreement, reason="I want it back.")
    with pytest.raises(InvalidInputError):
        market.run(market.provider, "settlement.refund", agreement=agreement, reason=" ")
    market.run(market.provider, "settlement.refund", agreement=agreement, reason="The machine is gone.")
    assert _escrow(market, agreement).reason == "The machine is gone."
    with pytest.raises(ConflictError) as refused:
        market.run(market.provider, "settlement.refund", agreement=agreement, reason="Again.")
    assert refused.value.code == "nothing-held"


def test_the_consumer_takes_money_back_when_the_data_is_gone(sqlite_market: Any) -> None:
    market = sqlite_market
    agreement = market.funded(price_fen=800)
    with pytest.raises(ConflictError) as refused:
        market.run(market.consumer, "settlement.reclaim", agreement=agreement)
    assert refused.value.code == "too-early"
    market.remove_bytes(agreement)
    market.run(market.consumer, "settlement.reclaim", agreement=agreement)
    assert _balance(market, market.consumer.participant) == 800
    assert market.agreement(agreement).state == "terminated"


def test_the_consumer_takes_money_back_after_the_window_but_not_after_a_delivery(sqlite_market: Any) -> None:
    market = sqlite_market
    waiting, done = market.funded(price_fen=800), market.funded(price_fen=900)
    _call(market, "delivered", done)
    _set(market, update(Escrow).values(held_at=datetime.now(UTC) - timedelta(days=8)))
    market.run(market.consumer, "settlement.reclaim", agreement=waiting)
    with pytest.raises(ConflictError) as refused:
        market.run(market.consumer, "settlement.reclaim", agreement=done)
    assert refused.value.code == "delivered"
    with pytest.raises(ConflictError):
        market.run(market.provider, "settlement.reclaim", agreement=done)


def test_timers_belong_to_the_program_alone(sqlite_market: Any) -> None:
    agreement = sqlite_market.funded()
    for name in ("settlement.release_one", "settlement.refund_one"):
        for actor in (sqlite_market.provider, sqlite_market.exchange.staff("operator")):
            with pytest.raises(PermissionDeniedError):
                sqlite_market.run(actor, name, agreement=agreement)


def test_the_ledger_alone_gives_back_every_balance(market: Any) -> None:
    """Replay of the statements' postings reproduces the book."""
    kept, returned = market.funded(price_fen=800), market.funded(price_fen=300)
    _call(market, "release", kept)
    _call(market, "refund", returned)
    log = market.exchange.operations.services.log
    replayed: dict[tuple[str, str, str], int] = {}
    for entry in log.entries(0, log.size()):
        if entry.kind.startswith(("escrow.", "account.")):
            for leg in log.openings(entry.statement_id)["postings"].value:
                key = (leg["owner"], leg["kind"], leg.get("subject", ""))
                replayed[key] = replayed.get(key, 0) + leg["amount_fen"]
    with market.exchange.operations.database.reading() as session:
        rows = session.scalars(select(Account)).all()
        assert session.scalar(select(func.count()).select_from(Participant)) == 2
    assert replayed == {(row.owner, row.kind, row.subject): row.balance_fen for row in rows if row.kind != "fee"}
