"""The column-wise AES-CMAC agrees with the published vectors and with OpenSSL's own."""

import json
import os
from pathlib import Path

import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.desensitization.cmac import ColumnCmac
from contracts.errors import PlanError

VECTORS = Path(os.environ.get("EXCHANGE_VECTORS", Path(__file__).parents[4] / "shared" / "vectors"))


def openssl(key: bytes, message: bytes) -> bytes:
    mac = CMAC(AES(key))
    mac.update(message)
    return mac.finalize()


def tags(key: bytes, values: list[bytes | str | None], kind: pa.DataType) -> list[bytes]:
    return [tag.tobytes() for tag in ColumnCmac(key).tags(pa.array(values, kind))]


def test_wycheproof_vectors_in_one_column_per_key_size() -> None:
    path = VECTORS / "wycheproof" / "aes_cmac_test.json"
    if not path.exists():
        pytest.skip(f"no vectors at {path}")
    checked = 0
    for group in json.loads(path.read_text())["testGroups"]:
        for case in group["tests"]:
            key, message = bytes.fromhex(case["key"]), bytes.fromhex(case["msg"])
            if len(key) not in (16, 24, 32):
                with pytest.raises(PlanError):
                    ColumnCmac(key)
                continue
            tag = tags(key, [message, b"another", message], pa.binary())[2][: group["tagSize"] // 8]
            assert (tag.hex() == case["tag"]) is (case["result"] == "valid"), case["tcId"]
            checked += 1
    assert checked > 250


@settings(max_examples=200, deadline=None)
@given(
    key=st.sampled_from([bytes(range(16)), bytes(range(24)), bytes(range(32))]),
    values=st.lists(st.one_of(st.none(), st.binary(max_size=70), st.binary(min_size=1000, max_size=1200))),
    kind=st.sampled_from([pa.binary(), pa.large_binary()]),
    cut=st.integers(0, 3),
)
def test_every_message_of_a_sliced_column_has_openssl_s_tag(
    key: bytes, values: list[bytes | None], kind: pa.DataType, cut: int
) -> None:
    column = pa.array(values, kind)[cut:]
    computed = ColumnCmac(key).tags(column)
    assert computed.shape == (len(column), 16)
    for tag, value in zip(computed, values[cut:], strict=True):
        if value is not None:
            assert tag.tobytes() == openssl(key, value)


def test_strings_are_their_utf8_bytes() -> None:
    key, values = bytes(32), ["", "甲", "王小明", "a" * 15, "b" * 16, "c" * 17, "长" * 400, "é"]
    for kind in (pa.string(), pa.large_string()):
        assert tags(key, values, kind) == [openssl(key, value.encode()) for value in values]


def test_a_column_that_is_not_text_is_refused() -> None:
    with pytest.raises(PlanError, match="int64"):
        ColumnCmac(bytes(16)).tags(pa.array([1, 2]))


def test_a_column_of_nothing_has_no_tags() -> None:
    assert ColumnCmac(bytes(16)).tags(pa.array([], pa.string())).shape == (0, 16)
    assert ColumnCmac(bytes(16)).tags(pa.array([None, None], pa.string())).shape == (2, 16)
