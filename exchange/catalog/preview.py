"""What a plan does to the first rows, for the provider's eyes only: a bounded sample, opened in memory and kept nowhere."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy.orm import Session

from contracts.desensitization import engine
from contracts.desensitization.keys import Keys
from contracts.desensitization.plan import Plan
from exchange.catalog.models import DatasetVersion
from exchange.catalog.offers import guarded
from exchange.catalog.versions import open_version
from exchange.errors import ConflictError
from exchange.steps import Services

SAMPLE_ROWS = 2000
SHOWN_ROWS = 8
_LONGEST = 60


@dataclass(frozen=True)
class Preview:
    """Columns with their method and finding, and the same rows before and after; a suppressed cell is None after."""

    columns: list[dict[str, Any]]
    before: list[list[str | None]]
    after: list[list[str | None]]


def preview(
    services: Services, session: Session, version: DatasetVersion, plan: Plan, *, rows: int = SHOWN_ROWS
) -> Preview:
    """Return the first rows of the version before and after `plan`. The pseudonyms are made with a key thrown away.

    Raises ConflictError for a version without a table, InvalidInputError where the plan does not fit it.
    """
    if version.kind != "table":
        raise ConflictError(
            ("This version is no table, so there are no rows to show.", "该版本不是表格，没有可预览的行。"),
            "",
            code="no-table",
        )
    sample = _sample(services, session, version)
    keys = Keys(secrets.token_bytes(32), "preview")
    before, after = guarded(lambda: engine.preview(sample, plan, keys, rows=rows), "plan")
    categories = {finding["column"]: finding["category"] for finding in version.findings}
    names = [column["name"] for column in version.schema]
    columns = []
    for name in names:
        rule = plan.rule(name)
        columns.append({"name": name, "method": rule.method if rule else "suppress", "category": categories.get(name)})
    return Preview(columns, _rows(before, names), _rows(after, names))


def _sample(services: Services, session: Session, version: DatasetVersion) -> pa.Table:
    with open_version(services, session, version)[0]() as reader, pq.ParquetFile(reader, pre_buffer=False) as file:
        schema = file.schema_arrow.remove_metadata()
        first = next(file.iter_batches(SAMPLE_ROWS, use_threads=False), None)
        batches = [] if first is None else [first.replace_schema_metadata(None)]
        return pa.Table.from_batches(batches, schema)


def _rows(table: pa.Table, names: list[str]) -> list[list[str | None]]:
    present = set(table.schema.names)
    columns = [table.column(name).to_pylist() if name in present else [None] * table.num_rows for name in names]
    return [[_shown(value) for value in row] for row in zip(*columns, strict=True)]


def _shown(value: Any) -> str | None:
    if value is None:
        return None
    text = value.isoformat(sep=" ") if hasattr(value, "hour") else str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
