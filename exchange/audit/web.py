"""Pages of the ledger: entries, one entry with its proof and openings, verification for anyone, evidence bundles."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, render_template, request, stream_with_context
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from sqlalchemy import select
from wtforms import TextAreaField
from wtforms.validators import InputRequired, Length

from exchange.access import Permission
from exchange.audit import bundles, looking, pictures, search, service
from exchange.audit.attestations import evidence
from exchange.audit.models import StatementIndex
from exchange.audit.verification import verify_receipt
from exchange.catalog import service as catalog
from exchange.errors import InvalidInputError
from exchange.negotiation import agreements
from exchange.negotiation import service as negotiation
from exchange.web import current_actor, reading, requires, run, services, show_in_form
from ledger.entry import Entry, Erased, Opening
from ledger.errors import NotFoundError as NotOnLedgerError
from ledger.receipt import Receipt, parse_proof
from ledger.statement import URN
from ledger.tiles.bucket import BRIEFLY, CHECKPOINT_TYPE

blueprint = Blueprint("audit", __name__)


class ReceiptForm(FlaskForm):
    receipt = TextAreaField(_("Receipt"), [InputRequired(), Length(max=200_000)])
    entry = TextAreaField(_("Entry"), [Length(max=70_000)])


class TrustForm(FlaskForm):
    """What a visitor's own browser judges by; it is not sent."""

    trust = TextAreaField(
        _("Verifier key of the log, or a policy of log and witnesses"), [InputRequired(), Length(max=1_000_000)]
    )
    kept = TextAreaField(_("A checkpoint that you kept"), [Length(max=1_000_000)])


@blueprint.get("/audit")
@requires(Permission.PUBLIC)
def index() -> str:
    """List the log's entries, newest first, or those that are looked for; they hold commitments only, so everybody may read them."""
    log = services().log
    asked = looking.looking()
    if asked.asked:
        cut = {name: place for name in ("before", "after") if URN.fullmatch(place := request.args.get(name, ""))}
        found = search.find(reading(), log, asked.wanted, **cut) if asked.wanted else search.Found([])
        entries = found.entries
        newer = asked.address | {"after": found.newer} if found.newer else None
        older = asked.address | {"before": found.older} if found.older else None
    else:
        page = max(request.args.get("page", 0, type=int), 0)
        stop = log.size() - page * search.PAGE
        entries = list(log.entries(max(0, stop - search.PAGE), stop))[::-1] if stop > 0 else []
        newer = {"page": page - 1} if page else None
        older = {"page": page + 1} if stop > search.PAGE else None
    return render_template(
        "audit/index.html", entries=entries, newer=newer, older=older, head=service.head(log), looking=asked
    )


@blueprint.get("/audit/mine")
@requires(Permission.EVIDENCE_READ)
def mine() -> str:
    """List the statements that speak of the acting firm, with their places on the log."""
    actor = current_actor()
    rows = reading().execute(
        select(StatementIndex)
        .where(StatementIndex.subject == actor.participant)
        .order_by(StatementIndex.at.desc(), StatementIndex.statement.desc())
        .limit(200)
    )
    items = [(row, _place(row.statement)) for (row,) in rows]
    # Statements of one step bear one time; the log knows which came first, and what it has not yet is the newest.
    items.sort(key=lambda item: (item[0].at, item[1] is None, item[1] or 0), reverse=True)
    return render_template("audit/mine.html", items=items)


def _place(statement: str) -> int | None:
    try:
        return services().log.index_of(statement)
    except NotOnLedgerError:
        return None


@blueprint.get("/audit/entries/<int:index>")
@requires(Permission.PUBLIC)
def entry(index: int) -> str:
    """Show an entry: its bytes, its leaf hash, its proof under the newest checkpoint, and to its parties the openings."""
    log = services().log
    found = service.entry_at(log, index)
    receipt = _receipt(found)
    size = log.size()
    neighbours = list(log.entries(max(0, index - 2), min(size, index + 2)))
    proof = parse_proof(receipt.proof)
    ladder = pictures.rungs(index, receipt.size, found.leaf_hash, proof.path)
    words = looking.picture_words()
    openings = _openings(found)
    return render_template(
        "audit/entry.html",
        entry=found,
        receipt=receipt,
        openings=None if openings is None else {name: _shown(item) for name, item in openings.items()},
        proven=json.dumps({name: _provable(item) for name, item in openings.items()}) if openings else None,
        size=size,
        body=found.body.decode(),
        before=next((item.body.decode() for item in neighbours if item.index == index - 1), None),
        neighbours=neighbours,
        ladder=ladder,
        chain=pictures.chain(neighbours, index, words),
        path=pictures.path(index, receipt.size, found.leaf_hash, ladder, words),
        head=service.head(log),
    )


def _receipt(found: Entry) -> Receipt:
    return evidence.receipt(reading(), services(), found)


def _openings(found: Entry) -> Mapping[str, Opening | Erased] | None:
    """Return the openings where the reader may see them; an auditor's look is recorded as promise 10 demands."""
    actor = current_actor()
    if not service.may_open(reading(), actor, found.statement_id):
        return None
    if actor.is_exchange and request.args.get("open") != "1":
        return {}
    if actor.is_exchange:
        run("audit.read", statement=found.statement_id)
    return services().log.openings(found.statement_id)


def _shown(opening: Opening | Erased) -> str | None:
    return json.dumps(opening.value, ensure_ascii=False, indent=2) if isinstance(opening, Opening) else None


def _provable(opening: Opening | Erased) -> dict[str, Any] | None:
    """Return salt and value, with which the reader's browser finds the commitment of the public entry again."""
    return {"salt": opening.salt.hex(), "value": opening.value} if isinstance(opening, Opening) else None


@blueprint.route("/audit/verify", methods=["GET", "POST"])
@requires(Permission.PUBLIC)
def verify() -> str:
    """Verify a receipt that anybody brings, against its own bytes and this log's key; `index` fills in that entry's."""
    form = ReceiptForm()
    checks, known = None, request.args.get("index", type=int)
    if request.method == "GET" and known is not None:
        form.receipt.data = _receipt(service.entry_at(services().log, known)).proof
    if form.validate_on_submit():
        try:
            checks = verify_receipt(services().log, form.receipt.data, form.entry.data or None)
        except InvalidInputError as error:
            show_in_form(error, form, "receipt")
    head = service.head(services().log)
    own = TrustForm(formdata=None, trust=head["vkey"])
    return render_template("audit/verify.html", form=form, own=own, checks=checks, known=known, head=head)


@blueprint.get("/checkpoint")
@requires(Permission.PUBLIC)
def checkpoint() -> Response:
    """Give the newest signed checkpoint (C2SP tlog-checkpoint); with `old`, the proof that it extends that size before it."""
    if "old" not in request.args:
        response = Response(services().log.checkpoint(), content_type=CHECKPOINT_TYPE)
        response.headers["Cache-Control"] = BRIEFLY
        response.add_etag()
        return response.make_conditional(request)
    old = request.args.get("old", 0, type=int)
    return Response(service.extension(services().log, old)["extension"], mimetype="text/plain")


@blueprint.get("/audit/bundles/agreement/<agreement>")
@requires(Permission.EVIDENCE_READ)
def agreement_bundle(agreement: str) -> Response:
    """Give the evidence bundle of one agreement to its parties."""
    return send_bundle(*agreement_evidence(agreement))


@blueprint.get("/audit/bundles/dataset/<dataset>")
@requires(Permission.DATASET_READ)
def dataset_bundle(dataset: str) -> Response:
    """Give the owner the evidence of how its dataset was listed."""
    row = catalog.own_dataset(reading(), current_actor(), dataset)
    statements = bundles.of_dataset(reading(), row.id, row.participant_id)
    return send_bundle(statements, {"kind": "dataset", "id": row.id}, {}, f"dataset-{row.id[-12:]}")


@blueprint.get("/audit/bundles/participant")
@requires(Permission.EVIDENCE_READ)
def participant_bundle() -> Response:
    """Give a firm all statements that speak of it."""
    firm = current_actor().participant or ""
    return send_bundle(
        bundles.of_participant(reading(), firm), {"kind": "participant", "id": firm}, {}, f"firm-{firm[-12:]}"
    )


def agreement_evidence(agreement: str) -> tuple[list[str], dict[str, Any], dict[str, bytes], str]:
    """Return (statements, subject, documents, name) of an agreement's bundle for one of its parties."""
    row = negotiation.get_agreement(reading(), current_actor(), agreement)
    return *agreements.evidence(reading(), row), f"agreement-{row.id[-12:]}"


def send_bundle(statements: list[str], subject: dict[str, Any], documents: dict[str, bytes], name: str) -> Response:
    """Return a zip download; the spooled file is removed as soon as it is sent."""
    for statement in statements[-1:]:
        # The newest statement under a signed checkpoint means that all are.
        services().log.receipt(statement, timeout=services().settings.receipt_timeout_seconds)
    path = Path(services().settings.spool) / f"bundle-{secrets.token_hex(8)}.zip"
    try:
        bundles.write(reading(), services(), statements, subject, path, documents)
        handle = path.open("rb")
    finally:
        path.unlink(missing_ok=True)

    def blocks() -> Any:
        with handle:
            while block := handle.read(1024 * 1024):
                yield block

    response = Response(stream_with_context(blocks()), mimetype="application/zip")
    response.headers["Content-Disposition"] = f'attachment; filename="evidence-{name}.zip"'
    return response


# The pages of anchoring, of witnesses and for outsiders, the tiles, and what callers' kept checkpoints are answered, stand on the same blueprint.
from exchange.audit import erasure_web as _erasure_web  # noqa: E402, F401
from exchange.audit import kept as _kept  # noqa: E402, F401
from exchange.audit import outside as _outside  # noqa: E402, F401
from exchange.audit import tiles as _tiles  # noqa: E402, F401
from exchange.audit.anchoring import web as _anchoring_web  # noqa: E402, F401
from exchange.audit.attestations import web as _attestations_web  # noqa: E402, F401
