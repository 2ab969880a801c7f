"""Constraints as phrases that fit into a sentence: "at most 5 times", "仅用于预测性维护".

The same phrases stand in a policy's description and in every refusal, so that a buyer recognises the rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from contracts.odrl import words
from contracts.odrl.model import JSON, Condition, Constraint, LogicalConstraint
from contracts.odrl.vocabulary import UNIT_NAMES
from contracts.odrl.words import chinese, pick


def expected(constraint: Constraint) -> JSON:
    """The right operand as plain JSON: a string, or a list of strings."""
    unit = f" {UNIT_NAMES.get(constraint.unit, constraint.unit)}" if constraint.unit else ""
    texts = [f"{value.text}{unit}" for value in constraint.right]
    return texts[0] if len(texts) == 1 and not constraint.many else list(texts)


def of(condition: Condition, locale: str, *, prohibits: bool = False) -> str:
    """A constraint or a logical constraint as a phrase. In a prohibition, "only" has no place."""
    if isinstance(condition, Constraint):
        return phrase(
            condition.left_operand,
            condition.operator,
            expected(condition),
            locale,
            prohibits=prohibits,
        )
    return _logical(condition, locale, prohibits)


def _logical(condition: LogicalConstraint, locale: str, prohibits: bool) -> str:
    parts = [
        f"({text})" if isinstance(operand, LogicalConstraint) and not chinese(locale) else text
        for operand in condition.operands
        for text in (of(operand, locale, prohibits=prohibits),)
    ]
    if not parts:
        return pick(locale, "under a condition that names nothing", "条件为空")
    if len(parts) == 1:
        return parts[0]
    if chinese(locale):
        return {
            "and": f"（{'，且'.join(parts)}）",
            "andSequence": f"（先{'，再'.join(parts)}）",
            "or": f"（{'，或'.join(parts)}）",
        }.get(condition.operator, f"（以下恰好满足一项：{'；'.join(parts)}）")
    return {
        "and": f"{', '.join(parts[:-1])} and {parts[-1]}",
        "andSequence": f"first {', then '.join(parts)}",
        "or": f"either {', '.join(parts[:-1])} or {parts[-1]}",
    }.get(condition.operator, f"exactly one of these: {'; '.join(parts)}")


def phrase(left_operand: str, operator: str, wanted: JSON, locale: str, *, prohibits: bool = False) -> str:
    """One constraint as a phrase. What is not understood is quoted as it was written."""
    texts = [str(text) for text in (wanted if isinstance(wanted, list) else [wanted])]
    if left_operand in _TERMS and operator in _TERMS[left_operand].frames:
        return _term(left_operand, operator, texts, locale, prohibits)
    if left_operand == "ex:crossBorder" and texts in (["true"], ["false"]) and operator in {"eq", "neq"}:
        abroad = (texts == ["true"]) is (operator == "eq")
        return pick(
            locale,
            f"where the data {'leaves' if abroad else 'stays in'} the country",
            f"在数据{'出境' if abroad else '不出境'}时",
        )
    value = words.join([_value(left_operand, text, locale) for text in texts], locale) if texts else "“”"
    if operator == "lt" and left_operand == "dateTime" and len(texts) == 1:
        day = words.last_day(texts[0])
        if day is not None:
            return words.until_end_of(day, locale)
    if left_operand == "count" and texts and texts[0].isdigit():
        value = _counted(operator, texts, locale)
    frames = _FRAMES.get(left_operand, {})
    if operator in frames:
        return pick(locale, *frames[operator]).format(value)
    quoted = words.join([f"“{text}”" for text in texts], locale, "and") if texts else "“”"
    return pick(locale, f"with {left_operand} {operator} {quoted}", f"满足 {left_operand} {operator} {quoted}")


def _counted(operator: str, texts: list[str], locale: str) -> str:
    """A count reads "at most 5 times" but "from use number 6 on"."""
    if operator in {"lteq", "lt"}:
        return words.times(int(texts[0]), locale)
    return words.join(texts, locale)


def _value(left_operand: str, text: str, locale: str) -> str:
    if left_operand == "dateTime":
        return words.instant(text, locale)
    if left_operand in words.SPANS:
        return words.length(text, locale)
    if left_operand == "percentage":
        return f"{text.partition(' ')[0]}%"
    if left_operand == "payAmount":
        amount, _, unit = text.partition(" ")
        plain = amount.replace(".", "", 1).isdigit()
        return words.money(amount, locale) if plain and unit == "CNY" else f"“{text}”"
    if left_operand == "event":
        return f"“{text}”"
    return text


_INSTANT = {
    "eq": ("exactly at {}", "恰在{}"),
    "neq": ("at any time other than {}", "在{}以外的时间"),
    "lt": ("before {}", "在{}之前"),
    "lteq": ("until {}", "截至{}"),
    "gt": ("after {}", "在{}之后"),
    "gteq": ("from {} on", "自{}起"),
    "isAnyOf": ("only at {}", "仅在{}"),
    "isNoneOf": ("at any time other than {}", "在{}以外的时间"),
}


def _since(en: str, zh: str) -> dict[str, tuple[str, str]]:
    return {
        "eq": (f"exactly {{}} after {en}", f"恰在{zh}后 {{}}"),
        "neq": (f"at any time other than {{}} after {en}", f"在{zh}后 {{}}以外的时间"),
        "lt": (f"less than {{}} after {en}", f"在{zh}后不到 {{}}的时间内"),
        "lteq": (f"within {{}} of {en}", f"在{zh}后 {{}}内"),
        "gt": (f"more than {{}} after {en}", f"在{zh}超过 {{}}后"),
        "gteq": (f"not earlier than {{}} after {en}", f"在{zh}满 {{}}后"),
    }


def _measured(before: str, after: str, zh: str) -> dict[str, tuple[str, str]]:
    tail = f" {after}" if after else ""
    return {
        "eq": (f"{before} exactly {{}}{tail}", f"{zh}恰为 {{}}"),
        "neq": (f"{before} anything but {{}}{tail}", f"{zh}不等于 {{}}"),
        "lt": (f"{before} less than {{}}{tail}", f"{zh}低于 {{}}"),
        "lteq": (f"{before} at most {{}}{tail}", f"{zh}不超过 {{}}"),
        "gt": (f"{before} more than {{}}{tail}", f"{zh}超过 {{}}"),
        "gteq": (f"{before} at least {{}}{tail}", f"{zh}不低于 {{}}"),
        "isAnyOf": (f"{before} exactly {{}}{tail}", f"{zh}为 {{}}"),
        "isNoneOf": (f"{before} anything but {{}}{tail}", f"{zh}不为 {{}}"),
        "isAllOf": (f"{before} exactly {{}}{tail} together", f"{zh}同时为 {{}}"),
    }


def _graded(before: str, zh: str) -> dict[str, tuple[str, str]]:
    return {
        "eq": (f"only {before} {{}}", f"{zh}仅限 {{}} 级"),
        "neq": (f"not {before} {{}}", f"{zh}不为 {{}} 级"),
        "lt": (f"only {before} lower than {{}}", f"{zh}低于 {{}} 级"),
        "lteq": (f"only {before} {{}} or lower", f"{zh}不高于 {{}} 级"),
        "gt": (f"only {before} higher than {{}}", f"{zh}高于 {{}} 级"),
        "gteq": (f"only {before} {{}} or higher", f"{zh}不低于 {{}} 级"),
        "isAnyOf": (f"only {before} {{}}", f"{zh}仅限 {{}} 级"),
        "isNoneOf": (f"not {before} {{}}", f"{zh}不为 {{}} 级"),
        "isAllOf": (f"only {before} {{}} together", f"{zh}同时为 {{}} 级"),
    }


_FRAMES: Mapping[str, Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "dateTime": _INSTANT,
        "elapsedTime": _since("the first use", "首次使用"),
        "ex:sinceAgreement": _since("the start of the agreement", "协议生效"),
        "count": {
            "eq": ("only as use number {}", "仅限第 {} 次使用"),
            "neq": ("except as use number {}", "第 {} 次使用除外"),
            "lt": ("fewer than {}", "少于 {}"),
            "lteq": ("at most {}", "最多 {}"),
            "gt": ("after {} uses", "在使用满 {} 次之后"),
            "gteq": ("from use number {} on", "自第 {} 次使用起"),
            "isAnyOf": ("only as use number {}", "仅限第 {} 次使用"),
            "isNoneOf": ("except as use number {}", "第 {} 次使用除外"),
        },
        "payAmount": {
            "eq": ("once exactly {} has been paid", "在恰好支付{}后"),
            "neq": ("while the amount paid is not {}", "在已支付金额不等于{}时"),
            "lt": ("while less than {} has been paid", "在支付不足{}时"),
            "lteq": ("while no more than {} has been paid", "在支付不超过{}时"),
            "gt": ("once more than {} has been paid", "在支付超过{}后"),
            "gteq": ("once {} has been paid", "在支付{}后"),
        },
        "timeInterval": {
            "eq": ("at intervals of at least {}", "每次使用间隔不少于 {}"),
            "gteq": ("at intervals of at least {}", "每次使用间隔不少于 {}"),
            "gt": ("at intervals of more than {}", "每次使用间隔超过 {}"),
        },
        "delayPeriod": {
            "eq": ("after a waiting period of {} from the start of the agreement", "在协议生效后等待 {}之后"),
            "gteq": ("after a waiting period of {} from the start of the agreement", "在协议生效后等待 {}之后"),
            "gt": (
                "after a waiting period of more than {} from the start of the agreement",
                "在协议生效后等待超过 {}之后",
            ),
        },
        "meteredTime": _measured("for", "of metered time", "累计使用时间"),
        "percentage": _measured("for", "of the data", "所涉数据比例"),
        "resolution": _measured("at a resolution of", "", "分辨率"),
        "ex:grade": _graded("for data of grade", "数据级别"),
        "ex:securityLevel": _graded("in systems of protection level", "系统保护等级"),
        "event": {
            "eq": ("during the event {}", "在事件{}期间"),
            "neq": ("at any time other than during the event {}", "在事件{}期间以外的时间"),
            "lt": ("before the event {}", "在事件{}之前"),
            "lteq": ("before or during the event {}", "在事件{}之前或期间"),
            "gt": ("after the event {}", "在事件{}之后"),
            "gteq": ("during or after the event {}", "在事件{}期间或之后"),
            "isAnyOf": ("during one of the events {}", "在事件{}之一期间"),
            "isNoneOf": ("during none of the events {}", "不在事件{}期间"),
            "isAllOf": ("during all of the events {}", "在事件{}均发生期间"),
        },
        "version": {
            "lt": ("only in versions before {}", "仅限早于 {} 的版本"),
            "lteq": ("only in versions up to {}", "仅限 {} 及更早版本"),
            "gt": ("only in versions after {}", "仅限晚于 {} 的版本"),
            "gteq": ("only in versions from {} on", "仅限 {} 及更新版本"),
        },
    }
)


class _Term:
    """The phrases of an operand whose values are terms.

    To be one, a kind of it, another, all, to contain it.
    """

    def __init__(self, one: str, kind: str, other: str, every: str, part: str) -> None:
        self.frames = {
            **dict.fromkeys(("eq", "isAnyOf"), one),
            **dict.fromkeys(("isA", "isPartOf"), kind),
            **dict.fromkeys(("neq", "isNoneOf"), other),
            "isAllOf": every,
            "hasPart": part,
        }


# English and Chinese, parted by a bar.
_TERMS: Mapping[str, _Term] = MappingProxyType(
    {
        "purpose": _Term(
            "for {}|用于{}",
            "for {} or a kind of it|用于{}及其细分用途",
            "for any purpose other than {}|用于除{}以外的用途",
            "for {} together|同时用于{}",
            "for a purpose that includes {}|用于包含{}的用途",
        ),
        "recipient": _Term(
            "for {} as recipient|由{}接收",
            "for {} or one of its members as recipient|由{}或其成员接收",
            "for any recipient other than {}|由除{}以外的对象接收",
            "for {} together as recipients|由{}共同接收",
            "for a recipient that includes {}|由包含{}的对象接收",
        ),
        "spatial": _Term(
            "in {}|在{}",
            "within {}|在{}范围内",
            "anywhere other than in {}|在除{}以外的地区",
            "in {} together|同时在{}",
            "in an area that includes {}|在包含{}的地区",
        ),
        "industry": _Term(
            "in the industry {}|在 {} 行业",
            "within the industry {}|在 {} 行业范围内",
            "in any industry other than {}|在除 {} 以外的行业",
            "in the industries {} together|同时在 {} 行业",
            "in an industry that includes {}|在包含 {} 的行业",
        ),
        "fileFormat": _Term(
            "in the format {}|以{}格式",
            "in a format of the kind {}|以{}类格式",
            "in any format other than {}|以除{}以外的格式",
            "in the formats {} together|同时以{}格式",
            "in a format that includes {}|以包含{}的格式",
        ),
        "language": _Term(
            "in the language {}|以{}",
            "in {} or one of its variants|以{}及其变体",
            "in any language other than {}|以除{}以外的语言",
            "in the languages {} together|同时以{}",
            "in a language that includes {}|以包含{}的语言",
        ),
        "ex:dataCategory": _Term(
            "for {}|针对{}",
            "for {} or a kind of it|针对{}及其细类",
            "for any category of data other than {}|针对除{}以外的数据类别",
            "for {} together|同时针对{}",
            "for a category that includes {}|针对包含{}的类别",
        ),
        "ex:artefactState": _Term(
            "while the data is {}|在数据{}时",
            "while the data is {}|在数据{}时",
            "while the data is not {}|在数据并非{}时",
            "while the data is {} at once|在数据同时{}时",
            "while the data is {}|在数据{}时",
        ),
        "version": _Term(
            "in version {}|以版本 {}",
            "in version {} or a part of it|以版本 {} 及其子版本",
            "in any version other than {}|以除 {} 以外的版本",
            "in the versions {} together|同时以版本 {}",
            "in a version that includes {}|以包含 {} 的版本",
        ),
    }
)


def _term(left_operand: str, operator: str, texts: list[str], locale: str, prohibits: bool) -> str:
    last = "and" if operator == "isAllOf" else "or"
    value = words.join([words.term(left_operand, text, locale) for text in texts] or ["“”"], locale, last)
    text = pick(locale, *_TERMS[left_operand].frames[operator].split("|")).format(value)
    if prohibits or operator in {"neq", "isNoneOf"}:
        return text
    return pick(locale, f"only {text}", f"仅{text}")
