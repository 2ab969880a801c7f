"""The log: admission of statements, their integration under signed checkpoints, and proofs.

The write path is `append(connection, draft, signature)` in the caller's transaction, then, after the
caller's commit, `receipt(statement_id)`. The log signs checkpoints and nothing else.
"""

import base64
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from secrets import token_bytes
from typing import Generic

from ledger import checkpoint, proof, verify
from ledger.attestation import GENESIS
from ledger.entry import Admitted, Draft, Entry, Erased, Opening, Signature, Statement, admit, commit, sign
from ledger.errors import LedgerError, LedgerUnavailableError, NotFoundError, ProofError, VerificationError
from ledger.highwater import HighWater
from ledger.identifiers import new_id
from ledger.receipt import Receipt, format_proof
from ledger.schema import Schema
from ledger.signatures import SigningKey
from ledger.statement import SALT_SIZE
from ledger.storage import C, Storage, StoredCheckpoint, View
from ledger.tree import position


class Log(Generic[C]):
    """A transparency log named `origin` in a storage. Safe to share between threads.

    With a `high_water` mark kept beside the key, the log refuses to sign from an old or other database.
    With a `schema` it takes only statements of the kinds that the schema defines, each as defined.
    """

    def __init__(
        self,
        storage: Storage[C],
        key: SigningKey,
        origin: str,
        *,
        high_water: HighWater | None = None,
        schema: Schema | None = None,
    ) -> None:
        self.storage = storage
        self.origin = origin
        self.vkey = checkpoint.vkey(origin, key.public)
        self._key = key
        self._high_water = high_water
        self._schema = schema
        # One thread per process integrates and signs; the others find the work done.
        self._turn = threading.Lock()

    def open(self, statement_key: SigningKey, *, at: str | None = None, timeout: float = 5.0) -> None:
        """Write the genesis entry if there is none, check that the log is this one, sign what is unsigned.

        Statements left without a checkpoint by a crash are integrated. Uses transactions of its own, so
        the caller must not hold a write transaction. Raises LedgerError when the log in the storage has
        another origin or log key, VerificationError when its last checkpoint does not fit its tree.
        """
        if self.storage.view().frontier.size == 0:
            self.storage.found(self._genesis(statement_key, at))
        fields = self.openings(self.entry(0).statement_id)
        for name, mine in (("origin", self.origin), ("log_key", self.vkey)):
            opening = fields.get(name)
            if not isinstance(opening, Opening) or opening.value != mine:
                raise LedgerError(f"the database holds the log of another {name.replace('_', ' ')}")
        self._require_high_water()
        self._require_continuity()
        self.integrate(timeout)

    def append(self, connection: C, draft: Draft, signature: Signature) -> str:
        """Record a signed statement in the caller's transaction and return its id.

        Nothing is committed here. Raises SignatureError or AdmissionError when the statement is
        refused, by the schema as well (after a refusal by the database the caller must roll back),
        LedgerUnavailableError when it cannot be written.
        """
        if self._schema is not None:
            self._schema.check(draft.statement)
        admitted = admit(draft, signature)
        self.storage.append(connection, admitted)
        return admitted.statement_id

    def receipt(self, statement_id: str, timeout: float = 5.0) -> Receipt:
        """Return the proof that a committed statement is on the log; integrate and sign if need be.

        Call it after the commit of the transaction that appended the statement, as often as wanted, and
        never inside a write transaction: on SQLite that one would hold the lock which this one needs.
        Raises NotFoundError when no such statement was committed, LedgerUnavailableError when the log
        could not be read or written within `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        index, signed = self._covered(statement_id, deadline)
        leaves: list[bytes] = []

        def read(positions: Sequence[int]) -> list[bytes]:
            leaf, *found = self.storage.hashes([position(0, index), *positions])
            leaves.append(leaf)
            return found

        path = proof.inclusion(index, signed.size, read)
        # A receipt that does not hold must never leave, so a damaged store is found here.
        verify.inclusion(index, signed.size, leaves[0], path, signed.root)
        return Receipt(index, statement_id, leaves[0], format_proof(index, path, signed.note), signed.size)

    def integrate(self, timeout: float = 5.0) -> int:
        """Integrate every committed statement under a signed checkpoint; return the signed size."""
        deadline = time.monotonic() + timeout
        with self._exclusive(deadline):
            self.storage.integrate(deadline)
            while not _is_signed(view := self.storage.view()):
                if view.frontier.size == 0:
                    raise LedgerError("the log has no genesis yet: call Log.open first")
                self._sign(view, deadline)
                if time.monotonic() > deadline:
                    raise LedgerUnavailableError("no checkpoint could be signed in time")
        return view.frontier.size

    def erase(self, connection: C, statement_id: str, field: str, by: str | None = None) -> None:
        """Destroy the salt and value of an opening in the caller's transaction; all proofs still hold.

        `by` is the id of the statement that orders the erasure. Raises NotFoundError.
        """
        if not self.storage.erase(connection, statement_id, field, by):
            raise NotFoundError(f"there is no opening {field!r} of {statement_id}")

    def size(self) -> int:
        """Return the number of integrated entries."""
        return self.storage.view().frontier.size

    def head(self) -> dict[str, str] | None:
        """Return the latest signed checkpoint as JSON: `origin`, `size`, `root` (hex), `vkey`; None before it."""
        latest = self.storage.view().checkpoint
        if latest is None:
            return None
        root = latest.root.hex()
        return {"origin": self.origin, "size": str(latest.size), "root": root, "vkey": self.vkey}

    def checkpoint(self) -> str:
        """Return the latest checkpoint, a signed note. Raises NotFoundError before the first one."""
        return self.latest().note

    def latest(self) -> StoredCheckpoint:
        """Return the latest checkpoint with its size and root. Raises NotFoundError before the first one."""
        latest = self.storage.view().checkpoint
        if latest is None:
            raise NotFoundError("the log has not signed a checkpoint yet")
        return latest

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

    def _genesis(self, statement_key: SigningKey, at: str | None) -> Admitted:
        now = datetime.now(UTC)
        statement = Statement(
            kind=GENESIS,
            id=new_id(now),
            at=at or now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            fields={
                "origin": self.origin,
                "log_key": self.vkey,
                "statement_key": base64.b64encode(statement_key.public).decode(),
            },
            signer=self.origin,
            custody="exchange",
        )
        draft = commit(statement, lambda _: token_bytes(SALT_SIZE))
        return admit(draft, sign(draft, statement_key))

    def _covered(self, statement_id: str, deadline: float) -> tuple[int, StoredCheckpoint]:
        """Return the index of a statement and a checkpoint that covers it, after making both if need be."""
        view = self.storage.view(statement_id)
        if (found := _cover(view)) is not None:
            return found
        with self._exclusive(deadline) as waited:
            if waited:
                view = self.storage.view(statement_id)
            while (found := _cover(view)) is None:
                if view.index is None:
                    view = self.storage.integrate(deadline, statement_id)
                elif (made := self._sign(view, deadline)) is not None:
                    return view.index, made
                else:
                    view = self.storage.view(statement_id)
                if time.monotonic() > deadline:
                    raise LedgerUnavailableError("no checkpoint could be signed in time")
        return found

    def _sign(self, view: View, deadline: float) -> StoredCheckpoint | None:
        """Sign the tree of a view and store the checkpoint; None if another process was faster."""
        size, root = view.frontier.size, view.frontier.root()
        if self._high_water is not None and not self._high_water.reserve(size, root, self.storage.hashes):
            self._require_high_water()
            return None
        made = StoredCheckpoint(size, root, checkpoint.sign(self.origin, size, root, self._key))
        return made if self.storage.add_checkpoint(made, deadline) else None

    @contextmanager
    def _exclusive(self, deadline: float) -> Iterator[bool]:
        """Be the one thread of this process that integrates and signs; yields whether that took a wait."""
        waits = not self._turn.acquire(blocking=False)
        if waits and not self._turn.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise LedgerUnavailableError("the log was busy for too long")
        try:
            yield waits
        finally:
            self._turn.release()

    def _require_high_water(self) -> None:
        # The mark is read first: a log that other processes extend meanwhile has only grown since.
        mark = 0 if self._high_water is None else self._high_water.size()
        if self.size() < mark:
            message = f"the log has signed {mark} entries, the database has {self.size()}: it is an old copy"
            raise VerificationError([message])

    def _require_continuity(self) -> None:
        latest = self.storage.view().checkpoint
        if latest is None:
            return
        signed = checkpoint.verify(latest.note, self.vkey)
        if signed.size > self.size() or proof.root(signed.size, self.storage.hashes) != signed.root:
            raise VerificationError([f"the checkpoint of size {signed.size} is not of this tree"])

    def _require_size(self, size: int) -> None:
        if size > self.size():
            raise ProofError(f"the log does not reach the size {size} yet")


def _is_signed(view: View) -> bool:
    return view.checkpoint is not None and view.checkpoint.size >= view.frontier.size


def _cover(view: View) -> tuple[int, StoredCheckpoint] | None:
    """Return where a statement stands and the checkpoint over it, if there is one. Raises NotFoundError."""
    if not view.known:
        raise NotFoundError("no such statement was committed to the log")
    if view.index is None or view.checkpoint is None or view.checkpoint.size <= view.index:
        return None
    return view.index, view.checkpoint
