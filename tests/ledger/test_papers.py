"""The auditor's tool judges receipts, checkpoints and proofs of misbehaviour by the auditor's own policy."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from ledger import checkpoint, note
from ledger.cli import main
from ledger.cosignature import Cosigner
from ledger.log import Log
from ledger.misbehaviour import Misbehaviour, verify_misbehaviour
from ledger.note import Verifier
from ledger.policy import Group, Policy, Witness
from ledger.receipt import Receipt, format_proof
from ledger.signatures import SigningKey
from ledger.storage.sql import SqlStorage

ALICE, BOB = Cosigner("alice.example", b"A" * 32), Cosigner("bob.example", b"B" * 32)


class Papers:
    """A log of six entries and the papers that somebody keeps of it, in a folder."""

    def __init__(self, log: Log[Any], record: Callable[..., str], folder: Path) -> None:
        self.log, self.folder = log, folder
        self.statements = [record(log) for _ in range(5)]
        log.integrate()
        witnesses = (Witness("alice", ALICE.verifier), Witness("bob", BOB.verifier))
        policy = Policy(Policy.of_log(log.vkey).logs, witnesses, (Group("both", 2, ("alice", "bob")),), "both")
        self.file("policy", policy.to_text())

    def file(self, name: str, text: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def cosigned(self, *cosigners: Cosigner) -> str:
        signed = self.log.checkpoint()
        body = note.split(signed)[0]
        return signed + "".join(one.cosign(body, 1_763_700_000) + "\n" for one in cosigners)

    def receipt(self, *cosigners: Cosigner, index: int = 3) -> Receipt:
        proof = format_proof(index, self.log.inclusion_proof(index, self.log.latest().size), self.cosigned(*cosigners))
        entry = self.log.entry(index)
        return Receipt(index, entry.statement_id, entry.leaf_hash, proof, self.log.latest().size)


@pytest.fixture
def papers(memory_log: Log[Any], record: Callable[..., str], tmp_path: Path) -> Papers:
    return Papers(memory_log, record, tmp_path)


@pytest.fixture
def verify(papers: Papers, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def run(path: Path, *words: str | Path, trust: tuple[str, ...] | None = None) -> tuple[int, str]:
        given = ("--policy", str(papers.folder / "policy")) if trust is None else trust
        code = main(["verify", str(path), *given, *map(str, words)])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return run


def test_a_receipt_is_verified_with_its_entry_and_its_witnesses(papers: Papers, verify: Callable[..., Any]):
    proof = papers.file("receipt.tlog-proof", papers.receipt(ALICE, BOB).proof)
    entry = papers.file("entry.json", papers.log.entry(3).body)
    code, text = verify(proof, "--entry", entry)
    assert code == 0
    assert text == (
        "VERIFIED: entry 3 stands on exchange.example/log, in the tree of size 6."
        " Witnesses that cosigned it: alice, bob.\n"
    )
    other = papers.file("other.json", papers.log.entry(4).body)
    assert verify(proof, "--entry", other)[0] == 1
    assert verify(proof)[0] == 2


def test_without_the_quorum_the_verdict_on_a_receipt_names_the_missing_witness(
    papers: Papers, verify: Callable[..., Any]
):
    path = papers.file("receipt.json", json.dumps(papers.receipt(ALICE).to_json()))
    code, text = verify(path)
    assert code == 1
    assert "the witnesses' quorum is not reached" in text
    assert "both needs 2 of 2 and has 1: not yet bob" in text
    report = json.loads(verify(path, "--json")[1])
    assert (report["ok"], report["missing"], list(report["cosigned"])) == (False, ["bob"], ["alice"])
    assert verify(path, trust=("--key", papers.log.vkey))[0] == 0
    assert verify(path, trust=())[0] == 2


def test_a_json_receipt_of_the_api_proves_its_leaf_hash(papers: Papers, verify: Callable[..., Any]):
    receipt = papers.receipt(ALICE, BOB)
    for document in (receipt.to_json(), {"receipt": receipt.to_json(), "result": {}}):
        code, text = verify(papers.file("receipt.json", json.dumps(document)))
        assert code == 0
        assert f"an entry 3 with the leaf hash {receipt.leaf_hash.hex()} stands on" in text
    wrong = receipt.to_json() | {"leaf_hash": "00" * 32}
    assert verify(papers.file("receipt.json", json.dumps(wrong)))[0] == 1
    assert verify(papers.file("receipt.json", json.dumps([])))[0] == 2
    # What cannot be read is unusable, which is another exit code than that of what does not hold.
    for broken in (
        "{",
        '{"a":' + "[" * 100_000,
        json.dumps(receipt.to_json()).replace('"index": "3"', '"index": 1e999'),
    ):
        assert verify(papers.file("receipt.json", broken))[0] == 2


def test_the_bytes_of_an_entry_must_be_those_of_the_receipts_index(papers: Papers, verify: Callable[..., Any]):
    # A log could put the bytes of entry 3 at another place of its tree; the entry itself says where it belongs.
    receipt = papers.receipt(ALICE, BOB, index=2)
    proof = papers.file("receipt.tlog-proof", receipt.proof.replace("\nindex 2\n", "\nindex 3\n"))
    assert verify(proof, "--entry", papers.file("entry.json", papers.log.entry(3).body))[0] == 1


def test_a_checkpoint_is_judged_by_the_policy(papers: Papers, verify: Callable[..., Any]):
    assert verify(papers.file("checkpoint", papers.cosigned(ALICE, BOB)))[0] == 0
    code, text = verify(papers.file("checkpoint", papers.cosigned(BOB)))
    assert code == 1
    assert "not yet alice" in text
    assert verify(papers.file("checkpoint", papers.cosigned().replace("\n6\n", "\n7\n")))[0] == 1
    assert verify(papers.file("checkpoint", "nonsense"))[0] == 2


@pytest.fixture
def forked(
    papers: Papers, sqlite_url: str, make_engine: Callable[[str], sa.Engine], open_log: Callable[..., Any], record: Any
) -> Any:
    """Another log under the same key, in a database, one entry longer."""
    engine = make_engine(sqlite_url)
    log = open_log(SqlStorage(engine))
    for _ in range(6):
        record(log)
    log.integrate()
    yield log
    engine.dispose()


def test_two_trees_of_one_size_become_a_proof_that_anybody_verifies(
    papers: Papers, verify: Callable[..., Any], open_log: Callable[..., Any], record: Any, capsys: Any
):
    from ledger.storage.memory import MemoryStorage

    twin = Papers(open_log(MemoryStorage()), record, papers.folder)
    old, new = papers.file("old", papers.log.checkpoint()), papers.file("new", twin.log.checkpoint())
    out = papers.folder / "proof.txt"
    words = ["consistency", str(old), str(new), "--key", papers.log.vkey]
    assert main(words) == 1
    assert "MISBEHAVIOUR PROVEN" in capsys.readouterr().out
    assert not out.exists()
    assert main([*words, "--misbehaviour", str(out)]) == 1
    capsys.readouterr()
    code, text = verify(out, trust=("--key", papers.log.vkey))
    assert code == 0
    assert text == (
        "MISBEHAVIOUR PROVEN: the log exchange.example/log signed two different trees of size 6. No honest log does that.\n"
    )
    code, text = verify(out, trust=())
    assert code == 0
    assert "came from the proof itself" in text
    stranger = checkpoint.vkey("exchange.example/log", SigningKey.generate().public)
    assert verify(out, trust=("--key", stranger))[0] == 1
    broken = papers.file("broken", out.read_text().replace("\n6\n", "\n5\n", 1))
    assert verify(broken, trust=("--key", papers.log.vkey))[0] == 1
    report = json.loads(verify(out, "--json", trust=("--key", papers.log.vkey))[1])
    assert (report["ok"], report["pinned"]) == (True, True)


@pytest.mark.parametrize("size", range(1, 7))
def test_a_kept_checkpoint_and_the_database_of_a_fork_convict_at_every_size(
    papers: Papers, forked: Any, sqlite_url: str, capsys: Any, size: int
):
    kept = checkpoint.sign(papers.log.origin, size, papers.log.root(size), SigningKey.from_seed(b"L" * 32))
    old, new = papers.file("old", kept), papers.file("new", forked.checkpoint())
    out = papers.folder / "proof.txt"
    words = ["consistency", str(old), str(new), "--key", papers.log.vkey, "--database", sqlite_url]
    assert main([*words, "--misbehaviour", str(out)]) == 1
    assert "--misbehaviour" not in capsys.readouterr().out
    key = Verifier.from_vkey(papers.log.vkey)
    assert verify_misbehaviour(Misbehaviour.parse(out.read_text()), [key]).first.size == size


def test_a_damaged_consistency_proof_convicts_nobody(papers: Papers, record: Any, capsys: Any):
    old = papers.file("old", papers.log.checkpoint())
    record(papers.log)
    papers.log.integrate()
    text = papers.log.extension(6)
    damaged = papers.file("new", text.replace(text.split("\n")[1], "A" * 43 + "="))
    out = papers.folder / "proof.txt"
    assert main(["consistency", str(old), str(damaged), "--key", papers.log.vkey, "--misbehaviour", str(out)]) == 1
    assert "MISBEHAVIOUR" not in capsys.readouterr().out
    assert not out.exists()
