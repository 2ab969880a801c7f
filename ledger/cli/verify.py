"""`verify`: judge an evidence bundle."""

import argparse
from pathlib import Path
from typing import Any

from ledger.bundle import BundleReport, Check, verify_bundle
from ledger.cli.output import FAILED, VERIFIED, print_json, progress


def add(commands: Any) -> argparse.ArgumentParser:
    """Add the command; return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser("verify", help="verify an evidence bundle")
    parser.add_argument("bundle", type=Path, help="the zip file")
    parser.set_defaults(run=_run)
    return parser


def _run(options: argparse.Namespace) -> int:
    report = verify_bundle(options.bundle, options.key, progress=progress("entries"))
    if options.json:
        print_json({"bundle": str(options.bundle)} | report.to_json())
    else:
        _print(options.bundle, report)
    return VERIFIED if report.ok else FAILED


def _print(path: Path, report: BundleReport) -> None:
    print(f"Bundle {path}")
    print(f"  log {report.log_origin or 'unknown'}, size {report.size or 'unknown'}")
    groups: dict[str, list[Check]] = {}
    for check in report.checks:
        groups.setdefault(check.name, []).append(check)
    for name, checks in groups.items():
        failed = [check for check in checks if not check.ok]
        print(f"  {'FAILED' if failed else 'ok':6} {name:11} {_summary(checks, failed)}")
        for check in failed or [check for check in checks if name == "erasure"]:
            print(f"         {check.subject}: {check.detail}")
    if not report.ok:
        print(f"NOT VERIFIED: {len(report.problems)} of {len(report.checks)} checks failed.")
    elif report.pinned:
        print(f"VERIFIED: {len(report.entries)} entries, under the key you gave.")
    else:
        print(f"VERIFIED: {len(report.entries)} entries, but only against the key inside the bundle.")
        print(f"Compare that key with one from a source you trust:\n  {report.vkey}")


def _summary(checks: list[Check], failed: list[Check]) -> str:
    if failed:
        return f"{len(failed)} of {len(checks)}"
    return checks[0].detail if len(checks) == 1 else f"all {len(checks)}"
