"""Policies, cosignatures and receipts of ours are judged alike by an implementation that is not ours (torchwood, in Go).

EXCHANGE_TEST_TORCHWOOD names the verifier that `make test-witness` builds from `foreign/`; without it these tests are skipped.
"""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger import note
from ledger.cosignature import Cosigner
from ledger.policy import Group, Policy, Witness
from ledger.receipt import format_proof

pytestmark = pytest.mark.skipif(
    not os.environ.get("EXCHANGE_TEST_TORCHWOOD"), reason="needs the verifier of `make test-witness`"
)
ALICE, BOB, CAROL = (Cosigner(f"{name}.example", name.encode().ljust(32)) for name in ("alice", "bob", "carol"))


def foreign(*arguments: str | Path) -> int:
    command = [os.environ["EXCHANGE_TEST_TORCHWOOD"], *map(str, arguments)]
    return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode


@pytest.fixture
def signed(memory_log: Any, record: Callable[..., str]) -> Callable[..., str]:
    for _ in range(20):
        record(memory_log)
    memory_log.integrate()
    body = note.split(memory_log.checkpoint())[0]

    def cosigned(*cosigners: Cosigner) -> str:
        lines = "".join(one.cosign(body, 1_763_700_000) + "\n" for one in cosigners)
        return str(memory_log.checkpoint()) + lines

    return cosigned


def test_a_cosignature_of_ours_is_verified(memory_log: Any, signed: Callable[..., str], tmp_path: Path):
    path = tmp_path / "note"
    path.write_text(signed(ALICE))
    assert foreign("note", memory_log.vkey, ALICE.verifier.to_vkey(), path) == 0
    assert foreign("note", memory_log.vkey, BOB.verifier.to_vkey(), path) == 1
    path.write_text(signed(ALICE).replace("\n21\n", "\n22\n"))
    assert foreign("note", memory_log.vkey, ALICE.verifier.to_vkey(), path) == 1


@pytest.mark.parametrize("cosigners", [(), (ALICE,), (ALICE, BOB), (ALICE, CAROL), (BOB, CAROL), (ALICE, BOB, CAROL)])
def test_a_receipt_is_judged_alike_by_both(
    memory_log: Any, signed: Callable[..., str], tmp_path: Path, cosigners: tuple[Cosigner, ...]
):
    witnesses = tuple(Witness(one.name.split(".")[0], one.verifier) for one in (ALICE, BOB, CAROL))
    groups = (Group("two", 1, ("bob", "carol")), Group("both", 2, ("alice", "two")))
    policy = Policy(Policy.of_log(memory_log.vkey).logs, witnesses, groups, "both")
    (tmp_path / "policy").write_text(policy.to_text())
    text = signed(*cosigners)
    for index in (0, 7, 20):
        proof = format_proof(index, memory_log.inclusion_proof(index, 21), text)
        (tmp_path / "proof").write_text(proof)
        leaf = memory_log.entry(index).leaf_hash.hex()
        assert (foreign("proof", tmp_path / "policy", leaf, tmp_path / "proof") == 0) is policy.judge(text).reached
        assert foreign("proof", tmp_path / "policy", "00" * 32, tmp_path / "proof") == 1
