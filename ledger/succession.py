"""Changes of the log's key: an entry names the new key while the old one still signs, so trust passes on.

An `exchange.keys` entry whose field `log_key` opens to a verifier key makes that key the log's from the next
size on; `retired_log_key` ends another. A `Succession` is what a stranger needs of one change: the entry, the
opening of its field, and its proof under a checkpoint that the key before signed.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger import checkpoint
from ledger.attestation import GENESIS
from ledger.canonical import decode, encode
from ledger.checkpoint import Checkpoint
from ledger.entry import Entry, Opening, verify_opening
from ledger.errors import CanonicalError, LedgerError, ProofError, SignatureError
from ledger.note import Verifier
from ledger.receipt import parse_proof, verify_proof

KEYS = "exchange.keys"
FORMAT = "industrial-data-exchange/log-key/v1"
FIELD, RETIRED = "log_key", "retired_log_key"


@dataclass(frozen=True)
class Succession:
    """One change of key. `proof` is a tlog-proof whose checkpoint `former`, the key before, signed."""

    former: str
    entry: bytes
    opening: Opening
    proof: str

    def to_bytes(self) -> bytes:
        """Return the canonical JSON of it."""
        salt = base64.b64encode(self.opening.salt).decode()
        opening = {"salt": salt, "value": self.opening.value}
        return encode(
            {
                "format": FORMAT,
                "former": self.former,
                "entry": self.entry.decode(),
                "log_key": opening,
                "proof": self.proof,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "Succession":
        """Return what `to_bytes` made. Raises ProofError when it is malformed; nothing is verified."""
        try:
            found = decode(data)
            if found["format"] != FORMAT:
                raise ProofError(f"the format is not {FORMAT}")
            opening = Opening.of(base64.b64decode(found["log_key"]["salt"], validate=True), found["log_key"]["value"])
            return cls(str(found["former"]), found["entry"].encode(), opening, str(found["proof"]))
        except (CanonicalError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise ProofError(f"not a change of the log's key: {error!r}") from error

    def verify(self, trusted_vkey: str) -> str:
        """Return the verifier key that takes the place of `trusted_vkey`, whose log names it.

        Raises LedgerError where the entry is not on that log, or does not name a key of the same log.
        """
        entry = Entry.parse(self.entry)
        verify_proof(self.proof, self.entry, trusted_vkey)
        if parse_proof(self.proof).index != entry.index or entry.kind != KEYS:
            raise ProofError("the entry does not change the log's key")
        verify_opening(entry, FIELD, self.opening)
        return _named(self.opening.value, Verifier.from_vkey(trusted_vkey).name)


def follow(trusted_vkey: str, changes: Iterable[Succession]) -> list[str]:
    """Return the trusted key and those that took its place one after another, as far as the changes prove it."""
    keys, left = [trusted_vkey], list(changes)
    while True:
        for change in left:
            try:
                found = change.verify(keys[-1])
            except LedgerError:
                continue
            left.remove(change)
            if found not in keys:
                keys.append(found)
            break
        else:
            return keys


def before(vkey: str, changes: Iterable[Succession]) -> list[str]:
    """Return the keys whose place `vkey` took, the latest first, as far as the changes prove it."""
    found, left = [vkey], list(changes)
    while (change := next((item for item in left if _leads(item, found[-1])), None)) is not None:
        left.remove(change)
        found.append(change.former)
    return found[1:]


def verify_with(note: str, vkeys: Sequence[str]) -> tuple[Checkpoint, str]:
    """Return the checkpoint of a note and the first of the keys that signed it. Raises SignatureError. Requires keys."""
    problem = SignatureError("no key was given")
    for vkey in vkeys:
        try:
            return checkpoint.verify(note, vkey), vkey
        except SignatureError as error:
            problem = problem if vkey is not vkeys[0] else error
    raise problem


def signers_of(note: str, vkeys: Sequence[str], trusted: str | None) -> tuple[Checkpoint, tuple[str, ...]]:
    """Return a checkpoint of the log and those of the keys that signed it.

    Raises SignatureError if none did, in the words that the trusted key's own check has.
    """
    found, signers, problem = None, [], "no log key is known"
    for vkey in vkeys:
        try:
            found = checkpoint.verify(note, vkey)
            signers.append(vkey)
        except SignatureError as error:
            problem = str(error) if vkey == trusted else problem
    if found is None:
        raise SignatureError(f"the log's checkpoint does not hold: {problem}")
    return found, tuple(signers)


class LogKeys:
    """The log's keys as its own entries name them, and the checkpoints that each was seen to sign."""

    def __init__(self) -> None:
        self.named: dict[str, int] = {}
        self._retired: dict[str, int] = {}
        self._signed: dict[str, int] = {}

    def learn(self, index: int, kind: str, values: Mapping[str, Any]) -> None:
        """Take note of what an entry says of the log's keys. `values` are its verified fields."""
        if kind in (GENESIS, KEYS):
            found, ended = values.get(FIELD), values.get(RETIRED)
            if isinstance(found, str):
                self.named.setdefault(found, index)
            if isinstance(ended, str):
                self._retired.setdefault(ended, index)

    def in_force(self, size: int) -> list[str]:
        """Return the keys that may sign a checkpoint of this size, the newest first."""
        found = [key for key, index in self.named.items() if index < size <= self._retired.get(key, size) + 1]
        return sorted(found, key=lambda key: -self.named[key])

    def saw(self, key: str, size: int) -> None:
        """Note that a checkpoint of this size bears a good signature of the key."""
        self._signed[key] = max(size, self._signed.get(key, 0))

    def vouched(self, trusted: str) -> set[str]:
        """Return the trusted key and those that it vouched for: named in a tree which it, or such a key, signed."""
        found = {trusted}
        while True:
            more = {
                key for key, index in self.named.items() if any(self._signed.get(other, 0) > index for other in found)
            } - found
            if not more:
                return found
            found |= more


def _leads(change: Succession, vkey: str) -> bool:
    try:
        return change.verify(change.former) == vkey
    except LedgerError:
        return False


def _named(value: Any, origin: str) -> str:
    verifier = Verifier.from_vkey(value) if isinstance(value, str) else None
    if verifier is None or verifier.name != origin:
        raise ProofError("the entry names no key of this log")
    return verifier.to_vkey()
