"""Uploads: streamed into the spool as they come, sealed on the way, and acknowledged once they lie in the object store.

An upload is one or more files of one version, each sent on its own as part i of n; when the last one is there the
version is read by a job. Plain bytes never lie on the disk before that job needs them.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO

from sqlalchemy import select

from contracts.sealing import new_key
from exchange.access import Actor, Permission
from exchange.catalog import checks, sealed
from exchange.catalog.datasets import own_dataset
from exchange.catalog.errors import UploadCutShortError
from exchange.catalog.models import Dataset, DatasetVersion, VersionSource
from exchange.errors import ConflictError, IdempotencyError, InvalidInputError, PayloadTooLargeError
from exchange.identifiers import uuid7
from exchange.jobs import get as get_job
from exchange.participants.keys import tenant_keys
from exchange.participants.models import Participant
from exchange.steps import Services, Step, operation

if TYPE_CHECKING:
    from exchange.operations import Operations, Outcome

MOST_PARTS = 1000
_UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\:*?\"<>|]+")


def take(
    operations: Operations,
    actor: Actor,
    dataset: str,
    stream: BinaryIO,
    *,
    name: str,
    length: int | None = None,
    part: int = 1,
    parts: int = 1,
    options: dict[str, Any] | None = None,
    expected_digest: str | None = None,
    request_key: str | None = None,
) -> Outcome:
    """Store one uploaded file of `dataset` and return what `catalog.receive_file` says.

    `length` is what the sender announced, `expected_digest` ("sha256:…") what it computed. Raises NotFoundError for a foreign
    dataset, UploadCutShortError, InvalidInputError for altered bytes, PayloadTooLargeError beyond the limit, StorageError on a full
    disk; nothing is kept then.
    """
    services = operations.services
    name, options = file_name(name), check_options(options or {})
    _check_part(part, parts)
    if expected_digest is not None:
        checks.digest("digest", expected_digest)
    with operations.database.reading() as session:
        own_dataset(session, actor, dataset)
        owner = session.get_one(Participant, actor.participant)
    now = datetime.now(UTC)
    source, key = uuid7(now, new_key()), new_key()
    try:
        with sealed.private_folder(services.settings, "upload") as folder:
            limit = services.settings.max_upload_bytes
            kept = sealed.seal(_blocks(stream, length, limit), folder / "sealed", key, source_context(source))
            if expected_digest not in (None, kept.plain_digest):
                raise _altered()
            object_digest = sealed.store(operations, source, kept.path)
        wrapped = tenant_keys(services.keystore, owner).wrap(key, f"source/{source}")
        outcome = operations.run(
            actor, "catalog.receive_file", dataset=dataset, source=source, name=name, part=part, parts=parts,
            options=options, object_digest=object_digest, plain_digest=kept.plain_digest, plain_size=kept.plain_size,
            wrapped_key=base64.b64encode(wrapped).decode(), request_key=request_key,
        )  # fmt: skip
    finally:
        # Whatever was stored without an operation taking it over is still noted, and goes.
        sealed.discard(operations, source)
    return outcome


def source_context(source: str) -> bytes:
    """Return what a source's sealing is bound to."""
    return f"source/{source}".encode()


def file_name(name: str) -> str:
    """Return the last part of an uploaded file's name, fit for every file system. Raises InvalidInputError for none."""
    last = _UNSAFE.sub("_", re.split(r"[/\\]", name or "")[-1]).strip(" .")
    if not last or len(last) > 200 or not last.isprintable():
        raise InvalidInputError(
            ("A file has a name of 1 to 200 characters.", "文件名应为 1 至 200 个字符。"),
            ("Give it with ?filename=…; its ending tells the format.", "请用 ?filename=… 指定；扩展名用于识别格式。"),
            field="filename",
        )
    return last


def check_options(given: dict[str, Any]) -> dict[str, Any]:
    """Return the reading options (encoding, delimiter, header, sheet, types) that are set. Raises InvalidInputError."""
    options: dict[str, Any] = {}
    for field, value in given.items():
        if value is None or value in ("", {}):
            continue
        match field:
            case "encoding" | "sheet":
                options[field] = checks.line(field, value, 100, shortest=1)
            case "delimiter":
                if not isinstance(value, str) or len(value) != 1:
                    raise InvalidInputError(
                        ("A delimiter is one character.", "分隔符为一个字符。"),
                        ("Use a comma, semicolon, tab or bar.", "请使用逗号、分号、制表符或竖线。"),
                        field=field,
                    )
                options[field] = value
            case "header":
                options[field] = checks.truth(field, value)
            case "types":
                if not isinstance(value, dict) or len(value) > 4096:
                    raise InvalidInputError(
                        ("Types map column names to types.", "类型应为列名到类型的映射。"), "", field=field
                    )
                options[field] = {
                    str(column): checks.line(field, kind, 60, shortest=1) for column, kind in value.items()
                }
            case _:
                raise InvalidInputError(
                    (f"There is no reading option {field!r}.", f"没有读取选项 {field!r}。"), "", field=field
                )
    return options


def _check_part(part: int, parts: int) -> None:
    if not 1 <= part <= parts <= MOST_PARTS:
        raise InvalidInputError(
            (
                f"Parts are numbered 1 to n, and n is at most {MOST_PARTS}.",
                f"分卷编号为 1 至 n，n 不超过 {MOST_PARTS}。",
            ),
            ("Send ?part=i&parts=n.", "请使用 ?part=i&parts=n。"),
            field="part",
        )


def _blocks(stream: BinaryIO, length: int | None, limit: int) -> Iterator[bytes]:
    """Yield the body and check its length against what was announced and what is allowed."""
    if length is not None and length > limit:
        raise _too_large(limit)
    received = 0
    while block := stream.read(sealed.BLOCK):
        received += len(block)
        if received > limit:
            raise _too_large(limit)
        yield block
    if length is not None and received != length:
        raise UploadCutShortError(received, length)


def _too_large(limit: int) -> PayloadTooLargeError:
    return PayloadTooLargeError(
        (f"A file may have at most {limit} bytes.", f"单个文件不超过 {limit} 字节。"),
        ("Send it in several parts, or ask the operator to raise max_upload_bytes.",
         "请分卷上传，或请运营方调高 max_upload_bytes。"),
        field="content",
    )  # fmt: skip


def _altered() -> InvalidInputError:
    return InvalidInputError(
        ("The bytes that arrived do not have the digest that was announced.", "收到的字节与声明的摘要不符。"),
        ("Send it again; nothing was kept.", "请重新上传；未保留任何内容。"),
        field="digest", code="digest-mismatch",
    )  # fmt: skip


@operation("catalog.receive_file", Permission.DATASET_WRITE)
def receive_file(
    step: Step,
    *,
    dataset: str,
    source: str,
    name: str,
    part: int,
    parts: int,
    options: dict[str, Any],
    object_digest: str,
    plain_digest: str,
    plain_size: int,
    wrapped_key: str,
    request_key: str | None = None,
) -> dict[str, Any]:
    """Give a stored upload its row; the last part starts the reading. A repeated request gets the first one's answer."""
    row = own_dataset(step.session, step.actor, dataset, lock=True)
    if request_key and (known := _by_request(step, request_key)):
        if (known.plain_digest, known.position, known.version.dataset_id) != (plain_digest, part - 1, dataset):
            raise IdempotencyError(
                ("This Idempotency-Key was used for another upload.", "该 Idempotency-Key 已用于其他上传。"),
                ("Use a new key.", "请使用新的键。"),
                field="Idempotency-Key",
            )
        return upload_state(known.version)
    version = _receiving(step, row, parts)
    version.options = {**version.options, **options}
    for old in [item for item in version.sources if item.position == part - 1]:
        version.sources.remove(old)
        remove_sources(step, [old])
    version.sources.append(
        VersionSource(
            id=source, participant_id=row.participant_id, position=part - 1, name=name, object_digest=object_digest,
            plain_digest=plain_digest, plain_size=plain_size, wrapped_key=base64.b64decode(wrapped_key),
            request_key=request_key, created_at=step.now,
        )
    )  # fmt: skip
    step.session.flush()
    sealed.keep(step, source, [object_digest])
    if len(version.sources) == parts:
        start_reading(step, row, version)
    return upload_state(version)


def upload_state(version: DatasetVersion) -> dict[str, Any]:
    """Return how far an upload is."""
    return {
        "dataset": version.dataset_id, "version": version.id, "number": version.number, "state": version.state,
        "parts": version.parts, "received": [item.position + 1 for item in version.sources], "job": version.job_id,
    }  # fmt: skip


def _by_request(step: Step, request_key: str) -> VersionSource | None:
    return step.session.scalar(
        select(VersionSource).where(
            VersionSource.participant_id == step.actor.participant, VersionSource.request_key == request_key
        )
    )


def _receiving(step: Step, dataset: Dataset, parts: int) -> DatasetVersion:
    """Return the version that is being uploaded, or a new one; an upload of another number of parts starts over."""
    last = newest_version(step, dataset)
    if last is not None and last.state == "receiving":
        if last.parts == parts:
            return last
        _abandon(step, last)
    require_not_reading(step, last)
    return new_version(step, dataset, parts=parts)


def newest_version(step: Step, dataset: Dataset) -> DatasetVersion | None:
    """Return the dataset's newest version in whatever state."""
    query = select(DatasetVersion).where(DatasetVersion.dataset_id == dataset.id).order_by(DatasetVersion.number.desc())
    return step.session.scalars(query).first()


def require_not_reading(step: Step, version: DatasetVersion | None) -> None:
    """Raise ConflictError while `version` is being read; a version whose job gave up counts as failed."""
    if version is None or version.state != "ingesting":
        return
    job = get_job(step.session, version.job_id) if version.job_id else None
    if job is None or job.state == "failed":
        version.state, version.error = "failed", (job.error if job else None) or {"code": "internal"}
        remove_sources(step, version.sources)
        return
    raise ConflictError(
        ("The last upload of this dataset is still being read.", "该数据集上一次上传的内容仍在读取中。"),
        ("Wait until it is ready, then send the next one.", "请等待读取完成后再上传。"),
        code="still-reading",
    )


def new_version(step: Step, dataset: Dataset, *, parts: int, options: dict[str, Any] | None = None) -> DatasetVersion:
    """Add the dataset's next version, in state receiving."""
    last = newest_version(step, dataset)
    version = DatasetVersion(
        id=step.new_id(), dataset_id=dataset.id, number=last.number + 1 if last else 1, state="receiving", parts=parts,
        uploaded_by=step.actor.user, options=options or {}, created_at=step.now,
    )  # fmt: skip
    step.session.add(version)
    step.session.flush()
    return version


def start_reading(step: Step, dataset: Dataset, version: DatasetVersion) -> None:
    """Let the job read a version whose sources are all there."""
    version.state = "ingesting"
    version.uploaded_by = step.actor.user or ""
    version.job_id = step.services.jobs.enqueue(step, "catalog.ingest", subject=dataset.id, version=version.id)
    dataset.updated_at = step.now
    step.session.flush()


def remove_sources(step: Step, sources: list[VersionSource]) -> None:
    """Remove uploaded files and, after the commit, their bytes."""
    rows = list(sources)
    for row in rows:
        step.session.delete(row)
    step.session.flush()
    sealed.delete_after_commit(step, [row.object_digest for row in rows])


def _abandon(step: Step, version: DatasetVersion) -> None:
    remove_sources(step, version.sources)
    step.session.delete(version)
    step.session.flush()


@operation("catalog.abandon_upload", Permission.DATASET_WRITE)
def abandon_upload(step: Step, *, dataset: str) -> dict[str, Any]:
    """Drop an upload that is not complete; nothing happens where there is none."""
    row = own_dataset(step.session, step.actor, dataset, lock=True)
    last = newest_version(step, row)
    if last is not None and last.state == "receiving":
        _abandon(step, last)
    return {"dataset": row.id}


def open_source(services: Services, owner: Participant, source: VersionSource) -> BinaryIO:
    """Return a reader of an uploaded file's plain bytes."""
    key = tenant_keys(services.keystore, owner).unwrap(source.wrapped_key, f"source/{source.id}")
    return sealed.open_sealed(services, source.object_digest, key, source_context(source.id))
