"""Jobs: what interrupts them and what does not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from exchange import jobs
from exchange.errors import UnavailableError
from exchange.jobs import Job


@pytest.fixture
def kind() -> Iterator[str]:
    yield "test.work"
    jobs._HANDLERS.pop("test.work", None)


def _queued(exchange: Any, kind: str) -> Any:
    with exchange.operations.database.writing() as session:
        session.add(Job(id="job-1", kind=kind, arguments={}, created_at=datetime.now(UTC) - timedelta(minutes=5)))

    def state() -> Job:
        with exchange.operations.database.reading() as session:
            return session.get_one(Job, "job-1")

    return state


def test_a_job_that_could_not_be_recorded_is_taken_up_again(sqlite_exchange: Any, kind: str) -> None:
    outcomes: list[Any] = [UnavailableError("The ledger cannot be written."), {"made": True}]

    @jobs.handler(kind)
    def work(*_: Any) -> dict[str, Any]:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    state = _queued(sqlite_exchange, kind)
    sqlite_exchange.operations.services.jobs.sweep()
    assert state().state == "queued"
    sqlite_exchange.operations.services.jobs.sweep()
    assert (state().state, state().result) == ("done", {"made": True})


def test_a_ledger_that_stays_away_ends_the_job_after_a_few_attempts(sqlite_exchange: Any, kind: str) -> None:
    @jobs.handler(kind)
    def work(*_: Any) -> dict[str, Any]:
        raise UnavailableError("The ledger cannot be written.")

    state = _queued(sqlite_exchange, kind)
    for _ in range(5):
        sqlite_exchange.operations.services.jobs.sweep()
    assert (state().state, state().error) == ("failed", {"code": "too-many-attempts"})
    assert state().finished_at is not None


def test_work_goes_on_where_its_progress_cannot_be_noted(
    sqlite_exchange: Any, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = sqlite_exchange.operations.services.jobs
    noted = ports._update

    def busy(identifier: str, **values: Any) -> None:
        if "progress" in values and "state" not in values:
            raise OperationalError("UPDATE", {}, Exception("database is locked"))
        noted(identifier, **values)

    monkeypatch.setattr(ports, "_update", busy)

    @jobs.handler(kind)
    def work(_operations: Any, _arguments: Any, progress: jobs.Progress) -> dict[str, Any]:
        progress(0.5, "half")
        return {}

    state = _queued(sqlite_exchange, kind)
    ports.sweep()
    assert state().state == "done"
