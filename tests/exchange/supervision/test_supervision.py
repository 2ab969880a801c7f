"""Supervision: the market in counts, and evidence across firms, which nobody takes without an entry of its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from exchange.cli import main
from exchange.errors import NotFoundError
from exchange.supervision import service
from ledger.bundle import verify_bundle
from ledger.errors import LedgerUnavailableError


def kinds_since(trade: Any, size: int) -> list[str]:
    log = trade.exchange.operations.services.log
    return [entry.kind for entry in log.entries(size, log.size())]


def size(trade: Any) -> int:
    return int(trade.exchange.operations.services.log.size())


def test_the_market_is_counted_by_state(trade: Any) -> None:
    def counted() -> Any:
        with trade.exchange.operations.database.reading() as session:
            return service.overview(session)

    before = counted()
    agreement = trade.agreement(price_fen=500)
    trade.started(agreement)
    trade.exchange.firm("Pending Works", verified=False)
    after = counted()
    grown = {
        name: {state: n - getattr(before, name).get(state, 0) for state, n in getattr(after, name).items() if n != getattr(before, name).get(state)}
        for name in ("participants", "datasets", "negotiations", "agreements", "transfers")
    }  # fmt: skip
    assert grown == {
        "participants": {"pending": 1}, "datasets": {"offered": 1}, "negotiations": {"FINALIZED": 1},
        "agreements": {"in_force": 1}, "transfers": {"STARTED": 1},
    }  # fmt: skip
    assert after.book_faults == []


def test_a_book_that_does_not_balance_is_shown_to_supervisors(open_exchange: Any, make_trade: Any) -> None:
    trade = make_trade(open_exchange())
    trade.agreement(price_fen=500)
    client = trade.client(trade.exchange.staff("supervisor"))
    assert "The book does not balance" not in client.get("/supervision").text
    with trade.exchange.operations.database.writing() as session:
        session.execute(text("UPDATE account SET balance_fen = balance_fen + 1 WHERE kind = 'escrow'"))
    assert "The book does not balance" in client.get("/supervision").text


@pytest.mark.parametrize("role", ["auditor", "supervisor"])
def test_only_those_who_supervise_see_across_firms(embedded: Any, role: str) -> None:
    agreement = embedded.agreement()
    paths = ("/supervision", "/supervision/agreements", f"/supervision/agreements/{agreement}/bundle")
    before = size(embedded)
    for actor, status in (
        (None, {302, 303, 401}),
        (embedded.consumer, {403}),
        (embedded.exchange.staff("operator"), {403}),
    ):
        client = embedded.client(actor)
        for path in paths:
            assert client.get(path).status_code in status, path
    assert [kind for kind in kinds_since(embedded, before) if kind.startswith("audit.")] == []
    client = embedded.client(embedded.exchange.staff(role))
    for path in paths:
        assert client.get(path).status_code == 200, path


def test_an_auditor_takes_the_evidence_of_any_agreement_under_record(embedded: Any, tmp_path: Path) -> None:
    agreement = embedded.agreement(price_fen=700)
    embedded.started(agreement)
    client = embedded.client(embedded.exchange.staff("auditor"))
    before = size(embedded)
    answer = client.get(f"/supervision/agreements/{agreement}/bundle")
    assert kinds_since(embedded, before) == ["audit.exported"]
    (tmp_path / "b.zip").write_bytes(answer.data)
    report = verify_bundle(tmp_path / "b.zip", embedded.exchange.operations.services.log.vkey)
    assert report.ok, [check for check in report.checks if not check.ok]
    assert "escrow.held" in [entry.kind for entry in report.entries]


def test_what_does_not_exist_leaves_no_entry(embedded: Any) -> None:
    client = embedded.client(embedded.exchange.staff("auditor"))
    before = size(embedded)
    assert client.get("/supervision/agreements/urn:uuid:01900000-0000-7000-8000-000000000000/bundle").status_code == 404
    assert kinds_since(embedded, before) == []


def test_without_the_entry_there_is_no_look_and_no_evidence(embedded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    agreement = embedded.agreement()
    client = embedded.client(embedded.exchange.staff("auditor"))

    def refuse(*_: Any) -> None:
        raise LedgerUnavailableError("no space")

    monkeypatch.setattr(embedded.exchange.operations.services.log.storage, "append", refuse)
    for path in ("/supervision/agreements", f"/supervision/agreements/{agreement}/bundle"):
        answer = client.get(path)
        assert answer.status_code == 503, path
        assert "East China Bearing" not in answer.text
        assert answer.content_type.startswith("text/html")


def test_an_export_of_nothing_is_refused_and_writes_nothing(embedded: Any, tmp_path: Path) -> None:
    before = size(embedded)
    ago = datetime(2001, 1, 1, tzinfo=UTC)
    for chosen in (
        {"agreement": "urn:uuid:01900000-0000-7000-8000-000000000000"},
        {"participant": "urn:uuid:01900000-0000-7000-8000-000000000000"},
        {"start": ago, "end": ago + timedelta(days=1)},
        {},
    ):
        with pytest.raises(NotFoundError):
            service.export(embedded.exchange.operations, tmp_path / "b.zip", **chosen)
    assert not (tmp_path / "b.zip").exists()
    assert kinds_since(embedded, before) == []


def test_the_command_line_exports_evidence_that_verifies(embedded: Any, tmp_path: Path) -> None:
    # The day may end while the agreement is made.
    today = datetime.now(UTC).date()
    agreement = embedded.agreement()
    home = str(embedded.exchange.settings.home)
    for number, chosen in enumerate(
        (
            ["--agreement", agreement],
            ["--participant", embedded.provider.participant],
            ["--from", today.isoformat(), "--to", (today + timedelta(days=2)).isoformat()],
        )
    ):
        target = tmp_path / f"{number}.zip"
        result = CliRunner().invoke(main, ["audit", "export", "--home", home, *chosen, "-o", str(target)])
        assert result.exit_code == 0, result.output
        report = verify_bundle(target, embedded.exchange.operations.services.log.vkey)
        assert report.ok, [check for check in report.checks if not check.ok]
