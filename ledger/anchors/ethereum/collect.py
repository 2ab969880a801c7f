"""Fetching the proof of a finalized anchor from a node; nothing is kept that does not verify."""

from ledger.anchors.ethereum.chain import Link, storage_key
from ledger.anchors.ethereum.node import Node
from ledger.anchors.ethereum.proof import AnchorProof, verify_anchor
from ledger.anchors.ethereum.record import Anchor, Store
from ledger.errors import AnchorError, ProofError

_MOST_UNPROVEN = 1_000


def collect(node: Node, anchor: Anchor, store: Store, final: int) -> AnchorProof:
    """Return the verified proof of an anchor, which also covers those before it that have none.

    It is taken at the anchor's own block or, where the node has forgotten that state, at the last final one. Raises
    AnchorError (`no-proof`) when the node gives none.
    """
    if anchor.mined is None:
        raise AnchorError("no-proof", "the anchor stands in no block")
    previous, links = _unproven(anchor, store)
    problem: Exception = AnchorError("no-proof", "the node gives no proof")
    for number in dict.fromkeys((anchor.mined.block_number, final)):
        try:
            encoded, account, storage = node.prove(anchor.contract, storage_key(anchor.sender), number)
            proof = AnchorProof(
                chain_id=anchor.chain_id, contract=anchor.contract, sender=anchor.sender,
                transaction=anchor.mined.transaction, previous=previous, links=links, header=encoded, account=account,
                storage=storage, note=anchor.attempt.note,
            )  # fmt: skip
            verify_anchor(proof)
        except (AnchorError, ProofError) as error:
            problem = error
        else:
            return proof
    raise AnchorError(
        "no-proof", f"the checkpoint is anchored, but the node gives no proof of it: {problem}"
    ) from problem


def _unproven(anchor: Anchor, store: Store) -> tuple[bytes, tuple[Link, ...]]:
    """Return the links from the last proven anchor to this one, and the head before them."""
    previous, links = anchor.previous, [anchor.link]
    for earlier in store.finalized(_MOST_UNPROVEN):
        if earlier.number >= anchor.number:
            continue
        if earlier.proof is not None or earlier.head != previous:
            break
        previous = earlier.previous
        links.insert(0, earlier.link)
    return previous, tuple(links)
