"""Why something is denied, in plain English and Chinese: the rule, the expected, the actual, and the mend."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from contracts.odrl import phrases, words
from contracts.odrl.model import JSON
from contracts.odrl.wordings import ACTUAL, FORMS, KINDS, MENDS
from contracts.odrl.words import pick

if TYPE_CHECKING:
    from contracts.odrl.decision import Reason

# What a rule that was taken over from a parent carries in its path.
_PARENTS = re.compile(r"\.inheritFrom\['([^']*)'\]")

_RULES = {
    "permission": ("permission", "许可"),
    "prohibition": ("prohibition", "禁止"),
    "obligation": ("obligation", "义务"),
    "duty": ("duty", "义务"),
}


def explain(reason: Reason, locale: str) -> str:
    """A reason as a sentence and its mend."""
    sentence, mend = _CODES[reason.code](reason, locale)
    return pick(locale, f"{sentence} {mend}".strip(), f"{sentence}{mend}")


def name_of(path: str, locale: str) -> str:
    """A rule's path in words: `$.permission[0].duty[1]` is "duty 2 of permission 1", "第 1 项许可的第 2 项义务"."""
    parents, path = _PARENTS.findall(path), _PARENTS.sub("", path)
    if parents:
        return pick(
            locale,
            f"{name_of(path, locale)} of the policy “{parents[-1]}”",
            f"策略“{parents[-1]}”的{name_of(path, locale)}",
        )
    steps = [
        (_RULES[kind], int(index or 0) + 1)
        for kind, index in re.findall(r"\.(?:odrl:)?(\w+)(?:\[(\d+)\])?", path)
        if kind in _RULES
    ]
    if not steps:
        return pick(locale, "the policy", "该策略")
    if words.chinese(locale):
        return "的".join(f"第 {number} 项{zh}" for (_, zh), number in steps)
    return " of ".join(f"{en} {number}" for (en, _), number in reversed(steps))


def _named(path: str, locale: str) -> str:
    name = name_of(path, locale)
    return name[0].upper() + name[1:]


def _quoted(value: JSON, locale: str, last: str = "or") -> str:
    values = value if isinstance(value, list) else [value]
    return words.join([f"“{item}”" for item in values] or ["“”"], locale, last)


def _found(reason: Reason, locale: str) -> str:
    """What was found, as a clause."""
    known_en, known_zh, missing_en, missing_zh = ACTUAL[reason.left_operand]
    if reason.actual is None or (reason.left_operand == "event" and reason.code == "undecided"):
        return pick(locale, missing_en, missing_zh)
    return pick(locale, known_en, known_zh).format(_actual(reason, locale))


def _actual(reason: Reason, locale: str) -> str:
    left, actual = reason.left_operand, reason.actual
    if left in {"dateTime", "event"} and isinstance(actual, str):
        wanted = reason.expected[0] if isinstance(reason.expected, list) else reason.expected
        return words.moment(words.in_zone_of(actual, str(wanted)), locale)
    if left == "ex:crossBorder":
        return pick(locale, *words.BORDER[str(actual)])
    if left == "percentage":
        return f"{actual}%"
    if left in words.SPANS:
        return words.length(str(actual), locale)
    if left == "payAmount":
        return words.money(str(actual).split(" ")[0], locale)
    values = actual if isinstance(actual, list) else [actual]
    return (
        words.join([words.term(left, str(value), locale) for value in values], locale, "and")
        if left not in {"count", "resolution", "ex:grade", "ex:securityLevel"}
        else str(actual)
    )


def _constraint(reason: Reason, locale: str) -> tuple[str, str]:
    wanted = phrases.phrase(reason.left_operand, reason.operator, reason.expected, locale)
    rule, found = _named(reason.rule, locale), _found(reason, locale)
    if reason.code == "undecided":
        return pick(
            locale,
            f"{rule} allows this {wanted}; whether that is so cannot be told, because {found}.",
            f"{rule}的条件是：{wanted}；但{found}，无法判定。",
        ), pick(locale, "State it in the request, or have it put on record.", "请在请求中说明，或先行登记。")
    return pick(locale, f"{rule} allows this {wanted}; {found}.", f"{rule}的条件是：{wanted}；而{found}。"), pick(
        locale, *MENDS[reason.left_operand]
    )


def _choice(reason: Reason, locale: str) -> tuple[str, str]:
    holding, _, total = str(reason.actual).partition("/")
    rule = _named(reason.rule, locale)
    if reason.left_operand == "or":
        return pick(
            locale,
            f"{rule} asks that at least one of {total} alternatives holds; none is known to hold.",
            f"{rule}要求 {total} 个备选条件中至少满足一个，目前没有确认满足的条件。",
        ), pick(locale, "Meet one of them.", "请满足其中之一。")
    return pick(
        locale,
        f"{rule} asks that exactly one of {total} alternatives holds; {holding} are known to hold.",
        f"{rule}要求 {total} 个备选条件中恰好满足一个，目前确认满足 {holding} 个。",
    ), pick(locale, "Meet exactly one of them.", "请恰好满足其中之一。")


def _action(reason: Reason, locale: str) -> tuple[str, str]:
    wanted = words.action(str(reason.actual), locale)
    allowed = reason.expected if isinstance(reason.expected, list) else [reason.expected]
    may = words.join([words.action(str(name), locale) for name in allowed], locale)
    return pick(
        locale,
        f"No permission lets the consumer {wanted}; what is permitted is to {may}.",
        f"没有许可允许使用方{wanted}；所许可的是{may}。",
    ), pick(locale, "Agree on this action with the provider.", "请与提供方协商增加该动作。")


def _assignee(reason: Reason, locale: str) -> tuple[str, str]:
    return pick(
        locale,
        f"The permission is given to {_quoted(reason.expected, locale)}, not to “{reason.actual}”.",
        f"该许可授予{_quoted(reason.expected, locale)}，而非“{reason.actual}”。",
    ), pick(locale, "Ask for an agreement of your own.", "请自行申请并签订协议。")


def _target(reason: Reason, locale: str) -> tuple[str, str]:
    return pick(
        locale,
        f"The permission is for the dataset {_quoted(reason.expected, locale)}, not for “{reason.actual}”.",
        f"该许可针对数据集{_quoted(reason.expected, locale)}，而非“{reason.actual}”。",
    ), pick(locale, "Ask for an agreement over this dataset.", "请就该数据集申请并签订协议。")


def _member(reason: Reason, locale: str) -> tuple[str, str]:
    given = pick(locale, *_GROUPS[reason.left_operand])
    rule = _named(reason.rule, locale)
    return pick(
        locale,
        f"{rule} is {given} the group “{reason.expected}”; whether “{reason.actual}” belongs to it is not known.",
        f"{rule}{given}群组“{reason.expected}”；“{reason.actual}”是否属于该群组未知。",
    ), pick(locale, "Have the membership put on record.", "请先行登记其归属关系。")


_GROUPS = {"assignee": ("given to", "授予"), "target": ("for", "针对")}


def _empty(_reason: Reason, locale: str) -> tuple[str, str]:
    return pick(
        locale, "The policy contains no permission, so nothing is allowed.", "该策略不含任何许可，因此不允许任何操作。"
    ), pick(locale, "Ask the provider to add a permission.", "请提供方补充许可。")


def _request(reason: Reason, locale: str) -> tuple[str, str]:
    return pick(
        locale,
        f"The requested action “{reason.actual}” is not known.",
        f"所请求的动作“{reason.actual}”未知。",
    ), pick(locale, "Ask for a known action, such as “use”.", "请使用已知的动作，例如“use”。")


def _unpaid(reason: Reason, locale: str) -> tuple[str, str]:
    due = words.money(str(reason.expected).split(" ")[0], locale)
    paid = words.money(str(reason.actual).split(" ")[0], locale)
    rule = _named(reason.rule, locale)
    return pick(
        locale,
        f"{rule} asks for a payment of {due} before the data is released; {paid} has been paid.",
        f"{rule}要求先支付{due}方可交付；已支付{paid}。",
    ), pick(locale, *MENDS["payAmount"])


def _overdue(reason: Reason, locale: str) -> tuple[str, str]:
    due = words.instant(str(reason.expected), locale)
    now = words.moment(words.in_zone_of(str(reason.actual), str(reason.expected)), locale)
    rule = _named(reason.rule, locale)
    return pick(
        locale,
        f"{rule} had to be done by {due}; it is {now}, so it could not be done in time.",
        f"{rule}须在{due}之前完成；当前时间为{now}，已无法按时完成。",
    ), pick(locale, "Agree on a later date with the provider.", "请与提供方协商延后日期。")


def _unperformed(reason: Reason, locale: str) -> tuple[str, str]:
    rule, what = _named(reason.rule, locale), words.action(str(reason.expected), locale)
    said = pick(locale, f"{rule} was not done in time", f"{rule}未按时履行")
    if reason.constraint != reason.rule:
        return pick(
            locale,
            f"{said}, and what follows from it is still due: {what}.",
            f"{said}，由此产生的后果尚未履行：{what}。",
        ), pick(locale, "Do it, and have it put on record.", "请先履行并登记。")
    return pick(locale, f"{said}: {what}.", f"{said}：{what}。"), pick(
        locale, "Do it, and ask the provider to accept it late.", "请先履行，并请提供方接受补履行。"
    )


def _prohibited(reason: Reason, locale: str) -> tuple[str, str]:
    rule = _named(reason.rule, locale)
    what = words.action(str(reason.expected), locale)
    detail = pick(locale, reason.detail_en, reason.detail_zh)
    space = " " if detail else ""
    said = pick(
        locale,
        f"{rule} applies: the consumer may not {what}{space}{detail}",
        f"{rule}适用：使用方不得{what}" + (f"，情形为{detail}" if detail else ""),
    )
    if reason.code == "not-excluded":
        return pick(
            locale,
            f"{rule} may apply, and this cannot be excluded: the consumer may not {what} {detail}.",
            f"{rule}可能适用，目前无法排除：使用方不得{what}，情形为{detail}。",
        ), pick(
            locale,
            "State the missing fact in the request, or have it put on record.",
            "请在请求中说明缺少的情况，或先行登记。",
        )
    return f"{said}{pick(locale, '.', '。')}", pick(
        locale, "Agree on this use with the provider first.", "请先与提供方就该用途达成约定。"
    )


def _conflict(reason: Reason, locale: str) -> tuple[str, str]:
    permission, prohibition = _named(reason.rule, locale), name_of(reason.constraint, locale)
    what = words.action(reason.detail_en, locale)
    return pick(
        locale,
        f"{permission} lets the consumer {what} and {prohibition} forbids it; the policy does not say which"
        " wins, so nothing is allowed.",
        f"{permission}允许使用方{what}，而{prohibition}不允许；策略未规定以何者为准，因此不予允许。",
    ), pick(
        locale,
        "Ask the provider to set “conflict” to “prohibit” or “perm”.",
        "请提供方将 conflict 设为 prohibit 或 perm。",
    )


def _unknown(reason: Reason, locale: str) -> tuple[str, str]:
    if reason.left_operand == "amount":
        return pick(
            locale,
            f"The duty “{reason.actual}” at {reason.constraint} names no amount, so nothing is allowed.",
            f"{reason.constraint} 处的义务“{reason.actual}”未写明金额，因此不允许任何操作。",
        ), pick(locale, "Ask the provider to add a payAmount.", "请提供方补充 payAmount。")
    kind = pick(locale, *KINDS[reason.left_operand])
    said = "" if reason.left_operand == "logic" else _quoted(reason.actual, locale, "and")
    sentence = pick(
        locale,
        f"The policy says {kind} {said} at {reason.constraint}, which is not understood here,"
        " so nothing is allowed.".replace("  ", " "),
        f"策略在 {reason.constraint} 处使用了无法识别的{kind}{said}，因此不允许任何操作。",
    )
    wanted = reason.expected
    if isinstance(wanted, str):
        form = pick(locale, *FORMS.get(wanted, (wanted, wanted)))
    elif wanted:
        form = words.join([str(item) for item in wanted] if isinstance(wanted, list) else [], locale)
    elif reason.left_operand == "inheritFrom":
        return sentence, pick(locale, "Have its rules read in first.", "请先读入其规则。")
    else:
        return sentence, pick(locale, "Ask the provider to leave it out.", "请提供方删除该内容。")
    return sentence, pick(locale, f"Ask the provider to use {form}.", f"请提供方改用 {form}。")


_CODES: Mapping[str, Callable[[Reason, str], tuple[str, str]]] = MappingProxyType(
    {
        "unknown": _unknown,
        "request": _request,
        "empty": _empty,
        "action": _action,
        "assignee": _assignee,
        "target": _target,
        "member": _member,
        "constraint": _constraint,
        "undecided": _constraint,
        "choice": _choice,
        "unpaid": _unpaid,
        "overdue": _overdue,
        "unperformed": _unperformed,
        "prohibited": _prohibited,
        "not-excluded": _prohibited,
        "conflict": _conflict,
    }
)
