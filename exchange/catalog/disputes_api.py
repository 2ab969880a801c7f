"""Freezing and unfreezing of disputed datasets over the API, on the catalogue's blueprint."""

from __future__ import annotations

from typing import Any

from exchange.access import Permission
from exchange.catalog import schemas
from exchange.catalog.api import blueprint
from exchange.web import answer, requires, run


@blueprint.post("/datasets/<dataset>/freeze")
@blueprint.arguments(schemas.DisputeSchema)
@blueprint.response(200, schemas.ChangedDatasetSchema)
@requires(Permission.FREEZE_DATASET)
def freeze(given: dict[str, Any], dataset: str) -> Any:
    """Freeze a dataset whose rights are disputed (operator)."""
    return answer(run("catalog.freeze_dataset", dataset=dataset, reason=given["reason"]))[0]


@blueprint.post("/datasets/<dataset>/unfreeze")
@blueprint.arguments(schemas.DisputeSchema)
@blueprint.response(200, schemas.ChangedDatasetSchema)
@requires(Permission.FREEZE_DATASET)
def unfreeze(given: dict[str, Any], dataset: str) -> Any:
    """End the freeze when the dispute is decided (operator)."""
    return answer(run("catalog.unfreeze_dataset", dataset=dataset, reason=given["reason"]))[0]
