"""`verify` of what is one text: a receipt, a signed checkpoint, an anchor, or a proof of misbehaviour."""

import argparse
import json
from typing import Any

from ledger import checkpoint, misbehaviour, receipt
from ledger.anchors.ethereum import proof as anchor
from ledger.cli.output import FAILED, VERIFIED, tell
from ledger.cli.sources import is_signed, read_text
from ledger.entry import Entry
from ledger.errors import LedgerError, ProofError, SignatureError, VerificationError
from ledger.hashing import HASH_SIZE, leaf_hash
from ledger.misbehaviour import Misbehaviour, verify_misbehaviour
from ledger.note import ED25519
from ledger.policy import Policy, Verdict

_MAX_TEXT = 4 << 20
_MAX_PARTS = 500


def verify_paper(options: argparse.Namespace, policy: Policy | None) -> int:
    """Judge the text in `options.file` by what it is. Raises LedgerError when it is nothing of the kind."""
    text = read_text(options.file, _MAX_TEXT)
    if text.startswith(misbehaviour.HEADER):
        return _misbehaviour(options, text, policy)
    if anchor.is_proof(text.encode()):
        return _anchor(options, text.encode(), policy)
    is_receipt = text.startswith(receipt.HEADER) or text.lstrip().startswith("{")
    if not is_receipt and not is_signed(text):
        raise LedgerError(
            f"{options.file} is nothing that can be verified: no evidence bundle (a zip file), receipt, signed checkpoint,"
            " proof of an anchor or proof of misbehaviour"
        )
    if policy is None:
        raise LedgerError("name whom you trust, with --policy or --key")
    if is_receipt:
        return _receipt(options, text, policy)
    return _checkpoint(options, text, policy)


def _misbehaviour(options: argparse.Namespace, text: str, policy: Policy | None) -> int:
    trusted = [] if policy is None else [item.verifier for item in policy.logs]
    try:
        finding = verify_misbehaviour(Misbehaviour.parse(text), trusted)
    except (ProofError, SignatureError) as error:
        return tell(options, {"ok": False, "problem": str(error)}, f"NOT PROVEN: {error}.", FAILED)
    report = {"ok": True, "pinned": finding.pinned, "misbehaviour": finding.text, "origin": finding.first.origin}
    words = f"MISBEHAVIOUR PROVEN: {finding.text}. No honest log does that."
    if not finding.pinned:
        words += "\nThe log's key came from the proof itself; give the one that you know with --key."
    return tell(options, report, words, VERIFIED)


def _anchor(options: argparse.Namespace, data: bytes, policy: Policy | None) -> int:
    keys = [] if policy is None else [item.verifier.to_vkey() for item in policy.logs if item.verifier.kind == ED25519]
    blocks = parse_blocks(options.block)
    try:
        evidence = anchor.verify_anchor(anchor.AnchorProof.from_bytes(data), *keys)
        if blocks and evidence.block.hash not in blocks:
            raise ProofError(f"the block 0x{evidence.block.hash.hex()} is none of those that you named")
    except (ProofError, SignatureError) as error:
        return tell(options, {"ok": False, "problem": str(error)}, f"NOT VERIFIED: {error}.", FAILED)
    proof = evidence.proof
    report: dict[str, Any] = {
        "ok": True,
        "pinned": bool(keys),
        "block_trusted": bool(blocks),
        "size": str(proof.link.size),
        "root": proof.link.root.hex(),
        "block_number": str(evidence.block.number),
        "block_hash": evidence.block.hash.hex(),
        "block_time": evidence.block.time.isoformat().replace("+00:00", "Z"),
        "chain_id": str(proof.chain_id),
        "contract": proof.contract.hex(),
        "sender": proof.sender.hex(),
    }
    words = f"VERIFIED: {evidence.fact if blocks else evidence.words}."
    if not keys:
        words += "\nThat the root is your log's was not checked; give the log's key with --key."
    return tell(options, report, words, VERIFIED)


def parse_blocks(given: list[str]) -> list[bytes]:
    """Return the hashes of blocks as given on the command line. Raises LedgerError when one is none."""
    hashes = []
    for text in given:
        try:
            found = bytes.fromhex(text.removeprefix("0x"))
        except ValueError:
            found = b""
        if len(found) != HASH_SIZE:
            raise LedgerError(f"{text[:80]!r} is not the hash of a block: 64 hexadecimal digits")
        hashes.append(found)
    return hashes


def _receipt(options: argparse.Namespace, text: str, policy: Policy) -> int:
    proof, claimed = _proof_text(text)
    body = None if options.entry is None else options.entry.read_bytes()
    index = receipt.parse_proof(proof).index
    leaf = claimed if body is None else leaf_hash(body)
    if leaf is None:
        raise LedgerError("name the entry's exact bytes with --entry: a tlog-proof alone does not say what it proves")
    try:
        verdict = receipt.judge_proof(proof, leaf, policy)
        if body is not None and (inside := Entry.parse(body)).index != index:
            raise VerificationError([f"the receipt is of entry {index}, the bytes are those of entry {inside.index}"])
    except (ProofError, SignatureError, VerificationError) as error:
        return tell(options, {"ok": False, "problem": str(error)}, f"NOT VERIFIED: {error}.", FAILED)
    what = f"entry {index}" if body is not None else f"an entry {index} with the leaf hash {leaf.hex()}"
    return _quorum(options, verdict, f"{what} stands on {verdict.checkpoint.origin}")


def _checkpoint(options: argparse.Namespace, text: str, policy: Policy) -> int:
    checkpoint.unsafe_parse(text)
    try:
        verdict = policy.judge(text)
    except SignatureError as error:
        return tell(options, {"ok": False, "problem": str(error)}, f"NOT VERIFIED: {error}.", FAILED)
    return _quorum(options, verdict, f"{verdict.checkpoint.origin} signed size {verdict.checkpoint.size}")


def _quorum(options: argparse.Namespace, verdict: Verdict, what: str) -> int:
    """Tell what is proven of an entry or a checkpoint, and whether the witnesses agree."""
    times = {name: item.time for name, item in verdict.cosignatures.items()}
    report: dict[str, Any] = {
        "ok": verdict.reached,
        "origin": verdict.checkpoint.origin,
        "size": str(verdict.checkpoint.size),
        "root": verdict.checkpoint.root.hex(),
        "cosigned": times,
        "missing": list(verdict.missing),
        "shortfalls": list(verdict.shortfalls),
    }
    if not verdict.reached:
        lines = "".join(f"\n  {line}" for line in verdict.shortfalls)
        return tell(options, report, f"NOT VERIFIED: {what}, but the witnesses' quorum is not reached.{lines}", FAILED)
    names = ", ".join(times) or "none"
    words = f"VERIFIED: {what}, in the tree of size {verdict.checkpoint.size}. Witnesses that cosigned it: {names}."
    return tell(options, report, words, VERIFIED)


def _proof_text(text: str) -> tuple[str, bytes | None]:
    """Return the tlog-proof of a receipt, and the leaf hash that a JSON receipt names."""
    if text.startswith(receipt.HEADER):
        return text, None
    # Counted before it is parsed: the parser's own limit is the interpreter's, which a program can have raised.
    if text.count("{") + text.count("[") > _MAX_PARTS:
        raise LedgerError("neither a tlog-proof nor a JSON receipt: it has more parts than any receipt")
    try:
        document = json.loads(text)
    except ValueError as error:
        raise LedgerError(f"neither a tlog-proof nor a JSON receipt: {error}") from error
    inside = document.get("receipt", document)
    found = receipt.Receipt.from_json(inside if isinstance(inside, dict) else {})
    return found.proof, found.leaf_hash
