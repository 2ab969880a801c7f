"""Load on one address: wrk where it is installed, else threads of this program. Loopback only, and bounded in time."""

from __future__ import annotations

import http.client
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from benchmarks.servers import ROOT

CONNECTIONS = 16
_COMPLETED = re.compile(r"(\d+) requests in ([\d.]+)(us|ms|s|m),")
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


def generator() -> str:
    """Return the name of what makes the load."""
    return "wrk" if shutil.which("wrk") else "python"


def load(url: str, headers: Mapping[str, str], seconds: float) -> tuple[int, float]:
    """Ask for `url` over and over from 16 connections; return how many were answered with success, and in how many seconds.

    Raises RuntimeError when an answer is an error: a refused request is quick and would flatter the figure.
    """
    if urlsplit(url).hostname != "127.0.0.1":
        raise ValueError(url)
    options = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    if shutil.which("wrk"):
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "--timeout", "10s", *options, url]
    else:
        command = [sys.executable, "-m", "benchmarks.load", *options, f"-d{seconds}", url]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 60, cwd=ROOT)
    found = _COMPLETED.search(done.stdout)
    if found is None or "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise RuntimeError(f"{url} was not answered:\n{done.stdout}")
    return int(found[1]), float(found[2]) * _UNITS[found[3]]


def _ask(url: str, headers: Mapping[str, str], until: float, answered: list[int]) -> None:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    count = 0
    while time.perf_counter() < until:
        connection.request("GET", parts.path or "/", headers=dict(headers))
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"HTTP {answer.status}")
        count += 1
    answered.append(count)
    connection.close()


def main(arguments: list[str]) -> None:
    """Do what wrk does, more slowly, in a process of its own; understands the options that `load` gives."""
    url, headers, duration = arguments[-1], {}, 1.0
    for place, argument in enumerate(arguments):
        if argument == "-H":
            name, _, value = arguments[place + 1].partition(": ")
            headers[name] = value
        elif argument.startswith("-d"):
            duration = float(argument.removeprefix("-d"))
    answered: list[int] = []
    started = time.perf_counter()
    threads = [
        threading.Thread(target=_ask, args=(url, headers, started + duration, answered)) for _ in range(CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = time.perf_counter() - started
    failed = "" if len(answered) == CONNECTIONS else "  Socket errors\n"
    print(f"  {sum(answered)} requests in {taken:.3f}s,\n{failed}")


if __name__ == "__main__":
    main(sys.argv[1:])
