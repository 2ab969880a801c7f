"""The proof of an anchor, checked offline: from a tree head of the log to the hash of a block.

A block's header names the state of all accounts; the account of the contract names its storage; the storage holds the
sender's head; and the head commits to every tree head that the sender anchored. All of it is hashes, so it can be
checked on any computer. What remains is one comparison: whether that block stands in the chain which the auditor
trusts. Any node, block explorer or witness of that chain answers it by the block's number and hash.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ledger import checkpoint
from ledger.anchors.ethereum import header, rlp, trie
from ledger.anchors.ethereum.chain import (
    Link,
    artefact,
    checksum_address,
    head_after,
    parse_address,
    storage_key,
)
from ledger.anchors.ethereum.header import Header
from ledger.canonical import decode, encode
from ledger.errors import CanonicalError, ProofError, SignatureError

FORMAT = "industrial-data-exchange/ethereum-anchor/v1"
MAX_BYTES = 1 << 20
MAX_LINKS = 10_000


@dataclass(frozen=True)
class AnchorProof:
    """What was anchored, where, and the path from there to a block.

    `chain_id` and `transaction` help to find the place and are not proven by themselves: the block's hash is. `note` is
    the log's signed checkpoint of the last link.
    """

    chain_id: int
    contract: bytes
    sender: bytes
    transaction: bytes
    previous: bytes
    links: tuple[Link, ...]
    header: bytes
    account: tuple[bytes, ...]
    storage: tuple[bytes, ...]
    note: str

    @property
    def link(self) -> Link:
        """Return the tree head that this proof is about, the last that was anchored."""
        return self.links[-1]

    def to_bytes(self) -> bytes:
        """Return the proof as canonical JSON."""
        return encode(
            {
                "format": FORMAT,
                "chain_id": str(self.chain_id),
                "contract": checksum_address(self.contract),
                "sender": checksum_address(self.sender),
                "transaction": _hex(self.transaction),
                "previous": _hex(self.previous),
                "links": [{"size": str(link.size), "root": _hex(link.root)} for link in self.links],
                "header": _hex(self.header),
                "account": [_hex(node) for node in self.account],
                "storage": [_hex(node) for node in self.storage],
                "checkpoint": self.note,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "AnchorProof":
        """Return the proof in a file. Raises ProofError when it is malformed."""
        if len(data) > MAX_BYTES:
            raise ProofError("a file of that size is no anchor's proof")
        try:
            document = decode(data)
            if document["format"] != FORMAT:
                raise ProofError(f"the format is not {FORMAT}")
            links = tuple(Link(_number(item["size"]), _bytes(item["root"])) for item in document["links"])
            proof = cls(
                chain_id=_number(document["chain_id"]),
                contract=parse_address(document["contract"]),
                sender=parse_address(document["sender"]),
                transaction=_bytes(document["transaction"]),
                previous=_bytes(document["previous"]),
                links=links,
                header=_bytes(document["header"]),
                account=tuple(map(_bytes, document["account"])),
                storage=tuple(map(_bytes, document["storage"])),
                note=document["checkpoint"],
            )
        except (CanonicalError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise ProofError(f"not an anchor's proof: {error}") from error
        if not 0 < len(links) <= MAX_LINKS or len(proof.previous) != 32 or not isinstance(proof.note, str):
            raise ProofError("not an anchor's proof: its links lead nowhere")
        return proof


@dataclass(frozen=True)
class Evidence:
    """What a verified proof shows. `block_time` is the chain's own clock, which its validators keep within seconds."""

    proof: AnchorProof
    block: Header

    @property
    def words(self) -> str:
        """Return in one sentence what is proven, and what is left to compare."""
        return f"{self.fact}, if that block stands in the chain you trust: compare its hash with a node or an explorer"

    @property
    def fact(self) -> str:
        """Return what holds once the block is known to stand in the chain."""
        return (
            f"the log's first {self.proof.link.size} entries were fixed by {self.block.time:%Y-%m-%dT%H:%M:%SZ}, the time"
            f" of block {self.block.number} with hash 0x{self.block.hash.hex()} (chain {self.proof.chain_id}, account"
            f" {checksum_address(self.proof.sender)}, contract {checksum_address(self.proof.contract)})"
        )


def is_proof(data: bytes) -> bool:
    """Say whether bytes mean to be an anchor's proof, sound or not."""
    return data.lstrip().startswith(b"{") and FORMAT.encode() in data[:MAX_BYTES]


def verify_anchor(proof: AnchorProof, *vkeys: str) -> Evidence:
    """Return what the proof shows; nothing but the proof is looked at.

    With the log's key, or several that it may be, the checkpoint in it must be signed by one of them over the anchored
    tree head. Raises ProofError or SignatureError, naming the step that does not hold.
    """
    block = header.parse(proof.header)
    storage_root = _account(proof, block.state_root)
    expected = head_after(proof.previous, proof.links)
    if _head(proof, storage_root) != expected:
        raise ProofError("the contract holds another head than the anchored tree heads lead to")
    if vkeys:
        signed = _signed(proof.note, vkeys)
        if Link(signed.size, signed.root) != proof.link:
            raise SignatureError("the signed checkpoint in the proof is not the tree head that was anchored")
    return Evidence(proof, block)


def _signed(note: str, vkeys: Sequence[str]) -> checkpoint.Checkpoint:
    problem = SignatureError("no key is given")
    for vkey in vkeys:
        try:
            return checkpoint.verify(note, vkey)
        except SignatureError as error:
            problem = error
    raise problem


def _account(proof: AnchorProof, state_root: bytes) -> bytes:
    """Return the storage root of the contract's account, whose code must be AnchorChain's."""
    fields = rlp.decode_list(trie.prove(state_root, proof.contract, proof.account))
    if len(fields) != 4:
        raise ProofError("the account in the state tree is malformed")
    storage_root, code_hash = fields[2], fields[3]
    if code_hash != artefact().code_hash:
        raise ProofError(f"the code at {checksum_address(proof.contract)} is not the contract AnchorChain")
    if not isinstance(storage_root, bytes) or len(storage_root) != 32:
        raise ProofError("the account in the state tree is malformed")
    return storage_root


def _head(proof: AnchorProof, storage_root: bytes) -> bytes:
    value = rlp.decode(trie.prove(storage_root, storage_key(proof.sender), proof.storage))
    if not isinstance(value, bytes) or len(value) > 32:
        raise ProofError("the storage slot is malformed")
    return value.rjust(32, b"\0")


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _bytes(text: str) -> bytes:
    if not text.startswith("0x"):
        raise ValueError("hex begins with 0x")
    return bytes.fromhex(text[2:])


def _number(text: str) -> int:
    if not (isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= 78):
        raise ValueError("numbers are decimal digits in quotes")
    return int(text)
