"""Decimal arithmetic of the whole package: 34 digits, half-even, rounded only where a number is put out."""

from __future__ import annotations

import decimal
import math
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

# IEEE 754 decimal128: 34 digits, ties to even. Signals that would hide an error are errors.
CONTEXT = decimal.Context(
    prec=34,
    rounding=decimal.ROUND_HALF_EVEN,
    traps=[decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow],
)


@contextmanager
def arithmetic() -> Iterator[decimal.Context]:
    """Run the block in the package's decimal context, whatever the caller's is."""
    with decimal.localcontext(CONTEXT) as context:
        yield context


def ratio(numerator: int, denominator: int) -> Decimal:
    """`numerator / denominator` at 34 digits. Requires `denominator > 0`."""
    with arithmetic():
        return Decimal(numerator) / Decimal(denominator)


def quantize(value: Decimal, places: int) -> Decimal:
    """`value` rounded half-even to `places` decimals."""
    with arithmetic():
        return value.quantize(Decimal(1).scaleb(-places))


def to_fen(value: Decimal) -> int:
    """A sum in fen, possibly fractional, rounded half-even to whole fen."""
    with arithmetic():
        return int(value.quantize(Decimal(1)))


def text(value: Decimal) -> str:
    """The shortest plain notation of `value`: no exponent, no trailing zeros, `0` for every zero."""
    if value == 0:
        return "0"
    plain = format(value, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def yuan(fen: int) -> str:
    """Whole fen as a plain sum of yuan with two decimals, such as `973282.36`."""
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def significant(value: float, digits: int) -> str:
    """A finite float rounded to `digits` significant digits, as `repr` of the float that results.

    Sums of floats made by several threads differ in their last bits; rounding hides that.
    """
    if value == 0 or not math.isfinite(value):
        return "0.0" if value == 0 else repr(value)
    return repr(float(f"{value:.{digits - 1}e}"))
