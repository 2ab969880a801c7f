"""`consistency`: verify that one checkpoint extends another."""

import argparse
from pathlib import Path
from typing import Any

from ledger import checkpoint, misbehaviour, proof, verify
from ledger.cli.output import FAILED, VERIFIED, tell
from ledger.cli.sources import is_log, load_checkpoint, open_log
from ledger.errors import LedgerError, ProofError, SignatureError
from ledger.misbehaviour import Misbehaviour
from ledger.note import Verifier


def add(commands: Any) -> argparse.ArgumentParser:
    """Add the command; return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "consistency",
        help="verify that one checkpoint extends another",
        description="OLD and NEW are checkpoints, tlog-proofs, bundles or logs (a folder of tiles, a database's URL)."
        " NEW can carry the proof, as the log gives it out, or be the log; otherwise name it with --proof, or the log"
        " with --log.",
    )
    parser.add_argument("old", metavar="OLD")
    parser.add_argument("new", metavar="NEW")
    parser.add_argument("--proof", type=Path, help="a file with the proof, one base64 hash per line")
    parser.add_argument(
        "--log",
        "--database",
        dest="log",
        help="a copy of the log, to build the proof from: a folder of tiles or a database's URL",
    )
    parser.add_argument(
        "--misbehaviour", type=Path, metavar="FILE", help="where to write the proof that the log forked, if it did"
    )
    parser.set_defaults(run=_run)
    return parser


def _run(options: argparse.Namespace) -> int:
    old_note, _, old_key = load_checkpoint(options.old)
    new_note, carried, new_key = load_checkpoint(options.new)
    if options.log is None and is_log(options.new):
        options.log = options.new
    key = options.key or new_key or old_key
    if key is None:
        raise LedgerError("name the log's key with --key")
    key = Verifier.from_vkey(key).to_vkey()
    path: list[bytes] = []
    try:
        old, new = checkpoint.verify(old_note, key), checkpoint.verify(new_note, key)
        if old.size > new.size:
            raise ProofError(f"OLD has size {old.size}, NEW only {new.size}")
        path = [] if old.size == new.size else _proof(options, carried, old.size, new.size)
        verify.consistency(old.size, new.size, path, old.root, new.root)
    except SignatureError as error:
        return tell(options, {"ok": False, "problem": str(error)}, f"NOT CONSISTENT: {error}.", FAILED)
    except ProofError as error:
        found = _misbehaviour(options, Verifier.from_vkey(key), old_note, new_note, path)
        return _tell_inconsistent(options, str(error), found)
    report = {"ok": True, "origin": new.origin, "old": str(old.size), "new": str(new.size), "pinned": bool(options.key)}
    text = f"CONSISTENT: {new.origin} at size {new.size} extends size {old.size}; nothing before was changed."
    if not options.key:
        text += f"\nThe key came from a bundle; compare it with one from a source you trust:\n  {key}"
    return tell(options, report, text, VERIFIED)


def _misbehaviour(
    options: argparse.Namespace, key: Verifier, old_note: str, new_note: str, path: list[bytes]
) -> Misbehaviour | None:
    """Return the proof that the log forked, if what is at hand proves it; a failed proof alone does not."""
    old, new = checkpoint.unsafe_parse(old_note), checkpoint.unsafe_parse(new_note)
    if options.log is not None and old.size < new.size and old.size & (old.size - 1) == 0:
        # Here a consistency proof leaves its first node out: the root at the old size, in this tree.
        path = [proof.root(old.size, open_log(options.log).hashes), *path]
    try:
        return misbehaviour.from_trees([key], old_note, new_note, path)
    except (ProofError, SignatureError):
        return None


def _tell_inconsistent(options: argparse.Namespace, problem: str, found: Misbehaviour | None) -> int:
    report: dict[str, Any] = {"ok": False, "problem": problem, "misbehaviour": None}
    text = f"NOT CONSISTENT: {problem}."
    if found is not None:
        what = misbehaviour.verify_misbehaviour(found).text
        report["misbehaviour"] = what
        text += f"\nMISBEHAVIOUR PROVEN: {what}. No honest log does that."
        if options.misbehaviour is None:
            text += " Write the proof to a file with --misbehaviour FILE; anybody can verify it."
        else:
            options.misbehaviour.write_text(found.to_text(), "utf-8")
            text += f"\nThe proof is {options.misbehaviour}; anybody verifies it with: python -m ledger verify FILE"
    return tell(options, report, text, FAILED)


def _proof(options: argparse.Namespace, carried: tuple[int, list[bytes]] | None, old: int, new: int) -> list[bytes]:
    if options.proof is not None:
        text = options.proof.read_text("ascii", "replace").strip("\n")
        return checkpoint.parse_extension(f"old {old}\n{text}\n\n")[1]
    if options.log is not None:
        return proof.consistency(old, new, open_log(options.log).hashes)
    if carried is None:
        raise LedgerError(
            f"there is no proof from size {old} to {new}: ask the log for NEW together with its proof from"
            f" {old}, or name --proof or --log"
        )
    if carried[0] != old:
        raise LedgerError(f"NEW carries a proof from size {carried[0]}, but OLD has size {old}")
    return carried[1]
