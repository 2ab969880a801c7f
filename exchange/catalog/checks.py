"""Checks of plain input shared by the catalog's operations; each refusal names the field and the mend."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from typing import Any

from exchange.errors import InvalidInputError
from ledger.canonical import encode

_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")


def line(field: str, value: object, longest: int, *, shortest: int = 0) -> str:
    """Return `value` as one trimmed line. Raises InvalidInputError for another length or control characters."""
    checked = text(field, value, longest, shortest=shortest)
    if not checked.isprintable():
        raise InvalidInputError(
            ("This must be one line of printable characters.", "此处应为一行可打印字符。"),
            ("Remove line breaks and control characters.", "请去掉换行和控制字符。"),
            field=field,
        )
    return checked


def text(field: str, value: object, longest: int, *, shortest: int = 0) -> str:
    """Return `value` trimmed. Raises InvalidInputError where it is no text or of another length."""
    if not isinstance(value, str) or "\0" in value or any("\ud800" <= c <= "\udfff" for c in value):
        raise InvalidInputError(
            ("This must be text.", "此处应为文本。"), ("Send a character string.", "请提供字符串。"), field=field
        )
    trimmed = value.strip()
    if not shortest <= len(trimmed) <= longest:
        raise InvalidInputError(
            (f"This takes {shortest} to {longest} characters; there are {len(trimmed)}.",
             f"此处应为 {shortest} 至 {longest} 个字符，现有 {len(trimmed)} 个。"),
            ("Shorten or complete it.", "请缩短或补全。"),
            field=field,
        )  # fmt: skip
    return trimmed


def choice(field: str, value: object, allowed: Collection[str]) -> str:
    """Return `value` where it is one of `allowed`. Raises InvalidInputError that names them."""
    if not isinstance(value, str) or value not in allowed:
        names = ", ".join(repr(name) for name in allowed)
        raise InvalidInputError(
            (f"{value!r} is not one of the choices.", f"{value!r} 不在可选范围内。"),
            (f"Choose one of {names}.", f"请选择其一：{names}。"),
            field=field,
        )
    return value


def lines(field: str, values: object, *, most: int, longest: int) -> list[str]:
    """Return a list of distinct trimmed lines. Raises InvalidInputError for too many or too long ones."""
    if not isinstance(values, list | tuple) or len(values) > most:
        raise InvalidInputError(
            (f"This is a list of at most {most} entries.", f"此处为最多 {most} 项的列表。"),
            ("Remove some.", "请减少条目。"),
            field=field,
        )
    return list(dict.fromkeys(line(field, value, longest, shortest=1) for value in values))


def digest(field: str, value: object) -> str:
    """Return `value` where it is sha256: and 64 lower-case hex digits. Raises InvalidInputError."""
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise InvalidInputError(
            ("A digest is `sha256:` and 64 hexadecimal digits.", "摘要应为 `sha256:` 加 64 位十六进制数字。"),
            ("Compute it with `sha256sum FILE`.", "可使用 `sha256sum 文件` 计算。"),
            field=field,
        )
    return value


def truth(field: str, value: object) -> bool:
    """Return `value` where it is true or false. Raises InvalidInputError."""
    if not isinstance(value, bool):
        raise InvalidInputError(
            ("This must be true or false.", "此处应为 true 或 false。"),
            ("Answer yes or no.", "请选择是或否。"),
            field=field,
        )
    return value


def digest_of(document: Any) -> str:
    """Return "sha256:…" over the canonical bytes (RFC 8785) of a JSON document."""
    return "sha256:" + hashlib.sha256(encode(document)).hexdigest()
