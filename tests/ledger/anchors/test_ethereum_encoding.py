"""Keccak, RLP, the state tree and headers: against other implementations and the main net's own first block."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
import rlp as reference_rlp
from Crypto.Hash import keccak as reference_keccak
from hypothesis import given, settings
from hypothesis import strategies as st
from trie import HexaryTrie

from ledger.anchors.ethereum import header, rlp, trie
from ledger.anchors.ethereum.chain import checksum_address, parse_address
from ledger.anchors.ethereum.keccak import keccak256
from ledger.errors import ProofError

ITEMS: st.SearchStrategy[Any] = st.recursive(
    st.binary(max_size=70), lambda inner: st.lists(inner, max_size=5), max_leaves=9
)
EMPTY_UNCLES = "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347"
EMPTY_TREE = "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
# The first block of Ethereum's main net, as every node describes it.
GENESIS: dict[str, Any] = {
    "parentHash": "0x" + "00" * 32, "sha3Uncles": EMPTY_UNCLES, "miner": "0x" + "00" * 20,
    "stateRoot": "0xd7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544",
    "transactionsRoot": EMPTY_TREE, "receiptsRoot": EMPTY_TREE, "logsBloom": "0x" + "00" * 256,
    "difficulty": "0x400000000", "number": "0x0", "gasLimit": "0x1388", "gasUsed": "0x0", "timestamp": "0x0",
    "extraData": "0x11bbe8db4e347b4e8c937c1c8370e4b5ed33adb3db69cbdb7a38e1e50b1b82fa", "mixHash": "0x" + "00" * 32,
    "nonce": "0x0000000000000042",
}  # fmt: skip
GENESIS_HASH = "d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3"


def test_keccak_of_nothing_is_the_known_hash() -> None:
    assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


@given(st.binary(max_size=600))
def test_keccak_agrees_with_another_implementation_and_its_permutation_with_sha3(data: bytes) -> None:
    assert keccak256(data) == reference_keccak.new(digest_bits=256, data=data).digest()
    assert keccak256(data, _suffix=0x06) == hashlib.sha3_256(data).digest()


@given(ITEMS)
def test_rlp_agrees_with_another_implementation_both_ways(item: Any) -> None:
    encoded = rlp.encode(item)
    assert encoded == reference_rlp.encode(item)
    assert rlp.decode(encoded) == item


@given(st.binary(max_size=80))
def test_rlp_decodes_canonical_bytes_only(data: bytes) -> None:
    try:
        item = rlp.decode(data)
    except ProofError:
        return
    assert rlp.encode(item) == data


@pytest.mark.parametrize("text", ["", "8100", "b800", "f800", "8180ff", "83aabb", "c3aabb", "b90001aa", "c2c1", "817f"])
def test_rlp_refuses_what_is_cut_off_or_written_in_a_second_way(text: str) -> None:
    with pytest.raises(ProofError):
        rlp.decode(bytes.fromhex(text))


def test_rlp_refuses_what_is_nested_without_end() -> None:
    deep: Any = b""
    for _ in range(20):
        deep = [deep]
    with pytest.raises(ProofError, match="nested"):
        rlp.decode(reference_rlp.encode(deep))


@settings(max_examples=30)
@given(st.dictionaries(st.binary(min_size=1, max_size=4), st.binary(min_size=1, max_size=60), min_size=1, max_size=30))
def test_a_proof_of_the_state_tree_gives_the_value_and_nothing_for_another_key(content: dict[bytes, bytes]) -> None:
    tree = HexaryTrie({})
    for key, value in content.items():
        tree[keccak256(key)] = value
    for key, value in content.items():
        nodes = _nodes(tree, key)
        assert trie.prove(tree.root_hash, key, nodes) == value
        with pytest.raises(ProofError):
            trie.prove(tree.root_hash, key + b"other", nodes)
        with pytest.raises(ProofError):
            trie.prove(tree.root_hash, key, nodes[:-1])
        with pytest.raises(ProofError, match="behind the value"):
            trie.prove(tree.root_hash, key, [*nodes, b"\xc0"])


def test_a_changed_node_of_the_state_tree_is_noticed_wherever_it_stands() -> None:
    tree = HexaryTrie({})
    for number in range(300):
        tree[keccak256(b"%d" % number)] = b"value %d" % number
    nodes = _nodes(tree, b"7")
    assert len(nodes) >= 3
    for place, node in enumerate(nodes):
        for byte in range(place, len(node), 11):
            changed = node[:byte] + bytes([node[byte] ^ 1]) + node[byte + 1 :]
            with pytest.raises(ProofError):
                trie.prove(tree.root_hash, b"7", [*nodes[:place], changed, *nodes[place + 1 :]])


@pytest.mark.parametrize(
    "node",
    [[b""], [b"", b"v"], [b"\x40", b"v"], [b"\x01", b"v"], [b"\x00", b"v"], [[b"\x20"], b"v"], [b""] * 16, b"bytes"],
)
def test_a_malformed_node_is_refused(node: Any) -> None:
    encoded = reference_rlp.encode(node)
    with pytest.raises(ProofError):
        trie.prove(keccak256(encoded), b"key", [encoded])


def test_a_path_longer_than_a_hash_is_refused_at_once() -> None:
    with pytest.raises(ProofError, match="more nodes"):
        trie.prove(bytes(32), b"key", [b"\xc0"] * 1000)


def test_the_first_block_of_the_main_net_has_its_known_hash() -> None:
    found = header.parse(header.encode_block(GENESIS))
    assert found.hash.hex() == GENESIS_HASH
    assert found.number == 0
    assert found.state_root.hex() == GENESIS["stateRoot"][2:]


def test_fields_of_later_upgrades_follow_in_their_order() -> None:
    later = {
        "baseFeePerGas": "0x7", "withdrawalsRoot": EMPTY_TREE, "blobGasUsed": "0x0", "excessBlobGas": "0x0",
        "parentBeaconBlockRoot": "0x" + "11" * 32, "requestsHash": "0x" + "22" * 32,
    }  # fmt: skip
    fields = rlp.decode_list(header.encode_block(GENESIS | later))
    assert fields[15:] == [b"\x07", bytes.fromhex(EMPTY_TREE[2:]), b"", b"", b"\x11" * 32, b"\x22" * 32]


@pytest.mark.parametrize(
    "change",
    [{"stateRoot": None}, {"stateRoot": "0x12"}, {"number": "soon"}, {"miner": "0x" + "00" * 32}, {"extraData": 7.5}],
)
def test_a_block_that_is_no_block_is_named_by_its_field(change: dict[str, Any]) -> None:
    with pytest.raises(ProofError, match=next(iter(change))):
        header.encode_block(GENESIS | change)


@pytest.mark.parametrize("encoded", [b"", b"\x80", b"\xc0", reference_rlp.encode([b""] * 15), b"\xc0" * 5000])
def test_bytes_that_are_no_header_are_refused(encoded: bytes) -> None:
    with pytest.raises(ProofError):
        header.parse(encoded)


@pytest.mark.parametrize(
    "address",
    [
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ],
)
def test_addresses_carry_the_checksum_of_eip_55(address: str) -> None:
    assert checksum_address(parse_address(address.lower())) == address
    assert parse_address(address).hex() == address[2:].lower()
    with pytest.raises(ProofError, match="mistyped"):
        parse_address(address[:-1] + address[-1].swapcase() if address[-1].isalpha() else "0x" + address[2:].swapcase())


@pytest.mark.parametrize("text", ["", "0x", "0x12", "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0x" + "zz" * 20])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ProofError):
        parse_address(text)


def _nodes(tree: HexaryTrie, key: bytes) -> list[bytes]:
    """Return a proof as eth_getProof has it: nodes that lie inside the one before them are no nodes of their own."""
    encoded = [reference_rlp.encode(node) for node in tree.get_proof(keccak256(key))]
    return [node for place, node in enumerate(encoded) if place == 0 or len(node) >= 32]
