"""The lower bounds that a table's columns suggest for the answers of its grading, and the reason that going below one takes.

The suggestion is the library's (valuation.classification); a person decides. What the person decides against it is signed
with the reason, and a version that suggests more than was answered for is not offered on the old answers (promise 12).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exchange.catalog import checks
from exchange.catalog.models import Dataset, DatasetVersion
from exchange.errors import ConflictError, InvalidInputError
from valuation.classification import Suggestion, guide, suggest

SHORTEST_REASON, LONGEST_REASON = 10, 1000
CODE = "grade-below-suggestion"


def suggestion_for(version: DatasetVersion | None) -> Suggestion | None:
    """Return what the columns of a version speak for; None where there is no table yet."""
    if version is None or version.kind != "table":
        return None
    return suggest([column["name"] for column in version.schema], version.findings)


def check_reason(answers: Mapping[str, int], version: DatasetVersion | None, reason: object) -> dict[str, Any]:
    """Return what a grading keeps: the bounds that were suggested, and the written reason for going below one.

    Raises InvalidInputError where an answer is below its bound and the reason is missing or too short.
    """
    suggestion = suggestion_for(version)
    suggested = dict(suggestion.answers) if suggestion else {}
    low = _below(answers, suggested)
    if low and not str(reason or "").strip():
        english, chinese = _names(low)
        raise InvalidInputError(
            (f"The columns suggest a higher answer to {english}.", f"根据列内容，建议对{chinese}选择更高的答案。"),
            (
                f"Choose it, or write in {SHORTEST_REASON} characters or more why the lower answer is right.",
                f"请选择建议的答案，或用不少于 {SHORTEST_REASON} 个字符说明选择较低答案的理由。",
            ),
            field="reason",
            code=CODE,
            details={"suggested": suggested},
        )
    return {
        "suggested": suggested,
        "reason": checks.text("reason", reason or "", LONGEST_REASON, shortest=SHORTEST_REASON if low else 0),
    }


def open_questions(dataset: Dataset, version: DatasetVersion) -> list[str]:
    """Return the questions that were answered below what `version` suggests, and for which no reason covers that."""
    if dataset.grading is None:
        return []
    suggestion = suggestion_for(version)
    answers = {item["question"]: item["grade"] for item in dataset.grading["answers"]}
    low = _below(answers, suggestion.answers if suggestion else {})
    if not dataset.grading.get("reason"):
        return low
    # A reason was given for the bounds of its time; what has been found since then needs another look.
    return [name for name in low if suggestion and suggestion.answers[name] > dataset.grading["suggested"].get(name, 1)]


def check_answered(dataset: Dataset, version: DatasetVersion) -> None:
    """Raise ConflictError where `version` suggests a higher answer than was given, and no reason was signed for that."""
    low = open_questions(dataset, version)
    if low:
        english, chinese = _names(low)
        raise ConflictError(
            (
                f"The columns of this version suggest a higher answer to {english} than was given.",
                f"根据该版本的列内容，建议对{chinese}选择更高的答案。",
            ),
            (
                "Grade the dataset again, or give the reason for the lower answer.",
                "请重新分级，或说明选择较低答案的理由。",
            ),
            code=CODE,
        )


def _below(answers: Mapping[str, int], suggested: Mapping[str, int]) -> list[str]:
    return [name for name, bound in suggested.items() if answers.get(name, 1) < bound]


def _names(questions: list[str]) -> tuple[str, str]:
    found = [guide().question(name) for name in questions]
    english = " and ".join(f"“{question.name_en}”" for question in found)
    return english, "、".join(f"“{question.name_zh}”" for question in found)
