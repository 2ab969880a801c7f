"""What one buyer holds together: deliveries of one table under several plans, joined row by row at worst."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from contracts.desensitization.engine import Compiled, apply, compile_plan
from contracts.desensitization.keys import Keys
from contracts.desensitization.model import ColumnRule, Plan
from contracts.desensitization.risk.groups import MEMORY, Groups, count
from contracts.errors import PlanError


def held_together(
    batches: Iterable[Any],
    schema: Any,
    deliveries: Sequence[tuple[Plan, Keys | None]],
    quasi: Sequence[str],
    *,
    memory: str = MEMORY,
) -> Groups:
    """The groups of the source's rows by everything that the deliveries together say about the columns `quasi`.

    The buyer is taken to know which rows of two deliveries are the same, which is the worst case: two differently
    generalised columns narrow a value down to where their ranges cross. A row that a filter left out of a delivery
    says so by its absence. Batches are read once, with bounded memory. Raises PlanError where a plan does not fit.
    """
    made = [
        (compile_plan(_narrowed(plan, quasi), schema, keys), plan) for plan, keys in deliveries if _says(plan, quasi)
    ]
    if not made:
        raise PlanError("No delivery shows any of the columns.", "没有任何交付包含这些列。")
    fields = [
        pa.field(f"{number} {name}", compiled.schema.field(name).type)
        for number, (compiled, _) in enumerate(made)
        for name in compiled.schema.names
    ]
    fields += [pa.field(f"{number} there", pa.bool_()) for number in range(len(made))]
    joined = pa.schema(fields)

    def rows() -> Iterator[Any]:
        for batch in batches:
            parts = [_delivered(batch, compiled, plan) for compiled, plan in made]
            arrays = [array for columns, _ in parts for array in columns] + [there for _, there in parts]
            yield pa.RecordBatch.from_arrays(arrays, schema=joined)

    return count(pa.RecordBatchReader.from_batches(joined, rows()), joined.names, memory=memory)


def _says(plan: Plan, quasi: Sequence[str]) -> bool:
    return any(rule.column in quasi and rule.method != "suppress" for rule in plan.columns)


def _narrowed(plan: Plan, quasi: Sequence[str]) -> Plan:
    """The plan without its filter, delivering the quasi-identifiers alone."""
    return Plan(tuple(rule if rule.column in quasi else ColumnRule(rule.column, "suppress") for rule in plan.columns))


def _delivered(batch: Any, compiled: Compiled, plan: Plan) -> tuple[list[Any], Any]:
    from contracts.desensitization.filters import prepare_filter

    there = pa.array([True] * batch.num_rows)
    for item in plan.row_filter:
        keep = prepare_filter(item, batch.schema.field(item.column).type)
        there = pc.and_(there, keep(batch.column(item.column)))
    out = apply(batch, compiled)
    return [pc.if_else(there, column, pa.scalar(None, column.type)) for column in out.columns], there
