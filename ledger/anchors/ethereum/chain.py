"""The contract AnchorChain: its artefact, its calls, and the chain of hashes that it keeps.

Source (`AnchorChain.vy`) and compiled artefact (`AnchorChain.json`) lie beside this module; `make test-chain` compiles
the source anew, byte for byte.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from ledger.anchors.ethereum.keccak import keccak256
from ledger.errors import ProofError
from ledger.hashing import HASH_SIZE

ADDRESS_SIZE = 20
EMPTY_HEAD = bytes(32)
_ANCHOR, _HEAD = keccak256(b"anchor(bytes32,uint64)")[:4], keccak256(b"head(address)")[:4]


@dataclass(frozen=True)
class Link:
    """One tree head of the log as it was anchored."""

    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not 0 <= self.size < 2**64 or len(self.root) != HASH_SIZE:
            raise ProofError("an anchored tree head has a 64-bit size and a root of 32 bytes")


@dataclass(frozen=True)
class Artefact:
    """The compiled contract. `runtime` is the code that stands on the chain, `bytecode` what deploys it."""

    compiler: str
    abi: list[dict[str, Any]]
    bytecode: bytes
    runtime: bytes
    slot: int

    @property
    def code_hash(self) -> bytes:
        """Return the hash that an account of this code has in the state tree."""
        return keccak256(self.runtime)


@lru_cache(maxsize=1)
def artefact() -> Artefact:
    """Return the contract that this package ships."""
    found = json.loads(resources.files(__package__).joinpath("AnchorChain.json").read_text("utf-8"))
    return Artefact(
        compiler=found["compiler"],
        abi=found["abi"],
        bytecode=bytes.fromhex(found["bytecode"][2:]),
        runtime=bytes.fromhex(found["runtime"][2:]),
        slot=found["storage"]["head"]["slot"],
    )


def next_head(head: bytes, link: Link) -> bytes:
    """Return the sender's head after it anchored a tree head."""
    return keccak256(head + link.root + link.size.to_bytes(32, "big"))


def head_after(previous: bytes, links: Iterable[Link]) -> bytes:
    """Return the head that `links` lead to, one after another, from the head before them."""
    for link in links:
        previous = next_head(previous, link)
    return previous


def storage_key(sender: bytes) -> bytes:
    """Return the 32-byte key of the storage slot that holds the head of a sender."""
    return keccak256(artefact().slot.to_bytes(32, "big") + sender.rjust(32, b"\0"))


def anchor_call(link: Link) -> bytes:
    """Return the data of a transaction that anchors a tree head."""
    return _ANCHOR + link.root + link.size.to_bytes(32, "big")


def head_call(sender: bytes) -> bytes:
    """Return the data of a call that asks for the head of a sender."""
    return _HEAD + sender.rjust(32, b"\0")


def checksum_address(address: bytes) -> str:
    """Return an address as people write it, with the checksum in its capitals (EIP-55)."""
    text = address.hex()
    digest = keccak256(text.encode()).hex()
    return "0x" + "".join(
        letter.upper() if int(mark, 16) > 7 else letter for letter, mark in zip(text, digest, strict=False)
    )


def parse_address(text: str) -> bytes:
    """Return the 20 bytes of an address. Raises ProofError when malformed or when its checksum is wrong."""
    try:
        address = bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise ProofError(f"{text[:60]!r} is no address") from error
    if len(address) != ADDRESS_SIZE or len(text) != 2 + 2 * ADDRESS_SIZE or not text.startswith("0x"):
        raise ProofError(f"{text[:60]!r} is no address of 20 bytes")
    if text[2:] not in (text[2:].lower(), text[2:].upper()) and text != checksum_address(address):
        raise ProofError(f"{text!r} has a wrong checksum: a character was mistyped")
    return address
