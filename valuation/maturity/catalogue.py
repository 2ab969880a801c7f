"""The domains and items of a DCMM edition, as data in the package.

GB/T 36073-2018 has eight domains and 28 items. The edition of 2025 has nine and 33; its list of items is added as a
file `dcmm-2025.json` of the same form once it is at hand, and nothing else changes.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from valuation.errors import MaturityError

DEFAULT_EDITION: Final = "2018"


@dataclass(frozen=True)
class Item:
    """One capability item; its id begins with its domain's."""

    id: str
    name_en: str
    name_zh: str


@dataclass(frozen=True)
class Domain:
    """A capability domain with its items."""

    id: str
    name_en: str
    name_zh: str
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Level:
    """One of the five levels."""

    level: int
    name_en: str
    name_zh: str


@dataclass(frozen=True)
class Catalogue:
    """An edition: the standard's number, the version of this file, levels and domains in the standard's order."""

    edition: str
    standard: str
    version: str
    levels: tuple[Level, ...]
    domains: tuple[Domain, ...]

    @property
    def items(self) -> tuple[Item, ...]:
        """All items, in the order of the domains."""
        return tuple(item for domain in self.domains for item in domain.items)


def editions() -> tuple[str, ...]:
    """The editions there are, the oldest first."""
    names = (file.name for file in resources.files("valuation.maturity").iterdir())
    return tuple(sorted(found.group(1) for name in names if (found := re.fullmatch(r"dcmm-(\d{4})\.json", name))))


@cache
def catalogue(edition: str = DEFAULT_EDITION) -> Catalogue:
    """The catalogue of an edition. Raises MaturityError where there is none."""
    if edition not in editions():
        raise MaturityError(f"There is no DCMM catalogue of {edition!r}; there are {', '.join(editions())}.")
    document = json.loads((resources.files("valuation.maturity") / f"dcmm-{edition}.json").read_text("utf-8"))
    return Catalogue(
        edition,
        document["standard"],
        document["version"],
        tuple(Level(**value) for value in document["levels"]),
        tuple(
            Domain(value["id"], value["name_en"], value["name_zh"], tuple(Item(**item) for item in value["items"]))
            for value in document["domains"]
        ),
    )
