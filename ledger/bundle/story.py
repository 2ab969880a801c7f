"""What the entries of a bundle mean together, judged by the rules of `ledger.meaning`."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ledger.bundle.report import Check
from ledger.entry import Entry
from ledger.erasures import Erasures
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


def erasure_checks(
    entries: Mapping[int, Entry], values: Mapping[int, Mapping[str, Any]], erased: Iterable[tuple[int, str, str | None]]
) -> Iterator[Check]:
    """Yield what became of each erased field: (index, field, statement that is said to order it)."""
    erasures = Erasures()
    for entry in entries.values():
        erasures.ordered(entry.index, entry.statement_id, entry.kind, values.get(entry.index, {}))
    for index, name, by in erased:
        erasures.found(index, entries[index].statement_id, name, by)
    for item in erasures.judge(whole=False):
        detail = item.problem or f"{item.words}; the proofs still hold"
        yield Check("erasure", f"entry {item.index}, {item.field}", item.problem is None, detail)
