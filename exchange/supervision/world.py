"""The state of the world as the ledger alone tells it: what a decision could rely on at each entry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from contracts.odrl import World
from exchange.transfer.decision import ACTION

# Facts of a firm that policies ask for, by the left operand.
_OPERANDS = {"country": "spatial", "industry": "industry"}


@dataclass
class Deal:
    """An agreement as its statements tell it. `keys` are those that signed for provider and consumer."""

    id: str
    agreed: Mapping[str, Any]
    keys: dict[str, bytes] = field(default_factory=dict)
    in_force_at: datetime | None = None
    ended: bool = False
    held_fen: int = 0
    paid: bool = False
    starts: list[datetime] = field(default_factory=list)

    def count_range(self, at: datetime) -> range:
        """Return the numbers of uses that a decision made at `at` can have seen.

        A request decides before it queues for the counter's lock, so uses that started later but were recorded first
        may or may not have been counted; the start itself decides again under the lock.
        """
        return range(sum(start <= at for start in self.starts), len(self.starts) + 1)


class Ledger:
    """What was heard so far, in the order of the log."""

    def __init__(self) -> None:
        self.deals: dict[str, Deal] = {}
        self._declared: dict[str, dict[str, str]] = {}
        self._verified: dict[str, dict[str, str]] = {}

    def hear(self, kind: str, at: datetime, agreement: str | None, values: Mapping[str, Any], public: bytes) -> None:
        """Take note of a statement. Requires opened `values` of a defined kind."""
        if kind in {"participant.joined", "participant.declared"}:
            self._declared[values["participant"]] = _facts(values)
        elif kind == "participant.verified":
            self._verified[values["participant"]] = _facts(values)
        elif kind == "negotiation.agreed" and agreement is not None:
            self.deals[agreement] = Deal(values["agreement_id"], values, {"provider": public})
        elif agreement in self.deals:
            _hear_of(self.deals[agreement], kind, at, values, public)

    def world(self, deal: Deal, used: int) -> World:
        """Return the state of the world for a decision about `deal` after `used` uses."""
        return World(
            counts={ACTION: used},
            agreement_start=deal.in_force_at,
            first_use=deal.starts[0] if deal.starts else None,
            paid_fen=deal.held_fen if deal.paid else 0,
            attributes=self._known(deal.agreed["consumer"]),
        )

    def _known(self, participant: str) -> dict[str, Any]:
        """Return the facts of a firm that count: verified by an operator, and still what it declares."""
        now = self._declared.get(participant, {})
        held = self._verified.get(participant, {})
        return {_OPERANDS[name]: value for name, value in held.items() if now.get(name) == value}


def _facts(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: values[name] for name in _OPERANDS if name in values}


def _hear_of(deal: Deal, kind: str, at: datetime, values: Mapping[str, Any], public: bytes) -> None:
    if kind == "negotiation.verified":
        deal.keys["consumer"] = public
    elif kind == "negotiation.finalized":
        deal.in_force_at = at
    elif kind == "escrow.held":
        deal.held_fen, deal.paid = values["amount_fen"], True
    elif kind in {"escrow.refunded", "negotiation.terminated"}:
        deal.ended = True
        deal.paid = deal.paid and kind != "escrow.refunded"
    elif kind == "transfer.started":
        deal.starts.append(at)
