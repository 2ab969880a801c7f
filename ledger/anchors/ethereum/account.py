"""The account that anchors: a key of its own in a keystore file, and what it signs.

The key is none of the ledger's: whoever holds it can spend the account's gas money and anchor under its name, nothing
else. The file is the keystore of Ethereum's own tools (Web3 Secret Storage, version 3), so any of them can make it.
"""

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.anchors.ethereum.chain import Link, anchor_call, checksum_address, parse_address
from ledger.anchors.ethereum.importing import kept_recursion_limit
from ledger.errors import AnchorError, ProofError


@dataclass(frozen=True)
class Fees:
    """The most that a transaction pays in wei of gas, and its tip; `tip` is None on a chain without EIP-1559."""

    most: int
    tip: int | None


@dataclass(frozen=True)
class Signed:
    """A signed transaction as it goes to the network, and its hash."""

    raw: bytes
    hash: bytes


class Account:
    """Signs transactions with a key in memory; it never shows it."""

    def __init__(self, key: bytes) -> None:
        made = _eth_account().from_key(key)
        self._account = made
        self.address = parse_address(made.address)

    @classmethod
    def open(cls, keystore: Path, password: str) -> "Account":
        """Return the account in a keystore file.

        Raises AnchorError when the file is missing, malformed, readable by others, or of another password.
        """
        document = _read_private(keystore, "keystore")
        try:
            return cls(bytes(_eth_account().decrypt(document, password)))
        except (ValueError, TypeError, KeyError, AttributeError, NotImplementedError) as error:
            raise AnchorError("keystore", f"the keystore {keystore} does not open with this password") from error

    def sign_anchor(self, chain_id: int, contract: bytes, link: Link, nonce: int, gas: int, fees: Fees) -> Signed:
        """Return the transaction that anchors a tree head."""
        return self._sign(chain_id, nonce, gas, fees, {"to": checksum_address(contract), "data": anchor_call(link)})

    def sign_deployment(self, chain_id: int, bytecode: bytes, nonce: int, gas: int, fees: Fees) -> Signed:
        """Return the transaction that deploys a contract."""
        return self._sign(chain_id, nonce, gas, fees, {"data": bytecode})

    def _sign(self, chain_id: int, nonce: int, gas: int, fees: Fees, content: dict[str, Any]) -> Signed:
        price: dict[str, Any] = {"gasPrice": fees.most}
        if fees.tip is not None:
            price = {"type": 2, "maxFeePerGas": fees.most, "maxPriorityFeePerGas": fees.tip}
        signed = self._account.sign_transaction(
            {"chainId": chain_id, "nonce": nonce, "gas": gas, "value": 0, **price, **content}
        )
        return Signed(bytes(signed.raw_transaction), bytes(signed.hash))


def create_keystore(path: Path, password: str, *, iterations: int | None = None) -> bytes:
    """Make a new key in a keystore file of mode 0600 and return its address. Raises AnchorError where a file exists.

    `iterations`: the work of scrypt (its N), for tests; as strong as geth's without it.
    """
    made = _eth_account().create()
    document = _eth_account().encrypt(made.key, password, kdf="scrypt", iterations=iterations)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise AnchorError("keystore", f"{path} exists already; a new key would take the place of another") from error
    except OSError as error:
        raise AnchorError("keystore", f"{path} cannot be written: {error.strerror}") from error
    with os.fdopen(handle, "w") as file:
        json.dump(document, file)
        file.flush()
        os.fsync(file.fileno())
    return parse_address(made.address)


def keystore_address(path: Path) -> bytes | None:
    """Return the address that a keystore file names, without opening it; None where it names none."""
    try:
        return parse_address("0x" + json.loads(path.read_text("utf-8"))["address"].removeprefix("0x"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ProofError):
        return None


def read_password(path: Path) -> str:
    """Return the password in a file, without the line break at its end. Raises AnchorError as for the keystore."""
    return _read_private(path, "password file").rstrip("\r\n")


def _read_private(path: Path, what: str) -> str:
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise AnchorError("keystore", f"the {what} {path} can be read by other users: run `chmod 600 {path}`")
        return path.read_text("utf-8")
    except OSError as error:
        raise AnchorError("keystore", f"the {what} {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise AnchorError("keystore", f"the {what} {path} is not text") from error


def _eth_account() -> Any:
    try:
        with kept_recursion_limit():
            from eth_account import Account as EthAccount
    except ImportError as error:
        raise AnchorError("extra-missing", "anchoring needs web3: install the extra `ethereum`") from error
    return EthAccount
