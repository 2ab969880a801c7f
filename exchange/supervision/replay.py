"""Every recorded decision made again: the signed policy is asked anew, with the state of the world that the ledger tells.

What the ledger says and what the policy says must agree: whether an access was permitted, by which rules it was denied, which
obligations it carried, and the limits that the agreement's statements state in plain data. Each disagreement is a deviation,
named with the entry's index. Whether the log itself is whole is judged by `python -m ledger fsck`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from contracts.agreement import Agreement, SignedAgreement, verify
from contracts.errors import ContractsError
from contracts.odrl import Decision, Deny, Policy, Request, evaluate, parse
from contracts.odrl.limits import limits
from exchange.audit.service import timestamp
from exchange.audit.statements import STATEMENTS
from exchange.negotiation.agreements import signed_json
from exchange.negotiation.models import AgreementRecord
from exchange.supervision.world import Deal, Ledger
from exchange.transfer.decision import ACTION, FORMAT
from ledger.attestation import GENESIS
from ledger.entry import SIGNATURE, SIGNER, Entry, Opening, Statement, verify_opening
from ledger.errors import AdmissionError, VerificationError
from ledger.log import Log

Progress = Callable[[int, int], None]
Documents = Callable[[str], SignedAgreement | None]
"""Given an agreement's id, return its document with both signatures, None where it is not kept.

May raise ContractsError where what is kept is no agreement."""


@dataclass(frozen=True)
class Deviation:
    """A recorded decision that is not what its policy gives: `rule` is what was compared."""

    index: int
    kind: str
    agreement: str | None
    rule: str
    recorded: str
    expected: str


@dataclass
class Replay:
    """What replaying a log found. `erased` counts statements that could not be judged, since an opening is gone."""

    size: int = 0
    decisions: int = 0
    deliveries: int = 0
    denied_parts: int = 0
    erased: int = 0
    deviations: list[Deviation] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.deviations

    def to_json(self) -> dict[str, Any]:
        return {"ok": self.ok, **asdict(self)}


def kept_documents(session: Session) -> Documents:
    """Return what gives the signed agreements that the exchange keeps."""

    def find(agreement: str) -> SignedAgreement | None:
        row = session.get(AgreementRecord, agreement)
        return None if row is None else SignedAgreement.from_json(json.loads(signed_json(row)))

    return find


def replay(log: Log[Any], documents: Documents, progress: Progress | None = None) -> Replay:
    """Make every recorded decision of the log again; `documents` gives the signed agreements.

    Raises LedgerUnavailableError where the log cannot be read.
    """
    size = log.size()
    run = _Run(documents, Replay(size=size))
    for done, record in enumerate(log.storage.records(0, size), 1):
        if record.entry is not None:
            run.hear(record.entry, record.openings or {})
        if progress is not None:
            progress(done, size)
    return run.found


class _Run:
    def __init__(self, documents: Documents, found: Replay) -> None:
        self.found = found
        self._documents = documents
        self._ledger = Ledger()
        self._signed: dict[str, tuple[Agreement, Policy] | None] = {}

    def hear(self, entry: Entry, openings: Mapping[str, Any]) -> None:
        """Judge one entry by what was heard before it, then take note of it."""
        values = self._opened(entry, openings)
        if values is None or not self._is_typed(entry, values):
            return
        at = datetime.fromisoformat(entry.at)
        deal = self._ledger.deals.get(entry.agreement or "")
        judge = _JUDGES.get(entry.kind)
        if judge is not None and deal is not None:
            judge(self, entry, deal, at, values)
        public = base64.b64decode(values[SIGNATURE]["public"])
        self._ledger.hear(entry.kind, at, entry.agreement, values, public)
        if entry.kind == "negotiation.finalized" and deal is not None:
            self._compare_document(entry, deal)

    def _opened(self, entry: Entry, openings: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the values of an entry whose openings are all there and are what was committed to."""
        values = {}
        for name in (*entry.commitments, SIGNATURE):
            opening = openings.get(name)
            if not isinstance(opening, Opening):
                self.found.erased += 1
                return None
            try:
                verify_opening(entry, name, opening)
            except VerificationError as error:
                self._deviates(entry, "opening", "another value than was committed to", error.problems[0])
                return None
            values[name] = opening.value
        return values

    def _is_typed(self, entry: Entry, values: Mapping[str, Any]) -> bool:
        if entry.kind == GENESIS:
            return True
        fields = {name: value for name, value in values.items() if name not in (SIGNER, SIGNATURE)}
        signer = values[SIGNER]
        said = Statement(
            entry.kind, entry.statement_id, entry.at, fields, signer["participant"], signer["custody"], entry.agreement,
            entry.counter,
        )  # fmt: skip
        try:
            STATEMENTS.check(said)
        except AdmissionError as error:
            self._deviates(entry, "statement", "a statement that the program does not make", str(error))
            return False
        return True

    def _decided(self, entry: Entry, deal: Deal, at: datetime, values: Mapping[str, Any]) -> None:
        self.found.decisions += 1
        recorded = values["decision"], [reason["rule"] for reason in values["reasons"]]
        answers = [_answer(found) for found in self._asked(entry, deal, at, deal.count_range(at))]
        if answers and recorded not in answers:
            self._deviates(entry, "decision", _words(recorded), _words(answers[-1]))
        self._require_in_force(entry, deal, at)

    def _started(self, entry: Entry, deal: Deal, at: datetime, values: Mapping[str, Any]) -> None:
        self.found.deliveries += 1
        for found in self._asked(entry, deal, at, [len(deal.starts)]):
            if isinstance(found, Deny):
                self._deviates(entry, "decision", "started", _words(_answer(found)))
            elif _duties(values["obligations"]) != _duties(item.to_json() for item in found.obligations):
                given, owed = _named(values["obligations"]), _named(item.to_json() for item in found.obligations)
                self._deviates(entry, "obligations", given, owed)
        self._require_in_force(entry, deal, at)

    def _part_denied(self, entry: Entry, deal: Deal, at: datetime, values: Mapping[str, Any]) -> None:
        self.found.denied_parts += 1
        # The use was counted when it started, and its parts count as none.
        recorded = "deny", [reason["rule"] for reason in values["reasons"]]
        for found in self._asked(entry, deal, at, [max(0, len(deal.starts) - 1)]):
            if _answer(found) != recorded:
                self._deviates(entry, "decision", _words(recorded), _words(_answer(found)))

    def _asked(self, entry: Entry, deal: Deal, at: datetime, counts: Iterable[int]) -> list[Decision]:
        """Return what the signed policy says, for each number of uses; nothing where there is no signed policy."""
        signed = self._document(entry, deal)
        if signed is None:
            return []
        document, policy = signed
        request = Request(
            action=ACTION,
            assignee=document.consumer,
            target=document.dataset,
            purpose=document.purpose,
            recipient=document.consumer,
            at=at,
            attributes={"fileFormat": FORMAT},
        )
        return [evaluate(policy, request, self._ledger.world(deal, used)) for used in counts]

    def _require_in_force(self, entry: Entry, deal: Deal, at: datetime) -> None:
        until = deal.agreed["valid_until"]
        if deal.in_force_at is None or deal.ended or (until is not None and at >= datetime.fromisoformat(until)):
            self._deviates(entry, "agreement", "decided under it", "the agreement is not in force")

    def _document(self, entry: Entry, deal: Deal) -> tuple[Agreement, Policy] | None:
        """Return the agreement that the ledger names, checked against its digest and the keys that signed on the ledger."""
        if deal.id not in self._signed:
            self._signed[deal.id] = self._read(entry, deal)
        return self._signed[deal.id]

    def _read(self, entry: Entry, deal: Deal) -> tuple[Agreement, Policy] | None:
        try:
            kept = self._documents(deal.id)
            if kept is None:
                self._deviates(entry, "document", "an agreement", "its signed document is not kept")
                return None
            found = verify(kept, provider_key=deal.keys.get("provider"), consumer_key=deal.keys.get("consumer"))
            policy = parse(found.policy)
        except ContractsError as error:
            self._deviates(entry, "document", "an agreement", error.text_en)
            return None
        if found.digest() != deal.agreed["agreement_digest"]:
            self._deviates(entry, "document", deal.agreed["agreement_digest"], found.digest())
            return None
        return found, policy

    def _compare_document(self, entry: Entry, deal: Deal) -> None:
        """Compare what the agreement's statements say in plain data with the document that both sides signed."""
        signed = self._document(entry, deal)
        if signed is None:
            return
        document, policy = signed
        plain = limits(policy)
        meant = {
            "provider": document.provider,
            "consumer": document.consumer,
            "dataset": document.dataset,
            "dataset_version": document.dataset_version["id"],
            "plan_digest": document.plan_hash,
            "price_fen": document.price["amount_fen"],
            "valid_until": timestamp(document.valid_until) if document.valid_until else None,
            "uses": plain.uses,
            "use_until": timestamp(plain.until) if plain.until else None,
        }
        for name, value in meant.items():
            if deal.agreed[name] != value:
                self._deviates(entry, f"document: {name}", str(deal.agreed[name]), str(value))

    def _deviates(self, entry: Entry, rule: str, recorded: str, expected: str) -> None:
        deal = self._ledger.deals.get(entry.agreement or "")
        self.found.deviations.append(
            Deviation(entry.index, entry.kind, deal.id if deal else None, rule, recorded, expected)
        )


_JUDGES = {
    "transfer.decided": _Run._decided,
    "transfer.started": _Run._started,
    "transfer.part_denied": _Run._part_denied,
}
# What an obligation obliges to; its words may be put better in a later version of the program.
_WORDS = frozenset({"text_en", "text_zh"})


def _answer(found: Decision) -> tuple[str, list[str]]:
    return ("deny", [reason.rule for reason in found.reasons]) if isinstance(found, Deny) else ("permit", [])


def _words(answer: tuple[str, list[str]]) -> str:
    decision, rules = answer
    return f"{decision} ({', '.join(rules)})" if rules else decision


def _duties(obligations: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in item.items() if name not in _WORDS} for item in obligations]


def _named(obligations: Iterable[Mapping[str, Any]]) -> str:
    return ", ".join(str(item.get("action")) for item in obligations) or "none"
