"""Canonical JSON is RFC 8785, and what is not JSON is refused."""

import hashlib
import itertools
import json
import re
import struct

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from ledger.canonical import MAX_DEPTH, MAX_INTEGER, decode, encode
from ledger.errors import CanonicalError

DOCUMENTS = ["arrays", "french", "structures", "unicode", "values", "weird"]

texts = st.text(st.characters(exclude_categories=["Cs"]))
numbers = st.integers(-MAX_INTEGER, MAX_INTEGER) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | texts | numbers,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=30,
)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_documents_of_the_standard_are_encoded_as_published(vectors, name):
    folder = vectors("jcs")
    document = json.loads((folder / "input" / f"{name}.json").read_text("utf-8"))
    expected = bytes.fromhex((folder / "outhex" / f"{name}.txt").read_text())
    assert encode(document) == expected
    assert encode(decode(expected)) == expected


@pytest.mark.slow
def test_the_first_million_numbers_of_the_standard_have_the_published_hashes(vectors):
    readme = (vectors("jcs") / "README.md").read_text("utf-8")
    static = [int(found, 16) for found in re.findall(r"0x([0-9a-f]{16})n", readme.split("serialU64s", 1)[0])]
    expected = {int(count): found for found, count in re.findall(r"([0-9a-f]{64}) \| (\d+) ", readme)}
    state, found = hashlib.sha256(), {}
    for count, bits in enumerate(itertools.islice(_numbers(static), 1_000_000), 1):
        (number,) = struct.unpack("<d", struct.pack("<Q", bits))
        state.update(b"%x,%s\n" % (bits, encode(number)))
        if count in expected:
            found[count] = state.hexdigest()
    assert found == {count: expected[count] for count in (1000, 10_000, 100_000, 1_000_000) if count in expected}
    assert 1_000_000 in found


def _numbers(static):
    """Yield the bits of the doubles that the README's program makes."""
    yield from static
    yield from range(0x0010000000000000, 0x0010000000000000 + 2000)
    block = bytes(32)
    while True:
        block = hashlib.sha256(block).digest()
        for bits, (number,) in zip(struct.unpack("<4Q", block), struct.iter_unpack("<d", block), strict=True):
            if number != 0 and number - number == 0:
                yield bits


@given(values)
def test_every_value_is_encoded_as_the_independent_encoder_does(value):
    assert encode(value) == rfc8785.dumps(value)


@given(values)
def test_canonical_bytes_decode_to_a_value_with_the_same_bytes(value):
    data = encode(value)
    if _has_large_float(value):
        # It is written without a fraction, so it reads back as an integer that is refused.
        with pytest.raises(CanonicalError, match="beyond"):
            decode(data)
    else:
        assert encode(decode(data)) == data


def _has_large_float(value):
    if isinstance(value, dict):
        return any(map(_has_large_float, value.values()))
    if isinstance(value, list):
        return any(map(_has_large_float, value))
    return isinstance(value, float) and MAX_INTEGER < abs(value) < 1e21


@given(st.binary())
def test_any_bytes_decode_or_are_refused(data):
    try:
        value = decode(data)
    except CanonicalError:
        return
    assert encode(value) == data


@given(st.text(st.sampled_from(' !"#/[\\]~\x7f\x1f\n\x00aé\u2028😀\ufffe'), max_size=6))
def test_a_quoted_text_decodes_exactly_when_it_is_canonical(text):
    data = b'"' + text.encode() + b'"'
    try:
        expected = json.loads(data)
        is_canonical = rfc8785.dumps(expected) == data
    except ValueError:
        is_canonical = False
    if is_canonical:
        assert decode(data) == expected
    else:
        with pytest.raises(CanonicalError):
            decode(data)


@pytest.mark.parametrize(
    "value",
    [
        MAX_INTEGER + 1,
        -MAX_INTEGER - 1,
        pytest.param(10**400, id="huge"),
        float("nan"),
        float("inf"),
        [float("-inf")],
        {1: "x"},
        {None: "x"},
        {("a",): 1},
        "\ud800",
        {"\udfff": 1},
        [1.5, "\ud800"],
        b"bytes",
        {1, 2},
        object(),
        {"a": {"b": [b"deep"]}},
    ],
)
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(CanonicalError):
        encode(value)


def test_nesting_is_bounded():
    value: list = []
    for _ in range(MAX_DEPTH - 1):
        value = [value]
    assert encode(value) == b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    for _ in range(100_000):
        value = [value]
    with pytest.raises(CanonicalError, match="deeper"):
        encode(value)
    with pytest.raises(CanonicalError):
        decode(b"[" * 200_000)
    # What only looks nested is not.
    texts = ["[[{" * 100, '\\"[' * 200, *[{}] * 300]
    assert decode(encode(texts)) == texts


@pytest.mark.parametrize(
    "data",
    [
        b"", b" 1", b"1 ", b'{"a":1,"a":1}', b'{"b":1,"a":2}', b'{"a": 1}', b"1.0", b"1e3", b"-0", b"01", b"+1",
        b'"\\u0041"', b'"\\/"', b'"\\u00e9"', b"NaN", b"Infinity", b"-Infinity", b"[1,]", b"'a'", b"\xff", b'"\xed\xa0\x80"',
        b"9007199254740992", b"\xef\xbb\xbf1", b'"\n"', b"tru", b"9" * 5000,
    ],
)  # fmt: skip
def test_bytes_in_any_other_form_are_refused(data):
    with pytest.raises(CanonicalError):
        decode(data)


def test_keys_are_sorted_by_utf_16_code_units():
    assert encode({"\ufb33": 1, "😀": 2, "a": 3}) == '{"a":3,"😀":2,"\ufb33":1}'.encode()
