"""The invented machines, operators and suppliers of the synthetic cell, with valid check characters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# GB 11643-1999: weights of the first 17 digits and the check character for each remainder modulo 11.
_RESIDENT_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_RESIDENT_CHECKS: Final = "10X98765432"
# GB 32100-2015: the alphabet and the weights of the first 17 characters, modulo 31.
_USCC_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC_WEIGHTS: Final = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
# GB 11714-1997: weights of the organisation code inside a unified social credit code, modulo 11.
_ORGANISATION_WEIGHTS: Final = (3, 7, 9, 10, 5, 8, 4, 2)

# No province has the code 99, so no number below was ever issued.
_AREA: Final = "990000"


@dataclass(frozen=True)
class Machine:
    """One machine tool of the cell."""

    name: str
    serial: str


@dataclass(frozen=True)
class Operator:
    """One invented person at a machine."""

    name: str
    phone: str
    resident_id: str


@dataclass(frozen=True)
class Supplier:
    """One invented firm that delivers material."""

    name: str
    uscc: str


def resident_id(area: str, birth: str, sequence: int) -> str:
    """An 18-character resident identity number with its check character (GB 11643-1999).

    Requires six digits of area, `YYYYMMDD`, and a sequence from 0 to 999.
    """
    body = f"{area}{birth}{sequence:03d}"
    remainder = sum(w * int(digit) for w, digit in zip(_RESIDENT_WEIGHTS, body, strict=True)) % 11
    return body + _RESIDENT_CHECKS[remainder]


def uscc(area: str, organisation: str) -> str:
    """A unified social credit code of an enterprise (`91`) with both check characters.

    GB 32100-2015 and, for the organisation code inside, GB 11714-1997. Requires six digits of area and
    eight digits of organisation code.
    """
    total = sum(w * int(digit) for w, digit in zip(_ORGANISATION_WEIGHTS, organisation, strict=True))
    body = f"91{area}{organisation}{'0123456789X0'[11 - total % 11]}"
    weighted = sum(w * _USCC_ALPHABET.index(c) for w, c in zip(_USCC_WEIGHTS, body, strict=True))
    return body + _USCC_ALPHABET[(31 - weighted % 31) % 31]


# fmt: off
_NAMES: Final = (
    "王建国", "李秀英", "张伟", "刘洋", "陈静", "杨帆", "赵磊", "黄丽", "周强", "吴敏", "徐杰", "孙婷",
    "胡军", "朱琳", "高翔", "林峰", "何雪", "郭涛", "马超", "罗兰", "梁晨", "宋佳", "郑凯", "欧阳明",
)
# fmt: on
_FIRMS: Final = (
    "虚构长江特钢有限公司",
    "虚构东海铝业股份有限公司",
    "虚构北辰精密锻造有限公司",
    "虚构华山铸造有限责任公司",
    "虚构南岭有色金属有限公司",
    "虚构西湖新材料科技有限公司",
)

MACHINES: Final = tuple(
    Machine(f"CNC-{k:02d}", f"VMC850-{2019 + k % 4}-{(k * 48_271) % 100_000:05d}") for k in range(1, 9)
)
OPERATORS: Final = tuple(
    Operator(
        name,
        f"154{(k * 73_856_093 + 19_349_663) % 100_000_000:08d}",
        resident_id(_AREA, f"{1968 + k % 33}{k % 12 + 1:02d}{k * 7 % 28 + 1:02d}", (k * 37 + 11) % 1000),
    )
    for k, name in enumerate(_NAMES)
)
SUPPLIERS: Final = tuple(
    Supplier(name, uscc(_AREA, f"{(k * 15_485_863 + 9_876_543) % 100_000_000:08d}")) for k, name in enumerate(_FIRMS)
)
