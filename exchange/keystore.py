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
# A secret on its way into its place, and a log key that signs beside the new one for a while.
COMING, FORMER_LOG = "next/", "former/log"
# Under which name the public proofs of the log's changes of key are noted.
SUCCESSIONS = "successions"
_NEXT_ROOT = f"{COMING}root"


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

    def __init__(self, path: Path, root: bytes, secrets_: dict[str, bytes], changes: dict[str, Any]) -> None:
        self._path = path
        self._root = root
        self._secrets = secrets_
        # What a change of keys leaves behind: see exchange.keychange.
        self._changes = changes
        # The handle by which this process says that it uses the key store; closed with it.
        self.held: int | None = None

    @classmethod
    def create(cls, folder: Path) -> KeyStore:
        """Make a new key store in `folder` (0700) as a file with mode 0600, whole and durable or not at all.

        Raises SettingsError where one exists, also when another process was faster.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / FILE
        root = secrets.token_bytes(_KEY)
        own = {purpose: secrets.token_bytes(_KEY) for purpose in _PURPOSES}
        made = cls(path, root, own, {})
        try:
            files.create(path, made.to_bytes())
        except FileExistsError as error:
            raise SettingsError(
                (f"There is a key store at {path} already; a new one would make all data unreadable.",
                 f"{path} 已有密钥库；新建密钥库会使所有数据无法读取。"),
                ("Use the one that is there, or name another folder with key_store.", "请使用现有密钥库，或用 key_store 指定其他文件夹。"),
                field="key_store",
            ) from error  # fmt: skip
        return made

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
            # Former and coming secrets stand beside those in force.
            wrapped |= {name: _decoded(value) for name, value in document["wrapped"].items() if name not in wrapped}
            own = {name: unwrap(root, value, f"own/{name}") for name, value in wrapped.items()}
            changes = dict(document.get("changes", {}))
        except (KeyError, ValueError, TypeError, StorageError) as error:
            raise _unusable(path, "is damaged") from error
        if {len(value) for value in own.values()} != {_KEY}:
            raise _unusable(path, "is damaged")
        return cls(path, root, own, changes)

    def to_bytes(self) -> bytes:
        """Return the key store as it stands in its file."""
        wrapped = {name: wrap(self._root, value, f"own/{name}") for name, value in self._secrets.items()}
        document = {
            "version": _VERSION,
            "root": base64.b64encode(self._root).decode(),
            "wrapped": {name: base64.b64encode(value).decode() for name, value in wrapped.items()},
        }
        return json.dumps(document | ({"changes": self._changes} if self._changes else {})).encode()

    def change(self, secrets_: dict[str, bytes | None], changes: dict[str, Any] | None = None) -> None:
        """Put secrets in place, or take them away (None), and note what is public of it; durable on return."""
        own = {name: value for name, value in {**self._secrets, **secrets_}.items() if value is not None}
        made = KeyStore(self._path, self._root, own, {**self._changes, **(changes or {})})
        files.replace(self._path, made.to_bytes())
        self._secrets, self._changes = made._secrets, made._changes

    def noted(self, name: str) -> Any:
        """Return what `change` noted under `name`, None where nothing was."""
        return self._changes.get(name)

    def holds(self, purpose: str) -> bool:
        """Say whether there is a secret for `purpose`; the four of every exchange there always are."""
        return purpose in self._secrets

    def replace_root(self, rewrap: Callable[[Callable[[str, bytes], bytes]], None]) -> None:
        """Put a new root key in the old one's place.

        `rewrap` is called with a function that takes a tenant and its wrapped key and returns it under the new root; what
        it writes must be durable when it returns. Until then the file holds both roots, so that a crash loses nothing.
        """
        coming = self._secrets.get(_NEXT_ROOT) or secrets.token_bytes(_KEY)
        self.change({_NEXT_ROOT: coming})

        def under_new(tenant: str, wrapped_key: bytes) -> bytes:
            context = f"tenant/{tenant}"
            try:
                return wrap(coming, unwrap(self._root, wrapped_key, context), context)
            except StorageError:
                # An interrupted change has done this one.
                unwrap(coming, wrapped_key, context)
                return wrapped_key

        rewrap(under_new)
        own = {name: value for name, value in self._secrets.items() if name != _NEXT_ROOT}
        made = KeyStore(self._path, coming, own, self._changes)
        files.replace(self._path, made.to_bytes())
        self._root, self._secrets = coming, own

    @property
    def is_changing(self) -> bool:
        """Say whether a change of keys was interrupted and must be finished first."""
        return any(name.startswith(COMING) for name in self._secrets)

    def close(self) -> None:
        """Say that this process uses the key store no more."""
        if self.held is not None:
            os.close(self.held)
            self.held = None

    def __del__(self) -> None:
        self.close()

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
