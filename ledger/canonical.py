"""Canonical JSON (RFC 8785), the one encoder of everything that is signed or hashed.

Integers beyond ±(2^53 - 1) are refused, since readers in other languages would round them; a
64-bit number travels as a string.
"""

import json
import re
from typing import Any, NoReturn

import rfc8785

from ledger.errors import CanonicalError

MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 128


def encode(value: object) -> bytes:
    """Return the RFC 8785 bytes of a value made of dict, list, tuple, str, int, float, bool, None.

    Raises CanonicalError for other types, keys that are not strings, integers beyond ±(2^53 - 1),
    NaN, infinities, lone surrogates, and nesting deeper than 128.
    """
    try:
        if _is_simple(value, MAX_DEPTH):
            return _simple(value).encode("utf-8")
        data: bytes = rfc8785.dumps(value)  # type: ignore[arg-type]  # _is_simple has checked the types.
    except UnicodeEncodeError as error:
        raise CanonicalError("a string holds a lone surrogate") from error
    except rfc8785.CanonicalizationError as error:
        raise CanonicalError(str(error)) from error
    return data


def decode(data: bytes) -> Any:
    """Return the value of canonical bytes.

    Raises CanonicalError when the bytes are not JSON, or are JSON in any form but the canonical one
    (spaces, other key order, repeated keys, other number or escape forms).
    """
    if _PLAIN_TEXT.fullmatch(data):
        return data[1:-1].decode("ascii")
    try:
        _require_shallow(data)
        value = _DECODER.decode(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise CanonicalError(f"not JSON: {error}") from error
    if encode(value) != data:
        raise CanonicalError("JSON, but not in canonical form")
    return value


# Most values by far are a text in which nothing needs to be escaped: its only form is the canonical one.
_PLAIN_TEXT = re.compile(rb'"[ !#-\[\]-~]*"')

# The C encoder writes the same bytes as RFC 8785 when there is no float and every key lies in the
# basic multilingual plane, where code point order equals UTF-16 order; it is several times faster.
# JSONEncoder makes one anew for each value, which takes longer than encoding a small one.
_SIMPLE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)
_make_encoder: Any = getattr(json.encoder, "c_make_encoder", None)
_ENCODER: Any = _make_encoder and _make_encoder(
    None, _SIMPLE.default, json.encoder.encode_basestring, None, ":", ",", True, False, False
)


def _simple(value: object) -> str:
    return _SIMPLE.encode(value) if _ENCODER is None else "".join(_ENCODER(value, 0))


def _is_simple(value: object, depth: int) -> bool:
    """Check a value; return whether the C encoder writes its canonical form."""
    if value is None or isinstance(value, (str, bool)):
        return True
    if isinstance(value, int):
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise CanonicalError(f"an integer of {value.bit_length()} bits is beyond ±(2^53 - 1); send it as a string")
        return True
    if isinstance(value, float):
        return False
    if depth == 0:
        raise CanonicalError(f"nested deeper than {MAX_DEPTH}")
    simple = True
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise CanonicalError(f"a key is {type(key).__name__}, not a string")
            if not key.isascii() and max(key) > "\uffff":
                simple = False
            simple = _is_simple(item, depth - 1) and simple
        return simple
    if isinstance(value, (list, tuple)):
        for item in value:
            simple = _is_simple(item, depth - 1) and simple
        return simple
    raise CanonicalError(f"{type(value).__name__} is not JSON")


_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]')


def _require_shallow(data: bytes) -> None:
    """Refuse what is nested so deeply that parsing it could end the process, whatever its recursion limit."""
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return
    depth = 0
    for token in _TOKEN.finditer(data):
        first = token[0][:1]
        depth += (first in b"[{") - (first in b"]}")
        if depth > MAX_DEPTH:
            raise CanonicalError(f"nested deeper than {MAX_DEPTH}")


def _refuse_constant(name: str) -> NoReturn:
    raise CanonicalError(f"{name} is not JSON")


# Made once: json.loads makes one anew for each text, which takes longer than most texts.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
