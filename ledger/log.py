"""The log: admission of statements, their integration under signed checkpoints, and proofs.

The write path is `append(connection, draft, signature)` in the caller's transaction, then, after the
caller's commit, `receipt(statement_id)`. The log signs checkpoints and nothing else. A log that nobody
else's transaction is tied to has a shorter one in `ledger.standalone`.
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic

from ledger import checkpoint, proof, verify
from ledger.checkpoint import Checkpoint
from ledger.entry import Admitted, Draft, Entry, Erased, Opening, Signature, admit
from ledger.errors import LedgerError, LedgerUnavailableError, NotFoundError, ProofError, VerificationError
from ledger.genesis import genesis
from ledger.highwater import HighWater
from ledger.notary import Notary
from ledger.receipt import Receipt, format_proof
from ledger.schema import Schema
from ledger.sequencer import Placed, Sequencer, Waiter
from ledger.signatures import SigningKey
from ledger.storage import C, Sequenced, Storage, StoredCheckpoint, View
from ledger.succession import Succession, follow, verify_with


@dataclass(frozen=True)
class Written:
    """Statements written together. Where they were not sequenced at once, their receipts are waited for."""

    statement_ids: tuple[str, ...]
    sequenced: Sequenced | None
    signed: StoredCheckpoint | None


# How long a statement may be with whoever has the turn before its writer looks for itself.
_PATIENCE = 0.25


class Log(Generic[C]):
    """A transparency log named `origin` in a storage. Safe to share between threads.

    With a `high_water` mark kept beside the key, the log refuses to sign from an old or other database.
    With a `schema` it takes only statements of the kinds that the schema defines, each as defined.
    `former` keys sign beside `key`, so that whoever trusts one of them still verifies; `successions` are the
    changes of key since the genesis.
    """

    def __init__(
        self,
        storage: Storage[C],
        key: SigningKey,
        origin: str,
        *,
        high_water: HighWater | None = None,
        schema: Schema | None = None,
        former: Sequence[SigningKey] = (),
        successions: Sequence[Succession] = (),
    ) -> None:
        self.storage = storage
        self.origin = origin
        self.notary = Notary(origin, key, high_water, storage.hashes, *former)
        self.vkey = self.notary.vkey
        self.successions = tuple(successions)
        self.vkeys: tuple[str, ...] = (self.vkey,)
        self._schema = schema
        # One thread per process integrates; the others find the work done.
        self._turn = threading.Lock()
        self._sequencer: Sequencer | None = None

    def open(self, statement_key: SigningKey, *, at: str | None = None, timeout: float = 5.0) -> None:
        """Write the genesis entry if there is none, check that the log is this one, sign what is unsigned.

        Statements left without a checkpoint by a crash are integrated. Uses transactions of its own, so
        the caller must not hold a write transaction. Raises LedgerError when the log in the storage has
        another origin or log key, VerificationError when its last checkpoint does not fit its tree.
        """
        if self.storage.view().frontier.size == 0:
            self.storage.found(genesis(self.origin, self.vkey, statement_key, at))
        fields = self.openings(self.entry(0).statement_id)
        origin, first = (_open(fields.get(name)) for name in ("origin", "log_key"))
        if origin != self.origin:
            raise LedgerError("the database holds the log of another origin")
        keys = follow(first, self.successions) if isinstance(first, str) else []
        if self.vkey not in keys:
            raise LedgerError("the database holds the log of another log key")
        self.vkeys = (self.vkey, *(key for key in reversed(keys) if key != self.vkey))
        self._require_high_water()
        self._require_continuity()
        self.integrate(timeout)
        self.storage.scrub(time.monotonic() + timeout)

    def start(self) -> None:
        """Start this process's thread that sequences the log while it is its turn, and stores checkpoints.

        Without it a process that asks for a receipt sequences what is pending itself. Requires an open log.
        """
        if self._sequencer is None:
            self._sequencer = Sequencer(self.storage, self.notary)
            self._sequencer.start()

    def stop(self) -> None:
        """Give up the turn and end the thread of `start`."""
        sequencer, self._sequencer = self._sequencer, None
        if sequencer is not None:
            sequencer.stop()

    def admit(self, draft: Draft, signature: Signature, subject: str | None = None) -> Admitted:
        """Check a signed statement and return what is to be written. Raises SignatureError or AdmissionError.

        `subject` is whom the statement's openings are about, the signer if not given: a storage that seals
        openings does so under the subject's keys.
        """
        if self._schema is not None:
            self._schema.check(draft.statement)
        return admit(draft, signature, subject)

    def append(self, connection: C, draft: Draft, signature: Signature, subject: str | None = None) -> str:
        """Record a signed statement in the caller's transaction and return its id.

        Nothing is committed here. Raises what `admit` raises when the statement is refused (after a refusal
        by the database the caller must roll back), LedgerUnavailableError when it cannot be written.
        """
        admitted = self.admit(draft, signature, subject)
        self.storage.append(connection, admitted)
        due = self.notary.due()
        if due is not None:
            self.storage.keep(connection, due)
        return admitted.statement_id

    def receipt(self, statement_id: str, timeout: float = 5.0) -> Receipt:
        """Return the proof that a committed statement is on the log; integrate and sign if need be.

        Call it after the commit of the transaction that appended the statement, as often as wanted, and
        never inside a write transaction: on SQLite that one would hold the lock which this one needs.
        Raises NotFoundError when no such statement was committed, LedgerUnavailableError when the log
        could not be read or written within `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        with self._expecting(statement_id) as waiter:
            view = self.storage.view(statement_id)
            while (found := self._covered(view)) is None:
                if view.index is None:
                    placed = self._placed(statement_id, waiter, deadline)
                    if placed is not None:
                        leaf = placed.sequenced.leaves[placed.index - placed.sequenced.start]
                        return self._receipt(
                            placed.index, statement_id, leaf, placed.signed, self._read(placed.sequenced)
                        )
                view = self.storage.view(statement_id)
                if time.monotonic() > deadline:
                    trouble = None if self._sequencer is None else self._sequencer.trouble
                    raise LedgerUnavailableError(trouble or "no checkpoint could be signed in time")
        index, leaf, signed = found
        return self._receipt(
            index, statement_id, leaf, signed, proof.knowing(view.frontier.peaks(), self.storage.hashes)
        )

    def write(self, batch: Sequence[Admitted]) -> Written:
        """Write admitted statements in one transaction of the log's own, under one checkpoint.

        Raises as `append` does, and then none of them is written.
        """
        due = self.notary.due()
        sequenced = self.storage.write(batch, due)
        self.notary.stored(due)
        signed = None if sequenced is None else self.notary.sign(sequenced.after, sequenced.before)
        return Written(tuple(item.statement_id for item in batch), sequenced, signed)

    def receipts(
        self, written: Written, start: int = 0, stop: int | None = None, timeout: float = 5.0
    ) -> list[Receipt]:
        """Return the receipts of what `write` wrote, or of the part start..stop of it."""
        deadline, found = time.monotonic() + timeout, []
        read = None if written.sequenced is None else self._read(written.sequenced)
        for offset, statement_id in list(enumerate(written.statement_ids))[start:stop]:
            if written.sequenced is None or written.signed is None or read is None:
                found.append(self.receipt(statement_id, max(0.0, deadline - time.monotonic())))
            else:
                leaf, index = written.sequenced.leaves[offset], written.sequenced.start + offset
                found.append(self._receipt(index, statement_id, leaf, written.signed, read))
        return found

    def integrate(self, timeout: float = 5.0) -> int:
        """Integrate every committed statement under a checkpoint that is stored; return the signed size."""
        deadline = time.monotonic() + timeout
        with self._exclusive(deadline):
            view = self.storage.integrate(deadline)
            while not _is_signed(view):
                if view.frontier.size == 0:
                    raise LedgerError("the log has no genesis yet: call Log.open first")
                signed = self._sign(view)
                if signed is not None and self.storage.add_checkpoint(signed, deadline):
                    self.notary.stored(signed)
                if time.monotonic() > deadline:
                    raise LedgerUnavailableError("no checkpoint could be stored in time")
                view = self.storage.view()
        return view.frontier.size

    def erase(self, connection: C, statement_id: str, field: str, by: str | None = None) -> None:
        """Destroy the salt and value of an opening in the caller's transaction; all proofs still hold.

        `by` is the id of the statement that orders the erasure. Call `scrub` after the commit. Raises
        NotFoundError.
        """
        if not self.storage.erase(connection, statement_id, field, by):
            raise NotFoundError(f"there is no opening {field!r} of {statement_id}")

    def scrub(self, timeout: float = 5.0) -> int:
        """Remove the last traces of committed erasures; return of how many.

        On SQLite they are what the write-ahead log still holds, where openings are sealed their keys. What a
        crash leaves undone the next `scrub` or `open` does. Raises LedgerUnavailableError if it takes longer.
        """
        return self.storage.scrub(time.monotonic() + timeout)

    def size(self) -> int:
        """Return the number of integrated entries."""
        return self.storage.view().frontier.size

    def head(self) -> dict[str, str] | None:
        """Return the latest signed checkpoint as JSON: `origin`, `size`, `root` (hex), `vkey`; None before it."""
        if self.size() == 0:
            return None
        latest = self.latest()
        root = latest.root.hex()
        return {"origin": self.origin, "size": str(latest.size), "root": root, "vkey": self.vkey}

    def checkpoint(self) -> str:
        """Return the latest checkpoint, a signed note. Raises NotFoundError before the first one."""
        return self.latest().note

    def latest(self) -> StoredCheckpoint:
        """Return the latest checkpoint with its size and root. Raises NotFoundError before the first one."""
        view = self.storage.view()
        if view.frontier.size == 0:
            raise NotFoundError("the log has not signed a checkpoint yet")
        if _is_signed(view) and view.checkpoint is not None and self._is_own(view.checkpoint):
            return view.checkpoint
        signed = self._sign(view)
        # Where another process was faster, its tree is the newer one.
        return self.latest() if signed is None else signed

    def verify(self, note: str) -> Checkpoint:
        """Return the checkpoint of a note that this log's key signed, or one that it followed. Raises SignatureError."""
        return verify_with(note, self.vkeys)[0]

    def entry(self, index: int) -> Entry:
        """Return the entry at an index. Raises NotFoundError."""
        for entry in self.entries(index, index + 1):
            return entry
        raise NotFoundError(f"there is no entry {index}")

    def entries(self, start: int, stop: int) -> Iterator[Entry]:
        """Yield the entries start..stop that exist, in order. Requires 0 <= start."""
        return (Entry.parse(body) for body in self.storage.bodies(start, stop))

    def index_of(self, statement_id: str) -> int:
        """Return the index of a statement. Raises NotFoundError while it has none."""
        index = self.storage.view(statement_id).index
        if index is None:
            raise NotFoundError(f"{statement_id} is not on the log")
        return index

    def by_agreement(self, agreement: str) -> list[Entry]:
        """Return the entries of an agreement in order; empty when there are none."""
        return [Entry.parse(body) for body in self.storage.bodies_of_agreement(agreement)]

    def openings(self, statement_id: str) -> Mapping[str, Opening | Erased]:
        """Return the openings of a statement by field name. Raises NotFoundError when it is unknown."""
        found = self.storage.openings(statement_id)
        if not found:
            raise NotFoundError(f"{statement_id} is not on the log")
        return found

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        """Return the inclusion proof of an entry at a tree size. Raises ProofError when out of range."""
        self._require_size(size)
        return proof.inclusion(index, size, self.storage.hashes)

    def consistency_proof(self, old: int, new: int) -> list[bytes]:
        """Return the proof that size `new` extends size `old`. Raises ProofError when out of range."""
        self._require_size(new)
        return proof.consistency(old, new, self.storage.hashes)

    def extension(self, old: int) -> str:
        """Return the latest checkpoint with the proof that it extends size `old`, as one text.

        The form is that of a tlog-witness request: `old N`, the proof, an empty line, the checkpoint.
        Raises ProofError unless 0 < old <= the latest signed size.
        """
        latest = self.latest()
        path = proof.consistency(old, latest.size, self.storage.hashes)
        return checkpoint.format_extension(old, path, latest.note)

    def root(self, size: int) -> bytes:
        """Return the root of the first `size` entries. Raises ProofError when there are fewer."""
        self._require_size(size)
        return proof.root(size, self.storage.hashes)

    def _receipt(
        self, index: int, statement_id: str, leaf: bytes, signed: StoredCheckpoint, read: proof.Read
    ) -> Receipt:
        path = proof.inclusion(index, signed.size, read)
        # A receipt that does not hold must never leave, so a damaged store is found here.
        verify.inclusion(index, signed.size, leaf, path, signed.root)
        return Receipt(index, statement_id, leaf, format_proof(index, path, signed.note), signed.size)

    def _read(self, sequenced: Sequenced) -> proof.Read:
        return proof.knowing(sequenced.hashes, self.storage.hashes)

    def _covered(self, view: View) -> tuple[int, bytes, StoredCheckpoint] | None:
        """Return index and leaf hash of the statement of a view, and a checkpoint over it, if it has an index.

        Raises NotFoundError.
        """
        if not view.known:
            raise NotFoundError("no such statement was committed to the log")
        if view.index is None or view.leaf is None:
            return None
        self.notary.stored(view.checkpoint)
        stored = view.checkpoint
        if stored is not None and stored.size == view.frontier.size and self._is_own(stored):
            return view.index, view.leaf, stored
        signed = self._sign(view)
        return None if signed is None else (view.index, view.leaf, signed)

    def _is_own(self, stored: StoredCheckpoint) -> bool:
        """Whether the present key signed it, and not only one whose place it took."""
        return len(self.vkeys) == 1 or verify_with(stored.note, self.vkeys)[1] == self.vkey

    def _placed(self, statement_id: str, waiter: Waiter | None, deadline: float) -> Placed | None:
        """Let a pending statement be sequenced, here or by whoever has the turn; None where a look will tell."""
        sequencer = self._sequencer
        if sequencer is not None and waiter is not None:
            sequencer.call()
            return waiter.wait(max(0.0, min(_PATIENCE, deadline - time.monotonic())))
        with self._exclusive(deadline) as waited:
            if not waited:
                self.storage.integrate(deadline, statement_id)
        return None

    @contextmanager
    def _expecting(self, statement_id: str) -> Iterator[Waiter | None]:
        sequencer = self._sequencer
        if sequencer is None:
            yield None
            return
        with sequencer.expecting(statement_id) as waiter:
            yield waiter

    def _sign(self, view: View) -> StoredCheckpoint | None:
        """Sign the tree of a view; None if another process has signed a larger one."""
        signed = self.notary.sign(view.frontier)
        if signed is None:
            self._require_high_water()
        return signed

    @contextmanager
    def _exclusive(self, deadline: float) -> Iterator[bool]:
        """Be the one thread of this process that integrates; yields whether that took a wait."""
        waits = not self._turn.acquire(blocking=False)
        if waits and not self._turn.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise LedgerUnavailableError("the log was busy for too long")
        try:
            yield waits
        finally:
            self._turn.release()

    def _require_high_water(self) -> None:
        # The mark is read first: a log that other processes extend meanwhile has only grown since.
        mark = self.notary.mark()
        if self.size() < mark:
            message = f"the log has signed {mark} entries, the database has {self.size()}: it is an old copy"
            raise VerificationError([message])

    def _require_continuity(self) -> None:
        latest = self.storage.view().checkpoint
        if latest is None:
            return
        signed = self.verify(latest.note)
        if signed.size > self.size() or proof.root(signed.size, self.storage.hashes) != signed.root:
            raise VerificationError([f"the checkpoint of size {signed.size} is not of this tree"])

    def _require_size(self, size: int) -> None:
        if size > self.size():
            raise ProofError(f"the log does not reach the size {size} yet")


def _open(opening: Opening | Erased | None) -> Any:
    return opening.value if isinstance(opening, Opening) else None


def _is_signed(view: View) -> bool:
    return view.checkpoint is not None and view.checkpoint.size >= view.frontier.size
