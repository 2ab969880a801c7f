"""The parameters of a template: what a form asks for, and how an answer is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Any, Literal, NoReturn

from contracts.errors import PolicyError

ParameterType = Literal["integer", "date", "choice", "choices", "boolean"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing a template asks for. A form is built from it.

    `choices` maps each offered value to its English and Chinese words; `open` says that others may be
    written too.
    """

    name: str
    type: ParameterType
    label_en: str
    label_zh: str
    required: bool = True
    default: Any = None
    minimum: int | None = None
    maximum: int | None = None
    choices: Mapping[str, tuple[str, str]] = field(default_factory=lambda: MappingProxyType({}))
    open: bool = False

    def label(self, locale: str) -> str:
        return self.label_zh if locale.startswith("zh") else self.label_en


def refuse(name: str, reason: str, reason_zh: str, mend: str, mend_zh: str) -> NoReturn:
    """Raise PolicyError about a parameter, in both languages."""
    raise PolicyError(f"parameters.{name}", reason, mend, reason_zh=reason_zh, mend_zh=mend_zh)


def read(parameter: Parameter, value: Any) -> Any:
    """The value of a parameter from what was given, which may be the string of a form. Raises PolicyError."""
    if value is None or value in ("", []):
        if parameter.required and parameter.default is None:
            label_en, label_zh = parameter.label_en.lower(), parameter.label_zh
            refuse(parameter.name, f"{label_en} is missing", f"缺少{label_zh}", "Give a value", "请填写")
        return parameter.default
    return _READERS[parameter.type](parameter, value)


def _integer(parameter: Parameter, value: Any) -> int:
    low, high = parameter.minimum or 0, parameter.maximum or 1_000_000
    number = None
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < 16:
        number = int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    if number is None or not low <= number <= high:
        refuse(
            parameter.name,
            f"{value!r} is no whole number from {low} to {high}",
            f"{value!r} 不是 {low} 到 {high} 之间的整数",
            "Give such a number",
            "请填写该范围内的整数",
        )
    return number


def _date(parameter: Parameter, value: Any) -> date:
    text = value.isoformat()[:10] if isinstance(value, date) else str(value)
    try:
        if re.fullmatch(r"2\d{3}-\d{2}-\d{2}", text, re.ASCII):
            return date.fromisoformat(text)
    except ValueError:
        # A day that no calendar has is refused below like any other text.
        pass
    refuse(
        parameter.name,
        f"{value!r} is no date",
        f"{value!r} 不是日期",
        "Write it as 2026-12-31",
        "请写成 2026-12-31 的形式",
    )


def _choices(parameter: Parameter, value: Any) -> list[str]:
    items = [value] if isinstance(value, str) else list(value) if isinstance(value, (list, tuple)) else [None]
    texts = [item.strip() for item in items if isinstance(item, str) and item.strip()]
    offered = parameter.open or all(text in parameter.choices for text in texts)
    if not texts or len(texts) != len(items) or not offered:
        known = ", ".join(parameter.choices)
        refuse(parameter.name, f"{value!r} is no choice", f"{value!r} 不在可选项中", f"Use: {known}", f"可选：{known}")
    return list(dict.fromkeys(texts))


def _choice(parameter: Parameter, value: Any) -> str:
    if not isinstance(value, str):
        value = None
    return _choices(parameter, value)[0]


def _boolean(parameter: Parameter, value: Any) -> bool:
    known = {"true": True, "on": True, "yes": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    found = known.get(str(value).lower())
    if found is None:
        refuse(
            parameter.name,
            f"{value!r} is neither yes nor no",
            f"{value!r} 既非是也非否",
            "Use true or false",
            "请使用 true 或 false",
        )
    return bool(found)


_READERS: Mapping[str, Callable[[Parameter, Any], Any]] = MappingProxyType(
    {"integer": _integer, "date": _date, "choice": _choice, "choices": _choices, "boolean": _boolean}
)
