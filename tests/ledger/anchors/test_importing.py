"""What anchoring imports changes nothing for the rest of the process."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "use",
    [
        "from ledger.anchors.ethereum import account; account._eth_account()",
        "from ledger.anchors.ethereum import node; node._web3(); from web3 import HTTPProvider; from web3.exceptions import Web3RPCError",
    ],
)
def test_a_deeply_nested_text_is_refused_and_ends_no_process_that_anchors(use):
    pytest.importorskip("web3")
    script = f"""
import json, sys
before = sys.getrecursionlimit()
{use}
assert sys.getrecursionlimit() == before, sys.getrecursionlimit()
try:
    json.loads('{{"a":' * 150_000)
except RecursionError:
    print("refused")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "refused\n"), done.stderr
