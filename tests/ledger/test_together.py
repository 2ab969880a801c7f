"""Signatures checked on all cores: in order, by processes or threads, and without leaving anything behind."""

import base64
import os
import subprocess
import sys
import threading
import time

import pytest

from ledger.entry import DOMAIN, Signature, check_signature
from ledger.errors import LedgerError, VerificationError
from ledger.signatures import SigningKey, key_id
from ledger.together import AT_ONCE, Together

KEY = SigningKey.from_seed(b"P" * 32)
SIGNER = {"participant": "urn:uuid:0190a000-0000-7000-8000-00000000000a", "custody": "custodial"}


def given(index, *, good=True):
    payload = b"%d" % index
    value = KEY.sign(DOMAIN, payload if good else b"another")
    texts = {"public": base64.b64encode(KEY.public).decode(), "sig": base64.b64encode(value).decode()}
    return index, payload, SIGNER, SIGNER | texts | {"key": key_id(KEY.public)}


@pytest.mark.parametrize("processes", [None, True, False])
def test_each_is_answered_in_the_order_of_adding(processes):
    answers = []
    bad = {7, AT_ONCE, 2 * AT_ONCE + 1, 3 * AT_ONCE + 4}
    with Together(2, processes=processes) as together:
        for index in range(3 * AT_ONCE + 5):
            check = given(index, good=index not in bad)
            together.add(check_signature, check, lambda found, i=index: answers.append((i, found)))
    assert [index for index, _ in answers] == list(range(3 * AT_ONCE + 5))
    for index, found in answers:
        if index in bad:
            assert isinstance(found, VerificationError)
            assert found.problems == [str(found)]
            assert f"entry {index} " in str(found)
        else:
            assert isinstance(found, Signature)
            assert found.public == KEY.public


def test_a_child_that_is_ended_from_outside_is_an_error_and_not_a_verdict():
    answers = []
    with pytest.raises(LedgerError, match="ended from outside"), Together(2, processes=True) as together:  # noqa: PT012
        together.add(os._exit, (1,), answers.append)
        together.finish()
    assert answers == []


def test_children_that_are_not_needed_any_more_are_ended():
    with pytest.raises(ZeroDivisionError), Together(2, processes=True) as together:  # noqa: PT012
        for _ in range(AT_ONCE):
            together.add(time.sleep, (60,), lambda _: None)
        (child,) = together._children
        raise ZeroDivisionError
    with pytest.raises(ChildProcessError):
        os.waitpid(child._pid, 0)


def test_few_checks_start_neither_processes_nor_threads():
    before = threading.active_count()
    with Together(2) as together:
        for index in range(AT_ONCE - 1):
            together.add(check_signature, given(index), lambda _: None)
        together.finish()
        assert threading.active_count() == before
        assert together._threads is None
        assert together._children == []


SCRIPT = """
import os, sys
sys.path.insert(0, "tests/ledger")
from ledger.together import AT_ONCE, Together
pids = []
with Together(2) as together:
    for index in range(2 * AT_ONCE + 1):
        together.add(os.getpid, (), pids.append)
print(len(pids), len(set(pids) - {os.getpid()}), os.getpid() in pids)
"""


def test_a_program_with_one_thread_checks_in_children():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == [str(2 * AT_ONCE + 1), "3", "False"]
