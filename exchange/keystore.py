"""The key store: root key, tenant keys, data keys (DESIGN: three layers), and the exchange's own signing keys.

The root key lies in a file with mode 0600, made by `exchange init`; there is no default. It wraps tenant keys (one a participant), which wrap data
keys and custodial private keys. Wrapping is AES-256-GCM with a random 96-bit nonce; the context (what the key is for) is authenticated.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from exchange.errors import SettingsError, StorageError

_FILE = "keystore.json"
_NONCE = 12
# Purposes of the exchange's own secrets; each is made once at `exchange init`.
LOG, STATEMENT, WEB, TOKENS = "log", "statement", "web", "tokens"
_PURPOSES = (LOG, STATEMENT, WEB, TOKENS)


def wrap(key: bytes, plaintext: bytes, context: str) -> bytes:
    """Return nonce + ciphertext of `plaintext` under the 32-byte `key`, bound to `context`."""
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, context.encode())


def unwrap(key: bytes, wrapped: bytes, context: str) -> bytes:
    """Return what `wrap` hid. Raises StorageError where key, context or bytes do not belong together."""
    try:
        return AESGCM(key).decrypt(wrapped[:_NONCE], wrapped[_NONCE:], context.encode())
    except (InvalidTag, ValueError) as error:
        raise StorageError(
            ("A stored key does not open with this key store.", "无法用当前密钥库打开已保存的密钥。"),
            ("Restore the key store that belongs to this database.", "请恢复与该数据库对应的密钥库。"),
            code="wrong-key",
        ) from error


class KeyStore:
    """Holds the root key in memory and gives wrapped keys in and out; never logs or prints a key."""

    def __init__(self, root: bytes, secrets_: dict[str, bytes]) -> None:
        self._root = root
        self._secrets = secrets_

    @classmethod
    def create(cls, folder: Path) -> KeyStore:
        """Make a new key store in `folder` (0700) as a file with mode 0600. Raises SettingsError where one exists."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / _FILE
        root = secrets.token_bytes(32)
        own = {purpose: secrets.token_bytes(32) for purpose in _PURPOSES}
        document = {
            "version": 1,
            "root": base64.b64encode(root).decode(),
            "wrapped": {
                name: base64.b64encode(wrap(root, value, f"own/{name}")).decode() for name, value in own.items()
            },
        }
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            raise SettingsError(
                f"There is a key store at {path} already; a new one would make all data unreadable.",
                "Use the one that is there, or name another folder with key_store.",
                field="key_store",
            ) from error
        with os.fdopen(handle, "w") as file:
            json.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        return cls(root, own)

    @classmethod
    def open(cls, folder: Path) -> KeyStore:
        """Read the key store of `folder`. Raises SettingsError when missing, malformed or readable by others."""
        path = folder / _FILE
        try:
            mode = path.stat().st_mode
            if stat.S_IMODE(mode) & 0o077:
                raise SettingsError(
                    f"The key store {path} can be read by other users of this machine.",
                    f"Run `chmod 600 {path}`.",
                    field="key_store",
                )
            document = json.loads(path.read_text())
            root = base64.b64decode(document["root"], validate=True)
            wrapped = {name: base64.b64decode(value) for name, value in document["wrapped"].items()}
        except FileNotFoundError as error:
            raise SettingsError(
                f"There is no key store at {path}.", "Run `exchange init` first.", field="key_store"
            ) from error
        except (json.JSONDecodeError, KeyError, ValueError, TypeError) as error:
            raise SettingsError(
                f"The key store {path} is damaged.", "Restore it from its backup.", field="key_store"
            ) from error
        return cls(root, {name: unwrap(root, value, f"own/{name}") for name, value in wrapped.items()})

    def secret(self, purpose: str) -> bytes:
        """Return the exchange's own 32-byte secret for `purpose` (LOG, STATEMENT, WEB or TOKENS)."""
        return self._secrets[purpose]

    def new_tenant_key(self, tenant: str) -> bytes:
        """Return a fresh tenant key, wrapped by the root key."""
        return wrap(self._root, secrets.token_bytes(32), f"tenant/{tenant}")

    def tenant(self, tenant: str, wrapped_key: bytes) -> TenantKeys:
        """Return the working keys of `tenant`; the tenant key is opened only when used."""
        return TenantKeys(tenant, lambda: unwrap(self._root, wrapped_key, f"tenant/{tenant}"))


class TenantKeys:
    """Wraps data keys and private keys of one tenant under its tenant key."""

    def __init__(self, tenant: str, key: Callable[[], bytes]) -> None:
        self.tenant = tenant
        self._key = key

    def wrap(self, plaintext: bytes, context: str) -> bytes:
        return wrap(self._key(), plaintext, f"{self.tenant}/{context}")

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        return unwrap(self._key(), wrapped, f"{self.tenant}/{context}")

    def derive(self, purpose: str) -> bytes:
        """Return a 32-byte secret of this tenant for one purpose; the same one each time, none of it stored."""
        return hmac.digest(self._key(), f"derive/{self.tenant}/{purpose}".encode(), hashlib.sha256)
