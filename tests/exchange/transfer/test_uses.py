"""An agreement for N uses gives N under any number of parallel requests; its parts and resumes count as none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from exchange.transfer import service

USES = 3
REQUESTS = 8

_ANOTHER_PROCESS = """
import json, os, sys
from exchange.application import make_operations
from exchange.config import load
from exchange.participants import tokens
operations = make_operations(load(jobs="immediate"))
with operations.database.reading() as session:
    actor = tokens.actor_of_user(session, sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[3])):
    operations.run(actor, "transfer.request", agreement=sys.argv[2])
operations.database.dispose()
"""


def states(trade: Any, agreement: str) -> list[str]:
    with trade.exchange.operations.database.reading() as session:
        return sorted(row.state for row in service.of_agreement(session, trade.consumer, agreement))


def uses(trade: Any, agreement: str) -> list[int]:
    with trade.exchange.operations.database.reading() as session:
        rows = service.of_agreement(session, trade.consumer, agreement)
        return sorted(row.use_number for row in rows if row.use_number is not None)


def entries(trade: Any, agreement: str, kind: str) -> int:
    return trade.kinds(trade.agreement_row(agreement).ledger_id).count(kind)


def test_parallel_requests_start_exactly_as_many_as_agreed(trade: Any) -> None:
    agreement = trade.agreement(template="n-times", parameters={"count": USES})
    together = threading.Barrier(REQUESTS)

    def ask(_: int) -> None:
        together.wait(timeout=20)
        trade.request(agreement)

    with ThreadPoolExecutor(REQUESTS) as pool:
        list(pool.map(ask, range(REQUESTS), timeout=60))
    assert states(trade, agreement) == ["STARTED"] * USES + ["TERMINATED"] * (REQUESTS - USES)
    assert uses(trade, agreement) == list(range(1, USES + 1))
    assert trade.used(agreement) == USES
    assert entries(trade, agreement, "transfer.started") == USES


def test_parallel_first_uses_of_one_agreement_give_one_use(trade: Any) -> None:
    agreement = trade.agreement(template="n-times", parameters={"count": 1})
    together = threading.Barrier(4)

    def ask(_: int) -> None:
        together.wait(timeout=20)
        trade.request(agreement)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, range(4), timeout=60))
    assert states(trade, agreement) == ["STARTED", "TERMINATED", "TERMINATED", "TERMINATED"]
    assert trade.used(agreement) == 1


def test_two_processes_share_one_counter(trade: Any) -> None:
    agreement = trade.agreement(template="n-times", parameters={"count": 2})
    settings = trade.exchange.settings
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EXCHANGE_")}
    environment |= {"EXCHANGE_HOME": str(settings.home), "EXCHANGE_DATABASE_URL": settings.database_url}
    command = [sys.executable, "-c", _ANOTHER_PROCESS, trade.consumer.user, agreement, "2"]
    processes = [
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in processes:
            process.communicate(timeout=60)
            assert process.returncode == 0
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert states(trade, agreement) == ["STARTED", "STARTED", "TERMINATED", "TERMINATED"]
    assert uses(trade, agreement) == [1, 2]


def test_parts_resumes_tokens_and_repeated_downloads_take_no_use(embedded: Any) -> None:
    agreement = embedded.agreement(template="n-times", parameters={"count": 1})
    transfer = embedded.started(agreement)
    client = embedded.client(embedded.consumer)
    address = f"/api/v1/transfers/{transfer}/artefact"
    whole = client.get(address).data
    assert client.get(address, headers={"Range": "bytes=100-"}).data == whole[100:]
    assert client.post(f"/api/v1/transfers/{transfer}/token").status_code == 200
    embedded.run(embedded.provider, "transfer.suspend", transfer=transfer, reason="Maintenance")
    embedded.run(embedded.provider, "transfer.resume", transfer=transfer)
    assert client.get(address).data == whole
    assert embedded.used(agreement) == 1


def test_a_repeated_request_with_one_key_is_one_transfer(embedded: Any) -> None:
    agreement = embedded.agreement(template="n-times", parameters={"count": 2})
    client = embedded.client(embedded.consumer)
    answers = [
        client.post(f"/api/v1/agreements/{agreement}/transfers", json={}, headers={"Idempotency-Key": "the-same"})
        for _ in range(3)
    ]
    assert {answer.status_code for answer in answers} == {202}
    assert len({json.dumps(answer.json, sort_keys=True) for answer in answers}) == 1
    assert states(embedded, agreement) == ["STARTED"]


def test_preparing_a_transfer_again_after_it_started_changes_nothing(embedded: Any) -> None:
    from exchange.transfer.work import prepare

    agreement = embedded.agreement(template="n-times", parameters={"count": 2})
    transfer = embedded.started(agreement)
    before = embedded.transfer(transfer)
    result = prepare(embedded.exchange.operations, {"transfer": transfer}, lambda *_: None)
    assert result["state"] == "STARTED"
    after = embedded.transfer(transfer)
    assert (after.artefact, after.started_statement) == (before.artefact, before.started_statement)
    assert embedded.used(agreement) == 1


@pytest.mark.parametrize("count", [1, 2])
def test_an_artefact_that_came_too_late_for_a_use_is_removed(embedded: Any, count: int) -> None:
    """Both requests were permitted; the second one to be ready finds the uses taken, and its bytes do not stay."""
    agreement = embedded.agreement(template="n-times", parameters={"count": count})
    for _ in range(count + 1):
        embedded.request(agreement)
    stored = set(embedded.exchange.operations.services.objects.digests())
    with embedded.exchange.operations.database.reading() as session:
        rows = service.of_agreement(session, embedded.consumer, agreement)
    assert {row.artefact for row in rows if row.state == "STARTED"} <= stored
    assert [row.artefact for row in rows if row.state == "TERMINATED"] == [""]
