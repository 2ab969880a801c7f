"""Anchoring within the exchange: off unless asked for, never in the way, safe against death, and shown as it is."""

from __future__ import annotations

import json
import re
import runpy
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import func, select, update

from exchange.audit.anchoring import service, store
from exchange.audit.anchoring.models import EthereumAnchor
from exchange.audit.anchoring.store import SqlStore
from exchange.audit.anchoring.words import explain
from exchange.cli import main
from exchange.doctor import examine
from exchange.errors import ExchangeError
from exchange.jobs import Job
from ledger.anchors.ethereum.account import Account, create_keystore
from ledger.anchors.ethereum.chain import checksum_address
from ledger.anchors.ethereum.deploy import deploy
from ledger.anchors.ethereum.node import Node
from ledger.anchors.ethereum.proof import AnchorProof, verify_anchor
from ledger.anchors.ethereum.record import Fees, Link, StaleError, State
from ledger.bundle import Trust, verify_bundle
from ledger.policy import Policy

_CHAINS = Path(__file__).parents[2] / "chain" / "chains.py"
_WORKER = Path(__file__).with_name("anchor_worker.py")
PASSWORD = "correct horse"


@pytest.fixture
def chain() -> Iterator[Any]:
    made = runpy.run_path(str(_CHAINS))["TesterChain"]()
    yield made
    made.stop()


@dataclass
class Anchored:
    """An exchange with all that anchoring needs, on a chain in this process."""

    exchange: Any
    chain: Any
    account: Account
    settings: dict[str, Any]

    @property
    def operations(self) -> Any:
        return self.exchange.operations

    def tick(self) -> Any:
        """Do what the timer does every minute; jobs run at once."""
        return self.operations.run_as_system(service.TIMER).result["queued"]

    def newest(self) -> Any:
        with self.operations.database.reading() as session:
            return store.newest(session)

    def status(self) -> Any:
        with self.operations.database.reading() as session:
            return service.status(session, self.operations.services.settings)

    def pass_hour(self) -> None:
        """Let the interval pass, by moving the last anchor back."""
        with self.operations.database.writing() as session:
            session.execute(update(EthereumAnchor).values(prepared_at=datetime.now(UTC) - timedelta(hours=2)))


@pytest.fixture
def settings(chain: Any, tmp_path: Path) -> dict[str, Any]:
    """The settings of anchoring on the chain, with a funded account and the contract."""
    keystore, password = tmp_path / "anchor.json", tmp_path / "password"
    create_keystore(keystore, PASSWORD, iterations=4096)
    password.touch(0o600)
    password.write_text(PASSWORD + "\n")
    account = Account.open(keystore, PASSWORD)
    chain.fund(account.address, 10**18)
    contract = deploy(Node.at(chain.url), account, chain.chain_id, 10**12, lambda _: None)
    return {
        "egress_schemes": "https http", "egress_internal": f"127.0.0.1:{chain.port}",
        "ethereum_rpc": chain.url, "ethereum_chain_id": chain.chain_id,
        "ethereum_contract": checksum_address(contract), "ethereum_keystore": str(keystore),
        "ethereum_password_file": str(password),
    }  # fmt: skip


@pytest.fixture
def anchored(make_exchange: Callable[..., Any], settings: dict[str, Any], chain: Any) -> Anchored:
    account = Account.open(Path(settings["ethereum_keystore"]), PASSWORD)
    return Anchored(make_exchange(**settings), chain, account, settings)


@pytest.fixture
def anchored_anywhere(
    make_exchange: Callable[..., Any], settings: dict[str, Any], chain: Any, database_url: str
) -> Anchored:
    """The same on SQLite, then on PostgreSQL."""
    account = Account.open(Path(settings["ethereum_keystore"]), PASSWORD)
    settings["database_url"] = database_url
    return Anchored(make_exchange(**settings), chain, account, settings)


def test_without_its_setting_nothing_is_anchored_or_asked(sqlite_exchange: Any) -> None:
    exchange = sqlite_exchange
    assert exchange.operations.run_as_system(service.TIMER).result == {"queued": None}
    with exchange.operations.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Job)) == 0
        known = service.status(session, exchange.settings)
    assert (known.is_on, known.newest, known.covered) == (False, None, 0)
    assert "Anchoring is off" in exchange.client().get("/audit/anchors").text
    assert "Anchored on Ethereum" not in exchange.client().get("/audit").text
    with pytest.raises(ExchangeError, match="Set ethereum_rpc"):
        service.look(exchange.operations)


def test_the_timer_anchors_the_newest_checkpoint_and_page_api_and_proof_show_it(anchored_anywhere: Anchored) -> None:
    anchored = anchored_anywhere
    anchored.exchange.firm("Lathes Ltd")
    log = anchored.operations.services.log
    assert anchored.tick() is not None
    found = anchored.newest()
    assert (found.state, found.link.size, found.link.root) == (State.FINALIZED, log.size(), log.latest().root)
    assert anchored.status().covered == log.size()
    client = anchored.exchange.client()
    page, overview = client.get("/audit/anchors").text, client.get("/audit").text
    for words in ("Life of the newest anchor", "0x" + found.attempt.hash.hex(), "Final", "gwei"):
        assert words in page
    assert "Anchored on Ethereum" in overview
    client.set_cookie("locale", "zh")
    chinese = client.get("/audit/anchors").text
    assert "最新锚定的进程" in chinese
    assert "Life of the newest anchor" not in chinese
    cost = re.search(r"0\.(\d+) ether", page)
    assert cost is not None
    assert len(cost[1].lstrip("0")) <= 4
    listed = client.get("/api/v1/ledger/anchors").get_json()
    assert (listed["enabled"], listed["covered"]) == (True, log.size())
    assert listed["items"][0]["block_hash"] == "0x" + found.mined.block_hash.hex()
    for address in ("/audit/anchors/1/proof", "/api/v1/ledger/anchors/1/proof"):
        answer = client.get(address)
        assert answer.mimetype == "application/json"
        evidence = verify_anchor(AnchorProof.from_bytes(answer.data), log.vkey)
        assert evidence.block.hash == found.mined.block_hash
        assert evidence.proof.link.size == log.size()
    for number in (2, 0, 2**40):
        assert client.get(f"/audit/anchors/{number}/proof").status_code == 404


def test_nothing_new_is_not_anchored_again_and_jobs_do_not_pile_up(anchored_anywhere: Anchored) -> None:
    anchored = anchored_anywhere
    assert anchored.tick() is not None
    assert anchored.tick() is None
    anchored.pass_hour()
    assert anchored.tick() is None, "the log has not grown"
    for number in range(3):
        anchored.exchange.firm(f"Firm {number}", verified=False)
        anchored.pass_hour()
        assert anchored.tick() is not None
    assert anchored.newest().number == 4
    with anchored.operations.database.reading() as session:
        assert session.scalar(select(func.count()).where(Job.kind == "audit.anchor")) == 1


def test_an_anchor_under_way_is_looked_at_every_minute_until_it_is_final(anchored: Anchored) -> None:
    chain, states = anchored.chain, []
    chain.finality(safe=2, final=4)
    chain.mine_at_once(False)
    for blocks in (0, 1, 2, 2):
        chain.mine(blocks) if blocks else None
        assert anchored.tick() is not None
        states.append(anchored.newest().state)
        page = anchored.exchange.client().get("/audit/anchors").text
        assert 'aria-current="step"' in page or states[-1] is State.FINALIZED
    assert states == [State.BROADCAST, State.MINED, State.SAFE, State.FINALIZED]
    assert anchored.tick() is None


def test_no_step_waits_for_the_chain(anchored: Anchored) -> None:
    anchored.chain.down()
    anchored.tick()
    assert anchored.status().problem.code == "node-unreachable"
    firm = anchored.exchange.firm("Mills Ltd")
    assert anchored.exchange.client(firm).get("/api/v1/ledger/checkpoint").status_code == 200
    for staff, seen in ((anchored.exchange.staff("auditor"), True), (firm, False), (None, False)):
        page = anchored.exchange.client(staff).get("/audit/anchors").text
        assert ("The node does not answer." in page) is seen
    chinese = anchored.exchange.client(anchored.exchange.staff("auditor"))
    chinese.set_cookie("locale", "zh")
    assert "节点无响应" in chinese.get("/audit/anchors").text
    anchored.chain.up()
    anchored.tick()
    known = anchored.status()
    assert known.problem is None
    assert known.covered == anchored.operations.services.log.size()


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_kill_between_store_and_send_costs_one_transaction_all_the_same(
    anchored: Anchored, where: str, tmp_path: Path
) -> None:
    chain = anchored.chain
    chain.mine_at_once(False)
    given = json.dumps(anchored.settings | {"home": str(tmp_path / "home")})
    first = _run_worker(where, given)
    assert first.returncode == -signal.SIGKILL, first.stderr
    stored = anchored.newest()
    assert stored.state is State.PREPARED
    assert len(chain.sent) == (2 if where == "after" else 1), "the deployment was the first"
    service.look(anchored.operations)
    assert anchored.newest().state is State.BROADCAST
    assert set(chain.sent[1:]) == {stored.attempt.raw}
    chain.mine(1)
    anchored.tick()
    final = anchored.newest()
    assert (final.number, final.state, final.nonce) == (1, State.FINALIZED, stored.nonce)
    assert Node.at(chain.url).transactions(anchored.account.address) == stored.nonce + 1


def _run_worker(where: str, settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(_WORKER), where, settings]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_evidence_carries_the_first_anchor_over_all_of_it_or_the_newest(anchored: Anchored, tmp_path: Path) -> None:
    log, firm = anchored.operations.services.log, anchored.exchange.firm("Lathes Ltd")
    assert _anchors_of(anchored, firm, tmp_path) == []
    anchored.tick()
    first = anchored.newest()
    anchored.exchange.firm("Mills Ltd")
    anchored.pass_hour()
    anchored.tick()
    assert anchored.newest().number == 2
    (path,) = _anchors_of(anchored, firm, tmp_path)
    assert path == f"attested/{first.link.size}.anchor"
    trust = Trust(Policy.of_log(log.vkey), blocks=[first.mined.block_hash])
    report = verify_bundle(tmp_path / "evidence.zip", trust=trust)
    assert report.ok, report.problems
    assert {entry.existed_by for entry in report.entries} == {
        datetime.fromtimestamp(first.mined.block_time, UTC).isoformat().replace("+00:00", "Z")
    }
    late = anchored.exchange.firm("Presses Ltd")
    (path,) = _anchors_of(anchored, late, tmp_path)
    assert path == f"attested/{anchored.newest().link.size}.anchor", (
        "no anchor covers it yet; the newest dates the rest"
    )


def _anchors_of(anchored: Anchored, firm: Any, folder: Path) -> list[str]:
    """Fetch the evidence about a firm and return the anchors' files in it."""
    path = folder / "evidence.zip"
    path.write_bytes(anchored.exchange.client(firm).get("/audit/bundles/participant").data)
    with zipfile.ZipFile(path) as archive:
        return [name for name in archive.namelist() if name.endswith(".anchor")]


def test_the_database_swaps_an_anchor_only_from_the_version_that_was_read(anchored_anywhere: Anchored) -> None:
    anchored = anchored_anywhere
    anchored.tick()
    kept = SqlStore(anchored.operations.database)
    found = kept.newest()
    assert found is not None
    with pytest.raises(StaleError):
        kept.add(found)
    saved = kept.save(found)
    assert (saved.version, kept.newest()) == (found.version + 1, saved)
    with pytest.raises(StaleError):
        kept.save(found)
    assert kept.finalized(5) == [saved]


def test_what_the_database_keeps_is_what_was_stored(anchored: Anchored) -> None:
    anchored.chain.mine_at_once(False)
    anchored.tick()
    found = anchored.newest()
    attempt = found.attempt
    assert attempt.link == Link(anchored.operations.services.log.size(), anchored.operations.services.log.latest().root)
    assert isinstance(attempt.fees, Fees)
    assert attempt.sent_at is not None
    assert attempt.sent_at.tzinfo is UTC
    assert attempt.note == anchored.operations.services.log.latest().note
    assert len(attempt.raw) > 100


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"egress_internal": ""}, "egress"),
        ({"egress_schemes": "https"}, "egress"),
        ({"ethereum_chain_id": 5}, "wrong-chain"),
        ({"ethereum_contract": "0x" + "12" * 20}, "wrong-contract"),
        ({"ethereum_contract": ""}, "no-contract"),
        ({"ethereum_keystore": "/nowhere/anchor.json"}, "keystore"),
        ({"ethereum_password_file": ""}, "password"),
        ({"ethereum_max_fee_gwei": 0.5}, "fee-cap"),
    ],
)
def test_what_is_wrong_is_named_in_both_languages_with_the_mend(
    make_exchange: Callable[..., Any], settings: dict[str, Any], change: dict[str, Any], code: str
) -> None:
    exchange = make_exchange(**(settings | change))
    with pytest.raises(ExchangeError) as raised:
        service.look(exchange.operations)
    error = raised.value
    assert error.code == code
    for english, chinese in (error.reason, error.mend):
        assert english.endswith(".")
        assert chinese.endswith("。")
        assert "{" not in english + chinese
    with exchange.operations.database.reading() as session:
        assert service.status(session, exchange.settings).problem.reason == error.reason
    if code != "fee-cap":
        failed = [finding for finding in examine(exchange.settings) if not finding.ok]
        assert [finding.name for finding in failed] == ["anchoring"]


def test_a_reason_that_is_not_known_is_still_told() -> None:
    error = explain("something-new", {}, "the moon is in the way")
    assert "the moon is in the way" in error.reason[0]
    assert "the moon is in the way" in error.reason[1]


def test_the_doctor_says_what_node_contract_and_account_are(anchored: Anchored) -> None:
    finding = next(finding for finding in examine(anchored.exchange.settings) if finding.name == "anchoring")
    assert finding.ok
    assert f"chain {anchored.chain.chain_id}" in finding.detail
    assert checksum_address(anchored.account.address) in finding.detail


def test_the_command_line_makes_account_and_contract_anchors_and_tells(
    chain: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {
        "EXCHANGE_HOME": str(tmp_path / "home"), "EXCHANGE_ETHEREUM_RPC": chain.url,
        "EXCHANGE_EGRESS_SCHEMES": "https http", "EXCHANGE_EGRESS_INTERNAL": "127.0.0.1",
        "EXCHANGE_ETHEREUM_CHAIN_ID": str(chain.chain_id), "EXCHANGE_ANCHOR_PASSWORD": PASSWORD,
    }  # fmt: skip
    cheap = lambda path, password: create_keystore(path, password, iterations=4096)  # noqa: E731 - one line is enough
    monkeypatch.setattr(service, "create_keystore", cheap)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["audit", "anchor", *arguments], env=variables)

    assert CliRunner().invoke(main, ["init"], env=variables).exit_code == 0
    made = run("account")
    assert made.exit_code == 0, made.output
    address = next(word for word in made.output.split() if word.startswith("0x")).rstrip(",")
    assert (tmp_path / "home" / "keys" / "anchor.json").stat().st_mode & 0o777 == 0o600
    assert "exists already" in run("account").stderr
    poor = run("deploy")
    assert poor.exit_code == 1
    assert address in poor.stderr
    assert "has 0 ether" in poor.stderr
    chain.fund(bytes.fromhex(address[2:]), 10**18)
    deployed = run("deploy")
    assert deployed.exit_code == 0, deployed.stderr
    variables["EXCHANGE_ETHEREUM_CONTRACT"] = deployed.output.split('"')[1]
    anchored = run("now")
    assert "Anchor 1: finalized" in anchored.output, anchored.stderr
    assert "proof: kept" in anchored.output
    told = run("status")
    assert "Anchored for good: 1 of 1 entries." in told.output, told.stderr
    assert address in told.output
    chain.down()
    assert run("now").exit_code == 1
    assert "Last look: The node does not answer." in run("status").output
