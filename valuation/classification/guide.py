"""The national rules as data: domains and grading questions of the 2020 guide, categories of GB/T 43697-2024."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from valuation.errors import ClassificationError


@dataclass(frozen=True)
class Subclass:
    """A subclass of a data domain."""

    id: str
    name_en: str
    name_zh: str


@dataclass(frozen=True)
class DataDomain:
    """A data domain of industrial or of platform enterprises, with its subclasses in the guide's order."""

    id: str
    enterprise: str
    name_en: str
    name_zh: str
    subclasses: tuple[Subclass, ...]


@dataclass(frozen=True)
class Answer:
    """One possible answer to a question and the grade it stands for."""

    grade: int
    text_en: str
    text_zh: str


@dataclass(frozen=True)
class Question:
    """One of the three questions about the impact of tampering, destruction, leak or unlawful use."""

    id: str
    name_en: str
    name_zh: str
    question_en: str
    question_zh: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Guide:
    """The guide 工信厅信发〔2020〕6号 as far as this package uses it."""

    document: str
    version: str
    title_en: str
    title_zh: str
    domains: tuple[DataDomain, ...]
    questions: tuple[Question, ...]
    rule: str
    rule_en: str
    rule_zh: str

    def of(self, enterprise: str) -> tuple[DataDomain, ...]:
        """The domains of `industrial` or of `platform` enterprises. Raises ClassificationError for others."""
        found = tuple(domain for domain in self.domains if domain.enterprise == enterprise)
        if not found:
            raise ClassificationError(f"The guide knows industrial and platform enterprises, not {enterprise!r}.")
        return found

    def domain(self, name: str) -> DataDomain:
        """The domain of that id. Raises ClassificationError where there is none."""
        for domain in self.domains:
            if domain.id == name:
                return domain
        raise ClassificationError(f"The guide has no data domain {name!r}.")

    def question(self, name: str) -> Question:
        """The question of that id. Raises ClassificationError where there is none."""
        for question in self.questions:
            if question.id == name:
                return question
        raise ClassificationError(f"The guide asks no question {name!r}.")


@dataclass(frozen=True)
class Category:
    """General, important or core data (GB/T 43697-2024), least first by `rank`."""

    id: str
    rank: int
    name_en: str
    name_zh: str
    text_en: str
    text_zh: str


@cache
def guide() -> Guide:
    """The guide that ships with this package."""
    document = read("guide-2020.json")
    grading = document["grading"]
    return Guide(
        document=document["document"],
        version=document["version"],
        title_en=document["title_en"],
        title_zh=document["title_zh"],
        domains=tuple(
            DataDomain(
                id=domain["id"],
                enterprise=enterprise["id"],
                name_en=domain["name_en"],
                name_zh=domain["name_zh"],
                subclasses=tuple(Subclass(**value) for value in domain["subclasses"]),
            )
            for enterprise in document["enterprises"]
            for domain in enterprise["domains"]
        ),
        questions=tuple(
            Question(**{**value, "answers": tuple(Answer(**answer) for answer in value["answers"])})
            for value in grading["questions"]
        ),
        rule=grading["rule"],
        rule_en=grading["rule_en"],
        rule_zh=grading["rule_zh"],
    )


@cache
def categories() -> tuple[Category, ...]:
    """The three categories, least first."""
    return tuple(Category(**value) for value in read("gbt43697-2024.json")["categories"])


def category(name: str) -> Category:
    """The category of that id. Raises ClassificationError where there is none."""
    for found in categories():
        if found.id == name:
            return found
    raise ClassificationError(f"Data is general, important or core, not {name!r}.")


def read(name: str) -> dict[str, Any]:
    """A data file of this package."""
    text = (resources.files("valuation.classification") / name).read_text("utf-8")
    document: dict[str, Any] = json.loads(text)
    return document
