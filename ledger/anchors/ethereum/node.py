"""A node of the chain, over JSON-RPC: the few questions that anchoring asks, in plain values.

Answers are read as the node sends them, without web3's formatters, which refuse the headers of many private chains. No
decision rests on the text of a refusal, since every client words it otherwise.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ledger.anchors.ethereum import header
from ledger.anchors.ethereum.chain import Link, anchor_call, artefact, checksum_address, head_call
from ledger.anchors.ethereum.importing import kept_recursion_limit
from ledger.anchors.ethereum.keccak import keccak256
from ledger.errors import AnchorError, ProofError

TIMEOUT_SECONDS = 10
ETHER = 10**18
Post = Callable[[str, bytes], bytes]
"""POST a JSON body to an address and return the body of a 200. Raises AnchorError."""

_FEE_BLOCKS = 10
_TIP_PERCENTILE = 50
_DEFAULT_TIP = 10**9


@dataclass(frozen=True)
class Market:
    """What a transaction costs in wei of gas now. `base_fee` is None on a chain without EIP-1559, where `tip` is the price."""

    base_fee: int | None
    tip: int


@dataclass(frozen=True)
class Block:
    """A block by its place and name. `time` is in seconds since 1970."""

    number: int
    hash: bytes
    time: int


@dataclass(frozen=True)
class Receipt:
    """Where a transaction was mined, and what it cost."""

    block_number: int
    block_hash: bytes
    succeeded: bool
    gas_used: int
    gas_price: int
    contract: bytes | None


class Node:
    """A node behind a web3 provider. Every method raises AnchorError where the node gives no usable answer."""

    def __init__(self, provider: Any) -> None:
        Web3 = _web3()  # noqa: N806 - it is a class
        self._web3 = Web3(provider, middleware=[])

    @classmethod
    def at(cls, address: str, post: Post | None = None) -> "Node":
        """Return the node at an http(s) address. `post` carries the calls, where somebody has rules about what may leave."""
        _web3()
        from web3 import HTTPProvider

        if post is not None:
            return cls(_posted(address, post))
        # A redirect could lead anywhere, and no node needs one.
        options = {"timeout": TIMEOUT_SECONDS, "allow_redirects": False}
        return cls(HTTPProvider(address, options, exception_retry_configuration=None))

    def chain_id(self) -> int:
        """Return the number of the chain that the node follows."""
        return _number(self._ask("eth_chainId"))

    def transactions(self, sender: bytes, block: str = "latest") -> int:
        """Return how many transactions of an account that block and those before it hold."""
        return _number(self._ask("eth_getTransactionCount", _hex(sender), block))

    def balance(self, account: bytes) -> int:
        """Return the wei of an account."""
        return _number(self._ask("eth_getBalance", _hex(account), "latest"))

    def code(self, account: bytes) -> bytes:
        """Return the code of an account, empty where there is none."""
        return _bytes(self._ask("eth_getCode", _hex(account), "latest"))

    def head(self, contract: bytes, sender: bytes, block: str = "latest") -> bytes:
        """Return the head that the contract keeps for a sender."""
        head = _bytes(self._ask("eth_call", {"to": _hex(contract), "data": _hex(head_call(sender))}, block))
        if len(head) != 32:
            raise _unusable("eth_call")
        return head

    def market(self) -> Market:
        """Return the base fee of the next block and the tip that half of the recent transactions paid."""
        base_fee = self._block("latest").get("baseFeePerGas")
        if base_fee is None:
            return Market(None, _number(self._ask("eth_gasPrice")))
        return Market(_number(base_fee), self._tip())

    def estimate(self, sender: bytes, contract: bytes, link: Link) -> int:
        """Return the gas that anchoring a tree head takes after the latest block."""
        # Nodes left to choose count what waits already, and what waits may never be mined.
        call = {"from": _hex(sender), "to": _hex(contract), "data": _hex(anchor_call(link))}
        return _number(self._ask("eth_estimateGas", call, "latest"))

    def estimate_deployment(self, sender: bytes, bytecode: bytes) -> int:
        """Return the gas that deploying a contract takes now."""
        return _number(self._ask("eth_estimateGas", {"from": _hex(sender), "data": _hex(bytecode)}))

    def send(self, raw: bytes) -> None:
        """Hand a signed transaction to the network. Sending the same bytes again does no harm."""
        self._ask("eth_sendRawTransaction", _hex(raw))

    def knows(self, transaction: bytes) -> bool:
        """Say whether the node has a transaction, mined or waiting."""
        return self._ask("eth_getTransactionByHash", _hex(transaction)) is not None

    def receipt(self, transaction: bytes) -> Receipt | None:
        """Return where a transaction was mined; None while it was not, or when a reorganisation undid it."""
        found = self._ask("eth_getTransactionReceipt", _hex(transaction))
        if found is None or found.get("blockHash") is None:
            return None
        contract = found.get("contractAddress")
        return Receipt(
            block_number=_number(found.get("blockNumber")),
            block_hash=_bytes(found.get("blockHash")),
            # Before Byzantium receipts had no status; a chain that old is not served.
            succeeded=_number(found.get("status")) == 1,
            gas_used=_number(found.get("gasUsed")),
            gas_price=_number(found.get("effectiveGasPrice") or 0),
            contract=None if contract is None else _bytes(contract),
        )

    def block(self, place: str | int) -> Block | None:
        """Return the block of a number or tag (latest, safe, finalized); None where the chain has none."""
        try:
            found = self._block(place)
        except AnchorError as error:
            # Chains without finality refuse the tag; it then means the same as having no such block.
            if error.code == "node-refused" and place in ("safe", "finalized"):
                return None
            raise
        if not found:
            return None
        return Block(_number(found.get("number")), _bytes(found.get("hash")), _number(found.get("timestamp")))

    def prove(self, contract: bytes, key: bytes, number: int) -> tuple[bytes, tuple[bytes, ...], tuple[bytes, ...]]:
        """Return the header's bytes of a block, and the nodes that prove the contract's account and one storage slot in it."""
        answer = self._ask("eth_getProof", _hex(contract), [_hex(key)], hex(number))
        try:
            account = tuple(map(_bytes, answer["accountProof"]))
            storage = tuple(map(_bytes, answer["storageProof"][0]["proof"]))
        except (KeyError, IndexError, TypeError) as error:
            raise _unusable("eth_getProof") from error
        return self._header(number), account, storage

    def _header(self, number: int) -> bytes:
        """Return a block's header, made of the block's fields or, where those do not give its hash, as the node keeps it."""
        found = self._block(number)
        expected = _bytes(found.get("hash"))
        try:
            encoded = header.encode_block(found)
        except ProofError:
            encoded = b""
        if keccak256(encoded) != expected:
            encoded = _bytes(self._ask("debug_getRawHeader", hex(number)))
        if keccak256(encoded) != expected:
            raise AnchorError("header", f"the header of block {number} does not have the block's hash", number=number)
        return encoded

    def _tip(self) -> int:
        try:
            history = self._ask("eth_feeHistory", hex(_FEE_BLOCKS), "latest", [_TIP_PERCENTILE])
            tips = sorted(_number(row[0]) for row in history.get("reward") or [] if row)
        except AnchorError as error:
            if error.code != "node-refused":
                raise
            tips = []
        paid = [tip for tip in tips if tip > 0]
        return paid[len(paid) // 2] if paid else _DEFAULT_TIP

    def _block(self, place: str | int) -> dict[str, Any]:
        asked = hex(place) if isinstance(place, int) else place
        return self._ask("eth_getBlockByNumber", asked, False) or {}

    def _ask(self, method: str, *parameters: Any) -> Any:
        import requests
        from web3.exceptions import Web3RPCError

        try:
            return self._web3.manager.request_blocking(method, list(parameters))
        except AnchorError:
            raise
        except Web3RPCError as error:
            raise AnchorError(
                "node-refused", f"the node refuses {method}: {str(error)[:300]}", method=method
            ) from error
        except requests.HTTPError as error:
            status = 0 if error.response is None else error.response.status_code
            raise AnchorError("node-refused", f"the node answers HTTP {status}", method=method) from error
        except (requests.RequestException, OSError) as error:
            # The address may carry a key, so only the kind of failure is told.
            raise AnchorError("node-unreachable", f"the node does not answer ({type(error).__name__})") from error
        except Exception as error:
            # Providers raise errors of their own for what they lack or refuse, and none of them shares a root.
            raise AnchorError(
                "node-refused", f"the node refuses {method} ({type(error).__name__})", method=method
            ) from error


def require_chain(node: Node, chain_id: int) -> None:
    """Raise AnchorError unless the node follows this chain."""
    found = node.chain_id()
    if found != chain_id:
        sentence = f"the node follows chain {found}, the settings name chain {chain_id}"
        raise AnchorError("wrong-chain", sentence, found=found, expected=chain_id)


def require_contract(node: Node, contract: bytes) -> None:
    """Raise AnchorError unless the contract stands at its address, exactly as this package ships it."""
    found = node.code(contract)
    if found != artefact().runtime:
        what = "other code" if found else "no contract"
        address = checksum_address(contract)
        raise AnchorError("wrong-contract", f"there is {what} at {address}", contract=address)


def require_balance(node: Node, account: bytes, needed: int) -> None:
    """Raise AnchorError unless the account can pay `needed` wei."""
    found = node.balance(account)
    if found < needed:
        address = checksum_address(account)
        sentence = f"the account {address} has {ether(found)} ether, and a transaction may take {ether(needed)}"
        raise AnchorError("balance", sentence, account=address, found=ether(found), needed=ether(needed))


def ether(wei: int) -> str:
    """Return wei as ether, as people write it."""
    return f"{wei // ETHER}.{wei % ETHER:018d}".rstrip("0").rstrip(".")


def _posted(address: str, post: Post) -> Any:
    """Return a provider of web3 whose calls go through `post`."""
    from web3.providers.base import JSONBaseProvider
    from web3.types import RPCEndpoint, RPCResponse

    class Posted(JSONBaseProvider):
        def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
            return self.decode_rpc_response(post(address, self.encode_rpc_request(method, params)))

    return Posted()


def _web3() -> Any:
    try:
        with kept_recursion_limit():
            from web3 import Web3
    except ImportError as error:
        raise AnchorError("extra-missing", "anchoring needs web3: install the extra `ethereum`") from error
    return Web3


def _unusable(method: str) -> AnchorError:
    return AnchorError("node-refused", f"the node's answer to {method} cannot be read", method=method)


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _number(value: Any) -> int:
    try:
        return value if isinstance(value, int) else int(value, 16)
    except (TypeError, ValueError) as error:
        raise _unusable("a number") from error


def _bytes(value: Any) -> bytes:
    try:
        return bytes(value) if isinstance(value, bytes) else bytes.fromhex(value.removeprefix("0x"))
    except (TypeError, ValueError, AttributeError) as error:
        raise _unusable("a hash") from error
