"""The page of the log's anchors: where the newest one stands, what is fixed for good, and the proofs to take away."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Any

from flask import Response, render_template
from flask_babel import gettext as _

from exchange.access import Permission
from exchange.audit import service as audit
from exchange.audit.anchoring import service, store
from exchange.audit.anchoring.service import Anchoring
from exchange.audit.web import blueprint
from exchange.errors import NotFoundError
from exchange.formatting import moment, number
from exchange.web import reading, requires, services
from ledger.anchors.ethereum.fees import GWEI
from ledger.anchors.ethereum.node import ETHER
from ledger.anchors.ethereum.record import Anchor, State

_LISTED = 100
_LIFE = (State.PREPARED, State.BROADCAST, State.MINED, State.SAFE, State.FINALIZED)


@blueprint.get("/audit/anchors")
@requires(Permission.PUBLIC)
def anchors() -> str:
    """Show the anchors of the log; a chain is public, so this is, too."""
    known = anchoring_status()
    return render_template(
        "audit/anchors.html",
        known=known,
        head=audit.head(services().log),
        history=store.history(reading(), _LISTED),
        life=life(known.newest),
        words=anchor_words(),
        gwei=lambda wei: _brief(wei, GWEI),
        ether=lambda wei: _brief(wei, ETHER),
    )


@blueprint.get("/audit/anchors/<int:number>/proof")
@requires(Permission.PUBLIC)
def anchor_proof(number: int) -> Response:
    """Give the proof of a final anchor as a file that `python -m ledger verify` checks."""
    return send_proof(number)


def send_proof(number: int) -> Response:
    """Return the download of an anchor's proof. Raises NotFoundError where there is none."""
    found = store.get(reading(), number) if number < 2**31 else None
    if found is None or found.proof is None:
        raise NotFoundError()
    response = Response(found.proof, mimetype="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="anchor-{number}.json"'
    return response


@blueprint.app_template_global()
def anchoring_status() -> Anchoring:
    """Return what is known of the log's anchors, for any page."""
    return service.status(reading(), services().settings)


@blueprint.app_template_global()
def anchor_words() -> dict[str, str]:
    """Return the states of an anchor in the reader's language."""
    return {
        State.PREPARED: _("Prepared"),
        State.BROADCAST: _("Sent"),
        State.MINED: _("In a block"),
        State.SAFE: _("Safe"),
        State.FINALIZED: _("Final"),
        State.FAILED: _("Failed"),
    }


def life(anchor: Anchor | None) -> list[dict[str, Any]]:
    """Return the steps of an anchor's life as the page draws them: what is done, where it stands, what is to come."""
    words = anchor_words()
    reached = _LIFE.index(anchor.state) if anchor is not None and anchor.state in _LIFE else -1
    steps = []
    for place, state in enumerate(_LIFE):
        if anchor is not None and anchor.state is State.FAILED:
            drawn = "done" if state is State.PREPARED else "failed" if state is State.BROADCAST else "todo"
        elif anchor is not None and anchor.state is State.FINALIZED:
            drawn = "done"
        else:
            drawn = "done" if place < reached else "current" if place == reached else "todo"
        note = None if anchor is None or drawn == "todo" else _note(anchor, state)
        steps.append({"label": words[state], "state": drawn, "note": note})
    return steps


def _brief(wei: int, unit: int) -> str:
    """Return an amount in a larger unit with four digits that count."""
    amount = Context(prec=4).divide(Decimal(wei), Decimal(unit))
    return f"{amount.normalize():f}"


def _note(anchor: Anchor, state: State) -> str | None:
    if state is State.PREPARED:
        return moment(anchor.prepared_at)
    if state is State.BROADCAST:
        tries = len(anchor.attempts)
        return _("with a higher fee, %(count)s times", count=tries - 1) if tries > 1 else None
    if state is State.MINED and anchor.mined is not None:
        return _("block %(number)s", number=number(anchor.mined.block_number))
    if state is State.FINALIZED:
        return moment(anchor.finalized_at)
    return None
