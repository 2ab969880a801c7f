"""Anchoring within the exchange: who looks at the chain and when, and what is known of it.

A timer asks every minute whether there is something to do and leaves it to a job, which talks to the node without
holding a transaction. Whatever the chain does, no step of the exchange waits for it.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from exchange import jobs
from exchange.audit.anchoring import store
from exchange.audit.anchoring.models import EthereumLook
from exchange.audit.anchoring.store import SqlStore
from exchange.audit.anchoring.words import explain
from exchange.config import Settings
from exchange.egress import Egress
from exchange.errors import EgressError, ExchangeError, UnreachableError
from exchange.jobs import Job, Progress
from exchange.operations import Operations
from exchange.steps import Services, Step, operation
from ledger.anchors.ethereum.account import Account, create_keystore, keystore_address, read_password
from ledger.anchors.ethereum.anchorer import Anchorer, Plan, is_due
from ledger.anchors.ethereum.chain import checksum_address, parse_address
from ledger.anchors.ethereum.deploy import deploy as deploy_contract
from ledger.anchors.ethereum.fees import GWEI
from ledger.anchors.ethereum.node import TIMEOUT_SECONDS, Node, Post, ether, require_chain, require_contract
from ledger.anchors.ethereum.record import Anchor
from ledger.errors import AnchorError

TIMER = "audit.anchor_due"
_JOB = "audit.anchor"
_ONLY = 1
_MOST_BYTES = 8 << 20


@dataclass(frozen=True)
class Anchoring:
    """What is known of the log's anchors. `problem` is why the last look could not go on; `covered` counts final entries."""

    is_on: bool
    chain_id: int
    contract: str
    account: str | None
    newest: Anchor | None
    final: Anchor | None
    looked_at: datetime | None
    problem: ExchangeError | None

    @property
    def covered(self) -> int:
        """Return how many of the log's entries an anchor has fixed for good."""
        return 0 if self.final is None else self.final.link.size


def status(session: Session, settings: Settings) -> Anchoring:
    """Return what the database knows of the log's anchors; no node is asked."""
    look = session.get(EthereumLook, _ONLY)
    final = store.finalized(session, 1)
    address = keystore_address(settings.ethereum_keystore) if settings.ethereum_rpc else None
    problem = explain(look.code, look.facts, look.sentence) if look and look.code else None
    return Anchoring(
        is_on=bool(settings.ethereum_rpc),
        chain_id=settings.ethereum_chain_id,
        contract=settings.ethereum_contract,
        account=None if address is None else checksum_address(address),
        newest=store.newest(session),
        final=final[0] if final else None,
        looked_at=None if look is None else look.at,
        problem=problem,
    )


@operation(TIMER, None)
def anchor_due(step: Step) -> dict[str, Any]:
    """Hand the next look at the chain to a job, where one is due and none waits; a timer calls this."""
    settings = step.services.settings
    if not settings.ethereum_rpc or not settings.ethereum_contract:
        return {"queued": None}
    interval = timedelta(minutes=settings.ethereum_interval_minutes)
    if not is_due(store.newest(step.session), step.services.log.latest(), step.now, interval):
        return {"queued": None}
    waiting = step.session.scalar(select(Job.id).where(Job.kind == _JOB, Job.state.in_(("queued", "running"))))
    if waiting is not None:
        return {"queued": None}
    # A look is every minute while an anchor is under way; what came of the last one stands in its own row.
    step.session.execute(delete(Job).where(Job.kind == _JOB))
    return {"queued": step.services.jobs.enqueue(step, _JOB)}


@jobs.handler(_JOB)
def _look(operations: Operations, _arguments: dict[str, Any], _progress: Progress) -> dict[str, Any]:
    try:
        anchor = look(operations)
    except ExchangeError as error:
        return {"problem": error.code}
    return {"state": None if anchor is None else str(anchor.state)}


def look(operations: Operations, *, at_once: bool = False) -> Anchor | None:
    """Take the newest anchor as far as it goes now, or make one, and return it. `at_once` does not wait for the interval.

    Raises ExchangeError with the reason when it cannot go on; either way the database remembers what was found.
    """
    services, now = operations.services, datetime.now(UTC)
    problem: AnchorError | None = None
    anchor = None
    try:
        anchorer = make_anchorer(operations)
        anchor = anchorer.step(services.log.latest(), now, at_once=at_once)
    except AnchorError as error:
        problem = error
    with operations.database.writing() as session:
        found = EthereumLook(id=_ONLY, at=now, code=None, facts={}, sentence="")
        if problem is not None:
            found.code, found.facts, found.sentence = problem.code, problem.facts, str(problem)[:500]
        session.merge(found)
    if problem is not None:
        raise explain(problem.code, problem.facts, str(problem)) from problem
    return anchor


def make_anchorer(operations: Operations) -> Anchorer:
    """Return what anchors by the settings. Raises AnchorError where they do not suffice."""
    settings = operations.services.settings
    node = _node(settings)
    if not settings.ethereum_contract:
        raise AnchorError("no-contract", "no contract is named")
    plan = Plan(
        chain_id=settings.ethereum_chain_id,
        contract=parse_address(settings.ethereum_contract),
        cap=_cap(settings),
        interval=timedelta(minutes=settings.ethereum_interval_minutes),
        confirmations=settings.ethereum_confirmations,
    )
    return Anchorer(node, _account(settings), SqlStore(operations.database), plan)


def deploy(services: Services) -> str:
    """Deploy the contract by the settings and return its address. Raises ExchangeError."""
    settings = services.settings
    try:
        address = deploy_contract(
            _node(settings), _account(settings), settings.ethereum_chain_id, _cap(settings), time.sleep
        )
    except AnchorError as error:
        raise explain(error.code, error.facts, str(error)) from error
    return checksum_address(address)


def make_account(settings: Settings) -> str:
    """Make the anchoring account's keystore file and return its address. Raises ExchangeError."""
    try:
        return checksum_address(create_keystore(settings.ethereum_keystore, _password(settings)))
    except AnchorError as error:
        raise explain(error.code, error.facts, str(error)) from error


def examine(settings: Settings) -> str:
    """Return in a few words what node, contract and account are, asked now. Raises ExchangeError."""
    try:
        node, account = _node(settings), _account(settings)
        require_chain(node, settings.ethereum_chain_id)
        if not settings.ethereum_contract:
            raise AnchorError("no-contract", "no contract is named")
        require_contract(node, parse_address(settings.ethereum_contract))
        balance = node.balance(account.address)
    except AnchorError as error:
        raise explain(error.code, error.facts, str(error)) from error
    return (
        f"chain {settings.ethereum_chain_id}, account {checksum_address(account.address)} with {ether(balance)} ether"
    )


def _node(settings: Settings) -> Node:
    if not settings.ethereum_rpc:
        raise AnchorError("not-configured", "no node is named")
    return Node.at(settings.ethereum_rpc, _post(settings))


def _post(settings: Settings) -> Post:
    """Return what carries calls to the node: the operator's egress policy decides about its address as about any other."""
    egress = Egress.from_settings(settings)

    def post(address: str, body: bytes) -> bytes:
        try:
            reply = egress.request(
                "POST", address, body=body, headers={"Content-Type": "application/json"}, timeout=TIMEOUT_SECONDS,
                limit=_MOST_BYTES, redirects=0,
            )  # fmt: skip
        except UnreachableError as error:
            raise AnchorError("node-unreachable", "the node does not answer") from error
        except EgressError as error:
            (reason, reason_zh), (mend, mend_zh) = error.reason, error.mend
            facts = {"reason": reason, "reason_zh": reason_zh, "mend": mend, "mend_zh": mend_zh}
            raise AnchorError("egress", reason.rstrip("."), **facts) from error
        if reply.status != 200:
            raise AnchorError("node-refused", f"the node answers HTTP {reply.status}", status=reply.status)
        return reply.body

    return post


def _cap(settings: Settings) -> int:
    return round(settings.ethereum_max_fee_gwei * GWEI)


def _account(settings: Settings) -> Account:
    path = settings.ethereum_keystore
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise AnchorError("keystore", f"the keystore {path} cannot be read: {error.strerror}") from error
    return _opened(path, changed, _password(settings))


@lru_cache(maxsize=1)
def _opened(path: Path, _changed: int, password: str) -> Account:
    """Return the account in a keystore; opening one takes a second of hashing by design, so a process does it once."""
    return Account.open(path, password)


def _password(settings: Settings) -> str:
    if settings.ethereum_password_file != Path():
        return read_password(settings.ethereum_password_file)
    given = os.environ.get("EXCHANGE_ANCHOR_PASSWORD")
    if not given:
        raise AnchorError("password", "no password is given")
    return given
