"""Compiles the contract anew, in the compiler's own environment.

`python tests/chain/recompile.py VYPER` prints the artefact, as it is kept in ledger/anchors/ethereum/AnchorChain.json.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).resolve().parents[2] / "ledger" / "anchors" / "ethereum" / "AnchorChain.vy"


def compiled(vyper: str, source: Path = SOURCE) -> dict[str, Any]:
    """Return what the compiler at `vyper` makes of the contract; it reads nothing but the source."""

    def run(*arguments: str) -> str:
        return subprocess.run([vyper, *arguments], check=True, capture_output=True, text=True, cwd=source.parent).stdout

    made = json.loads(run("-f", "combined_json", source.name))
    contract = made[source.name]
    return {
        "source": source.name,
        "compiler": f"vyper {run('--version').strip()}",
        "abi": contract["abi"],
        "bytecode": contract["bytecode"],
        "runtime": contract["bytecode_runtime"],
        "storage": contract["layout"]["storage_layout"],
    }


def text(artefact: dict[str, Any]) -> str:
    """Return the artefact as its file has it."""
    return json.dumps(artefact, indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text(compiled(sys.argv[1])))
