"""The scripts that judge in the visitor's browser judge as the library does: published probes, signatures, canonical JSON, flipped bits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from exchange.audit.verification import verify_receipt
from exchange.errors import InvalidInputError
from ledger import signatures
from ledger.canonical import encode
from ledger.errors import SignatureError

pytestmark = pytest.mark.browser


PROBES = """
async (probes) => {
  const V = ledgerVerify, hashes = (items) => (items || []).map((item) => V.fromBase64(item)), one = (item) => V.fromBase64(item || "");
  const judged = [];
  for (const [kind, probe] of probes) {
    try {
      if (kind === "inclusion") {
        await V.verifyInclusion(BigInt(probe.leafIdx), BigInt(probe.treeSize), one(probe.leafHash), hashes(probe.proof), one(probe.root));
      } else {
        await V.verifyConsistency(BigInt(probe.size1), BigInt(probe.size2), hashes(probe.proof), one(probe.root1), one(probe.root2));
      }
      judged.push(true);
    } catch { judged.push(false); }
  }
  return judged;
}
"""


def test_the_script_judges_the_published_probes_as_published(page: Any, vectors: Path) -> None:
    folder = vectors / "merkle-rfc6962"
    paths = [(kind, path) for kind in ("inclusion", "consistency") for path in sorted((folder / kind).rglob("*.json"))]
    probes = [(kind, json.loads(path.read_text())) for kind, path in paths]
    judged = page.evaluate(PROBES, probes)
    assert len(judged) == 196
    wrong = [
        str(path) for (_, path), (_, probe), ok in zip(paths, probes, judged, strict=True) if ok is probe["wantErr"]
    ]
    assert not wrong


SIGNATURES = """
async (items) => Promise.all(items.map((item) => {
  const [key, message, signature] = item.map((text) => ledgerVerify.fromHex(text));
  return ledgerVerify.verifyEd25519(key, message, signature).catch(() => false);
}))
"""


def test_the_script_judges_signatures_as_the_library_does(page: Any, vectors: Path) -> None:
    groups = json.loads((vectors / "wycheproof" / "ed25519_test.json").read_text())["testGroups"]
    items = [(group["publicKey"]["pk"], test["msg"], test["sig"]) for group in groups for test in group["tests"]]
    # Keys and points of small order, under which one signature holds for every message, and encodings beyond the prime.
    weak = ["00" * 32, "01" + "00" * 31, "ec" + "ff" * 30 + "7f", "ed" + "ff" * 30 + "7f", "ee" + "ff" * 30 + "7f",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", "00" * 31 + "80"]  # fmt: skip
    items += [(key, "6869", point + "00" * 32) for key in weak for point in weak]

    def holds(key: str, message: str, signature: str) -> bool:
        try:
            signatures.verify_bytes(bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signature))
        except SignatureError:
            return False
        return True

    assert page.evaluate(SIGNATURES, items) == [holds(*item) for item in items]


def test_the_script_writes_canonical_json_as_the_library_does(page: Any, vectors: Path) -> None:
    for path in sorted((vectors / "jcs" / "input").glob("*.json")):
        text = path.read_text(encoding="utf-8")
        assert (
            page.evaluate("text => ledgerVerify.canonical(JSON.parse(text))", text) == encode(json.loads(text)).decode()
        )


JUDGE = """
async ([key, cases]) => {
  const policy = await ledgerTrust.parseTrust(key), judged = [];
  for (const [text, body] of cases) {
    try {
      const { checks } = await ledgerTrust.judgeReceipt(ledgerVerify.readReceipt(text), body, policy);
      judged.push(checks.every((check) => check.ok));
    } catch { judged.push(false); }
  }
  return judged;
}
"""


def flips(text: str, *bits: int) -> list[str]:
    """Return the text with one bit flipped, for every byte and each of these bits, as far as it stays text."""
    found, raw = [], text.encode()
    for place in range(len(raw)):
        for bit in bits:
            changed = bytearray(raw)
            changed[place] ^= 1 << bit
            try:
                found.append(changed.decode())
            except UnicodeDecodeError:
                continue
    return found


def test_after_a_flipped_bit_anywhere_the_browser_and_the_library_judge_alike(site: Any, page: Any) -> None:
    entry, receipt = site.receipt()
    body, stated = entry.body.decode(), json.dumps(receipt.to_json())
    cases = [(receipt.proof, body), (stated, body)]
    cases += [(text, body) for text in flips(receipt.proof, 0, 5)]
    proofs = len(cases)
    cases += [(text, body) for text in flips(stated, 1)] + [(receipt.proof, text) for text in flips(body, 0, 5)]

    def library(text: str, entry: str) -> bool:
        try:
            return all(check.ok for check in verify_receipt(site.log, text, entry))
        except InvalidInputError:
            return False

    expected = [library(*case) for case in cases]
    judged = page.evaluate(JUDGE, [site.log.vkey, cases])
    differing = [(case, ours) for case, theirs, ours in zip(cases, judged, expected, strict=True) if theirs is not ours]
    assert not differing, differing[:3]
    assert judged[:2] == [True, True]
    # Of a proof nothing but white space at its end may change; a name beside the proof that nobody knows is not looked at.
    assert [
        text
        for (text, _), ok in zip(cases[2:proofs], judged[2:proofs], strict=True)
        if ok and text.strip() != receipt.proof.strip()
    ] == []
    assert sum(judged) < len(cases) // 20
