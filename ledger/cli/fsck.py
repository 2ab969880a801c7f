"""`fsck`: check a whole log."""

import argparse
from pathlib import Path
from typing import Any

from ledger.cli.output import FAILED, VERIFIED, print_json, progress
from ledger.cli.sources import load_checkpoint, open_database
from ledger.fsck import FsckReport, fsck

_SHOWN = 20


def add(commands: Any) -> argparse.ArgumentParser:
    """Add the command; return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser("fsck", help="check a whole log in its database")
    parser.add_argument("database", help="sqlite:///FILE or postgresql://…")
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
    kept = [load_checkpoint(path)[0] for path in options.checkpoint]
    storage = open_database(options.database, options.opening_keys)
    report = fsck(storage, options.key, kept=kept, openings=not options.public, progress=progress("entries"))
    if options.json:
        print_json({"database": options.database.rpartition("@")[2]} | report.to_json())
    else:
        _print(report)
    return VERIFIED if report.ok else FAILED


def _print(report: FsckReport) -> None:
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
        kept = f" {report.deliveries} deliveries keep to their agreements." if report.deliveries else ""
        print(f"VERIFIED: chain, tree, checkpoints{opened} and counters agree.{kept}")
    if report.unjudged:
        print(f"Not judged: {report.unjudged} statements of which an opening that a rule needs is erased.")
    if not report.pinned:
        print(f"The log's key came from the database; compare it with one from a source you trust:\n  {report.vkey}")
