"""What falls due is settled one agreement at a time: a failing one holds up no other, is tried again, and is shown to the operator."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from exchange.errors import ConflictError, UnavailableError
from exchange.settlement import work
from exchange.settlement.book import check_book
from exchange.settlement.models import Account, Escrow

PAST = timedelta(seconds=1)


def escrow(market: Any, agreement: str) -> Escrow:
    with market.exchange.operations.database.reading() as session:
        return session.scalars(select(Escrow).where(Escrow.agreement_id == agreement)).one()


def alter(market: Any, statement: Any) -> None:
    with market.exchange.operations.database.writing() as session:
        session.execute(statement)


def due(market: Any, count: int) -> list[str]:
    """Return agreements whose acceptance window has passed, oldest first."""
    agreements = [market.funded(price_fen=800) for _ in range(count)]
    alter(market, update(Escrow).values(release_due_at=datetime.now(UTC) - PAST))
    return agreements


def release_due(market: Any) -> list[str]:
    return list(market.exchange.operations.services.jobs.run_timer("settlement.release_due"))


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the settlement of one agreement fail; the fixture's value sets which, with what, or nothing any more."""
    fault: dict[str, Any] = {}
    release = work.release

    def refusing(step: Any, agreement: Any, reason: str) -> bool:
        if agreement.id in fault:
            raise fault[agreement.id]
        return bool(release(step, agreement, reason))

    monkeypatch.setattr(work, "release", refusing)
    return fault


@pytest.mark.parametrize(
    "error", [ConflictError(("No.", "\u4e0d\u3002"), "Mend it."), RuntimeError("a fault of the program")]
)
def test_one_that_fails_holds_up_no_other_and_is_shown_with_its_reason(
    market: Any, refuse: Any, visitor: Any, error: Exception
) -> None:
    first, broken, last = due(market, 3)
    refuse[broken] = error
    assert release_due(market) == [first, last]
    row = escrow(market, broken)
    assert (row.state, row.attempts) == ("held", 1)
    client = market.exchange.client(market.exchange.staff("operator"))
    before = market.exchange.operations.services.log.size()
    (shown,) = client.get("/api/v1/accounts/faults").json["items"]
    assert (shown["agreement_id"], shown["amount_fen"], shown["attempts"]) == (broken, 800, 1)
    assert shown["fault"]["code"] == ("conflict" if isinstance(error, ConflictError) else "internal")
    assert shown["fault"]["type"] == type(error).__name__
    # A look at what belongs to others is an entry.
    assert market.exchange.operations.services.log.entry(before).kind == "audit.read"
    page = visitor(market.exchange, market.exchange.staff("operator")).get("/accounts/faults")
    assert broken[:12] in page
    assert shown["fault"]["reason"][0] in page
    for other in (market.provider, market.exchange.staff("auditor")):
        visitor(market.exchange, other).get("/accounts/faults", 403)
        assert market.exchange.client(other).get("/api/v1/accounts/faults").status_code == 403


def test_it_is_tried_again_later_and_later_until_it_is_mended(market: Any, refuse: Any) -> None:
    (agreement,) = due(market, 1)
    refuse[agreement] = RuntimeError("a fault of the program")
    pauses = []
    for attempt in range(1, 4):
        assert release_due(market) == []
        row = escrow(market, agreement)
        assert row.attempts == attempt
        pauses.append(row.retry_at - datetime.now(UTC))
        # Before its time it is left alone.
        assert release_due(market) == []
        assert escrow(market, agreement).attempts == attempt
        alter(market, update(Escrow).values(retry_at=datetime.now(UTC) - PAST))
    assert [round(pause.total_seconds() / 60) for pause in pauses] == [1, 2, 4]
    refuse.clear()
    assert release_due(market) == [agreement]
    row = escrow(market, agreement)
    assert (row.state, row.fault, row.retry_at) == ("released", None, None)
    assert market.exchange.client(market.exchange.staff("operator")).get("/api/v1/accounts/faults").json["items"] == []
    with market.exchange.operations.database.reading() as session:
        assert check_book(session) == []


def test_more_failing_ones_than_one_run_takes_do_not_starve_the_others(
    market: Any, refuse: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "_BATCH", 2)
    *broken, good = due(market, 3)
    refuse.update(dict.fromkeys(broken, RuntimeError("a fault of the program")))
    assert release_due(market) == []
    assert release_due(market) == [good]


def test_while_the_ledger_is_away_nobody_is_blamed(market: Any, refuse: Any) -> None:
    first, second = due(market, 2)
    refuse[first] = UnavailableError("Away.", "Later.")
    assert release_due(market) == []
    assert [escrow(market, agreement).attempts for agreement in (first, second)] == [0, 0]
    refuse.clear()
    assert sorted(release_due(market)) == sorted([first, second])


def test_a_window_that_moved_while_the_timer_looked_is_respected(market: Any) -> None:
    (agreement,) = due(market, 1)
    alter(market, update(Escrow).values(release_due_at=datetime.now(UTC) + timedelta(days=1)))
    run = market.exchange.operations.run_as_system
    assert run("settlement.release_one", agreement=agreement).result["settled"] is False
    assert run("settlement.refund_one", agreement=agreement).result["settled"] is False
    assert escrow(market, agreement).state == "held"


@pytest.mark.parametrize("what", ["provider", "dataset"])
def test_money_waits_while_the_provider_is_suspended_or_the_rights_are_disputed(market: Any, what: str) -> None:
    (agreement,) = due(market, 1)
    operator, row = market.exchange.staff("operator"), market.agreement(agreement)
    if what == "dataset":
        stop, lift, subject = "catalog.freeze_dataset", "catalog.unfreeze_dataset", {"dataset": row.dataset_id}
    else:
        stop, lift, subject = "participants.suspend", "participants.reinstate", {"participant": row.provider_id}
    market.run(operator, stop, reason="A complaint.", **subject)
    assert release_due(market) == []
    market.run(operator, lift, reason="Settled.", **subject)
    # The consumer could not fetch meanwhile, so its window runs once more.
    assert release_due(market) == []
    model, column = _standing_of(what)
    long_ago = datetime.now(UTC) - timedelta(days=market.exchange.settings.acceptance_window_days, seconds=1)
    alter(market, update(model).values({column: long_ago}))
    assert release_due(market) == [agreement]
    with market.exchange.operations.database.reading() as session:
        paid = session.scalar(
            select(Account.balance_fen).where(Account.owner == row.provider_id, Account.kind == "available")
        )
    assert paid == 800


def _standing_of(what: str) -> tuple[Any, str]:
    from exchange.catalog.models import Dataset
    from exchange.participants.models import Participant

    return (Dataset, "freeze_changed_at") if what == "dataset" else (Participant, "status_at")
