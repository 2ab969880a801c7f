"""What a version stores, handed out to its own firm: the Parquet files as the exchange keeps them, opened.

With them a firm recomputes its quality and value reports where it likes (`python -m valuation recompute`). They are not
desensitized, so only people who may publish get them, and each time is an entry of the ledger before the first byte leaves.
"""

from __future__ import annotations

from typing import Any

from exchange.access import Permission
from exchange.audit.service import record
from exchange.catalog.versions import own_version
from exchange.errors import ConflictError, NotFoundError
from exchange.steps import Step, operation


@operation("catalog.read_file", Permission.DATASET_WRITE)
def read_file(step: Step, *, version: str, number: int) -> dict[str, Any]:
    """Record that a person of the firm takes file `number` (from 1) of a version that the firm has published.

    Raises NotFoundError for what is unknown or foreign, ConflictError for a version that the firm has not signed.
    """
    row = own_version(step.session, step.actor, version)
    file = next((item for item in row.files if item.position == number - 1), None)
    if file is None:
        raise NotFoundError()
    if row.published_at is None:
        raise ConflictError(
            ("Your organisation has not published this version.", "贵机构尚未发布该版本。"),
            ("Publish it on the dataset's workbench first.", "请先在数据集工作台发布该版本。"),
            code="version-not-published",
        )
    # The firm alone finds this: it is no part of the listing, nor of what a buyer's evidence holds.
    record(
        step,
        "dataset.file_read",
        {
            "provider": row.dataset.participant_id,
            "dataset": row.dataset_id,
            "version": row.id,
            "version_digest": row.digest,
            "file_digest": file.plain_digest,
            "by": step.actor.user or "",
        },
        subjects=[row.dataset.participant_id],
    )
    return {"position": file.position, "name": file.name, "digest": file.plain_digest, "size": file.plain_size}
