"""Witnesses and an authority vouch for the exchange's log: real ones, in processes of their own, and what becomes of their absence."""

from __future__ import annotations

import json
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from exchange.audit.attestations import evidence, service, store, witnesses, words
from exchange.audit.attestations.models import AttestedCheckpoint, CheckpointTimestamp, Outsider
from exchange.audit.attestations.witnesses import identifier, load_policy
from exchange.cli import main
from exchange.config import load
from exchange.doctor import examine
from exchange.egress import Egress
from exchange.errors import ExchangeError, SettingsError
from exchange.jobs import Job
from exchange.operations import Operations
from exchange.setup import initialise
from ledger import checkpoint
from ledger.anchors import rfc3161
from ledger.bundle import Trust, verify_bundle
from ledger.cosignature import Cosigner
from ledger.policy import Policy
from ledger.receipt import Receipt, judge_proof
from ledger.signatures import SigningKey
from ledger.witness.state import Cosigned


@dataclass
class Outside:
    """An exchange with two witnesses of its log that run elsewhere, and the auditor's own policy of both."""

    exchange: Any
    folder: Path
    running: dict[str, Any] = field(default_factory=dict)

    @property
    def log(self) -> Any:
        return self.exchange.operations.services.log

    def session(self) -> Any:
        return self.exchange.operations.database.reading()

    def attest(self) -> dict[str, Any]:
        return service.attest(self.exchange.operations, at_once=True)

    @property
    def policy(self) -> Policy:
        return Policy.parse((self.folder / "witnesses.policy").read_bytes())


@pytest.fixture
def outside(make_exchange: Callable[..., Any], local_witness: Callable[..., Any], tmp_path: Path) -> Outside:
    home = tmp_path / "home"
    vkey = initialise(load({}, home=home))
    running = {name: local_witness(tmp_path / name, vkey, name=f"{name}.example/w") for name in ("alice", "bob")}
    lines = [f"witness {name} {witness.vkey} {witness.url}" for name, witness in running.items()]
    (tmp_path / "witnesses.policy").write_text(
        "\n".join([f"log {vkey}", *lines, "group both all alice bob", "quorum both", ""])
    )
    listed = " ".join(witness.url.removeprefix("http://") for witness in running.values())
    exchange = make_exchange(
        witness_policy=tmp_path / "witnesses.policy", egress_schemes="http https", egress_internal=listed
    )
    return Outside(exchange, tmp_path, running)


def test_a_quorum_of_witnesses_stands_in_receipts_bundles_pages_and_the_api(outside: Outside, visitor: Any) -> None:
    firm = outside.exchange.firm("Lathe Works")
    said = outside.attest()
    assert sorted(name.partition("+")[0] for name in said["cosigned"]) == ["alice.example/w", "bob.example/w"]
    size = outside.log.size()
    assert said["size"] == size

    client = outside.exchange.client(firm)
    answer = client.get("/api/v1/ledger/entries/1").json
    receipt = Receipt.from_json(answer["receipt"])
    verdict = judge_proof(receipt.proof, receipt.leaf_hash, outside.policy)
    assert (verdict.reached, set(verdict.cosignatures)) == (True, {"alice", "bob"})

    bundle = outside.folder / "evidence.zip"
    bundle.write_bytes(client.get("/api/v1/ledger/bundles/participant").data)
    report = verify_bundle(bundle, trust=Trust(outside.policy))
    assert report.problems == []
    # What the operator wrote into its settings about its own network does not leave with the evidence.
    with zipfile.ZipFile(bundle) as archive:
        assert b"127.0.0.1" not in archive.read("trust.policy")

    known = client.get("/api/v1/ledger/attestations").json
    assert outside.policy.judge(known["checkpoint"]).reached
    assert [(item["name"], item["size"], item["problem"]) for item in known["witnesses"]] == [
        ("alice", size, None),
        ("bob", size, None),
    ]
    assert "127.0.0.1" not in known["policy"]
    assert Policy.parse(known["policy"]).quorum == "both"
    page = visitor(outside.exchange).get("/audit/attestations")
    assert page.count("cosigned</span>") == 2
    assert "127.0.0.1" not in page
    assert "Witnesses and time stamps" in visitor(outside.exchange).get("/audit")
    assert "见证者" in visitor(outside.exchange, language="zh").get("/audit/attestations")
    assert outside.policy.judge(client.get("/audit/attestations/checkpoint").text).reached
    assert client.get("/audit/attestations/policy").text == known["policy"]


def test_a_witness_that_is_gone_is_named_and_catches_up_when_it_is_back(
    outside: Outside, auditors_tool: Callable[..., Any], visitor: Any
) -> None:
    firm = outside.exchange.firm("Lathe Works")
    outside.attest()
    cosigned = outside.log.size()
    bob = outside.running["bob"]
    bob.kill()
    outside.exchange.firm("Later Works")
    said = outside.attest()
    assert [name.partition("+")[0] for name in said["cosigned"]] == ["alice.example/w"]
    assert next(iter(said["refused"])).startswith("bob.example/w+")
    page = visitor(outside.exchange, outside.exchange.staff("operator")).get("/audit/attestations")
    assert "did not cosign" in page
    assert "It is asked again by itself" in page

    bundle = outside.folder / "evidence.zip"
    client = outside.exchange.client(firm)
    bundle.write_bytes(client.get("/api/v1/ledger/bundles/participant").data)
    # What the quorum covers is still proven by it; what came later is not, and the verdict names who is missing.
    assert verify_bundle(bundle, trust=Trust(outside.policy)).size == cosigned
    (outside.folder / "checkpoint").write_text(client.get("/checkpoint").text)
    done = auditors_tool("verify", outside.folder / "checkpoint", "--policy", outside.folder / "witnesses.policy")
    assert done.returncode == 1
    newest = outside.folder / "newest"
    with outside.session() as session:
        newest.write_text(store.attested_at(session, said["size"]).note)
    done = auditors_tool("verify", newest, "--policy", outside.folder / "witnesses.policy")
    assert (done.returncode, "not yet bob" in done.stdout) == (1, True)

    bob.start()
    outside.exchange.firm("Latest Works")
    assert len(outside.attest()["cosigned"]) == 2
    with outside.session() as session:
        assert evidence.standing(session, outside.exchange.operations.services).attested.size == outside.log.size()


def test_what_the_database_forgot_the_witness_tells(outside: Outside) -> None:
    outside.exchange.firm("Lathe Works")
    outside.attest()
    with outside.exchange.operations.database.writing() as session:
        for row in session.scalars(select(Outsider)):
            row.size = 0
    outside.exchange.firm("Later Works")
    assert len(outside.attest()["cosigned"]) == 2


def test_a_log_shorter_than_what_its_witness_saw_is_said_to_be_an_old_copy(outside: Outside) -> None:
    """The mark beside the key refuses such a log as well; the witness does not depend on the operator's disk."""
    outside.exchange.firm("Lathe Works")
    outside.attest()
    log, alice = outside.log, outside.running["alice"]
    ahead = log.size() + 5
    # The log's key signs what the witness then takes for the newest; the exchange itself has forgotten it.
    state = alice.folder.state()
    with state.transaction() as transaction:
        transaction.keep(log.origin, Cosigned(ahead, b"\1" * 32, "x", 1), "x")
    outside.exchange.firm("Later Works")
    outside.attest()
    with outside.session() as session:
        party = evidence.standing(session, outside.exchange.operations.services).witnesses[0]
    assert (party.code, party.size) == ("witness-ahead", ahead)
    found = words.explain(party.code, party.sentence)
    assert f"it has cosigned size {ahead}" in found.reason[0]
    assert "数据库可能是旧副本" in found.mend[1]
    findings = {finding.name: finding for finding in examine(outside.exchange.settings)}
    assert not findings["outsiders"].ok
    assert "alice" in findings["outsiders"].detail


def test_a_round_that_another_overtook_is_no_alarm(outside: Outside) -> None:
    services = outside.exchange.operations.services
    earlier = services.log.latest()
    outside.exchange.firm("Lathe Works")
    outside.attest()
    policy = evidence.policy_of(services)
    asked = {identifier(item.verifier): item for item in policy.witnesses}
    answers = witnesses.ask(Egress.from_settings(services.settings), services.log, earlier, asked, {})
    assert {(answer.code, answer.seen) for answer in answers.values()} == {(None, services.log.size())}


def test_the_timer_asks_when_something_is_new_and_otherwise_leaves_the_witnesses_alone(outside: Outside) -> None:
    operations = outside.exchange.operations

    def tick() -> Any:
        return operations.run_as_system(service.TIMER).result["queued"]

    assert tick() is not None
    with outside.session() as session:
        job = session.scalars(select(Job).where(Job.kind == "audit.attest")).one()
        assert (job.state, job.result["size"]) == ("done", outside.log.size())
    assert tick() is None
    outside.exchange.firm("Lathe Works")
    assert tick() is None, "a round was a moment ago"
    with operations.database.writing() as session:
        for row in session.scalars(select(Outsider)):
            row.asked_at -= timedelta(minutes=1)
    assert tick() is not None
    with outside.session() as session:
        assert session.scalars(select(Job.id).where(Job.kind == "audit.attest")).all() == [job_id(session)]
        assert evidence.standing(session, operations.services).attested.size == outside.log.size()


def job_id(session: Any) -> str:
    return str(session.scalars(select(Job.id).where(Job.kind == "audit.attest")).one())


def test_old_cosignatures_are_dropped_and_the_newest_and_the_stamped_stay(outside: Outside) -> None:
    sizes = []
    for name in ("One", "Two", "Three", "Four"):
        outside.exchange.firm(f"{name} Works")
        sizes.append(outside.attest()["size"])
    with outside.exchange.operations.database.writing() as session:
        session.add(CheckpointTimestamp(size=sizes[1], reply=b"x", latest=datetime.now(UTC), authority="CN=tsa"))
        session.flush()
        for row in session.scalars(select(AttestedCheckpoint)):
            row.made_at -= timedelta(days=31)
        session.flush()
        store.forget(session, datetime.now(UTC))
    with outside.session() as session:
        assert list(session.scalars(select(AttestedCheckpoint.size))) == [sizes[1], sizes[3]]


@pytest.mark.postgresql
def test_what_outsiders_said_is_kept_on_postgresql_too(
    make_exchange: Callable[..., Any], local_witness: Callable[..., Any], postgresql_url: str, tmp_path: Path
) -> None:
    vkey = initialise(load({}, home=tmp_path / "home", database_url=postgresql_url))
    witness = local_witness(tmp_path / "alice", vkey)
    policy = tmp_path / "policy"
    policy.write_text(f"witness alice {witness.vkey} {witness.url}\nquorum alice\n")
    exchange = make_exchange(
        database_url=postgresql_url, witness_policy=policy, egress_schemes="http", egress_internal="127.0.0.1"
    )
    for name in ("One", "Two"):
        exchange.firm(f"{name} Works")
        assert service.attest(exchange.operations, at_once=True)["refused"] == {}
    assert exchange.operations.run_as_system(service.TIMER).result == {"queued": None}
    with exchange.operations.database.writing() as session:
        assert len(session.scalars(select(AttestedCheckpoint)).all()) == 2
        store.forget(session, datetime.now(UTC) + timedelta(days=31))
        assert len(session.scalars(select(AttestedCheckpoint)).all()) == 1
        standing = evidence.standing(session, exchange.operations.services)
    assert standing.attested.size == exchange.operations.services.log.size()


def test_an_outbound_address_passes_the_egress_policy_or_nobody_is_asked(
    make_exchange: Callable[..., Any], local_witness: Callable[..., Any], tmp_path: Path
) -> None:
    vkey = initialise(load({}, home=tmp_path / "home"))
    witness = local_witness(tmp_path / "alice", vkey)
    policy = tmp_path / "policy"
    policy.write_text(f"witness alice {witness.vkey} {witness.url}\nquorum alice\n")
    operations = make_exchange(witness_policy=policy).operations
    for options, reason in (
        ({"egress_schemes": "https"}, "scheme"),
        ({"egress_schemes": "http"}, "internal address"),
        ({"egress_schemes": "http", "egress_internal": "127.0.0.1", "egress_hosts": "example.org"}, "host"),
        ({"egress_schemes": "http", "egress_internal": "127.0.0.0/8"}, None),
    ):
        changed = replace(operations.services, settings=replace(operations.services.settings, **options))
        refused = service.attest(Operations(operations.database, changed), at_once=True)["refused"]
        assert [reason in sentence for sentence in refused.values()] == ([] if reason is None else [True])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nonsense\n", "not a trust policy"),
        ("witness a {witness}\nquorum a\n", "names no address of the witness a"),
        ("log {other}\nquorum none\n", "names another log"),
    ],
)
def test_a_policy_that_cannot_work_stops_the_start(
    make_exchange: Callable[..., Any], tmp_path: Path, text: str, reason: str
) -> None:
    policy = tmp_path / "policy"
    witness = Cosigner("alice.example/w", b"a" * 32).verifier.to_vkey()
    other = checkpoint.vkey("other.example/log", SigningKey.generate().public)
    policy.write_text(text.format(witness=witness, other=other))
    with pytest.raises(SettingsError, match=reason) as refused:
        make_exchange(witness_policy=policy)
    assert refused.value.field == "witness_policy"
    with pytest.raises(SettingsError, match="cannot be read"):
        load_policy(tmp_path / "absent", other)


def test_without_outsiders_nothing_is_asked_and_nothing_is_shown(sqlite_exchange: Any, visitor: Any) -> None:
    assert sqlite_exchange.operations.run_as_system(service.TIMER).result == {"queued": None}
    page = visitor(sqlite_exchange).get("/audit/attestations")
    assert "This log has no witnesses" in page
    assert "Vouched for by others" not in visitor(sqlite_exchange).get("/audit")
    client = sqlite_exchange.client()
    for path in ("policy", "checkpoint", "5/stamp", "5/body", f"{2**70}/stamp"):
        assert client.get(f"/audit/attestations/{path}").status_code == 404
    assert client.get("/api/v1/ledger/attestations").json["witnesses"] == []
    assert not [finding for finding in examine(sqlite_exchange.settings) if finding.name == "outsiders"]


@pytest.fixture
def stamped(make_exchange: Callable[..., Any], make_authority: Callable[..., Any]) -> tuple[Any, Any]:
    """An exchange whose checkpoints an authority stamps, and the authority."""
    authority = make_authority()
    exchange = make_exchange(
        timestamp_authority=authority.url,
        timestamp_ca=authority.root,
        egress_schemes="http",
        egress_internal=authority.url.split("/")[2],
    )
    return exchange, authority


def test_checkpoints_are_stamped_and_bundles_prove_when_their_entries_existed(
    stamped: tuple[Any, Any], auditors_tool: Callable[..., Any], tmp_path: Path, visitor: Any
) -> None:
    exchange, authority = stamped
    firm = exchange.firm("Lathe Works")
    assert service.attest(exchange.operations, at_once=True)["stamped"]
    size = exchange.operations.services.log.size()
    exchange.operations.run(firm, "participants.create_token", name="later", scopes=None)

    bundle = tmp_path / "evidence.zip"
    client = exchange.client(firm)
    bundle.write_bytes(client.get("/api/v1/ledger/bundles/participant").data)
    done = auditors_tool(
        "verify", bundle, "--key", exchange.operations.services.log.vkey, "--tsa-ca", authority.root, "--json"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert [item["size"] for item in report["attestations"]] == [str(size)]
    existed_by = datetime.fromisoformat(report["entries"][1]["existed_by"])
    assert abs(existed_by - datetime.now(UTC)) < timedelta(minutes=2)

    # The two files on the page are all that any other tool needs.
    for name in ("stamp", "body"):
        answer = client.get(f"/audit/attestations/{size}/{name}")
        (tmp_path / name).write_bytes(answer.data)
    checked = subprocess.run(
        ["openssl", "ts", "-verify", "-in", "stamp", "-data", "body", "-CAfile", str(authority.root)],
        cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert "Verification: OK" in checked.stdout + checked.stderr
    assert "CN=signer" in visitor(exchange).get("/audit/attestations")
    assert client.get("/api/v1/ledger/attestations").json["stamps"][0]["authority"] == "CN=signer"


def test_a_false_time_stamp_is_not_kept_and_the_reason_is(
    stamped: tuple[Any, Any], make_authority: Callable[..., Any]
) -> None:
    exchange, authority = stamped
    service.attest(exchange.operations, at_once=True)
    exchange.firm("Later Works")
    stranger = make_authority("stranger")
    answers: dict[str, Callable[[bytes], tuple[int, bytes]]] = {
        "other bytes": lambda _: (200, authority.reply(rfc3161.request(b"something else")[0])),
        "an old reply": lambda _: (200, authority.reply(authority.queries[0])),
        "another authority": lambda query: (200, stranger.reply(query)),
        "nonsense": lambda _: (200, b"<html>"),
        "an error": lambda _: (500, b""),
        "silence": lambda _: (200, b""),
    }
    for what, answer in answers.items():
        authority.answer = answer
        if what == "silence":
            authority.close()
            authority.close = lambda: None
        said = service.attest(exchange.operations, at_once=True)
        assert (said["stamped"], bool(said["stamp_problem"])) == (False, True), what
        with exchange.operations.database.reading() as session:
            assert len(session.scalars(select(CheckpointTimestamp)).all()) == 1
            row = session.get_one(Outsider, "timestamps")
        assert row.code == ("unreachable" if what in {"an error", "silence"} else "stamp-refused"), what
    findings = {finding.name: finding for finding in examine(exchange.settings)}
    assert not findings["outsiders"].ok


def test_a_certificate_that_is_none_stops_the_start(make_exchange: Callable[..., Any], tmp_path: Path) -> None:
    options = {"timestamp_authority": "https://tsa.example.org/", "timestamp_ca": tmp_path / "ca.pem"}
    with pytest.raises(SettingsError, match="cannot be read"):
        make_exchange(**options)
    (tmp_path / "ca.pem").write_text("nonsense")
    with pytest.raises(SettingsError, match="not a certificate") as refused:
        make_exchange(**options)
    assert refused.value.field == "timestamp_ca"


def test_the_command_line_asks_at_once_and_fails_where_somebody_does_not_vouch(outside: Outside) -> None:
    environment = {
        "EXCHANGE_WITNESS_POLICY": str(outside.folder / "witnesses.policy"),
        "EXCHANGE_EGRESS_SCHEMES": "http",
        "EXCHANGE_EGRESS_INTERNAL": "127.0.0.1",
    }
    command = ["audit", "attest", "--home", str(outside.exchange.settings.home)]
    done = CliRunner().invoke(main, command, env=environment)
    assert done.exit_code == 0, done.output
    assert "cosigned by alice.example/w+" in done.output
    outside.running["bob"].kill()
    done = CliRunner().invoke(main, command, env=environment)
    assert isinstance(done.exception, ExchangeError) or done.exit_code == 1
