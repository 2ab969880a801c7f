"""The auditor's tool: `python -m ledger`. It works offline and needs nothing of the exchange.

Exit codes: 0 verified or done, 1 verification failed, 2 unusable input. Each command is a module with a
function `add`, which gives its arguments to the parser.
"""

import argparse
import sys
from collections.abc import Sequence

from ledger.cli import consistency, export, fsck, prove, verify, witness
from ledger.cli.output import UNUSABLE
from ledger.errors import LedgerError
from ledger.note import Verifier

_COMMANDS = (verify, prove, consistency, fsck, export)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        _check_key(options)
        code: int = options.run(options)
    except OSError as error:
        # The system's own sentence begins with a number and ends with the file.
        said = f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)
        print(f"error: {said}", file=sys.stderr)
        return UNUSABLE
    except LedgerError as error:
        print(f"error: {error}", file=sys.stderr)
        return UNUSABLE
    return code


def _check_key(options: argparse.Namespace) -> None:
    """Refuse a mistyped key before anything is read. Raises LedgerError."""
    key = getattr(options, "key", None)
    if key is None:
        return
    try:
        Verifier.from_vkey(key)
    except LedgerError as error:
        raise LedgerError(f"--key is no verifier key: {error}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ledger", description=(__doc__ or "").partition("\n\n")[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in _COMMANDS:
        added = command.add(commands)
        added.add_argument("--key", metavar="VKEY", help="the log's key, obtained from a source you trust")
        added.add_argument("--json", action="store_true", help="print the report as JSON")
    witness.add(commands)
    return parser
