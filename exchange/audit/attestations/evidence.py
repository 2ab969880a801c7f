"""What of it is shown and goes into evidence: the standing of each outsider, receipts with cosignatures, and bundles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from exchange.audit.attestations import timestamps, witnesses
from exchange.audit.attestations.models import CheckpointTimestamp, Outsider
from exchange.audit.attestations.store import attested_at, newest_attested, newest_cosigned
from exchange.audit.attestations.witnesses import identifier
from exchange.errors import SettingsError
from exchange.steps import Services
from ledger.bundle import Attestations, Attested
from ledger.entry import Entry
from ledger.policy import Policy
from ledger.receipt import Receipt, format_proof

log = structlog.get_logger()


@dataclass(frozen=True)
class Party:
    """An outsider as the pages show it: `size` is the largest checkpoint it vouched for, `problem` a code with a sentence."""

    name: str
    url: str | None
    size: int
    vouched_at: datetime | None
    asked_at: datetime | None
    code: str | None
    sentence: str


@dataclass(frozen=True)
class Standing:
    """What is known of the log's outsiders; `attested` is the newest checkpoint whose cosignatures make the quorum."""

    policy: Policy | None
    witnesses: tuple[Party, ...]
    attested: Attested | None
    authority: Party | None
    stamped: CheckpointTimestamp | None


def policy_of(services: Services) -> Policy | None:
    """Return the operator's policy of witnesses, or None. Raises SettingsError."""
    return witnesses.load_policy(services.settings.witness_policy, services.log.vkey)


def public_policy(policy: Policy) -> Policy:
    """Return a policy without the witnesses' addresses, which may lie in the operator's own network."""
    return replace(policy, witnesses=tuple(replace(item, url=None) for item in policy.witnesses))


def _known_policy(services: Services) -> Policy | None:
    """Return the policy for showing what was said; a file that was damaged since the start is nobody's reader's concern."""
    try:
        return policy_of(services)
    except SettingsError:
        log.exception("the policy of the witnesses cannot be read")
        return None


def receipt(session: Session, services: Services, entry: Entry) -> Receipt:
    """Return the receipt of an entry under the newest checkpoint with a quorum of cosignatures that covers it, or the newest at all.

    Raises LedgerUnavailableError.
    """
    attested = newest_attested(session, _known_policy(services), above=entry.index)
    if attested is None:
        return services.log.receipt(entry.statement_id, timeout=services.settings.receipt_timeout_seconds)
    path = services.log.inclusion_proof(entry.index, attested.size)
    proof = format_proof(entry.index, path, attested.note)
    return Receipt(entry.index, entry.statement_id, entry.leaf_hash, proof, attested.size)


def standing(session: Session, services: Services) -> Standing:
    """Return what the database knows of the log's outsiders; nobody is asked."""
    policy = _known_policy(services)
    authority = None
    if services.settings.timestamp_authority:
        authority = _party(session, timestamps.NAME, services.settings.timestamp_authority, timestamps.NAME)
    return Standing(
        policy=policy,
        witnesses=tuple(
            _party(session, item.name, item.url, identifier(item.verifier))
            for item in (policy.witnesses if policy else ())
        ),
        attested=newest_attested(session, policy),
        authority=authority,
        stamped=session.scalar(select(CheckpointTimestamp).order_by(CheckpointTimestamp.size.desc()).limit(1)),
    )


def evidence(session: Session, services: Services) -> tuple[Policy | None, Attestations]:
    """Return the operator's policy, and a function for `ledger.bundle` that says what outsiders vouched for."""
    policy = _known_policy(services)
    public = None if policy is None else public_policy(policy)
    return public, lambda indexes, size: _evidence(session, policy, indexes, size)


def _evidence(session: Session, policy: Policy | None, indexes: Sequence[int], size: int) -> list[Attested]:
    """Return what outsiders said that proves most about the entries at `indexes`, in a log of `size` entries.

    These are the newest checkpoint over all of them with a quorum, or else with any cosignature, and for each entry the
    earliest time stamp over it.
    """
    found: dict[int, Attested] = {}
    best = newest_attested(session, policy, above=indexes[-1], most=size)
    best = best or newest_cosigned(session, above=indexes[-1], most=size)
    if best is not None:
        found[best.size] = best
    most = size if best is None else best.size
    stamped = session.scalars(
        select(CheckpointTimestamp.size).where(CheckpointTimestamp.size <= most).order_by(CheckpointTimestamp.size)
    ).all()
    place = 0
    for index in indexes:
        while place < len(stamped) and stamped[place] <= index:
            place += 1
        if place == len(stamped):
            break
        found.setdefault(stamped[place], attested_at(session, stamped[place]))
    return list(found.values())


def _party(session: Session, name: str, url: str | None, key: str) -> Party:
    row = session.get(Outsider, key)
    if row is None:
        return Party(name, url, 0, None, None, None, "")
    return Party(name, url, row.size, row.vouched_at, row.asked_at, row.code, row.sentence)
