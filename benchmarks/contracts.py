"""Policies: a decision, many policies in an index, and plain words, beside a Cedar engine and an ODRL engine for Python.

The peers run in an environment of their own (`make bench-contracts` makes it), in a process beside each round, on the
equivalent policy; each times its own loop. Where one is not installed, the figure says so.
"""

from __future__ import annotations

import json
import math
import os
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.figures import Figure, interleaved
from benchmarks.servers import ROOT
from contracts.odrl import Policy, Request, World, describe, evaluate, parse
from contracts.odrl.index import PolicyIndex

NOW = datetime(2026, 6, 1, tzinfo=UTC)
PEERS = os.environ.get("BENCH_PEERS", str(ROOT / "build" / "peers" / "bin" / "python"))
TARGET_DECISION = 50.0
TARGET_WORDS = 1.0
# A thousand times the policies no longer fit the processor's cache.
TARGET_FLAT = 2.0


def _one(left: str, operator: str, right: Any, **more: str) -> dict[str, Any]:
    return {"leftOperand": left, "operator": operator, "rightOperand": right, **more}


TEN = [
    _one("dateTime", "gteq", "2026-01-01T00:00:00Z"),
    _one("dateTime", "lt", "2027-01-01T00:00:00Z"),
    _one("count", "lteq", "5"),
    _one("elapsedTime", "lteq", "P30D"),
    _one("ex:sinceAgreement", "lteq", "P90D"),
    _one("purpose", "isAnyOf", ["research", "audit"]),
    _one("recipient", "eq", "urn:x:buyer"),
    _one("spatial", "isPartOf", "CN"),
    _one("industry", "isPartOf", "C34"),
    _one("payAmount", "gteq", "10.00", unit="CNY"),
]
WORLD = World(
    counts={"use": 2},
    agreement_start=NOW - timedelta(days=2),
    first_use=NOW - timedelta(days=1),
    paid_fen=2000,
    attributes={"spatial": "CN-31", "industry": "C3411"},
)
# Dates alone, since this is what the ODRL engine compares.
DATES = {
    "@context": "http://www.w3.org/ns/odrl.jsonld",
    "@type": "Set",
    "uid": "urn:x:dates",
    "permission": [
        {
            "target": "urn:x:data:0",
            "action": "read",
            "constraint": [
                _one("dateTime", "lt", {"@value": f"2090-01-{day:02d}", "@type": "xsd:date"}) for day in range(1, 11)
            ],
        }
    ],
}


def figures(*, quick: bool = False) -> Iterator[Figure]:
    """Measure a decision, a decision from JSON, an index of 10,000 policies, and plain words."""
    rounds, loops = (1, 200) if quick else (5, 20_000)
    yield from _decision(rounds, loops)
    yield _from_json(rounds, loops // 100)
    yield from _index(rounds, loops // 10)
    yield _words(rounds, loops // 100)


def policy(number: int = 0) -> Policy:
    """A policy with ten constraints that permits the use of one dataset by one party."""
    return parse(
        {
            "@id": f"urn:x:policy:{number}",
            "@type": "Agreement",
            "assigner": "urn:x:provider",
            "assignee": "urn:x:buyer",
            "target": f"urn:x:data:{number}",
            "permission": [{"action": "use", "constraint": TEN}],
            "prohibition": [{"action": "distribute"}],
            "conflict": "prohibit",
        }
    )


def _asked(number: int = 0) -> Request:
    return Request("use", "urn:x:buyer", f"urn:x:data:{number}", "research", "urn:x:buyer", at=NOW)


def _median(work: Callable[[], object], loops: int) -> float:
    """Return the median seconds of single calls."""
    taken = []
    for _ in range(loops):
        started = time.perf_counter_ns()
        work()
        taken.append(time.perf_counter_ns() - started)
    return statistics.median(taken) / 1e9


def _peer(name: str, loops: int) -> float | None:
    """Return a peer's median seconds a decision, None where it is not installed or does not answer."""
    command = [PEERS, str(ROOT / "benchmarks" / "contracts_peers.py"), name, str(loops), json.dumps(DATES)]
    try:
        done = subprocess.run(command, capture_output=True, check=True, text=True, timeout=300, cwd=ROOT)
    except (OSError, subprocess.SubprocessError):
        return None
    return float(done.stdout)


def _beside(
    name: str,
    unit: str,
    scale: float,
    against: str,
    ours: Callable[[], float],
    theirs: Callable[[], float | None],
    rounds: int,
) -> Figure:
    """Return a figure of our seconds and a peer's, measured in turn; the ratio is theirs to ours."""
    taken, other = interleaved(rounds, ours, lambda: theirs() or math.nan)
    mine = statistics.median(taken)
    peers = [value for value in other if not math.isnan(value)]
    return Figure(
        name=name,
        value=mine * scale,
        unit=unit,
        against=against if peers else f"{against}: not installed here",
        against_value=statistics.median(peers) * scale if peers else None,
        ratio=statistics.median(peers) / mine if peers else None,
    )


def _decision(rounds: int, loops: int) -> Iterator[Figure]:
    agreed, request = policy(), _asked()
    assert evaluate(agreed, request, WORLD).permitted
    figure = _beside(
        "contracts.decision",
        "µs a decision on a policy with ten constraints (median)",
        1e6,
        "cedarpy on the equivalent policy, parsed before, in its own loop",
        lambda: _median(lambda: evaluate(agreed, request, WORLD), loops),
        lambda: _peer("cedarpy", loops // 10),
        rounds,
    )
    yield replace(figure, target=f"value < {TARGET_DECISION:g}", holds=figure.value < TARGET_DECISION)
    denied = World()
    refused = statistics.median(
        _median(lambda: evaluate(agreed, request, denied).to_json(), loops // 10) for _ in range(rounds)
    )
    yield Figure(
        name="contracts.refusal",
        value=refused * 1e6,
        unit="µs a denial with every reason in words, both languages (median)",
        against="the decision that permits",
        against_value=figure.value,
        ratio=figure.value / (refused * 1e6),
    )


def _from_json(rounds: int, loops: int) -> Figure:
    """A policy read from its JSON and decided once, since the ODRL engine reads it at every decision."""
    # A date needs its zone here; the peer's dates have none.
    zoned = re.sub(r'"(2090-01-\d\d)"', r'"\1Z"', json.dumps(DATES))
    request = Request("read", "urn:x:buyer", "urn:x:data:0", at=NOW)
    assert evaluate(parse(json.loads(zoned)), request, WORLD).permitted
    return _beside(
        "contracts.decision.from-json",
        "µs to read a policy of ten constraints from JSON and decide it once (median)",
        1e6,
        "pyodre on the same policy, which it reads at every decision",
        lambda: _median(lambda: evaluate(parse(json.loads(zoned)), request, WORLD), loops),
        lambda: _peer("pyodre", max(3, loops // 20)),
        rounds,
    )


def _index(rounds: int, loops: int) -> Iterator[Figure]:
    small, large = (PolicyIndex(policy(number) for number in range(size)) for size in (10, 10_000))
    for index, size in ((small, 10), (large, 10_000)):
        # Each policy is made ready before it is timed, as an exchange that runs has done.
        for number in range(size):
            assert len(index.decide(_asked(number), WORLD)) == 1
    few = [_asked(number) for number in range(10)]
    many = [_asked(number * 997 % 10_000) for number in range(10_000)]
    taken, other = interleaved(rounds, lambda: _through(large, many, loops), lambda: _through(small, few, loops))
    ratio = statistics.median(top / bottom for top, bottom in zip(taken, other, strict=True))
    yield Figure(
        name="contracts.index",
        value=statistics.median(taken) * 1e6,
        unit="µs a decision among 10,000 policies (median)",
        against="the same among 10 policies",
        against_value=statistics.median(other) * 1e6,
        ratio=ratio,
        target=f"ratio < {TARGET_FLAT:g}",
        holds=ratio < TARGET_FLAT,
    )
    hundred = PolicyIndex(policy(number) for number in range(100))
    asked = [_asked(number) for number in range(100)]
    _through(hundred, asked, 100)
    yield _beside(
        "contracts.index.hundred",
        "µs a decision among 100 policies of ten constraints (median)",
        1e6,
        "cedarpy on 100 equivalent policies, parsed before, in its own loop",
        lambda: _through(hundred, asked, loops),
        lambda: _peer("cedarpy-100", max(10, loops // 10)),
        rounds,
    )


def _through(index: PolicyIndex, asked: list[Request], loops: int) -> float:
    turn = iter(range(loops))
    return _median(lambda: index.decide(asked[next(turn) % len(asked)], WORLD), loops)


def _words(rounds: int, loops: int) -> Figure:
    agreed = policy()
    taken = statistics.median(
        _median(lambda: (describe(agreed, "en"), describe(agreed, "zh")), loops) for _ in range(rounds)
    )
    return Figure(
        name="contracts.words",
        value=taken * 1e3,
        unit="ms to tell a policy of ten constraints in English and in Chinese (median)",
        against="a page that answers within a tenth of a second",
        target=f"value < {TARGET_WORDS:g}",
        holds=taken * 1e3 < TARGET_WORDS,
    )
