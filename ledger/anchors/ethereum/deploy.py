"""Putting the contract on a chain, once; any account may, since nobody owns it."""

from collections.abc import Callable

from ledger.anchors.ethereum import fees, rlp
from ledger.anchors.ethereum.account import Account
from ledger.anchors.ethereum.chain import artefact, checksum_address
from ledger.anchors.ethereum.keccak import keccak256
from ledger.anchors.ethereum.node import Node, require_balance, require_chain, require_contract
from ledger.errors import AnchorError

_GAS_MARGIN = (5, 4)
_LEAST_GAS = 120_000


def deploy(
    node: Node, account: Account, chain_id: int, cap: int, sleep: Callable[[float], object], *, attempts: int = 60
) -> bytes:
    """Deploy AnchorChain and return its address, once it stands in a block.

    `sleep` is called with seconds between two looks, `attempts` times at most. Raises AnchorError, with the address that
    the contract will have when its transaction only waits.
    """
    require_chain(node, chain_id)
    contract = artefact()
    nonce = node.transactions(account.address, "pending")
    offered = fees.offer(node.market(), cap)
    try:
        needed = node.estimate_deployment(account.address, contract.bytecode)
    except AnchorError:
        # Some nodes cannot estimate for an account that could not pay.
        require_balance(node, account.address, _LEAST_GAS * offered.most)
        raise
    gas = needed * _GAS_MARGIN[0] // _GAS_MARGIN[1]
    require_balance(node, account.address, gas * offered.most)
    signed = account.sign_deployment(chain_id, contract.bytecode, nonce, gas, offered)
    address = contract_address(account.address, nonce)
    node.send(signed.raw)
    for _ in range(attempts):
        if node.receipt(signed.hash) is not None:
            require_contract(node, address)
            return address
        sleep(2.0)
    sentence = f"the deployment waits to be mined; the contract will stand at {checksum_address(address)}"
    raise AnchorError("deploying", sentence, contract=checksum_address(address))


def contract_address(sender: bytes, nonce: int) -> bytes:
    """Return the address of the contract that a transaction deploys (Yellow Paper, section 7)."""
    return keccak256(rlp.encode([sender, rlp.encode_int(nonce)]))[12:]
