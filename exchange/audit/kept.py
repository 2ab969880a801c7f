"""Checkpoints that callers keep: each API answer proves that the log extends the one that the caller brings along.

    If-Checkpoint: base64(signed checkpoint)      in the request; `none` of whoever keeps none yet
    Ledger-Checkpoint, Ledger-Key: base64(newest checkpoint), base64(verifier key)      in the answer to `none`
    Ledger-Extension: base64(old N, proof, blank line, newest checkpoint)      in the answer
    Ledger-Conflict: base64(proof of misbehaviour)      in the answer, where the log's own signature convicts it

So every customer is a witness of a kind: a log that shows two customers two histories must go on lying to both of them alike.
"""

from __future__ import annotations

import base64
import binascii

import structlog
from flask import Response, request

from exchange.audit.web import blueprint
from exchange.web import services
from ledger import misbehaviour, proof
from ledger.errors import LedgerError, ProofError, SignatureError
from ledger.log import Log
from ledger.note import Verifier

ASK, EXTENSION, CONFLICT = "If-Checkpoint", "Ledger-Extension", "Ledger-Conflict"
FIRST, KEY = "Ledger-Checkpoint", "Ledger-Key"
_LONGEST = 8 * 1024

log = structlog.get_logger()


@blueprint.after_app_request
def extend(response: Response) -> Response:
    """Answer the header wherever the API answers."""
    given = request.headers.get(ASK)
    if given and request.path.startswith("/api/v1/") and response.status_code < 500:
        for name, text in headers(services().log, given).items():
            response.headers[name] = base64.b64encode(text.encode()).decode()
    return response


def headers(ledger: Log, given: str) -> dict[str, str]:
    """Return what is to be said to whoever keeps this checkpoint; nothing where it is not one of this log."""
    try:
        if given == "none":
            return {FIRST: ledger.checkpoint(), KEY: ledger.vkey}
        note = base64.b64decode(given[:_LONGEST], validate=True).decode("utf-8")
        kept = ledger.verify(note)
        if kept.size == 0:
            return {}
        newest = ledger.latest()
        if kept.size <= newest.size and ledger.root(kept.size) == kept.root:
            return {EXTENSION: ledger.extension(kept.size)}
        log.critical("a kept checkpoint is not of this log", kept=kept.size, newest=newest.size)
        return _convict(ledger, note, kept.size)
    except (SignatureError, UnicodeDecodeError, binascii.Error, ValueError):
        return {}
    except LedgerError:
        # The log cannot be read just now; the caller asks again.
        return {}


def _convict(ledger: Log, note: str, size: int) -> dict[str, str]:
    """Return the proof that this log and the checkpoint are two histories; a log that was cut short convicts itself by being so."""
    newest = ledger.latest()
    if size > newest.size:
        return {}
    read = ledger.storage.hashes
    path = [] if size == newest.size else proof.consistency(size, newest.size, read)
    if path and size & (size - 1) == 0:
        path = [ledger.root(size), *path]
    try:
        found = misbehaviour.from_trees([Verifier.from_vkey(key) for key in ledger.vkeys], note, newest.note, path)
    except (ProofError, SignatureError):
        return {}
    return {CONFLICT: found.to_text()}
