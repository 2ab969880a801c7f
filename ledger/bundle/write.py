"""Writing a bundle: everything an outsider needs to check a set of statements offline, in one zip."""

import base64
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from ledger.bundle import layout
from ledger.bundle.attested import Attestations, Attested
from ledger.bundle.attested import files as attested_files
from ledger.canonical import encode
from ledger.entry import Entry, Erased, Opening
from ledger.errors import BundleError, CanonicalError
from ledger.log import Log
from ledger.policy import Policy
from ledger.receipt import format_proof
from ledger.storage import StoredCheckpoint

Progress = Callable[[int, int], None]
"""Called with (done, total)."""

_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_bundle(
    target: Path | IO[bytes],
    log: Log[Any],
    statement_ids: Sequence[str],
    subject: Mapping[str, Any],
    attachments: Mapping[str, bytes] | None = None,
    *,
    progress: Progress | None = None,
    policy: Policy | None = None,
    attested: Attestations | None = None,
) -> None:
    """Write the bundle of some statements; the log's genesis is always among them.

    `subject` says in JSON what the bundle is about. Every attachment must be named by its SHA-256 in an
    open field of one of the statements (`digest`, `…_digest`, `…_digests`). The same log and arguments
    give the same bytes. `attested` gives the checkpoints that outsiders vouched for; the largest of them that
    covers all entries and has the quorum of `policy` is the bundle's own, else the one with the most
    cosignatures, else the newest. A Path is replaced as a whole or not at all. Raises NotFoundError for an unknown
    statement, BundleError for an attachment that no statement names or that has no usable name.
    """
    log.integrate()
    indexes = sorted({0, *(log.index_of(statement_id) for statement_id in statement_ids)})
    documents = dict(attachments or {})
    if not isinstance(target, Path):
        _Writer(target, log, policy, attested).write(indexes, subject, documents, progress)
        return
    partial = target.with_name(target.name + ".partial")
    try:
        with partial.open("wb") as file:
            _Writer(file, log, policy, attested).write(indexes, subject, documents, progress)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


class _Writer:
    """One bundle in the making."""

    def __init__(self, file: IO[bytes], log: Log[Any], policy: Policy | None, attested: Attestations | None) -> None:
        self._file = file
        self._log = log
        self._policy = policy or Policy.of_log(log.vkey)
        self._attestations = attested
        self._attested: Sequence[Attested] = ()
        self._signed = log.latest()
        self._files: dict[str, dict[str, str]] = {}
        self._entries: list[dict[str, str]] = []
        self._digests: dict[str, list[dict[str, str]]] = {}

    def write(
        self,
        indexes: Sequence[int],
        subject: Mapping[str, Any],
        documents: Mapping[str, bytes],
        progress: Progress | None,
    ) -> None:
        self._choose(indexes)
        with zipfile.ZipFile(self._file, "w", zipfile.ZIP_DEFLATED) as archive:
            self._put(archive, layout.README, _readme(self._log, self._signed.size, indexes).encode())
            self._put(archive, layout.POLICY, self._policy.to_text().encode("utf-8", "surrogateescape"))
            self._put(archive, layout.CHECKPOINT, self._signed.note.encode())
            for change in self._log.successions:
                self._put(archive, layout.succession_name(Entry.parse(change.entry).index), change.to_bytes())
            for item in self._attested:
                extension = self._log.consistency_proof(item.size, self._signed.size)
                for name, data in attested_files(item, extension):
                    self._put(archive, name, data)
            for done, index in enumerate(indexes, 1):
                self._put_entry(archive, index)
                if progress is not None:
                    progress(done, len(indexes))
            named = {}
            for name, data in sorted(documents.items()):
                path = layout.document_name(name)
                if path is None:
                    raise BundleError(f"{name!r} is no name for an attachment")
                if layout.digest(data) not in self._digests:
                    raise BundleError(f"no statement of the bundle names the SHA-256 of the attachment {name!r}")
                self._put(archive, path, data)
                named[path] = self._digests[layout.digest(data)]
            self._put(archive, layout.MANIFEST, self._manifest(subject, named))

    def _choose(self, indexes: Sequence[int]) -> None:
        """Choose the checkpoint under which the entries are proven, and the attested ones that come with it."""
        if self._attestations is None:
            return
        found = sorted(self._attestations(indexes, self._signed.size), key=lambda item: item.size)
        known = [item for item in found if item.size <= self._signed.size]
        covering = [item for item in known if item.size > indexes[-1]]
        judged = [(self._policy.judge(item.note), item) for item in covering]
        # Without a quorum the most cosignatures are best, so that the verdict names only who is really missing.
        ranked = [(verdict.reached, len(verdict.cosignatures), item.size, item) for verdict, item in judged]
        best = max(ranked, key=lambda found: found[:3], default=None)
        if best is not None and (best[0] or best[1]):
            item = best[3]
            self._signed = StoredCheckpoint(item.size, item.root, item.note)
        self._attested = [item for item in known if item.size <= self._signed.size]

    def _put(self, archive: zipfile.ZipFile, name: str, data: bytes) -> None:
        self._files[name] = {"sha256": layout.digest(data), "size": str(len(data))}
        info = zipfile.ZipInfo(name, _EPOCH)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.create_system = 3
        info.external_attr = 0o100644 << 16
        archive.writestr(info, data)

    def _put_entry(self, archive: zipfile.ZipFile, index: int) -> None:
        entry = self._log.entry(index)
        openings = self._log.openings(entry.statement_id)
        path = self._log.inclusion_proof(index, self._signed.size)
        self._put(archive, layout.entry_name(index), entry.body)
        self._put(archive, layout.proof_name(index), format_proof(index, path, self._signed.note).encode())
        self._put(archive, layout.openings_name(index), _openings(entry, openings))
        self._entries.append({"index": str(index), "kind": entry.kind, "statement_id": entry.statement_id})
        for name, value in layout.named_digests(_values(openings)):
            self._digests.setdefault(value, []).append({"index": str(index), "field": name})

    def _manifest(self, subject: Mapping[str, Any], documents: Mapping[str, Any]) -> bytes:
        try:
            return encode(
                {
                    "format": layout.FORMAT,
                    "origin": self._log.origin,
                    "vkey": self._log.vkey,
                    "size": str(self._signed.size),
                    "subject": dict(subject),
                    "entries": self._entries,
                    "files": self._files,
                    "documents": dict(documents),
                }
            )
        except CanonicalError as error:
            raise BundleError(f"the subject of the bundle is not JSON: {error}") from error


def _openings(entry: Entry, openings: Mapping[str, Opening | Erased]) -> bytes:
    fields: dict[str, Any] = {}
    for name, opening in openings.items():
        if isinstance(opening, Erased):
            fields[name] = {"erased": True, "by": opening.by}
        else:
            fields[name] = {"salt": base64.b64encode(opening.salt).decode(), "value": opening.value}
    return encode({"statement_id": entry.statement_id, "openings": fields})


def _values(openings: Mapping[str, Opening | Erased]) -> dict[str, Any]:
    return {name: item.value for name, item in openings.items() if isinstance(item, Opening)}


def _readme(log: Log[Any], size: int, indexes: Sequence[int]) -> str:
    return f"""\
Evidence from the transparency log {log.origin}
{"=" * (35 + len(log.origin))}

This archive holds {len(indexes)} entries of the log, as they stand in it at size {size}.
To verify all of it, offline, with the exchange switched off:

    python -m ledger verify THIS_FILE --key '{log.vkey}'

Take the key after --key from a source you trust, not from this file: whoever made this file could
have written another one here.

entries/N.json           entry N, verbatim. Its SHA-256 after one zero byte is its leaf hash, which
                         the next entry repeats as "prev".
proofs/N.tlog-proof      the proof that entry N is in the log (c2sp.org/tlog-proof)
openings/N.json          salts and values behind the commitments of entry N; some may be erased
documents/               documents, each named by its SHA-256 in one of the entries
checkpoint               the log's signed size and root (c2sp.org/tlog-checkpoint), with the cosignatures of
                         witnesses (c2sp.org/tlog-cosignature) where there were any
attested/                earlier checkpoints for which witnesses or a time-stamping authority vouched
                         (.tsr: RFC 3161), or which stand on an Ethereum chain (.anchor: compare the hash
                         of its block with that chain), each with the proof that the checkpoint above
                         extends it
keys/                    where the log's key was changed: the entry that names the new key, proven under the key
                         before, so that a key which you took earlier still leads to the one that signs now
trust.policy             the log's key and its witnesses (c2sp.org/tlog-policy), as the log names them
manifest.json            what is in this archive

Proven: every entry stands in the log at its index; who signed it, under a key that the log attests;
that no value or document was altered since; that no statement about an agreement is missing between
the first and the last one included here (their counters have no gap).

Not proven: what manifest.json says this archive is about; that a statement was true; that entries
which this archive leaves out do not exist.

Proven only with more that you bring: that others are shown the same log, by the cosignatures of
witnesses that you trust (--policy FILE), or by comparing checkpoints (python -m ledger consistency
OLD NEW); by when an entry existed, beyond what its signer says, by a time stamp of an authority that
you trust (--tsa-ca FILE).
"""
