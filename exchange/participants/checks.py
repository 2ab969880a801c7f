"""What every text about an organisation or a person must be."""

from __future__ import annotations

import base64
import binascii

from exchange.errors import InvalidInputError

LONGEST_REASON = 2000


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
