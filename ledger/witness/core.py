"""What a witness answers to `add-checkpoint` (c2sp.org/tlog-witness), and what it finds out on the way.

Checks run in the order of the specification. The newest size is compared and replaced in one transaction,
which is on disk before the answer leaves. Two checkpoints of one size with different roots are answered
422, as the specification's current text says (its version 1.0.0 said 409); so every 409 carries a size.
"""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ledger import misbehaviour, note, verify
from ledger.checkpoint import Checkpoint, parse_body, parse_extension
from ledger.cosignature import Cosigner, verify_checkpoint
from ledger.errors import LedgerError, ProofError, SignatureError
from ledger.hashing import EMPTY_ROOT, HASH_SIZE
from ledger.misbehaviour import Misbehaviour
from ledger.note import Verifier
from ledger.witness.state import Cosigned, Proven, Refused, State, Transaction

SIZE_TYPE = "text/x.tlog.size"
TEXT_TYPE = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: str
    content_type: str = TEXT_TYPE


@dataclass(frozen=True)
class _Request:
    """An `add-checkpoint` request whose log is known and whose signature holds."""

    old: int
    path: Sequence[bytes]
    note: str
    body: str
    checkpoint: Checkpoint
    keys: Sequence[Verifier]


class _Refusal(Exception):  # noqa: N818  # Control flow, never seen outside.
    def __init__(self, status: int, reason: str, *, suspicious: bool = False) -> None:
        self.status = status
        self.reason = reason
        self.suspicious = suspicious


class Witness:
    """A witness of some logs, with a key and a state. Safe to share between threads and processes.

    `logs` are the keys it trusts, several for one origin where a log changed its key. `found` is told of
    every new proof of misbehaviour, after it is on disk.
    """

    def __init__(
        self,
        state: State,
        cosigner: Cosigner,
        logs: Sequence[Verifier],
        *,
        clock: Callable[[], float] = time.time,
        found: Callable[[Proven], None] = lambda _: None,
    ) -> None:
        if state.vkey != cosigner.verifier.to_vkey():
            raise LedgerError(f"the state belongs to the witness {state.vkey}, not to this key")
        self.cosigner = cosigner
        self.logs: Mapping[str, tuple[Verifier, ...]] = {
            key.name: tuple(other for other in logs if other.name == key.name) for key in logs
        }
        self._state = state
        self._clock = clock
        self._found = found

    def add_checkpoint(self, data: bytes) -> Answer:
        """Answer the body of an `add-checkpoint` request. Raises LedgerUnavailableError when nothing can be kept."""
        try:
            request = self._read(data)
        except _Refusal as refusal:
            return Answer(refusal.status, refusal.reason + "\n")
        with self._state.transaction() as transaction:
            proofs = self._compare(transaction, request)
            answer = self._decide(transaction, request, proofs)
            new = [item for item in map(self._describe, proofs) if transaction.prove(item)]
        for item in new:
            self._found(item)
        return answer

    def newest(self, origin_hash: str) -> Answer:
        """Answer the monitors' question for the newest cosigned checkpoint of a log, by its origin's SHA-256."""
        for origin, item in self._state.newest().items():
            if origin_digest(origin) == origin_hash:
                return Answer(200, item.note)
        return Answer(404, "no checkpoint of such a log was cosigned\n")

    def _read(self, data: bytes) -> _Request:
        try:
            old, path, signed = parse_extension(data.decode("utf-8"))
            body, lines = note.split(signed)
            found = parse_body(body)
        except (UnicodeDecodeError, ProofError, SignatureError) as error:
            raise _Refusal(400, f"not an add-checkpoint request: {error}") from error
        if any(len(item) != HASH_SIZE for item in path):
            raise _Refusal(400, "a hash of the consistency proof is not 32 bytes")
        keys = self.logs.get(found.origin)
        if keys is None:
            raise _Refusal(404, "this witness does not know the log")
        signers = [key for key in keys if any(line.is_of(key) for line in lines)]
        try:
            for key in signers:
                verify_checkpoint(signed, key)
        except SignatureError as error:
            raise _Refusal(403, str(error)) from error
        if not signers:
            raise _Refusal(403, "the checkpoint is not signed by a key of the log that this witness trusts")
        if old > found.size:
            raise _Refusal(400, f"the old size {old} is larger than the checkpoint's, {found.size}")
        # Signatures of others are dropped, so that what is kept does not grow with them.
        own = [line for line in lines if any(line.is_of(key) for key in keys)]
        return _Request(old, path, note.join(body, own), body, found, keys)

    def _decide(self, transaction: Transaction, request: _Request, proofs: list[Misbehaviour]) -> Answer:
        newest = transaction.newest(request.checkpoint.origin)
        size = 0 if newest is None else newest.size
        if request.old != size:
            return Answer(409, f"{size}\n", SIZE_TYPE)
        try:
            self._require_extension(request, newest)
        except _Refusal as refusal:
            if refusal.suspicious and newest is not None and not proofs:
                proofs += self._prove_by_path(transaction, request, newest)
            if refusal.suspicious and not proofs:
                self._suspect(transaction, request, refusal.reason)
            return Answer(refusal.status, refusal.reason + "\n")
        return Answer(200, self._cosign(transaction, request, newest) + "\n")

    def _require_extension(self, request: _Request, newest: Cosigned | None) -> None:
        found = request.checkpoint
        if found.size == 0 and found.root != EMPTY_ROOT:
            raise _Refusal(422, "the root of an empty tree is the hash of nothing")
        if request.old == 0 or newest is None:
            if request.path:
                raise _Refusal(422, "from the empty tree no consistency proof leads anywhere; leave it out")
            return
        try:
            verify.consistency(request.old, found.size, request.path, newest.root, found.root)
        except ProofError as error:
            raise _Refusal(422, str(error), suspicious=True) from error

    def _cosign(self, transaction: Transaction, request: _Request, newest: Cosigned | None) -> str:
        # A clock that was set back must not make a later cosignature look like an earlier one.
        moment = max(int(self._clock()), 0 if newest is None else newest.time)
        line = self.cosigner.cosign(request.body, moment)
        found = request.checkpoint
        item = Cosigned(found.size, found.root, request.note, moment)
        transaction.keep(found.origin, item, f"{request.note}{line}\n")
        return line

    def _compare(self, transaction: Transaction, request: _Request) -> list[Misbehaviour]:
        """Compare a signed checkpoint with those of its size that are kept; return a proof if one differs."""
        found = request.checkpoint
        others = [item.note for item in transaction.refused(found.origin, found.size) if item.root != found.root]
        cosigned = transaction.cosigned(found.origin, found.size)
        if cosigned is not None and cosigned.root != found.root:
            others.insert(0, cosigned.note)
        return [misbehaviour.from_trees(request.keys, other, request.note) for other in others[:1]]

    def _prove_by_path(self, transaction: Transaction, request: _Request, newest: Cosigned) -> list[Misbehaviour]:
        """Return the proof that the request's own path shows another tree at the newest size, if it does.

        Where that size is a power of two, the path leaves that tree's root out, and nothing is proven.
        """
        kept = transaction.cosigned(request.checkpoint.origin, newest.size)
        try:
            return [misbehaviour.from_trees(request.keys, kept.note, request.note, request.path)] if kept else []
        except (ProofError, SignatureError):
            return []

    def _suspect(self, transaction: Transaction, request: _Request, reason: str) -> None:
        found = request.checkpoint
        if transaction.cosigned(found.origin, found.size) is None:
            moment = int(self._clock())
            transaction.refuse(Refused(found.origin, found.size, found.root, request.note, reason, moment))

    def _describe(self, proof: Misbehaviour) -> Proven:
        text = proof.to_text()
        finding = misbehaviour.verify_misbehaviour(proof)
        digest = hashlib.sha256(text.encode()).hexdigest()
        return Proven(digest, finding.first.origin, int(self._clock()), text, finding.text)


def origin_digest(origin: str) -> str:
    """Return the lower-case hex SHA-256 by which the monitors' address names a log."""
    return hashlib.sha256(origin.encode()).hexdigest()
