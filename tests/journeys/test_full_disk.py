"""A full disk under a running exchange: 503 with words, nothing lost, and the same key later returns the receipt, without a restart."""

from __future__ import annotations

import importlib.util
import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from ledger.receipt import verify_proof

# Tests are no package, so the server's helper is taken from its file.
_SPEC = importlib.util.spec_from_file_location("journey_server", Path(__file__).with_name("server.py"))
_SERVER = importlib.util.module_from_spec(_SPEC)  # type: ignore[arg-type]
sys.modules["journey_server"] = _SERVER
_SPEC.loader.exec_module(_SERVER)  # type: ignore[union-attr]


def test_a_full_disk_is_a_503_with_words_and_the_same_key_returns_the_receipt_once_there_is_space(
    tmp_path: Path, small_disk: Any, whole: Callable[[Any, Any], Any], record_property: Callable[..., None]
) -> None:
    server = _SERVER.prepare(tmp_path)
    before = small_disk.words(server.home, "32m")
    refused, recorded = 0, []
    try:
        server.start(*before)
        disk = small_disk.SmallDisk(server.process.pid, server.home)
        client, workers = server.join("Provider").client, server.workers
        vkey = server.operator().checkpoint()["vkey"]
        for number in range(whole(2, 10)):
            dataset = client.create_dataset(title=f"Round {number}", domain="production", description="d")["id"]
            disk.fill()
            key, answer = _refused(client, dataset)
            refused += 1
            problem = answer.json()
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert (answer.status_code, problem["code"], answer.headers["Retry-After"]) == (503, "unavailable", "5")
            assert "cannot be written" in problem["detail"]
            assert problem["mend"]
            assert requests.get(f"{server.url}/healthz", timeout=30).status_code == 200
            disk.free()
            done = _declare(client, dataset, key)
            assert done.status_code == 200, done.text
            recorded += done.json()["receipts"]
        assert server.workers == workers
        bodies = {item["index"]: item["body"] for item in client.get("/ledger/entries", start=0, limit=1000)["items"]}
        for receipt in recorded:
            verify_proof(receipt["proof"], bodies[int(receipt["index"])].encode(), vkey)
        disk.bring_back()
    finally:
        if server.process is not None:
            server.kill()
    assert len(recorded) == refused
    assert "VERIFIED" in server.run("ledger", "fsck", server.database_url, "--key", vkey)
    record_property("steps refused with 503, each recorded later under its key", refused)


def _refused(client: Any, dataset: str) -> tuple[str, requests.Response]:
    """Declare rights again and again until the disk has no more room; return that step's key and answer."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        key, began = secrets.token_hex(8), time.monotonic()
        answer = _declare(client, dataset, key)
        if answer.status_code != 200:
            assert time.monotonic() - began < 10
            return key, answer
    raise AssertionError("The disk is full, and every step was recorded all the same.")


def _declare(client: Any, dataset: str, key: str) -> requests.Response:
    return requests.put(
        f"{client.url}/api/v1/datasets/{dataset}/rights", timeout=30,
        json={"holding": True, "processing": True, "operating": True, "source": "own-production", "evidence": "We measured it."},
        headers={"Authorization": f"Bearer {client.token}", "Idempotency-Key": key},
    )  # fmt: skip
