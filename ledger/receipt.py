"""Receipts: the proof that a statement is on the log, as a C2SP tlog-proof (c2sp.org/tlog-proof).

A tlog-proof is one text file: the index, the inclusion proof, and the checkpoint it leads to.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger import checkpoint, verify
from ledger.checkpoint import MAX_PATH, Checkpoint
from ledger.errors import ProofError, SignatureError
from ledger.hashing import HASH_SIZE, leaf_hash
from ledger.note import decode_base64
from ledger.policy import Policy, Verdict

HEADER = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True)
class Receipt:
    """What a writer keeps: the statement stands at `index` under the checkpoint inside `proof`."""

    index: int
    statement_id: str
    leaf_hash: bytes
    proof: str
    size: int

    def to_json(self) -> dict[str, str]:
        """Return the receipt as plain JSON; 64-bit numbers are strings, the leaf hash is hex."""
        return {
            "index": str(self.index),
            "statement_id": self.statement_id,
            "leaf_hash": self.leaf_hash.hex(),
            "proof": self.proof,
            "size": str(self.size),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Receipt":
        """Return the receipt of `to_json`. Raises ProofError when the document is not one."""
        missing = [name for name in ("index", "statement_id", "leaf_hash", "proof", "size") if name not in document]
        if missing:
            raise ProofError(f"not a receipt: the field {missing[0]!r} is missing")
        try:
            return cls(
                index=int(document["index"]),
                statement_id=str(document["statement_id"]),
                leaf_hash=bytes.fromhex(document["leaf_hash"]),
                proof=str(document["proof"]),
                size=int(document["size"]),
            )
        except (TypeError, ValueError, OverflowError) as error:
            raise ProofError(f"not a receipt: a field of it is malformed: {error}") from error


@dataclass(frozen=True)
class TlogProof:
    """The parts of a tlog-proof. `checkpoint` is the signed note, verbatim."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: str


def format_proof(index: int, path: Sequence[bytes], signed_checkpoint: str) -> str:
    """Return the tlog-proof text. Requires 32-byte hashes, leaf side first."""
    lines = [HEADER, f"index {index}", *(base64.b64encode(item).decode() for item in path)]
    return "\n".join(lines) + "\n\n" + signed_checkpoint


def parse_proof(text: str) -> TlogProof:
    """Return the parts of a tlog-proof. Raises ProofError when it is malformed. Checks no proof."""
    head, separator, signed = text.partition("\n\n")
    lines = head.split("\n")
    if not separator or lines[0] != HEADER:
        raise ProofError("not a tlog-proof")
    # Extra data is not authenticated, so it is skipped and never looked at.
    if len(lines) > 1 and lines[1].startswith("extra "):
        del lines[1]
    if len(lines) < 2 or not lines[1].startswith("index "):
        raise ProofError("the tlog-proof names no index")
    number = lines[1].removeprefix("index ")
    if not (number.isascii() and number.isdigit()) or len(number) > 19 or str(int(number)) != number:
        raise ProofError("the index of the tlog-proof is no number")
    if len(lines) - 2 > MAX_PATH:
        raise ProofError("the tlog-proof is longer than any tree is high")
    try:
        path = tuple(decode_base64(line) for line in lines[2:])
    except SignatureError as error:
        raise ProofError(f"a hash of the tlog-proof is malformed: {error}") from error
    if any(len(item) != HASH_SIZE for item in path):
        raise ProofError("a hash of the tlog-proof is not 32 bytes")
    return TlogProof(int(number), path, signed)


def judge_proof(text: str, leaf: bytes, policy: Policy) -> Verdict:
    """Check that the entry with this leaf hash is on a log of the policy; return the verdict on its checkpoint.

    The verdict says whether the quorum of witnesses is reached. Raises ProofError or SignatureError when the
    entry is not proven to be on such a log, or a signature of a key in the policy does not verify.
    """
    parts = parse_proof(text)
    verdict = policy.judge(parts.checkpoint)
    verify.inclusion(parts.index, verdict.checkpoint.size, leaf, parts.path, verdict.checkpoint.root)
    return verdict


def verify_proof(text: str, entry: bytes, trusted_vkey: str) -> Checkpoint:
    """Check that the entry bytes are on the log of this key; return the checkpoint that proves it.

    Raises ProofError or SignatureError. The caller compares the index inside the entry.
    """
    parts = parse_proof(text)
    found = checkpoint.verify(parts.checkpoint, trusted_vkey)
    verify.inclusion(parts.index, found.size, leaf_hash(entry), parts.path, found.root)
    return found
