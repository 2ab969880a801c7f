"""One peer's median seconds a decision: `python contracts_peers.py cedarpy|cedarpy-100|pyodre LOOPS POLICY`.

Runs in the peers' own environment, without anything of this project.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

# The ten constraints of `contracts.TEN`, as Cedar says them.
CONDITIONS = (
    "context.at >= 1767225600",
    "context.at < 1798761600",
    "context.count <= 5",
    "context.sinceFirst <= 2592000",
    "context.sinceAgreement <= 7776000",
    '["research", "audit"].contains(context.purpose)',
    'context.recipient == "urn:x:buyer"',
    '(context.spatial == "CN" || context.spatial like "CN-*")',
    'context.industry like "C34*"',
    "context.paid >= 1000",
)
FACTS = {
    "at": 1780272000,
    "count": 3,
    "sinceFirst": 86400,
    "sinceAgreement": 172800,
    "purpose": "research",
    "recipient": "urn:x:buyer",
    "spatial": "CN-31",
    "industry": "C3411",
    "paid": 2000,
}


def cedarpy(policies: int) -> Callable[[], object]:
    """A decision by Cedar among so many policies, each about a dataset of its own."""
    import cedarpy

    when = " && ".join(CONDITIONS)
    text = "\n".join(
        f'permit(principal == Party::"buyer", action == Action::"use", resource == Dataset::"{number}") when {{ {when} }};\n'
        f'forbid(principal == Party::"buyer", action == Action::"distribute", resource == Dataset::"{number}");'
        for number in range(policies)
    )
    parsed, entities = cedarpy.PolicySet.from_str(text), cedarpy.Entities.from_json_str("[]")
    request = {
        "principal": 'Party::"buyer"',
        "action": 'Action::"use"',
        "resource": f'Dataset::"{policies // 2}"',
        "context": FACTS,
    }
    assert cedarpy.is_authorized(request, parsed, entities).allowed
    return lambda: cedarpy.is_authorized(request, parsed, entities)


def pyodre(policy: str) -> Callable[[], object]:
    """A decision by the ODRL engine, which takes a policy as its text."""
    from pyodre.odre import ODRE

    engine = ODRE()
    assert engine.enforce(policy)
    return lambda: engine.enforce(policy)


def main() -> None:
    """Time single calls and print their median in seconds."""
    name, loops, policy = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    decide = pyodre(policy) if name == "pyodre" else cedarpy(100 if name == "cedarpy-100" else 1)
    taken = []
    for _ in range(max(1, loops)):
        started = time.perf_counter_ns()
        decide()
        taken.append(time.perf_counter_ns() - started)
    print(statistics.median(taken) / 1e9)


if __name__ == "__main__":
    main()
