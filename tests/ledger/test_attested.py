"""A bundle carries what witnesses and a time-stamping authority said, and an auditor's own policy judges it."""

import hashlib
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger import checkpoint, note
from ledger.anchors import rfc3161
from ledger.bundle import Attested, Trust, verify_bundle, write_bundle
from ledger.canonical import encode
from ledger.cosignature import Cosigner
from ledger.log import Log
from ledger.policy import Group, Policy, Witness
from ledger.receipt import judge_proof
from ledger.signatures import SigningKey
from ledger.storage.memory import MemoryStorage

ALICE, BOB = Cosigner("alice.example", b"A" * 32), Cosigner("bob.example", b"B" * 32, 6)
TIME = 1_763_700_000


@dataclass
class Case:
    """A log whose checkpoints are cosigned and stamped as the tests want it."""

    log: Log[None]
    record: Callable[..., str]
    statement_key: Any
    folder: Path
    attested: list[Attested] = field(default_factory=list)

    def write(self, count: int = 1) -> list[str]:
        return [
            self.record(self.log, signer="exchange", custody="exchange", key=self.statement_key) for _ in range(count)
        ]

    @property
    def policy(self) -> Policy:
        witnesses = (Witness("alice", ALICE.verifier), Witness("bob", BOB.verifier))
        return Policy(Policy.of_log(self.log.vkey).logs, witnesses, (Group("both", 2, ("alice", "bob")),), "both")

    def attest(self, *cosigners: Cosigner, stamp: Callable[[bytes], bytes] | None = None) -> int:
        """Have the newest checkpoint cosigned and stamped; return its size."""
        self.log.integrate()
        latest = self.log.latest()
        body = note.split(latest.note)[0]
        signed = latest.note + "".join(one.cosign(body, TIME) + "\n" for one in cosigners)
        reply = None if stamp is None else stamp(rfc3161.request(body.encode())[0])
        self.attested.append(Attested(latest.size, latest.root, signed, reply))
        return latest.size

    def bundle(self, ids: list[str], policy: Policy | None = None) -> Path:
        path = self.folder / "evidence.zip"
        write_bundle(path, self.log, ids, {}, policy=policy or self.policy, attested=lambda *_: self.attested)
        return path


@pytest.fixture
def case(memory_log: Log[None], record: Callable[..., str], statement_key: Any, tmp_path: Path) -> Case:
    return Case(memory_log, record, statement_key, tmp_path)


def found(report: Any, name: str) -> list[tuple[str, bool, str]]:
    return [(check.subject, check.ok, check.detail) for check in report.checks if check.name == name]


def test_a_bundle_proves_its_entries_under_the_newest_checkpoint_that_has_the_quorum(case: Case):
    ids = case.write(3)
    size = case.attest(ALICE, BOB)
    case.write(4)
    report = verify_bundle(case.bundle(ids), trust=Trust(case.policy))
    assert report.problems == []
    assert (report.size, report.pinned) == (size, True)
    assert found(report, "witnesses") == [
        (
            "checkpoint",
            True,
            "the quorum both is reached: cosigned by alice at 2025-11-21T04:40:00Z, bob at 2025-11-21T04:40:00Z",
        )
    ]
    # Each proof inside is a tlog-proof with its cosignatures, which any other verifier reads.
    with zipfile.ZipFile(case.folder / "evidence.zip") as archive:
        proof = archive.read("proofs/2.tlog-proof").decode()
        assert archive.read("trust.policy").decode() == case.policy.to_text()
    assert judge_proof(proof, case.log.entry(2).leaf_hash, case.policy).reached


def test_without_the_quorum_the_verdict_names_who_is_missing(case: Case):
    ids = case.write(3)
    case.attest(ALICE)
    report = verify_bundle(case.bundle(ids), trust=Trust(case.policy))
    assert [(check.name, check.detail) for check in report.problems] == [
        ("witnesses", "both needs 2 of 2 and has 1: not yet bob")
    ]
    assert found(report, "attested") == [
        ("size 4", True, "the bundle's checkpoint extends it; cosigned by alice at 2025-11-21T04:40:00Z")
    ]
    # Without a policy of his own the auditor has asked for nothing, and is told nothing about witnesses.
    plain = verify_bundle(case.bundle(ids), case.log.vkey)
    assert plain.ok
    assert found(plain, "witnesses") == []


def test_entries_beyond_the_cosigned_size_are_proven_under_the_newest_checkpoint(case: Case):
    case.write(3)
    case.attest(ALICE, BOB)
    late = case.write(2)
    report = verify_bundle(case.bundle(late), trust=Trust(case.policy))
    assert report.size == 6
    assert [check.name for check in report.problems] == ["witnesses"]
    assert [size for size, _, _ in found(report, "attested")] == ["size 4"]


def test_a_policy_of_another_log_or_other_witnesses_is_not_met(case: Case):
    ids = case.write(3)
    case.attest(ALICE, BOB)
    bundle = case.bundle(ids)
    mallory = Cosigner("bob.example", b"M" * 32)
    others = (Witness("alice", ALICE.verifier), Witness("bob", mallory.verifier))
    strangers = Policy(case.policy.logs, others, case.policy.groups, "both")
    report = verify_bundle(bundle, trust=Trust(strangers))
    assert [check.detail for check in report.problems] == ["both needs 2 of 2 and has 1: not yet bob"]
    foreign = Policy.of_log(checkpoint.vkey("other.example/log", SigningKey.from_seed(b"O" * 32).public))
    report = verify_bundle(bundle, trust=Trust(foreign))
    assert [check.name for check in report.problems[:2]] == ["trust", "checkpoint"]


def test_time_stamps_bound_when_each_entry_existed(case: Case, make_authority: Callable[..., Any]):
    authority = make_authority()
    first = case.write(3)
    case.attest(stamp=authority.reply)
    second = case.write(3)
    case.attest(stamp=authority.reply)
    third = case.write(2)
    bundle = case.bundle(first + second + third, Policy.of_log(case.log.vkey))
    report = verify_bundle(bundle, case.log.vkey, trust=Trust(authorities=[authority.root.read_bytes()]))
    assert report.problems == []
    assert [(subject, ok) for subject, ok, _ in found(report, "time")] == [("size 4", True), ("size 7", True)]
    times = {entry.index: entry.existed_by for entry in report.entries}
    stamped = [item.stamped for item in report.attestations]
    assert [times[1], times[4], times[7]] == [
        *(None if moment is None else moment.isoformat().replace("+00:00", "Z") for moment in stamped),
        None,
    ]
    assert stamped[0] is not None
    assert abs(stamped[0] - datetime.now(UTC)) < timedelta(minutes=1)
    # Without the certificate of an authority nothing is claimed about time.
    unaware = verify_bundle(bundle, case.log.vkey)
    assert unaware.ok
    assert {detail for _, _, detail in found(unaware, "time")} == {
        "not checked: name the authority's certificate with --tsa-ca"
    }
    assert {entry.existed_by for entry in unaware.entries} == {None}
    stranger = make_authority("stranger").root.read_bytes()
    wrong = verify_bundle(bundle, case.log.vkey, trust=Trust(authorities=[stranger]))
    assert [check.name for check in wrong.problems] == ["time", "time"]


def test_a_stamp_over_another_checkpoint_is_refused(case: Case, make_authority: Callable[..., Any]):
    authority = make_authority()
    ids = case.write(3)
    case.attest(stamp=authority.reply)
    case.write(2)
    case.attest(stamp=lambda _: case.attested[0].timestamp)
    report = verify_bundle(case.bundle(ids), case.log.vkey, trust=Trust(authorities=[authority.root.read_bytes()]))
    assert [(check.name, check.subject, check.detail) for check in report.problems] == [
        ("time", "size 6", "the time stamp is of other bytes")
    ]


def change(bundle: Path, name: str, data: bytes | None) -> None:
    """Replace, add or remove a file of a bundle, and list it as it is now, as a clever forger would."""
    with zipfile.ZipFile(bundle) as archive:
        files = {item: archive.read(item) for item in archive.namelist()}
    files.pop(name, None)
    if data is not None:
        files[name] = data
    manifest = json.loads(files["manifest.json"])
    manifest["files"] = {
        item: {"sha256": "sha256:" + hashlib.sha256(body).hexdigest(), "size": str(len(body))}
        for item, body in files.items()
        if item != "manifest.json"
    }
    files["manifest.json"] = encode(manifest)
    with zipfile.ZipFile(bundle, "w") as archive:
        for item, body in files.items():
            archive.writestr(item, body)


@pytest.mark.parametrize(
    ("name", "make", "problem"),
    [
        ("attested/4.proof", lambda case: b"A" * 43 + b"=\n", "does not lead to the root"),
        ("attested/4.proof", lambda case: b"nonsense\n", "a hash"),
        ("attested/4.proof", lambda case: None, "missing"),
        ("attested/4.checkpoint", lambda case: case.log.latest().note.encode(), "of size 8"),
        ("attested/4.checkpoint", lambda case: None, "missing"),
        ("attested/9.checkpoint", lambda case: b"x", "no blank line"),
        ("attested/4.checkpoint", lambda case: case.attested[0].note[:-8].encode() + b"AAAAA==\n", "does not verify"),
    ],
)
def test_a_forged_attestation_is_found_even_where_the_manifest_was_rewritten(
    case: Case, name: str, make: Callable[[Case], bytes | None], problem: str
):
    case.write(3)
    case.attest(ALICE)
    ids = case.write(4)
    bundle = case.bundle(ids)
    assert verify_bundle(bundle, trust=Trust(case.policy)).size == 8
    change(bundle, name, make(case))
    report = verify_bundle(bundle, trust=Trust(case.policy))
    assert [check.name for check in report.problems if check.name == "attested"] == ["attested"]
    assert problem in next(check.detail for check in report.problems if check.name == "attested")


def test_an_attested_checkpoint_of_a_fork_is_refused(case: Case, tmp_path: Path, open_log: Callable[..., Any]):
    case.write(3)
    case.attest(ALICE)
    ids = case.write(4)
    bundle = case.bundle(ids)
    fork = Case(open_log(MemoryStorage()), case.record, case.statement_key, tmp_path)
    fork.write(3)
    fork.attest(ALICE)
    change(bundle, "attested/4.checkpoint", fork.attested[0].note.encode())
    report = verify_bundle(bundle, trust=Trust(case.policy))
    assert "does not lead to the root at size" in next(
        check.detail for check in report.problems if check.name == "attested"
    )


def test_the_auditors_tool_judges_a_bundle_by_policy_and_certificate(
    case: Case, auditors_tool: Callable[..., Any], make_authority: Callable[..., Any], tmp_path: Path
):
    authority = make_authority()
    ids = case.write(3)
    case.attest(ALICE, BOB, stamp=authority.reply)
    bundle = case.bundle(ids)
    policy = tmp_path / "my.policy"
    policy.write_text(case.policy.to_text())
    done = auditors_tool("verify", bundle, "--policy", policy, "--tsa-ca", authority.root)
    assert (done.returncode, done.stderr) == (0, "")
    assert "ok     witnesses   the quorum both is reached: cosigned by alice at " in done.stdout
    assert "ok     time        existed by 20" in done.stdout
    assert done.stdout.splitlines()[-1] == "VERIFIED: 4 entries, under the policy you gave."
    report = json.loads(
        auditors_tool("verify", bundle, "--policy", policy, "--tsa-ca", authority.root, "--json").stdout
    )
    assert report["attestations"][0]["cosigned"] == {"alice": TIME, "bob": TIME}
    assert report["entries"][1]["existed_by"] == report["attestations"][0]["stamped"]

    case.attested[0] = Attested(case.attested[0].size, case.attested[0].root, case.log.latest().note)
    done = auditors_tool("verify", case.bundle(ids), "--policy", policy)
    assert done.returncode == 1
    assert "FAILED witnesses" in done.stdout
    assert "both needs 2 of 2 and has 0: not yet alice, bob" in done.stdout
    for words in (
        ["--policy", tmp_path / "absent"],
        ["--policy", bundle],
        ["--policy", policy, "--key", case.log.vkey],
    ):
        assert auditors_tool("verify", bundle, *words).returncode == 2
    policy.write_text("quorum none\n")
    assert auditors_tool("verify", bundle, "--policy", policy).returncode == 2
    assert auditors_tool("verify", bundle, "--policy", policy, "--key", case.log.vkey).returncode == 0
