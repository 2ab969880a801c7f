"""The log behaves the same on every storage."""

import itertools

import pytest

from ledger import checkpoint
from ledger.entry import Opening, verify_opening, verify_signature
from ledger.errors import AdmissionError, NotFoundError
from ledger.receipt import Receipt, verify_proof


def test_a_new_log_holds_its_genesis_under_a_signed_checkpoint(log):
    assert log.size() == 1
    genesis = log.entry(0)
    assert genesis.kind == "log.opened"
    assert genesis.previous is None
    assert log.openings(genesis.statement_id)["log_key"].value == log.vkey
    assert checkpoint.verify(log.checkpoint(), log.vkey).size == 1
    assert log.head() == {
        "origin": log.origin,
        "size": "1",
        "root": log.root(1).hex(),
        "vkey": log.vkey,
    }


def test_a_committed_statement_gets_a_receipt_that_an_outsider_can_check(log, record):
    statement_id = record(log)
    receipt = log.receipt(statement_id)
    entry = log.entry(receipt.index)
    assert entry.statement_id == statement_id
    assert entry.leaf_hash == receipt.leaf_hash
    assert verify_proof(receipt.proof, entry.body, log.vkey).size == receipt.size
    assert Receipt.from_json(receipt.to_json()) == receipt


def test_entries_form_a_chain_without_gaps(log, record):
    ids = [record(log) for _ in range(20)]
    log.integrate()
    entries = list(log.entries(0, 100))
    assert [entry.index for entry in entries] == list(range(21))
    assert [entry.statement_id for entry in entries[1:]] == ids
    for before, after in itertools.pairwise(entries):
        assert after.previous == before.leaf_hash


def test_openings_open_the_commitments_and_the_signature_holds(log, record):
    statement_id = record(log, fields={"price_fen": 7_340_129_856_001, "note": "螺栓"})
    log.receipt(statement_id)
    entry = log.entry(log.index_of(statement_id))
    openings = log.openings(statement_id)
    assert set(openings) == {"price_fen", "note", "signer", "signature"}
    for name, opening in openings.items():
        assert isinstance(opening, Opening)
        verify_opening(entry, name, opening)
    verify_signature(entry, openings["signer"].value, openings["signature"].value)
    for secret in ("7340129856001", "螺栓", "0190a000"):
        assert secret.encode() not in entry.body


def test_an_agreement_is_found_by_its_id_in_the_order_of_its_counter(log, record):
    agreement = "urn:uuid:0190a000-0000-7000-8000-0000000000aa"
    for counter in (1, 2, 3):
        record(log, agreement=agreement, counter=counter)
        record(log)
    log.integrate()
    assert [entry.counter for entry in log.by_agreement(agreement)] == [1, 2, 3]


def test_a_counter_of_an_agreement_is_admitted_once(log, record):
    agreement = "urn:uuid:0190a000-0000-7000-8000-0000000000aa"
    record(log, agreement=agreement, counter=1)
    with pytest.raises(AdmissionError, match="already recorded"):
        record(log, agreement=agreement, counter=1)
    log.integrate()
    with pytest.raises(AdmissionError, match="already recorded"):
        record(log, agreement=agreement, counter=1)
    assert log.integrate() == 2


def test_a_statement_that_was_never_committed_has_no_receipt(log):
    with pytest.raises(NotFoundError):
        log.receipt("urn:uuid:0190a000-0000-7000-8000-0000000000ff")
