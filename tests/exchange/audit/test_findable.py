"""Every statement on the log is findable: bundles are compared with the log itself, entry by entry."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select

from exchange.audit.models import StatementIndex
from exchange.doctor import examine
from exchange.supervision import service as supervision
from ledger.bundle import verify_bundle
from ledger.entry import Entry, Opening

_ATTESTING = {"log.opened", "participant.keys", "participant.verified"}


@pytest.fixture
def busy(trade: Any) -> Any:
    """A trade with statements that speak of no firm: roles of the exchange, notes, looks and exports of auditors."""
    agreement = trade.agreement(price_fen=900)
    transfer = trade.started(agreement)
    trade.run(trade.consumer, "transfer.acknowledge", transfer=transfer, digest=trade.transfer(transfer).plain_digest)
    auditor = trade.exchange.staff("auditor")
    log = trade.exchange.operations.services.log
    newest = next(entry for entry in reversed(list(log.entries(0, log.size()))) if entry.kind == "escrow.released")
    trade.run(auditor, "audit.read", statement=newest.statement_id)
    trade.run(auditor, "audit.list_agreements")
    trade.run(trade.exchange.staff("operator"), "participants.examine", participant=trade.provider.participant)
    return trade


def entries_of(trade: Any) -> list[Entry]:
    log = trade.exchange.operations.services.log
    return list(log.entries(0, log.size()))


def said(trade: Any, entry: Entry) -> str:
    """Return all that an entry says in its openings, as text."""
    openings = trade.exchange.operations.services.log.openings(entry.statement_id)
    return json.dumps({name: item.value for name, item in openings.items() if isinstance(item, Opening)})


def exported(trade: Any, target: Path, **chosen: Any) -> set[int]:
    supervision.export(trade.exchange.operations, target, **chosen)
    report = verify_bundle(target, trade.exchange.operations.services.log.vkey)
    assert report.ok, [check for check in report.checks if not check.ok]
    return {entry.index for entry in report.entries}


def test_every_entry_but_the_first_stands_in_the_index(busy: Any) -> None:
    with busy.exchange.operations.database.reading() as session:
        indexed = set(session.scalars(select(StatementIndex.statement)))
    entries = entries_of(busy)
    kinds = {entry.kind for entry in entries}
    assert {"exchange.roles", "participant.verification_noted", "audit.read"} <= kinds
    assert [entry.kind for entry in entries if entry.statement_id not in indexed] == ["log.opened"]


def test_the_bundle_of_a_period_holds_every_entry_of_the_log_in_it(busy: Any, tmp_path: Path) -> None:
    end, entries = datetime.now(UTC), entries_of(busy)
    for first in (1, len(entries) // 2):
        # From the second of two neighbours of different times, so that the border runs through the log.
        start = datetime.fromisoformat(entries[first].at)
        expected = {entry.index for entry in entries if start <= datetime.fromisoformat(entry.at) < end}
        found = exported(busy, tmp_path / f"{first}.zip", start=start, end=end)
        assert expected <= found
        assert {entries[index].kind for index in found - expected} <= _ATTESTING


def test_the_end_of_a_period_is_excluded(busy: Any, tmp_path: Path) -> None:
    entries = entries_of(busy)
    moments = sorted({datetime.fromisoformat(entry.at) for entry in entries})
    start, end = moments[2], moments[-2]
    expected = {entry.index for entry in entries if start <= datetime.fromisoformat(entry.at) < end}
    found = exported(busy, tmp_path / "p.zip", start=start, end=end)
    assert expected <= found
    assert {entries[index].kind for index in found - expected} <= _ATTESTING


def test_the_bundle_of_a_firm_for_an_auditor_holds_every_entry_that_names_it(busy: Any, tmp_path: Path) -> None:
    for firm in (busy.provider, busy.consumer):
        named = {entry.index for entry in entries_of(busy) if firm.participant in said(busy, entry)}
        found = exported(busy, tmp_path / "f.zip", participant=firm.participant)
        assert named <= found, [entries_of(busy)[index].kind for index in named - found]


def test_what_the_exchange_notes_of_a_firm_and_who_looked_is_not_in_the_firms_own_bundle(
    busy: Any, tmp_path: Path
) -> None:
    whole = exported(busy, tmp_path / "f.zip", participant=busy.provider.participant)
    answer = busy.client(busy.provider).get("/api/v1/ledger/bundles/participant")
    (tmp_path / "own.zip").write_bytes(answer.data)
    own = {entry.index for entry in verify_bundle(tmp_path / "own.zip").entries}
    entries = entries_of(busy)
    withheld = sorted(entries[index].kind for index in whole - own)
    assert withheld == ["audit.read", "participant.verification_noted"]
    for index in whole - own:
        answer = busy.client(busy.provider).get(f"/api/v1/ledger/entries/{index}")
        assert answer.json["openings"] is None


def test_the_bundle_of_an_agreement_holds_every_entry_that_names_it(busy: Any, tmp_path: Path) -> None:
    agreement = busy.agreement()
    busy.started(agreement)
    ledger_id = busy.agreement_row(agreement).ledger_id
    named = {
        entry.index
        for entry in entries_of(busy)
        if (agreement in said(busy, entry) or entry.agreement == ledger_id) and not entry.kind.startswith("audit.")
    }
    assert len(named) > 5
    assert named <= exported(busy, tmp_path / "a.zip", agreement=agreement)


def test_the_doctor_names_entries_that_cannot_be_found(sqlite_exchange: Any) -> None:
    sqlite_exchange.firm("East China Bearing")
    looked = {finding.name: finding for finding in examine(sqlite_exchange.settings)}
    assert looked["ledger"].ok
    with sqlite_exchange.operations.database.writing() as session:
        session.execute(delete(StatementIndex).where(StatementIndex.kind == "participant.joined"))
    looked = {finding.name: finding for finding in examine(sqlite_exchange.settings)}
    assert not looked["ledger"].ok
    assert "cannot be found" in looked["ledger"].detail
