"""A log whose every proof holds can still tell a story that must not be: forgers with all keys of the log are caught by the rules.

Each forged log here is a whole, well-signed log with counters without a gap; only what its statements mean is wrong.
"""

import base64
import copy
import dataclasses
import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ledger.bundle import verify_bundle, write_bundle
from ledger.entry import Statement, commit, sign
from ledger.fsck import fsck
from ledger.identifiers import new_id
from ledger.log import Log
from ledger.signatures import SigningKey
from ledger.storage.memory import MemoryStorage

ORIGIN = "exchange.example/log"
KEYS = {name: SigningKey.from_seed(letter * 32) for name, letter in
        {"exchange": b"S", "provider": b"P", "consumer": b"C", "stranger": b"X"}.items()}  # fmt: skip


def urn(number: int) -> str:
    return f"urn:uuid:0190a000-0000-7000-8000-{number:012x}"


PROVIDER, CONSUMER, STRANGER, DATASET = urn(1), urn(2), urn(3), urn(4)
LEDGER_ID, AGREEMENT, OTHER = urn(16), urn(17), urn(18)
FIRST, SECOND, THIRD = urn(33), urn(34), urn(35)
DIGEST, PLAN = "sha256:" + "a" * 64, "sha256:" + "b" * 64
SEALED, PLAIN = "sha256:" + "c" * 64, "sha256:" + "d" * 64


@dataclasses.dataclass
class Told:
    """One statement as it is to be recorded. `by` is who signs, `key` whose key."""

    kind: str
    by: str
    fields: dict[str, Any]
    counted: bool = False
    at: str = "2026-11-20T08:00:00Z"
    key: str | None = None
    custody: str | None = None


def parties(**more: Any) -> dict[str, Any]:
    return {"provider": PROVIDER, "consumer": CONSUMER, **more}


def signed(kind: str, by: str, **more: Any) -> Told:
    terms = {"agreement_id": AGREEMENT, "agreement_digest": DIGEST, "plan_digest": PLAN, "price_fen": 500}
    limits = {"uses": 2, "use_until": "2026-12-01T00:00:00Z", "valid_until": "2026-12-31T00:00:00Z"}
    return Told(kind, by, parties(dataset=DATASET, **terms, **limits, **more), counted=True)


def money(kind: str, *legs: int, **more: Any) -> Told:
    postings = [{"owner": "x", "kind": "available", "amount_fen": leg} for leg in legs]
    return Told(
        kind, "exchange", parties(agreement_id=AGREEMENT, amount_fen=500, postings=postings, **more), counted=True
    )


def used(kind: str, by: str, transfer: str, **more: Any) -> Told:
    return Told(
        kind, by, {"transfer": transfer, "agreement": AGREEMENT, "agreement_digest": DIGEST, **more}, counted=True
    )


def attested(participant: str, key: str) -> Told:
    public = base64.b64encode(KEYS[key].public).decode()
    return Told("participant.verified", "exchange", {"participant": participant, "signing_key": public})


def delivery(transfer: str, use: int) -> list[Told]:
    return [
        used("transfer.requested", "consumer", transfer),
        used("transfer.decided", "exchange", transfer, decision="permit"),
        used(
            "transfer.started",
            "exchange",
            transfer,
            use=use,
            plan_digest=PLAN,
            sealed_digest=SEALED,
            plain_digest=PLAIN,
        ),
    ]


def story() -> list[Told]:
    """An honest deal: two uses agreed, both delivered, the first acknowledged and paid for."""
    return [
        attested(PROVIDER, "provider"),
        attested(CONSUMER, "consumer"),
        signed("negotiation.agreed", "provider"),
        signed("negotiation.verified", "consumer"),
        money("escrow.held", -500, 500),
        signed("negotiation.finalized", "exchange"),
        *delivery(FIRST, 1),
        used("delivery.acknowledged", "consumer", FIRST, digest=PLAIN),
        money("escrow.released", -500, 485, 15),
        *delivery(SECOND, 2),
    ]


# Where the statements of the honest story stand in it; entry 0 is the log's own, so each one's index is one more.
AGREED, VERIFIED, HELD, FINALIZED, REQUESTED, DECIDED, STARTED, ACKNOWLEDGED, RELEASED = range(2, 11)
SECOND_START = 13

NAMES = {"exchange": "exchange", "provider": PROVIDER, "consumer": CONSUMER, "stranger": STRANGER}


def tell(statements: list[Told]) -> Log[None]:
    """Record statements in a log, with right counters and signatures, whatever they say."""
    log: Log[None] = Log(MemoryStorage(), SigningKey.from_seed(b"L" * 32), ORIGIN)
    log.open(KEYS["exchange"])
    counter = 0
    for told in statements:
        counter += told.counted
        statement = Statement(
            kind=told.kind,
            id=new_id(datetime.now(UTC)),
            at=told.at,
            fields=told.fields,
            signer=NAMES[told.by],
            custody=told.custody or ("exchange" if told.by == "exchange" else "custodial"),
            agreement=LEDGER_ID if told.counted else None,
            counter=counter if told.counted else None,
        )
        draft = commit(statement, lambda _: secrets.token_bytes(32))
        with log.storage.transaction() as connection:
            log.append(connection, draft, sign(draft, KEYS[told.key or told.by]))
    log.integrate()
    return log


def found(statements: list[Told]) -> set[tuple[int, str]]:
    report = fsck(tell(statements).storage)
    return {(problem.index, problem.check) for problem in report.problems if problem.index is not None}


def change(place: int, **fields: Any) -> Callable[[list[Told]], None]:
    def mutate(told: list[Told]) -> None:
        told[place].fields |= fields

    return mutate


def drop(*places: int) -> Callable[[list[Told]], None]:
    def mutate(told: list[Told]) -> None:
        for place in sorted(places, reverse=True):
            del told[place]

    return mutate


def put(place: int, *added: Told) -> Callable[[list[Told]], None]:
    def mutate(told: list[Told]) -> None:
        told[place:place] = copy.deepcopy(added)

    return mutate


def sign_as(place: int, by: str, key: str | None = None, custody: str | None = None) -> Callable[[list[Told]], None]:
    def mutate(told: list[Told]) -> None:
        told[place].by, told[place].key, told[place].custody = by, key, custody

    return mutate


def at(place: int, moment: str) -> Callable[[list[Told]], None]:
    def mutate(told: list[Told]) -> None:
        told[place].at = moment

    return mutate


def both(*mutations: Callable[[list[Told]], None]) -> Callable[[list[Told]], None]:
    def mutate(told: list[Told]) -> None:
        for mutation in mutations:
            mutation(told)

    return mutate


OVER = Told("negotiation.terminated", "provider", {"reason": "x"}, counted=True)
REFUND = money("escrow.refunded", -500, 500)
SUSPENDED = Told("participant.suspended", "exchange", {"participant": CONSUMER, "reason": "x"})
REINSTATED = Told("participant.reinstated", "exchange", {"participant": CONSUMER, "reason": "x"})
FROZEN = Told("dataset.frozen", "exchange", {"provider": PROVIDER, "dataset": DATASET, "reason": "x"})
UNFROZEN = Told("dataset.unfrozen", "exchange", {"provider": PROVIDER, "dataset": DATASET, "reason": "x"})

# The name of the forgery, how it is done, and what has to be named: (place in the story, rule).
FORGERIES: dict[str, tuple[Callable[[list[Told]], None], set[tuple[int, str]]]] = {
    "delivered before the agreement was in force": (drop(FINALIZED), {(STARTED - 1, "agreement"), (SECOND_START - 1, "agreement")}),
    "delivered under an agreement that was never made": (
        drop(AGREED, VERIFIED, HELD, FINALIZED, ACKNOWLEDGED, RELEASED),
        {(REQUESTED - 4, "agreement"), (STARTED - 4, "agreement"), (STARTED - 4, "settlement"), (SECOND_START - 6, "agreement")},
    ),
    "delivered after the negotiation was ended": (put(RELEASED + 1, OVER), {(SECOND_START + 1, "agreement")}),
    "delivered after the money was refunded": (
        both(drop(ACKNOWLEDGED, RELEASED), put(ACKNOWLEDGED, REFUND)), {(SECOND_START - 1, "agreement")},
    ),
    "delivered after the agreement's end": (at(SECOND_START, "2026-12-31T00:00:00Z"), {(SECOND_START, "agreement")}),
    "delivered for another agreement": (change(STARTED, agreement=OTHER), {(STARTED, "agreement")}),
    "delivered for another version of the agreement": (change(STARTED, agreement_digest=PLAIN), {(STARTED, "agreement")}),
    "delivered under a weaker plan": (change(STARTED, plan_digest=SEALED), {(STARTED, "agreement")}),
    "one use too many": (put(99, *delivery(THIRD, 3)), {(SECOND_START + 3, "limits")}),
    "a use counted twice under one number": (change(SECOND_START, use=1), {(SECOND_START, "limits")}),
    "a use that was not counted": (drop(STARTED), {(SECOND_START - 1, "limits"), (ACKNOWLEDGED - 1, "decision"), (RELEASED - 1, "settlement")}),
    "delivered after the permission's last moment": (at(SECOND_START, "2026-12-01T00:00:00.000001Z"), {(SECOND_START, "limits")}),
    "more uses in force than the provider signed": (change(FINALIZED, uses=9), {(FINALIZED, "limits")}),
    "a longer term in force than the provider signed": (change(VERIFIED, valid_until=None), {(VERIFIED, "limits")}),
    "signed by the consumer alone": (drop(AGREED), {(VERIFIED - 1, "signatures"), (FINALIZED - 1, "signatures")}),
    "signed by the provider alone": (drop(VERIFIED), {(FINALIZED - 1, "signatures")}),
    "the provider's signature by the consumer": (sign_as(AGREED, "consumer"), {(AGREED, "signatures")}),
    "the consumer's signature by the exchange": (sign_as(VERIFIED, "exchange"), {(VERIFIED, "signatures")}),
    "the consumer's signature with the exchange's key": (
        sign_as(VERIFIED, "consumer", "exchange", "exchange"), {(VERIFIED, "signatures"), (VERIFIED, "key")},
    ),
    "the consumer's signature with a key of nobody": (
        sign_as(VERIFIED, "consumer", "stranger"), {(VERIFIED, "signatures"), (VERIFIED, "key")},
    ),
    "the consumer signed another agreement": (change(VERIFIED, agreement_digest=PLAIN), {(VERIFIED, "signatures")}),
    "another agreement was put in force": (change(FINALIZED, agreement_id=OTHER), {(FINALIZED, "signatures")}),
    "a second agreement under one id": (put(FINALIZED + 1, signed("negotiation.agreed", "provider")), {(FINALIZED + 1, "agreement")}),
    "in force without money": (
        drop(HELD),
        {(FINALIZED - 1, "settlement"), (STARTED - 1, "settlement"), (SECOND_START - 1, "settlement"), (RELEASED - 1, "settlement")},
    ),
    "less money held than agreed": (
        both(change(HELD, amount_fen=5, postings=[{"amount_fen": -5}, {"amount_fen": 5}])),
        {(HELD, "settlement"), (RELEASED, "settlement")},
    ),
    "money held twice": (put(HELD + 1, money("escrow.held", -500, 500)), {(HELD + 1, "settlement")}),
    "acknowledged and never paid": (drop(RELEASED), {(ACKNOWLEDGED, "settlement")}),
    "paid twice": (put(RELEASED + 1, money("escrow.released", -500, 500)), {(RELEASED + 1, "settlement")}),
    "paid and refunded": (put(99, REFUND), {(SECOND_START + 1, "settlement")}),
    "paid before anything was delivered": (put(REQUESTED, money("escrow.released", -500, 500)), {(REQUESTED, "settlement"), (RELEASED + 1, "settlement")}),
    "paid less than was held": (
        change(RELEASED, amount_fen=400, postings=[{"amount_fen": -400}, {"amount_fen": 400}]), {(RELEASED, "settlement")},
    ),
    "paid to another": (change(RELEASED, provider=STRANGER), {(RELEASED, "agreement")}),
    "money out of nothing": (change(HELD, postings=[{"amount_fen": -400}, {"amount_fen": 500}]), {(HELD, "money")}),
    "another amount booked than said": (change(HELD, postings=[{"amount_fen": -400}, {"amount_fen": 400}]), {(HELD, "money")}),
    "delivered without a decision": (drop(DECIDED), {(STARTED - 1, "decision")}),
    "delivered though the policy denied": (change(DECIDED, decision="deny"), {(STARTED, "decision")}),
    "delivered though nobody asked": (drop(REQUESTED), {(DECIDED - 1, "decision"), (STARTED - 1, "decision")}),
    "asked by the provider": (sign_as(REQUESTED, "provider"), {(REQUESTED, "signatures")}),
    "started twice": (
        put(SECOND_START + 1, used("transfer.started", "exchange", SECOND, use=2, plan_digest=PLAN, sealed_digest=SEALED, plain_digest=PLAIN)),
        {(SECOND_START + 1, "decision"), (SECOND_START + 1, "limits")},
    ),
    "other bytes acknowledged": (change(ACKNOWLEDGED, digest=PLAN), {(ACKNOWLEDGED, "decision")}),
    "acknowledged by the exchange": (sign_as(ACKNOWLEDGED, "exchange"), {(ACKNOWLEDGED, "signatures")}),
    "delivered to a suspended firm": (put(SECOND_START, SUSPENDED), {(SECOND_START + 1, "standing")}),
    "delivered from a frozen dataset": (put(SECOND_START, FROZEN), {(SECOND_START + 1, "standing")}),
}  # fmt: skip


def test_an_honest_story_breaks_no_rule() -> None:
    report = fsck(tell(story()).storage)
    assert report.problems == []
    assert (report.deliveries, report.unjudged) == (2, 0)


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_story_is_named_with_the_entry_that_breaks_the_rule(forgery: str) -> None:
    mutate, expected = FORGERIES[forgery]
    told = story()
    mutate(told)
    wanted = {(place + 1, rule) for place, rule in expected}
    named = found(told)
    assert wanted <= named, named
    # Nothing that came before the forgery is blamed.
    assert min(index for index, _ in named) == min(index for index, _ in wanted)


@pytest.mark.parametrize(
    "more",
    [
        [SUSPENDED, REINSTATED],
        [FROZEN, UNFROZEN],
        [used("transfer.requested", "consumer", THIRD), used("transfer.decided", "exchange", THIRD, decision="deny")],
        [used("transfer.terminated", "provider", FIRST, reason="x")],
    ],
    ids=["suspended and reinstated", "frozen and unfrozen", "asked and denied", "ended after it was paid for"],
)
def test_what_may_happen_breaks_no_rule(more: list[Told]) -> None:
    told = story()
    told[RELEASED + 1 : RELEASED + 1] = more
    assert found(told) == set()


def test_a_delivery_that_was_refunded_before_it_started_breaks_no_rule() -> None:
    told = story()[:STARTED]
    assert found([*told, REFUND]) == set()


def test_what_is_erased_is_not_judged_and_counted() -> None:
    log = tell(story())
    with log.storage.transaction() as connection:
        log.erase(connection, log.entry(SECOND_START + 1).statement_id, "use")
    report = fsck(log.storage)
    # Nobody ordered that, which is all that is wrong with it.
    assert [problem.check for problem in report.problems] == ["erasure"]
    assert report.unjudged == 1


def test_a_bundle_is_judged_by_the_same_rules(tmp_path: Path) -> None:
    told = story()
    log = tell(told)
    write_bundle(tmp_path / "good.zip", log, [entry.statement_id for entry in log.entries(0, 99)], {})
    report = verify_bundle(tmp_path / "good.zip", log.vkey)
    assert report.ok, report.problems
    assert [check.detail for check in report.checks if check.name == "meaning"] == [
        "2 deliveries under 1 agreement keep its rules"
    ]
    FORGERIES["one use too many"][0](told)
    log = tell(told)
    write_bundle(tmp_path / "bad.zip", log, [entry.statement_id for entry in log.entries(0, 99)], {})
    report = verify_bundle(tmp_path / "bad.zip", log.vkey)
    assert [(check.name, check.subject, check.detail) for check in report.problems] == [
        ("meaning", f"entry {SECOND_START + 4}", "limits: is use 3 of an agreement for 2")
    ]


def test_a_bundle_that_begins_in_the_middle_of_an_agreement_is_not_judged(tmp_path: Path) -> None:
    log = tell(story())
    later = [log.entry(index).statement_id for index in (1, 2, *range(STARTED + 1, SECOND_START + 2))]
    write_bundle(tmp_path / "part.zip", log, later, {})
    report = verify_bundle(tmp_path / "part.zip", log.vkey)
    assert report.ok, report.problems
    told = next(check.detail for check in report.checks if check.name == "meaning")
    assert "not judged" in told


def test_the_command_says_how_many_deliveries_were_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from ledger.__main__ import main

    log = tell(story())
    write_bundle(tmp_path / "b.zip", log, [entry.statement_id for entry in log.entries(0, 99)], {})
    assert main(["verify", str(tmp_path / "b.zip"), "--key", log.vkey, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert "2 deliveries" in next(check["detail"] for check in report["checks"] if check["name"] == "meaning")
