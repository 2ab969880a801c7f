"""The benchmarks run, and print one well-formed line a figure. What they say is judged where they are run in full."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_FIELDS = {"name", "value", "unit", "against", "against_value", "ratio", "target", "holds"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("benchmark", "figures"),
    [
        ("web", {"web.agreement", "web.agreement.processor"}),
        (
            "ledger",
            {
                "ledger.append",
                "ledger.append.transaction",
                "ledger.writers",
                "ledger.batch.signed",
                "ledger.batch.unsigned",
                "ledger.batch.whole",
                "ledger.audit.public",
                "ledger.audit.signatures",
                "ledger.audit.whole",
                "ledger.peer",
                "ledger.peer.signed",
                "ledger.peer.wal",
                "ledger.proof",
                "ledger.storage",
                "ledger.audit.memory.public",
                "ledger.steps.1",
            },
        ),
        ("ledger-memory", {"ledger.audit.memory"}),
        ("desensitization", {"desensitization.transfer", "desensitization.memory", "sealing.seal", "sealing.open"}),
    ],
)
def test_a_quick_run_prints_each_figure_beside_what_it_is_measured_against(benchmark: str, figures: set[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", benchmark, "--quick"],
        cwd=_ROOT, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert figures <= {line["name"] for line in lines}
    for line in lines:
        assert set(line) == _FIELDS
        assert line["value"] > 0
        assert line["against_value"] > 0
        assert line["ratio"] > 0
        assert line["holds"] in ({True, False} if line["target"] else {None})


def test_an_unknown_benchmark_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "nothing"],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "nothing" in done.stderr
