"""Methods that blur numbers and order: keyed noise, a keyed shuffle, and means of neighbours.

The key and the values decide, so the same batch gives the same bytes wherever it is processed, and asking twice
gives the same noise and nothing to average away.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC
from numpy.typing import NDArray

from contracts.desensitization.types import is_text

Made = tuple[Any, Callable[[Any], Any]]
DISTRIBUTIONS = ("uniform", "normal", "laplace")
FUNCTIONS = ("mean", "median")
# A shuffle of fewer rows would show too well where each value came from.
LEAST_SHUFFLED = 20


def perturb(kind: Any, key: bytes, spread: float, distribution: str) -> Made | None:
    """Noise of mean zero, drawn from the key and the value: equal values get equal noise. None where `kind` is no number.

    `spread` is the half width of `uniform`, the standard deviation of `normal`, the scale of `laplace`. Integers come
    out as 64-bit integers, rounded half to even. NaN and infinities stay.
    """
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return None
    whole = pa.types.is_integer(kind)

    def transform(array: Any) -> Any:
        numbers = array.cast(pa.float64(), safe=False).fill_null(0.0).to_numpy(zero_copy_only=False)
        # Both zeros are one value.
        words = _words(key, (numbers + 0.0).view(np.uint64))
        with np.errstate(invalid="ignore", over="ignore"):
            noisy = numbers + spread * _drawn(words, distribution)
            noisy = np.where(np.isfinite(numbers), noisy, numbers)
        absent = None if array.null_count == 0 else array.is_null().to_numpy(zero_copy_only=False)
        if whole:
            limit = 2.0**63 - 2**11
            return pa.array(np.rint(np.clip(noisy, -limit, limit)).astype(np.int64), mask=absent)
        return pa.array(noisy, mask=absent).cast(kind, safe=False)

    return (pa.int64() if whole else kind), transform


def _words(key: bytes, values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    blocks = np.zeros((len(values), 2), np.uint64)
    blocks[:, 0] = values
    # ECB only evaluates the block cipher, as a keyed function of the value.
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305
    out = np.empty(blocks.size + 2, np.uint64)
    encryptor.update_into(blocks.data.cast("B") if len(values) else b"", out.data.cast("B"))
    return out[: blocks.size].reshape(-1, 2)


def _drawn(words: NDArray[np.uint64], distribution: str) -> NDArray[np.float64]:
    # 53 bits make a number strictly between 0 and 1.
    first, second = ((words[:, place] >> np.uint64(11)).astype(np.float64) * 2.0**-53 + 2.0**-54 for place in (0, 1))
    if distribution == "uniform":
        return 2 * first - 1
    if distribution == "normal":
        return np.asarray(np.sqrt(-2 * np.log(first)) * np.cos(2 * np.pi * second))
    return np.asarray(np.where(second < 0.5, np.log(first), -np.log(first)))


def shuffle(kind: Any, key: bytes) -> Made:
    """The values of a batch in another order, decided by the key and the values; nulls move with them.

    A batch of fewer than 20 rows becomes nulls: its values would stay too close to their rows.
    """

    def transform(array: Any) -> Any:
        if len(array) < LEAST_SHUFFLED:
            return pa.nulls(len(array), kind)
        mac = CMAC(algorithms.AES(key))
        for buffer in array.buffers():
            mac.update(b"\0" if buffer is None else b"\1" + len(buffer).to_bytes(8, "big"))
            mac.update(b"" if buffer is None else buffer.to_pybytes())
        stream = Cipher(algorithms.AES(key), modes.CTR(mac.finalize())).encryptor()
        order = np.argsort(np.frombuffer(stream.update(bytes(8 * len(array))), np.uint64), kind="stable")
        return array.take(pa.array(order))

    return kind, transform


def aggregate(kind: Any, size: int, function: str) -> Made | None:
    """Every number becomes the mean or median of a group of at least `size` neighbours by value, within its batch.

    This is univariate microaggregation. A batch with fewer numbers than `size` becomes nulls. The result is a double;
    NaN and infinities become null. None where `kind` is no number.
    """
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        return None

    def transform(array: Any) -> Any:
        numbers = array.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy(zero_copy_only=False)
        present = np.flatnonzero(np.isfinite(numbers))
        if len(present) < size:
            return pa.nulls(len(array), pa.float64())
        order = present[np.argsort(numbers[present], kind="stable")]
        # The last group takes the rest, so it may hold up to twice `size`.
        groups = np.minimum(np.arange(len(order)) // size, len(order) // size - 1)
        starts = np.searchsorted(groups, np.arange(groups[-1] + 1))
        ordered = numbers[order]
        if function == "mean":
            central = np.add.reduceat(ordered, starts) / np.diff(np.append(starts, len(order)))
        else:
            ends = np.append(starts[1:], len(order))
            central = (ordered[(starts + ends - 1) // 2] + ordered[(starts + ends) // 2]) / 2
        out = np.full(len(numbers), np.nan)
        out[order] = central[groups]
        absent = np.ones(len(numbers), np.bool_)
        absent[present] = False
        return pa.array(out, mask=absent)

    return pa.float64(), transform


def keep_frequent(kind: Any, values: tuple[Any, ...]) -> Made | None:
    """Local suppression: what is not among `values` becomes null. None where the type has no such values."""
    if not (is_text(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        return None
    try:
        known = pa.array(list(values), kind)
    except (pa.ArrowException, TypeError, OverflowError):
        return None

    def transform(array: Any) -> Any:
        return pa.compute.if_else(pa.compute.is_in(array, known), array, pa.scalar(None, kind))

    return kind, transform
