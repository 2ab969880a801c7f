"""Changing the exchange's own keys: the log's, the statement key, the root key, those of the site and of access tokens.

The exchange must stand still meanwhile; `standing_still` sees to it. A new secret is first noted beside the old one, then the
statement that names it is recorded under the old key, then it takes its place: whatever is interrupted is finished by the same
command, and until then nothing else starts.
"""

from __future__ import annotations

import base64
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import select

from exchange.audit.models import StatementIndex
from exchange.audit.service import record
from exchange.config import Settings
from exchange.database import Database
from exchange.errors import ConflictError, SettingsError
from exchange.keystore import COMING, FORMER_LOG, LOG, STATEMENT, SUCCESSIONS, KeyStore
from exchange.operations import Operations
from exchange.participants.models import Participant
from exchange.steps import Step, operation
from ledger import checkpoint
from ledger.entry import Opening
from ledger.signatures import SigningKey
from ledger.succession import FIELD, KEYS, Succession

_LOCK = "in-use.lock"


@contextmanager
def standing_still(settings: Settings) -> Iterator[None]:
    """Hold the key store for one change. Raises ConflictError while a server, a worker or a command uses it."""
    handle = _opened(settings)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConflictError(
                ("The exchange is running.", "交易所正在运行。"),
                ("Stop its servers, workers and commands, change the key, and start them again.", "请先停止服务器、工作进程和命令，更换密钥后再启动。"),
                code="in-use",
            ) from error  # fmt: skip
        yield
    finally:
        os.close(handle)


def use(settings: Settings) -> int:
    """Say that this process uses the key store, until it ends or closes the handle that is returned.

    Raises ConflictError while keys are being changed.
    """
    handle = _opened(settings)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise ConflictError(
            ("The exchange's keys are being changed just now.", "正在更换交易所密钥。"),
            ("Start again when that is done.", "请在完成后重新启动。"),
            code="keys-changing",
        ) from error
    return handle


def require_finished(keystore: KeyStore) -> None:
    """Raise SettingsError where a change of keys was interrupted."""
    if keystore.is_changing:
        raise SettingsError(
            ("A change of keys was interrupted.", "密钥更换曾被中断。"),
            ("Run the same `exchange keys rotate` again; it finishes what was begun.", "请重新运行同一条 `exchange keys rotate` 命令以完成更换。"),
            field="key_store",
        )  # fmt: skip


def rotate_secret(keystore: KeyStore, purpose: str) -> None:
    """Put a fresh secret in the place of the site's (WEB) or the access tokens' (TOKENS); what the old one made has ended."""
    keystore.change({purpose: secrets.token_bytes(32)})


def rotate_root(keystore: KeyStore, database: Database) -> int:
    """Put a fresh root key in place and wrap every tenant key under it; return how many there are."""
    count = 0

    def rewrap(under_new: Any) -> None:
        nonlocal count
        with database.writing() as session:
            for row in session.scalars(select(Participant)):
                row.tenant_key = under_new(row.id, row.tenant_key)
                count += 1

    keystore.replace_root(rewrap)
    return count


def rotate_statement_key(operations: Operations) -> str:
    """Name a fresh statement key under the old one, then let it sign; return its public half in base64."""
    keystore = operations.services.keystore
    coming = _coming(keystore, STATEMENT)
    public = base64.b64encode(SigningKey.from_seed(coming).public).decode()
    _say(operations, statement_key=public)
    # Whoever holds the old one from now on signs nothing that is attested, so it is not kept.
    keystore.change({STATEMENT: coming, COMING + STATEMENT: None})
    return public


def rotate_log_key(operations: Operations) -> str:
    """Name a fresh log key under the old one, then let both sign until the old one is retired; return its verifier key.

    Raises ConflictError while a former key still signs.
    """
    keystore, log = operations.services.keystore, operations.services.log
    if keystore.holds(FORMER_LOG):
        raise ConflictError(
            ("A former log key still signs.", "旧日志密钥仍在签名。"),
            ("Retire it first: `exchange keys retire`.", "请先停用：`exchange keys retire`。"),
            code="former-key",
        )
    coming = _coming(keystore, LOG)
    vkey = checkpoint.vkey(log.origin, SigningKey.from_seed(coming).public)
    statement = _say(operations, log_key=vkey)
    # Stored while the old key alone signs: by this checkpoint every verifier follows from the old key to the new one.
    log.integrate()
    receipt, opening = log.receipt(statement), log.openings(statement)[FIELD]
    if not isinstance(opening, Opening):
        raise SettingsError(
            "The statement of the new log key cannot be read.", "Restore the newest key store.", field="key_store"
        )
    made = Succession(log.vkey, log.entry(receipt.index).body, opening, receipt.proof)
    noted = [*(keystore.noted(SUCCESSIONS) or []), base64.b64encode(made.to_bytes()).decode()]
    keystore.change({LOG: coming, FORMER_LOG: keystore.secret(LOG), COMING + LOG: None}, {SUCCESSIONS: noted})
    return vkey


def confirm_log_key(operations: Operations) -> None:
    """Record that the new log key is in use: the first entry under a checkpoint that it signed, which is stored."""
    operations.run_as_system("exchange.change_keys", named={FIELD: operations.services.log.vkey})
    operations.services.log.integrate()


def retire_log_key(operations: Operations) -> str:
    """Say on the ledger that the former log key signs no more, and destroy it; return its verifier key.

    Raises ConflictError where there is none.
    """
    keystore, log = operations.services.keystore, operations.services.log
    if not keystore.holds(FORMER_LOG):
        raise ConflictError(
            ("No former log key signs beside the present one.", "没有与现用密钥并行签名的旧日志密钥。"),
            ("Nothing is left to do.", "无需其他操作。"),
            code="no-former-key",
        )
    vkey = checkpoint.vkey(log.origin, SigningKey.from_seed(keystore.secret(FORMER_LOG)).public)
    _say(operations, retired_log_key=vkey)
    log.integrate()
    keystore.change({FORMER_LOG: None})
    return vkey


@operation("exchange.change_keys", None)
def change_keys(step: Step, *, named: dict[str, str]) -> dict[str, Any]:
    """Record what keys the exchange has from now on; statement exchange.keys."""
    return {"statement": record(step, "exchange.keys", named)}


def _say(operations: Operations, **named: str) -> str:
    """Record the change unless an interrupted one has done so; return the statement."""
    log = operations.services.log
    ((field, value),) = named.items()
    with operations.database.reading() as session:
        known = session.scalars(select(StatementIndex.statement).where(StatementIndex.kind == KEYS)).all()
    for statement in known:
        opening = log.openings(statement).get(field)
        if isinstance(opening, Opening) and opening.value == value:
            return statement
    return str(operations.run_as_system("exchange.change_keys", named=named).result["statement"])


def _coming(keystore: KeyStore, purpose: str) -> bytes:
    name = COMING + purpose
    if not keystore.holds(name):
        keystore.change({name: secrets.token_bytes(32)})
    return keystore.secret(name)


def _opened(settings: Settings) -> int:
    return os.open(settings.key_store / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
