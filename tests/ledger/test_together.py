"""Signatures checked on all cores: in order, by processes or threads, and without leaving anything behind."""

import base64
import os
import signal
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
    bad = {7, AT_ONCE, 5 * AT_ONCE + 1}
    with Together(2, processes=processes) as together:
        for index in range(12 * AT_ONCE + 5):
            check = given(index, good=index not in bad)
            together.add(check_signature, check, lambda found, i=index: answers.append((i, found)))
    assert [index for index, _ in answers] == list(range(12 * AT_ONCE + 5))
    for index, found in answers:
        if index in bad:
            assert isinstance(found, VerificationError)
            assert found.problems == [str(found)]
            assert f"entry {index} " in str(found)
        else:
            assert isinstance(found, Signature)
            assert found.public == KEY.public


def test_a_worker_process_that_is_ended_from_outside_is_an_error_and_not_a_verdict():
    answers = []
    with pytest.raises(LedgerError, match="ended from outside"), Together(2, processes=True) as together:  # noqa: PT012
        for index in range(3 * AT_ONCE):
            together.add(check_signature, given(index), answers.append)
        together.add(os._exit, (1,), answers.append)
        together.finish()
    assert len(answers) <= 3 * AT_ONCE


def test_few_checks_start_neither_processes_nor_threads():
    before = threading.active_count()
    with Together(2) as together:
        for index in range(AT_ONCE + 1):
            together.add(check_signature, given(index), lambda _: None)
        together.finish()
        assert threading.active_count() == before
        assert together._pool is None


SCRIPT = """
import sys, time
sys.path.insert(0, "tests/ledger")
from ledger.entry import check_signature
from ledger.together import Together
from test_together import given
with Together(2) as together:
    for index in range(2000):
        together.add(check_signature, given(index), lambda _: None)
    together.finish()
    print(*together._pool._processes, flush=True)
    time.sleep(60)
"""


def test_a_program_with_one_thread_uses_processes_and_they_end_with_it_however_it_dies():
    program = subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True)
    try:
        workers = [int(pid) for pid in program.stdout.readline().split()]
        assert len(workers) == 2
        program.send_signal(signal.SIGKILL)
    finally:
        program.kill()
        program.wait()
        program.stdout.close()
    deadline = time.monotonic() + 30
    while any(_runs(pid) for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
