"""What every command prints: exit codes, JSON, and a progress bar on a terminal."""

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

VERIFIED, FAILED, UNUSABLE = 0, 1, 2


def tell(options: argparse.Namespace, report: dict[str, Any], text: str, code: int) -> int:
    """Print a report as JSON where that was asked for, else the text; return the exit code."""
    if options.json:
        print_json(report)
    else:
        print(text)
    return code


def print_json(document: dict[str, Any]) -> None:
    """Print a document for other programs."""
    print(json.dumps(document, ensure_ascii=False, indent=2))


def progress(what: str) -> Callable[[int, int], None] | None:
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
