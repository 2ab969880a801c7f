"""What a publication must be, checked on this machine with the catalogue's own rules before anything is sent.

The exchange checks all of it again. Each function raises InvalidInputError, whose field is the option's name.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from contracts.errors import PolicyError
from contracts.odrl.templates import TEMPLATES, build
from exchange import faults
from exchange.catalog import checks
from exchange.catalog.datasets import DOMAINS, UPDATE_FREQUENCIES
from exchange.catalog.rights import SOURCES
from exchange.errors import InvalidInputError
from valuation.classification import grade

IMPACTS = ("safety", "loss", "reach")


def readable(files: list[Path]) -> list[Path]:
    """Return the files, each of which can be opened and holds something."""
    for path in files:
        try:
            with path.open("rb") as file:
                first = file.read(1)
        except OSError as error:
            raise InvalidInputError(faults.of(error).reason, "Name a file that you can read.", field="FILES") from error
        if not first:
            raise InvalidInputError(f"{path} is empty.", "Name a file with content.", field="FILES")
    return files


def description(
    title: str, words: str, domain: str, keywords: Iterable[str], coverage: str, update_frequency: str
) -> dict[str, Any]:
    """Return what is said about the dataset, each part within the catalogue's limits."""
    return {
        "title": checks.line("--title", title, 200, shortest=2),
        "description": checks.text("--description", words, 8000),
        "keywords": checks.lines("--keyword", list(keywords), most=20, longest=50),
        "domain": checks.choice("--domain", domain, ["", *DOMAINS]),
        "coverage": checks.line("--coverage", coverage, 500),
        "update_frequency": checks.choice("--frequency", update_frequency, ["", *UPDATE_FREQUENCIES]),
    }


def reading_options(types: dict[str, str], encoding: str | None, delimiter: str | None) -> dict[str, Any]:
    """Return how the files are to be read: only what was given."""
    options: dict[str, Any] = {}
    if encoding is not None:
        try:
            codecs.lookup(encoding)
        except LookupError as error:
            raise InvalidInputError(
                f"There is no encoding {encoding!r}.", "Use utf-8, gb18030, utf-16 or another that Python knows.", field="--encoding"
            ) from error  # fmt: skip
        options["encoding"] = encoding
    if delimiter is not None:
        delimiter = {"\\t": "\t", "tab": "\t"}.get(delimiter, delimiter)
        if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n\0':
            raise InvalidInputError(
                "A delimiter is one character.", "Use a comma, semicolon, tab or bar.", field="--delimiter"
            )
        options["delimiter"] = delimiter
    if types:
        options["types"] = json.dumps(
            {name: checks.line("--type", kind, 60, shortest=1) for name, kind in types.items()}
        )
    return options


def rights(source: str | None, evidence: str, declared: bool) -> None:
    """Require that a declaration of rights is said, and is whole: nothing is declared by naming a source."""
    if not declared:
        if source or evidence:
            raise InvalidInputError(
                "A source and evidence declare nothing by themselves.",
                "Add --declare-rights to declare that your organisation holds the data, may process it and may operate it.",
                field="--declare-rights",
            )
        return
    if not source:
        named = ", ".join(SOURCES)
        raise InvalidInputError(
            "A declaration of rights names where the data comes from.", f"Add --source: {named}.", field="--source"
        )
    checks.choice("--source", source, SOURCES)
    if not evidence:
        raise InvalidInputError("A declaration of rights names what proves it.", "Add --evidence.", field="--evidence")
    checks.text("--evidence", evidence, 4000, shortest=10)


def offering(
    domain: str, declared: bool, impact: tuple[int, int, int] | None, graded: int | None, public: bool
) -> None:
    """Require what an offer needs: a data domain, a declaration of rights, and a grade, given or known, that may be offered so."""
    if not domain:
        raise InvalidInputError(
            "An offer needs a data domain.", "Add --domain; `exchange domains` lists them.", field="--domain"
        )
    if not declared:
        raise InvalidInputError(
            "Nothing is offered without a declaration of rights.",
            "Add --declare-rights with --source and --evidence, or leave out --price.",
            field="--declare-rights",
        )
    if impact is None and graded is None:
        raise InvalidInputError(
            "An offer needs a grade.", "Answer the three impact questions with --impact SAFETY LOSS REACH, each 1 to 3.", field="--impact"
        )  # fmt: skip
    found = graded if impact is None else grade(dict(zip(IMPACTS, impact, strict=True)), tag="general").grade
    if found == 3:
        raise InvalidInputError(
            "Grade 3 data is not offered: it goes to named recipients with a compliance officer's release.",
            "Leave out --price, or lower its sensitivity and grade it anew.",
            field="--impact",
        )
    if found == 2 and public:
        raise InvalidInputError(
            "Grade 2 data is offered only to authorised participants with a stated need.", "Leave out --public.", field="--public"
        )  # fmt: skip


def terms(name: str, given: dict[str, str]) -> dict[str, Any]:
    """Return a template's parameters, several values as a list where the template takes several."""
    if name not in TEMPLATES:
        raise InvalidInputError(
            f"There are no usage terms {name!r}.", "`exchange offers --templates` lists them.", field="--template"
        )
    several = {parameter.name for parameter in TEMPLATES[name].parameters if parameter.type == "choices"}
    typed: dict[str, Any] = {
        parameter: [part.strip() for part in value.split(",") if part.strip()] if parameter in several else value
        for parameter, value in given.items()
    }
    try:
        build(name, **typed)
    except PolicyError as error:
        parameter = error.path.removeprefix("parameters.")
        raise InvalidInputError(
            f"{parameter}: {error.reason}.", f"{error.mend}; `exchange offers --templates` lists them.", field="--parameter"
        ) from error  # fmt: skip
    return typed
