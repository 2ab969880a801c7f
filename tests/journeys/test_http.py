"""The whole journey over HTTP alone, against a real server, on SQLite and on PostgreSQL with two workers."""

from __future__ import annotations

import base64
import importlib.util
import io
import json
import secrets
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from exchange.cli import main
from exchange.cli.publishing import publish
from exchange.client import ApiError, AwaitingSignature, Client
from ledger.signatures import SigningKey

# Tests are no package, so the server's helper is taken from its file.
_SPEC = importlib.util.spec_from_file_location("journey_server", Path(__file__).with_name("server.py"))
_SERVER = importlib.util.module_from_spec(_SPEC)  # type: ignore[arg-type]
sys.modules["journey_server"] = _SERVER
_SPEC.loader.exec_module(_SERVER)  # type: ignore[union-attr]

OPERATORS, SUPPLIER = ("张伟", "王芳", "李娜", "刘强"), "华东轴承有限公司"
ROWS = 20_000
PURPOSE = "predictive-maintenance"


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One server for the module: SQLite with one worker, then PostgreSQL with two."""
    settings = {}
    if request.param == "postgresql":
        postgresql, name = request.getfixturevalue("postgresql_server"), f"journey_{secrets.token_hex(6)}"
        postgresql.psql(f"CREATE DATABASE {name};")
        settings = {"database_url": str(postgresql.get_uri(name)), "workers": "2"}
    with _SERVER.serving(tmp_path_factory.mktemp("exchange"), **settings) as running:
        yield running
        # Whatever the journeys did, the whole log verifies from the database alone.
        vkey = running.operator().checkpoint()["vkey"]
        assert "VERIFIED" in running.run("ledger", "fsck", running.database_url, "--key", vkey)
        assert "unexpected error" not in running.log
        assert running.stop() == 0


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of a machining cell, invented: names, phones, suppliers, prices, telemetry."""
    lines = ["时间,设备编号,操作员姓名,联系电话,供应商,单价,振动"]
    for number in range(ROWS):
        lines.append(
            f"2026-01-{number % 28 + 1:02d} {number % 24:02d}:{number % 60:02d}:00,M-{number % 7:03d},{OPERATORS[number % 4]},"
            f"138{number:08d},{SUPPLIER},{10 + number % 400 * 0.25:.2f},{(number * 7919 % 100_003) / 100_003:.5f}"
        )
    path = tmp_path_factory.mktemp("data") / "machining-cell.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def offered(provider: Client, path: Path, *, price_fen: int = 12_300, **more: Any) -> dict[str, Any]:
    """Publish a file as its provider does on the command line: upload, declare, grade, offer."""
    given = {
        "title": None, "description": "One machining cell.", "domain": "production", "keywords": ["机床"], "coverage": "",
        "update_frequency": "", "types": [], "encoding": None, "delimiter": None, "source": "own-production",
        "evidence": "We measured it ourselves.", "declare_rights": True, "impact": (1, 1, 1), "impact_reason": "Every row is invented.", "template": "n-times", "parameters": ["count=2"],
        "public": True, **more,
    }  # fmt: skip
    return publish(provider, [path], report=lambda *_: None, price_fen=price_fen, **given)


def quality_of(client: Client, version: str) -> dict[str, Any]:
    def look() -> dict[str, Any]:
        try:
            return client.get(f"/versions/{version}/quality")
        except ApiError as error:
            if error.status != 404:
                raise
            return {}

    return client.wait(look, bool, limit=60)


def test_the_whole_journey(server: Any, table: Path, tmp_path: Path) -> None:
    # Join: two firms register, and an operator verifies them.
    provider, consumer = server.join("华东精密机床"), server.join("Delta Institute")
    assert provider.client.me()["status"] == "verified"

    # List: the file is read, its sensitive columns are found, and it is offered.
    listed = offered(provider.client, table)
    assert listed["rows"] == ROWS
    kinds = {finding["column"]: finding["kind"] for finding in listed["findings"]}
    assert kinds["联系电话"] == "mobile_phone"
    assert kinds["操作员姓名"] in {"operator_name", "person_name"}
    found = consumer.client.search("机床")["items"]
    assert listed["offer"] in {item["offer"] for item in found}

    # Value: quality with its counts, on the real file.
    (version,) = provider.client.get(f"/datasets/{listed['dataset']}/versions")["items"]
    report = quality_of(provider.client, version["id"])["report"]
    assert 0 < float(report["quality"]) <= 1
    assert all(item["denominator"] > 0 for item in report["measurements"] if item["assessed"])

    # Agree: request, approval with the provider's signature, the consumer's signature.
    asked = consumer.client.request(listed["offer"], PURPOSE, intended_use="Predict failures of our own spindles.")
    agreed = provider.client.step(asked["negotiation"], "agreement")
    agreement = agreed["agreement"]
    assert consumer.client.step(asked["negotiation"], "verification")["state"] == "VERIFIED"
    signed = tmp_path / "agreement.signed.json"
    signed.write_text(json.dumps(consumer.client.get(f"/agreements/{agreement}/document")), encoding="utf-8")
    assert agreement in server.run("contracts", "verify", str(signed))

    # Pay: nothing is held without the money, and the agreement is in force once it is.
    with pytest.raises(ApiError) as poor:
        consumer.client.fund(agreement)
    assert poor.value.status == 409
    server.operator().top_up(consumer.id, 20_000, f"BANK-{secrets.token_hex(4)}")
    assert consumer.client.fund(agreement)["state"] == "in_force"

    # Transfer: sealed in parts, cut in the middle, resumed; then opened; then acknowledged.
    transfer = consumer.client.request_transfer(agreement)["transfer"]
    facts = consumer.client.wait_for_transfer(transfer)
    assert (facts["state"], facts["rows"]) == ("STARTED", ROWS)
    sealed = tmp_path / "delivery.sealed"
    half = facts["sealed_size"] // 2
    assert _SERVER.cut_download(consumer.client, transfer, sealed, after=half) == half
    assert consumer.client.fetch(transfer, sealed, opened=False) == facts["sealed_digest"]
    package = tmp_path / "delivery.zip"
    digest = consumer.client.fetch(transfer, package, opened=True)
    assert digest == facts["plain_digest"]
    nothing_secret(package, sealed)
    assert consumer.client.acknowledge(transfer, digest)["state"] == "COMPLETED"
    escrow = consumer.client.get(f"/agreements/{agreement}/escrow")
    assert (escrow["state"], escrow["amount_fen"]) == ("released", 12_300)

    # Record: the evidence verifies in another process, with the log's key known beforehand.
    bundle = consumer.client.bundle(agreement, tmp_path / "evidence.zip")
    vkey = server.operator().checkpoint()["vkey"]
    assert "VERIFIED" in server.run("ledger", "verify", str(bundle), "--key", vkey)
    with zipfile.ZipFile(bundle) as evidence:
        (tmp_path / "inside.json").write_bytes(evidence.read("documents/agreement.signed.json"))
    assert agreement in server.run("contracts", "verify", str(tmp_path / "inside.json"))

    # The second use is the last one.
    second = consumer.client.request_transfer(agreement)["transfer"]
    assert consumer.client.wait_for_transfer(second)["state"] == "STARTED"
    with pytest.raises(ApiError) as used_up:
        consumer.client.request_transfer(agreement)
    assert used_up.value.code == "policy-denied"


def nothing_secret(package: Path, sealed: Path) -> None:
    """Neither in the sealed nor in the opened bytes, nor in any value of the table, is what was not agreed."""
    assert not [name for name in (*OPERATORS, SUPPLIER) if name.encode() in sealed.read_bytes()]
    with zipfile.ZipFile(package) as opened:
        parts = [opened.read(name) for name in opened.namelist() if name.startswith("data/")]
    rows = pa.concat_tables(pq.read_table(io.BytesIO(part)) for part in parts)
    assert rows.num_rows == ROWS
    values = {str(value) for column in rows.columns for value in column.unique().to_pylist()}
    raw = b"".join(parts)
    for secret in (*OPERATORS, SUPPLIER, *(f"138{number:08d}" for number in range(0, ROWS, 97)), "M-003"):
        assert secret not in values
        assert secret.encode() not in raw
    # The telemetry, which was agreed, is there: as many different values as before, for all practical purposes.
    assert rows["振动"].null_count == 0
    assert len(rows["振动"].unique()) > ROWS // 4


def test_parallel_buyers_over_all_workers_get_exactly_what_was_agreed(server: Any, table: Path) -> None:
    provider = server.join("Provider of many")
    small = table.with_name("small.csv")
    small.write_text("\n".join(table.read_text(encoding="utf-8").splitlines()[:200]), encoding="utf-8")
    offer = offered(provider.client, small, price_fen=0, parameters=["count=2"])["offer"]
    buyers = [server.join(f"Buyer {number}") for number in range(2)]
    agreements = []
    for buyer in buyers:
        asked = buyer.client.request(offer, PURPOSE, intended_use="Predict failures of our own spindles.")
        agreements.append(provider.client.step(asked["negotiation"], "agreement")["agreement"])
        buyer.client.step(asked["negotiation"], "verification")
        buyer.client.fund(agreements[-1])

    def ask(number: int) -> str:
        buyer, agreement = buyers[number % 2], agreements[number % 2]
        # A client of its own, as it is safe for one thread only.
        client = Client(server.url, buyer.client.token)
        try:
            transfer = client.request_transfer(agreement)["transfer"]
        except ApiError as error:
            return error.code
        return str(client.wait_for_transfer(transfer)["state"])

    with ThreadPoolExecutor(8) as pool:
        states = list(pool.map(ask, range(8), timeout=90))
    for side in range(2):
        assert states[side::2].count("STARTED") == 2, states
        # Whoever came too late was denied, at the request or when the uses were taken while it was prepared.
        assert set(states[side::2]) <= {"STARTED", "TERMINATED", "policy-denied"}


# -- keys that a firm holds itself -----------------------------------------------------------------------------------


def command(*arguments: str, code: int = 0) -> str:
    """Run the command line in this process and return what it printed."""
    result = CliRunner().invoke(main, list(arguments), prog_name="exchange")
    assert result.exit_code == code, f"{arguments}: {result.output}{result.exception}"
    return result.output


class SelfHeld:
    """A firm with its own keys: every step waits until the command line has signed it."""

    def __init__(self, server: Any, name: str, folder: Path) -> None:
        self.keyfile = folder / f"{name}.json"
        printed = command("keys", "new", "--keys", str(self.keyfile))
        document = json.loads(self.keyfile.read_text())
        assert document["signing"]["private"] not in printed
        self.key = SigningKey.from_seed(base64.b64decode(document["signing"]["private"]))
        self.member = server.join(
            name, custody="self-held", signing_public_key=document["signing"]["public"],
            encryption_public_key=document["encryption"]["public"],
        )  # fmt: skip
        self.client = self.member.client
        self.access = ("--url", server.url, "--token", self.client.token)

    def signing(self, step: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Take a step, see that it waits without effect, sign what it asks for, and return its result."""
        with pytest.raises(AwaitingSignature) as waiting:
            step()
        request = waiting.value.request
        (asked,) = [item for item in self.client.signature_requests() if item["id"] == request]
        signatures = {
            item["digest"]: self.key.sign(item["domain"], base64.b64decode(item["payload"]))
            for item in asked["payloads"]
        }
        return self.client.give_signatures(request, signatures)

    def sign_by_command(self, step: Callable[[], Any]) -> str:
        with pytest.raises(AwaitingSignature) as waiting:
            step()
        listed = command("sign", "--keys", str(self.keyfile), *self.access)
        assert waiting.value.request in listed
        return command("sign", waiting.value.request, "--keys", str(self.keyfile), *self.access)


def test_a_journey_between_firms_that_hold_their_own_keys(server: Any, table: Path, tmp_path: Path) -> None:
    provider, consumer = SelfHeld(server, "Own Keys Works", tmp_path), SelfHeld(server, "Own Keys Buyer", tmp_path)

    # Join: nobody can verify a firm before it has proven to hold its key.
    for firm in (provider, consumer):
        with pytest.raises(ApiError) as early:
            server.operator().verify_participant(firm.member.id)
        assert early.value.status == 409
        assert "recorded as entry" in firm.sign_by_command(lambda firm=firm: firm.client.post("/participants/me/join"))
        server.operator().verify_participant(firm.member.id)

    # List: version, rights, grade and offer are each the provider's own statement.
    dataset = provider.client.create_dataset(title="Spindles", domain="production", description="One cell.")["id"]
    small = tmp_path / "spindles.csv"
    small.write_text("\n".join(table.read_text(encoding="utf-8").splitlines()[:300]), encoding="utf-8")
    version = provider.client.wait_for_version(provider.client.upload(dataset, [small])["version"])
    assert version["state"] == "ready"
    published = provider.client.wait(
        lambda: {"waiting": provider.client.signature_requests()}, lambda found: bool(found["waiting"]), limit=30
    )
    command("sign", published["waiting"][0]["id"], "--keys", str(provider.keyfile), *provider.access)
    provider.signing(
        lambda: provider.client.declare_rights(
            dataset, "own-production", "We measured it ourselves.", ("holding", "processing", "operating")
        )
    )
    provider.signing(
        lambda: provider.client.grade(dataset, {"safety": 1, "loss": 1, "reach": 1}, reason="Every row is invented.")
    )
    drafted = provider.client.draft_offer(
        dataset, template="n-times", parameters={"count": 1}, price={"kind": "free"}, visibility="public"
    )
    provider.signing(lambda: provider.client.publish_offer(drafted["id"]))

    # Agree: both sign the agreement and their statements with keys that the exchange never saw.
    asked = consumer.signing(
        lambda: consumer.client.request(drafted["id"], PURPOSE, intended_use="Predict failures of our own spindles.")
    )
    agreed = provider.signing(lambda: provider.client.step(asked["negotiation"], "agreement"))
    consumer.signing(lambda: consumer.client.step(asked["negotiation"], "verification"))
    agreement = agreed["agreement"]
    signed = tmp_path / "agreement.signed.json"
    signed.write_text(json.dumps(consumer.client.get(f"/agreements/{agreement}/document")), encoding="utf-8")
    keys = [base64.b64encode(firm.key.public).decode() for firm in (provider, consumer)]
    server.run("contracts", "verify", str(signed), "--provider-key", keys[0], "--consumer-key", keys[1])
    server.run("contracts", "verify", str(signed), "--provider-key", keys[1], code=1)
    assert consumer.client.fund(agreement)["state"] == "in_force"

    # Transfer: the exchange cannot open the package; the buyer can, with the key at hand.
    told = command("fetch", agreement, "-o", str(tmp_path), *consumer.access, code=1)
    assert "exchange sign" in told
    request = consumer.client.signature_requests()[0]["id"]
    assert request in told
    signed_off = command("sign", request, "--keys", str(consumer.keyfile), *consumer.access)
    transfer = consumer.client.get(f"/agreements/{agreement}/transfers")["items"][0]["id"]
    assert transfer in signed_off
    facts = consumer.client.wait_for_transfer(transfer)
    assert facts["custody"] == "self-held"
    with pytest.raises(ApiError) as kept:
        consumer.client.fetch(transfer, tmp_path / "opened.zip", opened=True)
    assert kept.value.code == "self-held-key"
    told = command("fetch", transfer, "-o", str(tmp_path), "--no-acknowledge", *consumer.access)
    (package,) = tmp_path.glob("*.sealed")
    opened = tmp_path / "opened"
    subprocess.run(
        [sys.executable, "-m", "exchange.cli", "open", str(package), "--keys", str(consumer.keyfile), "-o", str(opened)],
        check=True, timeout=60, capture_output=True,
    )  # fmt: skip
    rows = pq.read_table(next((opened / "data").glob("*.parquet")))
    assert rows.num_rows == 299
    assert "exchange open" in told
    wrong = command("open", str(package), "--keys", str(provider.keyfile), "-o", str(tmp_path / "wrong"), code=1)
    assert "key" in wrong
    assert not (tmp_path / "wrong").exists()
    done = consumer.signing(lambda: consumer.client.acknowledge(transfer, facts["sealed_digest"]))
    assert done["state"] == "COMPLETED"

    # Record: the evidence verifies, and names who held which key.
    bundle = consumer.client.bundle(agreement, tmp_path / "evidence.zip")
    report = json.loads(
        server.run("ledger", "verify", str(bundle), "--key", server.operator().checkpoint()["vkey"], "--json")
    )
    assert report["ok"]
    assert "self-held" in json.dumps(report["checks"])


def test_a_server_asked_to_stop_ends_with_its_work_done_and_starts_again(server: Any, table: Path) -> None:
    provider = server.join("Steady Works")
    dataset = provider.client.create_dataset(title="Steady", domain="production", description="d")["id"]
    version = provider.client.upload(dataset, [table])["version"]
    assert server.stop() == 0
    server.start()
    assert provider.client.wait_for_version(version)["state"] == "ready"
