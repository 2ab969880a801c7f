"""Which anchor goes into an evidence bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.orm import Session

from exchange.audit.anchoring import store
from ledger.bundle import Attested
from ledger.bundle.attested import Attestations


def with_anchor(session: Session, attestations: Attestations) -> Attestations:
    """Return what outsiders vouched for together with one anchor: the first that covers all entries, or the newest.

    The first one proves the earliest time; where the last entries are younger than every anchor, the others are still dated.
    """

    def choose(indexes: Sequence[int], size: int) -> Sequence[Attested]:
        found = {item.size: item for item in attestations(indexes, size)}
        anchor = store.covering(session, indexes[-1]) or store.newest_proven(session)
        if anchor is None or anchor.link.size > size:
            return list(found.values())
        link = anchor.link
        item = found.get(link.size) or Attested(link.size, link.root, anchor.attempt.note)
        found[link.size] = replace(item, anchor=anchor.proof)
        return list(found.values())

    return choose
