"""Shifting dates by a keyed number of days, so that intervals stay and days of the calendar do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from contracts.desensitization.cmac import ColumnCmac
from contracts.desensitization.types import is_text

_TICKS = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}


def can_key(kind: Any) -> bool:
    """Whether a column of this type can say whose rows shift together."""
    return bool(is_text(kind) or pa.types.is_integer(kind))


def shift_dates(kind: Any, key: bytes, days: int) -> tuple[Any, Callable[..., Any]] | None:
    """Every date moves by 1 to `days` whole days, forward or back; None where `kind` is neither a date nor a timestamp.

    Given a second array, the rows of one of its values shift by the same days, and so do all date columns shifted by
    it; without one all rows shift alike. Either way the interval between two dates that shift together stays.
    """
    if not (pa.types.is_date(kind) or pa.types.is_timestamp(kind)):
        return None
    cmac = ColumnCmac(key)

    def transform(array: Any, entities: Any | None = None) -> Any:
        if entities is None:
            shift = _days(cmac.tags(pa.array([""])), days)
        else:
            shift = _days(cmac.tags(pc.fill_null(entities.cast(pa.string()), "")), days)
        storage, ticks = _storage(kind)
        values = array.view(storage).fill_null(0).to_numpy(zero_copy_only=False)
        moved = (values + shift * ticks).astype(values.dtype)
        absent = None if array.null_count == 0 else array.is_null().to_numpy(zero_copy_only=False)
        return pa.array(moved, storage, mask=absent).view(kind)

    return kind, transform


def _days(tags: NDArray[np.uint8], days: int) -> NDArray[np.int64]:
    drawn = np.ascontiguousarray(tags[:, :8]).view(np.uint64).ravel() % np.uint64(2 * days)
    step = drawn.astype(np.int64)
    # No row stays where it was.
    return np.where(step < days, step + 1, days - 1 - step)


def _storage(kind: Any) -> tuple[Any, int]:
    if pa.types.is_date32(kind):
        return pa.int32(), 1
    return pa.int64(), 86_400_000 if pa.types.is_date64(kind) else _TICKS[kind.unit]
