"""Receipts: every write gives one, anybody can verify it without an account, and no altered one holds."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from ledger import checkpoint
from ledger.receipt import parse_proof
from ledger.signatures import SigningKey


@pytest.fixture
def receipt(embedded: Any) -> dict[str, Any]:
    """The receipt of a real step, as the API gave it."""
    agreement = embedded.agreement()
    answer = embedded.client(embedded.consumer).post(f"/api/v1/agreements/{agreement}/transfers", json={})
    assert answer.status_code == 202
    # Later entries, so that the receipt's tree is not the newest one.
    embedded.exchange.firm("Later Works")
    return dict(answer.json["receipts"][-1])


def body_of(embedded: Any, receipt: dict[str, Any]) -> str:
    return str(embedded.exchange.operations.services.log.entry(int(receipt["index"])).body.decode())


def verify(embedded: Any, receipt: str, entry: str | None = None) -> Any:
    answer = embedded.client().post("/api/v1/ledger/verification", json={"receipt": receipt, "entry": entry})
    assert answer.status_code == 200, answer.text
    return answer.json


def failed(result: dict[str, Any]) -> list[str]:
    return [check["name"] for check in result["checks"] if not check["ok"]]


@pytest.mark.parametrize("form", ["json", "text", "text with the line ends of a browser"])
def test_anybody_verifies_a_receipt_in_every_form_it_has(embedded: Any, receipt: dict[str, Any], form: str) -> None:
    text = json.dumps(receipt) if form == "json" else receipt["proof"]
    if "browser" in form:
        text = text.replace("\n", "\r\n")
    for entry in (None, body_of(embedded, receipt)):
        result = verify(embedded, text, entry)
        assert result["ok"], failed(result)
        assert {"checkpoint", "inclusion", "consistency", "index"} <= {check["name"] for check in result["checks"]}


def test_the_page_verifies_a_receipt_without_an_account(embedded: Any, receipt: dict[str, Any]) -> None:
    client = embedded.exchange.app.test_client()
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get("/audit/verify").text)
    assert token
    good = client.post("/audit/verify", data={"receipt": receipt["proof"], "csrf_token": token[1]})
    assert "The receipt holds" in good.text
    altered = receipt["proof"].replace(f"index {receipt['index']}", f"index {int(receipt['index']) - 1}")
    bad = client.post("/audit/verify", data={"receipt": altered, "csrf_token": token[1]})
    assert "The receipt does not hold" in bad.text


def _of_another_entry(receipt: dict[str, Any]) -> str:
    return str(receipt["proof"]).replace(f"index {receipt['index']}", f"index {int(receipt['index']) - 1}")


def _with_another_hash(receipt: dict[str, Any]) -> str:
    lines = receipt["proof"].split("\n")
    raw = bytearray(base64.b64decode(lines[2]))
    raw[0] ^= 1
    lines[2] = base64.b64encode(raw).decode()
    return "\n".join(lines)


def _without_a_hash(receipt: dict[str, Any]) -> str:
    lines = receipt["proof"].split("\n")
    del lines[2]
    return "\n".join(lines)


def _with_another_root(receipt: dict[str, Any]) -> str:
    lines = receipt["proof"].split("\n")
    place = lines.index("") + 3
    lines[place] = base64.b64encode(bytes(32)).decode()
    return "\n".join(lines)


def _with_another_signature(receipt: dict[str, Any]) -> str:
    head, _, signature = receipt["proof"].rpartition(" ")
    raw = bytearray(base64.b64decode(signature.strip()))
    raw[-1] ^= 1
    return f"{head} {base64.b64encode(raw).decode()}\n"


def _signed_by_another_key(receipt: dict[str, Any]) -> str:
    parts = parse_proof(receipt["proof"])
    found = checkpoint.unsafe_parse(parts.checkpoint)
    forged = checkpoint.sign(found.origin, found.size, found.root, SigningKey.generate())
    return str(receipt["proof"]).replace(parts.checkpoint, forged)


@pytest.mark.parametrize(
    "alter",
    [
        _of_another_entry,
        _with_another_hash,
        _without_a_hash,
        _with_another_root,
        _with_another_signature,
        _signed_by_another_key,
    ],
    ids=lambda alter: alter.__name__.strip("_").replace("_", " "),
)
def test_an_altered_receipt_does_not_hold(
    embedded: Any, receipt: dict[str, Any], alter: Callable[[dict[str, Any]], str]
) -> None:
    altered = alter(receipt)
    assert altered != receipt["proof"]
    for text in (altered, json.dumps({**receipt, "proof": altered})):
        for entry in (None, body_of(embedded, receipt)):
            result = verify(embedded, text, entry)
            assert not result["ok"]
            assert failed(result)


def test_a_true_receipt_does_not_prove_another_entry(embedded: Any, receipt: dict[str, Any]) -> None:
    body = body_of(embedded, receipt)
    for other in (body.replace("transfer.", "transfer_"), body[:-1], "{}", "nonsense", "\u0000"):
        assert not verify(embedded, receipt["proof"], other)["ok"]


def test_a_receipt_for_a_place_that_no_log_has_does_not_hold(embedded: Any, receipt: dict[str, Any]) -> None:
    far = receipt["proof"].replace(f"index {receipt['index']}\n", "index 9223372036854775807\n")
    assert far != receipt["proof"]
    assert failed(verify(embedded, far)) == ["entry"]


def test_the_receipt_of_another_log_does_not_hold_here(open_exchange: Any, embedded: Any) -> None:
    elsewhere = open_exchange()
    firm = elsewhere.firm("Far Works")
    made = elsewhere.operations.run(
        firm, "catalog.create_dataset", title="Elsewhere", description="x", domain="production"
    )
    log = elsewhere.operations.services.log
    theirs = log.receipt(log.entry(log.size() - 1).statement_id)
    assert made.result
    result = verify(embedded, theirs.proof, log.entry(theirs.index).body.decode())
    assert not result["ok"]


@pytest.mark.parametrize(
    "text", ["", " ", "hello", "{}", "[]", '{"proof": 5}', "{" * 2000, "c2sp.org/tlog-proof@v1\nindex -1\n\nx"]
)
def test_what_is_no_receipt_is_refused_with_the_mend(embedded: Any, refused: Any, text: str) -> None:
    answer = embedded.client().post("/api/v1/ledger/verification", json={"receipt": text})
    refused(answer, 422, "invalid-input")


def test_every_write_answers_with_a_receipt_that_holds(embedded: Any) -> None:
    client = embedded.client(embedded.provider)
    made = client.post("/api/v1/datasets", json={"title": "New table", "domain": "production", "description": "d"}).json
    answer = client.put(
        f"/api/v1/datasets/{made['id']}/rights",
        json={
            "holding": True,
            "processing": True,
            "operating": True,
            "source": "own-production",
            "evidence": "Own line, register entry 42.",
        },
    )
    assert answer.status_code == 200
    for item in answer.json["receipts"]:
        assert verify(embedded, json.dumps(item))["ok"]
    assert answer.json["receipts"]


def test_the_head_of_the_log_is_public_and_each_head_extends_the_one_before(embedded: Any, refused: Any) -> None:
    client = embedded.client()
    old = client.get("/api/v1/ledger/checkpoint").json
    embedded.exchange.firm("Later Works")
    new = client.get("/api/v1/ledger/checkpoint").json
    assert int(new["size"]) > int(old["size"])
    proof = client.get(f"/api/v1/ledger/consistency?old={old['size']}&new={new['size']}").json["proof"]
    from ledger.verify import consistency

    roots = bytes.fromhex(old["root"]), bytes.fromhex(new["root"])
    consistency(int(old["size"]), int(new["size"]), [bytes.fromhex(item) for item in proof], *roots)
    refused(client.get(f"/api/v1/ledger/consistency?old={new['size']}&new={int(new['size']) + 5}"), 422)
    refused(client.get(f"/api/v1/ledger/consistency?old={new['size']}&new={old['size']}"), 422)
