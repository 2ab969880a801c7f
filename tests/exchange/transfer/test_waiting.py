"""A step that waits for a self-held key: what lapsed meanwhile has lapsed, and what waited too long is erased."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from contracts.sealing import EncryptionKey
from exchange.access import Actor
from exchange.audit.models import SignatureRequest
from exchange.errors import AwaitingSignatureError, ConflictError, IdempotencyError
from exchange.settlement.models import Escrow
from ledger.signatures import SigningKey


@dataclass
class KeyHolder:
    """A firm that holds its own keys, and signs what it started, at once or later."""

    exchange: Any
    owner: Actor
    key: SigningKey

    def ask(self, name: str, **arguments: Any) -> AwaitingSignatureError:
        """Start a step and return what it waits for."""
        with pytest.raises(AwaitingSignatureError) as waiting:
            self.exchange.operations.run(self.owner, name, **arguments)
        return waiting.value

    def sign(self, waiting: AwaitingSignatureError) -> Any:
        """Bring the signatures; a step that asks for more is signed on."""
        given = {
            item["digest"]: self.key.sign(item["domain"], base64.b64decode(item["payload"]))
            for item in waiting.payloads
        }
        return self.exchange.operations.give_signatures(self.owner, waiting.request_id, given)

    def run(self, name: str, **arguments: Any) -> Any:
        return self.sign(self.ask(name, **arguments))


@pytest.fixture
def holder(shared_exchange: Any) -> KeyHolder:
    """A verified firm with keys of its own, on SQLite, then on PostgreSQL."""
    key = SigningKey.generate()
    owner = shared_exchange.firm(
        "Own Keys", custody="self-held", signing_public_key=base64.b64encode(key.public).decode(),
        encryption_public_key=base64.b64encode(EncryptionKey.generate().public).decode(),
    )  # fmt: skip
    holder = KeyHolder(shared_exchange, owner, key)
    holder.run("participants.join")
    shared_exchange.operations.run(
        shared_exchange.staff("operator"), "participants.verify", participant=owner.participant
    )
    holder.owner = shared_exchange.actor(owner.user)
    return holder


def bought(trade: Any, holder: KeyHolder, *, valid_days: int | None = None, **terms: Any) -> str:
    """Return an agreement in force of which the key holder is the consumer."""
    more = {"valid_until": (datetime.now(UTC) + timedelta(days=valid_days)).isoformat()} if valid_days else {}
    asked = holder.run(
        "negotiation.request", offer=trade.offer(**terms), purpose="predictive-maintenance",
        intended_use="Predict failures of our own spindles.", **more,
    ).result["negotiation"]  # fmt: skip
    agreement = trade.run(trade.provider, "negotiation.agree", negotiation=asked).result["agreement"]
    holder.run("negotiation.verify", negotiation=asked)
    trade.run(holder.owner, "settlement.fund", agreement=agreement)
    return str(agreement)


def test_a_use_that_was_asked_for_in_time_and_signed_too_late_does_not_begin(
    trade: Any, holder: KeyHolder, later: Callable[[timedelta], None]
) -> None:
    agreement = bought(trade, holder, valid_days=3)
    in_time, too_late = (holder.ask("transfer.request", agreement=agreement) for _ in range(2))
    later(timedelta(days=2))
    assert holder.sign(in_time).result["state"] == "REQUESTED"
    later(timedelta(days=3, seconds=1))
    with pytest.raises(ConflictError) as refused:
        holder.sign(too_late)
    assert refused.value.code == "agreement-expired"
    assert trade.used(agreement) == 1


def test_a_policy_that_lapsed_while_the_step_waited_denies(
    trade: Any, holder: KeyHolder, later: Callable[[timedelta], None]
) -> None:
    agreement = bought(trade, holder, template="duration", parameters={"days": 2, "starts": "agreement"})
    waiting = holder.ask("transfer.request", agreement=agreement)
    later(timedelta(days=2, seconds=1))
    outcome = holder.sign(waiting)
    assert outcome.result["state"] == "TERMINATED"
    # The consumer's request bears the time at which it was made, the exchange's decision that at which it was taken.
    log = trade.exchange.operations.services.log
    at = {entry.kind: entry.at for entry in (log.entry(receipt.index) for receipt in outcome.receipts)}
    taken = datetime.fromisoformat(at["transfer.decided"]) - datetime.fromisoformat(at["transfer.requested"])
    assert taken > timedelta(days=2)
    assert outcome.result["reasons"][0]["left_operand"] in {"ex:sinceAgreement", "elapsedTime", "dateTime"}
    assert trade.used(agreement) == 0


def test_an_agreement_is_not_signed_after_its_own_end(
    trade: Any, holder: KeyHolder, later: Callable[[timedelta], None]
) -> None:
    asked = holder.run(
        "negotiation.request", offer=trade.offer(), purpose="predictive-maintenance",
        intended_use="Predict failures of our own spindles.",
        valid_until=(datetime.now(UTC) + timedelta(days=3)).isoformat(),
    ).result["negotiation"]  # fmt: skip
    trade.run(trade.provider, "negotiation.agree", negotiation=asked)
    waiting = holder.ask("negotiation.verify", negotiation=asked)
    later(timedelta(days=3, seconds=1))
    with pytest.raises(ConflictError) as refused:
        holder.sign(waiting)
    assert refused.value.code == "validity-passed"


def test_the_window_of_a_resumed_delivery_begins_when_it_is_resumed(
    trade: Any, holder: KeyHolder, later: Callable[[timedelta], None]
) -> None:
    """The provider signed the resumption days after asking for it; the consumer has the whole window from then."""
    trade.provider = holder.owner
    trade.run = lambda actor, name, **arguments: (
        holder.run(name, **arguments)
        if actor is holder.owner and name not in {"catalog.create_dataset", "catalog.draft_offer"}
        else trade.exchange.operations.run(actor, name, **arguments)
    )
    offer = _offer_of(trade, holder)
    agreement = trade.agreement(offer, price_fen=900)
    transfer = trade.started(agreement)
    holder.run("transfer.suspend", transfer=transfer, reason="Maintenance")
    waiting = holder.ask("transfer.resume", transfer=transfer)
    later(timedelta(days=5))
    holder.sign(waiting)
    with trade.exchange.operations.database.reading() as session:
        due = session.scalar(select(Escrow.release_due_at).where(Escrow.agreement_id == agreement))
    wanted = datetime.now(UTC) + timedelta(days=5 + trade.exchange.settings.acceptance_window_days)
    assert abs(due - wanted) < timedelta(minutes=1)


def _offer_of(trade: Any, holder: KeyHolder) -> str:
    """Publish a table of the key holder, each of whose statements it signs itself."""
    import io

    from exchange.catalog import uploads

    dataset = trade.run(
        holder.owner, "catalog.create_dataset", title="Spindles", description="One cell.", domain="production"
    ).result["id"]
    operations = trade.exchange.operations
    taken = uploads.take(operations, holder.owner, dataset, io.BytesIO(b"machine,speed\nA,1\nB,2"), name="s.csv")
    holder.run("catalog.publish_version", version=taken.result["version"])
    holder.run(
        "catalog.declare_rights", dataset=dataset, holding=True, processing=True, operating=True,
        source="own-production", evidence="Own production line, register entry 42.",
    )  # fmt: skip
    answers = {"safety": 1, "loss": 1, "reach": 1}
    holder.run("catalog.grade_dataset", dataset=dataset, answers=answers, category="general")
    drafted = trade.run(
        holder.owner, "catalog.draft_offer", dataset=dataset, template="internal-use", parameters={},
        price={"kind": "one-off", "amount_fen": 900, "currency": "CNY"}, visibility="public",
    )  # fmt: skip
    holder.run("catalog.publish_offer", offer=drafted.result["id"])
    return str(drafted.result["id"])


def test_a_step_that_waited_too_long_is_closed_and_what_it_would_have_done_is_erased(
    trade: Any, holder: KeyHolder, later: Callable[[timedelta], None]
) -> None:
    agreement = bought(trade, holder)
    old = holder.ask("transfer.request", agreement=agreement)
    operations = trade.exchange.operations
    assert old.request_id not in operations.run_as_system("audit.lapse_requests").result["lapsed"]
    later(timedelta(days=6))
    young = holder.ask("transfer.request", agreement=agreement)
    later(timedelta(days=7, seconds=1))
    lapsed = operations.run_as_system("audit.lapse_requests").result["lapsed"]
    assert old.request_id in lapsed
    assert young.request_id not in lapsed
    with operations.database.reading() as session:
        row = session.get_one(SignatureRequest, old.request_id)
    assert (row.state, row.seed, row.arguments, row.payloads) == ("lapsed", b"", {}, [])
    with pytest.raises(ConflictError) as refused:
        holder.sign(old)
    assert refused.value.code == "no-longer-waiting"
    assert holder.sign(young).result["state"] == "REQUESTED"
    assert old.request_id not in operations.run_as_system("audit.lapse_requests").result["lapsed"]


def test_one_request_asked_for_twice_under_one_key_waits_once_and_is_carried_out_once(
    trade: Any, holder: KeyHolder
) -> None:
    agreement = bought(trade, holder)
    ask = {"agreement": agreement, "idempotency_key": "the-same"}
    first, second = (holder.ask("transfer.request", **ask) for _ in range(2))
    assert (first.request_id, first.payloads) == (second.request_id, second.payloads)
    with pytest.raises(IdempotencyError):
        trade.run(holder.owner, "transfer.request", **(ask | {"agreement": bought(trade, holder)}))
    done = holder.sign(first)
    again = trade.run(holder.owner, "transfer.request", **ask)
    assert again.result == done.result
    assert [receipt.index for receipt in again.receipts] == [receipt.index for receipt in done.receipts]
    assert trade.used(agreement) == 1
