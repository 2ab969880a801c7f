"""What must work on any node, test node or not: deploy, anchor, wait, prove."""

from __future__ import annotations

from typing import Any

from ledger.anchors.ethereum.chain import EMPTY_HEAD, Link, head_after
from ledger.anchors.ethereum.proof import AnchorProof, verify_anchor
from ledger.anchors.ethereum.record import State

_MOST_LOOKS = 40


def test_two_anchors_become_final_and_prove_themselves(anchoring: Any, chain: Any) -> None:
    anchoring.options["confirmations"] = 4
    links = []
    for size in (1_000, 2_000):
        anchor = anchoring.step(size, at_once=True)
        for _ in range(_MOST_LOOKS):
            if anchor.state is State.FINALIZED:
                break
            chain.mine()
            anchor = anchoring.step(size)
        assert anchor.state is State.FINALIZED
        links.append(Link(size, size.to_bytes(32, "big")))
        evidence = verify_anchor(AnchorProof.from_bytes(anchor.proof))
        assert evidence.proof.link == links[-1]
        assert evidence.block.number == anchor.mined.block_number
    assert anchoring.node.head(anchoring.contract, anchoring.account.address) == head_after(EMPTY_HEAD, links)
