"""The chart of accounts of a data asset's cost (财会〔2023〕11号), in the groups of the cost approach."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

from valuation.errors import EstimateError


@dataclass(frozen=True)
class Account:
    """One kind of cost, in one of the groups preliminary, direct, indirect, opportunity, taxes."""

    id: str
    group: str
    name_en: str
    name_zh: str


@cache
def chart() -> tuple[Account, ...]:
    """The accounts, in the order in which a report lists them."""
    file = resources.files("valuation.approaches") / "chart-of-accounts.json"
    return tuple(Account(**value) for value in json.loads(file.read_text("utf-8"))["accounts"])


def account(name: str) -> Account:
    """The account of that id. Raises EstimateError where there is none."""
    for found in chart():
        if found.id == name:
            return found
    raise EstimateError(f"The chart of accounts has no {name!r}; it has {', '.join(a.id for a in chart())}.")
