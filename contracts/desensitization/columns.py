"""A column as detection looks at it: its distinct values as text with how often each stands, or its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

# A longer value is looked at up to here; identifiers are short, and one cell must not hold up a column.
_LONGEST = 4_096
# Rows that a finding names as its evidence.
_EVIDENCE = 5


@dataclass(frozen=True)
class Texts:
    """The distinct values, trimmed and in half-width characters, how often each stands, and which one each row has."""

    values: Any
    counts: NDArray[np.int64]
    codes: NDArray[np.int64]

    @property
    def tested(self) -> int:
        """The number of values that are neither null nor empty."""
        return int(self.counts.sum())

    def rows(self, flags: NDArray[np.bool_]) -> tuple[int, ...]:
        """The first rows that have one of the flagged values."""
        if not flags.any():
            return ()
        # The last place stands for nulls and empty values, whose code is -1.
        shown = np.append(flags, False)[self.codes]
        return tuple(int(row) for row in np.flatnonzero(shown)[:_EVIDENCE])


def texts_of(array: Any, numbers: NDArray[np.float64] | None, *, short: bool = False) -> Texts | None:
    """The distinct values of a column as text, or None where none can be.

    Whole numbers count as text from ten digits on, also where blanks in a file have made floats of them; all of them
    do where `short` asks for it.
    """
    kind = array.type
    if numbers is not None:
        if not len(numbers) or np.abs(numbers).max() >= 2**63 or (numbers != np.floor(numbers)).any():
            return None
        if not short and np.median(np.abs(numbers)) < 1e9:
            return None
        if not pa.types.is_integer(kind):
            array = array.cast(pa.float64(), safe=False).cast(pa.int64(), safe=False)
        array = array.cast(pa.string())
    elif not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return None
    encoded = array.dictionary_encode()
    indices = np.array(encoded.indices.cast(pa.int64()).fill_null(-1))
    values = pc.utf8_slice_codeunits(encoded.dictionary, 0, _LONGEST).cast(pa.string())
    if not pc.all(pc.string_is_ascii(values)).as_py():
        values = pc.utf8_normalize(values, "NFKC")
    values = pc.utf8_trim_whitespace(values)
    full = np.array(pc.not_equal(values, ""), dtype=np.bool_)
    if not full.any():
        return None
    place = np.append(np.where(full, np.cumsum(full) - 1, -1), -1)
    codes = place[indices]
    counts = np.bincount(codes[codes >= 0], minlength=int(full.sum()))
    return Texts(values.filter(pa.array(full)), counts.astype(np.int64), codes)


def numbers_of(array: Any) -> NDArray[np.float64] | None:
    """The finite numbers of a column, or None where it holds none by its type."""
    kind = array.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        return None
    numbers: NDArray[np.float64] = np.array(array.drop_null().cast(pa.float64(), safe=False))
    return numbers[np.isfinite(numbers)]


def step_of(numbers: NDArray[np.float64], kind: Any) -> float | None:
    """A width of 1, 2 or 5 times a power of ten that makes about ten bins of the middle eighty per cent."""
    low, high = np.quantile(numbers, [0.1, 0.9])
    spread = (high - low) or abs(high)
    if not spread:
        return None
    raw = spread / 10
    power = 10.0 ** np.floor(np.log10(raw))
    step = float(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw))
    smallest = 1.0 if pa.types.is_integer(kind) else 0.0
    if pa.types.is_decimal(kind):
        smallest = 10.0**-kind.scale
    return float(f"{max(step, smallest):.6g}")


def moves_in_steps(numbers: NDArray[np.float64]) -> bool:
    """Whether numbers stand still for long and then jump, as setpoints do and measurements do not."""
    if len(numbers) < 50:
        return False
    changes = float((numbers[1:] != numbers[:-1]).mean())
    return 0 < changes <= 0.05


def one_template(values: Any) -> bool:
    """Whether at least four in five texts have one form of letters, digits and signs, with digits that tell them apart."""
    if not len(values):
        return False
    forms = pc.replace_substring_regex(values, r"\d", "9")
    forms = pc.replace_substring_regex(forms, "[A-Za-z]", "A")
    counted = pc.value_counts(forms)
    largest = counted.field("values")[int(np.argmax(np.array(counted.field("counts"))))].as_py()
    share = pc.max(counted.field("counts")).as_py() / len(values)
    return share >= 0.8 and "99" in largest and " " not in largest
