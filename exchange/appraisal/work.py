"""The job that assesses a version: open its files into a private folder, count, report, leave nothing behind."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exchange import jobs
from exchange.appraisal.quality import encoded_profile, open_columns, quality_of
from exchange.catalog import sealed
from exchange.catalog import service as catalog
from exchange.errors import InvalidInputError
from exchange.jobs import Progress
from valuation.errors import ValuationError
from valuation.profile import Profile, profile
from valuation.quality import Declaration, QualityReport, assess
from valuation.report import describe

if TYPE_CHECKING:
    from exchange.operations import Operations


@jobs.handler("appraisal.appraise")
def appraise(operations: Operations, arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Assess the quality of a table's version once; a job that runs again finds its work done."""
    version_id = arguments["version"]
    settings = operations.services.settings
    with operations.database.reading() as session:
        done = quality_of(session, version_id)
    if done is None:
        with catalog.private_folder(settings, "appraise") as folder:
            paths = _copy_files(operations, version_id, folder)
            progress(0.1, "profiling")
            measured, report = _assess(paths, settings.memory_limit, folder, progress)
            basis = describe(paths, report)
        operations.run_as_system(
            "appraisal.quality_ready",
            version=version_id,
            report=report.to_json(),
            digest=report.digest(),
            basis={name: value for name, value in basis.items() if name != "quality"},
            columns=open_columns(measured),
            profile=base64.b64encode(encoded_profile(measured)).decode(),
        )
    with operations.database.reading() as session:
        dataset = catalog.get_version(session, version_id).dataset_id
    return {"version": version_id, "dataset": dataset, "location": f"/datasets/{dataset}?tab=quality"}


def _copy_files(operations: Operations, version_id: str, folder: Path) -> list[Path]:
    paths = []
    with operations.database.reading() as session:
        version = catalog.get_version(session, version_id)
        openers = catalog.open_version(operations.services, session, version)
        names = [file.name for file in version.files]
    for position, (name, opener) in enumerate(zip(names, openers, strict=True)):
        target = folder / str(position) / name
        target.parent.mkdir(mode=0o700)
        sealed.copy_out(opener(), target)
        paths.append(target)
    return paths


def _assess(paths: list[Path], memory_limit: str, folder: Path, progress: Progress) -> tuple[Profile, QualityReport]:
    spill = folder / "spill"
    spill.mkdir(mode=0o700)
    # Every file was fetched from the store and opened just now, which is what this indicator counts.
    fetched = Declaration(
        counts={"accessible": (len(paths), len(paths))},
        sources={"accessible": "the exchange's own fetches from its store"},
    )
    try:
        measured = profile(
            paths,
            memory_limit=memory_limit,
            temp_directory=spill,
            progress=lambda share, text: progress(0.1 + 0.6 * share, text),
        )
        report = assess(
            measured,
            paths,
            declared=fetched,
            memory_limit=memory_limit,
            temp_directory=spill,
            progress=lambda share, text: progress(0.7 + 0.28 * share, text),
        )
    except ValuationError as error:
        raise InvalidInputError(str(error), field="version", code="not-assessed") from error
    return measured, report
