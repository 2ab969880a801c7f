"""Fixtures of the anchors' tests: a log that was anchored on a chain in this process."""

from __future__ import annotations

import runpy
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ledger.anchors.ethereum.account import Account
from ledger.anchors.ethereum.anchorer import Anchorer, Plan
from ledger.anchors.ethereum.deploy import deploy
from ledger.anchors.ethereum.node import Node
from ledger.anchors.ethereum.proof import AnchorProof
from ledger.anchors.ethereum.record import MemoryStore
from ledger.entry import Draft, sign
from ledger.log import Log
from ledger.signatures import SigningKey
from ledger.storage.memory import MemoryStorage

_CHAINS = Path(__file__).parents[2] / "chain" / "chains.py"


@pytest.fixture(scope="module")
def ethereum() -> Iterator[Any]:
    """A chain in this process."""
    made = runpy.run_path(str(_CHAINS))["TesterChain"]()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def anchored_log(
    anchor_log: Callable[[Log[Any]], AnchorProof], make_draft: Callable[..., Draft]
) -> tuple[Log[Any], AnchorProof]:
    """A log of its own with the proof of its second anchor; a test may let the log grow."""
    log = Log(MemoryStorage(), SigningKey.from_seed(b"L" * 32), "exchange.example/anchored")
    log.open(SigningKey.from_seed(b"S" * 32))
    for entries in (5, 4):
        for _ in range(entries):
            draft = make_draft()
            with log.storage.transaction() as connection:
                log.append(connection, draft, sign(draft, SigningKey.from_seed(b"P" * 32)))
        proof = anchor_log(log)
    return log, proof


@pytest.fixture(scope="module")
def anchor_log(ethereum: Any) -> Callable[[Log[Any]], AnchorProof]:
    """Return a function that anchors the newest checkpoint of a log and gives its proof; each log has an account of its own."""
    node, cap = Node.at(ethereum.url), 10**12
    anchorers: dict[Log[Any], Anchorer] = {}

    def make() -> Anchorer:
        account = Account(secrets.token_bytes(32))
        ethereum.fund(account.address, 10**18)
        contract = deploy(node, account, ethereum.chain_id, cap, lambda _: None)
        return Anchorer(node, account, MemoryStore(), Plan(ethereum.chain_id, contract, cap))

    def anchor(log: Log[Any]) -> AnchorProof:
        log.integrate()
        if log not in anchorers:
            anchorers[log] = make()
        made = anchorers[log].step(log.latest(), datetime.now(UTC), at_once=True)
        assert made is not None
        assert made.proof is not None
        return AnchorProof.from_bytes(made.proof)

    return anchor
