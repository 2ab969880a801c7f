"""Preparing the artefact of a transfer: read, filter, desensitize, fingerprint, seal. One stream, bounded memory, made once.

The artefact is a zip (stored, deterministic) of `agreement.json`, `data/part-NNNNN.parquet` and, last, `manifest.json` with the digest of each
part. It is sealed under a fresh key while it is written, so the plain package never lies on a disk.
"""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import json
import secrets
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from contracts.agreement import digest_of
from contracts.desensitization.engine import apply, combined_digest, compile_plan, open_parquet, run
from contracts.desensitization.keys import Keys
from contracts.desensitization.model import Plan
from contracts.errors import ContractsError
from contracts.fingerprint import Fingerprint, choose_columns
from contracts.sealing import SealWriter, wrap_key
from exchange import jobs
from exchange.catalog import sealed as stored
from exchange.catalog import service as catalog
from exchange.catalog.models import DatasetVersion
from exchange.catalog.versions import MARK_SAMPLE_ROWS
from exchange.errors import ConflictError, ExchangeError, UnavailableError
from exchange.jobs import Progress
from exchange.negotiation import service as negotiation
from exchange.negotiation.models import AgreementRecord
from exchange.operations import Operations
from exchange.participants import keys
from exchange.participants.models import Participant
from exchange.steps import Step, operation
from exchange.transfer import proofs as _proofs  # noqa: F401 - its timer is registered where the others are
from exchange.transfer.models import TransferProcess
from exchange.transfer.service import context

_EPOCH = (1980, 1, 1, 0, 0, 0)
_BLOCK = 1024 * 1024
_BATCH = 100


@dataclass(frozen=True)
class _Order:
    """All that the preparation needs, read once; it holds no open transaction."""

    transfer: str
    agreement: bytes
    agreement_id: str
    dataset: str
    plan: Plan
    kind: str
    version_digest: str
    sources: list[Callable[[], BinaryIO]]
    names: list[str]
    tenant: keys.TenantKeys
    recipient: bytes


def give_up(operations: Operations, arguments: dict[str, Any]) -> None:
    """End a transfer whose preparation killed its worker, or found no ledger, again and again."""
    reason = ("The artefact could not be prepared after several attempts.", "多次尝试后仍无法准备交付物。")
    _fail(operations, arguments["transfer"], reason)


@jobs.handler("transfer.prepare", given_up=give_up)
def prepare(operations: Operations, arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Make, seal and store the artefact of a REQUESTED transfer, then start it. Repeatable after a crash."""
    with operations.database.reading() as session:
        row = session.get_one(TransferProcess, arguments["transfer"])
        state = row.state
    # An earlier attempt may have stored an artefact and died before it had a row.
    stored.discard(operations, row.id)
    try:
        if state == "REQUESTED":
            state = _make_and_start(operations, row, progress)
    except (UnavailableError, OperationalError):
        # Nothing is wrong with the transfer: the job is taken up again once the ledger can be written.
        raise
    except Exception as error:
        # Whatever else stops the preparation, the transfer must not wait for ever: it ends with a reason, and no use is taken.
        _fail(operations, row.id, _reason(error))
        raise
    return {"state": state, "location": f"/transfers/{row.id}"}


def _make_and_start(operations: Operations, row: TransferProcess, progress: Progress) -> str:
    settings = operations.services.settings
    with operations.database.reading() as session:
        order = _read_order(operations, session, row)
    with stored.private_folder(settings, "artefact") as folder:
        target = folder / "artefact"
        try:
            made = _make(order, target, settings.job_threads + 1, progress)
        except OSError as error:
            raise stored.disk_error(error) from error
        key, size = made.pop("key"), target.stat().st_size
        artefact = stored.store(operations, order.transfer, target)
    outcome = operations.run_as_system(
        "transfer.start",
        transfer=order.transfer,
        artefact=artefact,
        sealed_size=size,
        wrapped_key=base64.b64encode(order.tenant.wrap(key, f"transfer/{order.transfer}")).decode(),
        recipient_wrapped_key=base64.b64encode(wrap_key(key, order.recipient, context(order.transfer))).decode(),
        recipient_key=hashlib.sha256(order.recipient).hexdigest()[:32],
        plan_digest=order.plan.digest(),
        version_digest=order.version_digest,
        **made,
    )
    # Denied at last, the transfer has no row for what was stored.
    stored.discard(operations, order.transfer)
    return str(outcome.result["state"])


def _fail(operations: Operations, transfer: str, reason: tuple[str, str]) -> None:
    operations.run_as_system("transfer.fail", transfer=transfer, reason_en=reason[0], reason_zh=reason[1])
    stored.discard(operations, transfer)


stored.naming(
    lambda digests: select(TransferProcess.artefact).where(
        TransferProcess.artefact.in_(digests), TransferProcess.wrapped_key.is_not(None)
    )
)


@operation("transfer.discard_due", None)
def discard_due(step: Step) -> dict[str, Any]:
    """Remove the artefacts, with their keys, that expired or whose transfer was ended (at most 100 a run); a timer calls this."""
    due = (TransferProcess.expires_at <= step.now) | (TransferProcess.state == "TERMINATED")
    rows = step.session.scalars(
        select(TransferProcess)
        .where(TransferProcess.wrapped_key.is_not(None), due)
        .limit(_BATCH)
        .with_for_update(key_share=True, skip_locked=True)
    ).all()
    for row in rows:
        row.wrapped_key = row.recipient_wrapped_key = None
    stored.delete_after_commit(step, [row.artefact for row in rows])
    return {"discarded": [row.id for row in rows]}


def _read_order(operations: Operations, session: Session, row: TransferProcess) -> _Order:
    agreement = session.get_one(AgreementRecord, row.agreement_id)
    version = session.get_one(DatasetVersion, row.version_id)
    provider = session.get_one(Participant, row.provider_id)
    signed = negotiation.signed_document(agreement)
    if version.digest != signed.dataset_version["digest"]:
        raise ConflictError(
            ("The stored version is not the one that the agreement names.", "保存的数据版本与协议所载版本不一致。"),
            ("Tell the operator.", "请联系运营方。"),
            code="agreement-altered",
        )
    return _Order(
        transfer=row.id,
        agreement=agreement.document,
        agreement_id=agreement.id,
        dataset=row.dataset_id,
        plan=Plan.from_json(signed.plan),
        kind=version.kind,
        version_digest=version.digest,
        sources=catalog.open_version(operations.services, session, version),
        names=[file.name for file in version.files],
        tenant=keys.tenant_keys(operations.services.keystore, provider),
        recipient=keys.current_key(session, row.consumer_id, keys.ENCRYPTION).public,
    )


def _make(order: _Order, target: Path, threads: int, progress: Progress) -> dict[str, Any]:
    """Write the sealed package to `target`; return its key, digests, sizes and rows."""
    key = secrets.token_bytes(32)
    parts: list[dict[str, Any]] = []
    pseudonyms = Keys(order.tenant.derive("pseudonyms"), order.agreement_id)
    with target.open("xb") as file, SealWriter(file, key, context(order.transfer)) as seal:
        plain = _Digesting(seal)
        # The zip writer is told that it cannot seek, so it streams.
        with zipfile.ZipFile(plain, "w", zipfile.ZIP_STORED, allowZip64=True) as package:
            _add(package, "agreement.json", order.agreement)
            mark = _fingerprint(order, pseudonyms) if order.kind == "table" else None
            for name, data, rows, digest in _contents(order, pseudonyms, mark, threads, progress):
                _add(package, name, data)
                parts.append({"name": name, "rows": rows, "sha256": digest})
            _add(package, "manifest.json", _manifest(order, parts))
        file.flush()
    return {
        "key": key,
        "plain_digest": f"sha256:{plain.digest.hexdigest()}",
        "parts_digest": combined_digest(part["sha256"] for part in parts),
        "plain_size": plain.size,
        "rows": sum(part["rows"] for part in parts),
        "mark_digest": mark.code_digest() if mark else "",
        "marked_columns": [column.to_json() for column in mark.columns] if mark else [],
    }


def _contents(
    order: _Order, pseudonyms: Keys, mark: Fingerprint | None, threads: int, progress: Progress
) -> Iterator[tuple[str, Any, int, str]]:
    if order.kind != "table":
        yield from _verbatim(order, progress)
        return
    # A parameter binds each source, since the engine opens them later and in several threads.
    sources = [lambda source=source: open_parquet(source()) for source in order.sources]

    def report(done: int, total: int) -> None:
        progress(done / total, f"{done}/{total}")

    for part in run(sources, order.plan, pseudonyms, mark, threads=threads, progress=report):
        yield f"data/part-{part.index:05d}.parquet", part.data, part.rows, part.sha256


def _fingerprint(order: _Order, pseudonyms: Keys) -> Fingerprint:
    """Choose the columns that carry the buyer's mark from the first rows, among those that the signed plan discloses.

    They are the same ones each time, and for every buyer.
    """
    file = open_parquet(order.sources[0]())
    try:
        compiled = compile_plan(order.plan, file.schema_arrow, pseudonyms)
        batches = itertools.islice(file.iter_batches(MARK_SAMPLE_ROWS, use_threads=False), 1)
        sample = pa.Table.from_batches((apply(batch, compiled) for batch in batches), compiled.schema)
    finally:
        # The reader came from us, so Parquet does not close it unless told.
        file.close(force=True)
    columns = choose_columns(sample, order.plan)
    return Fingerprint(order.tenant.derive(f"fingerprint/{order.dataset}"), order.agreement_id, columns)


def _verbatim(order: _Order, progress: Progress) -> Iterator[tuple[str, Any, int, str]]:
    """Opaque files leave as they are: nothing in them can be masked, which their offer says."""
    for index, (source, name) in enumerate(zip(order.sources, order.names, strict=True)):
        with source() as stream:
            yield f"data/{index:05d}-{Path(name).name}", stream, 0, _stream_digest(source)
        progress((index + 1) / len(order.sources), name)


def _stream_digest(source: Callable[[], BinaryIO]) -> str:
    with source() as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _add(package: zipfile.ZipFile, name: str, data: Any) -> None:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.external_attr = 0o644 << 16
    with package.open(info, "w", force_zip64=True) as member:
        if hasattr(data, "read"):
            while block := data.read(_BLOCK):
                member.write(block)
        else:
            view = memoryview(data)
            for start in range(0, len(view), _BLOCK):
                member.write(view[start : start + _BLOCK])


def _manifest(order: _Order, parts: list[dict[str, Any]]) -> bytes:
    document = {
        "version": 1,
        "agreement": order.agreement_id,
        "agreement_digest": digest_of(json.loads(order.agreement)),
        "transfer": order.transfer,
        "plan_digest": order.plan.digest(),
        "parts": parts,
    }
    return json.dumps(document, indent=1, sort_keys=True).encode()


def _reason(error: Exception) -> tuple[str, str]:
    if isinstance(error, ContractsError):
        return error.text_en, error.text_zh
    if isinstance(error, ExchangeError):
        return error.reason
    return "The artefact could not be prepared.", "无法准备交付物。"


class _Digesting(io.RawIOBase):
    """Counts and hashes what passes on to the sealer."""

    def __init__(self, target: SealWriter) -> None:
        self._target = target
        self.digest = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self.digest.update(view)
        self.size += len(view)
        self._target.write(view)
        return len(view)

    def flush(self) -> None:
        """Nothing waits here: the sealer seals whole chunks only."""
