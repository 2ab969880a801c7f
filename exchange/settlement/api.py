"""Accounts and money over the API: top up, fund, refund, read the book."""

from __future__ import annotations

from typing import Any

from flask import Response
from flask_smorest import Blueprint

from exchange.access import Permission
from exchange.errors import NotFoundError
from exchange.settlement import queries, schemas
from exchange.settlement.models import Posting
from exchange.web import answer, check, current_actor, reading, requires, run

blueprint = Blueprint("accounts_api", __name__, description="Pay: accounts, escrow, the double-entry book.")


def describe(posting: Posting) -> dict[str, Any]:
    """Return one line of the journal as JSON."""
    entry = posting.entry
    return {
        "journal_entry": entry.id,
        "at": entry.created_at,
        "kind": entry.kind,
        "account": posting.account_id,
        "account_kind": posting.account.kind,
        "amount_fen": posting.amount_fen,
        "balance_after_fen": posting.balance_after_fen,
        "currency": posting.account.currency,
        "agreement_id": entry.agreement_id,
        "reference": entry.reference,
        "note": entry.note,
        "statement": entry.statement,
    }


def check_may_read() -> None:
    """Raise unless the actor reads its firm's accounts, or the exchange's own as the one who books them."""
    if not current_actor().may(Permission.TOP_UP):
        check(Permission.SETTLEMENT_READ)


@blueprint.get("/accounts")
@blueprint.response(200, schemas.AccountsSchema)
@requires(Permission.ACCOUNT)
def index() -> dict[str, Any]:
    """List the firm's accounts and what it can spend."""
    check_may_read()
    actor = current_actor()
    return {
        "items": queries.accounts(reading(), actor),
        "available_fen": queries.available_fen(reading(), actor),
        "next": None,
    }


@blueprint.get("/accounts/<account>")
@blueprint.response(200, schemas.AccountSchema)
@requires(Permission.ACCOUNT)
def show(account: str) -> Any:
    """Give one account with its balance."""
    check_may_read()
    return queries.account(reading(), current_actor(), account)


@blueprint.get("/accounts/journal")
@blueprint.arguments(schemas.JournalQuerySchema, location="query")
@blueprint.response(200, schemas.JournalSchema)
@requires(Permission.ACCOUNT)
def journal(query: dict[str, Any]) -> dict[str, Any]:
    """List the postings on the firm's accounts, newest first."""
    check_may_read()
    page = queries.journal(
        reading(), current_actor(), account_id=query["account"], cursor=query["cursor"], limit=query["limit"]
    )
    return {"items": [describe(posting) for posting in page.postings], "next": page.next}


@blueprint.get("/accounts/journal.csv")
@blueprint.response(200, {"type": "string"}, content_type="text/csv")
@requires(Permission.ACCOUNT)
def journal_csv() -> Response:
    """Give the firm's whole journal as CSV, oldest first."""
    check_may_read()
    return csv_answer()


def csv_answer() -> Response:
    """Return the actor's journal as an attachment."""
    response = Response(b"".join(queries.journal_csv(reading(), current_actor())), mimetype="text/csv")
    response.headers["Content-Disposition"] = 'attachment; filename="journal.csv"'
    return response


@blueprint.post("/accounts/top-ups")
@blueprint.arguments(schemas.TopUpRequestSchema)
@blueprint.response(201, schemas.TopUpSchema)
@requires(Permission.TOP_UP)
def top_up(given: dict[str, Any]) -> Any:
    """Book money that arrived at the exchange's bank for a participant (operator)."""
    return answer(run("settlement.top_up", **given), 201)


@blueprint.get("/accounts/faults")
@blueprint.response(200, schemas.FaultsSchema)
@requires(Permission.TOP_UP)
def faults() -> dict[str, Any]:
    """List the due settlements that failed, with the reason and when they are tried again (operator); the look is recorded."""
    run("settlement.look_at_faults")
    return {"items": queries.faults(reading())}


@blueprint.post("/agreements/<agreement>/funding")
@blueprint.response(201, schemas.FundingSchema)
@requires(Permission.SETTLEMENT_PAY)
def fund(agreement: str) -> Any:
    """Hold the price in escrow and put the signed agreement in force (consumer)."""
    return answer(run("settlement.fund", agreement=agreement), 201)


@blueprint.post("/agreements/<agreement>/refund")
@blueprint.arguments(schemas.RefundRequestSchema)
@blueprint.response(200, schemas.RefundSchema)
@requires(Permission.TRANSFER_CONTROL)
def refund(given: dict[str, Any], agreement: str) -> Any:
    """Give the consumer its money back and end the agreement (provider)."""
    return answer(run("settlement.refund", agreement=agreement, reason=given["reason"]))


@blueprint.post("/agreements/<agreement>/reclaim")
@blueprint.response(200, schemas.RefundSchema)
@requires(Permission.SETTLEMENT_PAY)
def reclaim(agreement: str) -> Any:
    """Take the money of an undelivered agreement back and end the agreement (consumer)."""
    return answer(run("settlement.reclaim", agreement=agreement))


@blueprint.get("/agreements/<agreement>/escrow")
@blueprint.response(200, schemas.EscrowSchema)
@requires(Permission.SETTLEMENT_READ)
def escrow(agreement: str) -> Any:
    """Give the escrow of an agreement whose side the firm is."""
    found = queries.escrow_of(reading(), current_actor(), agreement)
    if found is None:
        raise NotFoundError()
    return found
