"""Coarser numbers: bins of a width, and rounding half to even."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from contracts.errors import PlanError

Made = tuple[Any, Callable[[Any], Any]]
# A double of this size and more has no digits behind the point.
_WHOLE = 2.0**52


def generalize_number(column: str, kind: Any, width: float | str) -> Made | None:
    """Every number becomes the lower end of its bin [k·width, (k+1)·width); None where `kind` is no number.

    Integers need a whole width and come out as 64-bit integers. A float within a billionth of a width below a bin's
    end counts to the next bin, so that 0.3 lies in [0.3, 0.4). NaN and infinities stay. Raises PlanError for a
    width the column cannot show.
    """
    step = Fraction(Decimal(str(width)))
    if pa.types.is_integer(kind):
        if step.denominator != 1 or step >= 2**62:
            raise _width_error(column, "a whole number", "整数")
        return _integers(kind, lambda values: _floor_to(values, int(step)))
    if pa.types.is_floating(kind):
        return kind, lambda array: _through_float64(array, kind, lambda values: _bin_floats(values, step))
    if pa.types.is_decimal(kind):
        return _bin_decimals(column, kind, Decimal(str(width)))
    return None


def round_number(column: str, kind: Any, digits: int) -> Made | None:
    """Every number rounded to `digits` behind the point (before it where negative), half to even.

    Floats are rounded as decimal fractions: 0.125 gives 0.12 and 2.5 gives 2. Integers come out as 64-bit integers.
    NaN and infinities stay. None where `kind` is no number.
    """
    if pa.types.is_integer(kind):
        return _integers(kind, lambda values: _round_to(values, 10**-digits) if digits < 0 else values)
    if pa.types.is_floating(kind):
        return kind, lambda array: _through_float64(array, kind, lambda values: _round_floats(values, digits))
    if pa.types.is_decimal(kind):
        wide = _wide_decimal(column, kind, max(kind.precision + 1, kind.scale - digits + 2))
        return wide, lambda array: pc.round(array.cast(wide), digits, "half_to_even")
    return None


def _integers(kind: Any, apply: Callable[[NDArray[Any]], NDArray[Any]]) -> Made:
    wide, dtype = (pa.uint64(), np.uint64) if pa.types.is_uint64(kind) else (pa.int64(), np.int64)

    def transform(array: Any) -> Any:
        values: NDArray[Any] = pc.fill_null(array, 0).to_numpy(zero_copy_only=False).astype(dtype)
        return _with_nulls(apply(values), wide, array)

    return wide, transform


def _floor_to(values: NDArray[Any], step: int) -> NDArray[Any]:
    size = values.dtype.type(step)
    with np.errstate(over="ignore"):
        floored = values // size * size
    # Below the lowest whole bin the product wraps around; that bin keeps the lowest end there is.
    lowest = values.dtype.type(-(-int(np.iinfo(values.dtype).min) // step) * step)
    binned: NDArray[Any] = np.where(floored > values, lowest, floored)
    return binned


def _round_to(values: NDArray[Any], step: int) -> NDArray[Any]:
    size, one = values.dtype.type(step), values.dtype.type(1)
    lower = _floor_to(values, step)
    with np.errstate(over="ignore"):
        rest = values - lower
        up = (rest > size - rest) | ((rest == size - rest) & (lower // size & one == one))
        upper = lower + size
    # At the edge of 64 bits there may be no upper neighbour.
    return np.where(up & (upper > lower), upper, lower)


def _through_float64(array: Any, kind: Any, apply: Callable[[NDArray[Any]], NDArray[Any]]) -> Any:
    # Every way through float64 and back is exact for the shorter types.
    values = pc.fill_null(array.cast(pa.float64()), 0.0).to_numpy(zero_copy_only=False)
    # Adding zero turns -0.0 into 0.0, which would show on which side of zero a value lay.
    return _with_nulls(apply(values) + 0.0, pa.float64(), array).cast(kind, safe=False)


def _bin_floats(values: NDArray[Any], step: Fraction) -> NDArray[Any]:
    with np.errstate(over="ignore", invalid="ignore"):
        bins = np.floor(values * (step.denominator / step.numerator) + 1e-9)
        ends = bins * step.numerator / step.denominator
    # A width that vanishes beside the value leaves it as it is.
    return np.where(np.abs(bins) < _WHOLE, ends, values)


def _round_floats(values: NDArray[Any], digits: int) -> NDArray[Any]:
    power = 10.0 ** abs(digits)
    with np.errstate(over="ignore", invalid="ignore"):
        if digits < 0:
            coarse: NDArray[Any] = np.rint(values / power) * power
            return coarse
        scaled = values * power
        return np.where(np.abs(scaled) < _WHOLE, np.rint(scaled) / power, values)


def _bin_decimals(column: str, kind: Any, width: Decimal) -> Made:
    wide = _wide_decimal(column, kind, max(kind.precision, width.adjusted() + 1 + kind.scale) + 1)
    if Fraction(width) * 10**kind.scale % 1:
        raise _width_error(column, f"a multiple of the column's last digit ({kind})", f"该列最小单位的倍数（{kind}）")
    multiple = pa.scalar(width, wide)
    return wide, lambda array: pc.round_to_multiple(array.cast(wide), multiple, "down")


def _wide_decimal(column: str, kind: Any, precision: int) -> Any:
    """A decimal type of the same scale in which no rounding can overflow."""
    if precision <= 38 and pa.types.is_decimal128(kind):
        return pa.decimal128(max(precision, kind.precision), kind.scale)
    if precision > 76:
        raise _width_error(column, "closer to the size of the column's values", "与该列数值相近的量级")
    return pa.decimal256(precision, kind.scale)


def _with_nulls(values: NDArray[Any], kind: Any, source: Any) -> Any:
    absent = None if source.null_count == 0 else source.is_null().to_numpy(zero_copy_only=False)
    return pa.array(values, kind, mask=absent)


def _width_error(column: str, must_en: str, must_zh: str) -> PlanError:
    return PlanError(
        f"The width or digits for the column {column!r} must be {must_en}.",
        f"“{column}”列的宽度或位数应为{must_zh}。",
    )
