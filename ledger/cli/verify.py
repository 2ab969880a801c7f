"""`verify`: judge evidence: a bundle, a receipt, a signed checkpoint, an anchor, or a proof of misbehaviour."""

import argparse
from pathlib import Path
from typing import Any

from ledger.bundle import BundleReport, Check, Trust, verify_bundle
from ledger.cli.fsck import check_log
from ledger.cli.output import FAILED, VERIFIED, print_json, progress
from ledger.cli.papers import parse_blocks, verify_paper
from ledger.cli.sources import is_log, load_policy
from ledger.errors import LedgerError


def add(commands: Any) -> argparse.ArgumentParser:
    """Add the command; return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "verify", help="verify an evidence bundle, a receipt, a checkpoint, an anchor or a proof of misbehaviour"
    )
    parser.add_argument(
        "source", metavar="FILE",
        help="a bundle's zip, a receipt or tlog-proof, a checkpoint, a proof, or a whole log: a folder of tiles, a database's URL",
    )  # fmt: skip
    parser.add_argument(
        "--block", action="append", default=[], metavar="HASH",
        help="the hash of a block that you have compared with the chain: anchors must stand in it (repeatable)",
    )  # fmt: skip
    parser.add_argument(
        "--policy", type=Path, help="whom you trust: logs, witnesses and how many (c2sp.org/tlog-policy)"
    )
    parser.add_argument(
        "--tsa-ca", type=Path, action="append", default=[], metavar="FILE",
        help="a certificate of a time-stamping authority that you trust (repeatable)",
    )  # fmt: skip
    parser.add_argument("--entry", type=Path, help="with a receipt: the entry's exact bytes")
    parser.set_defaults(run=_run)
    return parser


def _looks_like_bundle(path: Path) -> bool:
    """Say whether a file begins as a zip file does; one that was cut short still does, and is refused as what it is."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _run(options: argparse.Namespace) -> int:
    if is_log(options.source):
        if options.policy or options.tsa_ca or options.block or options.entry:
            raise LedgerError("a whole log is checked under --key alone")
        return check_log(options, options.source)
    options.file = Path(options.source)
    policy = load_policy(options.policy, options.key)
    if not _looks_like_bundle(options.file):
        return verify_paper(options, policy)
    trust = Trust(policy, [path.read_bytes() for path in options.tsa_ca], parse_blocks(options.block))
    report = verify_bundle(options.file, trust=trust, progress=progress("entries"))
    if options.json:
        print_json({"bundle": str(options.file)} | report.to_json())
    else:
        _print(options.file, report, "key" if options.policy is None else "policy")
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
