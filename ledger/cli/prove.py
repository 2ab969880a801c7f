"""`prove`: give out the proof that an entry is on a log, as a tlog-proof."""

import argparse
import zipfile
from pathlib import Path
from typing import Any

from ledger import checkpoint, proof, verify
from ledger.bundle.extract import read_proof
from ledger.cli.output import FAILED, VERIFIED, print_json
from ledger.cli.sources import newest_checkpoint, open_log
from ledger.entry import Entry
from ledger.errors import LedgerError, ProofError, SignatureError, VerificationError
from ledger.hashing import leaf_hash
from ledger.receipt import Receipt, format_proof, parse_proof


def add(commands: Any) -> argparse.ArgumentParser:
    """Add the command; return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "prove",
        help="give the proof that an entry is on a log",
        description="The proof is checked before it is given out: against the entry's own bytes, and under --key.",
    )
    parser.add_argument("log", metavar="LOG", help="a bundle, a folder of tiles, or a database's URL")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--index", type=int, help="the index of the entry")
    what.add_argument("--statement", metavar="ID", help="the id of its statement")
    parser.add_argument("-o", "--output", type=Path, help="the file to write the proof to (default: standard output)")
    parser.set_defaults(run=_run)
    return parser


def _run(options: argparse.Namespace) -> int:
    path = Path(options.log)
    try:
        receipt = _from_bundle(options, path) if zipfile.is_zipfile(path) else _from_log(options)
    except (ProofError, SignatureError, VerificationError) as error:
        if options.json:
            print_json({"ok": False, "problem": str(error)})
        else:
            print(f"NOT PROVEN: {error}.")
        return FAILED
    if options.output is not None:
        options.output.write_text(receipt.proof, encoding="utf-8")
    if options.json:
        print_json({"ok": True, "pinned": bool(options.key)} | receipt.to_json())
    elif options.output is None:
        print(receipt.proof, end="")
    else:
        print(f"PROVEN: {receipt.statement_id} is entry {receipt.index} of the log at size {receipt.size}.")
    return VERIFIED


def _from_bundle(options: argparse.Namespace, path: Path) -> Receipt:
    body, text = read_proof(path, options.index, options.statement)
    parts = parse_proof(text)
    return _checked(options, body, parts.index, list(parts.path), parts.checkpoint)


def _from_log(options: argparse.Namespace) -> Receipt:
    log = open_log(options.log)
    signed = newest_checkpoint(log)
    index = log.view(options.statement).index if options.index is None else options.index
    if index is None:
        raise LedgerError(f"{options.statement} is not on the log")
    if not 0 <= index < signed.size:
        raise LedgerError(f"the newest signed checkpoint has size {signed.size}; there is no entry {index} under it")
    body = next(iter(log.bodies(index, index + 1)), None)
    if body is None:
        raise VerificationError([f"entry {index} is missing"])
    return _checked(options, body, index, proof.inclusion(index, signed.size, log.hashes), signed.note)


def _checked(options: argparse.Namespace, body: bytes, index: int, path: list[bytes], note: str) -> Receipt:
    signed = checkpoint.unsafe_parse(note) if options.key is None else checkpoint.verify(note, options.key)
    verify.inclusion(index, signed.size, leaf_hash(body), path, signed.root)
    entry = Entry.parse(body)
    if entry.index != index:
        raise VerificationError([f"entry {index} says that it is entry {entry.index}"])
    return Receipt(index, entry.statement_id, entry.leaf_hash, format_proof(index, path, note), signed.size)
