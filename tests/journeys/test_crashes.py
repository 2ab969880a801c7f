"""Kill -9 in the middle of publish, approve and fetch: after a restart nothing acknowledged is lost and everything goes on."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import random
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from exchange.cli.publishing import publish
from exchange.client import ApiError, Client
from ledger.receipt import verify_proof

# Tests are no package, so the server's helper is taken from its file.
_SPEC = importlib.util.spec_from_file_location("journey_server", Path(__file__).with_name("server.py"))
_SERVER = importlib.util.module_from_spec(_SPEC)  # type: ignore[arg-type]
sys.modules["journey_server"] = _SERVER
_SPEC.loader.exec_module(_SERVER)  # type: ignore[union-attr]

SEED = 20_260_101
PURPOSE = "predictive-maintenance"
_GONE = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


@dataclass
class Market:
    """A server that is killed and started again, two firms, and every receipt that was ever given out."""

    server: Any
    provider: Any
    consumer: Any
    table: Path
    vkey: str
    receipts: list[dict[str, Any]]

    def keep(self, answer: dict[str, Any]) -> dict[str, Any]:
        self.receipts += answer.get("receipts", ())
        return answer

    def killed_during(self, work: Callable[[], Any], delay: float) -> Any:
        """Kill the server `delay` seconds into `work`, restart it, and return what the work said (None: no answer)."""
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(work)
            time.sleep(delay)
            self.crash()
            try:
                return running.result(timeout=90)
            except _GONE:
                return None

    def crash(self) -> None:
        """Kill the server and start it again; what its work left in the spool is gone then."""
        self.server.kill()
        spool = self.server.home / "spool"
        left = {path.name for path in spool.iterdir()}
        self.server.start()
        assert not left & {path.name for path in spool.iterdir()}

    def intact(self) -> None:
        """The whole log verifies, and so does every receipt that was given out before any crash."""
        assert "VERIFIED" in self.server.run("ledger", "fsck", self.server.database_url, "--key", self.vkey)
        entries = {}
        client, start = Client(self.server.url, ""), 0
        client._http.headers.pop("Authorization")
        while start is not None:
            page = client.get("/ledger/entries", start=start, limit=1000)
            entries |= {item["index"]: item["body"] for item in page["items"]}
            start = page["next"]
        assert self.receipts
        for receipt in self.receipts:
            verify_proof(receipt["proof"], entries[int(receipt["index"])].encode(), self.vkey)

    def size(self) -> int:
        """Return how many entries the log has."""
        return int(self.server.operator().checkpoint()["size"])

    def offer(self, path: Path, **more: Any) -> str:
        terms = {
            "title": None, "description": "One cell.", "domain": "production", "keywords": [], "coverage": "",
            "update_frequency": "", "types": [], "encoding": None, "delimiter": None, "source": "own-production",
            "evidence": "We measured it ourselves.", "declare_rights": True, "impact": (1, 1, 1), "impact_reason": "Every row is invented.", "template": "n-times", "parameters": ["count=50"],
            "public": True, **more,
        }  # fmt: skip
        return str(publish(self.provider.client, [path], report=lambda *_: None, price_fen=0, **terms)["offer"])

    def agreement(self, offer: str) -> str:
        asked = self.consumer.client.request(offer, PURPOSE, intended_use="Predict failures of our own spindles.")
        agreed = self.keep(self.provider.client.step(asked["negotiation"], "agreement"))
        self.keep(self.consumer.client.step(asked["negotiation"], "verification"))
        self.keep(self.consumer.client.fund(agreed["agreement"]))
        return str(agreed["agreement"])


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def market(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    settings = {}
    if request.param == "postgresql":
        postgresql, name = request.getfixturevalue("postgresql_server"), f"crashes_{secrets.token_hex(6)}"
        postgresql.psql(f"CREATE DATABASE {name};")
        settings = {"database_url": str(postgresql.get_uri(name)), "workers": "2"}
    table = tmp_path_factory.mktemp("data") / "spindle.csv"
    lines = ["time,machine,operator,phone,vibration"]
    lines += [
        f"2026-01-{number % 28 + 1:02d} {number % 24:02d}:00:00,M-{number % 7},张伟,138{number:08d},{secrets.randbelow(10**9)}"
        for number in range(60_000)
    ]
    table.write_text("\n".join(lines), encoding="utf-8")
    with _SERVER.serving(tmp_path_factory.mktemp("exchange"), **settings) as server:
        provider, consumer = server.join("Provider"), server.join("Consumer")
        vkey = server.operator().checkpoint()["vkey"]
        yield Market(server, provider, consumer, table, vkey, [])


@pytest.fixture(scope="module")
def chance() -> random.Random:
    """The delays of this module; the same ones in every run."""
    return random.Random(SEED)


@pytest.fixture(scope="module")
def agreement(market: Market) -> str:
    """An agreement in force for many uses, of the whole table."""
    return market.agreement(market.offer(market.table))


def test_a_kill_while_a_file_is_read_loses_neither_the_file_nor_the_job(market: Market, chance: random.Random) -> None:
    client = market.provider.client
    dataset = client.create_dataset(title="Killed while read", domain="production", description="d")["id"]
    uploaded = client.upload(dataset, [market.table])
    time.sleep(chance.uniform(0.05, 0.5))
    market.crash()
    version = client.wait_for_version(uploaded["version"])
    assert (version["state"], version["rows"]) == ("ready", 60_000)
    market.keep(
        client.declare_rights(
            dataset, "own-production", "We measured it ourselves.", ("holding", "processing", "operating")
        )
    )
    market.intact()


def test_a_kill_in_the_middle_of_an_upload_keeps_nothing_and_the_upload_can_be_sent_again(market: Market) -> None:
    client = market.provider.client
    dataset = client.create_dataset(title="Killed while sent", domain="production", description="d")["id"]

    def slowly() -> Iterator[bytes]:
        data = market.table.read_bytes()
        for start in range(0, len(data), 65_536):
            yield data[start : start + 65_536]
            time.sleep(0.05)

    def send() -> None:
        requests.put(
            f"{client.url}/api/v1/datasets/{dataset}/content?filename=spindle.csv", data=slowly(), timeout=60,
            headers={"Authorization": f"Bearer {client.token}", "Content-Type": "application/octet-stream"},
        )  # fmt: skip

    assert market.killed_during(send, 0.5) is None
    assert client.get(f"/datasets/{dataset}/versions")["items"] == []
    version = client.wait_for_version(client.upload(dataset, [market.table])["version"])
    assert (version["state"], version["number"]) == ("ready", 1)


def test_a_kill_while_an_agreement_is_approved_gives_one_agreement_or_none_and_the_same_key_ends_it(
    market: Market, chance: random.Random
) -> None:
    offer = market.offer(market.table)
    for _ in range(3):
        asked = market.consumer.client.request(offer, PURPOSE, intended_use="Predict failures of our own spindles.")
        negotiation, key = asked["negotiation"], secrets.token_hex(8)
        provider = Client(market.server.url, market.provider.client.token)

        def approve(negotiation: str = negotiation, key: str = key, client: Client = provider) -> dict[str, Any]:
            answer = client._http.post(
                f"{client.url}/api/v1/negotiations/{negotiation}/agreement",
                json={},
                headers={"Idempotency-Key": key},
                timeout=30,
            )
            answer.raise_for_status()
            return dict(answer.json())

        said = market.killed_during(approve, chance.uniform(0.0, 0.03))
        state = market.consumer.client.negotiation(negotiation)
        assert state["state"] in ({"AGREED"} if said else {"REQUESTED", "AGREED"})
        again = market.keep(approve())
        if said:
            assert (again["agreement"], again["digest"]) == (said["agreement"], said["digest"])
        assert market.consumer.client.negotiation(negotiation)["state"] == "AGREED"
        assert again["receipts"]
        market.keep(market.consumer.client.step(negotiation, "verification"))
    market.intact()


def test_a_kill_while_a_delivery_is_prepared_takes_the_work_up_again_and_one_use(
    market: Market, agreement: str, chance: random.Random
) -> None:
    made = market.keep(market.consumer.client.request_transfer(agreement))
    time.sleep(chance.uniform(0.02, 0.3))
    market.crash()
    facts = market.consumer.client.wait_for_transfer(made["transfer"])
    assert facts["state"] == "STARTED", facts["reason"]
    assert (facts["rows"], facts["use_number"]) == (60_000, 1)
    second = market.keep(market.consumer.client.request_transfer(agreement))
    assert market.consumer.client.wait_for_transfer(second["transfer"])["use_number"] == 2


def test_a_kill_while_bytes_are_fetched_is_resumed_where_it_stopped(
    market: Market, agreement: str, tmp_path: Path
) -> None:
    client = market.consumer.client
    transfer = market.keep(client.request_transfer(agreement))["transfer"]
    facts = client.wait_for_transfer(transfer)
    target = tmp_path / "delivery.sealed"
    token = client.post(f"/transfers/{transfer}/token")["access_token"]
    address = f"{client.url}/api/v1/transfers/{transfer}/artefact"
    partial = target.with_name(target.name + ".partial")
    with requests.get(address, headers={"Authorization": f"Bearer {token}"}, stream=True, timeout=30) as answer:
        arrived = answer.raw.read(facts["sealed_size"] // 3)
        market.crash()
        partial.write_bytes(arrived)
    assert client.fetch(transfer, target, opened=False) == facts["sealed_digest"]
    digest = client.fetch(transfer, tmp_path / "delivery.zip", opened=True)
    assert market.keep(client.acknowledge(transfer, digest))["state"] == "COMPLETED"
    assert market.keep(client.acknowledge(transfer, digest))["state"] == "COMPLETED"
    market.intact()


def test_kills_in_the_middle_of_many_writers_lose_nothing_that_was_acknowledged(
    market: Market, chance: random.Random
) -> None:
    """Four writers make datasets and declare rights while the server is killed twice; each answered step is there."""
    done: list[tuple[str, str]] = []
    rights = ("holding", "processing", "operating")
    ended = threading.Event()

    def write() -> None:
        client = Client(market.server.url, market.provider.client.token)
        for number in range(1000):
            if ended.is_set():
                return
            title = f"Written under fire {secrets.token_hex(4)} {number}"
            try:
                dataset = client.create_dataset(title=title, domain="production", description="d")["id"]
                declared = client.declare_rights(dataset, "own-production", "We measured it ourselves.", rights)
            except _GONE:
                time.sleep(0.05)
                continue
            except ApiError as error:
                if error.status != 503:
                    raise
                continue
            market.keep(declared)
            done.append((dataset, title))

    def until(more: int) -> None:
        wanted, deadline = len(done) + more, time.monotonic() + 30
        while len(done) < wanted and time.monotonic() < deadline and not any(writer.done() for writer in writers):
            time.sleep(0.01)

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write) for _ in range(4)]
        try:
            for _ in range(2):
                until(5)
                time.sleep(chance.uniform(0.0, 0.05))
                market.crash()
            until(5)
        finally:
            ended.set()
        for writer in writers:
            writer.result(timeout=60)
    assert len(done) >= 15
    for dataset, title in done:
        found = market.provider.client.dataset(dataset)
        assert (found["title"], found["rights"]["holding"]) == (title, True)
    market.intact()


def test_a_kill_before_any_write_of_a_step_and_the_same_key_returns_the_receipt(
    market: Market, faults: Any, whole: Callable[[Any, Any], Any], tmp_path: Path, record_property: Callable[..., None]
) -> None:
    """Workers are killed before the numbered write of a step, up to the answer's own; the step is recorded once, or not at all yet."""
    faults.require_strace()
    client, kills = market.provider.client, 0
    body = {
        "holding": True,
        "processing": True,
        "operating": True,
        "source": "own-production",
        "evidence": "We measured it.",
    }
    for call, number, hits in _spots(faults.WRITES, whole(False, True)):
        dataset = client.create_dataset(title=f"Killed at {call} {number}", domain="production", description="d")["id"]
        headers = {"Authorization": f"Bearer {client.token}", "Idempotency-Key": secrets.token_hex(8)}

        def declare(dataset: str = dataset, headers: dict[str, str] = headers) -> dict[str, Any]:
            answer = requests.put(
                f"{client.url}/api/v1/datasets/{dataset}/rights", json=body, headers=headers, timeout=90
            )
            answer.raise_for_status()
            return dict(answer.json())

        workers, size, said = market.server.workers, market.size(), None
        with (
            faults.injected(workers, call, "signal=KILL", str(number), tmp_path / "trace"),
            contextlib.suppress(*_GONE),
        ):
            said = declare()
        again = market.keep(declare())
        assert said in (None, again)
        assert [receipt["statement_id"] for receipt in declare()["receipts"]] == [
            receipt["statement_id"] for receipt in again["receipts"]
        ]
        assert market.size() == size + len(again["receipts"])
        if set(workers) != set(market.server.workers):
            hits.append(number)
            kills += 1
    assert kills >= 2
    record_property("kills", kills)
    market.intact()


def _spots(calls: Sequence[str], is_whole: bool) -> Iterator[tuple[str, int, list[int]]]:
    """Yield (call, number, hits): every one, until `hits` stays empty, or the write of the mark and the answer's."""
    for call in calls if is_whole else ("pwrite64", "sendto"):
        hits = [0]
        for number in range(1, 1000 if is_whole else 2):
            if not hits:
                break
            hits = []
            yield call, number, hits


def test_the_evidence_of_a_journey_with_crashes_verifies(market: Market, agreement: str, tmp_path: Path) -> None:
    bundle = market.consumer.client.bundle(agreement, tmp_path / "evidence.zip")
    report = json.loads(market.server.run("ledger", "verify", str(bundle), "--key", market.vkey, "--json"))
    assert report["ok"], report
    healthy = market.server.run("exchange.cli", "doctor")
    assert "FAIL" not in healthy
