"""Anchors as evidence: in a bundle and as a file of their own, judged by the auditor's tool."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger.__main__ import main
from ledger.anchors.ethereum.proof import AnchorProof, verify_anchor
from ledger.bundle import Attested, BundleReport, Trust, verify_bundle, write_bundle
from ledger.log import Log
from ledger.policy import Policy
from ledger.signatures import SigningKey

STATEMENT_KEY = SigningKey.from_seed(b"S" * 32)


@pytest.fixture
def evidence(
    memory_log: Log[Any], record: Callable[..., str], anchor_log: Callable[[Log[Any]], AnchorProof], tmp_path: Path
) -> tuple[Path, AnchorProof, Log[Any]]:
    """A bundle of six entries, of which an anchor covers the first four, and the log that goes on."""
    own = {"signer": "exchange", "custody": "exchange", "key": STATEMENT_KEY}
    statements = [record(memory_log, **own) for _ in range(3)]
    proof = anchor_log(memory_log)
    statements += [record(memory_log, **own) for _ in range(2)]
    return _bundle(tmp_path / "evidence.zip", memory_log, statements, proof), proof, memory_log


def _bundle(path: Path, log: Log[Any], statements: list[str], proof: AnchorProof) -> Path:
    item = Attested(proof.link.size, proof.link.root, proof.note, anchor=proof.to_bytes())
    policy = Policy.of_log(log.vkey)
    write_bundle(path, log, statements, {"kind": "test"}, policy=policy, attested=lambda _indexes, _size: [item])
    return path


def _detail(report: BundleReport, name: str) -> tuple[bool, str]:
    (found,) = (check for check in report.checks if check.name == name)
    return found.ok, found.detail


def test_a_bundle_carries_the_anchor_and_says_what_is_left_to_compare(evidence: Any) -> None:
    path, proof, log = evidence
    report = verify_bundle(path, log.vkey)
    assert report.ok, report.problems
    assert report.size == 6
    ok, words = _detail(report, "anchor")
    assert ok
    assert "the log's first 4 entries were fixed by" in words
    assert f"0x{verify_anchor(proof).block.hash.hex()}" in words
    assert "compare its hash" in words
    assert all(entry.existed_by is None for entry in report.entries), "the block is not trusted yet"


def test_a_block_that_the_auditor_has_compared_dates_the_entries_below_it(evidence: Any) -> None:
    path, proof, log = evidence
    block = verify_anchor(proof).block
    report = verify_bundle(path, trust=Trust(Policy.of_log(log.vkey), blocks=[b"\x01" * 32, block.hash]))
    assert report.ok, report.problems
    assert "compare" not in _detail(report, "anchor")[1]
    moment = block.time.isoformat().replace("+00:00", "Z")
    assert [entry.existed_by for entry in report.entries] == [moment] * 4 + [None] * 2
    assert report.to_json()["attestations"][0]["anchored"] == moment


def test_an_anchor_in_another_block_than_those_compared_fails(evidence: Any) -> None:
    path, _, log = evidence
    report = verify_bundle(path, trust=Trust(Policy.of_log(log.vkey), blocks=[b"\x01" * 32]))
    ok, words = _detail(report, "anchor")
    assert not ok
    assert "none of those that you named" in words
    assert all(entry.existed_by is None for entry in report.entries)


def test_an_anchor_of_another_tree_or_a_damaged_one_fails_by_name(evidence: Any, tmp_path: Path) -> None:
    path, proof, log = evidence
    forged = replace(proof, links=(replace(proof.link, size=5, root=log.root(5)),), note=proof.note)
    other = Attested(5, log.root(5), log.latest().note, anchor=forged.to_bytes())
    for change, expected in (
        ({f"attested/{proof.link.size}.anchor": b"{}"}, "not an anchor's proof"),
        ({f"attested/{proof.link.size}.anchor": other.anchor}, "another head"),
    ):
        changed = tmp_path / "changed.zip"
        with zipfile.ZipFile(path) as source, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as target:
            for info in source.infolist():
                target.writestr(info, change.get(info.filename, source.read(info)))
        report = verify_bundle(changed, log.vkey)
        ok, words = _detail(report, "anchor")
        assert not ok
        assert expected in words


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["verify", *arguments])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_the_tool_judges_an_anchor_file(evidence: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, proof, log = evidence
    path, block = tmp_path / "anchor.json", verify_anchor(proof).block
    path.write_bytes(proof.to_bytes())
    code, out, _ = _run(capsys, str(path))
    assert code == 0
    assert "VERIFIED: the log's first 4 entries" in out
    assert "give the log's key with --key" in out
    code, out, _ = _run(capsys, str(path), "--key", log.vkey, "--block", "0x" + block.hash.hex(), "--json")
    report = json.loads(out)
    assert code == 0
    assert report["ok"] is report["pinned"] is report["block_trusted"] is True
    assert (report["size"], report["block_number"]) == ("4", str(block.number))
    code, out, _ = _run(capsys, str(path), "--block", "00" * 32)
    assert code == 1
    assert "none of those that you named" in out
    code, _, err = _run(capsys, str(path), "--block", "0x12")
    assert code == 2
    assert "not the hash of a block" in err
    path.write_bytes(replace(proof, sender=proof.contract).to_bytes())
    code, out, _ = _run(capsys, str(path))
    assert code == 1
    assert out.startswith("NOT VERIFIED: ")


def test_the_tool_names_the_anchor_of_a_bundle(evidence: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path, proof, log = evidence
    code, out, _ = _run(capsys, str(path), "--key", log.vkey, "--block", verify_anchor(proof).block.hash.hex())
    assert code == 0, out
    assert "anchor" in out
    assert "fixed by" in out
