"""Verifying a receipt that somebody brings: each check by name, none of them trusting the database."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from exchange.audit import service
from exchange.errors import InvalidInputError, NotFoundError
from ledger.entry import Entry
from ledger.errors import LedgerError, ProofError, VerificationError
from ledger.hashing import leaf_hash
from ledger.log import Log
from ledger.receipt import parse_proof, verify_proof


@dataclass(frozen=True)
class Check:
    """One check of a verification, as the page shows it."""

    name: str
    subject: str
    ok: bool
    detail: str


def verify_receipt(log: Log[Any], receipt: str, entry: str | None) -> list[Check]:
    """Return the checks of a receipt (JSON or tlog-proof text) against the entry's bytes and the log's key.

    Raises InvalidInputError when it is no receipt at all.
    """
    proof = _proof_text(receipt)
    try:
        index = parse_proof(proof).index
    except (ProofError, LedgerError) as error:
        raise _no_receipt() from error
    try:
        body = entry.strip().encode() if entry else service.entry_at(log, index).body
    except NotFoundError:
        return [Check("entry", f"{index}", False, "This log has no entry with that index.")]
    checks = []
    try:
        signed = verify_proof(proof, body, log.vkey)
        checks.append(Check("checkpoint", f"{signed.size}", True, f"Signed by {log.origin}."))
        checks.append(
            Check("inclusion", f"{index}", True, f"The entry is leaf {index} of the tree of size {signed.size}.")
        )
        root = log.root(signed.size)
        checks.append(
            Check("consistency", f"{signed.size}", root == signed.root, "Today's log still contains that tree.")
            if root == signed.root
            else Check(
                "consistency", f"{signed.size}", False, "Today's log is another one: it was forked or rewritten."
            )
        )
    except (LedgerError, VerificationError) as error:
        checks.append(Check("receipt", f"{index}", False, str(error)))
    try:
        inside = Entry.parse(body)
        checks.append(Check("index", f"{inside.index}", inside.index == index, "The entry names its own place."))
    except LedgerError as error:
        checks.append(Check("entry", f"{index}", False, str(error)))
    checks.append(Check("leaf hash", leaf_hash(body).hex()[:16], True, leaf_hash(body).hex()))
    return checks


def _proof_text(text: str) -> str:
    # A browser's text area sends CR LF.
    text = text.replace("\r\n", "\n")
    if not text.lstrip().startswith("{"):
        return text.lstrip()
    try:
        return str(json.loads(text)["proof"])
    except (ValueError, KeyError, TypeError) as error:
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
