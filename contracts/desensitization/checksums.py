"""Check characters of identifiers, for a whole column at once.

Every function takes ASCII text of one fixed length, as the pattern of its identifier guarantees, and says of each
value whether its check character is right.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]

# Without I, O, S, V and Z, which are easily misread (GB 32100-2015, table 2).
_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC_WEIGHTS = np.array([1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28])
_RESIDENT_WEIGHTS = np.array([7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2])
_ORGANISATION_WEIGHTS = np.array([3, 7, 9, 10, 5, 8, 4, 2])
# The first two digits of an area code (GB/T 2260), with 81 to 83 for residents from Hong Kong, Macao and Taiwan.
_PROVINCES = (
    *range(11, 16), *range(21, 24), *range(31, 38), *range(41, 47), *range(50, 55), *range(61, 66), 71, 81, 82, 83, 91
)  # fmt: skip
_VIN_WEIGHTS = np.array([8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2])
_VIN_VALUES = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", "12345678123457923456789", strict=True))


def characters(values: Any, length: int) -> NDArray[np.uint8]:
    """The bytes of an Arrow string array whose values all have `length` ASCII characters, shape (rows, length)."""
    rows = len(values)
    if rows == 0:
        return np.empty((0, length), np.uint8)
    _, offsets, data = values.buffers()
    start = int(np.frombuffer(offsets, np.int32)[values.offset])
    return np.frombuffer(data, np.uint8)[start : start + rows * length].reshape(rows, length)


def _digits(text: NDArray[np.uint8]) -> NDArray[np.int64]:
    return text.astype(np.int64) - ord("0")


def resident_id(values: Any) -> Flags:
    """Whether 18-character resident identity numbers are right: check character (GB 11643-1999) and calendar date.

    The area code is not looked at: the codes in use change, and none is proof against a valid number.
    """
    text = characters(values, 18)
    digits = _digits(text[:, :17])
    check = np.frombuffer(b"10X98765432", np.uint8)[digits @ _RESIDENT_WEIGHTS % 11]
    right: Flags = (check == text[:, 17]) | ((check == ord("X")) & (text[:, 17] == ord("x")))
    tens = np.array([1000, 100, 10, 1])
    year = digits[:, 6:10] @ tens
    month, day = digits[:, 10:12] @ tens[2:], digits[:, 12:14] @ tens[2:]
    dated: Flags = right & (day >= 1) & (day <= _month_days(year, month))
    return dated


def _month_days(year: NDArray[np.int64], month: NDArray[np.int64]) -> NDArray[np.int64]:
    leap = ((year % 4 == 0) & (year % 100 != 0)) | (year % 400 == 0)
    days = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])[np.where(month <= 12, month, 0)]
    counted: NDArray[np.int64] = days + ((month == 2) & leap)
    return counted


def province(values: Any) -> Flags:
    """Whether 18-character resident identity numbers begin with a province of GB/T 2260.

    It makes a finding likelier and never decides: a number with a sound check character stays one.
    """
    digits = _digits(characters(values, 18)[:, :2])
    known: Flags = np.isin(digits @ np.array([10, 1]), _PROVINCES)
    return known


def organisation(values: Any) -> Flags:
    """Whether 9-character organisation codes (without their hyphen) have the right check character (GB 11714-1997)."""
    table = np.full(256, -1, np.int64)
    table[ord("0") : ord("9") + 1] = np.arange(10)
    table[ord("A") : ord("Z") + 1] = np.arange(10, 36)
    text = characters(values, 9)
    codes = table[text[:, :8]]
    # Indexed by the sum modulo 11: 11 minus it, where 10 is written X and 11 is written 0.
    check = np.frombuffer(b"0X987654321", np.uint8)[codes @ _ORGANISATION_WEIGHTS % 11]
    right: Flags = (codes >= 0).all(axis=1) & (check == text[:, 8])
    return right


def uscc(values: Any) -> Flags:
    """Whether 18-character unified social credit codes have the right check character (GB 32100-2015)."""
    table = np.full(256, -1, np.int64)
    table[np.frombuffer(_USCC_ALPHABET.encode(), np.uint8)] = np.arange(len(_USCC_ALPHABET))
    codes = table[characters(values, 18)]
    right: Flags = (codes >= 0).all(axis=1) & ((codes[:, :17] @ _USCC_WEIGHTS + codes[:, 17]) % 31 == 0)
    return right


def luhn(values: Any, length: int) -> Flags:
    """Whether numbers of `length` digits pass the Luhn check (ISO/IEC 7812-1, annex B)."""
    digits = _digits(characters(values, length))[:, ::-1]
    doubled = digits[:, 1::2] * 2
    right: Flags = (digits[:, ::2].sum(axis=1) + (doubled - 9 * (doubled > 9)).sum(axis=1)) % 10 == 0
    return right


def vin(values: Any) -> Flags:
    """Whether 17-character vehicle identification numbers have the right ninth character (ISO 3779, GB 16735)."""
    table = np.full(256, -1, np.int64)
    table[ord("0") : ord("9") + 1] = np.arange(10)
    for letter, value in _VIN_VALUES.items():
        table[ord(letter)] = int(value)
    text = characters(values, 17)
    codes = table[text]
    check = np.frombuffer(b"0123456789X", np.uint8)[codes @ _VIN_WEIGHTS % 11]
    right: Flags = (codes >= 0).all(axis=1) & (check == text[:, 8])
    return right
