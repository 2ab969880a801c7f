"""Passwords: argon2id at 46 MiB, one pass, one lane (OWASP), with a bound on how many are computed at once."""

from __future__ import annotations

import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from exchange.errors import InvalidInputError

_HASHER = PasswordHasher(time_cost=1, memory_cost=46 * 1024, parallelism=1)
# Memory times concurrency is what an attacker would aim at.
_SLOTS = threading.BoundedSemaphore(4)
_SHORTEST, _LONGEST = 10, 128
RULE = (
    f"A password has {_SHORTEST} to {_LONGEST} characters, at least five different ones.",
    f"密码长度为 {_SHORTEST} 至 {_LONGEST} 个字符，且至少包含五种不同字符。",
)
_DUMMY = _HASHER.hash("no account has this password")


def require_good(password: str) -> None:
    """Raise InvalidInputError for a password that is too short, too long or too simple."""
    if not _SHORTEST <= len(password) <= _LONGEST or len(set(password)) < 5:
        raise InvalidInputError(
            RULE,
            ("Take a sentence that only you know.", "建议使用只有您知道的一句话。"),
            field="password",
        )


def hash_password(password: str) -> str:
    """Return the hash to store. Raises InvalidInputError for a password that is too short, too long or too simple."""
    require_good(password)
    with _SLOTS:
        return _HASHER.hash(password)


def matches(stored: str | None, password: str) -> bool:
    """Say whether `password` belongs to the stored hash; takes as long when there is no account (None) or no password ("")."""
    with _SLOTS:
        try:
            return _HASHER.verify(stored or _DUMMY, password[:_LONGEST]) and bool(stored)
        except (VerifyMismatchError, InvalidHashError):
            return False
