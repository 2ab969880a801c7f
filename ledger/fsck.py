"""Checking a whole log in its storage: entries, chain, tree, checkpoints, openings, signatures, counters, meaning.

The check is independent of what the log believes: it computes everything anew from the entries'
bytes, and compares it with what is stored beside them, with every checkpoint that was signed, and with
checkpoints that the auditor has kept.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from ledger import checkpoint
from ledger.attestation import GENESIS, Attestations
from ledger.checkpoint import Checkpoint
from ledger.entry import SIGNATURE, SIGNER, Entry, Erased, Opening, check_signature, verify_opening
from ledger.erasures import Erasures
from ledger.errors import LedgerError, SignatureError, VerificationError
from ledger.fsckreport import FsckReport, Problem
from ledger.hashing import HASH_SIZE, leaf_hash
from ledger.identifiers import agreement_to_bytes
from ledger.meaning import KINDS, Meaning, Said
from ledger.note import Verifier
from ledger.spill import Spill
from ledger.storage import Readable, Record, StoredCheckpoint
from ledger.succession import FIELD, KEYS, RETIRED, LogKeys, signers_of, verify_with
from ledger.together import Together
from ledger.tree import KEPT_LEVEL, Growth

__all__ = ["FsckReport", "Problem", "Progress", "fsck"]

LOG_KEY_FIELDS = (FIELD, RETIRED)

Progress = Callable[[int, int], None]
"""Called with (done, total)."""

_COUNTERS_IN_MEMORY = 200_000


def fsck(
    storage: Readable,
    trusted_vkey: str | None = None,
    *,
    kept: Sequence[str] = (),
    openings: bool = True,
    workers: int | None = None,
    progress: Progress | None = None,
) -> FsckReport:
    """Check a whole log and report every problem, each with the index it is about.

    `trusted_vkey` is the log's key obtained by another way; without it the one that the genesis entry
    states is used. `kept` are signed checkpoints that were kept elsewhere: a log that was cut short or
    replaced as a whole is found by these alone. Without `openings` only what is public is checked: the
    entries, chain, tree, checkpoints and counters. Signatures are checked by `workers`, one for each core
    if not told otherwise. Raises LedgerUnavailableError when the storage cannot be read, SignatureError
    when the key or a kept checkpoint is malformed.
    """
    if trusted_vkey is not None:
        trusted_vkey = Verifier.from_vkey(trusted_vkey).to_vkey()
    with Together(workers) as together:
        return _Fsck(storage, trusted_vkey, openings, together).run(kept, progress)


class _Fsck:
    def __init__(self, storage: Readable, trusted_vkey: str | None, openings: bool, signatures: Together) -> None:
        self.storage = storage
        self.pinned = trusted_vkey is not None
        self.vkey = trusted_vkey
        self.with_openings = openings
        self.signatures = signatures
        self.problems: list[Problem] = []
        self.tree = Growth()
        self.last_leaf: bytes | None = None
        # Checkpoints come and are checked as the tree grows, since there may be one for each entry.
        self.signed: Iterator[StoredCheckpoint] = iter(())
        self.next_signed: StoredCheckpoint | None = None
        self.checkpoints = 0
        self.kept_roots: dict[int, bytes] = {}
        self.agreed: dict[str, int] = {}
        self.counters: Spill[int] = Spill(str, int, _COUNTERS_IN_MEMORY)
        self.known = Attestations()
        self.log_keys = LogKeys()
        # How many checkpoints bear signatures of these keys and not of the trusted one.
        self.others: dict[tuple[str, ...], int] = {}
        self.meaning = Meaning()
        # The first statement under each key that was not attested when it signed; a firm's first ones are not.
        self.unattested: dict[tuple[str, bytes], tuple[int, Mapping[str, Any]]] = {}
        self.erasures = Erasures()

    def run(self, kept: Sequence[str], progress: Progress | None) -> FsckReport:
        view = self.storage.view()
        stated = view.frontier
        if view.checkpoint is None:
            self._add(None, "checkpoint", "the log has signed no checkpoint")
        else:
            # Those that are signed while the check is running are of entries that it does not look at.
            last = view.checkpoint.size
            self.signed = itertools.takewhile(lambda item: item.size <= last, self.storage.checkpoints())
            self.next_signed = next(self.signed, None)
        self.kept_roots = {checkpoint.unsafe_parse(note).size: b"" for note in kept}
        for record in self.storage.records(0, stated.size, openings=self.with_openings):
            while self.tree.size < record.index:
                self._add(self.tree.size, "entry", "is missing")
                self._grow(self._missing_leaf(self.tree.size, record))
            if record.index < self.tree.size:
                self._add(record.index, "entry", "stands there more than once")
                continue
            self._check_record(record)
            if progress is not None:
                progress(self.tree.size, stated.size)
        found = self.tree.frontier()
        if found != stated:
            first_missing = found.size if found.size < stated.size else None
            detail = f"the head of size {stated.size} is not that of the {found.size} entries"
            self._add(first_missing, "head", detail)
        while self.next_signed is not None:
            self._check_signed()
        self.signatures.finish()
        self._check_keys()
        for violation in self.meaning.close():
            self._add(violation.index, violation.rule, violation.detail)
        erasures = self.erasures.judge(whole=True)
        for erasure in erasures:
            if erasure.problem is not None:
                self._add(erasure.index, "erasure", erasure.problem)
        vouched = self._check_vouched()
        for note in sorted(kept, key=lambda note: checkpoint.unsafe_parse(note).size):
            self._check_kept(note, vouched)
        self._check_storage()
        return FsckReport(
            size=found.size,
            root=found.root(),
            vkey=self.vkey,
            pinned=self.pinned,
            checkpoints=self.checkpoints,
            erasures=tuple(erasures),
            openings=self.with_openings,
            deliveries=self.meaning.deliveries,
            unjudged=self.meaning.unjudged,
            # Those of signatures were found later than others of the same entry, or of entries after it.
            problems=sorted(self.problems, key=lambda item: (item.index is None, item.index or 0)),
        )

    def _check_storage(self) -> None:
        for fault in self.storage.faults():
            self._add(None, "file", fault)
        for recorded in self.storage.unplaced():
            self._add(None, "statement", f"{recorded} was recorded and is neither integrated nor pending")

    def _check_record(self, record: Record) -> None:
        leaf = leaf_hash(record.body)
        if record.entry is None:
            self._add(record.index, "entry", self._malformed(record.body) + record.where)
        else:
            self._check_entry(record, record.entry)
        stored = record.hashes[0]
        if stored is None:
            self._add(record.index, "tree", "its leaf hash is missing" + record.where)
        elif stored != leaf:
            # Going on with the stored hash, the damage is named here and not at every later entry.
            self._add(record.index, "tree", "its bytes do not have the leaf hash that is stored" + record.where)
            leaf = stored
        if self._grow(leaf)[KEPT_LEVEL:] != record.hashes[1:]:
            self._add(record.index, "tree", "a subtree hash stored with it is missing or not that of its entries")

    def _malformed(self, body: bytes) -> str:
        try:
            Entry.parse(body)
        except VerificationError as error:
            return str(error.problems[0])
        return "was not read"

    def _check_entry(self, record: Record, entry: Entry) -> None:
        index = record.index
        if entry.index != index:
            self._add(index, "entry", f"says that it is entry {entry.index}")
        if entry.previous != self.last_leaf:
            self._add(index, "chain", f"does not follow from entry {index - 1}" if index else "has a predecessor")
        if not record.is_filed:
            self._add(index, "entry", "is filed under another statement, agreement or counter than it says")
        if entry.agreement is not None and entry.counter is not None:
            before = self.counters.swap(agreement_to_bytes(entry.agreement), entry.counter) or 0
            if entry.counter != before + 1:
                detail = f"is statement {entry.counter} of {entry.agreement}, after statement {before}"
                self._add(index, "counter", detail)
        if record.openings is not None:
            self._check_openings(record, entry, record.openings)
            return
        # They were not asked for, are not kept here, or cannot be unsealed.
        self.with_openings = False
        if entry.kind in (GENESIS, KEYS):
            with suppress(LedgerError):
                self._learn_keys(entry, self.storage.openings(entry.statement_id))

    def _check_openings(self, record: Record, entry: Entry, openings: Mapping[str, Opening | Erased]) -> None:
        values = {}
        for name in sorted({*entry.commitments, SIGNATURE} - openings.keys()):
            self._add(record.index, "opening", f"the opening of {name!r} is missing")
        for name, opening in openings.items():
            if isinstance(opening, Erased):
                self.erasures.found(record.index, entry.statement_id, name, opening.by)
                continue
            try:
                verify_opening(entry, name, opening)
                values[name] = opening.value
            except VerificationError as error:
                self._add(record.index, "opening", error.problems[0])
        self.erasures.ordered(record.index, entry.statement_id, entry.kind, values)
        if entry.kind in (GENESIS, KEYS):
            self._learn_keys(entry, openings)
        if SIGNER in values and SIGNATURE in values:
            given = (entry.index, entry.payload, values[SIGNER], values[SIGNATURE])
            self.signatures.add(_signing_key, given, partial(self._check_signature, entry, values))
        elif entry.kind in KINDS:
            self.meaning.unjudged += 1

    def _check_signature(self, entry: Entry, values: Mapping[str, Any], found: bytes | LedgerError) -> None:
        if isinstance(found, LedgerError):
            self._add(entry.index, "signature", _words(found))
            return
        signer = values[SIGNER]
        self.known.learn(entry.index, entry.kind, values, signer, found)
        attested = self.known.attests(signer, found, entry.index)
        if entry.kind == KEYS and not attested:
            self._add(entry.index, "key", "changes the exchange's keys under a key that the log does not attest for it")
        elif not attested:
            self.unattested.setdefault((signer["participant"], found), (entry.index, signer))
        if entry.kind in KINDS:
            for violation in self.meaning.hear(Said.of(entry, values, attested)):
                self._add(violation.index, violation.rule, violation.detail)

    def _check_keys(self) -> None:
        """Name the first statement under each key that the log never attested, if it attests keys of participants at all."""
        for (name, public), (index, signer) in self.unattested.items():
            if self.known.participants and not self.known.attests(signer, public, index):
                self._add(index, "key", f"is signed by a key that the log does not attest for {name}")

    def _learn_keys(self, entry: Entry, openings: Mapping[str, Opening | Erased]) -> None:
        values = {}
        for name in LOG_KEY_FIELDS:
            # Without openings nothing else says so; with them it has been said.
            with suppress(VerificationError):
                if isinstance(opening := openings.get(name), Opening):
                    verify_opening(entry, name, opening)
                    values[name] = opening.value
        self.log_keys.learn(entry.index, entry.kind, values)
        if entry.index == 0 and self.vkey is None:
            self.vkey = next(iter(self.log_keys.named), None)

    def _grow(self, leaf: bytes) -> list[bytes]:
        """Add a leaf to the tree; return the hashes that a storage keeps with it."""
        created = self.tree.add(leaf)
        self.last_leaf = leaf
        if self.tree.size in self.kept_roots:
            self.kept_roots[self.tree.size] = self.tree.root()
        while self.next_signed is not None and self.next_signed.size <= self.tree.size:
            self._check_signed()
        return created

    def _missing_leaf(self, index: int, after: Record) -> bytes:
        """Return the leaf hash of an entry that is not there, as it is stored elsewhere or the one after it has it."""
        with suppress(VerificationError):
            if stored := self.storage.leaves(index, index + 1):
                return stored[0]
        found = after.entry.previous if after.entry is not None and after.index == index + 1 else None
        return found or bytes(HASH_SIZE)

    def _check_signed(self) -> None:
        """Check the next of the log's own checkpoints, which is of the tree as it is now or of a larger one."""
        item = self.next_signed
        if item is None:
            return
        self.checkpoints += 1
        self.next_signed = next(self.signed, None)
        root = self.tree.root() if item.size == self.tree.size else None
        # A key that the auditor trusts may be named later, and sign what is older as well.
        keys = [key for key in [self.vkey, *self.log_keys.in_force(item.size)] if key is not None]
        given = (item.note, tuple(dict.fromkeys(keys)), self.vkey)
        self.signatures.add(signers_of, given, partial(self._compare_signed, item, root))

    def _compare_signed(
        self, item: StoredCheckpoint, root: bytes | None, outcome: tuple[Checkpoint, tuple[str, ...]] | LedgerError
    ) -> None:
        if isinstance(outcome, LedgerError):
            self._add(None, "checkpoint", _words(outcome))
            return
        found, signers = outcome
        for key in signers:
            self.log_keys.saw(key, found.size)
        if self.vkey not in signers:
            self.others[signers] = self.others.get(signers, 0) + 1
        if (found.size, found.root) != (item.size, item.root):
            self._add(None, "checkpoint", f"the checkpoint filed as size {item.size} says otherwise")
        else:
            self._compare(found, root, "the log's checkpoint")

    def _check_vouched(self) -> set[str]:
        """Name the checkpoints of keys that the trusted one never vouched for; return those that it did."""
        vouched = set() if self.vkey is None else self.log_keys.vouched(self.vkey)
        for signers, count in self.others.items():
            if not vouched & set(signers):
                detail = f"the log's checkpoint does not hold: it is not signed by {self.vkey}"
                self.problems += [Problem(None, "checkpoint", detail)] * count
        return vouched

    def _check_kept(self, note: str, vouched: set[str]) -> None:
        keys = [key for key in self.log_keys.named if key in vouched] or [*vouched]
        try:
            if not keys:
                raise SignatureError("no log key is known")
            found, _ = verify_with(note, keys)
        except SignatureError as error:
            self._add(None, "checkpoint", f"the kept checkpoint does not hold: {error}")
            return
        self._compare(found, self.kept_roots.get(found.size), "the kept checkpoint")

    def _compare(self, found: Checkpoint, root: bytes | None, what: str) -> None:
        """Compare a checkpoint with the root of the entries at its size, None where there are not as many.

        Requires growing sizes: what agreed before narrows down which entry was changed.
        """
        if found.size > self.tree.size:
            detail = f"{what} is of size {found.size}, the log has {self.tree.size} entries: it was cut short"
            self._add(self.tree.size, "checkpoint", detail)
        elif not found.size or root == found.root:
            self.agreed[what] = found.size
        else:
            last = found.size - 1
            first = min(self.agreed.get(what, 0), last)
            which = f"entry {last}" if first == last else f"one of the entries {first} to {last}"
            index = first if first or first == last else None
            self._add(index, "checkpoint", f"{what} of size {found.size} is of another tree: {which} was changed")

    def _add(self, index: int | None, check: str, detail: str) -> None:
        self.problems.append(Problem(index, check, detail))


def _signing_key(index: int, payload: bytes, signer: Any, signature: Any) -> bytes:
    """Return the public key under which a signature holds; less than all of it, since it may come from another process."""
    return check_signature(index, payload, signer, signature).public


def _words(error: LedgerError) -> str:
    return str(error.problems[0]) if isinstance(error, VerificationError) else str(error)
