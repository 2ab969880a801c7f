"""Attested checkpoints in a bundle: what witnesses, time-stamping authorities and a chain said of the log, and when.

A bundle has one checkpoint under which all its entries are proven. Others, no larger, come with it because
somebody outside vouched for them: `attested/SIZE.checkpoint` carries cosignatures, `attested/SIZE.tsr` a time
stamp over its body, `attested/SIZE.anchor` the proof that it stands on an Ethereum chain, `attested/SIZE.proof`
the proof that the bundle's checkpoint extends it. So an entry below SIZE existed when that tree was vouched for.
"""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ledger import note, verify
from ledger.anchors import rfc3161
from ledger.anchors.ethereum.chain import Link
from ledger.anchors.ethereum.proof import AnchorProof, verify_anchor
from ledger.bundle import layout
from ledger.bundle.archive import Archive
from ledger.bundle.report import Attestation, Check, moment_text
from ledger.checkpoint import Checkpoint, parse_extension
from ledger.cosignature import Cosignature
from ledger.errors import BundleError, LedgerError, ProofError
from ledger.policy import Policy
from ledger.succession import verify_with

_END_OF_TIME = 253_402_300_800  # The year 10,000, beyond which a date cannot be written.


@dataclass(frozen=True)
class Attested:
    """A checkpoint that somebody outside the log vouched for: its note with cosignatures, a time-stamp reply, and the
    proof of an anchor."""

    size: int
    root: bytes
    note: str
    timestamp: bytes | None = None
    anchor: bytes | None = None


Attestations = Callable[[Sequence[int], int], Sequence[Attested]]
"""Given the indexes of a bundle's entries, in order, and the log's size, return what is to be put in with them."""


@dataclass(frozen=True)
class Trust:
    """What an auditor brings: a policy, certificates of time-stamping authorities, PEM or DER, and the hashes of
    blocks that were compared with the chain."""

    policy: Policy | None = None
    authorities: Sequence[bytes] = ()
    blocks: Sequence[bytes] = ()


def files(item: Attested, path: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield the files of an attested checkpoint; `path` proves that the bundle's checkpoint extends it."""
    yield layout.attested_name(item.size, "checkpoint"), item.note.encode()
    lines = "".join(base64.b64encode(one).decode() + "\n" for one in path)
    yield layout.attested_name(item.size, "proof"), lines.encode()
    if item.timestamp is not None:
        yield layout.attested_name(item.size, "tsr"), item.timestamp
    if item.anchor is not None:
        yield layout.attested_name(item.size, "anchor"), item.anchor


@dataclass
class Attesting:
    """Checks what a bundle's outsiders said. `found` holds what was checked, by growing size."""

    archive: Archive
    vkeys: Sequence[str]
    main: Checkpoint
    main_note: str
    trust: Trust
    checks: list[Check] = field(default_factory=list)
    found: list[Attestation] = field(default_factory=list)

    def run(self) -> None:
        """Check the quorum on the bundle's checkpoint, then every attested one."""
        self._check_quorum()
        for size in sorted({size for size in map(layout.attested_size, self.archive.names) if size is not None}):
            self._check(size)
        if self.trust.authorities and not any(name.endswith(".tsr") for name in self.archive.names):
            self._add("time", layout.CHECKPOINT, [], "no time stamp is in the bundle: nothing is proven of the time")

    def existed_by(self, index: int) -> datetime | None:
        """Return the moment by which an entry existed at the latest, as verified time stamps and trusted blocks say."""
        covering = [item for item in self.found if item.size > index]
        times = [time for item in covering for time in (item.stamped, item.anchored) if time is not None]
        return min(times, default=None)

    def _check_quorum(self) -> None:
        policy = self.trust.policy
        if policy is None:
            return
        try:
            verdict = policy.judge(self.main_note)
        except LedgerError as error:
            self._add("witnesses", layout.CHECKPOINT, [str(error)])
            return
        detail = f"the quorum {policy.quorum} is reached: {_cosigned(verdict.cosignatures)}"
        if policy.quorum == "none":
            detail = f"the policy asks for none; {_cosigned(verdict.cosignatures)}"
        self._add("witnesses", layout.CHECKPOINT, verdict.shortfalls, detail)

    def _check(self, size: int) -> None:
        subject = f"size {size}"
        try:
            text = self.archive.read(layout.attested_name(size, "checkpoint")).decode("utf-8")
            found, _ = verify_with(text, self.vkeys)
            if found.size != size:
                raise BundleError(f"the checkpoint is of size {found.size}")
            if size > self.main.size:
                raise BundleError(f"it is larger than the bundle's checkpoint, {self.main.size}")
            proof = self.archive.read(layout.attested_name(size, "proof")).decode("ascii", "replace")
            _, path, _ = parse_extension(f"old {size}\n{proof}\n" if proof else f"old {size}\n\n")
            verify.consistency(size, self.main.size, path, found.root, self.main.root)
            cosigned = {} if self.trust.policy is None else self.trust.policy.judge(text).cosignatures
        except (LedgerError, UnicodeDecodeError) as error:
            self._add("attested", subject, [str(error)])
            return
        times = {name: item.time for name, item in cosigned.items()}
        self._add("attested", subject, [], f"the bundle's checkpoint extends it; {_cosigned(cosigned)}")
        stamped, anchored = self._check_stamp(size, note.split(text)[0]), self._check_anchor(found)
        self.found.append(Attestation(size, times, stamped, anchored))

    def _check_stamp(self, size: int, body: str) -> datetime | None:
        name = layout.attested_name(size, "tsr")
        if name not in self.archive:
            return None
        if not self.trust.authorities:
            self._add("time", f"size {size}", [], "not checked: name the authority's certificate with --tsa-ca")
            return None
        try:
            stamp = rfc3161.verify(self.archive.read(name), body.encode(), self.trust.authorities)
        except LedgerError as error:
            self._add("time", f"size {size}", [str(error)])
            return None
        self._add("time", f"size {size}", [], f"existed by {moment_text(stamp.latest)}, says {stamp.authority}")
        return stamp.latest

    def _check_anchor(self, found: Checkpoint) -> datetime | None:
        """Check the anchor of a checkpoint; return its block's time where the auditor has named that block."""
        name, subject = layout.attested_name(found.size, "anchor"), f"size {found.size}"
        if name not in self.archive:
            return None
        try:
            evidence = verify_anchor(AnchorProof.from_bytes(self.archive.read(name)), *self.vkeys)
            if evidence.proof.link != Link(found.size, found.root):
                raise ProofError("what is anchored is another tree head")
            if self.trust.blocks and evidence.block.hash not in self.trust.blocks:
                raise ProofError(f"the block 0x{evidence.block.hash.hex()} is none of those that you named")
        except LedgerError as error:
            self._add("anchor", subject, [str(error)])
            return None
        self._add("anchor", subject, [], evidence.fact if self.trust.blocks else evidence.words)
        return evidence.block.time if self.trust.blocks else None

    def _add(self, name: str, subject: str, problems: Sequence[str], detail: str = "") -> None:
        self.checks.append(Check(name, subject, not problems, "; ".join(problems) or detail))


def _cosigned(found: Mapping[str, Cosignature]) -> str:
    if not found:
        return "no witness that you trust has cosigned it"
    return "cosigned by " + ", ".join(name + _at(item.time) for name, item in found.items())


def _at(seconds: int) -> str:
    """Return when a cosignature says it was made; it may say nothing, or nonsense."""
    if not 0 < seconds < _END_OF_TIME:
        return ""
    return f" at {moment_text(datetime.fromtimestamp(seconds, UTC))}"
