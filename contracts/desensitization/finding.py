"""What detection says about one column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from contracts.desensitization.kinds import Category


@dataclass(frozen=True)
class Finding:
    """A column that seems to hold a kind of sensitive value; a person confirms it.

    `confidence` lies between 0 and 1. `matched` of the `tested` values (neither null nor empty) show the kind;
    a finding from the name alone has `matched` 0. `width` is a fitting width of generalisation for numbers.
    """

    column: str
    kind: str
    category: Category
    confidence: float
    matched: int
    tested: int
    reason_en: str
    reason_zh: str
    width: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The finding as a JSON object, without any value of the column."""
        return {name: value for name, value in vars(self).items() if value is not None}
