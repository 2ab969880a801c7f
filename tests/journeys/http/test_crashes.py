"""kill -9 in the middle of publish, approve and fetch: after a restart nothing is lost and the ledger verifies."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from exchange.client import ApiError

pytestmark = pytest.mark.slow


def _kill_during(market: Any, act: Callable[[], Any], delay: float) -> Any:
    """Start `act`, kill the server `delay` seconds later, start it again; return what `act` gave, or its exception."""
    answer: list[Any] = []

    def take() -> None:
        try:
            answer.append(act())
        except (ApiError, requests.RequestException, OSError, TimeoutError) as error:
            answer.append(error)

    thread = threading.Thread(target=take)
    thread.start()
    time.sleep(delay)
    market.server.kill()
    market.server.start()
    thread.join(90)
    assert not thread.is_alive(), "the client never came back"
    return answer[0]


def _fsck(market: Any, run_tool: Any) -> None:
    checked = run_tool("ledger", "fsck", f"sqlite:///{market.server.home / 'exchange.db'}")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_publication_survives_kills_while_it_is_read(make_market: Any, run_tool: Any, tmp_path: Path) -> None:
    market = make_market()
    dice = random.Random(11)
    path = market.table(tmp_path, rows=40_000)
    for _ in range(3):
        dataset = market.provider.create_dataset(title="spindle vibration", domain="production")["id"]
        state = market.provider.upload(dataset, [path])
        time.sleep(dice.uniform(0.0, 0.4))
        market.server.kill()
        market.server.start()
        version = market.provider.wait_for_version(state["version"])
        assert version["state"] == "ready", version
        assert version["rows"] == 40_000
    # The appraisal of each version works in the spool too; when all are done, nothing half-done stays behind.
    spool, end = market.server.home / "spool", time.monotonic() + 60
    while list(spool.rglob("*.*")) and time.monotonic() < end:
        time.sleep(0.2)
    assert not list(spool.rglob("*.*"))
    _fsck(market, run_tool)


def test_an_approval_is_carried_out_once_whatever_the_moment_of_the_kill(
    make_market: Any, run_tool: Any, tmp_path: Path
) -> None:
    market = make_market()
    dice = random.Random(12)
    offer = market.offer(market.list(market.table(tmp_path)), price_fen=0)
    for round_ in range(4):
        asked = market.consumer.request(offer, "predictive-maintenance", intended_use="Our own spindles.")[
            "negotiation"
        ]
        key = f"approve-{round_}"
        path = f"/negotiations/{asked}/agreement"
        first = _kill_during(
            market, lambda path=path, key=key: market.provider.post(path, key=key), dice.uniform(0.0, 0.06)
        )
        # The same key again gives the one agreement there is, with its receipts.
        again = market.provider.post(path, key=key)
        assert again["state"] == "AGREED"
        assert again["receipts"]
        if isinstance(first, dict):
            assert first["agreement"] == again["agreement"]
        market.consumer.step(asked, "verification")
        market.consumer.fund(again["agreement"])
    assert len(market.consumer.get("/agreements")["items"]) == 4
    _fsck(market, run_tool)


def test_a_delivery_survives_kills_while_it_is_prepared_and_fetched(
    make_market: Any, run_tool: Any, tmp_path: Path
) -> None:
    market = make_market()
    dice = random.Random(13)
    offer = market.offer(market.list(market.table(tmp_path, rows=150_000)), count=2)
    agreement = market.agree(offer)
    for round_ in range(2):
        transfer = market.consumer.request_transfer(agreement)["transfer"]
        time.sleep(dice.uniform(0.0, 0.5))
        market.server.kill()
        market.server.start()
        facts = market.consumer.wait_for_transfer(transfer)
        assert facts["state"] == "STARTED", facts["reason"]
        assert facts["use_number"] == round_ + 1, "a use is taken once"
        target = tmp_path / f"delivery-{round_}.zip"
        fetched = _kill_during(
            market, lambda t=transfer, p=target: market.consumer.fetch(t, p, opened=True), dice.uniform(0.0, 0.03)
        )
        if not isinstance(fetched, str):
            fetched = market.consumer.fetch(transfer, target, opened=True)
        assert fetched == facts["plain_digest"]
        assert market.consumer.acknowledge(transfer, fetched)["state"] == "COMPLETED"
    with pytest.raises(ApiError) as refused:
        market.consumer.request_transfer(agreement)
    assert refused.value.code == "policy-denied"
    _fsck(market, run_tool)
