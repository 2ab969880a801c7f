"""A plan in plain sentences, for both parties to read before they sign."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from contracts.desensitization.kinds import KINDS
from contracts.desensitization.model import ColumnRule, Plan, RowFilter

_UNITS_ZH = {
    "year": "年",
    "quarter": "季度",
    "month": "月",
    "week": "周",
    "day": "日",
    "hour": "小时",
    "minute": "分钟",
}
_OPERATORS_EN = {
    "eq": "is",
    "neq": "is not",
    "lt": "is below",
    "lteq": "is at most",
    "gt": "is above",
    "gteq": "is at least",
    "isAnyOf": "is one of",
    "isNoneOf": "is none of",
}
_OPERATORS_ZH = {
    "eq": "等于",
    "neq": "不等于",
    "lt": "小于",
    "lteq": "不大于",
    "gt": "大于",
    "gteq": "不小于",
    "isAnyOf": "属于",
    "isNoneOf": "不属于",
}


def describe(plan: Plan, locale: str) -> list[str]:
    """One sentence a row filter, then one a column, in Chinese for `zh…` and in English otherwise."""
    chinese = locale.startswith("zh")
    sentences = [_filter(item, chinese) for item in plan.row_filter]
    for rule in plan.columns:
        text = _RULES_ZH[rule.method](rule) if chinese else _RULES_EN[rule.method](rule)
        text += _mark(rule, chinese)
        why = _reason(rule.reason, chinese)
        if chinese:
            sentences.append(f"“{rule.column}”：{text}{f'（{why}）' if why else ''}。")
        else:
            sentences.append(f'"{rule.column}": {text}{f" ({why})" if why else ""}.')
    return sentences


def _mark(rule: ColumnRule, chinese: bool) -> str:
    """What the buyer's mark may change, so that nobody signs for a column as it is and receives another."""
    if rule.mark is None:
        return ""
    if chinese:
        return f"，但数值可能有不超过 {rule.mark} 的改动，用以承载买方的数字指纹"
    return f", but a number may differ by up to {rule.mark}, which carries the buyer's mark"


def _reason(reason: str, chinese: bool) -> str:
    kind = KINDS.get(reason)
    if kind is None:
        return reason
    return f"识别为{kind.label_zh}" if chinese else f"found to be {kind.label_en}"


def _filter(item: RowFilter, chinese: bool) -> str:
    values = item.value if isinstance(item.value, tuple) else (item.value,)
    if chinese:
        shown = "、".join(_value(value) for value in values)
        return f"仅交付“{item.column}”{_OPERATORS_ZH[item.operator]} {shown} 的行。"
    shown = ", ".join(_value(value) for value in values)
    return f'Only rows whose "{item.column}" {_OPERATORS_EN[item.operator]} {shown} are delivered.'


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _mask_en(rule: ColumnRule) -> str:
    p = rule.parameters
    kept = [f"the first {p['keep_first']}"] if p["keep_first"] else []
    kept += [f"the last {p['keep_last']}"] if p["keep_last"] else []
    shown = f" except {' and '.join(kept)}" if kept else ""
    return f'masked: every character{shown} is replaced by "{p["char"]}"'


def _mask_zh(rule: ColumnRule) -> str:
    p = rule.parameters
    kept = [f"前 {p['keep_first']} 位"] if p["keep_first"] else []
    kept += [f"后 {p['keep_last']} 位"] if p["keep_last"] else []
    shown = f"除{'和'.join(kept)}外的" if kept else "全部"
    return f"遮盖，{shown}字符替换为“{p['char']}”"


def _generalize_en(rule: ColumnRule) -> str:
    p: Mapping[str, Any] = rule.parameters
    if "width" in p:
        return f"generalised to steps of {p['width']}, giving the lower end of each"
    if "unit" in p:
        return f"generalised to the start of its {p['unit']}"
    return f"shortened to its first {p['prefix']} characters"


def _generalize_zh(rule: ColumnRule) -> str:
    p: Mapping[str, Any] = rule.parameters
    if "width" in p:
        return f"泛化为宽度 {p['width']} 的区间，给出区间下限"
    if "unit" in p:
        return f"泛化到所在{_UNITS_ZH[p['unit']]}的开始"
    return f"只保留前 {p['prefix']} 个字符"


def _round_en(rule: ColumnRule) -> str:
    digits = rule.parameters["digits"]
    if digits >= 0:
        return f"rounded half to even to {digits} digits behind the point"
    return f"rounded half to even to multiples of {10**-digits}"


def _round_zh(rule: ColumnRule) -> str:
    digits = rule.parameters["digits"]
    if digits >= 0:
        return f"四舍六入五成双，保留 {digits} 位小数"
    return f"四舍六入五成双，取 {10**-digits} 的倍数"


def _fixed(text: str) -> Callable[[ColumnRule], str]:
    return lambda _rule: text


def _keep_en(rule: ColumnRule) -> str:
    return "delivered exactly as it is" if rule.parameters["exact"] else "delivered as it is"


def _keep_zh(rule: ColumnRule) -> str:
    return "按原值交付，不作任何改动" if rule.parameters["exact"] else "按原值交付"


_RULES_EN: dict[str, Callable[[ColumnRule], str]] = {
    "keep": _keep_en,
    "suppress": _fixed("not delivered"),
    "mask": _mask_en,
    "generalize": _generalize_en,
    "round": _round_en,
    "pseudonymize": _fixed("replaced by a pseudonym made with a key of this agreement"),
}
_RULES_ZH: dict[str, Callable[[ColumnRule], str]] = {
    "keep": _keep_zh,
    "suppress": _fixed("不交付"),
    "mask": _mask_zh,
    "generalize": _generalize_zh,
    "round": _round_zh,
    "pseudonymize": _fixed("替换为以本协议密钥生成的假名"),
}
