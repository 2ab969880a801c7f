"""A suggestion of data domain and impact answers from column names and what was found in the columns.

The suggestion carries its reasons and is decided by a person.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from valuation.classification.guide import DataDomain, Subclass, guide, read

_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


@dataclass(frozen=True)
class Reason:
    """Why a column speaks for a subclass, or an answer is suggested."""

    column: str
    points_to: str
    text_en: str
    text_zh: str


@dataclass(frozen=True)
class Suggestion:
    """The domain most columns speak for, with the subclass and the share of columns; None where none speaks.

    `answers` are lower bounds suggested for the three impact questions, each with its reasons.
    """

    domain: str | None
    subclass: str | None
    share: str
    reasons: tuple[Reason, ...]
    answers: Mapping[str, int]
    answer_reasons: tuple[Reason, ...]

    def to_json(self) -> dict[str, Any]:
        """The suggestion as JSON values."""
        return {
            "domain": self.domain,
            "subclass": self.subclass,
            "share": self.share,
            "reasons": [vars(reason) for reason in self.reasons],
            "answers": dict(self.answers),
            "answer_reasons": [vars(reason) for reason in self.answer_reasons],
        }


def suggest(
    columns: Sequence[str],
    findings: Sequence[Mapping[str, Any]] = (),
    *,
    enterprise: str = "industrial",
) -> Suggestion:
    """The domain and the answers that column names and findings (`column` and `kind` each) speak for.

    Every column has one vote, given to the subclass most of its words belong to, or to that of what was
    found in it; ties go to the earlier subclass of the guide. Raises ClassificationError for an unknown
    kind of enterprise.
    """
    domains = guide().of(enterprise)
    order = [(domain, subclass) for domain in domains for subclass in domain.subclasses]
    kinds = {str(finding.get("column")): str(finding.get("kind")) for finding in findings}
    reasons: list[Reason] = []
    for name in columns:
        reason = _vote(name, kinds.get(name), order)
        if reason is not None:
            reasons.append(reason)
    votes = {subclass.id: 0 for _, subclass in order}
    for reason in reasons:
        votes[reason.points_to] += 1
    domain = _winner(domains, votes)
    subclass = max(domain.subclasses, key=lambda value: votes[value.id]).id if domain else None
    mine = {value.id for value in domain.subclasses} if domain else set()
    answers, because = _answers(findings, reasons)
    return Suggestion(
        domain=domain.id if domain else None,
        subclass=subclass,
        share=f"{sum(1 for reason in reasons if reason.points_to in mine)}/{len(columns)}",
        reasons=tuple(reasons),
        answers=answers,
        answer_reasons=because,
    )


@cache
def _vocabulary() -> dict[str, Any]:
    return read("vocabulary.json")


def _words(name: str) -> set[str]:
    """The English words of a column name in lower case: `SpindleSpeed_rpm` has three."""
    return {word.lower() for word in _WORDS.findall(name)}


def _vote(name: str, kind: str | None, order: Sequence[tuple[DataDomain, Subclass]]) -> Reason | None:
    words, lower = _words(name), name.lower()
    best: tuple[int, Subclass, str] | None = None
    for _, subclass in order:
        known = _vocabulary()["words"].get(subclass.id, ())
        hits = [word for word in known if (word in words if word.isascii() else word in lower)]
        if hits and (best is None or len(hits) > best[0]):
            best = (len(hits), subclass, ", ".join(hits))
    found = _vocabulary()["finding_kinds"].get(kind)
    for _, subclass in order:
        if subclass.id == found:
            return Reason(
                name,
                subclass.id,
                f"“{name}” holds {kind}, which belongs to {subclass.name_en.lower()}.",
                f"“{name}”列的检出结果属于{subclass.name_zh}。",
            )
    if best is None:
        return None
    _, subclass, hit = best
    return Reason(
        name,
        subclass.id,
        f"“{name}” contains “{hit}”, a word of {subclass.name_en.lower()}.",
        f"“{name}”列名含有“{hit}”，属于{subclass.name_zh}。",
    )


def _winner(domains: Sequence[DataDomain], votes: Mapping[str, int]) -> DataDomain | None:
    totals = [sum(votes[subclass.id] for subclass in domain.subclasses) for domain in domains]
    return domains[totals.index(max(totals))] if max(totals) else None


def _answers(
    findings: Sequence[Mapping[str, Any]], reasons: Sequence[Reason]
) -> tuple[dict[str, int], tuple[Reason, ...]]:
    """The highest grade hinted at for each question, and why; a question without a hint stays at 1."""
    answers = {question.id: 1 for question in guide().questions}
    because: list[Reason] = []
    seen = [("kinds", str(f.get("kind")), str(f.get("column"))) for f in findings]
    seen += [("subclasses", reason.points_to, reason.column) for reason in reasons]
    for field, value, column in seen:
        for hint in _vocabulary()["hints" if field == "kinds" else "subclass_hints"]:
            if value in hint[field]:
                answers[hint["question"]] = max(answers[hint["question"]], hint["grade"])
                because.append(
                    Reason(column, hint["question"], f"“{column}”: {hint['text_en']}", f"“{column}”：{hint['text_zh']}")
                )
    return answers, tuple(because)
