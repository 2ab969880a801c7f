"""Checking a whole log in its storage: entries, chain, tree, checkpoints, openings, signatures, counters.

The check is independent of what the log believes: it computes everything anew from the entries'
bytes, and compares it with what is stored beside them, with every checkpoint that was signed, and with
checkpoints that the auditor has kept.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ledger import checkpoint
from ledger.attestation import Attestations
from ledger.checkpoint import Checkpoint
from ledger.entry import SIGNATURE, SIGNER, Entry, Erased, verify_opening, verify_signature
from ledger.errors import SignatureError, VerificationError
from ledger.hashing import HASH_SIZE, leaf_hash
from ledger.note import Verifier
from ledger.storage import Record, Storage, StoredCheckpoint
from ledger.tree import KEPT_LEVEL, Frontier

Progress = Callable[[int, int], None]
"""Called with (done, total)."""


@dataclass(frozen=True)
class Problem:
    """One finding. `index` is the entry it is about, or None when it is about the log as a whole."""

    index: int | None
    check: str
    detail: str


@dataclass(frozen=True)
class FsckReport:
    """What a whole-log check found. `root` is the root computed from the entries' bytes."""

    size: int
    root: bytes
    vkey: str | None
    pinned: bool
    checkpoints: int
    erased: int
    problems: list[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON; 64-bit numbers are strings."""
        return {
            "ok": self.ok,
            "size": str(self.size),
            "root": self.root.hex(),
            "vkey": self.vkey,
            "pinned": self.pinned,
            "checkpoints": self.checkpoints,
            "erased": self.erased,
            "problems": [
                {"index": None if p.index is None else str(p.index), "check": p.check, "detail": p.detail}
                for p in self.problems
            ],
        }


def fsck(
    storage: Storage[Any],
    trusted_vkey: str | None = None,
    *,
    kept: Sequence[str] = (),
    progress: Progress | None = None,
) -> FsckReport:
    """Check a whole log and report every problem, each with the index it is about.

    `trusted_vkey` is the log's key obtained by another way; without it the one that the genesis entry
    states is used. `kept` are signed checkpoints that were kept elsewhere: a log that was cut short or
    replaced as a whole is found by these alone. Raises LedgerUnavailableError when the storage cannot
    be read, SignatureError when the key or a kept checkpoint is malformed.
    """
    if trusted_vkey is not None:
        trusted_vkey = Verifier.from_vkey(trusted_vkey).to_vkey()
    return _Fsck(storage, trusted_vkey).run(kept, progress)


class _Fsck:
    def __init__(self, storage: Storage[Any], trusted_vkey: str | None) -> None:
        self.storage = storage
        self.pinned = trusted_vkey is not None
        self.vkey = trusted_vkey
        self.problems: list[Problem] = []
        self.frontier = Frontier()
        self.last_leaf: bytes | None = None
        self.roots: dict[int, bytes] = {}
        self.counters: dict[str, int] = {}
        self.known = Attestations()
        self.erased = 0

    def run(self, kept: Sequence[str], progress: Progress | None) -> FsckReport:
        stated = self.storage.view().frontier
        signed = list(self.storage.checkpoints())
        sizes = {item.size for item in signed} | {checkpoint.unsafe_parse(note).size for note in kept}
        for record in self.storage.records(0, stated.size):
            while self.frontier.size < record.index:
                self._add(self.frontier.size, "entry", "is missing")
                self._grow(self._missing_leaf(self.frontier.size, record), sizes)
            self._check_record(record, sizes)
            if progress is not None:
                progress(self.frontier.size, stated.size)
        if self.frontier != stated:
            self._add(None, "head", f"the head of size {stated.size} is not that of the {self.frontier.size} entries")
        self._check_checkpoints(signed)
        for note in kept:
            self._check_kept(note)
        for statement_id in self.storage.unplaced():
            self._add(None, "statement", f"{statement_id} was recorded and is neither integrated nor pending")
        return FsckReport(
            size=self.frontier.size,
            root=self.frontier.root(),
            vkey=self.vkey,
            pinned=self.pinned,
            checkpoints=len(signed),
            erased=self.erased,
            problems=self.problems,
        )

    def _check_record(self, record: Record, sizes: set[int]) -> None:
        leaf = leaf_hash(record.body)
        try:
            entry = Entry.parse(record.body)
        except VerificationError as error:
            self._add(record.index, "entry", error.problems[0])
        else:
            self._check_entry(record, entry)
        stored = record.hashes[0]
        if stored is None:
            self._add(record.index, "tree", "its leaf hash is missing")
        elif stored != leaf:
            # Going on with the stored hash, the damage is named here and not at every later entry.
            self._add(record.index, "tree", "its bytes do not have the leaf hash that is stored")
            leaf = stored
        if self._grow(leaf, sizes)[KEPT_LEVEL:] != list(record.hashes[1:]):
            self._add(record.index, "tree", "a subtree hash stored with it is missing or not that of its entries")

    def _check_entry(self, record: Record, entry: Entry) -> None:
        index = record.index
        if entry.index != index:
            self._add(index, "entry", f"says that it is entry {entry.index}")
        if entry.previous != self.last_leaf:
            self._add(index, "chain", f"does not follow from entry {index - 1}" if index else "has a predecessor")
        if (entry.statement_id, entry.agreement, entry.counter) != (
            record.statement_id,
            record.agreement,
            record.counter,
        ):
            self._add(index, "entry", "is filed under another statement, agreement or counter than it says")
        if entry.agreement is not None and entry.counter is not None:
            before = self.counters.get(entry.agreement, 0)
            if entry.counter != before + 1:
                detail = f"is statement {entry.counter} of {entry.agreement}, after statement {before}"
                self._add(index, "counter", detail)
            self.counters[entry.agreement] = entry.counter
        self._check_openings(record, entry)

    def _check_openings(self, record: Record, entry: Entry) -> None:
        values = {}
        for name in sorted({*entry.commitments, SIGNATURE} - record.openings.keys()):
            self._add(record.index, "opening", f"the opening of {name!r} is missing")
        for name, opening in record.openings.items():
            if isinstance(opening, Erased):
                self.erased += 1
                continue
            try:
                verify_opening(entry, name, opening)
                values[name] = opening.value
            except VerificationError as error:
                self._add(record.index, "opening", error.problems[0])
        if record.index == 0 and self.vkey is None:
            self.vkey = values.get("log_key")
        if SIGNER not in values or SIGNATURE not in values:
            return
        try:
            signature = verify_signature(entry, values[SIGNER], values[SIGNATURE])
        except VerificationError as error:
            self._add(record.index, "signature", error.problems[0])
            return
        self.known.learn(entry.kind, values, values[SIGNER], signature.public)

    def _grow(self, leaf: bytes, sizes: set[int]) -> list[bytes]:
        """Add a leaf to the tree; return the hashes that a storage keeps with it."""
        self.frontier, created = self.frontier.extend([leaf])
        self.last_leaf = leaf
        if self.frontier.size in sizes:
            self.roots[self.frontier.size] = self.frontier.root()
        return created

    def _missing_leaf(self, index: int, after: Record) -> bytes:
        """Return the leaf hash of an entry that is not there, if the one after it says what it was."""
        try:
            found = Entry.parse(after.body).previous if after.index == index + 1 else None
        except VerificationError:
            found = None
        return found or bytes(HASH_SIZE)

    def _check_checkpoints(self, signed: Sequence[StoredCheckpoint]) -> None:
        if not signed:
            self._add(None, "checkpoint", "the log has signed no checkpoint")
        for item in signed:
            found = self._verified(item.note, "the log's checkpoint")
            if found is not None and (found.size, found.root) != (item.size, item.root):
                self._add(None, "checkpoint", f"the checkpoint filed as size {item.size} says otherwise")

    def _check_kept(self, note: str) -> None:
        self._verified(note, "the kept checkpoint")

    def _verified(self, note: str, what: str) -> Checkpoint | None:
        """Check a signed checkpoint against the tree; return it if its signature holds."""
        try:
            if self.vkey is None:
                raise SignatureError("no log key is known")
            found = checkpoint.verify(note, self.vkey)
        except SignatureError as error:
            self._add(None, "checkpoint", f"{what} does not hold: {error}")
            return None
        if found.size > self.frontier.size:
            detail = f"{what} is of size {found.size}, the log has {self.frontier.size} entries: it was cut short"
            self._add(None, "checkpoint", detail)
        elif found.size and self.roots[found.size] != found.root:
            detail = f"{what} of size {found.size} is of another tree: an entry below {found.size} was changed"
            self._add(None, "checkpoint", detail)
        return found

    def _add(self, index: int | None, check: str, detail: str) -> None:
        self.problems.append(Problem(index, check, detail))
