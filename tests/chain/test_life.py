"""The life of an anchor on a chain that mines late, reorganises, forgets and grows dear."""

from __future__ import annotations

import secrets
import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ledger.anchors.ethereum.account import Account, Fees
from ledger.anchors.ethereum.chain import EMPTY_HEAD, Link, artefact, checksum_address, head_after
from ledger.anchors.ethereum.node import Node
from ledger.anchors.ethereum.proof import AnchorProof, verify_anchor
from ledger.anchors.ethereum.record import State
from ledger.errors import AnchorError

GWEI = 10**9
LONG = timedelta(minutes=6)


def root(size: int) -> bytes:
    return size.to_bytes(32, "big")


class Killed(BaseException):
    """The process ends at this point."""


def test_an_anchor_lives_from_prepared_to_finalized_with_its_proof(anchoring: Any, chain: Any) -> None:
    chain.mine_at_once(False)
    assert anchoring.step(100).state is State.BROADCAST
    chain.mine()
    seen = [anchoring.step(100)]
    for _ in range(5):
        chain.mine()
        seen.append(anchoring.step(100))
    states = [anchor.state for anchor in seen]
    assert states == [State.MINED] * 2 + [State.SAFE] * 2 + [State.FINALIZED] * 2
    assert [anchor.mined.confirmations for anchor in seen[:5]] == [1, 2, 3, 4, 5]
    final = seen[-1]
    assert (final.number, final.link, final.reorganisations) == (1, Link(100, root(100)), 0)
    assert anchoring.node.head(anchoring.contract, anchoring.account.address) == final.head
    evidence = verify_anchor(AnchorProof.from_bytes(final.proof))
    assert evidence.block.hash == final.mined.block_hash
    assert evidence.proof.link == final.link
    assert evidence.proof.transaction == final.mined.transaction


def test_nothing_is_anchored_twice_or_before_the_interval(anchoring: Any, chain: Any) -> None:
    anchoring.step(100)
    chain.mine(4)
    assert anchoring.step(100).state is State.FINALIZED
    spent = anchoring.node.balance(anchoring.account.address)
    for size in (100, 200):
        anchoring.step(size)
    assert len(anchoring.store.anchors) == 1
    assert anchoring.node.balance(anchoring.account.address) == spent
    anchoring.step(100, later=timedelta(hours=2))
    assert len(anchoring.store.anchors) == 1
    assert anchoring.step(200).link.size == 200
    chain.mine(4)
    anchoring.step(200)
    assert anchoring.step(201, at_once=True).link.size == 201


def test_what_is_late_is_left_out_since_the_newest_covers_it(anchoring: Any, chain: Any) -> None:
    chain.mine_at_once(False)
    for size in (100, 101, 102, 103):
        anchoring.step(size)
    chain.mine(5)
    assert anchoring.step(104).link.size == 100
    assert anchoring.step(105, later=timedelta(hours=1)).link.size == 105
    chain.mine(5)
    anchoring.step(106)
    sizes = [anchor.link.size for anchor in anchoring.store.finalized(9)]
    assert sizes == [105, 100]
    expected = head_after(EMPTY_HEAD, [Link(100, root(100)), Link(105, root(105))])
    assert anchoring.node.head(anchoring.contract, anchoring.account.address) == expected


def test_the_same_bytes_go_out_after_a_death_between_store_and_send(
    anchoring: Any, chain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain.mine_at_once(False)
    with monkeypatch.context() as patch:
        patch.setattr(Node, "send", _die)
        with pytest.raises(Killed):
            anchoring.step(100)
    stored = anchoring.store.newest()
    assert stored.state is State.PREPARED
    assert not anchoring.node.knows(stored.attempt.hash)
    again = anchoring.step(999, later=timedelta(days=2))
    assert again.state is State.BROADCAST
    assert [attempt.raw for attempt in again.attempts] == [stored.attempt.raw]
    _finish_with_one(anchoring, chain, stored.nonce)


def test_a_death_right_after_the_sending_is_told_from_one_before_it(
    anchoring: Any, chain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for mined in (False, True):
        chain.mine_at_once(mined)
        send = Node.send

        def send_and_die(node: Node, raw: bytes, send: Any = send) -> None:
            send(node, raw)
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(Node, "send", send_and_die)
            with pytest.raises(Killed):
                anchoring.step(100 + mined, later=timedelta(hours=1))
        stored = anchoring.store.newest()
        assert stored.state is State.PREPARED
        assert anchoring.step(500).state is (State.MINED if mined else State.BROADCAST)
        _finish_with_one(anchoring, chain, stored.nonce)


def _die(*_: Any) -> None:
    raise Killed


def _finish_with_one(anchoring: Any, chain: Any, nonce: int) -> None:
    """Mine until the newest anchor is final; one transaction of the account must have been spent on it."""
    chain.mine(5)
    final = anchoring.step(500)
    assert final.state is State.FINALIZED
    assert final.nonce == nonce
    assert anchoring.node.transactions(anchoring.account.address) == nonce + 1
    assert anchoring.node.head(anchoring.contract, anchoring.account.address) == final.head


def test_a_transaction_that_the_node_forgot_is_sent_again_unchanged(anchoring: Any, chain: Any) -> None:
    chain.mine_at_once(False)
    first = anchoring.step(100)
    chain.drop(first.attempt.hash)
    assert not anchoring.node.knows(first.attempt.hash)
    second = anchoring.step(200)
    assert anchoring.node.knows(first.attempt.hash)
    assert len(second.attempts) == 1
    _finish_with_one(anchoring, chain, first.nonce)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_reorganisation_takes_an_anchor_back_and_it_is_sent_again(anchoring: Any, chain: Any, depth: int) -> None:
    chain.mine_at_once(False)
    anchoring.step(100)
    chain.mine(depth)
    mined = anchoring.step(100)
    assert mined.state in (State.MINED, State.SAFE)
    chain.reorganise(depth)
    assert anchoring.node.receipt(mined.attempt.hash) is None
    back = anchoring.step(100)
    assert back.state is State.BROADCAST
    assert (back.mined, back.reorganisations) == (None, 1)
    assert [attempt.raw for attempt in back.attempts] == [attempt.raw for attempt in mined.attempts]
    chain.mine()
    again = anchoring.step(100)
    assert again.state is State.MINED
    assert again.mined.block_hash != mined.mined.block_hash
    _finish_with_one(anchoring, chain, mined.nonce)


def test_a_transaction_that_moved_to_another_block_is_followed(anchoring: Any, chain: Any) -> None:
    chain.mine_at_once(False)
    anchoring.step(100)
    chain.mine(2)
    before = anchoring.step(100)
    chain.reorganise(2)
    anchoring.node.send(before.attempt.raw)
    chain.mine()
    after = anchoring.step(100)
    assert after.state is State.MINED
    assert after.reorganisations == 1
    assert after.mined.block_hash != before.mined.block_hash
    _finish_with_one(anchoring, chain, before.nonce)


def test_reorganisations_in_a_row_still_end_in_one_final_anchor(anchoring: Any, chain: Any) -> None:
    chain.mine_at_once(False)
    nonce = anchoring.node.transactions(anchoring.account.address)
    for depth in (1, 2, 3, 1):
        anchoring.step(100)
        chain.mine(depth)
        anchoring.step(100)
        chain.reorganise(depth)
    anchoring.step(100)
    _finish_with_one(anchoring, chain, nonce)
    assert anchoring.store.newest().reorganisations == 4


def test_the_first_anchor_has_gas_enough_even_when_it_is_estimated_behind_itself(
    tester_anchoring: Any, tester_chain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tester_chain.mine_at_once(False)
    first = tester_anchoring.step(100)
    monkeypatch.setattr(Node, "estimate", lambda *_: 28_871)
    tester_anchoring.step(200, later=LONG)
    tester_chain.drop(first.attempt.hash)
    tester_anchoring.step(300)
    tester_chain.mine()
    mined = tester_anchoring.step(300)
    assert mined.mined.succeeded
    assert mined.mined.gas_used > 45_000


def test_a_dear_chain_is_offered_a_tenth_more_for_the_newest_checkpoint(anchoring: Any, chain: Any) -> None:
    chain.mine_at_once(False)
    first = anchoring.step(100).attempt
    chain.set_base_fee(first.fees.most + GWEI)
    assert len(anchoring.step(200).attempts) == 1, "there is patience first"
    replaced = anchoring.step(300, later=LONG)
    assert len(replaced.attempts) == 2
    second = replaced.attempts[1]
    assert second.link.size == 300
    assert 10 * second.fees.most >= 11 * first.fees.most
    assert 10 * second.fees.tip >= 11 * first.fees.tip
    assert second.fees.most >= first.fees.most + GWEI + second.fees.tip
    chain.mine()
    mined = anchoring.step(400)
    assert mined.mined.transaction == second.hash
    assert mined.link.size == 300
    chain.set_base_fee(None)
    _finish_with_one(anchoring, chain, mined.nonce)


def test_the_earlier_offer_may_still_be_the_one_that_is_mined(anchoring: Any, chain: Any) -> None:
    chain.mine_at_once(False)
    first = anchoring.step(100)
    replaced = anchoring.step(300, later=LONG)
    assert len(replaced.attempts) == 2
    chain.drop(first.attempt.hash, replaced.attempts[1].hash)
    anchoring.node.send(first.attempt.raw)
    chain.mine()
    mined = anchoring.step(300)
    assert mined.mined.transaction == first.attempt.hash
    assert mined.link.size == 100
    chain.mine(5)
    final = anchoring.step(300)
    assert final.link.size == 100
    assert verify_anchor(AnchorProof.from_bytes(final.proof)).proof.link.size == 100


def test_nothing_is_signed_beyond_the_cap(anchoring: Any, chain: Any) -> None:
    chain.set_base_fee(anchoring.cap + 1)
    with pytest.raises(AnchorError, match="the cap is 100 gwei") as raised:
        anchoring.step(100)
    assert raised.value.code == "fee-cap"
    assert not anchoring.store.anchors
    chain.set_base_fee(None)
    assert anchoring.step(100).attempt.fees.most <= anchoring.cap


def test_a_waiting_transaction_keeps_waiting_when_more_would_break_the_cap(anchoring: Any, chain: Any) -> None:
    chain.mine_at_once(False)
    first = anchoring.step(100)
    anchoring.options["cap"] = first.attempt.fees.most
    chain.drop(first.attempt.hash)
    with pytest.raises(AnchorError) as raised:
        anchoring.step(200, later=LONG)
    assert raised.value.code == "fee-cap"
    assert anchoring.node.knows(first.attempt.hash), "the stored bytes are sent all the same"
    assert len(anchoring.store.newest().attempts) == 1
    _finish_with_one(anchoring, chain, first.nonce)


def test_an_empty_account_is_named_with_what_it_lacks(anchoring: Any, chain: Any) -> None:
    anchoring.account = Account(secrets.token_bytes(32))
    with pytest.raises(AnchorError) as raised:
        anchoring.step(100)
    assert raised.value.code == "balance"
    assert raised.value.facts["account"] == checksum_address(anchoring.account.address)
    assert raised.value.facts["found"] == "0"
    assert not anchoring.store.anchors
    chain.fund(anchoring.account.address, 10**17)
    assert anchoring.step(100).state is State.MINED


def test_a_node_of_another_chain_gets_nothing(anchoring: Any) -> None:
    anchoring.options["chain_id"] = 1
    with pytest.raises(AnchorError, match="the settings name chain 1") as raised:
        anchoring.step(100)
    assert raised.value.code == "wrong-chain"
    assert not anchoring.store.anchors


def test_only_the_contract_itself_is_called(anchoring: Any) -> None:
    for place in (secrets.token_bytes(20), anchoring.account.address):
        anchoring.options["contract"] = place
        with pytest.raises(AnchorError) as raised:
            anchoring.step(100)
        assert raised.value.code == "wrong-contract"
        assert raised.value.facts["contract"] == checksum_address(place)
    assert not anchoring.store.anchors


def test_a_node_that_is_gone_is_waited_for(anchoring: Any, chain: Any) -> None:
    if not hasattr(chain, "down"):
        pytest.skip("a node that others run is not stopped")
    anchoring.step(100)
    chain.down()
    with pytest.raises(AnchorError) as raised:
        anchoring.step(100)
    assert raised.value.code == "node-unreachable"
    assert chain.url not in str(raised.value)
    before = anchoring.store.newest()
    chain.up()
    if anchoring.node.transactions(anchoring.account.address) == 0:
        # This node kept its chain in memory, so it comes back behind what was seen.
        with pytest.raises(AnchorError) as raised:
            anchoring.step(100)
        assert raised.value.code == "node-behind"
        assert anchoring.store.newest() == before
        return
    _finish_with_one(anchoring, chain, before.nonce)


def test_a_foreign_transaction_of_the_account_is_noticed_and_the_next_anchor_works(anchoring: Any, chain: Any) -> None:
    chain.mine_at_once(False)
    first = anchoring.step(100)
    chain.drop(first.attempt.hash)
    _send_foreign(anchoring, first.nonce)
    chain.mine()
    waiting = anchoring.step(200)
    assert waiting.state is State.BROADCAST, "until it is final it may still turn out otherwise"
    chain.mine(5)
    with pytest.raises(AnchorError) as raised:
        anchoring.step(200)
    assert raised.value.code == "account-shared"
    assert anchoring.store.newest().state is State.FAILED
    second = anchoring.step(300, later=timedelta(hours=1))
    assert (second.number, second.nonce) == (2, first.nonce + 1)
    _finish_with_one(anchoring, chain, second.nonce)


def test_an_account_with_an_unknown_transaction_waiting_is_left_alone(anchoring: Any, chain: Any) -> None:
    chain.mine_at_once(False)
    _send_foreign(anchoring, anchoring.node.transactions(anchoring.account.address))
    with pytest.raises(AnchorError) as raised:
        anchoring.step(100)
    assert raised.value.code == "account-busy"
    assert not anchoring.store.anchors
    chain.mine()
    assert anchoring.step(100).state is State.BROADCAST


def _send_foreign(anchoring: Any, nonce: int) -> None:
    to = {"to": checksum_address(secrets.token_bytes(20)), "data": b""}
    signed = anchoring.account._sign(anchoring.chain.chain_id, nonce, 21_000, Fees(50 * GWEI, 5 * GWEI), to)
    anchoring.node.send(signed.raw)


def test_of_several_workers_at_once_one_makes_the_anchor(anchoring: Any, chain: Any) -> None:
    chain.mine_at_once(False)
    workers, failures = [anchoring.anchorer() for _ in range(4)], []
    start = threading.Barrier(len(workers))

    def work(worker: Any) -> None:
        start.wait()
        try:
            for _ in range(3):
                worker.step(anchoring.checkpoint(100), anchoring.now)
        except AnchorError as error:
            failures.append(error.code)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # A slower worker can find the faster one's transaction waiting before it sees the record of it.
    assert set(failures) <= {"account-busy"}
    assert len(anchoring.store.anchors) == 1
    _finish_with_one(anchoring, chain, anchoring.store.newest().nonce)


def test_a_log_that_was_rolled_back_or_rewritten_is_noticed(tester_anchoring: Any) -> None:
    tester_anchoring.step(100)
    rewritten = replace(tester_anchoring.checkpoint(100), root=secrets.token_bytes(32))
    for newest in (tester_anchoring.checkpoint(99), rewritten):
        with pytest.raises(AnchorError) as raised:
            tester_anchoring.anchorer().step(newest, tester_anchoring.now + timedelta(hours=2))
        assert raised.value.code == "rolled-back"
    assert tester_anchoring.step(101, later=timedelta(hours=2)).link.size == 101


def test_an_anchor_without_its_proof_is_covered_by_the_next_ones(tester_anchoring: Any, tester_chain: Any) -> None:
    anchoring, chain = tester_anchoring, tester_chain
    chain.refuses = {"eth_getProof"}
    for size in (100, 200):
        with pytest.raises(AnchorError) as raised:
            anchoring.step(size, later=timedelta(hours=1))
        assert raised.value.code == "no-proof"
        assert anchoring.store.newest().state is State.FINALIZED
    chain.refuses = set()
    third = anchoring.step(300, later=timedelta(hours=1))
    proof = AnchorProof.from_bytes(third.proof)
    assert [link.size for link in proof.links] == [100, 200, 300]
    assert proof.previous == EMPTY_HEAD
    assert verify_anchor(proof).block.hash == third.mined.block_hash


def test_a_missing_proof_is_fetched_later_while_it_is_still_the_last_anchor(
    tester_anchoring: Any, tester_chain: Any
) -> None:
    tester_chain.refuses = {"eth_getProof"}
    with pytest.raises(AnchorError):
        tester_anchoring.step(100)
    tester_chain.refuses = set()
    tester_chain.mine(3)
    assert verify_anchor(AnchorProof.from_bytes(tester_anchoring.step(100).proof)).proof.link.size == 100


def test_a_state_that_the_node_has_forgotten_is_proven_at_the_last_final_block(
    tester_anchoring: Any, tester_chain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = tester_chain
    chain.finality(safe=2, final=3)
    anchor = tester_anchoring.step(100)
    chain.mine(8)
    prove = Node.prove

    def forgetful(node: Node, contract: bytes, key: bytes, number: int) -> Any:
        if number == anchor.mined.block_number:
            raise AnchorError("node-refused", "missing trie node")
        return prove(node, contract, key, number)

    monkeypatch.setattr(Node, "prove", forgetful)
    final = tester_anchoring.step(100)
    evidence = verify_anchor(AnchorProof.from_bytes(final.proof))
    assert evidence.block.number == anchor.mined.block_number + 5


def test_without_finality_of_its_own_a_chain_is_final_after_the_confirmations(
    tester_anchoring: Any, tester_chain: Any
) -> None:
    tester_chain.finality(safe=10**6, final=10**6)
    tester_anchoring.options["confirmations"] = 5
    tester_anchoring.step(100)
    tester_chain.mine(3)
    assert tester_anchoring.step(100).state is State.MINED
    tester_chain.mine(1)
    final = tester_anchoring.step(100)
    assert (final.state, final.mined.confirmations) == (State.FINALIZED, 5)


def test_a_chain_without_eip_1559_gets_plain_transactions(tester_anchoring: Any, tester_chain: Any) -> None:
    tester_chain.mine_at_once(False)
    tester_chain.is_legacy = True
    first = tester_anchoring.step(100)
    assert first.attempt.fees.tip is None
    assert first.attempt.raw[0] >= 0xC0, "a transaction of the first kind is an RLP list"
    replaced = tester_anchoring.step(200, later=LONG)
    assert 10 * replaced.attempts[1].fees.most >= 11 * first.attempt.fees.most
    tester_chain.is_legacy = False
    tester_chain.mine()
    assert tester_anchoring.step(200).link.size == 200


def test_an_anchor_under_way_on_another_chain_ends_when_the_settings_move(tester_anchoring: Any) -> None:
    store = tester_anchoring.store
    tester_anchoring.step(100)
    store.anchors[1] = replace(store.anchors[1], chain_id=1, state=State.BROADCAST)
    second = tester_anchoring.step(200, later=timedelta(hours=1))
    assert store.anchors[1].state is State.FAILED
    assert (second.number, second.link.size) == (2, 200)


def test_what_an_earlier_key_signed_is_still_watched_and_never_signed_over(
    tester_anchoring: Any, tester_chain: Any
) -> None:
    tester_chain.mine_at_once(False)
    first = tester_anchoring.step(100)
    tester_anchoring.account = Account(secrets.token_bytes(32))
    assert len(tester_anchoring.step(200, later=LONG).attempts) == 1
    tester_chain.mine(5)
    assert tester_anchoring.step(200).state is State.FINALIZED
    tester_chain.fund(tester_anchoring.account.address, 10**18)
    second = tester_anchoring.step(300, later=timedelta(hours=1))
    assert (second.sender, second.nonce, second.previous) == (tester_anchoring.account.address, 0, EMPTY_HEAD)
    assert second.sender != first.sender


def test_a_transaction_that_the_contract_refused_counts_as_failed_once_it_is_final(
    tester_anchoring: Any, tester_chain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tester_chain.finality(safe=2, final=4)
    monkeypatch.setattr("ledger.anchors.ethereum.anchorer._LEAST_GAS", 0)
    monkeypatch.setattr(Node, "estimate", lambda *_: 24_000)
    mined = tester_anchoring.step(100)
    assert (mined.state, mined.mined.succeeded) == (State.MINED, False)
    tester_chain.mine(5)
    with pytest.raises(AnchorError) as raised:
        tester_anchoring.step(100)
    assert raised.value.code == "reverted"
    monkeypatch.undo()
    assert tester_anchoring.step(100, later=timedelta(hours=1)).mined.succeeded


def test_the_contract_is_deployed_on_the_chain_of_the_settings_alone(tester_anchoring: Any, tester_chain: Any) -> None:
    from ledger.anchors.ethereum.deploy import deploy

    node, account = tester_anchoring.node, tester_anchoring.account
    before = node.transactions(account.address)
    with pytest.raises(AnchorError, match="the settings name chain 1"):
        deploy(node, account, 1, 100 * GWEI, lambda _: None)
    assert node.transactions(account.address) == before
    tester_chain.mine_at_once(False)
    with pytest.raises(AnchorError, match="waits to be mined") as raised:
        deploy(node, account, tester_chain.chain_id, 100 * GWEI, lambda _: None, attempts=2)
    tester_chain.mine()
    where = bytes.fromhex(str(raised.value.facts["contract"])[2:])
    assert node.code(where) == artefact().runtime
