"""What was written of a person is destroyed under record, what proves a deal is not, and every proof holds afterwards."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from exchange.cli import main
from exchange.errors import AwaitingSignatureError
from ledger.bundle import verify_bundle
from ledger.entry import Erased
from ledger.errors import LedgerUnavailableError
from ledger.fsck import fsck
from ledger.signatures import SigningKey

NAME = "Zhang San, employee number 7431"


@pytest.fixture
def told(trade: Any) -> Any:
    """A trade in which somebody's name was written down: why a delivery was ended."""
    transfer = trade.started(price_fen=500)
    trade.run(trade.provider, "transfer.terminate", transfer=transfer, reason=NAME)
    return trade


def entry_of(trade: Any, kind: str) -> Any:
    log = trade.exchange.operations.services.log
    return next(entry for entry in reversed(list(log.entries(0, log.size()))) if entry.kind == kind)


def erase(trade: Any, entry: Any, fields: list[str], actor: Any = None) -> Any:
    actor = actor or trade.exchange.staff("operator")
    body = {"fields": fields, "reason": "Request of the person concerned, PIPL article 47."}
    return trade.client(actor).post(f"/api/v1/ledger/entries/{entry.index}/erasure", json=body)


def test_a_name_is_erased_under_record_and_every_proof_holds(told: Any, tmp_path: Path) -> None:
    entry = entry_of(told, "transfer.terminated")
    log = told.exchange.operations.services.log
    answer = erase(told, entry, ["reason"])
    assert answer.status_code == 200, answer.text
    assert answer.json["erased"] == ["reason"]
    openings = log.openings(entry.statement_id)
    assert openings["reason"] == Erased(answer.json["by"])
    assert not isinstance(openings["transfer"], Erased)
    order = entry_of(told, "opening.erased")
    assert order.statement_id == answer.json["by"]
    report = fsck(log.storage, log.vkey)
    assert report.problems == []
    assert report.erased >= 1
    found = told.client(told.consumer).get("/api/v1/ledger/bundles/participant")
    (tmp_path / "b.zip").write_bytes(found.data)
    verdict = verify_bundle(tmp_path / "b.zip", log.vkey)
    assert verdict.ok, verdict.problems
    erasure = next(check for check in verdict.checks if check.name == "erasure")
    assert f"entry {order.index}" in erasure.detail
    # The parties may read that and why something of theirs was erased.
    shown = told.client(told.consumer).get(f"/api/v1/ledger/entries/{order.index}").json["openings"]
    assert shown["erased"]["value"] == ["reason"]
    page = told.client(told.consumer).get(f"/audit/entries/{entry.index}")
    assert NAME not in page.text


def test_on_the_page_the_signer_chooses_confirms_and_sees_which_entry_says_so(told: Any, visitor: Any) -> None:
    entry = entry_of(told, "transfer.terminated")
    page = visitor(told.exchange, told.provider)
    address = f"/audit/entries/{entry.index}/erasure"
    assert address in page.get("/audit/erasures")
    assert address in page.get(f"/audit/entries/{entry.index}")
    assert NAME in page.get(address)
    log = told.exchange.operations.services.log
    before = log.size()
    refused = page.send(address, address, 422, reason="x").text
    for field in ("fields", "reason", "understood"):
        assert f'id="{field}-error"' in refused or f'href="#{field}"' in refused
    assert log.size() == before
    page.send(address, address, fields=["reason"], reason="Request 12 of 2026.", understood="y")
    order = entry_of(told, "opening.erased")
    shown = page.get(address)
    assert NAME not in shown
    assert f"erased by entry {order.index}" in shown
    assert f"The erasure is entry {order.index}" in shown
    assert f"erased by entry {order.index}" in page.get("/audit/erasures")
    assert f"erased by entry {order.index}" in page.get(f"/audit/entries/{entry.index}")
    assert f"已被第 {order.index} 条记录擦除" in visitor(told.exchange, told.provider, "zh").get(address)
    answer = told.client(told.provider).get(f"/api/v1/ledger/entries/{entry.index}").json
    assert answer["openings"]["reason"] == {"erased": True, "by": order.index}


def test_what_can_be_erased_is_listed_for_the_signer_alone_and_for_the_operator_without_the_words(
    told: Any, visitor: Any, refused: Any
) -> None:
    entry = entry_of(told, "transfer.terminated")
    address = f"/audit/entries/{entry.index}/erasure"
    listed = lambda actor: {  # noqa: E731
        item["index"]: [field["name"] for field in item["fields"]]
        for item in told.client(actor).get("/api/v1/ledger/erasable").json["items"]
    }
    assert listed(told.provider)[entry.index] == ["reason"]
    assert entry.index not in listed(told.consumer)
    assert entry.index in listed(told.exchange.staff("operator"))
    visitor(told.exchange, told.consumer).get(address, 403)
    assert address not in visitor(told.exchange, told.consumer).get("/audit/erasures")
    operator = visitor(told.exchange, told.exchange.staff("operator"))
    assert address in operator.get("/audit/erasures")
    assert NAME not in operator.get(address)
    for actor in (told.exchange.person(told.provider, "publisher"), told.exchange.staff("auditor")):
        visitor(told.exchange, actor).get("/audit/erasures", 403)
        refused(told.client(actor).get("/api/v1/ledger/erasable"), 403)
    operator.send(address, address, fields=["reason"], reason="Request 13 of 2026.", understood="y")
    assert f"erased by entry {entry_of(told, 'opening.erased').index}" in operator.get("/audit/erasures")


@pytest.mark.parametrize("field", ["digest", "agreement_digest", "transfer", "signer", "signature", "nothing"])
def test_what_proves_a_deal_is_not_erased(embedded: Any, refused: Any, field: str) -> None:
    transfer = embedded.started()
    digest = embedded.transfer(transfer).plain_digest
    embedded.run(embedded.consumer, "transfer.acknowledge", transfer=transfer, digest=digest)
    log = embedded.exchange.operations.services.log
    before = log.size()
    refused(erase(embedded, entry_of(embedded, "delivery.acknowledged"), [field]), 422, "not-erasable")
    assert log.size() == before


def test_an_erasure_happens_once_and_by_the_operator_or_the_signer_alone(told: Any, refused: Any) -> None:
    entry = entry_of(told, "transfer.terminated")
    publisher = told.exchange.person(told.provider, "publisher")
    for actor in (told.consumer, publisher, told.exchange.staff("auditor"), told.exchange.staff("supervisor")):
        refused(erase(told, entry, ["reason"], actor), 403)
    assert erase(told, entry, ["reason"]).status_code == 200
    refused(erase(told, entry, ["reason"]), 409, "erased-already")
    refused(erase(told, type("Entry", (), {"index": 999_999})(), ["reason"]), 404)


@pytest.mark.parametrize("role", ["owner", "compliance"])
def test_a_firm_erases_its_own_words_and_signs_that_it_did(trade: Any, refused: Any, role: str) -> None:
    transfer = trade.started()
    trade.run(trade.provider, "transfer.terminate", transfer=transfer, reason=NAME)
    entry = entry_of(trade, "transfer.terminated")
    actor = trade.provider if role == "owner" else trade.exchange.person(trade.provider, role)
    refused(erase(trade, entry, ["transfer"], actor), 422, "not-erasable")
    answer = erase(trade, entry, ["reason"], actor)
    assert answer.status_code == 200, answer.text
    log = trade.exchange.operations.services.log
    assert log.openings(entry.statement_id)["reason"] == Erased(answer.json["by"])
    said = {name: item.value for name, item in log.openings(answer.json["by"]).items()}
    assert said["signer"] == {"participant": trade.provider.participant, "custody": "custodial"}
    assert said["participant"] == trade.provider.participant
    assert "operator" not in said
    refused(erase(trade, entry, ["reason"], actor), 409, "erased-already")
    log.integrate()
    assert fsck(log.storage, log.vkey).problems == []


def test_a_firm_with_a_key_of_its_own_signs_the_erasure_first(sqlite_exchange: Any) -> None:
    key, run = SigningKey.generate(), sqlite_exchange.operations
    firm = sqlite_exchange.firm(
        "Own Keys", custody="self-held", signing_public_key=base64.b64encode(key.public).decode(),
        encryption_public_key=base64.b64encode(bytes(range(32))).decode(),
    )  # fmt: skip

    def sign(name: str, **arguments: Any) -> None:
        with pytest.raises(AwaitingSignatureError) as waiting:
            run.run(firm, name, **arguments)
        given = {
            item["digest"]: key.sign(item["domain"], base64.b64decode(item["payload"]))
            for item in waiting.value.payloads
        }
        run.give_signatures(firm, waiting.value.request_id, given)

    sign("participants.join")
    log = run.services.log
    joined = next(entry for entry in log.entries(0, log.size()) if entry.kind == "participant.joined").statement_id
    with pytest.raises(AwaitingSignatureError):
        run.run(firm, "audit.erase_own", statement=joined, fields=["name"], reason="Asked for.")
    assert log.openings(joined)["name"].value == "Own Keys"
    sign("audit.erase_own", statement=joined, fields=["name"], reason="Asked for again.")
    assert isinstance(log.openings(joined)["name"], Erased)


def test_an_erasure_that_could_not_be_recorded_erased_nothing(
    embedded: Any, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    transfer = embedded.started()
    embedded.run(embedded.provider, "transfer.terminate", transfer=transfer, reason=NAME)
    entry, log = entry_of(embedded, "transfer.terminated"), embedded.exchange.operations.services.log

    def refuse(*_: Any) -> None:
        raise LedgerUnavailableError("no space")

    with monkeypatch.context() as broken:
        broken.setattr(log.storage, "append", refuse)
        refused(erase(embedded, entry, ["reason"]), 503)
    assert log.openings(entry.statement_id)["reason"].value == NAME


def test_traces_that_somebody_still_reads_are_removed_later_and_the_step_is_done(
    embedded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    transfer = embedded.started()
    embedded.run(embedded.provider, "transfer.terminate", transfer=transfer, reason=NAME)
    entry, log = entry_of(embedded, "transfer.terminated"), embedded.exchange.operations.services.log
    salt = log.openings(entry.statement_id)["reason"].salt

    def busy(*_: Any, **__: Any) -> int:
        raise LedgerUnavailableError("in use")

    with monkeypatch.context() as broken:
        broken.setattr(log.storage, "scrub", busy)
        assert erase(embedded, entry, ["reason"]).status_code == 200
    files = lambda: b"".join(path.read_bytes() for path in embedded.exchange.settings.home.glob("exchange.db*"))  # noqa: E731
    assert salt in files()
    assert log.scrub() == 1
    assert salt not in files()


def test_the_command_erases_and_says_which_entry_says_so(open_exchange: Any, make_trade: Any, tmp_path: Path) -> None:
    trade = make_trade(open_exchange(home=tmp_path / "home"))
    transfer = trade.started()
    trade.run(trade.consumer, "transfer.terminate", transfer=transfer, reason=NAME)
    entry = entry_of(trade, "transfer.terminated")
    arguments = ["audit", "erase", "--home", str(tmp_path / "home"), "--entry", str(entry.index), "--field", "reason"]
    done = CliRunner().invoke(main, [*arguments, "--reason", "Request 12 of 2026."])
    assert done.exit_code == 0, done.output
    assert f"Entry {entry_of(trade, 'opening.erased').index} says so" in done.output
    listed = CliRunner().invoke(main, ["audit", "erasable", "--home", str(tmp_path / "home")])
    assert f"reason (erased by entry {entry_of(trade, 'opening.erased').index})" in listed.output
    # No file of the database, nor its write-ahead log, holds the words any more, beside the business row they came from.
    again = CliRunner().invoke(main, [*arguments, "--reason", "Request 12 of 2026."])
    assert again.exit_code == 1
    assert f"Erased already: reason by entry {entry_of(trade, 'opening.erased').index}." in again.output
