"""How each method acts on an Arrow array: `prepare` turns one rule into one pure function of one column.

A prepared function keeps the number of rows and every null, gives the same bytes for the same input wherever it
runs, and depends on one row only. Its output type depends on the rule and the source type, never on the values.
No error names a value: what is refused is refused by type, before any row is read.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.desensitization.cmac import ColumnCmac
from contracts.desensitization.keys import Keys
from contracts.desensitization.masking import mask
from contracts.desensitization.model import ColumnRule
from contracts.desensitization.numbers import generalize_number, round_number
from contracts.desensitization.times import generalize_time
from contracts.desensitization.types import as_plain, is_text, plain_type, validity
from contracts.errors import PlanError

Transform = Callable[[Any], Any]
# Rows looked at before a text column is processed value by value instead of row by row.
_SAMPLE = 4096


@dataclass(frozen=True)
class Prepared:
    """The type a rule gives its column, and the function that does it."""

    type: Any
    transform: Transform


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
        mends = {
            "mask": ("suppress, generalize or round", "suppress、generalize 或 round"),
            "generalize": ("suppress", "suppress"),
            "round": ("suppress, mask or generalize", "suppress、mask 或 generalize"),
            "pseudonymize": ("suppress, generalize or round", "suppress、generalize 或 round"),
        }
        mend_en, mend_zh = mends[rule.method]
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
    return _text_method(plain, lambda array: mask(array, first, last, character))


def _prepare_generalize(rule: ColumnRule, plain: Any, _keys: Keys | None) -> Prepared | None:
    if "prefix" in rule.parameters:
        size = rule.parameters["prefix"]
        if not (is_text(plain) or pa.types.is_integer(plain)):
            return None
        return _text_method(plain, lambda array: pc.utf8_slice_codeunits(array, 0, size))
    if "unit" in rule.parameters:
        made = generalize_time(rule.column, plain, rule.parameters["unit"])
    else:
        made = generalize_number(rule.column, plain, rule.parameters["width"])
    return _of_plain(plain, made)


def _prepare_round(rule: ColumnRule, plain: Any, _keys: Keys | None) -> Prepared | None:
    return _of_plain(plain, round_number(rule.column, plain, rule.parameters["digits"]))


def _of_plain(plain: Any, made: tuple[Any, Transform] | None) -> Prepared | None:
    if made is None:
        return None
    kind, apply = made
    return Prepared(kind, lambda array: apply(as_plain(array, plain)))


def _prepare_pseudonymize(rule: ColumnRule, plain: Any, keys: Keys | None) -> Prepared | None:
    if keys is None:
        raise PlanError(
            f"The column {rule.column!r} is pseudonymised, but no key was given.",
            f"“{rule.column}”列需要假名化，但未提供密钥。",
        )
    cmac = ColumnCmac(keys.column("pseudonymize", rule.column))
    length: int = rule.parameters["length"]

    def pseudonyms(array: Any) -> Any:
        tags = np.ascontiguousarray(cmac.tags(array)[:, : length // 2])
        offsets = np.arange(len(array) + 1, dtype=np.int64) * length
        buffers = [validity(array), pa.py_buffer(offsets), pa.py_buffer(binascii.hexlify(tags.data))]
        return pa.Array.from_buffers(pa.large_string(), len(array), buffers, array.null_count)

    if pa.types.is_binary(plain) or pa.types.is_large_binary(plain):
        return Prepared(pa.string(), lambda array: pseudonyms(as_plain(array, plain)).cast(pa.string()))
    if is_text(plain) or pa.types.is_integer(plain) or pa.types.is_date(plain) or pa.types.is_decimal(plain):
        return _text_method(plain, pseudonyms)
    return None


_PREPARE: dict[str, Callable[[ColumnRule, Any, Keys | None], Prepared | None]] = {
    "mask": _prepare_mask,
    "generalize": _prepare_generalize,
    "round": _prepare_round,
    "pseudonymize": _prepare_pseudonymize,
}
