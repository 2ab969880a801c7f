"""What a table loses on its way out: information of each column, correlations, and worth to its buyer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from contracts.errors import PlanError


@dataclass(frozen=True)
class Utility:
    """What remains: `kept` share of values and `information` share of entropy for every source column (0 where it is
    left out), the `error` of numbers in standard deviations, the largest change of a `correlation`, and the `loss` of
    worth, which is one minus the weighted mean of the information."""

    kept: dict[str, float]
    information: dict[str, float]
    error: dict[str, float]
    correlation: float
    loss: float


def compare(before: Any, after: Any, weights: Mapping[str, float] | None = None) -> Utility:
    """The utility of a table after a plan, row for row; `weights` say what each column is worth to the buyer.

    Raises PlanError where the two have not the same rows, or the weights are none.
    """
    if before.num_rows != after.num_rows:
        raise PlanError(
            "Utility compares the same rows before and after.", "效用比较要求处理前后的行一一对应。",
            mend_en="Filter the rows of the source first.", mend_zh="请先对源表应用行过滤。",
        )  # fmt: skip
    kept, information, error = {}, {}, {}
    for name in before.schema.names:
        shown = name in after.schema.names
        old, new = before.column(name), after.column(name) if shown else None
        present = len(old) - old.null_count
        kept[name] = 0.0 if new is None else min(1.0, (len(new) - new.null_count) / present) if present else 1.0
        information[name] = 0.0 if new is None else _information(old, new)
        if new is not None and _is_number(old.type) and _is_number(new.type):
            error[name] = _error(_floats(old), _floats(new))
    worth = dict.fromkeys(information, 1.0) if weights is None else dict(weights)
    total = sum(worth.values())
    if not (set(worth) <= set(information) and total > 0 and min(worth.values()) >= 0):
        raise PlanError(
            "The weights name columns of the table and are not all zero.", "权重应对应表中的列，且不全为零。"
        )
    remaining = sum(worth[name] * information[name] for name in worth) / total
    return Utility(kept, information, error, _correlation(before, after), 1.0 - remaining)


def _information(old: Any, new: Any) -> float:
    """The share of the source's entropy that the delivered values still tell, by their joint counts."""
    first, second = _codes(old), _codes(new)
    whole = _entropy(first)
    if whole == 0:
        return 1.0
    joint = first * (int(second.max(initial=0)) + 1) + second
    told = whole + _entropy(second) - _entropy(joint)
    return float(min(1.0, max(0.0, told / whole)))


def _codes(column: Any) -> NDArray[np.int64]:
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.nulls(0, array.type)
    if pa.types.is_nested(array.type) or pa.types.is_null(array.type):
        return np.zeros(len(array), np.int64)
    array = array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
    return np.array(array.dictionary_encode().indices.cast(pa.int64()).fill_null(-1)) + 1


def _entropy(codes: NDArray[np.int64]) -> float:
    _, counts = np.unique(codes, return_counts=True)
    share = counts / max(1, counts.sum())
    return float(-(share * np.log2(share)).sum())


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _floats(column: Any) -> NDArray[np.float64]:
    return np.array(pc.fill_null(column.cast(pa.float64(), safe=False), float("nan")), np.float64)


def _error(old: NDArray[np.float64], new: NDArray[np.float64]) -> float:
    both = np.isfinite(old) & np.isfinite(new)
    if not both.any():
        return 0.0
    spread = float(old[both].std()) or 1.0
    return float(np.abs(old[both] - new[both]).mean() / spread)


def _correlation(before: Any, after: Any) -> float:
    names = [
        name
        for name in before.schema.names
        if name in after.schema.names and _is_number(before.schema.field(name).type) and _is_number(after.schema.field(name).type)
    ]  # fmt: skip
    old, new = ({name: _floats(table.column(name)) for name in names} for table in (before, after))
    changes = [abs(_pearson(old[a], old[b]) - _pearson(new[a], new[b])) for a, b in combinations(names, 2)]
    return max(changes, default=0.0)


def _pearson(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    both = np.isfinite(first) & np.isfinite(second)
    if both.sum() < 2:
        return 0.0
    first, second = first[both] - first[both].mean(), second[both] - second[both].mean()
    size = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum() / size) if size else 0.0
