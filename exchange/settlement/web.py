"""Pages of paying: accounts with their journal, booking a bank transfer, funding and refunding an agreement."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy import select

from exchange.access import Permission
from exchange.errors import ExchangeError
from exchange.participants.models import Participant
from exchange.settlement import forms, queries
from exchange.settlement.api import check_may_read, csv_answer
from exchange.steps import EXCHANGE
from exchange.web import current_actor, end_reading, reading, requires, run, services, show_in_form

blueprint = Blueprint("settlement", __name__)


@blueprint.get("/accounts")
@requires(Permission.ACCOUNT)
def index() -> str:
    """Show the firm's accounts (or, to the operator, the exchange's own) with the journal."""
    check_may_read()
    session, actor = reading(), current_actor()
    chosen = request.args.get("account") or None
    page = queries.journal(session, actor, account_id=chosen, cursor=request.args.get("cursor"))
    rows = queries.accounts(session, actor)
    log = services().log
    return render_template(
        "settlement/index.html",
        accounts=rows,
        chosen=queries.account(session, actor, chosen) if chosen else None,
        page=page,
        entries={item.entry.statement: log.index_of(item.entry.statement) for item in page.postings},
        available_fen=sum(row.balance_fen for row in rows if row.kind == "available"),
        held_fen=sum(row.balance_fen for row in rows if row.kind == "escrow"),
        is_exchange=queries.owner_of(actor) == EXCHANGE,
    )


@blueprint.get("/accounts/journal.csv")
@requires(Permission.ACCOUNT)
def journal_csv() -> Response:
    """Give the whole journal as CSV."""
    check_may_read()
    return csv_answer()


@blueprint.get("/accounts/faults")
@requires(Permission.TOP_UP)
def faults() -> str:
    """List the due settlements that failed, with the reason and when they are tried again; the look is recorded."""
    run("settlement.look_at_faults")
    return render_template("settlement/faults.html", rows=queries.faults(reading()))


@blueprint.route("/accounts/top-up", methods=["GET", "POST"])
@requires(Permission.TOP_UP)
def top_up() -> Any:
    """Book money that arrived at the exchange's bank."""
    form = forms.TopUpForm()
    firms = reading().execute(
        select(Participant.id, Participant.name, Participant.credit_code)
        .where(Participant.status == "verified")
        .order_by(Participant.name)
    )
    known = [(firm.id, f"{firm.name} ({firm.credit_code})") for firm in firms]
    form.participant.choices = [("", _("Choose…")), *known] if known else []
    problem = None
    if form.validate_on_submit():
        try:
            run(
                "settlement.top_up",
                participant=form.participant.data,
                amount_fen=form.amount.data,
                reference=form.reference.data,
                note=form.note.data or "",
            )
            flash(_("The transfer is booked and recorded."), "good")
            return redirect(url_for("settlement.index"), code=303)
        except ExchangeError as error:
            end_reading()
            error.field = {"amount_fen": "amount"}.get(error.field or "", error.field)
            if error.field and error.field in form:
                show_in_form(error, form, error.field)
            else:
                problem = error
    return render_template("settlement/top_up.html", form=form, problem=problem)


@blueprint.post("/agreements/<agreement>/funding")
@requires(Permission.SETTLEMENT_PAY)
def fund(agreement: str) -> Any:
    """Hold the price in escrow and put the agreement in force."""
    run("settlement.fund", agreement=agreement)
    flash(_("The price is held in escrow and the agreement is in force."), "good")
    return redirect(url_for("negotiation.agreement", agreement=agreement), code=303)


@blueprint.post("/agreements/<agreement>/refund")
@requires(Permission.TRANSFER_CONTROL)
def refund(agreement: str) -> Any:
    """Give the consumer its money back; the agreement ends."""
    form = forms.RefundForm()
    if form.validate_on_submit():
        run("settlement.refund", agreement=agreement, reason=form.reason.data)
        flash(_("The consumer has its money back and the agreement has ended."), "info")
    else:
        flash(_("Give a reason of 2 to 500 characters; the other side reads it."), "bad")
    return redirect(url_for("negotiation.agreement", agreement=agreement), code=303)


@blueprint.post("/agreements/<agreement>/reclaim")
@requires(Permission.SETTLEMENT_PAY)
def reclaim(agreement: str) -> Any:
    """Take the money of an undelivered agreement back; the agreement ends."""
    run("settlement.reclaim", agreement=agreement)
    flash(_("The money is available to you again and the agreement has ended."), "info")
    return redirect(url_for("negotiation.agreement", agreement=agreement), code=303)
