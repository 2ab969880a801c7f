"""The grade of a dataset from three impact answers, stored with the answers and the rule that was applied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from valuation.classification.guide import category, guide
from valuation.errors import ClassificationError


@dataclass(frozen=True)
class Grading:
    """A grade from 1 to 3, the answers it came from, and the rule and the edition of the guide that were applied."""

    grade: int
    answers: Mapping[str, int]
    category: str
    rule: str
    rule_en: str
    rule_zh: str
    guide: str

    def to_json(self) -> dict[str, Any]:
        """The grading as JSON values, each answer with its wording."""
        return {
            "grade": self.grade,
            "category": self.category,
            "answers": [
                {"question": name, "grade": chosen, **_wording(name, chosen)} for name, chosen in self.answers.items()
            ],
            "rule": self.rule,
            "rule_en": self.rule_en,
            "rule_zh": self.rule_zh,
            "guide": self.guide,
        }


def grade(answers: Mapping[str, int], *, tag: str = "general") -> Grading:
    """The grade of the answers to all three questions of the guide: the highest of them (就高).

    `answers` gives 1, 2 or 3 for each of `safety`, `loss` and `reach`; `tag` is general, important or core.
    Raises ClassificationError where an answer is missing, unknown or out of range.
    """
    known = guide()
    wanted = [question.id for question in known.questions]
    if sorted(answers) != sorted(wanted):
        raise ClassificationError(f"Answers are wanted to {', '.join(wanted)}, not to {', '.join(answers)}.")
    for name, chosen in answers.items():
        _wording(name, chosen)
    return Grading(
        grade=max(answers.values()),
        answers={name: answers[name] for name in wanted},
        category=category(tag).id,
        rule=known.rule,
        rule_en=known.rule_en,
        rule_zh=known.rule_zh,
        guide=f"{known.document}, version {known.version}",
    )


def highest(gradings: Iterable[Grading]) -> tuple[int, str]:
    """Grade and category of data made of several parts: the highest of each. Raises ClassificationError for none."""
    parts = list(gradings)
    if not parts:
        raise ClassificationError("There is nothing to grade.")
    worst = max(parts, key=lambda part: category(part.category).rank)
    return max(part.grade for part in parts), worst.category


def _wording(name: str, chosen: object) -> dict[str, str]:
    for answer in guide().question(name).answers:
        if answer.grade == chosen and type(chosen) is int:
            return {"text_en": answer.text_en, "text_zh": answer.text_zh}
    raise ClassificationError(f"The question {name} is answered with 1, 2 or 3, not {chosen!r}.")
