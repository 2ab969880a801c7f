"""What the entries of a bundle mean together, judged by the rules of `ledger.meaning`."""

from collections.abc import Iterable

from ledger.bundle.report import Check
from ledger.meaning import KINDS, Meaning, Said

NAME = "meaning"


def meaning_checks(statements: Iterable[Said]) -> list[Check]:
    """Return one check for each broken rule, or one that says what was judged; none where there is nothing to judge.

    `statements` are those whose openings and signatures hold, in the order of the log.
    """
    meaning = Meaning()
    broken = [violation for said in statements if said.kind in KINDS for violation in meaning.hear(said)]
    broken += meaning.close()
    if broken:
        return [Check(NAME, f"entry {item.index}", False, f"{item.rule}: {item.detail}") for item in broken]
    if not meaning.agreements and not meaning.unjudged:
        return []
    return [Check(NAME, "agreements and deliveries", True, _judged(meaning))]


def _judged(meaning: Meaning) -> str:
    deliveries = "1 delivery" if meaning.deliveries == 1 else f"{meaning.deliveries} deliveries"
    agreements = (
        "1 agreement keep its rules" if meaning.agreements == 1 else f"{meaning.agreements} agreements keep their rules"
    )
    text = f"{deliveries} under {agreements}"
    if meaning.unjudged:
        text += (
            f"; {meaning.unjudged} statements are not judged, since what they rest on is erased or not in this bundle"
        )
    return text
