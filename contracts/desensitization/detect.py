"""Which columns hold personal or commercially sensitive values: by value, by check character, by name.

`detect` proposes; a person confirms. Of a table longer than `sample_rows` those columns are read whole whose values
repeat (their distinct values are few, and cheap to look at); of the others one row is drawn from each of
`sample_rows` equal stretches. A finding then states the error of its share, from Hoeffding's inequality at 95 %; a
kind that fills a share p of such a column is missed with probability (1 - p) ** sample_rows at most.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from contracts.desensitization.by_name import findings_by_name, findings_by_type
from contracts.desensitization.by_value import findings_by_value
from contracts.desensitization.columns import numbers_of, texts_of
from contracts.desensitization.finding import Finding
from contracts.desensitization.hints import hinted
from contracts.desensitization.types import as_plain, plain_type
from contracts.errors import PlanError

__all__ = ["Finding", "detect"]

# A column of more bytes than this is looked at in its first rows alone; Arrow strings end at twice as much.
_MOST_BYTES = 1 << 30
# A column whose sample has a smaller share of distinct values is read whole.
_REPEATING = 0.05
# Kinds of small whole numbers that a name must announce.
_SHORT_KINDS = frozenset({"gender", "postcode", "birth_date"})


class _Sample(NamedTuple):
    """Some rows of a table: which, and the error of a share among them (None where they are all there are)."""

    array: Any
    rows: NDArray[np.int64] | None
    error: float | None


def detect(source: Any, *, sample_rows: int = 100_000) -> tuple[Finding, ...]:
    """The findings of a table or of an iterable of record batches, in the order of its columns.

    An iterable is read until `sample_rows` rows are seen; what is behind is not known, so where there is more the
    stated error is 1. No finding holds a value of the data.
    """
    findings: list[Finding] = []
    for name, sample in _columns(source, sample_rows):
        for finding in _column(name, sample.array):
            rows = finding.rows if sample.rows is None else tuple(int(sample.rows[row]) for row in finding.rows)
            findings.append(replace(finding, rows=rows, error=sample.error))
    return tuple(findings)


def _columns(source: Any, wanted: int) -> Iterator[tuple[str, _Sample]]:
    error = None
    if not isinstance(source, pa.Table):
        source, error = _first_rows(source, wanted)
    for index, field in enumerate(source.schema if source is not None else ()):
        column = source.column(index)
        if source.num_rows > wanted:
            yield field.name, _sampled(column, wanted)
        else:
            yield field.name, _cut(column, None, error)


def _first_rows(source: Iterable[Any], wanted: int) -> tuple[Any | None, float | None]:
    batches, seen, error = [], 0, None
    for batch in [source] if isinstance(source, pa.RecordBatch) else source:
        batches.append(batch[: wanted - seen])
        error = 1.0 if len(batch) > wanted - seen else None
        seen += batches[-1].num_rows
        if seen >= wanted:
            # Whether another batch follows is not asked: reading it may be dear.
            error = 1.0
            break
    return (pa.Table.from_batches(batches) if batches else None), error


def _sampled(column: Any, wanted: int) -> _Sample:
    # One row of each stretch, drawn by a generator of a fixed seed: the same table gives the same findings.
    offsets = np.random.default_rng(20260101).random(wanted)
    rows = ((np.arange(wanted) + offsets) * (len(column) / wanted)).astype(np.int64)
    sample = column.take(pa.array(np.minimum(rows, len(column) - 1)))
    if pa.types.is_nested(column.type) or not _repeats(sample):
        return _cut(sample, rows, math.sqrt(math.log(2 / 0.05) / (2 * wanted)))
    return _cut(column, None, None)


def _repeats(sample: Any) -> bool:
    try:
        return bool(pc.count_distinct(sample).as_py() <= _REPEATING * len(sample))
    except pa.ArrowException:
        return False


def _cut(column: Any, rows: NDArray[np.int64] | None, error: float | None) -> _Sample:
    if column.nbytes > _MOST_BYTES:
        column, error = column.slice(0, max(1, len(column) * _MOST_BYTES // column.nbytes)), 1.0
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.nulls(0, array.type)
    return _Sample(array, rows, error)


def _column(name: str, array: Any) -> list[Finding]:
    try:
        array = as_plain(array, plain_type(name, array.type))
    except (pa.ArrowException, PlanError):
        # What has no plain form cannot be looked at, and a plan cannot deliver it either.
        return []
    kind = array.type
    if pa.types.is_struct(kind):
        inner = [
            replace(finding, column=name)
            for index in range(kind.num_fields)
            for finding in _column(kind.field(index).name, pc.struct_field(array, [index]))
        ]
        return _strongest(inner)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        parents = np.array(pc.list_parent_indices(array))
        found = _column(name, pc.list_flatten(array))
        return [replace(item, rows=tuple(dict.fromkeys(int(parents[row]) for row in item.rows))) for item in found]
    kinds = hinted(name)
    numbers = numbers_of(array)
    texts = texts_of(array, numbers, short=bool(kinds & _SHORT_KINDS))
    findings = [] if texts is None else findings_by_value(name, kinds, texts)
    if not findings:
        findings = findings_by_type(name, kinds, array, numbers)
    if not findings:
        findings = findings_by_name(name, kinds, array, texts, numbers)
    return _strongest(findings)


def _strongest(findings: list[Finding]) -> list[Finding]:
    best: dict[str, Finding] = {}
    for finding in findings:
        if finding.kind not in best or finding.confidence > best[finding.kind].confidence:
            best[finding.kind] = finding
    return list(best.values())
