"""Chains for the tests, each behind a JSON-RPC address, with handles to mine, reorganise, lose and starve.

`TesterChain` runs eth-tester in this process and needs nothing else. `AnvilChain` runs a real node, the binary that
EXCHANGE_TEST_ANVIL names. `RemoteChain` is whatever node answers at EXCHANGE_TEST_NODE.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import rlp
from eth_account import Account as EthAccount
from eth_account.typed_transactions import TypedTransaction
from eth_tester.exceptions import BlockNotFound
from eth_utils import keccak, to_canonical_address, to_checksum_address
from hexbytes import HexBytes
from trie import HexaryTrie
from web3 import EthereumTesterProvider, Web3

# py-evm raises the limit to 100,000 as it is imported, at which nested input ends the whole process; this is the usual one.
sys.setrecursionlimit(1_000)

ETHER = 10**18


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Refused(Exception):  # noqa: N818 - what a node answers
    """The node's refusal of a call."""


class TesterChain:
    """eth-tester as a node: its chain, with a mempool that keeps geth's rule of 10 %, finality, proofs and a wire."""

    def __init__(self) -> None:
        self._provider = EthereumTesterProvider()
        self._web3 = Web3(self._provider, middleware=[])
        self._tester = self._provider.ethereum_tester
        self._turn = threading.RLock()
        self._waiting: dict[tuple[str, int], tuple[bytes, int]] = {}
        self._mines_at_once = True
        self._base_fee: int | None = None
        self.safe_depth = self.final_depth = 0
        self.is_legacy = False
        self.sent: list[bytes] = []
        self.port = free_port()
        self.refuses: set[str] = set()
        self._server: ThreadingHTTPServer | None = None
        # What eth-tester lacks, or answers otherwise than a node that others share.
        self._own: dict[str, Callable[..., Any]] = {
            "eth_sendRawTransaction": self._send,
            "eth_getTransactionCount": self._count,
            "eth_getTransactionByHash": self._transaction,
            "eth_getBlockByNumber": self._block,
            "eth_getProof": self._prove,
            "debug_getRawHeader": self._header,
        }
        self.chain_id = int(self._web3.manager.request_blocking("eth_chainId", []))
        self.up()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def up(self) -> None:
        chain = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answer = chain._answer(call["method"], call["params"]) | {"jsonrpc": "2.0", "id": call["id"]}
                body = json.dumps(answer, default=lambda value: HexBytes(value).to_0x_hex()).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def down(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    stop = down

    def fund(self, address: bytes, wei: int) -> None:
        with self._turn:
            self._tester.send_transaction(
                {"from": self._tester.get_accounts()[0], "to": "0x" + address.hex(), "gas": 21_000, "value": wei}
            )

    def mine_at_once(self, on: bool) -> None:
        self._mines_at_once = on
        if on:
            self.mine(1)

    def mine(self, blocks: int = 1) -> None:
        with self._turn:
            for place, (raw, most) in sorted(self._waiting.items(), key=lambda item: item[0][1]):
                if most >= (self._base_fee or 0):
                    self._tester.send_raw_transaction("0x" + raw.hex())
                    del self._waiting[place]
                    blocks -= 1
            if blocks > 0:
                self._tester.mine_blocks(blocks)

    def reorganise(self, depth: int) -> None:
        """Undo the last blocks, with what they held, and put one more in their place."""
        with self._turn:
            latest = self._tester.get_block_by_number("latest")["number"]
            block = self._tester.get_block_by_number(latest - depth)
            self._tester.backend.revert_to_snapshot(HexBytes(block["hash"]))
            self._tester.mine_blocks(depth + 1)

    def drop(self, *_: bytes) -> None:
        self._waiting.clear()

    def set_base_fee(self, wei: int | None) -> None:
        self._base_fee = wei

    def finality(self, *, safe: int, final: int) -> None:
        self.safe_depth, self.final_depth = safe, final

    def _answer(self, method: str, parameters: list[Any]) -> dict[str, Any]:
        with self._turn:
            try:
                if method in self.refuses:
                    raise Refused(f"the method {method} does not exist")
                if method in self._own:
                    return {"result": self._own[method](*parameters)}
                return {"result": self._ask(method, [self._place(item) for item in parameters])}
            except Exception as error:
                return {"error": {"code": -32000, "message": str(error)[:200] or type(error).__name__}}

    def _ask(self, method: str, parameters: list[Any]) -> Any:
        return self._web3.manager.request_blocking(method, parameters)

    def _place(self, item: Any) -> Any:
        """Return the block that a tag of finality stands for."""
        if item not in ("safe", "finalized"):
            return item
        latest = self._tester.get_block_by_number("latest")["number"]
        number = latest - (self.safe_depth if item == "safe" else self.final_depth)
        if number < 0:
            raise BlockNotFound(f"{item} block not found")
        return hex(number)

    def _send(self, text: str) -> str:
        raw = bytes(HexBytes(text))
        self.sent.append(raw)
        fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict() if raw[0] < 0x80 else None
        sender = EthAccount.recover_transaction(raw)
        nonce, most = (fields["nonce"], fields["maxFeePerGas"]) if fields else _legacy(raw)
        count = self._tester.get_nonce(sender)
        if nonce < count:
            raise Refused("nonce too low")
        earlier = self._waiting.get((sender, nonce))
        if earlier is not None and earlier[0] == raw:
            raise Refused("already known")
        if earlier is not None and most * 10 < earlier[1] * 11:
            raise Refused("replacement transaction underpriced")
        if fields and self._tester.get_balance(sender) < fields["gas"] * most:
            raise Refused("insufficient funds for gas * price + value")
        if self._mines_at_once and nonce == count and most >= (self._base_fee or 0):
            self._waiting.pop((sender, nonce), None)
            return str(self._tester.send_raw_transaction(text))
        self._waiting[sender, nonce] = (raw, most)
        return "0x" + keccak(raw).hex()

    def _count(self, address: str, block: str) -> int:
        if block != "pending":
            return int(self._ask("eth_getTransactionCount", [address, self._place(block)]))
        count = int(self._ask("eth_getTransactionCount", [address, "latest"]))
        waiting = {nonce for sender, nonce in self._waiting if sender.lower() == address.lower()}
        while count in waiting:
            count += 1
        return count

    def _transaction(self, text: str) -> Any:
        if any(keccak(raw) == HexBytes(text) for raw, _ in self._waiting.values()):
            return {"hash": text}
        return self._ask("eth_getTransactionByHash", [text])

    def _block(self, place: Any, full: bool) -> Any:
        block = dict(self._ask("eth_getBlockByNumber", [self._place(place), full]) or {})
        if place == "latest" and self._base_fee is not None:
            block["baseFeePerGas"] = self._base_fee
        if self.is_legacy:
            block.pop("baseFeePerGas", None)
        return block or None

    def _header(self, place: str) -> str:
        """Return the header itself; what eth-tester describes of a block has not all of its fields right."""
        chain = self._tester.backend.chain
        return "0x" + rlp.encode(chain.get_canonical_block_by_number(int(place, 16)).header).hex()

    def _prove(self, address: str, keys: list[str], place: Any) -> dict[str, Any]:
        number = int(place, 16) if str(place).startswith("0x") else self._tester.get_block_by_number(place)["number"]
        root = bytes(HexBytes(self._tester.get_block_by_number(number)["state_root"]))
        database = self._tester.backend.chain.chaindb.db
        key = keccak(to_canonical_address(address))
        storage_root = rlp.decode(HexaryTrie(database, root)[key])[2]
        storage = HexaryTrie(database, storage_root)
        return {
            "accountProof": _nodes(HexaryTrie(database, root), key),
            "storageProof": [{"key": item, "proof": _nodes(storage, keccak(HexBytes(item)))} for item in keys],
        }


def _legacy(raw: bytes) -> tuple[int, int]:
    fields = rlp.decode(raw)
    return int.from_bytes(fields[0], "big"), int.from_bytes(fields[1], "big")


def _nodes(trie: HexaryTrie, key: bytes) -> list[str]:
    encoded = [rlp.encode(node) for node in trie.get_proof(key)]
    # A node shorter than a hash lies inside the one before it, and the last is the empty node behind a leaf.
    return ["0x" + node.hex() for place, node in enumerate(encoded) if (place == 0 or len(node) >= 32)]


class RemoteChain:
    """A node at an address. Its handles are JSON-RPC calls that test nodes have; a test that needs a missing one is skipped.

    On a node without them accounts are funded by the key in EXCHANGE_TEST_NODE_KEY, and blocks are waited for.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.chain_id = int(self.call("eth_chainId"), 16)
        self._price = int(self.call("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16)
        # An earlier test may have told it otherwise; a node that is no test node mines when it will.
        with suppress(Refused):
            self.call("evm_setAutomine", True)

    def call(self, method: str, *parameters: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as response:
            answer = json.load(response)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["result"]

    def _handle(self, method: str, *parameters: Any) -> Any:
        try:
            return self.call(method, *parameters)
        except Refused as error:
            pytest.skip(f"this node does not do {method}: {error}")

    def fund(self, address: bytes, wei: int) -> None:
        try:
            self.call("anvil_setBalance", "0x" + address.hex(), hex(wei))
        except Refused:
            key = os.environ.get("EXCHANGE_TEST_NODE_KEY")
            if not key:
                pytest.skip("this node cannot give an account money: set EXCHANGE_TEST_NODE_KEY to a funded key")
            self._send_money(EthAccount.from_key(key), address, wei)

    def _send_money(self, payer: Any, address: bytes, wei: int) -> None:
        signed = payer.sign_transaction(
            {
                "chainId": self.chain_id, "nonce": int(self.call("eth_getTransactionCount", payer.address, "pending"), 16),
                "to": to_checksum_address(address), "value": wei, "gas": 21_000, "type": 2,
                "maxFeePerGas": 2 * self._price + 10**9, "maxPriorityFeePerGas": 10**9,
            }
        )  # fmt: skip
        sent = self.call("eth_sendRawTransaction", "0x" + bytes(signed.raw_transaction).hex())
        deadline = time.monotonic() + 120
        while self.call("eth_getTransactionReceipt", sent) is None:
            if time.monotonic() > deadline:
                raise RuntimeError("the money did not arrive")
            time.sleep(0.5)

    def mine_at_once(self, on: bool) -> None:
        self._handle("evm_setAutomine", on)
        if on:
            self.mine(1)

    def mine(self, blocks: int = 1) -> None:
        try:
            self.call("anvil_mine", hex(blocks))
        except Refused:
            self._wait_for(int(self.call("eth_blockNumber"), 16) + blocks)

    def _wait_for(self, number: int) -> None:
        deadline = time.monotonic() + 120
        while int(self.call("eth_blockNumber"), 16) < number and time.monotonic() < deadline:
            # Some nodes mine when they are told, others by the clock.
            with suppress(Refused):
                self.call("evm_mine")
                continue
            time.sleep(0.5)

    def reorganise(self, depth: int) -> None:
        self._handle("anvil_reorg", depth, [])
        self._handle("anvil_dropAllTransactions")
        self.mine(1)

    def drop(self, *hashes: bytes) -> None:
        for item in hashes:
            try:
                self.call("anvil_dropTransaction", "0x" + item.hex())
            except Refused as error:
                if "not found" in str(error).lower() and "method" in str(error).lower():
                    pytest.skip("this node forgets no transactions")

    def set_base_fee(self, wei: int | None) -> None:
        # The fee that a node tells is the last block's, so one must hold it.
        self._handle("anvil_setNextBlockBaseFeePerGas", hex(self._price if wei is None else wei))
        self.mine(1)
        self._handle("anvil_setNextBlockBaseFeePerGas", hex(self._price if wei is None else wei))

    def stop(self) -> None:
        pass


class AnvilChain(RemoteChain):
    """A real node of its own on a free port."""

    def __init__(self, binary: str, *options: str) -> None:
        self._command = [binary, "--host", "127.0.0.1", "--silent", *options]
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.up()
        super().__init__(self.url)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @url.setter
    def url(self, _: str) -> None:
        pass

    def up(self) -> None:
        self._process = subprocess.Popen(
            [*self._command, "--port", str(self.port)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 20
        while True:
            with suppress(OSError):
                self.call("eth_chainId")
                return
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError("the node did not start")
            time.sleep(0.02)

    def down(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    stop = down
