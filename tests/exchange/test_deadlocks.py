"""Two steps that wait for each other in a circle: PostgreSQL ends one of them, and both are answered."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import event, select

from exchange.audit.service import record
from exchange.errors import UnavailableError
from exchange.participants.models import Participant
from exchange.steps import OPERATIONS, Operation, Step

pytestmark = pytest.mark.postgresql


@pytest.fixture
def deadlocks(make_exchange: Any, postgresql_url: str) -> tuple[Any, list[str]]:
    """An exchange on PostgreSQL, and the deadlocks that its database has reported so far."""
    exchange, seen = make_exchange(database_url=postgresql_url), []

    @event.listens_for(exchange.operations.database.engine, "handle_error")
    def note(context: Any) -> None:
        if getattr(context.original_exception, "sqlstate", None) == "40P01":
            seen.append("deadlock")

    return exchange, seen


class Crossing:
    """An operation that takes two rows in a given order, and meets its opposite between them."""

    def __init__(self, meetings: int) -> None:
        self._meetings = meetings
        self._gate = threading.Barrier(2, timeout=20)
        self.attempts: list[str] = []

    def __call__(self, step: Step, *, first: str, second: str) -> dict[str, Any]:
        mine = self.attempts.count(first)
        self.attempts.append(first)
        record(step, "audit.read", {"reader": "test", "what": first})
        self._lock(step, first)
        if mine < self._meetings:
            self._gate.wait()
        self._lock(step, second)
        return {"first": first}

    @staticmethod
    def _lock(step: Step, participant: str) -> None:
        step.session.execute(
            select(Participant.id).where(Participant.id == participant).with_for_update(key_share=True)
        )


def cross(exchange: Any, crossing: Crossing, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    monkeypatch.setitem(OPERATIONS, "test.cross", Operation("test.cross", crossing, None))
    one, other = (exchange.firm(name).participant for name in ("Works", "Other Works"))

    def run(order: tuple[str, str]) -> Any:
        try:
            return exchange.operations.run_as_system("test.cross", first=order[0], second=order[1])
        except UnavailableError as error:
            return error

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(run, [(one, other), (other, one)], timeout=60))


def test_a_step_that_loses_a_deadlock_is_tried_again_and_both_are_answered_and_recorded_once(
    deadlocks: tuple[Any, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange, seen = deadlocks
    crossing = Crossing(meetings=1)
    before = exchange.operations.services.log.size()
    outcomes = cross(exchange, crossing, monkeypatch)
    assert seen == ["deadlock"], "the two did not wait for each other"
    assert len(crossing.attempts) == 3
    assert [len(outcome.receipts) for outcome in outcomes] == [1, 1]
    log = exchange.operations.services.log
    recorded = [
        log.openings(entry.statement_id)["what"].value
        for entry in log.entries(before, log.size())
        if entry.kind == "audit.read"
    ]
    assert sorted(recorded) == sorted(outcome.result["first"] for outcome in outcomes)


def test_without_another_try_one_of_the_two_would_be_left_without_an_answer(
    deadlocks: tuple[Any, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the test above shows is owed to the retry: with a single attempt the loser is told to come again."""
    exchange, seen = deadlocks
    monkeypatch.setattr("exchange.operations._ATTEMPTS", 1)
    outcomes = cross(exchange, Crossing(meetings=1), monkeypatch)
    assert seen == ["deadlock"]
    assert sorted(isinstance(outcome, UnavailableError) for outcome in outcomes) == [False, True]
