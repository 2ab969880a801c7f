"""Time stamps of a real authority (`openssl ts`) are verified offline, and every false one is refused."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ledger.anchors import rfc3161
from ledger.errors import TimestampError

BODY = b"exchange.example/log\n7\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"


@pytest.fixture
def authority(make_authority: Callable[..., Any]) -> Any:
    return make_authority()


@pytest.fixture
def reply(authority: Any) -> bytes:
    return authority.reply(rfc3161.request(BODY)[0])


def test_a_time_stamp_says_when_the_bytes_existed_at_the_latest(authority: Any):
    def post(url: str, query: bytes, content_type: str) -> bytes:
        assert (url, content_type) == ("http://tsa", "application/timestamp-query")
        return authority.reply(query)

    reply, found = rfc3161.stamp(post, "http://tsa", BODY, [authority.root.read_bytes()])
    assert abs(found.time - datetime.now(UTC)) < timedelta(minutes=1)
    assert found.latest == found.time + timedelta(seconds=1)
    assert found.authority == "CN=signer"
    assert rfc3161.verify(reply, BODY, [authority.root.read_bytes()]) == found


def test_openssl_agrees_that_query_and_reply_belong_together(authority: Any, tmp_path):
    query, _ = rfc3161.request(BODY)
    (tmp_path / "query").write_bytes(query)
    (tmp_path / "reply").write_bytes(authority.reply(query))
    (tmp_path / "data").write_bytes(BODY)
    for given in (["-queryfile", "query"], ["-data", "data"]):
        command = ["openssl", "ts", "-verify", *given, "-in", "reply", "-CAfile", str(authority.root)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
        assert "Verification: OK" in done.stdout + done.stderr


def test_a_stamp_of_other_bytes_or_another_authority_is_refused(
    authority: Any, reply: bytes, make_authority: Callable[..., Any]
):
    root = authority.root.read_bytes()
    with pytest.raises(TimestampError, match="of other bytes"):
        rfc3161.verify(reply, BODY.replace(b"\n7\n", b"\n8\n"), [root])
    stranger = make_authority("stranger").root.read_bytes()
    with pytest.raises(TimestampError, match="does not hold"):
        rfc3161.verify(reply, BODY, [stranger])
    assert rfc3161.verify(reply, BODY, [stranger, root]).serial == rfc3161.verify(reply, BODY, [stranger + root]).serial
    with pytest.raises(TimestampError, match="no certificate"):
        rfc3161.verify(reply, BODY, [])
    with pytest.raises(TimestampError, match="not a certificate"):
        rfc3161.verify(reply, BODY, [b"nonsense"])


def test_the_reply_to_another_query_is_refused(authority: Any):
    root = authority.root.read_bytes()
    first, nonce = rfc3161.request(BODY)
    old = authority.reply(first)
    assert rfc3161.verify(old, BODY, [root], nonce=nonce)
    with pytest.raises(TimestampError, match="Nonce mismatch"):
        rfc3161.verify(old, BODY, [root], nonce=rfc3161.request(BODY)[1])
    with pytest.raises(TimestampError, match="Nonce mismatch"):
        rfc3161.stamp(lambda *_: old, "http://tsa", BODY, [root])


def test_no_changed_byte_changes_what_a_stamp_says(authority: Any, reply: bytes):
    root = authority.root.read_bytes()
    fine = rfc3161.verify(reply, BODY, [root])
    for place in range(len(reply)):
        changed = reply[:place] + bytes([reply[place] ^ 1]) + reply[place + 1 :]
        try:
            found = rfc3161.verify(changed, BODY, [root])
        except TimestampError:
            continue
        # CMS leaves a few bytes outside the signature, version numbers among them; they say nothing.
        assert found == fine


@pytest.mark.parametrize("data", [b"", b"\x30", b"\x30\x03\x02\x01\x02", b"<html>", b"\x30\x80" * 50, bytes(70_000)])
def test_what_is_no_reply_is_refused(authority: Any, data: bytes):
    with pytest.raises(TimestampError):
        rfc3161.verify(data, BODY, [authority.root.read_bytes()])


def test_a_refusal_is_said_to_be_one(authority: Any):
    # PKIStatus 2 (rejection) with no token.
    with pytest.raises(TimestampError):
        rfc3161.verify(bytes.fromhex("30053003020102"), BODY, [authority.root.read_bytes()])


def test_without_the_package_the_error_names_it():
    code = (
        "import sys; sys.modules['rfc3161_client'] = None\n"
        "from ledger.anchors import rfc3161\n"
        "try: rfc3161.request(b'x')\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.startswith("TimestampError time stamps need the package rfc3161-client: pip install")
