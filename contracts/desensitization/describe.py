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
    for side in ("before", "after"):
        if side in p:
            return f'masked: every character {side} the first "{p[side]}"{shown} is replaced by "{p["char"]}"'
    return f'masked: every character{shown} is replaced by "{p["char"]}"'


def _mask_zh(rule: ColumnRule) -> str:
    p = rule.parameters
    kept = [f"前 {p['keep_first']} 位"] if p["keep_first"] else []
    kept += [f"后 {p['keep_last']} 位"] if p["keep_last"] else []
    shown = f"除{'和'.join(kept)}外的" if kept else "全部"
    for side, word in (("before", "之前"), ("after", "之后")):
        if side in p:
            return f"遮盖，首个“{p[side]}”{word}{shown}字符替换为“{p['char']}”"
    return f"遮盖，{shown}字符替换为“{p['char']}”"


def _generalize_en(rule: ColumnRule) -> str:
    p: Mapping[str, Any] = rule.parameters
    bounds = [f"{word} {p[name]}" for name, word in (("bottom", "at least"), ("top", "at most")) if name in p]
    bounded = f"shown as {' and '.join(bounds)}" if bounds else ""
    if "width" in p:
        return f"generalised to steps of {p['width']}, giving the lower end of each{', ' if bounds else ''}{bounded}"
    return bounded or _coarser_en(p)


def _coarser_en(p: Mapping[str, Any]) -> str:
    if "ranges" in p:
        return f"generalised to {len(p['ranges']) + 1} ranges divided at {', '.join(map(str, p['ranges']))}"
    if "hierarchy" in p:
        return f"generalised to {len(set(p['hierarchy'].values()))} coarser words, others to *"
    if "region" in p:
        return f"generalised to the {p['region']}"
    if "unit" in p:
        return f"generalised to the start of its {p['unit']}"
    return f"shortened to its first {p['prefix']} characters"


def _generalize_zh(rule: ColumnRule) -> str:
    p: Mapping[str, Any] = rule.parameters
    bounds = [f"{word} {p[name]}" for name, word in (("bottom", "不小于"), ("top", "不大于")) if name in p]
    bounded = f"超出范围的值按边界显示（{'、'.join(bounds)}）" if bounds else ""
    if "width" in p:
        return f"泛化为宽度 {p['width']} 的区间，给出区间下限{'，' if bounds else ''}{bounded}"
    return bounded or _coarser_zh(p)


def _coarser_zh(p: Mapping[str, Any]) -> str:
    if "ranges" in p:
        return f"泛化为 {len(p['ranges']) + 1} 个区间，分界为 {'、'.join(map(str, p['ranges']))}"
    if "hierarchy" in p:
        return f"泛化为 {len(set(p['hierarchy'].values()))} 个更粗的类别，其余为 *"
    if "region" in p:
        return f"泛化到{ {'province': '省', 'city': '市', 'county': '区县'}[p['region']] }"
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


def _pseudonym_en(rule: ColumnRule) -> str:
    if rule.key_reference is not None and rule.key_reference.startswith("group:"):
        group = rule.key_reference.removeprefix("group:")
        return f'replaced by a pseudonym made with the key of the group "{group}", so that tables of the group can be joined'
    return "replaced by a pseudonym made with a key of this agreement"


def _pseudonym_zh(rule: ColumnRule) -> str:
    if rule.key_reference is not None and rule.key_reference.startswith("group:"):
        group = rule.key_reference.removeprefix("group:")
        return f"替换为以“{group}”组密钥生成的假名，组内各表可相互关联"
    return "替换为以本协议密钥生成的假名"


def _tokenize_en(rule: ColumnRule) -> str:
    return (
        f"replaced by a token of the same form ({rule.parameters['alphabet']}), encrypted under a key of this agreement"
    )


def _tokenize_zh(rule: ColumnRule) -> str:
    return f"替换为同格式的令牌（{rule.parameters['alphabet']}），以本协议密钥加密"


def _perturb_en(rule: ColumnRule) -> str:
    p = rule.parameters
    return f"changed by {p['distribution']} noise of spread {p['spread']}, the same for equal values"


def _perturb_zh(rule: ColumnRule) -> str:
    p = rule.parameters
    names = {"uniform": "均匀", "normal": "正态", "laplace": "拉普拉斯"}
    return f"加入幅度为 {p['spread']} 的{names[p['distribution']]}噪声，相同的值噪声相同"


def _shift_en(rule: ColumnRule) -> str:
    p = rule.parameters
    together = f'the rows of one "{p["by"]}" alike' if "by" in p else "all rows alike"
    return f"moved by a secret number of up to {p['days']} days, {together}, so that intervals stay"


def _shift_zh(rule: ColumnRule) -> str:
    p = rule.parameters
    together = f"“{p['by']}”相同的行偏移相同" if "by" in p else "所有行偏移相同"
    return f"整体偏移不超过 {p['days']} 天的保密天数，{together}，间隔不变"


def _aggregate_en(rule: ColumnRule) -> str:
    p = rule.parameters
    return f"replaced by the {p['function']} of a group of at least {p['size']} neighbouring values"


def _aggregate_zh(rule: ColumnRule) -> str:
    p = rule.parameters
    name = {"mean": "平均值", "median": "中位数"}[p["function"]]
    return f"替换为至少 {p['size']} 个相近值的{name}"


def _redact_en(rule: ColumnRule) -> str:
    p = rule.parameters
    kinds = ", ".join(KINDS[kind].label_en for kind in p["kinds"]) if "kinds" in p else "all known identifiers"
    words = f" and {len(p['words'])} listed words" if "words" in p else ""
    return f"delivered as text without {kinds}{words}"


def _redact_zh(rule: ColumnRule) -> str:
    p = rule.parameters
    kinds = "、".join(KINDS[kind].label_zh for kind in p["kinds"]) if "kinds" in p else "所有已知标识"
    words = f"及所列 {len(p['words'])} 个词" if "words" in p else ""
    return f"以文本交付，其中的{kinds}{words}已去除"


_RULES_EN: dict[str, Callable[[ColumnRule], str]] = {
    "keep": _keep_en,
    "suppress": _fixed("not delivered"),
    "mask": _mask_en,
    "generalize": _generalize_en,
    "round": _round_en,
    "pseudonymize": _pseudonym_en,
    "tokenize": _tokenize_en,
    "perturb": _perturb_en,
    "shuffle": _fixed("delivered with its values in another order, each a part of its file at a time"),
    "shift_dates": _shift_en,
    "aggregate": _aggregate_en,
    "redact": _redact_en,
    "local_suppress": lambda rule: f"delivered where it is one of {len(rule.parameters['values'])} frequent values",
}
_RULES_ZH: dict[str, Callable[[ColumnRule], str]] = {
    "keep": _keep_zh,
    "suppress": _fixed("不交付"),
    "mask": _mask_zh,
    "generalize": _generalize_zh,
    "round": _round_zh,
    "pseudonymize": _pseudonym_zh,
    "tokenize": _tokenize_zh,
    "perturb": _perturb_zh,
    "shuffle": _fixed("打乱各行取值的次序后交付"),
    "shift_dates": _shift_zh,
    "aggregate": _aggregate_zh,
    "redact": _redact_zh,
    "local_suppress": lambda rule: f"仅交付 {len(rule.parameters['values'])} 个常见值，其余置空",
}
