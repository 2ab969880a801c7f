"""The tutorial names the steps and buttons as the pages do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from contracts.odrl import PURPOSES
from contracts.odrl.templates import TEMPLATES
from exchange.catalog.datasets import DOMAINS
from exchange.negotiation import purposes
from valuation.classification import categories

ROOT = Path(__file__).parents[2]
# Emphasis in one star on each side, perhaps over a line's end; two stars are headings of the steps.
_NAMED = re.compile(r"(?<![*\w])\*(?!\*)([^*]+?)\*(?![*\w])")


def on_the_pages() -> set[str]:
    """Return every English text that a page may show: those of templates and forms, and those of terms and of the guide."""
    catalogue = ROOT / "exchange" / "translations" / "zh" / "LC_MESSAGES" / "messages.po"
    with catalogue.open("rb") as file:
        written = {message.id for message in read_po(file) if isinstance(message.id, str)}
    labels = {item.label_en for template in TEMPLATES.values() for item in template.parameters}
    chosen = {
        words[0] for template in TEMPLATES.values() for item in template.parameters for words in item.choices.values()
    }
    titles = {template.title_en for template in TEMPLATES.values()}
    asked = {purposes.title(name, "en") for name in PURPOSES}
    guide = {domain.name_en for domain in DOMAINS.values()} | {category.name_en for category in categories()}
    return written | labels | chosen | titles | asked | guide


@pytest.mark.parametrize("section", ["In the browser", "With a key of your own"])
def test_every_name_that_the_tutorial_gives_a_part_of_a_page_stands_on_the_pages(section: str) -> None:
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    text = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    named = [" ".join(found.split()) for found in _NAMED.findall(prose)]
    assert len(named) >= {"In the browser": 40}.get(section, 2)
    known = on_the_pages() | {"italics"}
    assert not [name for name in named if name not in known]


def test_the_tutorial_names_the_buttons_on_which_its_steps_hang() -> None:
    text = " ".join((ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8").split())
    for name in (
        "Register", "Verify this organisation", "Upload", "Declare and sign", "Determine and sign", "Publish the offer",
        "Send the request", "Approve and sign", "Check and sign", "Fund it", "Take this use", "Acknowledge the delivery",
    ):  # fmt: skip
        assert f"*{name}*" in text, name
