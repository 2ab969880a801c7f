"""A policy as short sentences, for a page that a buyer reads before signing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TypeVar

from contracts.odrl import phrases, words
from contracts.odrl.compiler import unknowns
from contracts.odrl.model import Action, Constraint, Duty, Member, Permission, Policy, Prohibition, Rule
from contracts.odrl.reasons import explain
from contracts.odrl.words import chinese, pick


def describe(policy: Policy, locale: str) -> list[str]:
    """One sentence per permission, prohibition and duty, in the order of the policy.

    Chinese for locales that start with "zh", English otherwise. What is not understood comes first, with its
    place and its effect. A policy without permissions says so. Never empty.
    """
    sentences = [explain(problem, locale) for problem in unknowns(policy)]
    for permissions in _alike(policy.permissions):
        sentences.append(_permission(permissions, policy, locale))
        sentences += _duties(permissions[0].duties, locale)
    for prohibitions in _alike(policy.prohibitions):
        sentences.append(_prohibition(prohibitions, policy, locale))
        remedies = _duties(prohibitions[0].remedies, locale, remedial=True)
        sentences += [_if_broken(sentence, locale) for sentence in remedies]
    sentences += _duties(policy.obligations, locale)
    if not policy.permissions:
        sentences.append(pick(locale, "Nothing is permitted.", "不允许任何操作。"))
    elif policy.prohibitions:
        sentences += _conflict(policy.conflict or "invalid", locale)
    return sentences


R = TypeVar("R", Permission, Prohibition)


def _alike(rules: tuple[R, ...]) -> Iterator[list[R]]:
    """Neighbouring rules that differ in nothing but the action, to be said in one sentence."""
    for _, group in groupby(rules, key=_without_action):
        yield list(group)


def _without_action(rule: Permission | Prohibition) -> Rule:
    return replace(rule, action=Action("", rule.action.refinements), uid=None)


def _who(rule: Rule, policy: Policy, locale: str) -> str:
    if rule.assignees and rule.assignees != (policy.assignee,):
        return words.join([_member(party, locale) for party in rule.assignees], locale, "and")
    return pick(locale, "The consumer", "使用方")


def _member(member: Member, locale: str) -> str:
    """One party or asset by its name, a group by what belongs to it."""
    if isinstance(member, str):
        return f"“{member}”"
    conditions = [phrases.of(condition, locale, prohibits=True) for condition in member.refinements]
    named = member.uid or member.source
    assets = member.kind == "AssetCollection"
    if chinese(locale):
        group = f"群组“{named}”中" if named else ""
        fitting = f"符合下列条件（{'；'.join(conditions)}）" if conditions else ""
        return f"{group}{fitting}的{'各数据集' if assets else '各成员'}"
    what = "every dataset" if assets else "every party"
    group = f" of the group “{named}”" if named else ""
    return " ".join([f"{what}{group}", *_listed(conditions)])


def _what(rules: Sequence[Rule], policy: Policy, locale: str) -> str:
    data = None
    targets = rules[0].targets
    if targets and targets != (policy.target,):
        names = words.join([_member(target, locale) for target in targets], locale, "and")
        single = all(isinstance(target, str) for target in targets)
        data = pick(locale, f"the dataset {names}", f"数据集{names}") if single else names
    actions = list(dict.fromkeys(words.action(rule.action.name, locale, data) for rule in rules))
    return words.join(actions, locale)


def _conditions(rule: Rule, locale: str, *, prohibits: bool) -> list[str]:
    return [
        phrases.of(condition, locale, prohibits=prohibits)
        for condition in (*rule.constraints, *rule.action.refinements)
    ]


def _permission(rules: list[Permission], policy: Policy, locale: str) -> str:
    who, what = _who(rules[0], policy, locale), _what(rules, policy, locale)
    conditions = _conditions(rules[0], locale, prohibits=False)
    if chinese(locale):
        return f"{who}可以{what}{'：' if conditions else ''}{'；'.join(conditions)}。"
    return f"{_upper(' '.join([f'{who} may {what}', *_listed(conditions)]))}."


def _prohibition(rules: list[Prohibition], policy: Policy, locale: str) -> str:
    who, what = _who(rules[0], policy, locale), _what(rules, policy, locale)
    conditions = _conditions(rules[0], locale, prohibits=True)
    if chinese(locale):
        if not conditions:
            return f"{who}不得{what}。"
        together = "同时" if len(conditions) > 1 else ""
        return f"{together}符合下列情形时，{who}不得{what}：{'；'.join(conditions)}。"
    return f"{_upper(' '.join([f'{who} may not {what}', *_listed(conditions)]))}."


def _listed(conditions: list[str]) -> list[str]:
    if len(conditions) < 2:
        return conditions
    # A comma parts conditions that have an "or" or "and" of their own.
    comma = "," if any(re.search(r" (or|and) ", text) for text in conditions) else ""
    return [f"{', '.join(conditions[:-1])}{comma} and {conditions[-1]}"]


def _conflict(strategy: str, locale: str) -> list[str]:
    """Who wins. That a prohibition wins over a permission is how anyone reads it, so it is not said."""
    if strategy == "prohibit":
        return []
    if strategy == "perm":
        return [
            pick(
                locale,
                "Where a permission and a prohibition both apply, the permission wins.",
                "许可与禁止同时适用时，以许可为准。",
            )
        ]
    return [
        pick(
            locale,
            "Where a permission and a prohibition both apply, nothing is permitted.",
            "许可与禁止同时适用时，不允许任何操作。",
        )
    ]


def _duties(duties: tuple[Duty, ...], locale: str, *, remedial: bool = False) -> list[str]:
    sentences = []
    for duty in duties:
        sentences.append(words.duty(duty.action.name, _terms(duty, locale, remedial), locale))
        consequences = _duties(duty.consequences, locale, remedial=True)
        sentences += [_if_undone(sentence, locale) for sentence in consequences]
    return sentences


def _if_broken(sentence: str, locale: str) -> str:
    return pick(locale, f"If this is broken: {_lower(sentence)}", f"若违反上述禁止：{sentence}")


def _if_undone(sentence: str, locale: str) -> str:
    return pick(locale, f"If this is not done: {_lower(sentence)}", f"若未履行上述义务：{sentence}")


def _upper(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


def _lower(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def _terms(duty: Duty, locale: str, remedial: bool) -> words.DutyTerms:
    due = not_before = amount = None
    party = next((name for _, name in duty.parties), None)
    for condition in (*duty.constraints, *duty.action.refinements):
        if not isinstance(condition, Constraint) or not condition.right:
            continue
        text = condition.right[0].text
        if condition.left_operand == "elapsedTime":
            span = words.length(text, locale)
            due = pick(locale, f"within {span} of each delivery", f"在每次交付后 {span}内")
        elif condition.left_operand == "dateTime" and condition.operator in {"gt", "gteq"}:
            not_before = words.instant(text, locale)
        elif condition.left_operand == "dateTime":
            day = words.last_day(text)
            due = (
                pick(locale, f"by {words.instant(text, locale)}", f"在{words.instant(text, locale)}之前")
                if day is None
                else words.end_of(day, locale)
            )
        elif condition.left_operand == "payAmount":
            amount = words.money(text, locale) if text.replace(".", "", 1).isdigit() else f"“{text}”"
        elif condition.left_operand == "recipient":
            party = party or text
    assignee = duty.assignees[0] if len(duty.assignees) == 1 else None
    if not isinstance(assignee, str):
        assignee = None
    return words.DutyTerms(due, not_before, party, amount, assignee, remedial)
