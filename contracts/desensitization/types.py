"""Arrow types with every encoding taken off, so that nothing but the values themselves is delivered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.errors import PlanError

_NESTED: list[tuple[Callable[[Any], bool], Callable[[Callable[[Any], Any], Any], Any]]] = [
    (pa.types.is_dictionary, lambda plain, kind: plain(kind.value_type)),
    (pa.types.is_run_end_encoded, lambda plain, kind: plain(kind.value_type)),
    (pa.types.is_string_view, lambda _plain, _kind: pa.string()),
    (pa.types.is_binary_view, lambda _plain, _kind: pa.binary()),
    (pa.types.is_struct, lambda plain, kind: pa.struct([(part.name, plain(part.type)) for part in kind])),
    (pa.types.is_fixed_size_list, lambda plain, kind: pa.list_(plain(kind.value_type), kind.list_size)),
    (pa.types.is_list, lambda plain, kind: pa.list_(plain(kind.value_type))),
    (pa.types.is_list_view, lambda plain, kind: pa.list_(plain(kind.value_type))),
    (pa.types.is_large_list, lambda plain, kind: pa.large_list(plain(kind.value_type))),
    (pa.types.is_large_list_view, lambda plain, kind: pa.large_list(plain(kind.value_type))),
    (pa.types.is_map, lambda plain, kind: pa.map_(plain(kind.key_type), plain(kind.item_type))),
]


def plain_type(column: str, kind: Any) -> Any:
    """The type with every dictionary, run-end, view and extension encoding taken off, at any depth.

    A dictionary may hold values that no row shows any more, so none is ever delivered. Raises PlanError, naming the
    column, for types that no Parquet file can hold.
    """
    if isinstance(kind, pa.BaseExtensionType):
        return plain_type(column, kind.storage_type)
    for matches, build in _NESTED:
        if matches(kind):
            return build(lambda inner: plain_type(column, inner), kind)
    if pa.types.is_union(kind) or pa.types.is_interval(kind):
        raise PlanError(
            f"The column {column!r} has the type {kind}, which cannot be delivered.",
            f"“{column}”列的类型 {kind} 无法交付。",
            mend_en="Suppress it.",
            mend_zh="请使用 suppress。",
        )
    return kind


def as_plain(array: Any, plain: Any) -> Any:
    """The same values as an array of the plain type."""
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_run_end_encoded(array.type):
        array = pc.run_end_decode(array)
    return array if array.type == plain else array.cast(plain)


def decoded(array: Any) -> Any:
    """The values without a dictionary, run-end or view encoding."""
    return as_plain(array, plain_type("", array.type))


def is_text(kind: Any) -> bool:
    """Whether a type is a string with 32- or 64-bit offsets."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def validity(array: Any) -> Any | None:
    """The bitmap of rows that are not null, from the first row on (an array may be a slice); None without nulls."""
    if array.null_count == 0:
        return None
    # Arrow may answer with the slice's own shifted bitmap; a round through numpy gives one that starts at zero.
    valid: np.ndarray[Any, np.dtype[np.bool_]] = array.is_valid().to_numpy(zero_copy_only=False)
    return pa.array(valid).buffers()[1]
