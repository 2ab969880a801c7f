"""The unified social credit code of Chinese organisations (GB 32100-2015): 18 characters, the last a check character."""

from __future__ import annotations

from exchange.errors import InvalidInputError

_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_WEIGHTS = tuple(pow(3, position, 31) for position in range(17))


def check_character(body: str) -> str:
    """Return the check character of the first 17 characters. Raises ValueError on a character outside the alphabet."""
    total = sum(weight * _ALPHABET.index(character) for weight, character in zip(_WEIGHTS, body, strict=True))
    return _ALPHABET[-total % 31]


def normalise(text: str) -> str:
    """Return the code in its one spelling. Raises InvalidInputError naming what is wrong with it."""
    code = "".join(text.split()).replace("-", "").upper()
    if len(code) != 18 or any(character not in _ALPHABET for character in code):
        raise InvalidInputError(
            (
                "A unified social credit code has 18 digits or letters (without I, O, Z, S, V).",
                "统一社会信用代码由 18 位数字或大写字母组成（不含 I、O、Z、S、V）。",
            ),
            ("Copy it from the business licence.", "请按营业执照填写。"),
            field="credit_code",
        )
    if check_character(code[:17]) != code[17]:
        raise InvalidInputError(
            (
                "The check character of the unified social credit code is wrong.",
                "统一社会信用代码的校验位不正确。",
            ),
            (
                "Compare it with the business licence, one character is mistyped.",
                "请与营业执照核对，可能有字符输入错误。",
            ),
            field="credit_code",
        )
    return code
