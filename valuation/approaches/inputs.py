"""The checks that the inputs of all approaches share."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final

from valuation.errors import EstimateError

CHANGE: Final = Decimal("0.1")
MOST_FEN: Final = 10**13  # So that a value of all accounts together stays exact in JSON.


def decimal(name: str, value: object) -> Decimal:
    """`value` as a finite decimal. Raises EstimateError for a float, a bool and what is no number."""
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        raise EstimateError(f"{name} is {value!r}; give it as a decimal, not as a float.")
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise EstimateError(f"{name} is {value!r}, which is not a number.") from error
    if not number.is_finite():
        raise EstimateError(f"{name} is {value!r}, which is not finite.")
    return number


def fen(name: str, value: object, *, negative: bool = False) -> int:
    """`value` as a sum in fen. Raises EstimateError where it is no whole number or out of bounds."""
    least = -MOST_FEN if negative else 0
    if type(value) is not int or not least <= value <= MOST_FEN:
        raise EstimateError(f"{name} is {value!r}; it must be whole fen from {least} to {MOST_FEN}.")
    return value


def share(name: str, value: object, *, above_zero: bool = False) -> Decimal:
    """`value` as a share between 0 and 1. Raises EstimateError for anything else."""
    number = decimal(name, value)
    if not 0 <= number <= 1 or (above_zero and number == 0):
        raise EstimateError(
            f"{name} lies {'above 0 and at most' if above_zero else 'between 0 and'} 1; {value} does not."
        )
    return number
