"""What a visitor of the log looks for, read from the address, and the words of its pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from flask import request
from flask_babel import gettext as _
from sqlalchemy import or_, select

from exchange import formatting
from exchange.access import Actor, Permission
from exchange.audit.search import Wanted
from exchange.audit.statements import SECTIONS, STATEMENTS
from exchange.catalog.models import Dataset
from exchange.errors import NotFoundError
from exchange.negotiation import service as negotiation
from exchange.negotiation.models import AgreementRecord
from exchange.participants.models import Participant
from exchange.web import current_actor, reading, run
from ledger.statement import URN

_FIELDS = ("kind", "from", "to", "agreement", "about", "mine")
_LONGEST = 200
_OFFERED = 500


@dataclass(frozen=True)
class Looking:
    """What the search form asks and shows; with `faults`, by field, nothing is looked for."""

    wanted: Wanted
    faults: Mapping[str, str]
    given: Mapping[str, str]
    across: bool
    own: bool
    suggestions: Sequence[tuple[str, str]] = ()
    sections: Mapping[str, Any] = field(default_factory=lambda: SECTIONS)

    @property
    def asked(self) -> bool:
        """Whether anything is looked for, be it in vain."""
        return bool(self.wanted or self.faults)

    @property
    def address(self) -> dict[str, str]:
        """The question as the parameters of an address."""
        return {name: value for name, value in self.given.items() if value}


def looking() -> Looking:
    """Return what the address asks for. A look of the exchange's own people for what is about somebody is recorded first."""
    actor = current_actor()
    across = actor.is_exchange and actor.may(Permission.AUDIT_READ)
    own = actor.participant is not None and actor.may(Permission.EVIDENCE_READ)
    given = {name: request.args.get(name, "").strip()[:_LONGEST] for name in _FIELDS}
    faults: dict[str, str] = {}
    start, end = _day(given, "from", faults), _day(given, "to", faults, days=1)
    if start and end and end <= start:
        faults["to"] = _("The last day lies before the first one.")
    if given["kind"] and given["kind"] not in STATEMENTS.kinds:
        faults["kind"] = _("There is no kind of entry named like that. Choose one of the list.")
    if given["agreement"] and not URN.fullmatch(given["agreement"]):
        faults["agreement"] = _("An id reads urn:uuid: and 36 characters, as the entries show it.")
    about = _about(actor, given["about"], faults, across=across, own=own)
    mine = own and (about or given["mine"] == "1")
    if about and across and not faults:
        run("audit.search", about=about)
    wanted = Wanted() if faults else Wanted(
        kind=given["kind"], start=start, end=end, agreement=given["agreement"], about=about,
        firm=actor.participant if mine else None,
    )  # fmt: skip
    return Looking(wanted, faults, given, across, own, _suggestions(actor, across=across, own=own))


def _day(given: Mapping[str, str], name: str, faults: dict[str, str], days: int = 0) -> datetime | None:
    """Return the first moment of the day that the field `name` gives, in the zone that the pages show, or `days` later."""
    try:
        day = date.fromisoformat(given[name]) + timedelta(days=days) if given[name] else None
        return day and datetime.combine(day, time(), formatting.zone()).astimezone(UTC)
    except (ValueError, OverflowError):
        faults[name] = _("There is no such day. Write it as year-month-day, for example 2026-03-31.")
        return None


def _about(actor: Actor, about: str, faults: dict[str, str], *, across: bool, own: bool) -> str:
    """Return the id that an entry is to be about, "" for none; an organisation's name or code stands for its id."""
    if not about:
        return ""
    if not (across or own):
        faults["about"] = _("What an entry is about is not public. Sign in to find what is about your organisation.")
        return ""
    if across and not URN.fullmatch(about):
        named = or_(Participant.name == about, Participant.credit_code == about)
        about = reading().scalar(select(Participant.id).where(named).limit(1)) or about
    if not URN.fullmatch(about):
        faults["about"] = (
            _("Nothing has that id, and no organisation that name or credit code.")
            if across
            else _("An id reads urn:uuid: and 36 characters, as the entries show it.")
        )
        return ""
    return _ledger_id(actor, about)


def _ledger_id(actor: Actor, about: str) -> str:
    """Return the ledger id of an agreement that the reader may see, so that its own id finds its entries as well."""
    try:
        if actor.is_exchange:
            found = reading().get(AgreementRecord, about)
        else:
            found = negotiation.get_agreement(reading(), actor, about)
    except NotFoundError:
        found = None
    return found.ledger_id if found is not None else about


def _suggestions(actor: Actor, *, across: bool, own: bool) -> list[tuple[str, str]]:
    """Return ids with their names: all organisations to those who see across, a firm's own datasets to its people."""
    if across:
        query = select(Participant.id, Participant.name).order_by(Participant.name)
    elif own:
        mine = Dataset.participant_id == actor.participant
        query = select(Dataset.id, Dataset.title).where(mine).order_by(Dataset.created_at.desc())
    else:
        return []
    return [(row[0], row[1]) for row in reading().execute(query.limit(_OFFERED))]


def picture_words() -> Mapping[str, str]:
    """Return the words of the pictures in the reader's language."""
    return {
        "entry": _("leaf of this entry"),
        "node": _("node"),
        "root": _("signed root"),
        "leaf": _("leaf hash"),
        "prev": _("names it as prev"),
        "path": _("Path of entry %(index)s over %(levels)s levels to the root of %(size)s entries"),
        "chain": _("Entries %(indexes)s, each naming the leaf hash of the one before"),
    }
