"""Chains to anchor on: eth-tester in this process for every run, a real node where one is named.

EXCHANGE_TEST_ANVIL names the binary of anvil, EXCHANGE_TEST_NODE the address of any node that runs already (with a funded
key in EXCHANGE_TEST_NODE_KEY, where it is no test node), and EXCHANGE_TEST_VYPER the compiler of the contract; `make
test-chain` sets them.
"""

from __future__ import annotations

import os
import runpy
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.anchors.ethereum.account import Account
from ledger.anchors.ethereum.anchorer import Anchorer, Plan
from ledger.anchors.ethereum.deploy import deploy
from ledger.anchors.ethereum.node import Node
from ledger.anchors.ethereum.record import MemoryStore
from ledger.storage import StoredCheckpoint

_CHAINS = runpy.run_path(str(Path(__file__).with_name("chains.py")))
GWEI = 10**9


@pytest.fixture(params=["eth-tester", "node"])
def chain(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A fresh chain whose blocks become safe after two more and final after four; first in this process, then real."""
    if request.param == "eth-tester":
        made = _CHAINS["TesterChain"]()
        made.finality(safe=2, final=4)
    elif binary := os.environ.get("EXCHANGE_TEST_ANVIL"):
        made = _CHAINS["AnvilChain"](binary, "--slots-in-an-epoch", "2")
    elif address := os.environ.get("EXCHANGE_TEST_NODE"):
        made = _CHAINS["RemoteChain"](address)
    else:
        pytest.skip("no real node: set EXCHANGE_TEST_ANVIL or EXCHANGE_TEST_NODE, or run `make test-chain`")
    yield made
    made.stop()


@dataclass
class Anchoring:
    """All that anchoring needs on one chain, with a clock that the test turns."""

    chain: Any
    node: Node
    account: Account
    contract: bytes
    store: MemoryStore = field(default_factory=MemoryStore)
    now: datetime = datetime(2026, 11, 20, 8, tzinfo=UTC)
    cap: int = 100 * GWEI
    options: dict[str, Any] = field(default_factory=dict)

    def plan(self, **changes: Any) -> Plan:
        values = {"chain_id": self.chain.chain_id, "contract": self.contract, "cap": self.cap}
        return Plan(**(values | self.options | changes))

    def anchorer(self, **changes: Any) -> Anchorer:
        """Return an anchorer as a process that has just started would make it: it knows the store and nothing else."""
        return Anchorer(Node.at(self.chain.url), self.account, self.store, self.plan(**changes))

    def step(self, size: int = 100, *, later: timedelta = timedelta(minutes=1), at_once: bool = False) -> Any:
        """Let some time pass and take one step with a checkpoint of that size."""
        self.now += later
        return self.anchorer().step(self.checkpoint(size), self.now, at_once=at_once)

    @staticmethod
    def checkpoint(size: int) -> StoredCheckpoint:
        """Return a checkpoint of a size; the chain looks at nothing but size and root."""
        return StoredCheckpoint(size, size.to_bytes(32, "big"), f"the signed note of size {size}")


@pytest.fixture
def tester_chain() -> Iterator[Any]:
    """A chain in this process, for what only a chain that obeys can show."""
    made = _CHAINS["TesterChain"]()
    yield made
    made.stop()


@pytest.fixture
def anchoring(chain: Any) -> Anchoring:
    """A funded account and the contract, deployed on the chain."""
    return _deployed(chain)


@pytest.fixture
def tester_anchoring(tester_chain: Any) -> Anchoring:
    """The same on the chain in this process alone."""
    return _deployed(tester_chain)


def _deployed(chain: Any) -> Anchoring:
    node, account = Node.at(chain.url), Account(secrets.token_bytes(32))
    chain.fund(account.address, 10**17)
    contract = deploy(node, account, chain.chain_id, 100 * GWEI, lambda _: chain.mine())
    return Anchoring(chain, node, account, contract)


@pytest.fixture
def compiler() -> str:
    """The Vyper compiler, which lives in an environment of its own."""
    binary = os.environ.get("EXCHANGE_TEST_VYPER")
    if not binary:
        pytest.skip("no compiler: set EXCHANGE_TEST_VYPER, or run `make test-chain`")
    return binary


@pytest.fixture
def recompile() -> dict[str, Callable[..., Any]]:
    """The functions that compile the contract anew."""
    return runpy.run_path(str(Path(__file__).with_name("recompile.py")))
