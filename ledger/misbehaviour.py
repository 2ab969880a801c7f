"""Proofs of misbehaviour: two checkpoints of one log that no append-only log signs both.

Anyone checks such a proof offline with the log's key alone, and nobody can make one about a log that only
ever appended. There are two kinds. A *tree* proof shows that the tree of the second checkpoint has another
root at the first one's size; between equal sizes the two roots themselves show it. An *entry* proof shows
two different entries at one index, each included under one of the checkpoints, as two receipts have it.

A failed consistency proof alone proves nothing: whoever passed it on may have damaged it.
"""

import base64
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ledger import verify
from ledger.checkpoint import MAX_PATH, Checkpoint, unsafe_parse
from ledger.cosignature import LOG_KINDS, verify_checkpoint
from ledger.errors import ProofError, SignatureError
from ledger.hashing import HASH_SIZE
from ledger.note import MAX_NOTE_BYTES, Verifier, decode_base64

HEADER = "industrial-data-exchange/misbehaviour/v1"


@dataclass(frozen=True)
class Placed:
    """An entry's leaf hash with its inclusion path under a checkpoint."""

    leaf: bytes
    path: tuple[bytes, ...]


@dataclass(frozen=True)
class Misbehaviour:
    """A proof. `first` and `second` are signed notes; `keys` are those of the log, as the finder knew them.

    A tree proof has a `path` from the first size to the second that begins with its first node (see
    `ledger.verify.consistency_roots`), empty between equal sizes. An entry proof has an `index` and the
    entry `placed` under each.
    """

    keys: tuple[Verifier, ...]
    first: str
    second: str
    path: tuple[bytes, ...] = ()
    index: int | None = None
    placed: tuple[Placed, Placed] | None = None

    def to_text(self) -> str:
        """Return the proof as one file."""
        lines = [HEADER, *(f"log {key.to_vkey()}" for key in self.keys)]
        if self.placed is None:
            lines.append(" ".join(["tree", *map(_encode, self.path)]))
        else:
            lines.append(f"entry {self.index}")
            for name, item in zip(("first", "second"), self.placed, strict=True):
                lines.append(" ".join([name, _encode(item.leaf), *map(_encode, item.path)]))
        return "\n".join(lines) + f"\n\n{self.first}\n{self.second}"

    @classmethod
    def parse(cls, text: str) -> "Misbehaviour":
        """Return the proof in a file; nothing is verified. Raises ProofError when it is malformed."""
        if len(text) > 2 * MAX_NOTE_BYTES or not text.startswith(HEADER + "\n"):
            raise ProofError("not a proof of misbehaviour")
        # The bodies of checkpoints have no empty lines, so the empty lines are those between the parts.
        parts = text.split("\n\n")
        if len(parts) != 5:
            raise ProofError("a proof of misbehaviour has a head and two checkpoints")
        head, first, first_signed, second, second_signed = parts
        try:
            return _parse_head(head, f"{first}\n\n{first_signed}\n", f"{second}\n\n{second_signed}")
        except (SignatureError, ValueError, IndexError) as error:
            raise ProofError(f"the head of the proof of misbehaviour is malformed: {error}") from error


@dataclass(frozen=True)
class Finding:
    """What a verified proof shows: the two checkpoints, and in one sentence why no honest log signs both."""

    first: Checkpoint
    second: Checkpoint
    pinned: bool
    text: str


def from_trees(keys: Collection[Verifier], first: str, second: str, path: Sequence[bytes] = ()) -> Misbehaviour:
    """Return the proof that two signed checkpoints contradict each other; the order does not matter.

    `path` leads from the smaller size to the larger in the tree of the larger, beginning with its first
    node. Raises ProofError or SignatureError when they do not contradict each other by this path.
    """
    if unsafe_parse(first).size > unsafe_parse(second).size:
        first, second = second, first
    made = Misbehaviour(tuple(keys), first, second, tuple(path))
    verify_misbehaviour(made, keys)
    return made


def from_entries(
    keys: Collection[Verifier], index: int, first: tuple[str, Placed], second: tuple[str, Placed]
) -> Misbehaviour:
    """Return the proof that two checkpoints, each given with an entry placed under it, differ at one index.

    Raises ProofError or SignatureError when that is not shown.
    """
    made = Misbehaviour(tuple(keys), first[0], second[0], (), index, (first[1], second[1]))
    verify_misbehaviour(made, keys)
    return made


def verify_misbehaviour(proof: Misbehaviour, trusted: Collection[Verifier] = ()) -> Finding:
    """Check a proof and return what it shows.

    With `trusted` keys, obtained by another way, the finding is `pinned`; without, the keys in the proof
    are used, and whoever made them could have signed anything. Raises SignatureError when a checkpoint is
    not signed by the log, ProofError when both may have been signed by an honest one.
    """
    keys = tuple(trusted) or proof.keys
    first, second = _signed(proof.first, keys), _signed(proof.second, keys)
    if first.origin != second.origin:
        raise ProofError("the checkpoints are of two logs")
    if proof.placed is None:
        text = _require_trees_differ(first, second, proof.path)
    else:
        text = _require_entries_differ(first, second, proof)
    return Finding(first, second, bool(trusted), f"the log {first.origin} {text}")


def _require_trees_differ(first: Checkpoint, second: Checkpoint, path: Sequence[bytes]) -> str:
    if first.size == second.size:
        if path or first.root == second.root:
            raise ProofError("the two checkpoints have the same root")
        return f"signed two different trees of size {first.size}"
    old_root, new_root = verify.consistency_roots(first.size, second.size, path)
    if new_root != second.root:
        raise ProofError(f"the path does not lead to the root at size {second.size}")
    if old_root == first.root:
        raise ProofError(f"the checkpoint of size {second.size} extends that of size {first.size}")
    return f"signed a tree of size {first.size}, and one of size {second.size} that does not begin with it"


def _require_entries_differ(first: Checkpoint, second: Checkpoint, proof: Misbehaviour) -> str:
    if proof.placed is None or proof.index is None:
        raise ProofError("the proof names no entry")
    for found, item in zip((first, second), proof.placed, strict=True):
        verify.inclusion(proof.index, found.size, item.leaf, item.path, found.root)
    if proof.placed[0].leaf == proof.placed[1].leaf:
        raise ProofError(f"both checkpoints have the same entry {proof.index}")
    return f"signed trees of sizes {first.size} and {second.size} with different entries {proof.index}"


def _signed(note: str, keys: Sequence[Verifier]) -> Checkpoint:
    problem = SignatureError("no key of the log is known")
    for key in keys:
        try:
            return verify_checkpoint(note, key)
        except SignatureError as error:
            problem = error
    raise problem


def _parse_head(head: str, first: str, second: str) -> Misbehaviour:
    lines = head.split("\n")[1:]
    keys = []
    while lines and lines[0].startswith("log "):
        keys.append(Verifier.from_vkey(lines.pop(0)[4:], LOG_KINDS))
    kind, *words = lines[0].split(" ")
    if kind == "tree" and len(lines) == 1:
        return Misbehaviour(tuple(keys), first, second, _hashes(words))
    if kind != "entry" or len(lines) != 3 or len(words) != 1 or not re.fullmatch("[0-9]{1,19}", words[0]):
        raise ValueError("neither a tree nor an entry")
    placed = []
    for name, line in zip(("first", "second"), lines[1:], strict=True):
        found, *rest = line.split(" ")
        if found != name:
            raise ValueError(f"the line of the {name} entry is missing")
        leaf, *path = _hashes(rest)
        placed.append(Placed(leaf, tuple(path)))
    return Misbehaviour(tuple(keys), first, second, (), int(words[0]), (placed[0], placed[1]))


def _hashes(words: Sequence[str]) -> tuple[bytes, ...]:
    found = tuple(decode_base64(word) for word in words)
    if len(found) > MAX_PATH + 1 or any(len(item) != HASH_SIZE for item in found):
        raise ValueError("a hash is not 32 bytes, or there are more than any tree is high")
    return found


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()
