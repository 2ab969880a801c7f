"""Every recorded decision made again from signed policy and ledger; whatever was recorded otherwise is named with its entry."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from exchange.audit.service import timestamp
from exchange.cli import main
from exchange.identifiers import uuid7
from exchange.participants.keys import statement_key
from exchange.supervision.replay import Replay, kept_documents, replay
from ledger.entry import Opening, Statement, commit, sign


def replayed(trade: Any) -> Replay:
    operations = trade.exchange.operations
    with operations.database.reading() as session:
        return replay(operations.services.log, kept_documents(session))


def named(report: Replay) -> set[tuple[int, str]]:
    return {(item.index, item.rule) for item in report.deviations}


def add(
    trade: Any,
    agreement: str,
    kind: str,
    like: str,
    *,
    at: datetime | None = None,
    without: tuple[str, ...] = (),
    **changes: Any,
) -> int:
    """Let the operator record a statement beside the program: right keys, right counter, other words than are true."""
    services = trade.exchange.operations.services
    log, ledger_id = services.log, trade.agreement_row(agreement).ledger_id
    entries = log.by_agreement(ledger_id)
    source = next(entry for entry in reversed(entries) if entry.kind == like)
    fields = {
        name: item.value
        for name, item in log.openings(source.statement_id).items()
        if isinstance(item, Opening) and name not in {"signer", "signature", *without}
    }
    moment = at or datetime.now(UTC)
    statement = Statement(
        kind, uuid7(moment, secrets.token_bytes(10)), timestamp(moment), fields | changes, "exchange", "exchange", ledger_id,
        entries[-1].counter + 1,
    )  # fmt: skip
    draft = commit(statement, lambda _: secrets.token_bytes(32))
    with log.storage.transaction() as connection:
        log.append(connection, draft, sign(draft, statement_key(services.keystore)))
    return int(log.receipt(statement.id).index)


def test_what_the_exchange_decided_is_what_its_policies_give(trade: Any, later: Callable[[timedelta], None]) -> None:
    counted = trade.agreement(template="n-times", parameters={"count": 2}, price_fen=500)
    for _ in range(2):
        trade.started(counted)
    assert trade.request(counted)["state"] == "TERMINATED"
    trade.started(template="purpose", parameters={"purposes": ["predictive-maintenance"]})
    trade.started(template="delete-after", parameters={"days": 30})
    brief = trade.agreement(template="duration", parameters={"days": 2})
    running = trade.started(brief)
    later(timedelta(days=3))
    assert trade.client(trade.consumer).get(f"/api/v1/transfers/{running}/content").status_code == 403
    assert trade.request(brief)["state"] == "TERMINATED"
    report = replayed(trade)
    assert report.deviations == []
    assert (report.decisions, report.deliveries, report.denied_parts) >= (7, 5, 1)
    assert report.erased == 0


def test_a_permit_that_the_policy_does_not_give_is_named(embedded: Any) -> None:
    agreement = embedded.agreement(template="n-times", parameters={"count": 1})
    embedded.started(agreement)
    permitted = add(embedded, agreement, "transfer.decided", "transfer.decided")
    started = add(embedded, agreement, "transfer.started", "transfer.started", use=2)
    found = replayed(embedded)
    assert {(permitted, "decision"), (started, "decision")} <= named(found)
    told = next(item for item in found.deviations if item.index == permitted)
    assert told.recorded == "permit"
    assert told.expected.startswith("deny (")
    assert told.agreement == agreement


def test_a_denial_without_a_rule_that_denies_is_named(embedded: Any) -> None:
    agreement = embedded.agreement()
    embedded.started(agreement)
    reasons = [{"rule": "permission[0]", "text": "because"}]
    index = add(embedded, agreement, "transfer.decided", "transfer.decided", decision="deny", reasons=reasons)
    part = add(
        embedded, agreement, "transfer.part_denied", "transfer.decided", without=("decision", "action"), reasons=reasons
    )
    assert {(index, "decision"), (part, "decision")} <= named(replayed(embedded))


def test_a_delivery_without_its_obligations_is_named(embedded: Any) -> None:
    agreement = embedded.agreement(template="delete-after", parameters={"days": 30})
    embedded.started(agreement)
    index = add(embedded, agreement, "transfer.started", "transfer.started", use=2, obligations=[])
    found = replayed(embedded)
    told = next(item for item in found.deviations if item.index == index)
    assert (told.rule, told.recorded) == ("obligations", "none")
    assert "delete" in told.expected


def test_an_altered_or_missing_document_is_named(open_exchange: Any, make_trade: Any) -> None:
    trade = make_trade(open_exchange())
    agreement = trade.agreement()
    trade.started(agreement)
    operations = trade.exchange.operations

    def without(_: str) -> None:
        return None

    def altered(identifier: str) -> Any:
        with operations.database.reading() as session:
            signed = kept_documents(session)(identifier)
        document = json.loads(signed.agreement)
        document["purpose"] = "research"
        return type(signed)(json.dumps(document, sort_keys=True, separators=(",", ":")).encode(), signed.signatures)

    for documents in (without, altered):
        report = replay(operations.services.log, documents)
        assert {rule for _, rule in named(report)} == {"document"}
        assert agreement in {item.agreement for item in report.deviations}


def test_limits_that_the_policy_does_not_state_are_named(embedded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from contracts.odrl.limits import Limits
    from exchange.negotiation import moves

    monkeypatch.setattr(moves, "limits", lambda _: Limits(99, None))
    agreement = embedded.agreement(template="n-times", parameters={"count": 1})
    found = [item for item in replayed(embedded).deviations if item.agreement == agreement]
    assert [(item.kind, item.rule, item.recorded, item.expected) for item in found] == [
        ("negotiation.finalized", "document: uses", "99", "1")
    ]


def test_what_is_erased_is_counted_and_not_judged(open_exchange: Any, make_trade: Any) -> None:
    trade = make_trade(open_exchange())
    trade.started()
    log = trade.exchange.operations.services.log
    entry = next(entry for entry in log.entries(0, log.size()) if entry.kind == "transfer.decided")
    with log.storage.transaction() as connection:
        log.erase(connection, entry.statement_id, "reasons")
    report = replayed(trade)
    assert report.ok
    assert (report.erased, report.decisions) == (1, 0)


def test_the_command_says_what_it_made_again_and_fails_on_a_deviation(
    open_exchange: Any, make_trade: Any, tmp_path: Path
) -> None:
    trade = make_trade(open_exchange(home=tmp_path / "home"))
    agreement = trade.agreement(template="n-times", parameters={"count": 1})
    trade.started(agreement)
    arguments = ["audit", "replay", "--home", str(tmp_path / "home")]
    good = CliRunner().invoke(main, arguments)
    assert good.exit_code == 0, good.output
    assert "1 decisions, 1 deliveries and 0 denied parts made again" in good.output
    assert "Every one is what its signed policy gives." in good.output
    index = add(trade, agreement, "transfer.started", "transfer.started", use=2)
    bad = CliRunner().invoke(main, arguments)
    assert bad.exit_code == 1
    assert f"entry {index}, transfer.started" in bad.output
    told = json.loads(CliRunner().invoke(main, [*arguments, "--json"]).stdout)
    assert told["ok"] is False
    assert told["deviations"][0]["index"] == index


def test_a_request_decided_before_a_use_and_recorded_after_it_is_no_deviation(embedded: Any) -> None:
    agreement = embedded.agreement(template="n-times", parameters={"count": 1})
    embedded.started(agreement)
    log = embedded.exchange.operations.services.log
    entries = log.by_agreement(embedded.agreement_row(agreement).ledger_id)
    started = datetime.fromisoformat(next(entry.at for entry in entries if entry.kind == "transfer.started"))
    moment = timedelta(microseconds=1)
    before = add(embedded, agreement, "transfer.decided", "transfer.decided", at=started - moment)
    after = add(embedded, agreement, "transfer.decided", "transfer.decided", at=started + moment)
    assert {index for index, _ in named(replayed(embedded))} & {before, after} == {after}
