"""A linter of policies: rules that contradict each other, can never hold, add nothing, or permit more than the grade allows.

It looks before anybody signs; the decision needs none of it. A finding is certain where all facts are known, and what cannot
be told is not reported (`contracts.odrl.satisfiable`). The rules on grades are those of the exchange's design: grade 2 for a
stated need, grade 3 for named recipients, important data not across the border without an assessment, core data not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

from contracts.odrl.compiler import unknowns
from contracts.odrl.model import Condition, Constraint, Duty, Member, Permission, Policy, Prohibition, Value
from contracts.odrl.reasons import explain, name_of
from contracts.odrl.satisfiable import Alternative, alternatives, can_hold, implies
from contracts.odrl.values import parse_flag
from contracts.odrl.vocabulary import included
from contracts.odrl.words import action as action_words
from contracts.odrl.words import pick

Code = Literal[
    "unknown",
    "strategies",
    "unsatisfiable",
    "contradiction",
    "shadowed",
    "onward",
    "purpose",
    "recipient",
    "border",
    "core",
]
_NAMING = frozenset({"eq", "isAnyOf", "isA", "isPartOf", "isAllOf"})
# Ways of passing data on.
_ONWARD = ("distribute", "transfer", "sell", "give", "grantUse")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a policy: the rule, the rule it stands against if any, and the words.

    `policy` and `other_policy` are identifiers; `rule` and `other_rule` paths in them.
    """

    code: Code
    policy: str
    rule: str
    text_en: str
    text_zh: str
    other_policy: str | None = None
    other_rule: str | None = None

    def text(self, locale: str) -> str:
        return pick(locale, self.text_en, self.text_zh)

    def to_json(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "policy": self.policy,
            "rule": self.rule,
            "otherPolicy": self.other_policy,
            "otherRule": self.other_rule,
            "text_en": self.text_en,
            "text_zh": self.text_zh,
        }


@dataclass(frozen=True, slots=True)
class _Placed:
    """A rule with its policy, its conditions and what it speaks of."""

    policy: Policy
    rule: Permission | Prohibition
    several: bool

    @property
    def conditions(self) -> tuple[Condition, ...]:
        groups = (member for member in (*self.parties, *self.assets) if not isinstance(member, str))
        refined = (condition for group in groups for condition in group.refinements)
        return (*self.rule.constraints, *self.rule.action.refinements, *refined)

    @property
    def covers(self) -> frozenset[str]:
        return included(self.rule.action.name)

    @property
    def parties(self) -> tuple[Member, ...]:
        return self.rule.assignees or ((self.policy.assignee,) if self.policy.assignee else ())

    @property
    def assets(self) -> tuple[Member, ...]:
        return self.rule.targets or ((self.policy.target,) if self.policy.target else ())

    def name(self, locale: str) -> str:
        name = name_of(self.rule.path, locale)
        if not self.several:
            return name
        return pick(locale, f"{name} of the policy “{self.policy.uid}”", f"策略“{self.policy.uid}”的{name}")


def conflicts(
    policies: Policy | Sequence[Policy],
    *,
    grade: int | None = None,
    category: str | None = None,
    assessed: bool = False,
) -> tuple[Finding, ...]:
    """Every finding about a policy, or about several that hold for the same data together.

    `grade` (1 to 3) and `category` (general, important, core) are those of the data; `assessed` says that a risk assessment
    is filed. Requires that policies which inherit have the rules of their parents already.
    """
    whole = (policies,) if isinstance(policies, Policy) else tuple(policies)
    several = len(whole) > 1
    permissions = [_Placed(policy, rule, several) for policy in whole for rule in policy.permissions]
    prohibitions = [_Placed(policy, rule, several) for policy in whole for rule in policy.prohibitions]
    known = _known(grade, category)
    found: list[Finding] = []
    for policy in whole:
        found += [
            Finding("unknown", policy.uid, reason.rule, explain(reason, "en"), explain(reason, "zh"))
            for reason in unknowns(policy)
        ]
    strategy, differing = _strategy(whole)
    found += differing
    idle = [placed for placed in (*permissions, *prohibitions) if not can_hold(alternatives(placed.conditions), known)]
    found += [_unsatisfiable(placed, grade, category) for placed in idle]
    permissions = [placed for placed in permissions if placed not in idle]
    prohibitions = [placed for placed in prohibitions if placed not in idle]
    found += _contradictions(permissions, prohibitions, strategy)
    found += _shadowed(permissions)
    found += _shadowed(prohibitions)
    for placed in permissions:
        found += _too_wide(placed, prohibitions if strategy != "perm" else [], grade, category, assessed)
    return tuple(found)


def _known(grade: int | None, category: str | None) -> list[Alternative]:
    facts = [("ex:grade", None if grade is None else str(grade)), ("ex:dataCategory", category)]
    return [tuple((Constraint(name, "eq", (Value(text),)), True) for name, text in facts if text is not None)]


def _strategy(policies: tuple[Policy, ...]) -> tuple[str, list[Finding]]:
    stated = {policy.conflict or "invalid" for policy in policies}
    if len(stated) < 2:
        return next(iter(stated), "invalid"), []
    named = ", ".join(sorted(stated))
    return "invalid", [
        Finding(
            "strategies",
            policies[0].uid,
            "$.conflict",
            f"The policies state different strategies for a conflict ({named}), so where rules conflict all is denied."
            " State the same one in each.",
            f"各策略的冲突处理方式不同（{named}），规则冲突时一律拒绝。请统一冲突处理方式。",
        )
    ]


def _unsatisfiable(placed: _Placed, grade: int | None, category: str | None) -> Finding:
    if can_hold(alternatives(placed.conditions)):
        facts_en = [f"grade {grade}"] * (grade is not None) + [f"the category “{category}”"] * (category is not None)
        facts_zh = [f"{grade} 级"] * (grade is not None) + [f"类别“{category}”"] * (category is not None)
        return Finding(
            "unsatisfiable",
            placed.policy.uid,
            placed.rule.path,
            f"The conditions of {placed.name('en')} never hold for data of {' and '.join(facts_en)}. Change them, or offer"
            " other data.",
            f"{placed.name('zh')}的条件对{'、'.join(facts_zh)}的数据不可能满足。请修改条件，或提供其他数据。",
        )
    return Finding(
        "unsatisfiable",
        placed.policy.uid,
        placed.rule.path,
        f"The conditions of {placed.name('en')} can never hold together. Change one of them, or leave the rule out.",
        f"{placed.name('zh')}的条件不可能同时满足。请修改其中之一，或删除该规则。",
    )


def _contradictions(permissions: list[_Placed], prohibitions: list[_Placed], strategy: str) -> Iterator[Finding]:
    for permission in permissions:
        for prohibition in prohibitions:
            if not _meet(permission, prohibition):
                continue
            names = [permission.name("en"), prohibition.name("en"), permission.name("zh"), prohibition.name("zh")]
            if strategy == "invalid":
                yield _pair("contradiction", permission, prohibition, *_UNDECIDED, names)
            elif strategy == "prohibit" and _within(permission, prohibition):
                yield _pair("contradiction", permission, prohibition, *_FORBIDDEN, names)
            elif strategy == "perm" and _within(prohibition, permission):
                yield _pair("contradiction", prohibition, permission, *_ALLOWED, names)


_UNDECIDED = (
    "{0} and {1} both apply to the same use, and nothing says which wins, so all of it is denied. State “prohibit” or “perm”.",
    "{2}与{3}适用于同一使用，且未规定以何者为准，因此一律拒绝。请将冲突处理方式设为 prohibit 或 perm。",
)
_FORBIDDEN = (
    "{1} forbids all that {0} permits, so {0} never takes effect. Narrow the prohibition, or leave the permission out.",
    "{3}禁止了{2}所许可的全部内容，{2}永不生效。请缩小禁止的范围，或删除该许可。",
)
_ALLOWED = (
    "{0} permits all that {1} forbids and permissions win, so {1} never takes effect. Narrow the permission.",
    "{2}许可了{3}所禁止的全部内容，且以许可为准，{3}永不生效。请缩小许可的范围。",
)


def _pair(code: Code, one: _Placed, other: _Placed, en: str, zh: str, names: list[str]) -> Finding:
    text = en.format(*names)
    return Finding(
        code,
        one.policy.uid,
        one.rule.path,
        text[0].upper() + text[1:],
        zh.format(*names),
        other.policy.uid,
        other.rule.path,
    )


def _meet(one: _Placed, other: _Placed) -> bool:
    """Whether there is a use that both rules speak of."""
    return (
        bool(one.covers & other.covers)
        and _overlap(one.parties, other.parties)
        and _overlap(one.assets, other.assets)
        and can_hold(alternatives(one.conditions), alternatives(other.conditions))
    )


def _within(inner: _Placed, outer: _Placed) -> bool:
    """Whether every use that one rule speaks of is one that the other speaks of."""
    return (
        bool(inner.covers)
        and inner.covers <= outer.covers
        and _all_within(inner.parties, outer.parties)
        and _all_within(inner.assets, outer.assets)
        and implies(inner.conditions, outer.conditions)
    )


def _overlap(one: tuple[Member, ...], other: tuple[Member, ...]) -> bool:
    """Whether somebody may be meant by both. Whoever belongs to a group is not known here."""
    if not one or not other or any(not isinstance(member, str) for member in (*one, *other)):
        return True
    return bool(set(one) & set(other))


def _all_within(inner: tuple[Member, ...], outer: tuple[Member, ...]) -> bool:
    return not outer or (bool(inner) and set(inner) <= set(outer))


def _shadowed(rules: list[_Placed]) -> Iterator[Finding]:
    gone: list[_Placed] = []
    for earlier, later in combinations(rules, 2):
        for one, other in ((later, earlier), (earlier, later)):
            if one in gone or other in gone or not _within(one, other) or not _owes_no_more(one, other):
                continue
            gone.append(one)
            names = [one.name("en"), other.name("en"), one.name("zh"), other.name("zh")]
            yield _pair("shadowed", one, other, *_ADDS_NOTHING, names)


_ADDS_NOTHING = ("{0} adds nothing to {1}. Leave it out.", "{2}的内容已包含在{3}中。请将其删除。")


def _owes_no_more(one: _Placed, other: _Placed) -> bool:
    """Whether the other rule owes all that this one does: leaving out a rule must not leave out a duty."""

    def owed(rule: Permission | Prohibition) -> tuple[Duty, ...]:
        return rule.duties if isinstance(rule, Permission) else rule.remedies

    return set(owed(one.rule)) <= set(owed(other.rule))


def _too_wide(
    placed: _Placed, prohibitions: list[_Placed], grade: int | None, category: str | None, assessed: bool
) -> Iterator[Finding]:
    ways = alternatives(placed.conditions) or [()]
    if category == "core":
        yield _wide("core", placed)
    if category == "important" and not assessed and not all(_stays(way) for way in ways):
        yield _wide("border", placed)
    if grade is None or grade < 2:
        return
    if not all(_names(way, "purpose") for way in ways):
        yield _wide("purpose", placed, grade)
    if grade > 2 and not placed.parties and not all(_names(way, "recipient") for way in ways):
        yield _wide("recipient", placed, grade)
    onward = [name for name in _ONWARD if name in placed.covers and not _is_barred(placed, name, prohibitions)]
    if onward:
        yield _wide("onward", placed, grade, onward[0])


def _names(way: Alternative, left_operand: str) -> bool:
    return any(
        said and constraint.left_operand == left_operand and constraint.operator in _NAMING for constraint, said in way
    )


def _stays(way: Alternative) -> bool:
    """Whether an alternative keeps the data in the country."""
    for constraint, said in way:
        text = constraint.right[0].text if len(constraint.right) == 1 else ""
        if constraint.left_operand == "ex:crossBorder" and text in {"true", "false", "0", "1"}:
            stays = parse_flag(text) is not ((constraint.operator == "eq") is said)
        else:
            placed = constraint.left_operand == "spatial" and constraint.operator in {"eq", "isPartOf"}
            stays = said and placed and (text == "CN" or text.startswith("CN-"))
        if stays:
            return True
    return False


def _is_barred(placed: _Placed, name: str, prohibitions: list[_Placed]) -> bool:
    return any(
        name in prohibition.covers
        and not prohibition.conditions
        and _all_within(placed.parties, prohibition.parties)
        and _all_within(placed.assets, prohibition.assets)
        for prohibition in prohibitions
    )


_WIDE: dict[str, tuple[str, str]] = {
    "core": (
        "{0} permits the use of core data, which may not be offered at all. Withdraw the data.",
        "{1}许可使用核心数据，而核心数据不得对外提供。请撤下该数据。",
    ),
    "border": (
        "{0} does not keep important data in the country, and no risk assessment is filed. Add “the data stays in the country”"
        " (ex:crossBorder eq false), or file the assessment.",
        "{1}未将重要数据限于境内，且未提交风险评估。请加上“数据不出境”（ex:crossBorder eq false），或提交风险评估。",
    ),
    "purpose": (
        "{0} asks for no purpose, and data of grade {2} needs a stated one. Add a constraint on the purpose.",
        "{1}未限定用途，而 {2} 级数据须声明用途。请加上用途约束。",
    ),
    "recipient": (
        "{0} names no recipient, and data of grade {2} goes to named recipients only. Add a constraint on the recipient.",
        "{1}未指明接收方，而 {2} 级数据仅可提供给指明的接收方。请加上接收方约束。",
    ),
    "onward": (
        "{0} also lets the consumer {3}, which data of grade {2} does not allow. Prohibit it.",
        "{1}同时允许使用方{4}，而 {2} 级数据不允许。请加以禁止。",
    ),
}


def _wide(code: Code, placed: _Placed, grade: int | None = None, action: str = "use") -> Finding:
    words = [placed.name("en"), placed.name("zh"), grade, action_words(action, "en"), action_words(action, "zh")]
    en, zh = _WIDE[code]
    text = en.format(*words)
    return Finding(code, placed.policy.uid, placed.rule.path, text[0].upper() + text[1:], zh.format(*words))
