"""Block headers: their bytes, their hash and what they say (Yellow Paper, section 4.3, and the upgrades since)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ledger.anchors.ethereum import rlp
from ledger.anchors.ethereum.keccak import keccak256
from ledger.errors import ProofError

# In the order of the header: the name in JSON-RPC, and the size in bytes where it is fixed (None: a number; 0: any bytes).
_FIELDS = (
    ("parentHash", 32),
    ("sha3Uncles", 32),
    ("miner", 20),
    ("stateRoot", 32),
    ("transactionsRoot", 32),
    ("receiptsRoot", 32),
    ("logsBloom", 256),
    ("difficulty", None),
    ("number", None),
    ("gasLimit", None),
    ("gasUsed", None),
    ("timestamp", None),
    ("extraData", 0),
    ("mixHash", 32),
    ("nonce", 8),
)
# What upgrades have added since, each behind the one before it; a header has the first few of them.
_LATER_FIELDS = (
    ("baseFeePerGas", None),
    ("withdrawalsRoot", 32),
    ("blobGasUsed", None),
    ("excessBlobGas", None),
    ("parentBeaconBlockRoot", 32),
    ("requestsHash", 32),
    ("blockAccessListHash", 32),
    ("slotNumber", None),
)
_MAX_BYTES = 4096
_STATE_ROOT, _NUMBER, _TIMESTAMP = 3, 8, 11
_LAST_SECOND = 253_402_300_799


@dataclass(frozen=True)
class Header:
    """What an anchor's proof needs of a block header, and its bytes."""

    encoded: bytes
    number: int
    time: datetime
    state_root: bytes

    @property
    def hash(self) -> bytes:
        """Return the hash by which everybody knows this block."""
        return keccak256(self.encoded)


def parse(encoded: bytes) -> Header:
    """Return the header that these bytes are. Raises ProofError when they are none."""
    if len(encoded) > _MAX_BYTES:
        raise ProofError("a block header is not that long")
    fields = rlp.decode_list(encoded)
    if not len(_FIELDS) <= len(fields) or not all(isinstance(item, bytes) for item in fields):
        raise ProofError("the block header is malformed")
    for (name, size), item in zip(_FIELDS, fields, strict=False):
        if size and len(item) != size:
            raise ProofError(f"the block header's {name} is not {size} bytes")
    state_root, seconds = fields[_STATE_ROOT], rlp.decode_int(fields[_TIMESTAMP])
    if not isinstance(state_root, bytes) or seconds > _LAST_SECOND:
        raise ProofError("the block header is malformed")
    return Header(encoded, rlp.decode_int(fields[_NUMBER]), datetime.fromtimestamp(seconds, UTC), state_root)


def encode_block(block: Mapping[str, Any]) -> bytes:
    """Return the header's bytes of a block as JSON-RPC describes it. Raises ProofError when a field is missing.

    Whether they are right only the hash can say: a chain may add fields that are not known here.
    """
    present = [*_FIELDS, *((name, size) for name, size in _LATER_FIELDS if block.get(name) is not None)]
    return rlp.encode([_field(name, block.get(name), size) for name, size in present])


def _field(name: str, value: Any, size: int | None) -> bytes:
    try:
        if size is None:
            return rlp.encode_int(value if isinstance(value, int) else int(value, 16))
        if isinstance(value, int):
            return value.to_bytes(size, "big")
        data = bytes.fromhex(value.removeprefix("0x"))
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ProofError(f"the node's block has no usable {name}") from error
    if size and len(data) != size:
        raise ProofError(f"the node's block has a {name} of {len(data)} bytes")
    return data
