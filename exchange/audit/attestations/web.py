"""The page of the log's witnesses and time stamps: who vouches for which size, since when, and what to take away."""

from __future__ import annotations

from flask import Response, render_template

from exchange.access import Permission
from exchange.audit import service as audit
from exchange.audit.attestations import evidence, store
from exchange.audit.attestations.evidence import Party, Standing
from exchange.audit.attestations.words import explain
from exchange.audit.web import blueprint
from exchange.errors import ExchangeError, NotFoundError
from exchange.web import reading, requires, services

_LISTED = 50


@blueprint.get("/audit/attestations")
@requires(Permission.PUBLIC)
def attestations() -> str:
    """Show who vouches for the log; cosignatures and time stamps are made to be shown."""
    return render_template(
        "audit/attestations.html",
        known=attestation_standing(),
        head=audit.head(services().log),
        stamps=store.stamps(reading(), _LISTED),
        explain=explain_party,
    )


@blueprint.get("/audit/attestations/policy")
@requires(Permission.PUBLIC)
def policy() -> Response:
    """Give the policy that names the log and its witnesses, without their addresses, for whoever wants to start from it."""
    return send_policy()


@blueprint.get("/audit/attestations/checkpoint")
@requires(Permission.PUBLIC)
def attested_checkpoint() -> Response:
    """Give the newest checkpoint that has the quorum of cosignatures, with them."""
    known = attestation_standing()
    if known.attested is None:
        raise NotFoundError()
    return Response(known.attested.note, mimetype="text/plain")


@blueprint.get("/audit/attestations/<int:size>/stamp")
@requires(Permission.PUBLIC)
def stamp(size: int) -> Response:
    """Give the time-stamp reply over the checkpoint of a size, as any RFC 3161 tool reads it."""
    found = store.stamp(reading(), size) if size < 2**63 else None
    if found is None:
        raise NotFoundError()
    response = Response(found.reply, mimetype="application/timestamp-reply")
    response.headers["Content-Disposition"] = f'attachment; filename="checkpoint-{size}.tsr"'
    return response


@blueprint.get("/audit/attestations/<int:size>/body")
@requires(Permission.PUBLIC)
def stamped_body(size: int) -> Response:
    """Give the exact bytes over which the time stamp of a size was made: the checkpoint's text without signatures."""
    found = store.body(reading(), size) if size < 2**63 else None
    if found is None:
        raise NotFoundError()
    response = Response(found, mimetype="application/octet-stream")
    response.headers["Content-Disposition"] = f'attachment; filename="checkpoint-{size}.txt"'
    return response


def send_policy() -> Response:
    """Return the operator's policy of witnesses as text. Raises NotFoundError where there is none."""
    known = attestation_standing()
    if known.policy is None:
        raise NotFoundError()
    text = evidence.public_policy(known.policy).to_text()
    return Response(text.encode("utf-8", "surrogateescape"), mimetype="text/plain")


@blueprint.app_template_global()
def attestation_standing() -> Standing:
    """Return what is known of the log's outsiders, for any page."""
    return evidence.standing(reading(), services())


def explain_party(party: Party) -> ExchangeError | None:
    """Return why an outsider did not vouch for the newest checkpoint, or None."""
    return explain(party.code, party.sentence) if party.code else None
