"""The job that reads an upload: open the sources, make Parquet, find sensitive columns, seal, store, publish.

It works in a private folder of the spool that is gone when it ends. Until the one operation at the end gives them rows, stored objects are
only noted; so the job may be killed at any moment and run again, and a failure leaves the version's error and nothing else.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from contracts.desensitization.detect import detect
from contracts.fingerprint import last_digits
from contracts.sealing import new_key
from exchange import jobs
from exchange.catalog import sealed, uploads
from exchange.catalog.models import DatasetVersion
from exchange.catalog.reading import NOT_A_TABLE, Hints, Limits, ReadingError, Table, inspect, to_parquet
from exchange.catalog.versions import file_context, first_rows, get_version
from exchange.errors import AwaitingSignatureError, ExchangeError, InvalidInputError
from exchange.jobs import Progress
from exchange.participants.keys import tenant_keys
from exchange.participants.models import Participant
from exchange.participants.tokens import actor_of_user

if TYPE_CHECKING:
    from exchange.operations import Operations

log = structlog.get_logger()
SAMPLE_ROWS = 100_000
Sources = list[tuple[Path, str]]
Outputs = list[tuple[Path, str, int]]


@jobs.handler("catalog.ingest")
def ingest(operations: Operations, arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Read the version's sources to the end; see the module's text."""
    version_id = arguments["version"]
    sealed.discard(operations, version_id)
    with operations.database.reading() as session:
        version = get_version(session, version_id)
        state = version.state
    if state == "ingesting":
        try:
            with sealed.private_folder(operations.services.settings, "ingest") as folder:
                _read_and_store(operations, version_id, folder, progress)
        except Exception as error:
            _fail(operations, version_id, error)
            raise
    return _publish(operations, version_id)


def _fail(operations: Operations, version_id: str, error: Exception) -> None:
    sealed.discard(operations, version_id)
    if isinstance(error, ExchangeError):
        described = {"code": error.code, "reason": list(error.reason), "mend": list(error.mend), "field": error.field}
    else:
        described = {
            "code": "internal",
            "reason": ["Reading failed inside the exchange.", "平台内部读取失败。"],
            "mend": ["Try again; if it stays, tell the operator.", "请重试；若仍失败，请联系运营方。"],
            "field": None,
        }
    operations.run_as_system("catalog.version_failed", version=version_id, error=described)


def _publish(operations: Operations, version_id: str) -> dict[str, Any]:
    """Publish in the name of whoever uploaded; a self-held key leaves a request that waits for its signature."""
    with operations.database.reading() as session:
        version = get_version(session, version_id)
        answer = {
            "version": version_id,
            "dataset": version.dataset_id,
            "state": version.state,
            "location": f"/datasets/{version.dataset_id}/manage",
        }
        if version.state != "ready" or version.published_at is not None:
            return answer
        actor = actor_of_user(session, version.uploaded_by)
    try:
        operations.run(actor, "catalog.publish_version", version=version_id)
    except AwaitingSignatureError as error:
        return {**answer, "awaiting_signature": error.request_id}
    except ExchangeError as error:
        # The version is read and safe; its provider can publish it from its page.
        log.info("version not published", code=error.code)
        return {**answer, "not_published": error.code}
    return {**answer, "published": True}


def _read_and_store(operations: Operations, version_id: str, folder: Path, progress: Progress) -> None:
    with operations.database.reading() as session:
        version = get_version(session, version_id)
        owner = session.get_one(Participant, version.dataset.participant_id)
        paths = _copy_sources(operations, owner, version, folder)
        options = dict(version.options)
    progress(0.1, "reading")
    table = _as_table(operations, paths, options, folder, lambda share, text: progress(0.1 + 0.6 * share, text))
    progress(0.7, "looking for sensitive columns")
    outputs = [(path, name, 0) for path, name in paths] if table is None else _table_files(table)
    described = _describe(table)
    key = new_key()
    files = list(_store(operations, version_id, key, outputs, folder=folder, progress=progress))
    operations.run_as_system(
        "catalog.version_ready",
        version=version_id,
        files=files,
        wrapped_key=_encoded(tenant_keys(operations.services.keystore, owner).wrap(key, f"version/{version_id}")),
        **described,
    )


def _copy_sources(operations: Operations, owner: Participant, version: DatasetVersion, folder: Path) -> Sources:
    """Open the uploaded files into the private folder, one folder each, so that equal names do not collide."""
    paths = []
    for source in version.sources:
        target = folder / f"source-{source.position}" / source.name
        target.parent.mkdir(mode=0o700)
        sealed.copy_out(uploads.open_source(operations.services, owner, source), target)
        paths.append((target, source.name))
    return paths


def _as_table(
    operations: Operations, paths: Sources, options: dict[str, Any], folder: Path, progress: Progress
) -> Table | None:
    """Return the files as one table, or None where none of them is one. Raises InvalidInputError for a broken one."""
    hints = Hints(**{name: options[name] for name in ("encoding", "delimiter", "header", "sheet") if name in options})
    limits = Limits(max_columns=operations.services.settings.max_columns)
    try:
        return to_parquet(
            paths, folder / "parquet", overrides=options.get("types"), hints=hints, limits=limits, progress=progress
        )
    except ReadingError as error:
        if error.code == NOT_A_TABLE and not options and not any(_is_table(path, name, limits) for path, name in paths):
            return None
        raise InvalidInputError(
            (error.reason_en, error.reason_zh), (error.mend_en, error.mend_zh), field=error.field, code=error.code
        ) from error
    except OSError as error:
        raise sealed.disk_error(error) from error


def _is_table(path: Path, name: str, limits: Limits) -> bool:
    # A table among other files must not slip through as bytes that nothing is masked in.
    try:
        inspect(path, name, limits=limits)
    except ReadingError as error:
        return error.code != NOT_A_TABLE
    return True


def _describe(table: Table | None) -> dict[str, Any]:
    """Return what is kept of a table beside its bytes: types, findings and warnings, never a value."""
    if table is None:
        return {"kind": "opaque", "rows": 0, "schema": [], "arrow_schema": "", "findings": [], "warnings": []}
    schema = table.schema.remove_metadata()
    digits = last_digits(_first_rows(table))
    columns = [
        {"name": guess.name, "type": guess.type, "stored": str(field.type), "alternatives": list(guess.alternatives)}
        | ({"last_digit": digits[guess.name]} if guess.name in digits else {})
        for guess, field in zip(table.columns, schema, strict=True)
    ]
    return {
        "kind": "table",
        "rows": table.rows,
        "schema": columns,
        "arrow_schema": _encoded(schema.serialize().to_pybytes()),
        "findings": [finding.to_json() for finding in detect(_sample(table), sample_rows=SAMPLE_ROWS)],
        "warnings": [
            {"code": item.code, "field": item.field, "count": item.count, "text": [item.text_en, item.text_zh]}
            for item in table.warnings
        ],
    }


def _first_rows(table: Table) -> pa.Table:
    """Return the rows from which a delivery chooses the columns that carry the buyer's mark, so that both choose alike."""
    with pq.ParquetFile(table.files[0].path, pre_buffer=False) as file:
        return first_rows(file)


def _sample(table: Table) -> Iterator[pa.RecordBatch]:
    """Yield rows from the start of every row group, so that the whole length of the table is looked at."""
    files = [(info.path, pq.read_metadata(info.path).num_row_groups) for info in table.files]
    quota = -(-SAMPLE_ROWS // max(1, sum(groups for _, groups in files)))
    for path, groups in files:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            for group in range(groups):
                yield from islice(file.iter_batches(quota, row_groups=[group], use_threads=False), 1)


def _table_files(table: Table) -> Outputs:
    names = [f"{Path(info.source_name).stem}.parquet" for info in table.files]
    distinct = len(set(names)) == len(names)
    return [
        (info.path, name if distinct else info.path.name, info.rows)
        for info, name in zip(table.files, names, strict=True)
    ]


def _store(
    operations: Operations, version_id: str, key: bytes, outputs: Outputs, *, folder: Path, progress: Progress
) -> Iterator[dict[str, Any]]:
    """Seal and store each output and yield its row; the sealed file leaves the spool before the next one is made."""
    for position, (path, name, rows) in enumerate(outputs):
        progress(0.75 + 0.25 * position / len(outputs), f"storing {name}")
        kept = sealed.seal_file(path, folder / f"sealed-{position}", key, file_context(version_id, position))
        digest = sealed.store(operations, version_id, kept.path)
        size = kept.path.stat().st_size
        kept.path.unlink()
        yield {
            "name": name, "object_digest": digest, "plain_digest": kept.plain_digest, "plain_size": kept.plain_size,
            "sealed_size": size, "rows": rows,
        }  # fmt: skip


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
