"""Versions: what the reading of an upload ends in, its publication by the provider, and the way back to the plain bytes."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO

import pyarrow as pa
from sqlalchemy.orm import Session

from exchange.access import Actor, Permission
from exchange.audit.service import record
from exchange.catalog import checks, sealed, uploads
from exchange.catalog.datasets import own_dataset
from exchange.catalog.models import Dataset, DatasetVersion, Offer, VersionFile
from exchange.errors import ConflictError, NotFoundError
from exchange.jobs import Job
from exchange.participants.keys import tenant_keys
from exchange.participants.models import Participant
from exchange.steps import Services, Step, operation

# The columns that carry a buyer's mark are chosen from this many rows, at the upload and at each delivery alike.
MARK_SAMPLE_ROWS = 65_536


def get_version(session: Session, version_id: str) -> DatasetVersion:
    """Return a version by its id, whoever it belongs to; the caller checks who asks. Raises NotFoundError."""
    found = session.get(DatasetVersion, version_id)
    if found is None:
        raise NotFoundError()
    return found


def own_version(session: Session, actor: Actor, version_id: str, *, lock: bool = False) -> DatasetVersion:
    """Return a version of one of the actor's datasets. Raises NotFoundError for an unknown or foreign one."""
    found = session.get(DatasetVersion, version_id)
    if found is None:
        raise NotFoundError()
    own_dataset(session, actor, found.dataset_id, lock=lock)
    if lock:
        # Somebody may have changed it between the first look and the lock.
        session.refresh(found)
    return found


def version_digest(files: Iterable[str]) -> str:
    """Return the digest of a version: SHA-256 over the canonical list of its files' plain digests in order."""
    return checks.digest_of({"files": list(files)})


def file_context(version_id: str, position: int) -> bytes:
    """Return what the sealing of a version's file is bound to."""
    return version_id.encode() + b"/" + str(position).encode()


def data_key(services: Services, session: Session, version: DatasetVersion) -> bytes:
    """Return the key that the version's files are sealed under. Raises StorageError where the key store does not open it."""
    owner = session.get_one(Participant, version.dataset.participant_id)
    if version.wrapped_key is None:
        raise _not_ready()
    return tenant_keys(services.keystore, owner).unwrap(version.wrapped_key, f"version/{version.id}")


def open_version(services: Services, session: Session, version: DatasetVersion) -> list[Callable[[], BinaryIO]]:
    """Return one opener a file, in order; each call gives a fresh decrypting reader for one thread.

    Read Parquet with pq.ParquetFile(reader, pre_buffer=False). Raises ConflictError for a version that is not ready.
    """
    if version.state != "ready":
        raise _not_ready()
    key = data_key(services, session, version)

    def opener(digest: str, context: bytes) -> Callable[[], BinaryIO]:
        return lambda: sealed.open_sealed(services, digest, key, context)

    return [opener(file.object_digest, file_context(version.id, file.position)) for file in version.files]


def deliverable(services: Services, session: Session, version: DatasetVersion) -> None:
    """Return when the version could be delivered now. Raises ConflictError where bytes or key are missing."""
    try:
        for opener, file in zip(open_version(services, session, version), version.files, strict=True):
            if services.objects.size(file.object_digest) != file.sealed_size:
                raise NotFoundError()
            opener().close()
    except NotFoundError as error:
        raise ConflictError(
            ("The stored bytes of this version are missing.", "该版本的存储字节缺失。"),
            ("Ask the provider to publish it again.", "请联系提供方重新发布。"),
            code="not-deliverable",
        ) from error


def first_rows(file: Any) -> pa.Table:
    """Return the first rows of an open Parquet file, from which the columns are chosen that carry the buyer's mark."""
    schema = file.schema_arrow.remove_metadata()
    first = next(file.iter_batches(MARK_SAMPLE_ROWS, use_threads=False), None)
    return pa.Table.from_batches([] if first is None else [first.replace_schema_metadata(None)], schema)


def last_digits_of(version: DatasetVersion) -> dict[str, str]:
    """Return the columns of a version that could carry a buyer's mark, each with the last digit that it keeps."""
    return {column["name"]: column["last_digit"] for column in version.schema if "last_digit" in column}


def arrow_schema(version: DatasetVersion) -> pa.Schema:
    """Return the exact schema of a table's version. Raises ConflictError where it has none."""
    if version.arrow_schema is None:
        raise _not_ready()
    return pa.ipc.read_schema(pa.py_buffer(version.arrow_schema))


def _not_ready() -> ConflictError:
    return ConflictError(
        ("This version is not ready.", "该版本尚未就绪。"),
        ("Wait until it has been read.", "请等待读取完成。"),
        code="not-ready",
    )


@operation("catalog.version_ready", None)
def version_ready(
    step: Step,
    *,
    version: str,
    kind: str,
    rows: int,
    schema: list[dict[str, Any]],
    arrow_schema: str,
    findings: list[dict[str, Any]],
    warnings: list[dict[str, Any]],
    wrapped_key: str,
    files: list[dict[str, Any]],
) -> dict[str, Any]:
    """Give what was read its rows, once; a job that runs again after a crash changes nothing more."""
    row = get_version(step.session, version)
    dataset = step.session.get_one(Dataset, row.dataset_id, with_for_update={"key_share": True})
    step.session.refresh(row)
    if row.state != "ingesting":
        return {"version": row.id, "state": row.state}
    row.files = [
        VersionFile(id=step.new_id(), version_id=row.id, position=position, **file)
        for position, file in enumerate(files)
    ]
    row.kind, row.rows, row.schema, row.findings, row.warnings = kind, rows, schema, findings, warnings
    row.arrow_schema = base64.b64decode(arrow_schema) or None
    row.bytes = sum(file["plain_size"] for file in files)
    row.digest = version_digest(file["plain_digest"] for file in files)
    row.wrapped_key = base64.b64decode(wrapped_key)
    row.state, row.ready_at, row.error = "ready", step.now, None
    if dataset.state == "draft" or not dataset.current_version_id:
        dataset.kind = kind
    dataset.current_version_id, dataset.updated_at = row.id, step.now
    sealed.keep(step, row.id, [file["object_digest"] for file in files])
    step.session.flush()
    if kind == "table":
        job = step.services.jobs.enqueue(step, "appraisal.appraise", subject=dataset.id, version=row.id)
        step.session.flush()
        # The provider, not the program, is who may watch it.
        step.session.get_one(Job, job).participant = dataset.participant_id
    return {"version": row.id, "state": row.state}


@operation("catalog.version_failed", None)
def version_failed(step: Step, *, version: str, error: dict[str, Any]) -> dict[str, Any]:
    """Close a version that could not be read: the error stays, the uploaded bytes go."""
    row = get_version(step.session, version)
    step.session.get_one(Dataset, row.dataset_id, with_for_update={"key_share": True})
    step.session.refresh(row)
    if row.state == "ingesting":
        row.state, row.error = "failed", error
        uploads.remove_sources(step, row.sources)
    return {"version": row.id, "state": row.state}


@operation("catalog.publish_version", Permission.DATASET_WRITE)
def publish_version(step: Step, *, version: str) -> dict[str, Any]:
    """State, signed by the provider, that this version with this digest is theirs; needed before it can be offered."""
    row = own_version(step.session, step.actor, version, lock=True)
    if row.state != "ready":
        raise _not_ready()
    if row.published_at is None:
        record(
            step,
            "dataset.version_published",
            {
                "provider": step.actor.participant,
                "dataset": row.dataset_id,
                "version": row.id,
                "number": row.number,
                "version_digest": row.digest,
                "files": [file.plain_digest for file in row.files],
                "rows": row.rows,
                "bytes": row.bytes,
                "kind": row.kind,
                "title": row.dataset.title,
            },
            signer=step.actor.participant or "",
            subjects=[row.dataset_id, row.id],
        )
        row.published_at = step.now
    return {
        "version": row.id,
        "dataset": row.dataset_id,
        "number": row.number,
        "digest": row.digest,
        "state": row.state,
    }


@operation("catalog.reread_version", Permission.DATASET_WRITE)
def reread_version(step: Step, *, version: str, options: dict[str, Any]) -> dict[str, Any]:
    """Read the uploaded files of a version again with corrected types or options; it becomes the next version."""
    row = own_version(step.session, step.actor, version, lock=True)
    dataset = row.dataset
    if row.state != "ready" or not row.sources:
        raise _cannot_reread()
    if step.session.query(Offer).filter(Offer.version_id == row.id, Offer.state != "draft").count():
        raise _cannot_reread()
    uploads.require_not_reading(step, uploads.newest_version(step, dataset))
    merged = {**row.options, **uploads.check_options(options)}
    merged["types"] = {**row.options.get("types", {}), **merged.get("types", {})}
    following = uploads.new_version(step, dataset, parts=row.parts, options=merged)
    for source in list(row.sources):
        source.version_id = following.id
    step.session.flush()
    step.session.expire(row, ["sources"])
    step.session.expire(following, ["sources"])
    uploads.start_reading(step, dataset, following)
    return uploads.upload_state(following)


def _cannot_reread() -> ConflictError:
    return ConflictError(
        ("The uploaded files of this version are not kept any more: it is being read, has failed or was offered.",
         "该版本的上传文件已不再保留：正在读取、读取失败或已上架。"),
        ("Upload the files again with the types you want.", "请按所需类型重新上传文件。"),
        code="no-sources",
    )  # fmt: skip


def drop_sources(step: Step, version: DatasetVersion) -> None:
    """Let go of the uploaded files once the version is offered: from now on the version alone counts."""
    uploads.remove_sources(step, version.sources)
    step.session.expire(version, ["sources"])
