"""The auditor's tool: `python -m ledger`. It works offline and needs nothing of the exchange.

Exit codes: 0 verified, 1 verification failed, 2 unusable input.
"""

import argparse
import json
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ledger import checkpoint, proof, verify
from ledger.bundle import BundleReport, Check, read_checkpoint, verify_bundle
from ledger.errors import LedgerError, ProofError, SignatureError
from ledger.fsck import FsckReport, fsck
from ledger.note import Verifier
from ledger.receipt import HEADER, parse_proof

VERIFIED, FAILED, UNUSABLE = 0, 1, 2
_MAX_TEXT = 1 << 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except (LedgerError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return UNUSABLE
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ledger", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    bundle = commands.add_parser("verify", help="verify an evidence bundle")
    bundle.add_argument("bundle", type=Path, help="the zip file")
    bundle.set_defaults(run=_verify)

    consistency = commands.add_parser(
        "consistency",
        help="verify that one checkpoint extends another",
        description="OLD and NEW are checkpoints, tlog-proofs or bundles. NEW can carry the proof, as the log"
        " gives it out; otherwise name it with --proof, or a copy of the log's database with --database.",
    )
    consistency.add_argument("old", type=Path, metavar="OLD")
    consistency.add_argument("new", type=Path, metavar="NEW")
    consistency.add_argument("--proof", type=Path, help="a file with the proof, one base64 hash per line")
    consistency.add_argument("--database", help="the URL of a copy of the log's database, to build the proof from")
    consistency.set_defaults(run=_consistency)

    check = commands.add_parser("fsck", help="check a whole log in its database")
    check.add_argument("database", help="sqlite:///FILE or postgresql://…")
    check.add_argument(
        "--checkpoint", type=Path, action="append", default=[], help="a checkpoint you have kept (repeatable)"
    )
    check.set_defaults(run=_fsck)

    for command in (bundle, consistency, check):
        command.add_argument("--key", metavar="VKEY", help="the log's key, obtained from a source you trust")
        command.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser


def _verify(options: argparse.Namespace) -> int:
    report = verify_bundle(options.bundle, options.key, progress=_progress("entries"))
    if options.json:
        _print_json({"bundle": str(options.bundle)} | report.to_json())
    else:
        _print_bundle(options.bundle, report)
    return VERIFIED if report.ok else FAILED


def _print_bundle(path: Path, report: BundleReport) -> None:
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


def _consistency(options: argparse.Namespace) -> int:
    old_note, _, old_key = _load(options.old)
    new_note, carried, new_key = _load(options.new)
    key = options.key or new_key or old_key
    if key is None:
        raise LedgerError("name the log's key with --key")
    key = Verifier.from_vkey(key).to_vkey()
    try:
        old, new = checkpoint.verify(old_note, key), checkpoint.verify(new_note, key)
        if old.size > new.size:
            raise ProofError(f"OLD has size {old.size}, NEW only {new.size}")
        path = [] if old.size == new.size else _consistency_proof(options, carried, old.size, new.size)
        verify.consistency(old.size, new.size, path, old.root, new.root)
    except (ProofError, SignatureError) as error:
        return _tell(options, {"ok": False, "problem": str(error)}, f"NOT CONSISTENT: {error}.", FAILED)
    report = {"ok": True, "origin": new.origin, "old": str(old.size), "new": str(new.size), "pinned": bool(options.key)}
    text = f"CONSISTENT: {new.origin} at size {new.size} extends size {old.size}; nothing before was changed."
    if not options.key:
        text += f"\nThe key came from a bundle; compare it with one from a source you trust:\n  {key}"
    return _tell(options, report, text, VERIFIED)


def _load(path: Path) -> tuple[str, tuple[int, list[bytes]] | None, str | None]:
    """Return the signed checkpoint in a file, a consistency proof if it carries one, a key if it does."""
    if zipfile.is_zipfile(path):
        note, key = read_checkpoint(path)
        return note, None, key
    with path.open("rb") as file:
        note = file.read(_MAX_TEXT).decode("utf-8", "replace")
    carried = None
    if note.startswith("old "):
        old, path_hashes, note = checkpoint.parse_extension(note)
        carried = (old, path_hashes)
    elif note.startswith(HEADER):
        note = parse_proof(note).checkpoint
    checkpoint.unsafe_parse(note)
    return note, carried, None


def _consistency_proof(
    options: argparse.Namespace, carried: tuple[int, list[bytes]] | None, old: int, new: int
) -> list[bytes]:
    if options.proof is not None:
        text = options.proof.read_text("ascii", "replace").strip("\n")
        return checkpoint.parse_extension(f"old {old}\n{text}\n\n")[1]
    if options.database is not None:
        return proof.consistency(old, new, _storage(options.database).hashes)
    if carried is None:
        raise LedgerError(
            f"there is no proof from size {old} to {new}: ask the log for NEW together with its proof from"
            f" {old}, or name --proof or --database"
        )
    if carried[0] != old:
        raise LedgerError(f"NEW carries a proof from size {carried[0]}, but OLD has size {old}")
    return carried[1]


def _fsck(options: argparse.Namespace) -> int:
    kept = [_load(path)[0] for path in options.checkpoint]
    report = fsck(_storage(options.database), options.key, kept=kept, progress=_progress("entries"))
    if options.json:
        _print_json({"database": options.database.rpartition("@")[2]} | report.to_json())
    else:
        _print_fsck(report)
    return VERIFIED if report.ok else FAILED


def _print_fsck(report: FsckReport) -> None:
    print(f"Log of {report.size} entries, {report.checkpoints} checkpoints, {report.erased} erased openings")
    print(f"  root {report.root.hex()}")
    for problem in report.problems:
        subject = "log" if problem.index is None else f"entry {problem.index}"
        print(f"  FAILED {subject} ({problem.check}): {problem.detail}")
    if report.problems:
        print(f"NOT VERIFIED: {len(report.problems)} problems.")
    else:
        print("VERIFIED: chain, tree, checkpoints, openings, signatures and counters agree.")
    if not report.pinned:
        print(f"The log's key came from the database; compare it with one from a source you trust:\n  {report.vkey}")


def _storage(url: str) -> Any:
    """Return a storage that only reads the database of a URL. Raises LedgerError when there is none."""
    import sqlalchemy as sa

    from ledger.storage.sql import SqlStorage

    scheme, _, rest = url.partition("://")
    try:
        if scheme == "sqlite":
            return SqlStorage(_read_only_sqlite(Path(rest.removeprefix("/"))))
        if scheme == "postgresql":
            url = f"postgresql+psycopg://{rest}"
        return SqlStorage(sa.create_engine(url, poolclass=sa.NullPool))
    except (sa.exc.SQLAlchemyError, ImportError, ValueError) as error:
        raise LedgerError(f"{scheme}://… cannot be opened: {type(error).__name__}") from error


def _read_only_sqlite(path: Path) -> Any:
    """Return an engine that cannot change the file: evidence is looked at, not touched."""
    import sqlalchemy as sa

    if not path.is_file():
        raise LedgerError(f"{path} does not exist")
    try:
        import pysqlite3.dbapi2 as driver
    except ImportError:
        import sqlite3 as driver
    address = f"file:{quote(str(path.absolute()))}?mode=ro"

    def connect() -> Any:
        return driver.connect(address, uri=True, check_same_thread=False)

    return sa.create_engine("sqlite://", module=driver, creator=connect, poolclass=sa.NullPool)


def _progress(what: str) -> Callable[[int, int], None] | None:
    """Return a progress bar on the terminal's error stream; None where there is no terminal."""
    if not sys.stderr.isatty():
        return None

    def show(done: int, total: int) -> None:
        step = max(1, total // 200)
        if done % step and done != total:
            return
        filled = 40 * done // max(total, 1)
        end = "\n" if done >= total else ""
        print(f"\r[{'#' * filled}{'.' * (40 - filled)}] {done}/{total} {what}", end=end, file=sys.stderr, flush=True)

    return show


def _tell(options: argparse.Namespace, report: dict[str, Any], text: str, code: int) -> int:
    if options.json:
        _print_json(report)
    else:
        print(text)
    return code


def _print_json(document: dict[str, Any]) -> None:
    print(json.dumps(document, ensure_ascii=False, indent=2))


if __name__ == "__main__":
    sys.exit(main())
