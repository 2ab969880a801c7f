"""`fsck`: check a whole log."""

import argparse
from pathlib import Path
from typing import Any

from ledger.bundle import Trust
from ledger.cli.bundles import check_bundle, looks_like_bundle
from ledger.cli.output import FAILED, VERIFIED, print_json, progress
from ledger.cli.sources import load_checkpoint, load_policy, open_log
from ledger.errors import LedgerError
from ledger.fsck import FsckReport, fsck

_SHOWN = 20


def add(commands: Any) -> argparse.ArgumentParser:
    """Add the command; return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "fsck", help="check a whole log in its database, or in a folder of tiles"
    )
    parser.add_argument(
        "log", metavar="LOG", help="sqlite:///FILE, postgresql://…, a folder of tiles, or a bundle: all that it holds"
    )
    parser.add_argument(
        "--checkpoint", type=Path, action="append", default=[], help="a checkpoint you have kept (repeatable)"
    )
    parser.add_argument(
        "--public",
        action="store_true",
        help="check what is public alone: no openings, hence no signatures of statements",
    )
    parser.add_argument(
        "--opening-keys",
        type=Path,
        metavar="FOLDER",
        help="the keys of sealed openings; without them what is public is checked alone",
    )
    parser.set_defaults(run=_run)
    return parser


def _run(options: argparse.Namespace) -> int:
    path = Path(options.log)
    if path.is_file() and looks_like_bundle(path):
        if options.checkpoint:
            raise LedgerError("a bundle holds a part of its log: compare kept checkpoints with `consistency`")
        return check_bundle(options, path, Trust(load_policy(None, options.key)), "key")
    kept = [load_checkpoint(path)[0] for path in options.checkpoint]
    return check_log(options, options.log, options.opening_keys, kept=kept, openings=not options.public)


def check_log(options: argparse.Namespace, source: str, opening_keys: Path | None = None, **how: Any) -> int:
    """Check the whole log in a database or in tiles, print what was found, and return the exit code."""
    log = open_log(source, opening_keys)
    if options.key is None and "://" not in source:
        raise LedgerError("name the log's key with --key: a folder of tiles does not say whose log it is")
    report = fsck(log, options.key, progress=progress("entries"), **how)
    if options.json:
        print_json({"log": source.rpartition("@")[2]} | report.to_json())
    else:
        print_report(report)
    return VERIFIED if report.ok else FAILED


def print_report(report: FsckReport) -> None:
    """Print what a whole-log check found."""
    print(f"Log of {report.size} entries, {report.checkpoints} checkpoints, {report.erased} erased openings")
    print(f"  root {report.root.hex()}")
    for erasure in report.erasures[:_SHOWN]:
        print(f"  entry {erasure.index}, {erasure.field}: {erasure.words}")
    if report.erased > _SHOWN:
        print(f"  and {report.erased - _SHOWN} more erased openings; --json lists all")
    for problem in report.problems:
        subject = "log" if problem.index is None else f"entry {problem.index}"
        print(f"  FAILED {subject} ({problem.check}): {problem.detail}")
    if report.problems:
        print(f"NOT VERIFIED: {len(report.problems)} problems.")
    else:
        opened = ", openings, signatures" if report.openings else ""
        kept = _kept(report.deliveries)
        print(f"VERIFIED: chain, tree, checkpoints{opened} and counters agree.{kept}")
    if report.unjudged:
        print(f"Not judged: {report.unjudged} statements of which an opening that a rule needs is erased.")
    if not report.pinned and report.vkey:
        print(f"The log's key came from the log itself; compare it with one from a source you trust:\n  {report.vkey}")


def _kept(deliveries: int) -> str:
    if not deliveries:
        return ""
    return (
        " 1 delivery keeps to its agreement."
        if deliveries == 1
        else f" {deliveries} deliveries keep to their agreements."
    )
