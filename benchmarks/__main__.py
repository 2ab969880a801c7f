"""Print one JSON line a figure: `python -m benchmarks [NAME …] [--quick]`; all but the slow ones without a name."""

from __future__ import annotations

import argparse
import importlib
import sys

# Each module has `figures(*, quick)`, which yields its figures as they are measured.
BENCHMARKS = {
    "exchange": "negotiation",
    "web": "web",
    "desensitization": "desensitization",
    "ledger": "ledger",
    "contracts": "contracts",
}
# These take longer than anybody waits, and run only when they are named.
SLOW = {
    "ledger-memory": "ledger.memory",
    "desensitization-methods": "desensitization_methods",
    "tracing": "desensitization_tracing",
}


def main() -> int:
    """Run the named benchmarks; the exit code is 1 where a target was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Print one JSON line a figure.")
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"one of {', '.join(BENCHMARKS)} (default: all), or of {', '.join(SLOW)}",
    )
    parser.add_argument(
        "--quick", action="store_true", help="small sizes and few rounds, to see that it runs; the figures mean little"
    )
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHMARKS | SLOW):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    missed = False
    for name in options.names or BENCHMARKS:
        module = importlib.import_module(f"benchmarks.{(BENCHMARKS | SLOW)[name]}")
        for figure in module.figures(quick=options.quick):
            print(figure.to_json(), flush=True)
            missed = missed or figure.holds is False
    # Small sizes say nothing about a target.
    return int(missed and not options.quick)


if __name__ == "__main__":
    sys.exit(main())
