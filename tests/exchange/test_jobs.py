"""Jobs: what interrupts them and what does not."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from exchange import jobs
from exchange.application import make_operations
from exchange.config import load
from exchange.errors import ConflictError, InvalidInputError, UnavailableError
from exchange.jobs import Job
from exchange.setup import initialise
from exchange.steps import OPERATIONS, Step, operation


@pytest.fixture
def kind() -> Iterator[str]:
    yield "test.work"
    jobs._HANDLERS.pop("test.work", None)
    jobs._GIVEN_UP.pop("test.work", None)


def _queued(exchange: Any, kind: str, **arguments: Any) -> Any:
    with exchange.operations.database.writing() as session:
        session.add(
            Job(id="job-1", kind=kind, arguments=arguments, created_at=datetime.now(UTC) - timedelta(minutes=5))
        )

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


@pytest.mark.parametrize(
    "error", [OperationalError("UPDATE", {}, Exception("database is locked")), UnavailableError("Busy.")]
)
def test_a_database_that_was_busy_is_no_fault_of_the_work(sqlite_exchange: Any, kind: str, error: Exception) -> None:
    outcomes: list[Any] = [error, {"made": True}]

    @jobs.handler(kind)
    def work(*_: Any) -> dict[str, Any]:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    state = _queued(sqlite_exchange, kind)
    for expected in ("queued", "done"):
        sqlite_exchange.operations.services.jobs.sweep()
        assert state().state == expected


def test_who_waits_for_a_job_that_is_given_up_is_told_once_that_can_be_recorded(
    sqlite_exchange: Any, kind: str
) -> None:
    told: list[str] = []

    def tell(_operations: Any, arguments: dict[str, Any]) -> None:
        told.append(arguments.get("for", "nobody"))
        if len(told) == 1:
            raise UnavailableError("Busy.")

    @jobs.handler(kind, given_up=tell)
    def work(*_: Any) -> dict[str, Any]:
        raise UnavailableError("Busy.")

    state = _queued(sqlite_exchange, kind, **{"for": "the buyer"})
    for _ in range(4):
        sqlite_exchange.operations.services.jobs.sweep()
    assert (state().state, told) == ("queued", ["the buyer"])
    sqlite_exchange.operations.services.jobs.sweep()
    assert (state().state, state().error, told) == ("failed", {"code": "too-many-attempts"}, ["the buyer", "the buyer"])
    sqlite_exchange.operations.services.jobs.sweep()
    assert len(told) == 2


def test_a_refusal_reaches_the_person_who_waits_in_both_languages(sqlite_exchange: Any, kind: str) -> None:
    @jobs.handler(kind)
    def work(*_: Any) -> dict[str, Any]:
        raise InvalidInputError(
            ("A column is empty.", "有一列为空。"), ("Remove it.", "请删除。"), field="a", code="empty-column"
        )

    state = _queued(sqlite_exchange, kind)
    sqlite_exchange.operations.services.jobs.sweep()
    assert state().state == "failed"
    assert state().error == {
        "code": "empty-column", "reason": ["A column is empty.", "有一列为空。"], "mend": ["Remove it.", "请删除。"], "field": "a",
        "details": {},
    }  # fmt: skip


def test_a_fault_of_the_program_is_told_without_anything_personal(sqlite_exchange: Any, kind: str) -> None:
    @jobs.handler(kind)
    def work(*_: Any) -> dict[str, Any]:
        raise ValueError("张伟 13800000000")

    state = _queued(sqlite_exchange, kind)
    sqlite_exchange.operations.services.jobs.sweep()
    assert (state().state, state().error) == ("failed", {"code": "internal", "type": "ValueError"})


def test_a_job_of_a_dead_worker_is_taken_up_and_that_of_a_living_one_is_left(sqlite_exchange: Any, kind: str) -> None:
    ran: list[int] = []

    @jobs.handler(kind)
    def work(*_: Any) -> dict[str, Any]:
        ran.append(1)
        return {}

    state = _queued(sqlite_exchange, kind)
    ports = sqlite_exchange.operations.services.jobs
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait(20)
    here = os.uname().nodename
    lease = datetime.now(UTC) + timedelta(seconds=60)
    # A living worker of this machine, and one elsewhere of which nothing can be known while its lease runs.
    for worker in (f"{here}:1", "elsewhere:4711"):
        ports._update("job-1", state="running", worker=worker, lease_until=lease)
        ports.sweep(at_start=True)
        assert (state().state, ran) == ("running", [])
    ports._update("job-1", state="running", worker=f"{here}:{dead.pid}", lease_until=lease)
    ports.sweep(at_start=True)
    assert (state().state, ran) == ("done", [1])


def test_a_job_whose_lease_ran_out_is_taken_up_wherever_its_worker_was(sqlite_exchange: Any, kind: str) -> None:
    @jobs.handler(kind)
    def work(*_: Any) -> dict[str, Any]:
        return {"made": True}

    state = _queued(sqlite_exchange, kind)
    ports = sqlite_exchange.operations.services.jobs
    ports._update(
        "job-1", state="running", worker="elsewhere:4711", lease_until=datetime.now(UTC) - timedelta(seconds=1)
    )
    assert ports.sweep() == 1
    assert state().state == "done"


def test_a_job_is_claimed_by_one_worker_however_often_it_is_handed_over(exchange: Any, kind: str) -> None:
    ran: list[int] = []

    @jobs.handler(kind)
    def work(*_: Any) -> dict[str, Any]:
        ran.append(1)
        time.sleep(0.05)
        return {}

    _queued(exchange, kind)
    ports = exchange.operations.services.jobs
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(ports._execute_by_id, ["job-1"] * 6, timeout=60))
    assert ran == [1]


def test_a_step_that_rolled_back_has_no_job_and_one_that_committed_has_its_job_once(
    make_exchange: Any, database_url: str, kind: str
) -> None:
    exchange = make_exchange(database_url=database_url)
    ran: list[str] = []

    @jobs.handler(kind)
    def work(_operations: Any, arguments: dict[str, Any], _progress: jobs.Progress) -> dict[str, Any]:
        ran.append(arguments["name"])
        return {}

    def ask(step: Step, *, name: str) -> dict[str, Any]:
        job = step.services.jobs.enqueue(step, kind, name=name)
        if name == "rolled back":
            raise ConflictError("No.", "Stop.")
        return {"job": job}

    operation("test.ask", None)(ask)
    try:
        with pytest.raises(ConflictError):
            exchange.operations.run_as_system("test.ask", name="rolled back")
        done = exchange.operations.run_as_system("test.ask", name="committed").result["job"]
    finally:
        OPERATIONS.pop("test.ask")
    assert ran == ["committed"]
    with exchange.operations.database.reading() as session:
        assert jobs.get(session, done).state == "done"
        assert session.scalar(select(func.count()).select_from(Job)) == 1


def test_workers_in_the_process_take_what_is_queued_and_stop_when_asked(
    tmp_path: Path, database_url: str, kind: str
) -> None:
    settings = load({}, home=tmp_path / "home", database_url=database_url, job_threads=2)
    initialise(settings)
    operations = make_operations(settings)

    @jobs.handler(kind)
    def work(_operations: Any, _arguments: dict[str, Any], progress: jobs.Progress) -> dict[str, Any]:
        progress(0.5, "half")
        return {"made": True}

    operation("test.ask", None)(lambda step: {"job": step.services.jobs.enqueue(step, kind)})

    def state(identifier: str) -> str:
        with operations.database.reading() as session:
            return str(jobs.get(session, identifier).state)

    try:
        # One waits since before the start; the others are handed over while the workers run.
        waiting = [operations.run_as_system("test.ask").result["job"]]
        operations.services.jobs.start()
        waiting += [operations.run_as_system("test.ask").result["job"] for _ in range(4)]
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and {state(identifier) for identifier in waiting} != {"done"}:
            time.sleep(0.02)
        assert [state(identifier) for identifier in waiting] == ["done"] * 5
    finally:
        OPERATIONS.pop("test.ask")
        operations.services.jobs.stop()
        operations.database.dispose()
    assert not [
        thread.name for thread in threading.enumerate() if "Worker" in thread.name or "Scheduler" in thread.name
    ]


def test_what_falls_due_by_time_alone_is_done_and_one_refusal_does_not_stop_the_others(
    sqlite_exchange: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []

    def refuse(_step: Step) -> dict[str, Any]:
        raise ConflictError("Not now.", "Later.")

    def due(_step: Step) -> dict[str, Any]:
        ran.append("due")
        return {}

    operation("test.refuse", None)(refuse)
    operation("test.due", None)(due)
    try:
        ports = sqlite_exchange.operations.services.jobs
        monkeypatch.setattr(ports, "timers", ("test.refuse", "test.due"))
        ports._sweep_task()
    finally:
        OPERATIONS.pop("test.refuse")
        OPERATIONS.pop("test.due")
    assert ran == ["due"]
