"""`python -m valuation`: make a valuation report's numbers again, offline.

Exit codes: 0 the report agrees, 1 it does not, 2 the input cannot be used.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from valuation.errors import RecomputeError, ValuationError
from valuation.recompute import recompute
from valuation.report import ValuationReport, digest

AGREES, DIFFERS, UNUSABLE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code comes back. Raises SystemExit where the command line itself is wrong."""
    options = _parser().parse_args(arguments)
    try:
        result = _recompute(options)
    except RecomputeError as error:
        _tell(options, {"ok": False, "differences": list(error.differences)})
        for difference in error.differences:
            print(f"differs: {difference}", file=sys.stderr)
        return DIFFERS
    except (ValuationError, OSError) as error:
        _tell(options, {"ok": False, "error": str(error)})
        print(f"error: {error}", file=sys.stderr)
        return UNUSABLE
    _tell(options, result)
    if not options.json:
        print(f"The report agrees: {result['compared']} values made again from {result['files']} file(s).")
        print(f"digest  {result['digest']}")
        for approach, yuan in result["values"].items():
            print(f"value   {yuan} CNY ({approach})")
    for note in result["notes"]:
        print(f"note: {note}", file=sys.stderr)
    return AGREES


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m valuation", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("recompute", help="make every number of a report again from its files")
    command.add_argument("report", type=Path, help="the report, canonical JSON")
    command.add_argument(
        "--file", type=Path, action="append", required=True, help="a Parquet file; several in the report's order"
    )
    command.add_argument("--digest", help="the digest the report must have, as recorded on the ledger")
    command.add_argument("--memory-limit", default="512MB", help="for DuckDB (default: %(default)s)")
    command.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser


def _recompute(options: argparse.Namespace) -> dict[str, Any]:
    data = options.report.read_bytes()
    if options.digest is not None and digest(data) != options.digest:
        raise RecomputeError([f"digest: {options.digest} was given, the report has {digest(data)}"])
    report = ValuationReport.from_bytes(data)
    with tempfile.TemporaryDirectory(prefix="valuation-") as folder:
        found = recompute(
            report,
            options.file,
            memory_limit=options.memory_limit,
            temp_directory=Path(folder),
            progress=_bar if sys.stderr.isatty() else None,
        )
    return {
        "ok": True,
        "digest": report.digest(),
        "files": len(options.file),
        "compared": found.compared,
        "values": {value["approach"]: _yuan(value["value_fen"]) for value in report.estimates},
        "notes": list(found.notes),
    }


def _yuan(fen: int) -> str:
    return f"{fen // 100:,}.{fen % 100:02d}"


def _bar(done: float, text: str) -> None:
    width = 30
    filled = round(done * width)
    end = "\n" if done >= 1 else ""
    print(f"\r[{'#' * filled}{'.' * (width - filled)}] {text[:60]:<60}", end=end, file=sys.stderr, flush=True)


def _tell(options: argparse.Namespace, result: dict[str, Any]) -> None:
    if options.json:
        print(json.dumps(result, ensure_ascii=False, sort_keys=True))


if __name__ == "__main__":
    sys.exit(main())
