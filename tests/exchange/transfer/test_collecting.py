"""What a crash left in the object store is collected by a timer; what is in use, or about to be, never is."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from exchange.catalog import sealed
from exchange.catalog.models import PendingObject
from exchange.errors import UnavailableError
from exchange.jobs import Job
from exchange.transfer import work
from exchange.transfer.models import TransferProcess

DAY = timedelta(days=1, seconds=1)


class Killed(BaseException):
    """What kill -9 looks like from inside: nothing below the process gets a say."""


def stored(trade: Any) -> set[str]:
    return set(trade.exchange.operations.services.objects.digests())


def notes(trade: Any) -> dict[str, str]:
    with trade.exchange.operations.database.reading() as session:
        return {row.digest: row.subject for row in session.scalars(select(PendingObject))}


def collect(trade: Any) -> list[str]:
    return list(trade.exchange.operations.services.jobs.run_timer("catalog.collect_lost"))


def make_older(trade: Any) -> None:
    with trade.exchange.operations.database.writing() as session:
        session.execute(update(PendingObject).values(created_at=datetime.now(UTC) - DAY))


def killed_between_storing_and_starting(trade: Any, agreement: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Return (transfer, digest) of an artefact that was stored when its worker was killed."""
    operations = trade.exchange.operations
    original = operations.run

    def dies(actor: Any, name: str, /, **arguments: Any) -> Any:
        if name == "transfer.start":
            raise Killed
        return original(actor, name, **arguments)

    before = stored(trade)
    with monkeypatch.context() as patch:
        patch.setattr(operations, "run", dies)
        with pytest.raises(Killed):
            trade.request(agreement)
    (digest,) = stored(trade) - before
    with operations.database.reading() as session:
        newest = session.scalars(select(TransferProcess.id).where(TransferProcess.agreement_id == agreement)).all()
    return max(newest), digest


@pytest.fixture(autouse=True)
def nothing_of_other_tests(trade: Any) -> None:
    make_older(trade)
    collect(trade)


def test_an_artefact_without_a_transfer_is_collected_a_day_later_and_not_before(
    trade: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreement = trade.agreement(template="n-times", parameters={"count": 1})
    transfer, digest = killed_between_storing_and_starting(trade, agreement, monkeypatch)
    assert notes(trade)[digest] == transfer
    assert digest not in collect(trade)
    assert digest in stored(trade)
    make_older(trade)
    assert collect(trade) == [digest]
    assert digest not in stored(trade)
    assert notes(trade) == {}
    assert collect(trade) == []
    # The work itself is done by the next worker.
    with trade.exchange.operations.database.writing() as session:
        session.execute(update(Job).where(Job.subject == transfer).values(state="queued", worker=""))
    trade.exchange.operations.services.jobs.sweep(at_start=True)
    assert trade.transfer(transfer).state == "STARTED"
    assert trade.used(agreement) == 1


def test_nothing_that_a_row_names_is_collected_whatever_a_note_says(trade: Any) -> None:
    transfer = trade.started()
    collect(trade)
    with trade.exchange.operations.database.writing() as session:
        for digest in stored(trade):
            session.add(PendingObject(digest=digest, subject="wrong", created_at=datetime.now(UTC) - DAY))
    before = stored(trade)
    assert collect(trade) == []
    assert before == stored(trade)
    assert notes(trade) == {}
    assert trade.client(trade.consumer).get(f"/api/v1/transfers/{transfer}/content").status_code == 200


def test_an_artefact_that_was_given_up_before_it_was_started_is_made_again(
    trade: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The collector, or another worker, was faster than the one that had just stored it."""
    agreement = trade.agreement(template="n-times", parameters={"count": 1})
    store, given_up = sealed.store, []

    def store_late(operations: Any, subject: str, path: Path) -> str:
        digest = store(operations, subject, path)
        if not given_up:
            given_up.append(digest)
            make_older(trade)
            assert digest in collect(trade)
        return digest

    monkeypatch.setattr(sealed, "store", store_late)
    transfer = trade.request(agreement)["transfer"]
    assert trade.transfer(transfer).state == "REQUESTED"
    trade.exchange.operations.services.jobs.sweep(at_start=True)
    row = trade.transfer(transfer)
    assert row.state == "STARTED"
    assert row.artefact not in given_up
    assert row.artefact in stored(trade)
    assert trade.used(agreement) == 1


def test_two_workers_on_one_transfer_leave_one_artefact_that_is_there(trade: Any) -> None:
    operations = trade.exchange.operations
    agreement = trade.agreement(template="n-times", parameters={"count": 1})
    handed: list[str] = []
    jobs = operations.services.jobs
    jobs._hand_over, hand_over = handed.append, jobs._hand_over
    try:
        transfer = trade.request(agreement)["transfer"]
    finally:
        jobs._hand_over = hand_over
    before = stored(trade)
    together = threading.Barrier(3)

    def prepare(_: int) -> str:
        together.wait(timeout=20)
        try:
            return str(work.prepare(operations, {"transfer": transfer}, lambda *_: None)["state"])
        except Exception as error:
            return type(error).__name__

    with ThreadPoolExecutor(3) as pool:
        outcomes = list(pool.map(prepare, range(3), timeout=90))
    assert set(outcomes) <= {"STARTED", "UnavailableError"}, outcomes
    if "STARTED" not in outcomes:
        work.prepare(operations, {"transfer": transfer}, lambda *_: None)
    row = trade.transfer(transfer)
    assert (row.state, trade.used(agreement)) == ("STARTED", 1)
    assert row.artefact in stored(trade)
    make_older(trade)
    collect(trade)
    assert stored(trade) - before == {row.artefact}
    assert trade.client(trade.consumer).get(f"/api/v1/transfers/{transfer}/content").status_code == 200


def test_an_artefact_given_up_before_its_last_byte_is_not_left_behind(trade: Any, tmp_path: Path) -> None:
    operations = trade.exchange.operations
    before, put = stored(trade), operations.services.objects.put
    path = tmp_path / "artefact"
    path.write_bytes(b"sealed")

    def given_up_meanwhile(file: Path) -> str:
        sealed.discard(operations, "urn:uuid:somebody")
        return str(put(file))

    operations.services.objects.put = given_up_meanwhile
    try:
        with pytest.raises(UnavailableError):
            sealed.store(operations, "urn:uuid:somebody", path)
    finally:
        operations.services.objects.put = put
    assert stored(trade) == before
    assert notes(trade) == {}


def test_what_a_killed_put_left_half_written_is_removed_a_day_later(trade: Any) -> None:
    folder = Path(trade.exchange.settings.object_store) / "ab"
    folder.mkdir(exist_ok=True)
    old, young = folder / ".incoming-old", folder / ".incoming-young"
    import os

    for path in (old, young):
        path.write_bytes(b"half")
    long_ago = (datetime.now(UTC) - DAY).timestamp()
    os.utime(old, (long_ago, long_ago))
    collect(trade)
    assert (old.exists(), young.exists()) == (False, True)
    young.unlink()


def test_what_was_removed_from_its_rows_but_not_yet_from_the_store_goes_too(
    trade: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed right after the commit that ended an artefact."""
    transfer = trade.started()
    artefact = trade.transfer(transfer).artefact
    trade.run(trade.consumer, "transfer.terminate", transfer=transfer, reason="Not needed any more.")

    def dies(_digest: str) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(trade.exchange.operations.services.objects, "delete", dies)
        with pytest.raises(Killed):
            trade.exchange.operations.run_as_system("transfer.discard_due")
    assert artefact in stored(trade)
    assert artefact in collect(trade)
    assert artefact not in stored(trade)
