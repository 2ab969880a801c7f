"""Publishing the log to a folder or an S3 bucket, from which any file server or the bucket itself serves it.

Where the setting publish_log_to names a place, a timer hands that to a job every minute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select

from exchange import jobs
from exchange.config import Settings
from exchange.errors import InvalidInputError, StorageError
from exchange.jobs import Job, Progress
from exchange.objects import s3_client
from exchange.operations import Operations
from exchange.steps import Services, Step, operation
from ledger.errors import LedgerError, LedgerUnavailableError, VerificationError
from ledger.tiles import BucketTarget, Exported, FolderTarget, Target, export
from ledger.tiles.bucket import SCHEME

TIMER = "audit.publish_due"
_JOB = "audit.publish"


def publish(services: Services, to: str, progress: Callable[[int, int], None] | None = None) -> Exported:
    """Bring the published files up to the log's newest checkpoint.

    `to` is a folder, or s3://bucket/prefix on the object store's server. Raises InvalidInputError where another log lies
    there or another export writes there, StorageError where nothing can be written.
    """
    log = services.log
    log.integrate()
    signed = log.latest()
    try:
        with _target(services.settings, to) as target:
            return export(log.storage, signed, log.vkey, target, former=log.vkeys[1:], progress=progress)
    except LedgerUnavailableError as error:
        raise StorageError(
            (f"The log cannot be published to {to}: {error}.", f"无法将账本发布到 {to}：{error}。"),
            ("Mend the place and publish again; what is there already stays a whole log.", "请修复目标位置后重新发布；已有内容仍是一份完整的账本。"),
        ) from error  # fmt: skip
    except (VerificationError, LedgerError) as error:
        raise InvalidInputError(
            (f"The log is not published to {to}: {error}.", f"账本未发布到 {to}：{error}。"),
            ("Name an empty place, or the one of this log; check the log itself with `python -m ledger fsck`.", "请指定空位置或本账本已有的位置；账本本身可用 `python -m ledger fsck` 检查。"),
            field="to",
        ) from error  # fmt: skip


@contextmanager
def _target(settings: Settings, to: str) -> Iterator[Target]:
    if to.startswith(SCHEME):
        yield BucketTarget(s3_client(settings), to)
    else:
        with FolderTarget.locked(Path(to)) as folder:
            yield folder


@operation(TIMER, None)
def publish_due(step: Step) -> dict[str, Any]:
    """Hand the next round to a job, where the setting asks for it and none waits; a timer calls this."""
    if not step.services.settings.publish_log_to:
        return {"queued": None}
    waiting = step.session.scalar(select(Job.id).where(Job.kind == _JOB, Job.state.in_(("queued", "running"))))
    if waiting is not None:
        return {"queued": None}
    # A round is every minute; what came of the last one can be read where the files are.
    step.session.execute(delete(Job).where(Job.kind == _JOB))
    return {"queued": step.services.jobs.enqueue(step, _JOB)}


@jobs.handler(_JOB)
def _publish(operations: Operations, _arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    services = operations.services
    made = publish(services, services.settings.publish_log_to, lambda done, total: progress(done / max(1, total)))
    return {"size": str(made.size), "written": made.written}
