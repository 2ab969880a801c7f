"""Coarser classes of values: labelled ranges, a hierarchy of words, regions, and top and bottom coding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.desensitization.types import is_text

Made = tuple[Any, Callable[[Any], Any]]
# What stands for a value that a hierarchy does not know, or an address without its region.
OTHER = "*"
REGIONS = ("province", "city", "county")
_FIRST = r"[一-龥]{2,8}?(?:省|自治区|特别行政区|市)"
_SECOND = r"[一-龥]{1,12}?(?:市|自治州|盟|地区)"
_THIRD = r"[一-龥]{1,12}?(?:区|县|旗|市)"
_ADDRESS = {
    "province": f"^(?P<region>{_FIRST})",
    "city": f"^(?P<region>{_FIRST}(?:{_SECOND})?)",
    "county": f"^(?P<region>{_FIRST}(?:{_SECOND})?(?:{_THIRD})?)",
}
_CODE_DIGITS = {"province": 2, "city": 4, "county": 6}


def into_ranges(kind: Any, edges: Sequence[float]) -> Made | None:
    """Numbers to the label of their range: `< a`, `[a, b)`, …, `>= z`; NaN becomes `*`. None where `kind` is no number."""
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        return None
    inner = [f"[{low}, {high})" for low, high in pairwise(edges)]
    labels = pa.array([f"< {edges[0]}", *inner, f">= {edges[-1]}", OTHER])
    bounds = np.array(edges, np.float64)

    def transform(array: Any) -> Any:
        values = array.cast(pa.float64(), safe=False)
        numbers = values.fill_null(0.0).to_numpy(zero_copy_only=False)
        place = np.where(np.isnan(numbers), len(edges) + 1, np.searchsorted(bounds, numbers, "right"))
        absent = None if array.null_count == 0 else array.is_null().to_numpy(zero_copy_only=False)
        return labels.take(pa.array(place, pa.int64(), mask=absent))

    return pa.string(), transform


def by_hierarchy(kind: Any, words: Mapping[str, str]) -> Made | None:
    """Text or whole numbers to the word that the hierarchy has for them, or `*`; None for other types."""
    if not (is_text(kind) or pa.types.is_integer(kind)):
        return None
    known, coarse = pa.array(list(words), pa.string()), pa.array([*words.values(), OTHER], pa.string())

    def transform(array: Any) -> Any:
        found = pc.index_in(array.cast(pa.string()), known)
        found = pc.if_else(array.is_valid(), pc.fill_null(found, len(known)), None)
        return coarse.take(found)

    return pa.string(), transform


def to_region(kind: Any, level: str) -> Made | None:
    """Area codes (GB/T 2260) to their first 2, 4 or 6 digits, Chinese addresses to province, city or county.

    What shows no region becomes `*`. None for what is neither text nor whole numbers.
    """
    if not (is_text(kind) or pa.types.is_integer(kind)):
        return None

    def transform(array: Any) -> Any:
        text = array.cast(pa.string())
        code = pc.struct_field(pc.extract_regex(text, f"^(?P<region>[0-9]{{{_CODE_DIGITS[level]}}})"), "region")
        place = pc.struct_field(pc.extract_regex(text, _ADDRESS[level]), "region")
        return pc.if_else(array.is_valid(), pc.coalesce(code, place, pa.scalar(OTHER)), pa.scalar(None, pa.string()))

    return pa.string(), transform


def within_bounds(kind: Any, bottom: float | None, top: float | None) -> Made | None:
    """Numbers below `bottom` become `bottom`, those above `top` become `top`; None where `kind` is no number."""
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        wide = pa.float64() if pa.types.is_floating(kind) else pa.int64()
    else:
        return None

    def transform(array: Any) -> Any:
        values = array.cast(wide)
        if bottom is not None:
            low = pa.scalar(bottom, pa.float64()).cast(wide)
            values = pc.if_else(pc.less(values, low), low, values)
        if top is not None:
            high = pa.scalar(top, pa.float64()).cast(wide)
            values = pc.if_else(pc.greater(values, high), high, values)
        return values

    return wide, transform
