"""What statements mean together: rules that an auditor checks from the opened statements alone.

A delivery must stand under an agreement that is in force, signed by both sides, within the limits that the
agreement's own statements carry as plain data, decided before it started, and paid for as agreed; a firm
that is suspended and a dataset that is frozen deliver nothing; money adds up. Each violation is named with
the index of the entry that commits it. The kinds and fields are those of docs/statements.md.

Statements are heard in the order of the log. What an erased opening leaves unknown is not judged, and
neither is an agreement whose first statement was not heard (a bundle can begin in the middle); both are
counted, so that silence is not taken for a verdict.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ledger.deal import Deal, Transfer
from ledger.entry import SIGNER, Entry
from ledger.identifiers import to_bytes
from ledger.spill import Spill

EXCHANGE = "exchange"
_DEALS_IN_MEMORY = 20_000


@dataclass(frozen=True)
class Said:
    """One statement: where it stands, what its opened fields say, who signed it.

    `attested` says whether the log attests, so far, that the key which signed is the signer's.
    """

    index: int
    kind: str
    at: str
    agreement: str | None
    counter: int | None
    values: Mapping[str, Any]
    signer: str
    attested: bool

    @classmethod
    def of(cls, entry: Entry, values: Mapping[str, Any], attested: bool) -> "Said":
        """Return what an entry says. Requires verified openings, `signer` among them."""
        signer = str(values[SIGNER]["participant"])
        return cls(entry.index, entry.kind, entry.at, entry.agreement, entry.counter, values, signer, attested)


@dataclass(frozen=True)
class Violation:
    """A statement that breaks a rule: the rule's name, and what is wrong in one sentence."""

    index: int
    rule: str
    detail: str


class _Unknown(Exception):  # noqa: N818  # Not a fault: an opening is gone.
    """A field that a rule needs is not open."""


Rule = Callable[["Meaning", Said, Deal], Iterator[tuple[str, str]]]


class Meaning:
    """The rules over the statements heard so far.

    `deliveries` and `agreements` were judged, `unjudged` statements could not be.
    """

    def __init__(self) -> None:
        self.deliveries = 0
        self.unjudged = 0
        self.agreements = 0
        self._deals: Spill[Deal] = Spill(Deal.pack, Deal.unpack, _DEALS_IN_MEMORY)
        self._suspended: set[str] = set()
        self._frozen: set[str] = set()

    def hear(self, said: Said) -> list[Violation]:
        """Take the next statement and return the rules it breaks. Requires growing indexes."""
        found = []
        try:
            for rule, detail in self._judge(said):
                found.append(Violation(said.index, rule, detail))
        except _Unknown:
            self.unjudged += 1
        return found

    def close(self) -> list[Violation]:
        """Return what is missing now that all statements were heard: settlements that never came."""
        found = []
        for deal in self._deals.values():
            for transfer in deal.transfers.values():
                if transfer.acknowledged is not None:
                    found.append(_unsettled(transfer.acknowledged))
        return sorted(found, key=lambda item: item.index)

    def _judge(self, said: Said) -> Iterator[tuple[str, str]]:
        if "postings" in said.values:
            yield from _balanced(said)
        standing = _STANDING.get(said.kind)
        if standing is not None:
            standing(self, said)
        rule = _RULES.get(said.kind)
        if rule is None or said.agreement is None:
            return
        deal = self._deal(said)
        if deal.is_judged:
            yield from rule(self, said, deal)
        else:
            self.unjudged += 1

    def _deal(self, said: Said) -> Deal:
        """Return what is known of the statement's agreement."""
        assert said.agreement is not None  # noqa: S101  # The caller has looked.
        key = to_bytes(said.agreement)
        deal = self._deals.get(key)
        if deal is None:
            deal = self._deals[key] = Deal(is_judged=said.counter == 1)
            self.agreements += deal.is_judged
        return deal

    def _agree(self, said: Said, deal: Deal) -> Iterator[tuple[str, str]]:
        if deal.agreed:
            yield "agreement", "makes an agreement that exists already"
        deal.agreed = True
        # Few firms and datasets stand in many agreements, so each name is kept once.
        deal.provider, deal.consumer, deal.dataset = (
            sys.intern(_text(said, name)) for name in ("provider", "consumer", "dataset")
        )
        deal.id, deal.digest, deal.plan = (
            _text(said, name) for name in ("agreement_id", "agreement_digest", "plan_digest")
        )
        deal.uses, deal.use_until, deal.valid_until = (
            _value(said, name) for name in ("uses", "use_until", "valid_until")
        )
        deal.price = _value(said, "price_fen")
        yield from _signed_by(said, deal.provider, "provider")

    def _countersign(self, said: Said, deal: Deal) -> Iterator[tuple[str, str]]:
        if not deal.agreed:
            yield "signatures", "signs an agreement that its provider has not signed"
            return
        deal.verified = True
        yield from _same_terms(said, deal)
        yield from _signed_by(said, deal.consumer, "consumer")

    def _finalize(self, said: Said, deal: Deal) -> Iterator[tuple[str, str]]:
        deal.finalized = True
        for missing, side in ((not deal.agreed, "provider"), (not deal.verified, "consumer")):
            if missing:
                yield "signatures", f"puts an agreement in force that its {side} has not signed"
        if deal.held is None:
            yield "settlement", "puts an agreement in force whose price is not held"
        yield from _same_terms(said, deal)
        yield from _signed_by(said, EXCHANGE, EXCHANGE)

    def _terminate(self, _said: Said, deal: Deal) -> Iterator[tuple[str, str]]:
        deal.ended = deal.ended or "its negotiation was ended"
        return iter(())

    def _hold(self, said: Said, deal: Deal) -> Iterator[tuple[str, str]]:
        if deal.held is not None:
            yield "settlement", "holds money that is held already"
        deal.held = _value(said, "amount_fen")
        if deal.agreed and deal.held != deal.price:
            yield "settlement", f"holds {deal.held} fen, the agreement's price is {deal.price}"
        yield from _between(said, deal)

    def _release(self, said: Said, deal: Deal) -> Iterator[tuple[str, str]]:
        yield from _settle(said, deal, "released")
        if not deal.used:
            yield "settlement", "pays for what was never delivered"
        for name in [name for name, transfer in deal.transfers.items() if transfer.acknowledged is not None]:
            del deal.transfers[name]

    def _refund(self, said: Said, deal: Deal) -> Iterator[tuple[str, str]]:
        yield from _settle(said, deal, "refunded")
        deal.ended = deal.ended or "its money was refunded"

    def _request(self, said: Said, deal: Deal) -> Iterator[tuple[str, str]]:
        yield from _of_agreement(said, deal)
        yield from _signed_by(said, deal.consumer, "consumer")
        deal.transfers[_text(said, "transfer")] = Transfer()

    def _decide(self, said: Said, deal: Deal) -> Iterator[tuple[str, str]]:
        transfer = deal.transfers.get(_text(said, "transfer"))
        if transfer is None:
            yield "decision", "decides about a transfer that was not requested"
        elif _text(said, "decision") == "permit":
            transfer.permitted = True
        else:
            del deal.transfers[_text(said, "transfer")]
        yield from _signed_by(said, EXCHANGE, EXCHANGE)

    def _start(self, said: Said, deal: Deal) -> Iterator[tuple[str, str]]:
        self.deliveries += 1
        yield from _of_agreement(said, deal)
        yield from _in_force(said, deal)
        yield from self._standing(deal)
        yield from _within_limits(said, deal)
        if _value(said, "plan_digest") != deal.plan:
            yield "agreement", "delivers under another desensitization plan than was agreed"
        if deal.held is None:
            yield "settlement", "delivers what nobody's money is held for"
        transfer = deal.transfers.setdefault(_text(said, "transfer"), Transfer())
        if not transfer.permitted:
            yield "decision", "starts a transfer that no decision permits"
        if transfer.digests is not None:
            yield "decision", "starts a transfer that has started already"
        transfer.digests = (_text(said, "sealed_digest"), _text(said, "plain_digest"))
        yield from _signed_by(said, EXCHANGE, EXCHANGE)

    def _stop(self, said: Said, deal: Deal) -> Iterator[tuple[str, str]]:
        transfer = deal.transfers.get(_text(said, "transfer"))
        if transfer is not None and transfer.acknowledged is None:
            del deal.transfers[_text(said, "transfer")]
        return iter(())

    def _acknowledge(self, said: Said, deal: Deal) -> Iterator[tuple[str, str]]:
        yield from _signed_by(said, deal.consumer, "consumer")
        transfer = deal.transfers.get(_text(said, "transfer"))
        if transfer is None or transfer.digests is None:
            yield "decision", "acknowledges a delivery that did not start"
            return
        if _text(said, "digest") not in transfer.digests:
            yield "decision", "acknowledges other bytes than were delivered"
        if deal.settled is None:
            transfer.acknowledged = said.index
        else:
            del deal.transfers[_text(said, "transfer")]

    def _standing(self, deal: Deal) -> Iterator[tuple[str, str]]:
        for side in sorted({deal.provider, deal.consumer} & self._suspended):
            yield "standing", f"delivers while {side} is suspended"
        if deal.dataset in self._frozen:
            yield "standing", "delivers a dataset that is frozen"

    def _suspend(self, said: Said) -> None:
        self._suspended.add(_text(said, "participant"))

    def _reinstate(self, said: Said) -> None:
        self._suspended.discard(_text(said, "participant"))

    def _freeze(self, said: Said) -> None:
        self._frozen.add(_text(said, "dataset"))

    def _unfreeze(self, said: Said) -> None:
        self._frozen.discard(_text(said, "dataset"))


_RULES: Mapping[str, Rule] = {
    "negotiation.agreed": Meaning._agree,
    "negotiation.verified": Meaning._countersign,
    "negotiation.finalized": Meaning._finalize,
    "negotiation.terminated": Meaning._terminate,
    "escrow.held": Meaning._hold,
    "escrow.released": Meaning._release,
    "escrow.refunded": Meaning._refund,
    "transfer.requested": Meaning._request,
    "transfer.decided": Meaning._decide,
    "transfer.started": Meaning._start,
    "transfer.terminated": Meaning._stop,
    "delivery.acknowledged": Meaning._acknowledge,
}
_STANDING: Mapping[str, Callable[[Meaning, Said], None]] = {
    "participant.suspended": Meaning._suspend,
    "participant.reinstated": Meaning._reinstate,
    "dataset.frozen": Meaning._freeze,
    "dataset.unfrozen": Meaning._unfreeze,
}
KINDS = frozenset({*_RULES, *_STANDING, "account.topped_up"})
"""The kinds that rules speak of; others need not be heard."""


def _value(said: Said, name: str) -> Any:
    try:
        return said.values[name]
    except KeyError:
        raise _Unknown from None


def _text(said: Said, name: str) -> str:
    return str(_value(said, name))


def _signed_by(said: Said, signer: str, side: str) -> Iterator[tuple[str, str]]:
    if said.signer != signer:
        yield "signatures", f"is not signed by its {side}"
    elif not said.attested:
        yield "signatures", f"is signed by a key that the log does not attest for its {side}"


def _same_terms(said: Said, deal: Deal) -> Iterator[tuple[str, str]]:
    stated = (_value(said, "agreement_id"), _value(said, "agreement_digest"))
    if deal.agreed and stated != (deal.id, deal.digest):
        yield "signatures", "speaks of another agreement than its provider signed"
    limits = tuple(_value(said, name) for name in ("uses", "use_until", "valid_until", "price_fen", "plan_digest"))
    if deal.agreed and limits != (deal.uses, deal.use_until, deal.valid_until, deal.price, deal.plan):
        yield "limits", "states other limits than its provider signed"
    yield from _between(said, deal)


def _between(said: Said, deal: Deal) -> Iterator[tuple[str, str]]:
    if deal.agreed and (_value(said, "provider"), _value(said, "consumer")) != (deal.provider, deal.consumer):
        yield "agreement", "names other parties than the agreement"


def _of_agreement(said: Said, deal: Deal) -> Iterator[tuple[str, str]]:
    if not deal.agreed:
        yield "agreement", "speaks of an agreement that was never made"
    elif (_value(said, "agreement"), _value(said, "agreement_digest")) != (deal.id, deal.digest):
        yield "agreement", "names another agreement than the one it is counted under"


def _in_force(said: Said, deal: Deal) -> Iterator[tuple[str, str]]:
    if not deal.finalized:
        yield "agreement", "delivers under an agreement that is not in force"
    elif deal.ended is not None:
        yield "agreement", f"delivers under an agreement that has ended: {deal.ended}"
    if deal.valid_until is not None and _moment(said.at) >= _moment(deal.valid_until):
        yield "agreement", f"delivers after the agreement's end, {deal.valid_until}"


def _within_limits(said: Said, deal: Deal) -> Iterator[tuple[str, str]]:
    use = _value(said, "use")
    if use != deal.used + 1:
        yield "limits", f"is counted as use {use}, after use {deal.used}"
    deal.used += 1
    if deal.uses is not None and deal.used > deal.uses:
        yield "limits", f"is use {deal.used} of an agreement for {deal.uses}"
    if deal.use_until is not None and _moment(said.at) > _moment(deal.use_until):
        yield "limits", f"delivers after {deal.use_until}, when the permission ended"


def _settle(said: Said, deal: Deal, how: str) -> Iterator[tuple[str, str]]:
    if deal.held is None:
        yield "settlement", "settles what was never held"
    elif deal.settled is not None:
        yield "settlement", f"settles what was {deal.settled} already"
    elif _value(said, "amount_fen") != deal.held:
        yield "settlement", f"settles {_value(said, 'amount_fen')} fen of the {deal.held} held"
    deal.settled = deal.settled or how
    yield from _between(said, deal)
    yield from _signed_by(said, EXCHANGE, EXCHANGE)


def _unsettled(index: int) -> Violation:
    return Violation(index, "settlement", "was acknowledged, and its provider was never paid")


def _balanced(said: Said) -> Iterator[tuple[str, str]]:
    postings = said.values["postings"]
    try:
        left = sum(leg["amount_fen"] for leg in postings)
        given = sum(leg["amount_fen"] for leg in postings if leg["amount_fen"] > 0)
    except (KeyError, TypeError):
        yield "money", "books postings that cannot be read"
        return
    if left:
        yield "money", f"books postings that sum to {left} fen and not to zero"
    elif given != _value(said, "amount_fen"):
        yield "money", f"books {given} fen and says {_value(said, 'amount_fen')}"


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
