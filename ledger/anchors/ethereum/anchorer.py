"""Anchoring: takes the newest checkpoint to the chain and watches it until nothing can undo it.

One anchor is under way at a time. Its signed transaction is stored before it is sent, and the same bytes are sent again
after a restart, so it is paid for once. Whether it was mined is told by the account's transaction count and by receipts,
never by the wording of a refusal. Nothing queues: what is late is left out, since the newest checkpoint covers it.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ledger.anchors.ethereum import fees
from ledger.anchors.ethereum.account import Account, Fees
from ledger.anchors.ethereum.chain import Link, checksum_address
from ledger.anchors.ethereum.collect import collect
from ledger.anchors.ethereum.node import Block, Node, Receipt, require_balance, require_chain, require_contract
from ledger.anchors.ethereum.record import Anchor, Attempt, Mined, StaleError, State, Store
from ledger.errors import AnchorError
from ledger.storage import StoredCheckpoint

_GAS_MARGIN = (5, 4)
# The first anchor of an account takes some 46,000, later ones 28,900; what is not used is not paid.
_LEAST_GAS = 50_000


@dataclass(frozen=True)
class Plan:
    """How the operator wants to anchor. `cap` is the most wei of gas; `patience` the wait before offering more.

    `confirmations`: the blocks after which an anchor is final on a chain that does not name its finalized block.
    """

    chain_id: int
    contract: bytes
    cap: int
    interval: timedelta = timedelta(hours=1)
    patience: timedelta = timedelta(minutes=5)
    confirmations: int = 64


def is_due(last: Anchor | None, newest: StoredCheckpoint, now: datetime, interval: timedelta) -> bool:
    """Say whether there is something to do: an anchor under way, or a new checkpoint after the interval."""
    if last is None or not last.has_ended:
        return True
    if now - last.prepared_at < interval:
        return False
    return last.state is State.FAILED or newest.size > last.link.size


class Anchorer:
    """Moves anchors on, one step a call; everything it must remember is in the store."""

    def __init__(self, node: Node, account: Account, store: Store, plan: Plan) -> None:
        self._node = node
        self._account = account
        self._store = store
        self._plan = plan

    def step(self, newest: StoredCheckpoint, now: datetime, *, at_once: bool = False) -> Anchor | None:
        """Do what can be done now and return the newest anchor as it then stands; None while there is none.

        `at_once` does not wait for the interval. Raises AnchorError with the reason when it cannot go on; what was
        reached is stored, and the next call takes it up from there.
        """
        require_chain(self._node, self._plan.chain_id)
        try:
            anchor = self._end_foreign(self._store.newest())
            _require_growth(anchor, newest)
            if anchor is not None and not anchor.has_ended:
                return self._advance(anchor, newest, now)
            if is_due(anchor, newest, now, timedelta() if at_once else self._plan.interval):
                return self._advance(self._prepare(anchor, newest, now), newest, now)
            return anchor if anchor is None else self._prove(anchor)
        except StaleError:
            # Another worker goes on with it.
            return self._store.newest()

    def _end_foreign(self, anchor: Anchor | None) -> Anchor | None:
        """End an anchor that was under way on another chain when the settings changed; it cannot be seen from here."""
        if anchor is None or anchor.has_ended or anchor.chain_id == self._plan.chain_id:
            return anchor
        return self._store.save(replace(anchor, state=State.FAILED))

    def _prepare(self, last: Anchor | None, newest: StoredCheckpoint, now: datetime) -> Anchor:
        require_contract(self._node, self._plan.contract)
        sender = self._account.address
        nonce = self._node.transactions(sender)
        if last is not None and (last.sender, last.chain_id) == (sender, self._plan.chain_id) and nonce <= last.nonce:
            raise _behind(nonce, last.nonce + 1)
        if self._node.transactions(sender, "pending") > nonce:
            account = checksum_address(sender)
            sentence = f"the account {account} has a transaction waiting that this log does not know"
            raise AnchorError("account-busy", sentence, account=account)
        offered = fees.offer(self._node.market(), self._plan.cap)
        anchor = Anchor(
            number=1 if last is None else last.number + 1,
            chain_id=self._plan.chain_id,
            contract=self._plan.contract,
            sender=sender,
            nonce=nonce,
            previous=self._node.head(self._plan.contract, sender),
            attempts=(self._attempt(self._plan.contract, newest, nonce, offered, now),),
            prepared_at=now,
        )
        self._store.add(anchor)
        return anchor

    def _attempt(self, contract: bytes, newest: StoredCheckpoint, nonce: int, offered: Fees, now: datetime) -> Attempt:
        link = Link(newest.size, newest.root)
        try:
            needed = self._node.estimate(self._account.address, contract, link)
        except AnchorError:
            # Some nodes cannot estimate for an account that could not pay.
            require_balance(self._node, self._account.address, _LEAST_GAS * offered.most)
            raise
        gas = max(needed * _GAS_MARGIN[0] // _GAS_MARGIN[1], _LEAST_GAS)
        require_balance(self._node, self._account.address, gas * offered.most)
        signed = self._account.sign_anchor(self._plan.chain_id, contract, link, nonce, gas, offered)
        return Attempt(link, newest.note, offered, gas, signed.raw, signed.hash, now)

    def _advance(self, anchor: Anchor, newest: StoredCheckpoint, now: datetime) -> Anchor:
        if self._is_waiting(anchor):
            anchor = self._broadcast(anchor, newest, now)
            # A chain that mines at once has it in a block by now.
            if self._is_waiting(anchor):
                return anchor
        return self._watch(anchor, now)

    def _is_waiting(self, anchor: Anchor) -> bool:
        """Say whether none of the anchor's transactions is in a block: its turn has not been used."""
        count = self._node.transactions(anchor.sender)
        if count < anchor.nonce:
            raise _behind(count, anchor.nonce)
        return count == anchor.nonce

    def _broadcast(self, anchor: Anchor, newest: StoredCheckpoint, now: datetime) -> Anchor:
        """Send the newest attempt's stored bytes, as often as it takes; offer more after a while of waiting."""
        if anchor.mined is not None:
            # A reorganisation has undone the block.
            anchor = replace(anchor, mined=None, reorganisations=anchor.reorganisations + 1)
            anchor = self._store.save(replace(anchor, state=State.BROADCAST))
        last = anchor.attempts[-1]
        taken, problem = self._send(anchor)
        if taken and last.sent_at is None:
            anchor = self._mark_sent(anchor, now)
        elif now - (last.sent_at or last.at) >= self._plan.patience and self._is_waiting(anchor):
            anchor, problem = self._offer_more(anchor, newest, now)
        if problem is not None:
            raise problem
        return anchor

    def _mark_sent(self, anchor: Anchor, now: datetime) -> Anchor:
        *earlier, last = anchor.attempts
        return self._store.save(replace(anchor, attempts=(*earlier, replace(last, sent_at=now)), state=State.BROADCAST))

    def _offer_more(self, anchor: Anchor, newest: StoredCheckpoint, now: datetime) -> tuple[Anchor, AnchorError | None]:
        """Store and send a transaction of the same nonce that offers more and carries the newest checkpoint, or say why not."""
        if anchor.sender != self._account.address:
            # The key was changed meanwhile; what the old one signed is still sent and watched.
            return anchor, None
        try:
            offered = fees.replacement(anchor.attempts[-1].fees, self._node.market(), self._plan.cap)
            attempt = self._attempt(anchor.contract, newest, anchor.nonce, offered, now)
        except AnchorError as error:
            return anchor, error
        anchor = self._store.save(replace(anchor, attempts=(*anchor.attempts, attempt)))
        taken, problem = self._send(anchor)
        return self._mark_sent(anchor, now) if taken else anchor, problem

    def _send(self, anchor: Anchor) -> tuple[bool, AnchorError | None]:
        """Send the newest attempt; return whether the network has it or another one now, and what is to be mended if not.

        Raises AnchorError when the node does not answer.
        """
        attempt = anchor.attempts[-1]
        try:
            self._node.send(attempt.raw)
        except AnchorError as error:
            if error.code != "node-refused":
                raise
            # Nodes also refuse what they have already. What counts is whether one of the attempts is known or mined.
            if not self._is_waiting(anchor) or any(self._node.knows(tried.hash) for tried in reversed(anchor.attempts)):
                return True, None
            base_fee = self._node.market().base_fee
            if base_fee is not None and base_fee > attempt.fees.most:
                # The chain has grown dearer than the offer; more is offered in time, or it grows cheap again.
                return False, None
            require_balance(self._node, anchor.sender, attempt.gas * attempt.fees.most)
            return False, error
        return True, None

    def _watch(self, anchor: Anchor, now: datetime) -> Anchor:
        """Look where the anchor stands in the chain, and how deep."""
        found, final, latest = self._find(anchor), self._final_number(), self._node.block("latest")
        if found is None:
            return self._displaced(anchor, final)
        attempt, receipt = found
        block = self._node.block(receipt.block_number)
        if block is None or latest is None or block.hash != receipt.block_hash:
            # The node is changing branches; the next look sees where it ends.
            return anchor
        confirmations = max(latest.number - block.number + 1, 1)
        mined = Mined(
            attempt.hash, block.number, block.hash, block.time, receipt.succeeded, receipt.gas_used, receipt.gas_price,
            confirmations,
        )  # fmt: skip
        moved = anchor.mined is not None and anchor.mined.block_hash != block.hash
        anchor = replace(
            anchor, mined=mined, reorganisations=anchor.reorganisations + moved, state=self._depth(block, final)
        )
        if anchor.state is not State.FINALIZED:
            return self._store.save(anchor)
        if not receipt.succeeded:
            self._store.save(replace(anchor, state=State.FAILED))
            raise AnchorError("reverted", "the transaction was mined, but the contract did not carry it out")
        return self._prove(self._store.save(replace(anchor, finalized_at=now)))

    def _find(self, anchor: Anchor) -> tuple[Attempt, Receipt] | None:
        for attempt in reversed(anchor.attempts):
            receipt = self._node.receipt(attempt.hash)
            if receipt is not None:
                return attempt, receipt
        return None

    def _final_number(self) -> int:
        """Return the number of the last block that cannot be undone, -1 when there is none."""
        finalized = self._node.block("finalized")
        if finalized is not None:
            return finalized.number
        latest = self._node.block("latest")
        return -1 if latest is None else max(latest.number - self._plan.confirmations + 1, -1)

    def _depth(self, block: Block, final: int) -> State:
        if block.number <= final:
            return State.FINALIZED
        safe = self._node.block("safe")
        return State.SAFE if safe is not None and block.number <= safe.number else State.MINED

    def _displaced(self, anchor: Anchor, final: int) -> Anchor:
        """Handle a turn that was used, though the node shows none of the attempts in a block."""
        if final < 0 or self._node.transactions(anchor.sender, hex(final)) <= anchor.nonce:
            return anchor
        self._store.save(replace(anchor, state=State.FAILED, mined=None))
        account = checksum_address(anchor.sender)
        sentence = f"another program uses the account {account}: its transaction took the turn of the anchor's"
        raise AnchorError("account-shared", sentence, account=account)

    def _prove(self, anchor: Anchor) -> Anchor:
        """Fetch the proof of a finalized anchor that has none yet."""
        if anchor.state is not State.FINALIZED or anchor.proof is not None:
            return anchor
        proof = collect(self._node, anchor, self._store, self._final_number())
        return self._store.save(replace(anchor, proof=proof.to_bytes()))


def _require_growth(anchor: Anchor | None, newest: StoredCheckpoint) -> None:
    """Raise AnchorError when the log is not the one that was anchored: shorter, or another one of the same size."""
    for attempt in () if anchor is None else anchor.attempts:
        size, root = attempt.link.size, attempt.link.root
        if newest.size < size or (newest.size == size and newest.root != root):
            sentence = f"a tree head of {size} entries was anchored, and the log's of {newest.size} does not extend it"
            raise AnchorError("rolled-back", sentence, anchored=size, found=newest.size)


def _behind(found: int, expected: int) -> AnchorError:
    sentence = f"the node has seen {found} transactions of the account, and {expected} were final: it is behind"
    return AnchorError("node-behind", sentence, found=found, expected=expected)
