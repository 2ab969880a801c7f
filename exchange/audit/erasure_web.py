"""Pages of erasing: what can be erased, the fields of one entry with a reason, and which entry says that they were."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import BooleanField, SelectMultipleField, TextAreaField
from wtforms.validators import InputRequired, Length

from exchange.access import Permission
from exchange.audit import erasable, service
from exchange.audit.attestations import evidence
from exchange.audit.web import blueprint
from exchange.errors import AwaitingSignatureError, ExchangeError
from exchange.web import check, current_actor, reading, requires, run, services, show_in_form
from ledger.entry import Entry, Erased


class ErasureForm(FlaskForm):
    fields = SelectMultipleField(_("Fields"), [InputRequired(_("Choose at least one field."))])
    reason = TextAreaField(_("Reason of the erasure"), [InputRequired(), Length(2, 2000)])
    understood = BooleanField(
        _("What is erased cannot be brought back by anybody."), [InputRequired(_("Confirm that you know this."))]
    )


@blueprint.get("/audit/erasures")
@requires(Permission.ACCOUNT)
def erasures() -> str:
    """List what the acting person may erase and what was erased, newest first."""
    actor = current_actor()
    check(erasable.permission_of(actor))
    page = min(max(request.args.get("page", 0, type=int), 0), 1_000_000)
    items, more = erasable.listed(reading(), services().log, actor, page)
    return render_template("audit/erasures.html", items=items, page=page, more=more)


@blueprint.route("/audit/entries/<int:index>/erasure", methods=["GET", "POST"])
@requires(Permission.ACCOUNT)
def erase_entry(index: int) -> Any:
    """Show the erasable fields of an entry and erase those that are chosen; the page then shows the receipt."""
    actor, log = current_actor(), services().log
    check(erasable.permission_of(actor))
    entry = service.entry_at(log, index)
    found = erasable.found(log, actor, entry)
    form = ErasureForm()
    form.fields.choices = [(item.name, item.name) for item in found.open_fields]
    if form.validate_on_submit():
        name = "audit.erase" if actor.is_exchange else "audit.erase_own"
        try:
            run(name, statement=entry.statement_id, fields=form.fields.data, reason=form.reason.data)
            flash(_("Erased, under record. Every proof still holds."), "good")
            return redirect(url_for("audit.erase_entry", index=index), code=303)
        except AwaitingSignatureError:
            raise
        except ExchangeError as error:
            show_in_form(error, form, "reason")
    orders = sorted({item.erased_by for item in found.fields if item.erased_by is not None})
    receipts = [evidence.receipt(reading(), services(), log.entry(order)).to_json() for order in orders]
    page = render_template("audit/erase.html", entry=entry, found=found, form=form, receipts=receipts)
    return page, 422 if form.errors else 200


@blueprint.app_template_global()
def may_erase(entry: Entry) -> bool:
    """Say whether the acting person may erase something of an entry that can be read."""
    actor = current_actor()
    if not actor.may(erasable.permission_of(actor)):
        return False
    openings = services().log.openings(entry.statement_id)
    return actor.is_exchange or erasable.signer_of(openings) == actor.participant


@blueprint.app_template_global()
def erased_words(entry: Entry, field: str) -> str:
    """Return `erased by entry N` in the reader's language."""
    opening = services().log.openings(entry.statement_id).get(field)
    by = erasable.order_of(services().log, opening) if isinstance(opening, Erased) else None
    return gettext("erased") if by is None else gettext("erased by entry %(index)s", index=by)
