"""What every text about an organisation or a person must be."""

from __future__ import annotations

import base64
import binascii
import re

from exchange.errors import InvalidInputError

LONGEST_REASON = 2000
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}")


def length(field: str, text: str, shortest: int, longest: int) -> str:
    """Return `text` without outer blanks. Raises InvalidInputError, naming the field, where it is too short or too long."""
    cleaned = text.strip()
    if not shortest <= len(cleaned) <= longest:
        raise InvalidInputError(
            (f"Give {shortest} to {longest} characters.", f"请输入 {shortest} 至 {longest} 个字符。"),
            ("Mend this field.", "请修正此字段。"),
            field=field,
        )
    return cleaned


def email(text: str) -> str:
    """Return an e-mail address as it is kept. Raises InvalidInputError."""
    address = text.strip().lower()
    if not _EMAIL.fullmatch(address):
        raise InvalidInputError(
            ("This is not an e-mail address.", "这不是有效的电子邮箱地址。"),
            ("Write name@example.org.", "格式如 name@example.org。"),
            field="email",
        )
    return address


def public_key(field: str, text: str) -> bytes:
    """Return the 32 bytes of a public key in base64. Raises InvalidInputError, also where nothing was given."""
    key = decode(field, text.strip())
    if len(key) != 32:
        raise InvalidInputError(
            ("A public key has 32 bytes, 44 characters in base64.", "公钥应为 32 字节（base64 为 44 个字符）。"),
            ("Copy the key as `exchange keys new` printed it.", "请复制 `exchange keys new` 输出的密钥。"),
            field=field,
        )
    return key


def reason(text: str) -> str:
    """Return the reason of a decision that the organisation concerned will read."""
    return length("reason", text, 2, LONGEST_REASON)


def decode(field: str, text: str) -> bytes:
    """Return the bytes of a base64 text. Raises InvalidInputError."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInputError(
            ("This is not base64.", "这不是有效的 base64 编码。"),
            ("Copy the key as `exchange keys new` printed it.", "请复制 `exchange keys new` 输出的密钥。"),
            field=field,
        ) from error
