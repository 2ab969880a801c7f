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
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from exchange import files
from exchange.errors import SettingsError, StorageError

FILE = "keystore.json"
_VERSION = 1
_KEY, _NONCE = 32, 12
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
        """Make a new key store in `folder` (0700) as a file with mode 0600, whole and durable or not at all.

        Raises SettingsError where one exists, also when another process was faster.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / FILE
        root = secrets.token_bytes(_KEY)
        own = {purpose: secrets.token_bytes(_KEY) for purpose in _PURPOSES}
        document = {
            "version": _VERSION,
            "root": base64.b64encode(root).decode(),
            "wrapped": {
                name: base64.b64encode(wrap(root, value, f"own/{name}")).decode() for name, value in own.items()
            },
        }
        try:
            files.create(path, json.dumps(document).encode())
        except FileExistsError as error:
            raise SettingsError(
                (f"There is a key store at {path} already; a new one would make all data unreadable.",
                 f"{path} 已有密钥库；新建密钥库会使所有数据无法读取。"),
                ("Use the one that is there, or name another folder with key_store.", "请使用现有密钥库，或用 key_store 指定其他文件夹。"),
                field="key_store",
            ) from error  # fmt: skip
        return cls(root, own)

    @classmethod
    def open(cls, folder: Path) -> KeyStore:
        """Read the key store of `folder`. Raises SettingsError when missing, malformed or readable by others."""
        path = folder / FILE
        document = _read(path)
        try:
            if document["version"] != _VERSION:
                raise _unusable(path, f"is of the unknown form {document['version']!r}")
            root = _key(document["root"])
            wrapped = {name: _decoded(document["wrapped"][name]) for name in _PURPOSES}
            own = {name: unwrap(root, value, f"own/{name}") for name, value in wrapped.items()}
        except (KeyError, ValueError, TypeError, StorageError) as error:
            raise _unusable(path, "is damaged") from error
        if {len(value) for value in own.values()} != {_KEY}:
            raise _unusable(path, "is damaged")
        return cls(root, own)

    def secret(self, purpose: str) -> bytes:
        """Return the exchange's own 32-byte secret for `purpose` (LOG, STATEMENT, WEB or TOKENS)."""
        return self._secrets[purpose]

    def new_tenant_key(self, tenant: str) -> bytes:
        """Return a fresh tenant key, wrapped by the root key."""
        return wrap(self._root, secrets.token_bytes(32), f"tenant/{tenant}")

    def tenant(self, tenant: str, wrapped_key: bytes) -> TenantKeys:
        """Return the working keys of `tenant`; the tenant key is opened only when used."""
        return TenantKeys(tenant, lambda: unwrap(self._root, wrapped_key, f"tenant/{tenant}"))


def _read(path: Path) -> Any:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SettingsError(
            (f"There is no key store at {path}.", f"{path} 没有密钥库。"),
            ("Run `exchange init` first, with the same home folder.", "请先对同一主文件夹运行 `exchange init`。"),
            field="key_store",
        ) from error
    except OSError as error:
        raise _unusable(path, f"cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise _unusable(path, "is damaged") from error
    if mode & 0o077:
        raise SettingsError(
            (f"The key store {path} can be read by other users of this machine.", f"本机其他用户可读取密钥库 {path}。"),
            (f"Run `chmod 600 {path}`.", f"请运行 `chmod 600 {path}`。"),
            field="key_store",
        )
    try:
        return json.loads(text)
    except ValueError as error:
        raise _unusable(path, "is damaged") from error


def _unusable(path: Path, how: str) -> SettingsError:
    return SettingsError(
        (f"The key store {path} {how}.", f"密钥库 {path} 无法使用。"),
        ("Restore it from its backup; a new one could not open this database.", "请从备份恢复；新密钥库无法打开现有数据库。"),
        field="key_store",
    )  # fmt: skip


def _decoded(text: Any) -> bytes:
    if not isinstance(text, str):
        raise TypeError("A key stands as text.")
    return base64.b64decode(text, validate=True)


def _key(text: Any) -> bytes:
    key = _decoded(text)
    if len(key) != _KEY:
        raise ValueError("A key has 32 bytes.")
    return key


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
