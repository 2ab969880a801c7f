"""The contract: its artefact is what its source compiles to, it keeps the chain of hashes, and costs what is said."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ledger.anchors.ethereum import chain as anchor_chain
from ledger.anchors.ethereum.account import Account, Fees
from ledger.anchors.ethereum.chain import EMPTY_HEAD, Link, artefact, head_after
from ledger.anchors.ethereum.deploy import contract_address

_FEES = Fees(50 * 10**9, 10**9)


def test_the_artefact_is_what_the_source_compiles_to(
    compiler: str, recompile: dict[str, Callable[..., Any]], tmp_path: Path
) -> None:
    elsewhere = tmp_path / recompile["SOURCE"].name
    elsewhere.write_bytes(recompile["SOURCE"].read_bytes())
    for source in (recompile["SOURCE"], elsewhere):
        made = recompile["compiled"](compiler, source)
        assert recompile["text"](made) == recompile["SOURCE"].with_suffix(".json").read_text("utf-8")


def test_another_source_compiles_to_another_artefact(
    compiler: str, recompile: dict[str, Callable[..., Any]], tmp_path: Path
) -> None:
    changed = tmp_path / recompile["SOURCE"].name
    changed.write_text(recompile["SOURCE"].read_text().replace("self.head[msg.sender], root", "root", 1))
    assert recompile["compiled"](compiler, changed)["runtime"][2:] != artefact().runtime.hex()


def test_the_calls_are_those_of_the_abi() -> None:
    functions = {
        item["name"]: [given["type"] for given in item["inputs"]] for item in artefact().abi if "inputs" in item
    }
    assert functions["anchor"] == ["bytes32", "uint64"]
    assert functions["head"] == ["address"]
    assert anchor_chain.anchor_call(Link(7, b"\x05" * 32)).hex() == "db2c4aca" + "05" * 32 + "7".rjust(64, "0")


def test_the_code_uses_no_instruction_that_a_chain_of_london_lacks() -> None:
    code, place, used = artefact().runtime, 0, set()
    while place < len(code):
        used.add(code[place])
        place += 1 + (code[place] - 0x5F if 0x60 <= code[place] <= 0x7F else 0)
    # PUSH0, MCOPY, TLOAD, TSTORE, BLOBHASH, BLOBBASEFEE
    assert not used & {0x5F, 0x5E, 0x5C, 0x5D, 0x49, 0x4A}


def test_heads_are_chained_for_each_sender_alone_and_cost_what_is_said(anchoring: Any, chain: Any) -> None:
    other = Account(secrets.token_bytes(32))
    chain.fund(other.address, 10**18)
    links = [Link(size, secrets.token_bytes(32)) for size in (1, 256, 100_000, 2**63)]
    nonce, gas = anchoring.node.transactions(anchoring.account.address), []
    assert anchoring.node.head(anchoring.contract, anchoring.account.address) == EMPTY_HEAD
    for number, link in enumerate(links):
        gas.append(_anchor(anchoring, anchoring.account, link, nonce + number))
        expected = head_after(EMPTY_HEAD, links[: number + 1])
        assert anchoring.node.head(anchoring.contract, anchoring.account.address) == expected
    _anchor(anchoring, other, links[0], 0)
    assert anchoring.node.head(anchoring.contract, other.address) == head_after(EMPTY_HEAD, links[:1])
    assert anchoring.node.head(anchoring.contract, anchoring.account.address) == head_after(EMPTY_HEAD, links)
    assert gas[0] < 46_100
    assert max(gas[1:]) < 29_000


def test_the_contract_takes_no_money_and_no_other_call(anchoring: Any, chain: Any) -> None:
    account, nonce = anchoring.account, anchoring.node.transactions(anchoring.account.address)
    target = anchor_chain.checksum_address(anchoring.contract)
    for change in ({"value": 1, "data": anchor_chain.anchor_call(Link(1, bytes(32)))}, {"data": b"\x12\x34\x56\x78"}):
        signed = account._sign(chain.chain_id, nonce, 100_000, _FEES, {"to": target} | change)
        anchoring.node.send(signed.raw)
        receipt = anchoring.node.receipt(signed.hash)
        assert receipt is not None
        assert not receipt.succeeded
        nonce += 1
    assert anchoring.node.head(anchoring.contract, account.address) == EMPTY_HEAD


def test_the_contract_stands_where_its_address_was_foretold(anchoring: Any) -> None:
    assert contract_address(anchoring.account.address, 0) == anchoring.contract
    assert anchoring.node.code(anchoring.contract) == artefact().runtime


def _anchor(anchoring: Any, account: Account, link: Link, nonce: int) -> int:
    signed = account.sign_anchor(anchoring.chain.chain_id, anchoring.contract, link, nonce, 100_000, _FEES)
    anchoring.node.send(signed.raw)
    receipt = anchoring.node.receipt(signed.hash)
    assert receipt is not None
    assert receipt.succeeded
    return receipt.gas_used
