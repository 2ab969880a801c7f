"""The whole journey over HTTP only: against a real server on SQLite, and on PostgreSQL with two workers."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import requests

from exchange.client import ApiError


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def test_a_dataset_is_listed_valued_agreed_delivered_and_proven(
    make_market: Any, run_tool: Any, tmp_path: Path, request: pytest.FixtureRequest, setting: str
) -> None:
    if setting == "postgresql":
        market = make_market(request.getfixturevalue("postgresql_url"), workers=2)
    else:
        market = make_market()
    provider, consumer = market.provider, market.consumer
    source = market.table(tmp_path)
    dataset = market.list(source)
    version = provider.dataset(dataset)["version"]
    direct = {finding["column"] for finding in version["findings"] if finding["category"] == "direct"}
    assert direct >= {"操作员姓名", "联系电话"}, version["findings"]
    quality = provider.wait(lambda: _quality(provider, version["id"]), bool, limit=60)
    assert quality["report"]["rows"] == 400
    estimate = provider.post(
        f"/datasets/{dataset}/valuations",
        {
            "items": {provider.get("/appraisal/accounts")["items"][0]["id"]: 5_000_000},
            "margin": "0.08",
            "age_years": "1",
            "life_years": "5",
        },
    )
    assert estimate["low_fen"] <= estimate["value_fen"] <= estimate["high_fen"]
    offer = market.offer(dataset, count=1)
    assert [item["offer"] for item in consumer.search("轴承")["items"]] == [offer]
    agreement = market.agree(offer)

    asked = consumer.request_transfer(agreement)
    facts = consumer.wait_for_transfer(asked["transfer"])
    assert facts["state"] == "STARTED"
    package = tmp_path / "delivery.zip"
    digest = _fetch_with_a_cut(consumer, facts, package)
    with zipfile.ZipFile(package) as opened:
        names = opened.namelist()
        raw = b"".join(opened.read(name) for name in names)
        opened.extractall(tmp_path / "opened")
    assert "欧阳建国".encode() not in raw
    assert b"13800130042" not in raw
    delivered = pq.read_table(tmp_path / "opened" / "data")
    assert delivered.num_rows == 400
    assert set(delivered.column("联系电话").to_pylist()).isdisjoint({"13800130042"})

    assert consumer.acknowledge(asked["transfer"], digest)["state"] == "COMPLETED"
    assert consumer.get(f"/agreements/{agreement}/escrow")["state"] == "released"
    with pytest.raises(ApiError) as refused:
        consumer.request_transfer(agreement)
    assert refused.value.code == "policy-denied"
    assert refused.value.problem["reasons"][0]["actual"] is not None

    bundle = consumer.bundle(agreement, tmp_path / "evidence.zip")
    vkey = consumer.checkpoint()["vkey"]
    verified = run_tool("ledger", "verify", str(bundle), "--key", vkey, "--json")
    assert verified.returncode == 0, verified.stdout
    assert all(check["ok"] for check in json.loads(verified.stdout)["checks"])
    document = tmp_path / "agreement.json"
    document.write_bytes(_bytes(consumer, f"/agreements/{agreement}/document"))
    assert run_tool("contracts", "verify", str(document)).returncode == 0
    document.write_bytes(document.read_bytes().replace(b"predictive", b"prodictive"))
    assert run_tool("contracts", "verify", str(document)).returncode == 1


def _quality(provider: Any, version: str) -> dict[str, Any]:
    try:
        return dict(provider.get(f"/versions/{version}/quality"))
    except ApiError as error:
        assert error.status == 404
        return {}


def _fetch_with_a_cut(consumer: Any, facts: dict[str, Any], target: Path) -> str:
    """Take the first part, lose the connection, and let the client go on where it stopped."""
    half = facts["plain_size"] // 2
    answer = requests.get(
        f"{consumer.url}/api/v1/transfers/{facts['id']}/content",
        headers={"Authorization": f"Bearer {consumer.token}", "Range": f"bytes=0-{half - 1}"}, timeout=30,
    )  # fmt: skip
    assert answer.status_code == 206
    target.with_name(target.name + ".partial").write_bytes(answer.content)
    return str(consumer.fetch(facts["id"], target, opened=True))


def _bytes(client: Any, path: str) -> bytes:
    answer = requests.get(f"{client.url}/api/v1{path}", headers={"Authorization": f"Bearer {client.token}"}, timeout=30)
    assert answer.status_code == 200
    return answer.content


@pytest.mark.slow
def test_a_buyer_with_keys_of_its_own_signs_and_opens_on_its_own_machine(make_market: Any, tmp_path: Path) -> None:
    market = make_market()
    offer = market.offer(market.list(market.table(tmp_path)), price_fen=0)
    server, keys = market.server, tmp_path / "keys.json"
    printed = server.command("keys", "new", "--keys", str(keys))
    public = [line.rsplit(" ", 1)[1] for line in printed.splitlines() if line.startswith("Public")]
    from exchange.client import AwaitingSignature, Client

    made = Client.register(
        server.url, name="自持密钥", credit_code="91350100M000100Y43", evidence="Extract of the public register 123.",
        owner_name="Own", email="own@firm.example", password="correct horse battery staple", custody="self-held",
        signing_public_key=public[0], encryption_public_key=public[1],
    )  # fmt: skip
    buyer = Client.login(server.url, "own@firm.example", "correct horse battery staple")

    def sign() -> None:
        (waiting,) = buyer.signature_requests()
        server.command("sign", waiting["id"], "--keys", str(keys), "--url", server.url, "--token", buyer.token)

    with pytest.raises(AwaitingSignature):
        buyer.post("/participants/me/join")
    sign()
    market.operator.verify_participant(made["participant"])
    with pytest.raises(AwaitingSignature):
        buyer.request(offer, "predictive-maintenance", intended_use="Our own spindles.")
    assert buyer.negotiations() == [], "a waiting step has no effect"
    sign()
    (negotiation,) = buyer.negotiations()
    agreement = market.provider.step(negotiation["id"], "agreement")["agreement"]
    with pytest.raises(AwaitingSignature):
        buyer.step(negotiation["id"], "verification")
    sign()
    assert buyer.fund(agreement)["state"] == "in_force"
    with pytest.raises(AwaitingSignature):
        buyer.request_transfer(agreement)
    sign()
    transfer = buyer.get(f"/agreements/{agreement}/transfers")["items"][0]["id"]
    assert buyer.wait_for_transfer(transfer)["state"] == "STARTED"
    with pytest.raises(ApiError) as refused:
        buyer.fetch(transfer, tmp_path / "opened-by-the-exchange.zip", opened=True)
    assert refused.value.code == "self-held-key"
    out = tmp_path / "out"
    server.command("fetch", transfer, "-o", str(out), "--no-acknowledge", "--url", server.url, "--token", buyer.token)
    (package,) = out.glob("*.sealed")
    server.command("open", str(package), "-o", str(tmp_path / "data"), "--keys", str(keys))
    assert pq.read_table(tmp_path / "data" / "data").num_rows == 400
