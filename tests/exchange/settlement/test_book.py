"""The double-entry book: only balanced entries, nothing altered, and every sequence of events adds up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from exchange.errors import ConflictError
from exchange.negotiation.models import AgreementRecord
from exchange.settlement import escrow
from exchange.settlement.book import BalanceTooSmallError, Leg, book, check_book, yuan
from exchange.settlement.guards import create_guards
from exchange.settlement.models import Account, JournalEntry, Posting
from exchange.steps import OPERATIONS, Operation, Step

_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _write(exchange: Any, change: Callable[[Session], Any]) -> None:
    with exchange.operations.database.writing() as session:
        change(session)


def _posting(entry: str, account: str, amount: int, position: int = 0) -> Any:
    return insert(Posting).values(
        entry_id=entry, position=position, account_id=account, amount_fen=amount, balance_after_fen=0
    )


def _entry(identifier: str) -> Any:
    return insert(JournalEntry).values(
        id=identifier,
        kind="top_up",
        key=identifier,
        reference="",
        note="",
        booked_by="",
        statement="s",
        created_at=_NOW,
    )


@pytest.fixture
def accounts(exchange: Any) -> tuple[Any, str, str]:
    """An exchange with one clearing and one available account, both empty."""
    rows = [
        {"id": "clearing", "owner": "exchange", "kind": "clearing", "may_be_negative": True},
        {"id": "available", "owner": "firm", "kind": "available", "may_be_negative": False},
    ]
    same = {"subject": "", "currency": "CNY", "balance_fen": 0, "created_at": _NOW}
    _write(exchange, lambda session: session.execute(insert(Account), [row | same for row in rows]))
    return exchange, "clearing", "available"


def test_an_entry_that_does_not_balance_is_refused_by_the_database(accounts: Any) -> None:
    exchange, clearing, available = accounts

    def one_leg(session: Session) -> None:
        session.execute(_posting("e1", available, 5))
        session.execute(_entry("e1"))

    def uneven(session: Session) -> None:
        session.execute(_posting("e1", available, 5))
        session.execute(_posting("e1", clearing, -4, 1))
        session.execute(_entry("e1"))

    for change in (one_leg, uneven, lambda session: session.execute(_entry("e1"))):
        with pytest.raises(IntegrityError, match="sum to zero"):
            _write(exchange, change)


def test_legs_without_an_entry_do_not_commit(accounts: Any) -> None:
    exchange, clearing, available = accounts

    def legs(session: Session) -> None:
        session.execute(_posting("e1", available, 5))
        session.execute(_posting("e1", clearing, -5, 1))

    with pytest.raises(IntegrityError):
        _write(exchange, legs)


def test_what_was_booked_is_neither_altered_nor_removed(accounts: Any) -> None:
    exchange, clearing, available = accounts

    def balanced(session: Session) -> None:
        session.execute(_posting("e1", available, 5))
        session.execute(_posting("e1", clearing, -5, 1))
        session.execute(_entry("e1"))

    _write(exchange, balanced)
    for statement in (
        "UPDATE posting SET amount_fen = 6",
        "DELETE FROM posting",
        "UPDATE journal_entry SET note = 'x'",
        "DELETE FROM journal_entry",
        "DELETE FROM account",
        "UPDATE account SET may_be_negative = (1 = 1), kind = 'clearing'",
        "UPDATE account SET owner = 'other'",
    ):
        with pytest.raises(IntegrityError):
            _write(exchange, lambda session, statement=statement: session.execute(text(statement)))
    with pytest.raises(IntegrityError, match="closed"):
        _write(exchange, lambda session: session.execute(_posting("e1", available, 5, 2)))


def test_no_balance_goes_below_zero_even_by_hand(accounts: Any) -> None:
    exchange, _, available = accounts
    with pytest.raises(IntegrityError):
        _write(exchange, lambda s: s.execute(update(Account).where(Account.id == available).values(balance_fen=-1)))


def test_the_guards_can_be_created_twice_and_still_guard(accounts: Any) -> None:
    exchange, _, available = accounts
    _write(exchange, lambda session: create_guards(session.connection()))
    with pytest.raises(IntegrityError):
        _write(exchange, lambda s: s.execute(update(Account).where(Account.id == available).values(balance_fen=-1)))


def test_a_settled_escrow_stays_settled(market: Any) -> None:
    agreement = market.funded(price_fen=100)
    market.run(market.provider, "settlement.refund", agreement=agreement, reason="Never made.")
    for statement in ("UPDATE escrow SET state = 'held'", "UPDATE escrow SET reason = 'x'", "DELETE FROM escrow"):
        with pytest.raises(IntegrityError):
            _write(market.exchange, lambda session, statement=statement: session.execute(text(statement)))


def test_the_check_of_the_book_names_a_forged_balance(market: Any) -> None:
    market.top_up(market.consumer, 500)
    _write(
        market.exchange,
        lambda session: session.execute(update(Account).where(Account.kind == "available").values(balance_fen=900)),
    )
    with market.exchange.operations.database.reading() as session:
        problems = check_book(session)
    assert any("shows 900 fen" in problem for problem in problems)
    assert any("off by 400 fen" in problem for problem in problems)


@pytest.mark.parametrize("amounts", [[5], [5, -4], [0, 0], [5, -5, 0], [10**13 + 1, -(10**13) - 1]], ids=str)
def test_the_service_refuses_legs_that_are_no_entry(amounts: list[int]) -> None:
    legs = [Leg(Account(id=str(n), owner="o", kind="fee", currency="CNY"), value) for n, value in enumerate(amounts)]
    with pytest.raises(ValueError, match="leg"):
        book(None, "top_up", "k", legs, entry_id="e", statement="s")  # type: ignore[arg-type]


def test_the_service_refuses_two_legs_on_one_account() -> None:
    account = Account(id="1", owner="o", kind="fee", currency="CNY")
    with pytest.raises(ValueError, match="different accounts"):
        book(None, "top_up", "k", [Leg(account, 5), Leg(account, -5)], entry_id="e", statement="s")  # type: ignore[arg-type]


@given(st.integers(-(10**15), 10**15))
def test_yuan_keeps_every_fen(fen: int) -> None:
    assert round(float(yuan(fen)) * 100) == fen
    assert yuan(fen).rsplit(".", 1)[1].isdigit()


# Random histories: (event, which agreement or firm, amount).
_EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["top_up", "fund", "release", "refund", "delivered", "release_due"]),
        st.integers(0, 2),
        st.integers(1, 400_00),
    ),
    min_size=1,
    max_size=25,
)


@pytest.fixture
def three_agreements(market: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, list[str]]:
    """A market with three signed agreements of different prices, and the helpers of later steps as operations."""

    def call(step: Step, *, helper: str, agreement: str) -> dict[str, Any]:
        row = step.session.get_one(AgreementRecord, agreement)
        try:
            return {"done": getattr(escrow, helper)(step, row, *(("undelivered",) if helper == "refund" else ()))}
        except Exception as error:
            return {"refused": type(error).__name__}

    monkeypatch.setitem(OPERATIONS, "test.escrow", Operation("test.escrow", call, None))
    return market, [market.signed(price_fen=price) for price in (15_000, 0, 9_999)]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=_EVENTS)
def test_any_sequence_of_events_leaves_a_book_that_adds_up(three_agreements: Any, events: list[Any]) -> None:
    market, agreements = three_agreements
    run = market.exchange.operations.run_as_system
    for event, which, amount in events:
        agreement = agreements[which]
        try:
            if event == "top_up":
                market.top_up(market.consumer, amount)
            elif event == "fund":
                market.run(market.consumer, "settlement.fund", agreement=agreement)
            elif event == "release_due":
                market.exchange.operations.services.jobs.run_timer("settlement.release_due")
            else:
                run("test.escrow", helper=event, agreement=agreement)
        except (BalanceTooSmallError, ConflictError):
            # A refusal is a legal outcome; that it left nothing behind is what the check below proves.
            pass
        with market.exchange.operations.database.reading() as session:
            assert check_book(session) == []
            assert all(row.balance_fen >= 0 for row in session.scalars(select(Account)) if not row.may_be_negative)
    # The next example starts with agreements of its own.
    agreements[:] = [market.signed(price_fen=price) for price in (15_000, 0, 9_999)]
