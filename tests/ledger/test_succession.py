"""The log's key and the exchange's statement key change under record: old receipts hold, new ones are verified under either key."""

import base64
import dataclasses
import time

import pytest

from ledger import checkpoint, note
from ledger.bundle import verify_bundle, write_bundle
from ledger.entry import Opening
from ledger.errors import LedgerError, ProofError, SignatureError, VerificationError
from ledger.fsck import fsck
from ledger.log import Log
from ledger.receipt import verify_proof
from ledger.signatures import SigningKey
from ledger.succession import KEYS, Succession, before, follow
from ledger.tiles.export import export
from ledger.tiles.folder import FolderTarget

NEW, NEWER, STRANGER = (SigningKey.from_seed(letter * 32) for letter in (b"N", b"M", b"X"))
NEW_STATEMENT_KEY = SigningKey.from_seed(b"T" * 32)


def change(log, record, signed_by, **fields):
    """Record a change of the exchange's keys and return its statement."""
    return record(log, kind=KEYS, signer="exchange", custody="exchange", key=signed_by, fields=fields)


def succeed(log, record, statement_key, key, *, former=(), storage=None):
    """Change the log's key as an operator does, and return the log under the new one."""
    vkey = checkpoint.vkey(log.origin, key.public)
    statement = change(log, record, statement_key, log_key=vkey)
    # The checkpoint over the change is stored while the old key signs; by it fsck follows.
    log.integrate()
    receipt = log.receipt(statement)
    opening = log.openings(statement)["log_key"]
    made = Succession(log.vkey, log.entry(receipt.index).body, opening, receipt.proof)
    after = Log(log.storage, key, log.origin, former=former, successions=[*log.successions, made])
    after.open(statement_key)
    return after


@pytest.fixture
def told(log, record, statement_key):
    for _ in range(3):
        record(log, signer="exchange", custody="exchange", key=statement_key)
    log.integrate()
    return log


def test_the_old_key_leads_to_the_new_one_and_a_receipt_under_it_holds(told, record, statement_key, log_key):
    early = told.receipt(told.entry(2).statement_id)
    after = succeed(told, record, statement_key, NEW)
    (made,) = after.successions
    assert follow(told.vkey, after.successions) == [told.vkey, after.vkey]
    assert before(after.vkey, after.successions) == [told.vkey]
    assert Succession.from_bytes(made.to_bytes()) == made
    assert after.vkeys == (after.vkey, told.vkey)
    verify_proof(early.proof, told.entry(2).body, told.vkey)
    late = after.receipt(record(after, signer="exchange", custody="exchange", key=statement_key))
    verify_proof(late.proof, after.entry(late.index).body, after.vkey)
    with pytest.raises(SignatureError):
        verify_proof(late.proof, after.entry(late.index).body, told.vkey)
    assert after.verify(checkpoint_of(early)).size == early.size


def checkpoint_of(receipt):
    return receipt.proof.partition("\n\n")[2]


def test_while_both_keys_sign_whoever_trusts_either_verifies(told, record, statement_key, log_key):
    after = succeed(told, record, statement_key, NEW, former=[log_key])
    late = after.receipt(record(after, signer="exchange", custody="exchange", key=statement_key))
    for vkey in (told.vkey, after.vkey):
        verify_proof(late.proof, after.entry(late.index).body, vkey)
    assert len(note.split(checkpoint_of(late))[1]) == 2


@pytest.mark.parametrize("damage", ["entry", "value", "proof", "kind", "origin", "key"])
def test_a_change_that_the_trusted_key_does_not_vouch_for_leads_nowhere(told, record, statement_key, damage):
    after = succeed(told, record, statement_key, NEW)
    (made,) = after.successions
    if damage == "kind":
        other = record(told, signer="exchange", custody="exchange", key=statement_key, fields={"log_key": after.vkey})
        receipt = told.receipt(other)
        made = Succession(told.vkey, told.entry(receipt.index).body, told.openings(other)["log_key"], receipt.proof)
    elif damage == "origin":
        made = succeed_elsewhere(told, record, statement_key)
    else:
        changes = {
            "entry": {"entry": made.entry.replace(b"exchange.keys", b"exchange.kexs")},
            "value": {"opening": Opening.of(made.opening.salt, checkpoint.vkey(told.origin, STRANGER.public))},
            "proof": {"proof": made.proof.replace("index 4", "index 3")},
            "key": {},
        }
        made = dataclasses.replace(made, **changes[damage])
    trusted = checkpoint.vkey(told.origin, STRANGER.public) if damage == "key" else told.vkey
    with pytest.raises(LedgerError):
        made.verify(trusted)
    assert follow(trusted, [made]) == [trusted]


def succeed_elsewhere(log, record, statement_key):
    """Return a change to a key of a log with another name."""
    statement = change(log, record, statement_key, log_key=checkpoint.vkey("other.example/log", NEW.public))
    receipt = log.receipt(statement)
    return Succession(log.vkey, log.entry(receipt.index).body, log.openings(statement)["log_key"], receipt.proof)


def test_what_is_no_change_of_key_is_said_so():
    for text in (b"{}", b"[]", b"nonsense", b'{"format":"industrial-data-exchange/log-key/v1"}'):
        with pytest.raises(ProofError):
            Succession.from_bytes(text)


def test_a_log_under_a_key_that_was_never_named_does_not_open(told, statement_key):
    with pytest.raises(LedgerError, match="another log key"):
        Log(told.storage, NEW, told.origin).open(statement_key)


def test_fsck_follows_the_keys_from_whichever_the_auditor_trusts(told, record, statement_key):
    after = succeed(told, record, statement_key, NEW)
    record(after, signer="exchange", custody="exchange", key=statement_key)
    last = succeed(after, record, statement_key, NEWER)
    record(last, signer="exchange", custody="exchange", key=statement_key)
    last.integrate()
    for vkey in (None, told.vkey, after.vkey, last.vkey):
        report = fsck(last.storage, vkey, kept=[checkpoint_of(last.receipt(last.entry(1).statement_id))])
        assert report.problems == [], vkey
    stranger = checkpoint.vkey(told.origin, STRANGER.public)
    assert {problem.check for problem in fsck(last.storage, stranger).problems} == {"checkpoint"}


def test_fsck_names_checkpoints_under_a_key_that_the_trusted_one_never_vouched_for(told, record, statement_key):
    """A thief of the statement key alone writes a new log key into a log of his own, whose checkpoints he signs."""
    change(told, record, statement_key, log_key=checkpoint.vkey(told.origin, STRANGER.public))
    size = told.storage.integrate(time.monotonic() + 5).frontier
    forged = Log(told.storage, STRANGER, told.origin)
    signed = forged.notary.sign(size)
    assert told.storage.add_checkpoint(signed, time.monotonic() + 5)
    report = fsck(told.storage, told.vkey)
    assert [(problem.check, problem.detail) for problem in report.problems] == [
        ("checkpoint", f"the log's checkpoint does not hold: it is not signed by {told.vkey}")
    ]


def test_a_key_that_was_retired_signs_no_later_checkpoint(told, record, statement_key, log_key):
    after = succeed(told, record, statement_key, NEW, former=[log_key])
    change(after, record, statement_key, retired_log_key=told.vkey)
    after.integrate()
    alone = Log(after.storage, NEW, after.origin, successions=after.successions)
    alone.open(statement_key)
    record(alone, signer="exchange", custody="exchange", key=statement_key)
    thief = Log(alone.storage, log_key, alone.origin)
    assert alone.storage.add_checkpoint(
        thief.notary.sign(alone.storage.integrate(time.monotonic() + 5).frontier), time.monotonic() + 5
    )
    assert [problem.check for problem in fsck(alone.storage, after.vkey).problems] == ["checkpoint"]


def test_a_bundle_is_verified_under_the_key_before_and_under_the_new_one(told, record, statement_key, tmp_path):
    after = succeed(told, record, statement_key, NEW)
    late = record(after, signer="exchange", custody="exchange", key=statement_key)
    write_bundle(tmp_path / "b.zip", after, [late], {})
    for vkey in (told.vkey, after.vkey):
        report = verify_bundle(tmp_path / "b.zip", vkey)
        assert report.ok, report.problems
        assert report.pinned
    words = next(check.detail for check in verify_bundle(tmp_path / "b.zip", told.vkey).checks if check.name == "trust")
    assert after.vkey in words
    report = verify_bundle(tmp_path / "b.zip", checkpoint.vkey(told.origin, STRANGER.public))
    assert "trust" in {problem.name for problem in report.problems}


def test_a_bundle_whose_new_key_nobody_named_is_refused(told, record, statement_key, tmp_path):
    after = succeed(told, record, statement_key, NEW)
    write_bundle(tmp_path / "b.zip", after, [], {})
    assert verify_bundle(tmp_path / "b.zip", told.vkey).ok
    after.successions = ()
    write_bundle(tmp_path / "b.zip", after, [], {})
    report = verify_bundle(tmp_path / "b.zip", told.vkey)
    assert {"trust", "checkpoint"} <= {problem.name for problem in report.problems}


def test_published_files_go_on_under_the_new_key_and_not_under_a_strangers(told, record, statement_key, tmp_path):
    def publish(log, *, former=()):
        with FolderTarget.locked(tmp_path / "tiles") as target:
            return export(log.storage, log.latest(), log.vkey, target, former=former)

    publish(told)
    after = succeed(told, record, statement_key, NEW)
    with pytest.raises(VerificationError, match="another log"):
        publish(after)
    assert publish(after, former=after.vkeys[1:]).size == after.size()
    assert publish(after).written == 0


def rotate_statement_key(log, record, statement_key):
    public = base64.b64encode(NEW_STATEMENT_KEY.public).decode()
    return change(log, record, statement_key, statement_key=public)


def test_after_the_statement_key_changed_the_new_one_is_attested_and_the_old_one_no_more(
    told, record, statement_key, tmp_path
):
    changed = rotate_statement_key(told, record, statement_key)
    good = record(told, signer="exchange", custody="exchange", key=NEW_STATEMENT_KEY)
    told.integrate()
    assert fsck(told.storage, told.vkey).problems == []
    write_bundle(tmp_path / "b.zip", told, [told.entry(1).statement_id, changed, good], {})
    report = verify_bundle(tmp_path / "b.zip", told.vkey)
    assert report.ok, report.problems
    stolen = record(told, signer="exchange", custody="exchange", key=statement_key)
    told.integrate()
    write_bundle(tmp_path / "b.zip", told, [changed, stolen], {})
    assert [problem.name for problem in verify_bundle(tmp_path / "b.zip", told.vkey).problems] == ["key"]


def test_fsck_names_what_the_old_statement_key_signs_and_a_change_that_it_did_not_sign(told, record, statement_key):
    firm = SigningKey.from_seed(b"F" * 32)
    said = {"participant": "firm", "signing_key": base64.b64encode(firm.public).decode()}
    record(told, kind="participant.verified", signer="exchange", custody="exchange", key=statement_key, fields=said)
    rotate_statement_key(told, record, statement_key)
    record(told, signer="exchange", custody="exchange", key=statement_key)
    change(told, record, STRANGER, statement_key=base64.b64encode(STRANGER.public).decode())
    told.integrate()
    found = {(problem.index, problem.check) for problem in fsck(told.storage, told.vkey).problems}
    assert found == {(6, "key"), (7, "key")}
