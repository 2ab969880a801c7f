"""Importing web3 without what it does to the whole process.

A package under web3 raises Python's recursion limit to 100,000. With that a deeply nested JSON text, which anybody can
send, runs past the end of the thread's stack and ends the process, where it would have been refused.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def kept_recursion_limit() -> Iterator[None]:
    """Put the recursion limit back to what it was before the block."""
    limit = sys.getrecursionlimit()
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
