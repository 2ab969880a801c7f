"""What the exchange really records keeps the rules that auditors check, and what an operator slips in beside it is named."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

from exchange.identifiers import uuid7
from exchange.participants.keys import statement_key
from ledger.entry import Opening, Statement, commit, sign
from ledger.fsck import fsck
from ledger.signatures import SigningKey


def problems(trade: Any) -> list[tuple[int | None, str, str]]:
    log = trade.exchange.operations.services.log
    report = fsck(log.storage, log.vkey)
    assert report.unjudged == 0
    return [(problem.index, problem.check, problem.detail) for problem in report.problems]


def opened(log: Any, entry: Any) -> dict[str, Any]:
    found = log.openings(entry.statement_id)
    return {name: item.value for name, item in found.items() if isinstance(item, Opening)}


def test_every_way_that_a_deal_can_go_keeps_the_rules(trade: Any) -> None:
    run = trade.run
    paid = trade.agreement(price_fen=12_300, template="n-times", parameters={"count": 2})
    for _ in range(2):
        transfer = trade.started(paid)
        run(trade.consumer, "transfer.acknowledge", transfer=transfer, digest=trade.transfer(transfer).plain_digest)
    assert trade.request(paid)["state"] == "TERMINATED"
    stopped = trade.started(price_fen=700)
    run(trade.provider, "transfer.suspend", transfer=stopped, reason="A fault in the data.")
    run(trade.provider, "transfer.resume", transfer=stopped)
    run(trade.provider, "transfer.terminate", transfer=stopped, reason="The fault stays.")
    given_back = trade.agreement(price_fen=800)
    run(trade.provider, "settlement.refund", agreement=given_back, reason="Not deliverable.")
    trade.started(trade.agreement())
    log = trade.exchange.operations.services.log
    report = fsck(log.storage, log.vkey)
    assert report.problems == []
    assert report.deliveries >= 4
    assert report.unjudged == 0


def test_a_delivery_that_the_operator_adds_beside_the_program_is_named(embedded: Any) -> None:
    agreement = embedded.agreement(template="n-times", parameters={"count": 1})
    embedded.started(agreement)
    services = embedded.exchange.operations.services
    log, ledger_id = services.log, embedded.agreement_row(agreement).ledger_id
    entries = log.by_agreement(ledger_id)
    fields = opened(log, next(entry for entry in entries if entry.kind == "transfer.started"))
    fields = {name: value for name, value in fields.items() if name not in {"signer", "signature"}}
    now = datetime.now(UTC)
    # The log key, the statement key and the counter are all right; only the use is one that nobody agreed to.
    statement = Statement(
        "transfer.started",
        uuid7(now, secrets.token_bytes(10)),
        f"{now:%Y-%m-%dT%H:%M:%SZ}",
        fields | {"transfer": uuid7(now, secrets.token_bytes(10)), "use": 2},
        "exchange",
        "exchange",
        ledger_id,
        entries[-1].counter + 1,
    )
    draft = commit(statement, lambda _: secrets.token_bytes(32))
    with log.storage.transaction() as connection:
        log.append(connection, draft, sign(draft, statement_key(services.keystore)))
    index = log.receipt(statement.id).index
    named = {(place, rule) for place, rule, _ in problems(embedded) if place == index}
    assert named == {(index, "limits"), (index, "decision")}


def test_a_signature_of_a_firm_that_the_operator_makes_up_is_named(embedded: Any) -> None:
    agreement = embedded.signed()
    log = embedded.exchange.operations.services.log
    ledger_id = embedded.agreement_row(agreement).ledger_id
    entries = log.by_agreement(ledger_id)
    fields = {name: value for name, value in opened(log, entries[-1]).items() if name not in {"signer", "signature"}}
    now = datetime.now(UTC)
    statement = Statement(
        "negotiation.verified", uuid7(now, secrets.token_bytes(10)), f"{now:%Y-%m-%dT%H:%M:%SZ}", fields,
        embedded.consumer.participant, "custodial", ledger_id, entries[-1].counter + 1,
    )  # fmt: skip
    draft = commit(statement, lambda _: secrets.token_bytes(32))
    with log.storage.transaction() as connection:
        log.append(connection, draft, sign(draft, SigningKey.generate()))
    index = log.receipt(statement.id).index
    assert {(place, rule) for place, rule, _ in problems(embedded) if place == index} == {
        (index, "signatures"),
        (index, "key"),
    }
