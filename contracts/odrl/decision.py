"""What a decision is asked with, and what it answers.

A Permit carries what has to be done for it; a Deny carries every reason, each with the rule, what was
expected, what was found, and the mend in words.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from contracts.errors import RequestError
from contracts.odrl import words
from contracts.odrl.model import JSON
from contracts.odrl.values import YEARS, rfc3339, yuan


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


Period: TypeAlias = tuple[datetime | None, datetime | None]


def _require_moment(name: str, moment: datetime | None) -> None:
    if moment is None:
        return
    if moment.year not in YEARS:
        raise RequestError(
            f"The time {name} lies outside the years {YEARS.start} to {YEARS.stop - 1}.",
            f"时间 {name} 不在 {YEARS.start} 至 {YEARS.stop - 1} 年之间。",
        )
    if moment.tzinfo is None:
        raise RequestError(
            f"The time {name} has no time zone.",
            f"时间 {name} 没有时区。",
            mend_en="Pass an aware datetime in UTC.",
            mend_zh="请传入带时区的 UTC 时间。",
        )


@dataclass(frozen=True, slots=True)
class Request:
    """Who wants to do what with which data, why, for whom and when.

    `attributes` are further claims of the request by left operand: `spatial`, `industry`, `fileFormat`,
    `version`, each a string or a collection of strings. Where the world states the same fact, the world is
    believed. Raises RequestError when `at` has no time zone.
    """

    action: str
    assignee: str
    target: str
    purpose: str | None = None
    recipient: str | None = None
    at: datetime = field(kw_only=True)
    attributes: Mapping[str, Any] = field(default_factory=_nothing, kw_only=True)

    def __post_init__(self) -> None:
        _require_moment("at", self.at)


@dataclass(frozen=True, slots=True)
class World:
    """What is known apart from the request. What is not stated here is unknown, and an unknown fact denies.

    `counts`: executions so far, apart from the one that is asked about, by a rule's uid, its path or its
    action; the first of these that is there is taken. `meters`: the metered time in the same way, with what the
    use that is asked about may take. `first_use` and `last_use` are None while there was none. `paid_fen`
    is what the assignee has paid under the agreement. `attributes` holds verified facts by left operand,
    and under `event` the periods of events: name to (start, end), where a missing start means "has not
    begun" and a missing end "lasts". `broader` says of a term, a party or an asset what it is a kind, a part or a
    member of. `performed` says of a rule, by its uid or its path, that it was performed, or (False) that
    it is known not to have been performed in time. Raises RequestError for a time without zone.
    """

    counts: Mapping[str, int] = field(default_factory=_nothing)
    agreement_start: datetime | None = None
    first_use: datetime | None = None
    paid_fen: int = 0
    attributes: Mapping[str, Any] = field(default_factory=_nothing)
    broader: Mapping[str, Collection[str]] = field(default_factory=_nothing)
    performed: Mapping[str, bool] = field(default_factory=_nothing)
    last_use: datetime | None = None
    meters: Mapping[str, timedelta] = field(default_factory=_nothing)

    def __post_init__(self) -> None:
        _require_moment("agreement_start", self.agreement_start)
        _require_moment("first_use", self.first_use)
        _require_moment("last_use", self.last_use)

    def was_performed(self, uid: str | None, path: str) -> bool | None:
        """Whether a rule was performed, asked by its uid and then by its path; None where it is not known."""
        found = self.performed.get(uid) if uid is not None else None
        return self.performed.get(path) if found is None else found


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something is denied.

    `code` is one of: `unknown` (the policy says something that is not understood), `request` (the requested
    action is not known), `empty`, `action`, `assignee`, `target` (no permission fits), `member` (whether
    somebody or something belongs to a group is not known), `constraint` (not met), `undecided` (a fact is not known), `choice` (an `or` or `xone` is not met), `unpaid`, `overdue`,
    `unperformed` (a duty stands against it), `prohibited`, `not-excluded` (a prohibition may apply, a fact is not known) and
    `conflict`.

    `rule` and `constraint` are paths in the policy. `detail` is the condition of a prohibition in plain
    words.
    """

    code: str
    rule: str
    constraint: str
    left_operand: str
    operator: str
    expected: JSON
    actual: JSON
    detail_en: str = ""
    detail_zh: str = ""

    @property
    def text_en(self) -> str:
        return self.text("en")

    @property
    def text_zh(self) -> str:
        return self.text("zh")

    def text(self, locale: str) -> str:
        """What is wrong and how to mend it, as one or two sentences."""
        from contracts.odrl.reasons import explain

        return explain(self, locale)

    def to_json(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "rule": self.rule,
            "constraint": self.constraint,
            "leftOperand": self.left_operand,
            "operator": self.operator,
            "expected": self.expected,
            "actual": self.actual,
            "text_en": self.text_en,
            "text_zh": self.text_zh,
        }


@dataclass(frozen=True, slots=True)
class Obligation:
    """Something that must be done for a permit: `before` the data is released, or `after`.

    `action` is a duty of the vocabulary; `rule` is its path. `deadline` is when it must be done at the
    latest, `amount_fen` what must be paid, `party` who is to be informed, paid or named. `fulfilled` is
    true when nothing is left to be done.
    """

    action: str
    rule: str
    phase: Literal["before", "after"]
    deadline: datetime | None = None
    not_before: datetime | None = None
    party: str | None = None
    amount_fen: int | None = None
    assignee: str | None = None
    fulfilled: bool = False
    uid: str | None = None

    @property
    def text_en(self) -> str:
        return self.text("en")

    @property
    def text_zh(self) -> str:
        return self.text("zh")

    def text(self, locale: str) -> str:
        """The duty as one sentence."""
        terms = words.DutyTerms(
            due=None if self.deadline is None else words.by(self.deadline, locale),
            not_before=None if self.not_before is None else words.moment(self.not_before, locale),
            party=self.party,
            amount=None if self.amount_fen is None else words.money(yuan(self.amount_fen), locale),
            assignee=self.assignee,
        )
        return words.duty(self.action, terms, locale)

    def to_json(self) -> dict[str, Any]:
        return {
            "action": self.action,
            "rule": self.rule,
            "phase": self.phase,
            "deadline": None if self.deadline is None else rfc3339(self.deadline),
            "notBefore": None if self.not_before is None else rfc3339(self.not_before),
            "party": self.party,
            "amountFen": self.amount_fen,
            "assignee": self.assignee,
            "fulfilled": self.fulfilled,
            "text_en": self.text_en,
            "text_zh": self.text_zh,
        }


@dataclass(frozen=True, slots=True)
class Permit:
    """It may be done, on these obligations. `rules` are the paths of the permissions that hold."""

    obligations: tuple[Obligation, ...] = ()
    rules: tuple[str, ...] = ()

    permitted = True

    def to_json(self) -> dict[str, Any]:
        return {
            "decision": "permit",
            "rules": list(self.rules),
            "obligations": [obligation.to_json() for obligation in self.obligations],
        }


@dataclass(frozen=True, slots=True)
class Deny:
    """It may not be done, for every one of these reasons. There is always at least one."""

    reasons: tuple[Reason, ...]

    permitted = False

    def text(self, locale: str) -> str:
        """All reasons, one per line."""
        return "\n".join(reason.text(locale) for reason in self.reasons)

    def to_json(self) -> dict[str, Any]:
        return {"decision": "deny", "reasons": [reason.to_json() for reason in self.reasons]}


Decision: TypeAlias = Permit | Deny
