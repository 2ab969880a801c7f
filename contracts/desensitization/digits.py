"""The last digit that a column of numbers really keeps."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MOST_DIGITS = 9
# Fewer distinct values or quanta than this, and a moved last digit would be seen and felt.
_LEAST = 200
# Where a column keeps every digit of a double, this share of its spread counts as the last digit.
_FINE = 1e-4


def last_digit(values: NDArray[Any], present: NDArray[np.bool_], *, short: bool = False) -> str | None:
    """The quantum of a column as decimal text: the largest step whose multiples all its values are.

    `values` are float64 or 64-bit integers, `present` says which count; `short` says that they came from floats of
    16 or 32 bits. None for columns that are too coarse, run in one direction, or count rows.
    """
    numbers = values[present]
    if len(numbers) < _LEAST or len(np.unique(numbers)) < _LEAST or _runs(numbers):
        return None
    quantum = _of_integers(numbers) if numbers.dtype.kind != "f" else _of_floats(numbers, short)
    if quantum is None:
        return None
    low, high = np.quantile(numbers, [0.01, 0.99])
    return format(quantum, "f") if float(high - low) >= _LEAST * float(quantum) else None


def _runs(numbers: NDArray[Any]) -> bool:
    """Whether the numbers are a clock or a counter: never falling or never rising, or whole and all different."""
    up = numbers[1:] >= numbers[:-1]
    down = numbers[1:] <= numbers[:-1]
    if up.all() or down.all():
        return True
    return numbers.dtype.kind != "f" and len(np.unique(numbers)) == len(numbers)


def _of_integers(numbers: NDArray[Any]) -> Decimal | None:
    step = int(np.gcd.reduce(numbers))
    return Decimal(step) if step > 0 else None


def _of_floats(numbers: NDArray[Any], short: bool) -> Decimal | None:
    precision = 2.0**-23 if short else 2.0**-52
    largest = float(np.abs(numbers).max())
    for digits in range(_MOST_DIGITS + 1):
        scaled = numbers * 10.0**digits
        slack = largest * 10.0**digits * precision * 2 + 1e-7
        if slack > 0.01:
            break
        whole = np.rint(scaled)
        if (np.abs(scaled - whole) <= slack).all():
            step = int(np.gcd.reduce(whole.astype(np.int64)))
            return Decimal(max(step, 1)).scaleb(-digits)
    fine = max(float(np.std(numbers)) * _FINE, largest * precision * 16)
    if not np.isfinite(fine) or fine <= 0:
        return None
    return Decimal(1).scaleb(int(np.ceil(np.log10(fine))))
