"""Checking a bundle, for every command that is pointed at one."""

import argparse
from pathlib import Path

from ledger.bundle import BundleReport, Check, Trust, verify_bundle
from ledger.cli.output import FAILED, VERIFIED, print_json, progress

# More failures of one kind than these, all with the same words, are told in one line.
_SAME = 2


def looks_like_bundle(path: Path) -> bool:
    """Say whether a file begins as a zip file does; one that was cut short still does, and is refused as what it is."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def check_bundle(options: argparse.Namespace, path: Path, trust: Trust, trusted: str) -> int:
    """Verify a bundle, print what was found, and return the exit code; `trusted` says what the trust rests on."""
    report = verify_bundle(path, trust=trust, progress=progress("entries"))
    if options.json:
        print_json({"bundle": str(path)} | report.to_json())
    else:
        _print(path, report, trusted)
    return VERIFIED if report.ok else FAILED


def _print(path: Path, report: BundleReport, trusted: str) -> None:
    print(f"Bundle {path}")
    print(f"  log {report.log_origin or 'unknown'}, size {report.size or 'unknown'}")
    groups: dict[str, list[Check]] = {}
    for check in report.checks:
        groups.setdefault(check.name, []).append(check)
    for name, checks in groups.items():
        failed = [check for check in checks if not check.ok]
        print(f"  {'FAILED' if failed else 'ok':6} {name:11} {_summary(checks, failed)}")
        told = len(checks) > 1 and name in ("erasure", "time", "attested", "anchor")
        if len({check.detail for check in failed}) == 1 and len(failed) > _SAME:
            print(f"         {failed[0].subject} to {failed[-1].subject}: {failed[0].detail}")
            continue
        for check in failed or (checks if told else []):
            print(f"         {check.subject}: {check.detail}")
    if not report.ok:
        print(f"NOT VERIFIED: {len(report.problems)} of {len(report.checks)} checks failed.")
    elif report.pinned:
        print(f"VERIFIED: {len(report.entries)} entries, under the {trusted} you gave.")
    else:
        print(f"VERIFIED: {len(report.entries)} entries, but only against the key inside the bundle.")
        print(f"Compare that key with one from a source you trust:\n  {report.vkey}")


def _summary(checks: list[Check], failed: list[Check]) -> str:
    if failed:
        return f"{len(failed)} of {len(checks)}"
    return checks[0].detail if len(checks) == 1 else f"all {len(checks)}"
