"""Verifying a bundle, offline and with no trust in whoever made it.

Every check names what it looked at; a damaged file is named with the index of its entry. Checking
goes on after a failure wherever that makes sense, so that one report shows the whole damage.
"""

import base64
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ledger import checkpoint, verify
from ledger.attestation import GENESIS, Attestations
from ledger.bundle import layout
from ledger.bundle.archive import Archive, open_archive
from ledger.bundle.attested import Attesting, Trust
from ledger.bundle.key import find_key
from ledger.bundle.report import BundleReport, Check, EntrySummary, moment_text
from ledger.bundle.story import erasure_checks, meaning_checks
from ledger.canonical import decode
from ledger.checkpoint import Checkpoint
from ledger.entry import SIGNATURE, SIGNER, Entry, Opening, Signature, verify_opening, verify_signature
from ledger.errors import BundleError, CanonicalError, LedgerError, SignatureError, VerificationError
from ledger.meaning import Said
from ledger.note import ED25519, Verifier
from ledger.receipt import parse_proof
from ledger.succession import Succession, before, follow

Progress = Callable[[int, int], None]
"""Called with (done, total)."""


def verify_bundle(
    path: Path | str,
    trusted_vkey: str | None = None,
    progress: Progress | None = None,
    *,
    trust: Trust | None = None,
) -> BundleReport:
    """Return the verdict on a bundle.

    With `trusted_vkey`, the log's key obtained by another way, or a policy in `trust` that names the log, the
    report is `pinned`; without, the key inside the bundle is used, which proves only that the bundle is
    consistent with itself. A policy asks for its quorum of cosignatures besides; certificates in `trust` judge
    time stamps. Raises BundleError when the file is no bundle at all, SignatureError when `trusted_vkey` is
    malformed.
    """
    trust = trust or Trust()
    pinned = [] if trusted_vkey is None else [Verifier.from_vkey(trusted_vkey).to_vkey()]
    if trust.policy is not None and not pinned:
        pinned = [item.verifier.to_vkey() for item in trust.policy.logs if item.verifier.kind == ED25519]
    with open_archive(Path(path)) as archive:
        missing = [name for name in (layout.MANIFEST, layout.CHECKPOINT) if name not in archive]
        if len(missing) == 2 and not archive.indexes():
            raise BundleError(f"{path} is a zip archive, but not a bundle")
        return _Checker(archive, pinned, trust).run(progress)


def read_checkpoint(path: Path) -> tuple[str, str | None]:
    """Return the signed checkpoint of a bundle and the key that the bundle names, neither verified.

    Raises BundleError when there is none.
    """
    with open_archive(path) as archive:
        note = archive.read(layout.CHECKPOINT).decode("utf-8", "replace")
        try:
            return note, layout.policy_vkey(archive.read(layout.POLICY))
        except (BundleError, SignatureError):
            return note, None


@dataclass
class _Signed:
    """An entry whose openings and signature hold."""

    entry: Entry
    values: Mapping[str, Any]
    signature: Signature


@dataclass
class _Checker:
    archive: Archive
    pinned: Sequence[str]
    trust: Trust
    checks: list[Check] = field(default_factory=list)
    manifest: dict[str, Any] = field(default_factory=dict)
    vkey: str | None = None
    note: str = ""
    checkpoint: Checkpoint | None = None
    entries: dict[int, Entry] = field(default_factory=dict)
    values: dict[int, dict[str, Any]] = field(default_factory=dict)
    signed: list[_Signed] = field(default_factory=list)
    erased: list[tuple[int, str, str | None]] = field(default_factory=list)
    documents: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    attesting: Attesting | None = None
    changes: Sequence[Succession] = ()

    def run(self, progress: Progress | None) -> BundleReport:
        if self.archive.problems:
            self._add("archive", "the zip file", self.archive.problems)
            return self._report()
        self._add("archive", "the zip file", [], f"{len(self.archive.names)} files, all in their place")
        self._check_manifest()
        self._check_trust()
        self._check_checkpoint()
        self._check_attested()
        indexes = self.archive.indexes()
        for done, index in enumerate(indexes, 1):
            self._check_entry(index)
            if progress is not None:
                progress(done, len(indexes))
        self._check_genesis()
        self._check_chain()
        self._check_keys_and_meaning()
        self._check_agreements()
        self._check_erasures()
        self._check_documents()
        self._check_contents()
        return self._report()

    def _check_manifest(self) -> None:
        try:
            document = decode(self.archive.read(layout.MANIFEST))
            if not isinstance(document, dict) or document.get("format") != layout.FORMAT:
                raise CanonicalError(f"the format is not {layout.FORMAT}")
            listed = {name: (item["sha256"], item["size"]) for name, item in document["files"].items()}
        except (BundleError, CanonicalError, KeyError, TypeError, ValueError, AttributeError) as error:
            self._add("manifest", layout.MANIFEST, [f"not a manifest: {error}"])
            return
        self.manifest = document
        present = set(self.archive.names) - {layout.MANIFEST}
        problems = [f"{name} is missing" for name in sorted(listed.keys() - present)]
        problems += [f"{name} is not listed" for name in sorted(present - listed.keys())]
        for name in sorted(listed.keys() & present):
            try:
                if self.archive.measure(name) != listed[name]:
                    problems.append(f"{name} is not the file that was listed")
            except BundleError as error:
                problems.append(str(error))
        self._add("manifest", layout.MANIFEST, problems, f"{len(listed)} files as listed")

    def _check_trust(self) -> None:
        found = find_key(self.archive, self.pinned)
        self.vkey, self.changes = found.vkey, found.changes
        self._add("trust", layout.POLICY, found.problems, f"log key {found.source}")

    def _check_checkpoint(self) -> None:
        try:
            self.note = self.archive.read(layout.CHECKPOINT).decode("utf-8")
            if self.vkey is None:
                raise SignatureError("there is no log key to check it with")
            self.checkpoint = checkpoint.verify(self.note, self.vkey)
        except (BundleError, SignatureError, UnicodeDecodeError) as error:
            self._add("checkpoint", layout.CHECKPOINT, [str(error)])
            return
        found = self.checkpoint
        self._add("checkpoint", layout.CHECKPOINT, [], f"{found.origin} at size {found.size}, root {found.root.hex()}")

    def _check_attested(self) -> None:
        if self.checkpoint is None or self.vkey is None:
            return
        # What was attested earlier bears the signature of the key of its day, which leads to the present one.
        self.attesting = Attesting(
            self.archive, (self.vkey, *before(self.vkey, self.changes)), self.checkpoint, self.note, self.trust
        )
        self.attesting.run()
        self.checks += self.attesting.checks

    def _check_entry(self, index: int) -> None:
        subject = f"entry {index}"
        try:
            entry = Entry.parse(self.archive.read(layout.entry_name(index)))
            if entry.index != index:
                raise VerificationError([f"it says that it is entry {entry.index}"])
        except LedgerError as error:
            self._add("entry", subject, [str(error)])
            return
        self.entries[index] = entry
        self._add("entry", subject, [], f"{entry.kind}, canonical, leaf {entry.leaf_hash.hex()}")
        self._check_inclusion(entry)
        self._check_openings(entry)

    def _check_inclusion(self, entry: Entry) -> None:
        problems = []
        try:
            parts = parse_proof(self.archive.read(layout.proof_name(entry.index)).decode("utf-8"))
            if parts.index != entry.index:
                problems.append(f"the proof is of entry {parts.index}")
            if parts.checkpoint != self.note:
                problems.append("the proof carries another checkpoint than the bundle")
            if self.checkpoint is None:
                problems.append("there is no verified checkpoint")
            else:
                root, size = self.checkpoint.root, self.checkpoint.size
                verify.inclusion(entry.index, size, entry.leaf_hash, parts.path, root)
        except (LedgerError, UnicodeDecodeError) as error:
            problems.append(str(error))
        self._add("inclusion", f"entry {entry.index}", problems, "in the log under the checkpoint")

    def _check_openings(self, entry: Entry) -> None:
        subject = f"entry {entry.index}"
        try:
            openings = self._read_openings(entry)
        except (BundleError, CanonicalError, VerificationError) as error:
            self._add("opening", subject, [str(error)])
            return
        problems, values = [], {}
        expected = {*entry.commitments, SIGNATURE}
        problems += [f"the opening of {name!r} is missing" for name in sorted(expected - openings.keys())]
        problems += [f"the entry does not commit to a field {name!r}" for name in sorted(openings.keys() - expected)]
        for name, opening in openings.items():
            if opening is None or name not in expected:
                continue
            try:
                verify_opening(entry, name, opening)
                values[name] = opening.value
            except VerificationError as error:
                problems += error.problems
        self.values[entry.index] = values
        closed = sum(opening is None for opening in openings.values())
        self._add("opening", subject, problems, f"{len(values)} fields open, {closed} erased")
        self._check_signature(entry, values)

    def _read_openings(self, entry: Entry) -> dict[str, Opening | None]:
        """Return the openings of an entry by field; None where one was erased."""
        document = decode(self.archive.read(layout.openings_name(entry.index)))
        found: dict[str, Opening | None] = {}
        try:
            if document["statement_id"] != entry.statement_id:
                raise VerificationError(["the openings are of another statement"])
            for name, item in document["openings"].items():
                if item.get("erased") is True:
                    by = item.get("by")
                    self.erased.append((entry.index, name, by if isinstance(by, str) else None))
                    found[name] = None
                else:
                    found[name] = Opening(base64.b64decode(item["salt"], validate=True), item["value"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise VerificationError([f"the openings are malformed: {error!r}"]) from error
        return found

    def _check_signature(self, entry: Entry, values: Mapping[str, Any]) -> None:
        subject = f"entry {entry.index}"
        if SIGNER not in values or SIGNATURE not in values:
            erased = {name for index, name, _ in self.erased if index == entry.index} & {SIGNER, SIGNATURE}
            problems = [] if erased else ["its opening does not hold"]
            self._add("signature", subject, problems, "cannot be checked any more: it was erased")
            return
        try:
            signature = verify_signature(entry, values[SIGNER], values[SIGNATURE])
        except VerificationError as error:
            self._add("signature", subject, error.problems)
            return
        self.signed.append(_Signed(entry, values, signature))
        self._add("signature", subject, [], f"by {values[SIGNER]['participant']} ({values[SIGNER]['custody']} key)")

    def _check_genesis(self) -> None:
        entry, values = self.entries.get(0), self.values.get(0, {})
        problems = []
        if entry is None or entry.kind != GENESIS:
            problems.append("the log's first entry is not in the bundle")
        elif self.vkey not in follow(str(values.get("log_key")), self.changes):
            problems.append("the log's first entry names another log key")
        elif self.checkpoint is not None and values.get("origin") != self.checkpoint.origin:
            problems.append("the log's first entry names another origin")
        self._add("genesis", "entry 0", problems, "names this log and its key")

    def _check_chain(self) -> None:
        problems, links = [], 0
        for index, entry in self.entries.items():
            if (entry.previous is None) != (index == 0):
                problems.append(f"entry {index} has the wrong kind of predecessor")
            before = self.entries.get(index - 1)
            if before is not None:
                links += 1
                if entry.previous != before.leaf_hash:
                    problems.append(f"entry {index} does not follow from entry {index - 1}")
        self._add("chain", "neighbouring entries", problems, f"{links} links hold")

    def _check_keys_and_meaning(self) -> None:
        known = Attestations()
        for item in self.signed:
            known.learn(item.entry.index, item.entry.kind, item.values, item.values[SIGNER], item.signature.public)
        for item in self.signed:
            key, signer = item.values[SIGNATURE]["key"], item.values[SIGNER]["participant"]
            attested = known.attests(item.values[SIGNER], item.signature.public, item.entry.index)
            problems = [] if attested else [f"the key {key} of {signer} is not attested in this bundle"]
            self._add("key", f"entry {item.entry.index}", problems, f"{key} is attested for {signer}")
        self.checks += meaning_checks(
            Said.of(
                item.entry,
                item.values,
                known.attests(item.values[SIGNER], item.signature.public, item.entry.index),
            )
            for item in self.signed
        )

    def _check_agreements(self) -> None:
        counters: dict[str, list[int]] = {}
        for entry in self.entries.values():
            if entry.agreement is not None and entry.counter is not None:
                counters.setdefault(entry.agreement, []).append(entry.counter)
        for agreement, found in counters.items():
            problems = [
                f"after statement {before} comes statement {after}"
                for before, after in itertools.pairwise(found)
                if after != before + 1
            ]
            self._add("agreement", agreement, problems, f"statements {found[0]} to {found[-1]} without a gap")

    def _check_erasures(self) -> None:
        self.checks += erasure_checks(self.entries, self.values, self.erased)

    def _check_documents(self) -> None:
        named = self._named()
        for path in self.archive.names:
            if not path.startswith("documents/"):
                continue
            try:
                found = named.get(self.archive.measure(path)[0], [])
                problems = [] if found else ["no entry names its SHA-256"]
                detail = ", ".join(f"{item['field']} of entry {item['index']}" for item in found)
                self.documents[path] = found
            except BundleError as error:
                problems, detail = [str(error)], ""
            self._add("document", path, problems, f"is the {detail}")

    def _named(self) -> dict[str, list[dict[str, str]]]:
        """Return which entries name which digest, as the manifest states it for documents."""
        named: dict[str, list[dict[str, str]]] = {}
        for index, values in self.values.items():
            for name, value in layout.named_digests(values):
                named.setdefault(value, []).append({"index": str(index), "field": name})
        return named

    def _check_contents(self) -> None:
        """Compare all that the manifest states, but its subject, with what the checks have found."""
        if not self.manifest:
            return
        size = None if self.checkpoint is None else str(self.checkpoint.size)
        expected = {
            "origin": None if self.checkpoint is None else self.checkpoint.origin,
            "vkey": self.vkey,
            "size": size,
            "documents": self.documents,
            "entries": [
                {"index": str(index), "kind": entry.kind, "statement_id": entry.statement_id}
                for index, entry in self.entries.items()
            ],
        }
        wrong = [name for name, value in expected.items() if self.manifest.get(name) != value]
        strange = self.manifest.keys() - expected.keys() - {"format", "files", "subject"}
        problems = [f"what it states as {name!r} is not what is in the bundle" for name in [*wrong, *sorted(strange)]]
        self._add("contents", layout.MANIFEST, problems, "states what the bundle holds")

    def _add(self, name: str, subject: str, problems: list[str], detail: str = "") -> None:
        self.checks.append(Check(name, subject, not problems, "; ".join(problems) or detail))

    def _report(self) -> BundleReport:
        subject = self.manifest.get("subject")
        return BundleReport(
            checks=self.checks,
            log_origin=None if self.checkpoint is None else self.checkpoint.origin,
            vkey=self.vkey,
            pinned=bool(self.pinned),
            size=None if self.checkpoint is None else self.checkpoint.size,
            subject=subject if isinstance(subject, dict) else {},
            entries=[self._summary(entry) for entry in self.entries.values()],
            attestations=[] if self.attesting is None else self.attesting.found,
        )

    def _summary(self, entry: Entry) -> EntrySummary:
        signer = self.values.get(entry.index, {}).get(SIGNER)
        existed_by = None if self.attesting is None else self.attesting.existed_by(entry.index)
        return EntrySummary(
            index=entry.index,
            kind=entry.kind,
            at=entry.at,
            statement_id=entry.statement_id,
            agreement=entry.agreement,
            counter=entry.counter,
            signer=str(signer.get("participant")) if isinstance(signer, dict) else None,
            existed_by=None if existed_by is None else moment_text(existed_by),
        )
