"""Verifying a receipt that somebody brings: each check by name, none of them trusting the database."""

from __future__ import annotations

import json
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exchange.audit import service
from exchange.errors import InvalidInputError, NotFoundError
from ledger.entry import Entry
from ledger.errors import LedgerError, ProofError
from ledger.hashing import leaf_hash
from ledger.log import Log
from ledger.receipt import parse_proof, verify_proof
from ledger.succession import verify_with

_STATED = ("index", "leaf_hash", "size", "statement_id")


@dataclass(frozen=True)
class Check:
    """One check of a verification, as the page shows it."""

    name: str
    subject: str
    ok: bool
    detail: str


def verify_receipt(log: Log[Any], receipt: str, entry: str | None) -> list[Check]:
    """Return the checks of a receipt (JSON or tlog-proof text) against the entry's bytes and the log's key.

    The scripts of the audit pages judge alike, in the visitor's own browser. Raises InvalidInputError when it is no
    receipt at all.
    """
    given = _read(receipt)
    try:
        index = parse_proof(given.proof).index
    except LedgerError as error:
        raise _no_receipt() from error
    try:
        body = (entry.strip() if entry else given.body or "").encode() or service.entry_at(log, index).body
    except NotFoundError:
        return [Check("entry", f"{index}", False, "This log has no entry with that index.")]
    except UnicodeEncodeError as error:
        raise _no_receipt() from error
    checks: list[Check] = []
    inside, size = None, None
    try:
        # A receipt bears the signature of the key of its day.
        _, vkey = verify_with(parse_proof(given.proof).checkpoint, log.vkeys)
        signed = verify_proof(given.proof, body, vkey)
        size = signed.size
        checks.append(Check("checkpoint", f"{size}", True, f"Signed by {log.origin}."))
        checks.append(Check("inclusion", f"{index}", True, f"The entry is leaf {index} of the tree of size {size}."))
        checks.append(_same_log(log, size, signed.root))
    except LedgerError as error:
        checks.append(Check("receipt", f"{index}", False, str(error)))
    try:
        inside = Entry.parse(body)
        checks.append(Check("index", f"{inside.index}", inside.index == index, "The entry names its own place."))
    except LedgerError as error:
        checks.append(Check("entry", f"{index}", False, str(error)))
    if given.stated:
        own = {
            "index": f"{index}",
            "leaf_hash": leaf_hash(body).hex(),
            "statement_id": inside.statement_id if inside else None,
            "size": None if size is None else f"{size}",
        }
        other = [name for name, value in given.stated.items() if value != own[name]]
        checks.append(Check("stated", f"{index}", not other, ", ".join(other) or "As the proof and the entry have it."))
    checks.append(Check("leaf hash", leaf_hash(body).hex()[:16], True, leaf_hash(body).hex()))
    return checks


def _same_log(log: Log[Any], size: int, root: bytes) -> Check:
    try:
        same = log.root(size) == root
    except ProofError:
        # The receipt's tree is larger than the log: its end was cut off.
        same = False
    detail = (
        "Today's log still contains that tree." if same else "Today's log is another one: it was forked or rewritten."
    )
    return Check("consistency", f"{size}", same, detail)


@dataclass(frozen=True)
class _Given:
    """What somebody brings: the proof's text, what is stated beside it, and the entry's bytes where they came along."""

    proof: str
    stated: Mapping[str, str]
    body: str | None = None


def _read(text: str) -> _Given:
    """Read a tlog-proof, a receipt as JSON, or an answer of the API that holds one. Raises InvalidInputError."""
    # A browser's text area sends CR LF, and people copy more or less of the white space around.
    text = text.replace("\r\n", "\n").strip("\ufeff" + string.whitespace)
    if not text.startswith(("{", "[")):
        return _Given(text + "\n", {})
    try:
        found = json.loads(text)
        body = found.get("body") if isinstance(found, dict) else None
        if isinstance(found, list):
            found = found[-1]
        if isinstance(found.get("receipts"), list):
            found = found["receipts"][-1]
        found = found["receipt"] if isinstance(found.get("receipt"), dict) else found
        stated = {name: str(found[name]) for name in _STATED if name in found}
        return _Given(found["proof"].strip() + "\n", stated, body if isinstance(body, str) else None)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise _no_receipt() from error


def _no_receipt() -> InvalidInputError:
    return InvalidInputError(
        ("This is no receipt of a transparency log.", "这不是透明账本的回执。"),
        (
            "Paste the receipt as the API returned it, or the whole text of a .tlog-proof file.",
            "请粘贴 API 返回的回执，或 .tlog-proof 文件的全文。",
        ),
        field="receipt",
    )
