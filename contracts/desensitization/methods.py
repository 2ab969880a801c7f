"""How each method acts on an Arrow array: `prepare` turns one rule into one pure function of one column.

A prepared function keeps the number of rows and every null, gives the same bytes for the same input wherever it
runs, and depends on one row only; `shuffle` and `aggregate` alone look at the other rows of the batch. Its output type depends on the rule and the source type, never on the values.
No error names a value: what is refused is refused by type, before any row is read.
"""

from __future__ import annotations

import binascii
import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.desensitization.categories import by_hierarchy, into_ranges, to_region, within_bounds
from contracts.desensitization.cmac import ColumnCmac
from contracts.desensitization.keys import Keys
from contracts.desensitization.masking import mask, mask_beside
from contracts.desensitization.model import ColumnRule
from contracts.desensitization.noise import aggregate, keep_frequent, perturb, shuffle
from contracts.desensitization.numbers import generalize_number, round_number
from contracts.desensitization.redacting import PATTERNS, redact
from contracts.desensitization.shifting import shift_dates
from contracts.desensitization.times import generalize_time
from contracts.desensitization.tokenizing import Tokenizer
from contracts.desensitization.types import as_plain, decoded, is_text, plain_type, validity
from contracts.errors import PlanError

Transform = Callable[[Any], Any]
# Rows looked at before a text column is processed value by value instead of row by row.
_SAMPLE = 4096


@dataclass(frozen=True)
class Prepared:
    """The type a rule gives its column, and the function that does it."""

    type: Any
    transform: Callable[..., Any]
    # Other source columns that the function takes after its own.
    needs: tuple[str, ...] = ()


def prepare(rule: ColumnRule, source: Any, keys: Keys | None) -> Prepared | None:
    """The function for one rule on a column of type `source`, or None where the column is left out.

    Raises PlanError, naming the column and the mend, where the method does not fit the type or lacks its key.
    """
    if rule.method == "suppress":
        return None
    plain = plain_type(rule.column, source)
    if rule.method == "keep" or pa.types.is_null(plain):
        return Prepared(plain, lambda array: as_plain(array, plain))
    made = _PREPARE[rule.method](rule, plain, keys)
    if made is None:
        numeric = rule.method in ("mask", "pseudonymize", "tokenize", "redact", "local_suppress")
        mend_en, mend_zh = (
            ("suppress, generalize or round", "suppress、generalize 或 round")
            if numeric
            else ("suppress or mask", "suppress 或 mask")
        )
        raise PlanError(
            f"The method {rule.method} cannot be applied to the column {rule.column!r} of type {plain}.",
            f"方法 {rule.method} 不适用于“{rule.column}”列（类型 {plain}）。",
            mend_en=f"Use {mend_en} for it, or correct its type.",
            mend_zh=f"请改用 {mend_zh}，或更正该列的类型。",
        )
    return made


def _text_method(plain: Any, apply: Transform) -> Prepared:
    """A method from text to text; integers are taken by their decimal digits."""
    text = plain if is_text(plain) else pa.string()

    def transform(array: Any) -> Any:
        if pa.types.is_dictionary(array.type) and is_text(array.type.value_type):
            encoded = array
        else:
            array = as_plain(array, plain)
            array = array if is_text(plain) else array.cast(text)
            sample = array[:_SAMPLE]
            if len(array) <= _SAMPLE or pc.count_distinct(sample).as_py() > 0.3 * len(sample):
                return apply(array).cast(text)
            encoded = array.dictionary_encode()
        return apply(encoded.dictionary).cast(text).take(encoded.indices)

    return Prepared(text, transform)


def _prepare_mask(rule: ColumnRule, plain: Any, _keys: Keys | None) -> Prepared | None:
    if not (is_text(plain) or pa.types.is_integer(plain)):
        return None
    first, last = rule.parameters["keep_first"], rule.parameters["keep_last"]
    character = rule.parameters["char"]
    side = next((name for name in ("before", "after") if name in rule.parameters), None)
    if side is not None:
        sign = rule.parameters[side]
        return _text_method(plain, lambda array: mask_beside(array, sign, side, first, last, character))
    return _text_method(plain, lambda array: mask(array, first, last, character))


def _prepare_generalize(rule: ColumnRule, plain: Any, _keys: Keys | None) -> Prepared | None:
    if "prefix" in rule.parameters:
        size = rule.parameters["prefix"]
        if not (is_text(plain) or pa.types.is_integer(plain)):
            return None
        return _text_method(plain, lambda array: pc.utf8_slice_codeunits(array, 0, size))
    parameters = rule.parameters
    if "unit" in parameters:
        made = generalize_time(rule.column, plain, parameters["unit"])
    elif "ranges" in parameters:
        made = into_ranges(plain, parameters["ranges"])
    elif "hierarchy" in parameters:
        made = by_hierarchy(plain, parameters["hierarchy"])
    elif "region" in parameters:
        made = to_region(plain, parameters["region"])
    else:
        made = _bounded_bins(rule, plain)
    return _of_plain(plain, made)


def _bounded_bins(rule: ColumnRule, plain: Any) -> tuple[Any, Transform] | None:
    """Top and bottom coding first, so that the outermost bins are those of the bounds; then bins of the width."""
    parameters, made = rule.parameters, None
    if "top" in parameters or "bottom" in parameters:
        made = within_bounds(plain, parameters.get("bottom"), parameters.get("top"))
        if made is None or "width" not in parameters:
            return made
    kind = plain if made is None else made[0]
    bins = generalize_number(rule.column, kind, parameters["width"])
    if bins is None or made is None:
        return bins
    bound, bin_of = made[1], bins[1]
    return bins[0], lambda array: bin_of(bound(array))


def _prepare_round(rule: ColumnRule, plain: Any, _keys: Keys | None) -> Prepared | None:
    return _of_plain(plain, round_number(rule.column, plain, rule.parameters["digits"]))


def _of_plain(plain: Any, made: tuple[Any, Transform] | None) -> Prepared | None:
    if made is None:
        return None
    kind, apply = made
    return Prepared(kind, lambda array: apply(as_plain(array, plain)))


def _key(rule: ColumnRule, keys: Keys | None) -> bytes:
    if keys is None:
        raise PlanError(
            f"The column {rule.column!r} is changed under a key, but no key was given.",
            f"“{rule.column}”列需要密钥处理，但未提供密钥。",
        )
    return keys.referred(rule.key_reference, rule.method, rule.column)


def _prepare_pseudonymize(rule: ColumnRule, plain: Any, keys: Keys | None) -> Prepared | None:
    key = _key(rule, keys)
    length: int = rule.parameters["length"]
    if rule.parameters.get("algorithm") == "hmac-sha256":
        pseudonyms = _hmac_pseudonyms(key, length)
    else:
        pseudonyms = _cmac_pseudonyms(ColumnCmac(key), length)
    if pa.types.is_binary(plain) or pa.types.is_large_binary(plain):
        return Prepared(pa.string(), lambda array: pseudonyms(as_plain(array, plain)).cast(pa.string()))
    if is_text(plain) or pa.types.is_integer(plain) or pa.types.is_date(plain) or pa.types.is_decimal(plain):
        return _text_method(plain, pseudonyms)
    return None


def _cmac_pseudonyms(cmac: ColumnCmac, length: int) -> Transform:
    def pseudonyms(array: Any) -> Any:
        tags = np.ascontiguousarray(cmac.tags(array)[:, : length // 2])
        offsets = np.arange(len(array) + 1, dtype=np.int64) * length
        buffers = [validity(array), pa.py_buffer(offsets), pa.py_buffer(binascii.hexlify(tags.data))]
        return pa.Array.from_buffers(pa.large_string(), len(array), buffers, array.null_count)

    return pseudonyms


def _hmac_pseudonyms(key: bytes, length: int) -> Transform:
    def one(value: bytes | None) -> str | None:
        return None if value is None else hmac.digest(key, value, "sha256").hex()[:length]

    def pseudonyms(array: Any) -> Any:
        distinct = array.dictionary_encode()
        values = distinct.dictionary.cast(pa.large_binary()).to_pylist()
        return pa.array([one(value) for value in values], pa.large_string()).take(distinct.indices)

    return pseudonyms


def _prepare_tokenize(rule: ColumnRule, plain: Any, keys: Keys | None) -> Prepared | None:
    key, parameters = _key(rule, keys), rule.parameters
    if not (is_text(plain) or pa.types.is_integer(plain)):
        return None
    tokenizer = Tokenizer(key, parameters["alphabet"], parameters["keep_first"], parameters["keep_last"])
    return _text_method(plain, tokenizer.tokens)


def _prepare_perturb(rule: ColumnRule, plain: Any, keys: Keys | None) -> Prepared | None:
    made = perturb(plain, _key(rule, keys), rule.parameters["spread"], rule.parameters["distribution"])
    if made is None or "digits" not in rule.parameters:
        return _of_plain(plain, made)
    rounded = round_number(rule.column, made[0], rule.parameters["digits"])
    assert rounded is not None, "noise gives numbers"  # noqa: S101
    noisy, round_off = made[1], rounded[1]
    return _of_plain(plain, (rounded[0], lambda array: round_off(noisy(array))))


def _prepare_shuffle(rule: ColumnRule, plain: Any, keys: Keys | None) -> Prepared | None:
    return _of_plain(plain, shuffle(plain, _key(rule, keys)))


def _prepare_shift(rule: ColumnRule, plain: Any, keys: Keys | None) -> Prepared | None:
    by = rule.parameters.get("by")
    # The key belongs to the column whose values shift together, so that several date columns keep their intervals.
    key = _key(replace(rule, column=by or ""), keys)
    made = shift_dates(plain, key, rule.parameters["days"])
    if made is None:
        return None
    kind, shift = made
    if by is None:
        return Prepared(kind, lambda array: shift(as_plain(array, plain)))
    return Prepared(kind, lambda array, other: shift(as_plain(array, plain), decoded(other)), (by,))


def _prepare_aggregate(rule: ColumnRule, plain: Any, _keys: Keys | None) -> Prepared | None:
    return _of_plain(plain, aggregate(plain, rule.parameters["size"], rule.parameters["function"]))


def _prepare_redact(rule: ColumnRule, plain: Any, _keys: Keys | None) -> Prepared | None:
    if not is_text(plain):
        return None
    kinds, words = rule.parameters.get("kinds", tuple(PATTERNS)), rule.parameters.get("words", ())
    return _text_method(plain, lambda array: redact(array, kinds, words))


def _prepare_local_suppress(rule: ColumnRule, plain: Any, _keys: Keys | None) -> Prepared | None:
    return _of_plain(plain, keep_frequent(plain, tuple(rule.parameters["values"])))


_PREPARE: dict[str, Callable[[ColumnRule, Any, Keys | None], Prepared | None]] = {
    "mask": _prepare_mask,
    "generalize": _prepare_generalize,
    "round": _prepare_round,
    "pseudonymize": _prepare_pseudonymize,
    "tokenize": _prepare_tokenize,
    "perturb": _prepare_perturb,
    "shuffle": _prepare_shuffle,
    "shift_dates": _prepare_shift,
    "aggregate": _prepare_aggregate,
    "redact": _prepare_redact,
    "local_suppress": _prepare_local_suppress,
}
