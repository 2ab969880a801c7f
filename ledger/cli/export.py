"""`export`: write a log as static files, which any file server can serve."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ledger.cli.output import FAILED, VERIFIED, progress, tell
from ledger.cli.sources import newest_checkpoint, open_log
from ledger.entry import Entry, Opening
from ledger.errors import LedgerError, SignatureError, VerificationError
from ledger.tiles import BucketTarget, FolderTarget, Target, export
from ledger.tiles.bucket import SCHEME


def add(commands: Any) -> argparse.ArgumentParser:
    """Add the command; return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "export",
        help="write a log as static files (tlog-tiles)",
        description="Entries hold commitments only, so the files may be public. What is there already is kept: export"
        " again to bring it up to the newest checkpoint, which is put in place last.",
    )
    parser.add_argument("log", metavar="LOG", help="sqlite:///FILE, postgresql://… or a folder of tiles")
    parser.add_argument("target", metavar="TARGET", help="a folder, made if need be, or s3://BUCKET/PREFIX")
    parser.add_argument("--s3-endpoint", metavar="URL", help="the S3 server, where it is not that of AWS")
    parser.set_defaults(run=_run)
    return parser


def _run(options: argparse.Namespace) -> int:
    log = open_log(options.log)
    signed = newest_checkpoint(log)
    key = options.key or _stated_key(log)
    try:
        with _opened(options) as target:
            done = export(log, signed, key, target, progress=progress("files"))
    except (VerificationError, SignatureError) as error:
        return tell(options, {"ok": False, "problem": str(error)}, f"NOT EXPORTED: {error}.", FAILED)
    report = {"ok": True, "size": str(done.size), "before": str(done.before), "written": done.written}
    words = f"EXPORTED: {options.target} holds the log at size {done.size}, before {done.before}; {done.written} files."
    return tell(options, report, words, VERIFIED)


@contextmanager
def _opened(options: argparse.Namespace) -> Iterator[Target]:
    if not options.target.startswith(SCHEME):
        with FolderTarget.locked(Path(options.target)) as folder:
            yield folder
        return
    try:
        import boto3
    except ImportError as error:
        raise LedgerError("an export to S3 needs the package boto3, which is not installed") from error
    # Credentials and region are those that every program of AWS's library finds, in the environment or in its files.
    yield BucketTarget(boto3.client("s3", endpoint_url=options.s3_endpoint), options.target)


def _stated_key(log: Any) -> str:
    """Return the key that the log's first entry states."""
    for body in log.bodies(0, 1):
        opening = log.openings(Entry.parse(body).statement_id).get("log_key")
        if isinstance(opening, Opening) and isinstance(opening.value, str):
            return opening.value
    raise LedgerError("name the log's key with --key")
