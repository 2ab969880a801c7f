"""The proof of an anchor: it holds for what was anchored, and for nothing else."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import checkpoint
from ledger.anchors.ethereum import header
from ledger.anchors.ethereum.chain import EMPTY_HEAD, Link, head_after
from ledger.anchors.ethereum.proof import AnchorProof, verify_anchor
from ledger.canonical import encode
from ledger.errors import LedgerError, ProofError, SignatureError
from ledger.log import Log
from ledger.signatures import SigningKey

Anchor = Callable[[Log[Any]], AnchorProof]


@pytest.fixture
def log(anchored_log: tuple[Log[Any], AnchorProof]) -> Log[Any]:
    return anchored_log[0]


@pytest.fixture
def proof(anchored_log: tuple[Log[Any], AnchorProof]) -> AnchorProof:
    return anchored_log[1]


def test_a_proof_shows_the_tree_head_the_block_and_its_time(proof: AnchorProof, log: Log[Any], ethereum: Any) -> None:
    evidence = verify_anchor(AnchorProof.from_bytes(proof.to_bytes()), log.vkey)
    assert evidence.proof.link == Link(10, log.root(10))
    block = ethereum._tester.get_block_by_number(evidence.block.number)
    assert "0x" + evidence.block.hash.hex() == block["hash"]
    assert evidence.block.time.timestamp() == block["timestamp"]
    assert "the log's first 10 entries" in evidence.words
    assert block["hash"] in evidence.words
    assert "compare its hash" in evidence.words
    assert "compare" not in evidence.fact


@pytest.mark.parametrize("field", ["contract", "sender", "previous", "header", "account", "storage", "links"])
def test_nothing_of_the_path_can_be_exchanged(proof: AnchorProof, field: str) -> None:
    value = getattr(proof, field)
    forged: Any
    if field == "links":
        forged = (replace(value[0], size=value[0].size + 1), *value[1:])
    elif isinstance(value, tuple):
        forged = value[:-1]
    else:
        forged = value[:-1] + bytes([value[-1] ^ 1])
    if field == "header":
        # A header that was changed is a header of another block, which the comparison finds.
        assert verify_anchor(replace(proof, header=forged)).block.hash != verify_anchor(proof).block.hash
        return
    with pytest.raises(ProofError):
        verify_anchor(replace(proof, **{field: forged}))


def test_a_root_that_was_never_anchored_is_not_proven(proof: AnchorProof) -> None:
    for root in (secrets.token_bytes(32), bytes(32)):
        with pytest.raises(ProofError, match="another head"):
            verify_anchor(replace(proof, links=(replace(proof.link, root=root),)))
    with pytest.raises(ProofError, match="another head"):
        verify_anchor(replace(proof, links=proof.links * 2))


def test_the_order_of_all_anchors_is_part_of_the_head(
    memory_log: Log[Any], record: Callable[..., str], anchor_log: Anchor
) -> None:
    links = []
    for _ in range(3):
        record(memory_log)
        last = anchor_log(memory_log)
        links.append(last.link)
    whole = replace(last, previous=EMPTY_HEAD, links=tuple(links))
    assert verify_anchor(whole).proof.link == last.link
    with pytest.raises(ProofError, match="another head"):
        verify_anchor(replace(whole, links=(links[1], links[0], links[2])))
    with pytest.raises(ProofError, match="another head"):
        verify_anchor(replace(whole, links=tuple(links[1:])))
    assert head_after(EMPTY_HEAD, links) == head_after(last.previous, last.links)


def test_another_contract_could_say_anything_and_is_refused(
    proof: AnchorProof, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ledger.anchors.ethereum import proof as module

    other = replace(module.artefact(), runtime=b"\x00")
    monkeypatch.setattr(module, "artefact", lambda: other)
    with pytest.raises(ProofError, match="not the contract AnchorChain"):
        verify_anchor(proof)


def test_the_checkpoint_in_the_proof_must_be_the_logs_over_what_was_anchored(proof: AnchorProof, log: Log[Any]) -> None:
    other = SigningKey.generate()
    with pytest.raises(SignatureError):
        verify_anchor(proof, checkpoint.vkey(log.origin, other.public))
    smaller = checkpoint.sign(log.origin, 3, log.root(3), SigningKey.from_seed(b"L" * 32))
    with pytest.raises(SignatureError, match="not the tree head that was anchored"):
        verify_anchor(replace(proof, note=smaller), log.vkey)
    assert verify_anchor(replace(proof, note=""))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_byte_of_the_file_is_refused_or_names_another_block(proof: AnchorProof, data: st.DataObject) -> None:
    encoded = proof.to_bytes()
    place = data.draw(st.integers(0, len(encoded) - 1))
    changed = encoded[:place] + bytes([encoded[place] ^ data.draw(st.integers(1, 255))]) + encoded[place + 1 :]
    try:
        found = verify_anchor(AnchorProof.from_bytes(changed))
    except LedgerError:
        return
    told = {"chain_id": 0, "transaction": b"", "note": ""}
    same = replace(found.proof, **told) == replace(proof, **told)
    assert same or found.block.hash != header.parse(proof.header).hash


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"}, {"links": []}, {"links": [{"size": "-1", "root": "0x" + "00" * 32}]}, {"previous": "0x00"},
        {"links": [{"size": "1", "root": "0x00"}]}, {"links": [{"size": "18446744073709551616", "root": "0x" + "00" * 32}]},
        {"sender": "0x12"}, {"header": "beef"}, {"header": 7}, {"account": None}, {"storage": "0x"}, {"chain_id": "one"},
        {"checkpoint": None}, {"header": "0x" + "00" * 5000}, {"account": ["0x"] * 100},
    ],
)  # fmt: skip
def test_a_malformed_proof_is_refused_as_such(proof: AnchorProof, change: dict[str, Any]) -> None:
    document = json.loads(proof.to_bytes()) | change
    with pytest.raises(ProofError):
        verify_anchor(AnchorProof.from_bytes(encode(document)))


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"{}", b"\xff", b'{"format": 1}', b" " * (1 << 21)])
def test_a_file_that_is_no_proof_is_refused(data: bytes) -> None:
    with pytest.raises(ProofError):
        AnchorProof.from_bytes(data)


def test_checking_needs_neither_web3_nor_any_of_its_libraries() -> None:
    program = (
        "import sys; import ledger.anchors.ethereum.proof; "
        "print([name for name in ('web3', 'eth_account', 'eth_utils', 'rlp', 'Crypto', 'requests') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
