"""No record, no release: where the ledger cannot be written the answer is 503 in time, and no byte leaves."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from exchange import jobs
from exchange.database import sqlite_module
from ledger.errors import AdmissionError

PATIENCE = 5.5


@pytest.fixture(scope="module")
def hurried(open_exchange: Any, make_trade: Any) -> Any:
    """Two firms on an exchange that waits less long for its ledger."""
    return make_trade(open_exchange(receipt_timeout_seconds=0.3))


@contextmanager
def nothing_integrated(trade: Any) -> Iterator[None]:
    """Hold the mark without which the log signs nothing, as a process that hangs would."""
    with (trade.exchange.settings.key_store / "log.mark").open() as mark:
        fcntl.flock(mark, fcntl.LOCK_EX)
        yield


@contextmanager
def locked_database(trade: Any) -> Iterator[None]:
    """Hold, from another connection, the lock that every statement needs."""
    url = trade.exchange.settings.database_url
    if url.startswith("sqlite"):
        other = sqlite_module().connect(url.removeprefix("sqlite:///"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.rollback()
            other.close()
        return
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.begin() as connection:
            connection.execute(text("LOCK TABLE ledger_statements IN ACCESS EXCLUSIVE MODE"))
            yield
    finally:
        engine.dispose()


def ask(trade: Any, agreement: str, key: str) -> Callable[[], Any]:
    client = trade.client(trade.consumer)
    return lambda: client.post(f"/api/v1/agreements/{agreement}/transfers", json={}, headers={"Idempotency-Key": key})


def entries(trade: Any) -> int:
    return int(trade.exchange.operations.services.log.size())


def test_a_step_without_its_receipt_is_503_and_the_same_key_returns_the_receipt_later(
    hurried: Any, refused: Any
) -> None:
    agreement = hurried.agreement(template="n-times", parameters={"count": 1})
    again = ask(hurried, agreement, "the-one")
    with nothing_integrated(hurried):
        answer = again()
        refused(answer, 503, "unavailable")
        assert answer.headers["Retry-After"]
        assert "receipts" not in answer.json
        refused(again(), 503, "unavailable")
    done = again()
    assert done.status_code == 202
    assert done.json["receipts"]
    for receipt in done.json["receipts"]:
        checked = hurried.client().post("/api/v1/ledger/verification", json={"receipt": receipt["proof"]})
        assert checked.json["ok"]
    hurried.exchange.operations.services.jobs.sweep(at_start=True)
    transfer = hurried.transfer(done.json["transfer"])
    assert transfer.state == "STARTED"
    assert hurried.used(agreement) == 1
    items = hurried.client(hurried.consumer).get(f"/api/v1/agreements/{agreement}/transfers").json["items"]
    assert len(items) == 1


def test_no_byte_leaves_before_the_delivery_is_integrated(hurried: Any, refused: Any) -> None:
    agreement = hurried.agreement()
    client = hurried.client(hurried.consumer)
    with nothing_integrated(hurried):
        refused(ask(hurried, agreement, "unintegrated")(), 503)
        transfer = client.get(f"/api/v1/agreements/{agreement}/transfers").json["items"][0]["id"]
        # Its artefact lies ready, but the entry that names its digests is under no checkpoint yet.
        assert hurried.transfer(transfer).state == "STARTED"
        for path in ("artefact", "content"):
            answer = client.get(f"/api/v1/transfers/{transfer}/{path}")
            refused(answer, 503, "unavailable")
            assert answer.content_type == "application/problem+json"
    assert client.get(f"/api/v1/transfers/{transfer}/artefact").status_code == 200


def test_what_was_recorded_before_can_be_fetched_while_nothing_new_can_be_recorded(hurried: Any) -> None:
    transfer = hurried.started()
    client = hurried.client(hurried.consumer)
    with nothing_integrated(hurried):
        assert client.get(f"/api/v1/transfers/{transfer}/artefact").status_code == 200


def test_a_database_that_another_holds_is_answered_within_five_seconds_and_nothing_happens(
    trade: Any, refused: Any
) -> None:
    agreement = trade.agreement(template="n-times", parameters={"count": 1})
    again = ask(trade, agreement, "held")
    client = trade.client(trade.consumer)
    before = entries(trade)
    with locked_database(trade):
        began = time.monotonic()
        answer = again()
        assert time.monotonic() - began < PATIENCE
        refused(answer, 503, "unavailable")
    assert entries(trade) == before
    assert client.get(f"/api/v1/agreements/{agreement}/transfers").json["items"] == []
    assert again().status_code == 202
    assert trade.used(agreement) == 1


def test_a_job_that_cannot_record_its_delivery_waits_and_is_not_lost(
    hurried: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ledger.errors import LedgerUnavailableError

    agreement = hurried.agreement()
    log = hurried.exchange.operations.services.log
    append = log.storage.append

    def refuse_deliveries(connection: Any, admitted: Any) -> None:
        if b'"transfer.started"' in admitted.payload:
            raise LedgerUnavailableError("no space")
        append(connection, admitted)

    with monkeypatch.context() as broken:
        broken.setattr(log.storage, "append", refuse_deliveries)
        transfer = hurried.request(agreement)["transfer"]
        row = hurried.transfer(transfer)
        assert (row.state, row.artefact, hurried.used(agreement)) == ("REQUESTED", "", 0)
    hurried.exchange.operations.services.jobs.sweep(at_start=True)
    assert hurried.transfer(transfer).state == "STARTED"
    assert hurried.used(agreement) == 1
    with hurried.exchange.operations.database.reading() as session:
        assert jobs.get(session, row.job_id).state == "done"


def test_a_preparation_that_never_ends_is_given_up_with_a_reason_and_takes_no_use(
    hurried: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from exchange.errors import UnavailableError

    def never(*_: Any) -> dict[str, Any]:
        raise UnavailableError("The ledger cannot be written.")

    agreement = hurried.agreement()
    ports = hurried.exchange.operations.services.jobs
    with monkeypatch.context() as broken:
        broken.setitem(jobs._HANDLERS, "transfer.prepare", never)
        transfer = hurried.request(agreement)["transfer"]
        for _ in range(5):
            ports.sweep(at_start=True)
    row = hurried.transfer(transfer)
    assert row.state == "TERMINATED"
    assert row.reason
    assert hurried.used(agreement) == 0
    assert hurried.kinds(transfer)[-1] == "transfer.terminated"
    assert hurried.started(agreement)


def test_a_statement_that_the_log_refuses_is_no_outage(
    hurried: Any, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreement = hurried.agreement()

    def refuse(*_: Any) -> None:
        raise AdmissionError("this entry is too large")

    monkeypatch.setattr(hurried.exchange.operations.services.log.storage, "append", refuse)
    refused(ask(hurried, agreement, "too-large")(), 500, "internal")
