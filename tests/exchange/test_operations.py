"""The one door for every change of state: permission, one transaction, idempotency, waiting signatures, receipts."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select

from exchange.access import SYSTEM, Actor, Permission
from exchange.audit.models import IdempotentAnswer, SignatureRequest
from exchange.audit.service import record
from exchange.catalog.models import Dataset
from exchange.errors import (
    AwaitingSignatureError,
    ConflictError,
    IdempotencyError,
    InvalidInputError,
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
)
from exchange.steps import OPERATIONS, Step, operation
from ledger.errors import LedgerUnavailableError
from ledger.signatures import SigningKey

NEW = {"title": "Spindles", "domain": "production", "description": "One cell."}


@pytest.fixture
def register() -> Iterator[Callable[..., None]]:
    """Register operations of a test's own; they are gone afterwards."""
    names: list[str] = []

    def register(name: str, function: Any, permission: Permission | None = None, **more: Any) -> None:
        names.append(name)
        operation(name, permission, **more)(function)

    yield register
    for name in names:
        OPERATIONS.pop(name, None)


def log_size(exchange: Any) -> int:
    return int(exchange.operations.services.log.size())


def count(exchange: Any, model: Any) -> int:
    with exchange.operations.database.reading() as session:
        return int(session.scalar(select(func.count()).select_from(model)) or 0)


def test_an_operation_answers_with_the_receipts_of_everything_it_recorded(exchange: Any, register: Any) -> None:
    def twice(step: Step) -> dict[str, Any]:
        record(step, "exchange.roles", {"user": step.new_id(), "roles": ["operator"]})
        record(step, "exchange.acted", {"operator": "system", "statement": step.new_id()})
        return {"done": True}

    register("test.twice", twice)
    before = log_size(exchange)
    outcome = exchange.operations.run_as_system("test.twice")
    assert outcome.result == {"done": True}
    assert [receipt.index for receipt in outcome.receipts] == [before, before + 1]
    kinds = [exchange.operations.services.log.entry(receipt.index).kind for receipt in outcome.receipts]
    assert kinds == ["exchange.roles", "exchange.acted"]
    assert outcome.receipt == outcome.receipts[-1]


def test_what_fails_after_its_statement_leaves_neither_statement_nor_row(exchange: Any, register: Any) -> None:
    firm = exchange.firm("Works")

    def half(step: Step) -> dict[str, Any]:
        withdrawn = {"provider": firm.participant, "dataset": step.new_id(), "offer": step.new_id()}
        record(step, "offer.withdrawn", withdrawn, signer=firm.participant)
        step.session.add(
            Dataset(id="half", participant_id=firm.participant, title="t", description="", domain="production", kind="table",
                    state="draft", created_at=step.now, updated_at=step.now)
        )  # fmt: skip
        step.session.flush()
        raise ConflictError("Half-way.", "Stop.")

    register("test.half", half)
    before = log_size(exchange)
    with pytest.raises(ConflictError):
        exchange.operations.run_as_system("test.half")
    assert log_size(exchange) == before
    assert count(exchange, Dataset) == 0
    exchange.firm("Other Works")
    assert "offer.withdrawn" not in [
        entry.kind for entry in exchange.operations.services.log.entries(0, log_size(exchange))
    ]


def test_work_outside_the_database_happens_after_the_commit_and_never_for_what_failed(
    sqlite_exchange: Any, register: Any
) -> None:
    seen: list[str] = []

    def works(step: Step, *, fail: bool) -> dict[str, Any]:
        record(step, "exchange.acted", {"operator": "system", "statement": step.new_id()})
        size = log_size(sqlite_exchange)
        step.after_commit.append(lambda: seen.append("after" if log_size(sqlite_exchange) > size else "before"))
        if fail:
            raise ConflictError("No.", "Stop.")
        return {}

    register("test.works", works)
    with pytest.raises(ConflictError):
        sqlite_exchange.operations.run_as_system("test.works", fail=True)
    assert seen == []
    sqlite_exchange.operations.run_as_system("test.works", fail=False)
    assert seen == ["after"]


def test_only_those_who_may_and_only_the_program_itself(sqlite_exchange: Any, register: Any) -> None:
    register("test.own", lambda step: {}, None)
    firm = sqlite_exchange.firm("Works")
    run = sqlite_exchange.operations.run
    for actor in (firm, sqlite_exchange.staff("operator"), Actor(), Actor(user="system")):
        with pytest.raises(PermissionDeniedError):
            run(actor, "test.own")
    assert run(SYSTEM, "test.own").result == {}
    with pytest.raises(NotFoundError):
        run(SYSTEM, "test.unknown")
    pending = sqlite_exchange.firm("Pending Works", verified=False)
    with pytest.raises(PermissionDeniedError) as error:
        run(pending, "catalog.create_dataset", **NEW)
    assert error.value.code == "participant-not-verified"
    with pytest.raises(PermissionDeniedError):
        run(sqlite_exchange.person(firm, "buyer"), "catalog.create_dataset", **NEW)


def test_the_same_key_gives_the_first_answer_and_changes_nothing_again(exchange: Any) -> None:
    firm = exchange.firm("Works")
    first = exchange.operations.run(firm, "catalog.create_dataset", idempotency_key="k", **NEW)
    size = log_size(exchange)
    again = exchange.operations.run(firm, "catalog.create_dataset", idempotency_key="k", **NEW)
    assert again.result == first.result
    assert [receipt.index for receipt in again.receipts] == [receipt.index for receipt in first.receipts]
    assert (count(exchange, Dataset), log_size(exchange)) == (1, size)


def test_the_same_key_for_something_else_is_refused(sqlite_exchange: Any) -> None:
    firm = sqlite_exchange.firm("Works")
    run = sqlite_exchange.operations.run
    made = run(firm, "catalog.create_dataset", idempotency_key="k", **NEW)
    for name, arguments in (
        ("catalog.create_dataset", {**NEW, "title": "Another"}),
        ("catalog.describe_dataset", {"dataset": made.result["id"], "title": "Another"}),
    ):
        with pytest.raises(IdempotencyError):
            run(firm, name, idempotency_key="k", **arguments)
    assert count(sqlite_exchange, Dataset) == 1


def test_keys_of_two_firms_have_nothing_to_do_with_each_other(sqlite_exchange: Any) -> None:
    one, other = sqlite_exchange.firm("Works"), sqlite_exchange.firm("Other Works")
    results = [
        sqlite_exchange.operations.run(firm, "catalog.create_dataset", idempotency_key="k", **NEW).result["id"]
        for firm in (one, other)
    ]
    assert len(set(results)) == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "line\nbreak", "nul\x00"])
def test_a_key_has_a_form(sqlite_exchange: Any, key: str) -> None:
    with pytest.raises(InvalidInputError):
        sqlite_exchange.operations.run_as_system("audit.lapse_requests", idempotency_key=key)


def test_a_refused_step_keeps_its_key_free(sqlite_exchange: Any) -> None:
    firm = sqlite_exchange.firm("Works")
    run = sqlite_exchange.operations.run
    with pytest.raises(InvalidInputError):
        run(firm, "catalog.create_dataset", idempotency_key="k", **{**NEW, "title": ""})
    assert run(firm, "catalog.create_dataset", idempotency_key="k", **NEW).result["id"]


def test_equal_requests_at_once_are_one_step_with_one_answer(exchange: Any) -> None:
    firm = exchange.firm("Works")
    together = threading.Barrier(6)

    def ask(_: int) -> tuple[str, tuple[int, ...]]:
        together.wait(timeout=20)
        outcome = exchange.operations.run(firm, "catalog.create_dataset", idempotency_key="race", **NEW)
        return outcome.result["id"], tuple(receipt.index for receipt in outcome.receipts)

    with ThreadPoolExecutor(6) as pool:
        answers = set(pool.map(ask, range(6), timeout=60))
    assert len(answers) == 1
    assert count(exchange, Dataset) == 1


def test_what_is_shown_once_is_never_stored(sqlite_exchange: Any) -> None:
    firm = sqlite_exchange.firm("Works")
    made = sqlite_exchange.operations.run(firm, "participants.create_token", idempotency_key="k", name="t")
    assert made.result["token"]
    again = sqlite_exchange.operations.run(firm, "participants.create_token", idempotency_key="k", name="t")
    assert "token" not in again.result
    database = sqlite_exchange.settings.database_url.removeprefix("sqlite:///")
    from pathlib import Path

    stored = Path(database).read_bytes() + Path(database + "-wal").read_bytes()
    assert made.result["token"].encode() not in stored


def test_a_step_that_could_not_be_recorded_can_be_repeated_with_its_key(
    sqlite_exchange: Any, register: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[int] = []

    def once(step: Step) -> dict[str, Any]:
        runs.append(1)
        record(step, "exchange.acted", {"operator": "system", "statement": step.new_id()})
        return {"run": len(runs)}

    register("test.once", once, Permission.DATASET_WRITE)
    firm = sqlite_exchange.firm("Works")
    log = sqlite_exchange.operations.services.log

    def unavailable(*_: Any, **__: Any) -> None:
        raise LedgerUnavailableError("busy")

    for step in ("append", "receipt"):
        runs.clear()
        with monkeypatch.context() as broken:
            broken.setattr(log, step, unavailable)
            with pytest.raises(UnavailableError):
                sqlite_exchange.operations.run(firm, "test.once", idempotency_key=step)
        outcome = sqlite_exchange.operations.run(firm, "test.once", idempotency_key=step)
        # Nothing was done where the statement was refused; where only the receipt was missing, it is given now.
        assert outcome.result == {"run": 2 if step == "append" else 1}
        assert len(outcome.receipts) == 1


# -- keys that a firm holds itself -----------------------------------------------------------------------------------


@pytest.fixture
def own_keys(sqlite_exchange: Any) -> tuple[Any, Actor, SigningKey]:
    """An exchange with a verified firm that holds its own signing key."""
    key = SigningKey.generate()
    firm = sqlite_exchange.firm(
        "Own Keys", custody="self-held", signing_public_key=base64.b64encode(key.public).decode(),
        encryption_public_key=base64.b64encode(bytes(range(32))).decode(),
    )  # fmt: skip
    with pytest.raises(AwaitingSignatureError) as waiting:
        sqlite_exchange.operations.run(firm, "participants.join")
    sqlite_exchange.operations.give_signatures(firm, waiting.value.request_id, signatures(key, waiting.value))
    sqlite_exchange.operations.run(
        sqlite_exchange.staff("operator"), "participants.verify", participant=firm.participant
    )
    return sqlite_exchange, sqlite_exchange.actor(firm.user), key


def signatures(key: SigningKey, waiting: AwaitingSignatureError) -> dict[str, bytes]:
    return {item["digest"]: key.sign(item["domain"], base64.b64decode(item["payload"])) for item in waiting.payloads}


RIGHTS = {
    "holding": True, "processing": True, "operating": True, "source": "own-production", "evidence": "Own line, register entry 42.",
}  # fmt: skip


def waiting_step(exchange: Any, firm: Actor, **more: Any) -> tuple[str, AwaitingSignatureError]:
    dataset = exchange.operations.run(firm, "catalog.create_dataset", **NEW).result["id"]
    with pytest.raises(AwaitingSignatureError) as waiting:
        exchange.operations.run(firm, "catalog.declare_rights", dataset=dataset, **RIGHTS, **more)
    return dataset, waiting.value


def test_a_waiting_step_has_no_effect_until_it_is_signed_and_then_once(own_keys: Any) -> None:
    exchange, firm, key = own_keys
    dataset, waiting = waiting_step(exchange, firm)

    def declared() -> bool:
        with exchange.operations.database.reading() as session:
            return session.get_one(Dataset, dataset).rights is not None

    before = log_size(exchange)
    assert not declared()
    done = exchange.operations.give_signatures(firm, waiting.request_id, signatures(key, waiting))
    assert declared()
    assert [receipt.index for receipt in done.receipts] == [before]
    with pytest.raises(ConflictError):
        exchange.operations.give_signatures(firm, waiting.request_id, signatures(key, waiting))
    with exchange.operations.database.reading() as session:
        row = session.get_one(SignatureRequest, waiting.request_id)
    # The seed would give back the salts of what was committed.
    assert (row.state, row.seed, row.arguments) == ("done", b"", {})


def test_a_wrong_signature_is_no_signature(own_keys: Any) -> None:
    exchange, firm, key = own_keys
    _, waiting = waiting_step(exchange, firm)
    before = log_size(exchange)
    good = signatures(key, waiting)
    digest = next(iter(good))
    for bad in (
        signatures(SigningKey.generate(), waiting),
        {digest: bytes(64)},
        {digest: b""},
        {digest: good[digest][:-1] + bytes([good[digest][-1] ^ 1])},
        {digest: key.sign("another-domain", base64.b64decode(waiting.payloads[0]["payload"]))},
    ):
        with pytest.raises(InvalidInputError):
            exchange.operations.give_signatures(firm, waiting.request_id, bad)
    assert log_size(exchange) == before
    assert exchange.operations.give_signatures(firm, waiting.request_id, good)


def test_nobody_else_can_sign_for_a_firm(own_keys: Any) -> None:
    exchange, firm, key = own_keys
    _, waiting = waiting_step(exchange, firm)
    for other in (exchange.firm("Rival Works"), exchange.staff("operator"), Actor()):
        with pytest.raises((NotFoundError, PermissionDeniedError)):
            exchange.operations.give_signatures(other, waiting.request_id, signatures(key, waiting))
    with pytest.raises(NotFoundError):
        exchange.operations.give_signatures(firm, "urn:uuid:01900000-0000-7000-8000-000000000000", {})


def test_a_request_that_lapsed_cannot_be_signed_any_more(own_keys: Any) -> None:
    exchange, firm, key = own_keys
    _, waiting = waiting_step(exchange, firm)
    with exchange.operations.database.writing() as session:
        row = session.get_one(SignatureRequest, waiting.request_id)
        row.lapses_at = row.now
    with pytest.raises(ConflictError):
        exchange.operations.give_signatures(firm, waiting.request_id, signatures(key, waiting))


def test_a_signed_step_answers_the_idempotency_key_of_its_first_request(own_keys: Any) -> None:
    exchange, firm, key = own_keys
    dataset, waiting = waiting_step(exchange, firm, idempotency_key="k")
    done = exchange.operations.give_signatures(firm, waiting.request_id, signatures(key, waiting))
    again = exchange.operations.run(firm, "catalog.declare_rights", idempotency_key="k", dataset=dataset, **RIGHTS)
    assert again.result == done.result
    assert count(exchange, IdempotentAnswer) >= 1
