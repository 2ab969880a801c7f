"""Runs operations: permission, transaction, idempotency, waiting signatures, receipts. The one door for every change of state.

Promise 1 of the design is kept here: a change and its statements commit together, and the answer leaves only after every
statement is integrated under a checkpoint signed after that commit. If the ledger does not answer in time the caller gets
503, and the same Idempotency-Key later returns the stored answer with its receipts.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from exchange.access import SYSTEM, Actor, not_verified
from exchange.audit import service as audit
from exchange.audit.models import IdempotentAnswer, SignatureRequest
from exchange.database import Database
from exchange.errors import (
    AwaitingSignatureError,
    ConflictError,
    IdempotencyError,
    InvalidInputError,
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
)
from exchange.identifiers import uuid7
from exchange.participants import tokens
from exchange.participants.keys import PartySigner
from exchange.steps import OPERATIONS, Operation, Services, Step
from ledger.canonical import encode
from ledger.errors import CanonicalError, LedgerUnavailableError
from ledger.log import Receipt

_SIGNATURE_DAYS = 7
_ATTEMPTS = 3
_DEADLOCK = "40P01"
_OF_PASSWORDS = {"password_hash", "proof"}

# Every write asks for the answer to its key and keeps one, so these are built once, over the table.
_answers = IdempotentAnswer.__table__
_ANSWER_OF = select(_answers.c.arguments_digest, _answers.c.result, _answers.c.statements).where(
    _answers.c.tenant == bindparam("tenant"), _answers.c.key == bindparam("key")
)
_KEEP = _answers.insert()


@dataclass(frozen=True)
class Outcome:
    """What an operation gave back, and the receipts that prove its record."""

    result: dict[str, Any]
    receipts: tuple[Receipt, ...]

    @property
    def receipt(self) -> Receipt | None:
        """Return the last receipt, which covers the others."""
        return self.receipts[-1] if self.receipts else None


class Operations:
    """Binds the registered operations to a database and services."""

    def __init__(self, database: Database, services: Services) -> None:
        self.database = database
        self.services = services

    def run(self, actor: Actor, name: str, /, *, idempotency_key: str | None = None, **arguments: Any) -> Outcome:
        """Run operation `name` for `actor` and return its outcome with receipts.

        Raises PermissionDeniedError without the permission, AwaitingSignatureError when a self-held key must sign first,
        IdempotencyError on a reused key, UnavailableError when nothing could be recorded, and what the operation raises.
        """
        chosen = _permitted(actor, name)
        key = _checked_key(idempotency_key)
        digest = _arguments_digest(actor, name, arguments)
        if key and (answer := self._stored(actor, key, digest)):
            return self._with_receipts(*answer)
        return self._carry_out(chosen, actor, arguments, secrets.token_bytes(32), datetime.now(UTC), key, digest)

    def run_as_system(self, name: str, /, **arguments: Any) -> Outcome:
        """Run an operation as the program itself: jobs and timers, under a rule that somebody signed."""
        return self.run(SYSTEM, name, **arguments)

    def _carry_out(
        self,
        chosen: Operation,
        actor: Actor,
        arguments: dict[str, Any],
        seed: bytes,
        now: datetime,
        key: str | None,
        digest: str,
        provided: dict[str, bytes] | None = None,
        request: str | None = None,
    ) -> Outcome:
        began = time.monotonic()
        try:
            step, result = self._attempt(chosen, actor, arguments, seed, now, key, digest, provided, request)
        except (IntegrityError, ConflictError) as error:
            # Another request with the same key, or for the same thing, won the race; its answer is the answer.
            if key and (answer := self._stored(actor, key, digest)):
                return self._with_receipts(*answer)
            if isinstance(error, ConflictError):
                raise
            raise ConflictError(
                ("Somebody else changed this at the same moment.", "此内容刚刚被其他操作更改。"),
                (
                    "Load it again and repeat the step if it is still needed.",
                    "请重新载入，如仍需要再重复该步骤。",
                ),
            ) from error
        waited = time.monotonic() - began
        for follow_up in step.after_commit:
            follow_up()
        return self._with_receipts(result, step.statements, waited)

    def _attempt(
        self,
        chosen: Operation,
        actor: Actor,
        arguments: dict[str, Any],
        seed: bytes,
        now: datetime,
        key: str | None,
        digest: str,
        provided: dict[str, bytes] | None = None,
        request: str | None = None,
    ) -> tuple[Step, dict[str, Any]]:
        for left in reversed(range(_ATTEMPTS)):
            try:
                return self._attempt_once(
                    chosen, actor, arguments, seed, now, key, digest, provided=provided, request=request
                )
            except LedgerUnavailableError as error:
                raise _unavailable() from error
            except OperationalError as error:
                # The victim of a deadlock has changed nothing, and the other side has what it waited for by now.
                if not left or getattr(error.orig, "sqlstate", None) != _DEADLOCK:
                    raise _unavailable() from error
        raise AssertionError("The last attempt answers or raises.")

    def _attempt_once(
        self,
        chosen: Operation,
        actor: Actor,
        arguments: dict[str, Any],
        seed: bytes,
        now: datetime,
        key: str | None,
        digest: str,
        *,
        provided: dict[str, bytes] | None,
        request: str | None,
    ) -> tuple[Step, dict[str, Any]]:
        awaiting: Step | None = None
        try:
            with self.database.writing() as session:
                step = Step(session, actor, now, self.services, seed, PartySigner(), provided or {})
                step.waited_until = datetime.now(UTC) if request else None
                result = chosen.function(step, **arguments)
                session.flush()
                if step.missing:
                    awaiting = step
                    raise _RollBack
                if key:
                    session.connection().execute(_KEEP, _answer(chosen, actor, key, digest, result, step))
                if request:
                    self._close_request(session, request, at=step.effective)
        except _RollBack:
            assert awaiting is not None  # noqa: S101 - set on the line before the raise
            self._ask_for_signatures(chosen, actor, arguments, awaiting, key, earlier=request)
        return step, result

    def _ask_for_signatures(
        self,
        chosen: Operation,
        actor: Actor,
        arguments: dict[str, Any],
        step: Step,
        key: str | None,
        *,
        earlier: str | None,
    ) -> None:
        identifier = uuid7(step.now, secrets.token_bytes(10))
        with self.database.writing() as session:
            if key and not earlier and (same := _waiting_under(session, actor, chosen, arguments, key)):
                raise AwaitingSignatureError(same.id, same.payloads)
            if earlier:
                # What was to be signed has changed meanwhile; one seed must not wait in two requests.
                self._close_request(session, earlier, "superseded", at=step.effective)
            session.add(
                SignatureRequest(
                    id=identifier,
                    participant=actor.participant,
                    user=actor.user,
                    operation=chosen.name,
                    arguments=arguments,
                    payloads=step.missing,
                    seed=step.seed,
                    idempotency_key=key,
                    now=step.now,
                    lapses_at=step.now + timedelta(days=_SIGNATURE_DAYS),
                )
            )
        raise AwaitingSignatureError(identifier, step.missing)

    def give_signatures(self, actor: Actor, request_id: str, signatures: dict[str, bytes]) -> Outcome:
        """Carry out a waiting step, in the name of whoever started it, with the signatures of its payloads by their digests.

        The person who brings the signatures and the one who started the step must both hold its permission.
        Raises NotFoundError for an unknown, foreign or lapsed request, InvalidInputError for a wrong signature.
        """
        with self.database.reading() as session:
            waiting = session.get(SignatureRequest, request_id)
            if waiting is None or waiting.participant != actor.participant:
                raise NotFoundError()
            if waiting.state != "awaiting_signature" or waiting.lapses_at <= datetime.now(UTC):
                raise _lapsed()
            starter = actor if waiting.user == actor.user else tokens.actor_of_user(session, waiting.user)
        chosen = _permitted(actor, waiting.operation)
        _permitted(starter, waiting.operation)
        digest = _arguments_digest(starter, chosen.name, waiting.arguments)
        if waiting.idempotency_key and (answer := self._stored(starter, waiting.idempotency_key, digest)):
            with self.database.writing() as session:
                self._close_request(session, request_id, "superseded", at=datetime.now(UTC))
            return self._with_receipts(*answer)
        return self._carry_out(
            chosen, starter, waiting.arguments, waiting.seed, waiting.now, waiting.idempotency_key, digest,
            provided=signatures, request=request_id,
        )  # fmt: skip

    def _close_request(self, session: Session, request_id: str, state: str = "done", *, at: datetime) -> None:
        waiting = session.get(SignatureRequest, request_id, with_for_update={"key_share": True})
        if waiting is not None and (waiting.state == "lapsed" or waiting.lapses_at <= at):
            raise _lapsed()
        if waiting is None or waiting.state != "awaiting_signature":
            raise ConflictError(
                ("This step was carried out already.", "该步骤已执行。"),
                ("Load its result.", "请查看其结果。"),
            )
        waiting.state = state
        # The seed could give back the salts of the openings, and the arguments hold personal data, so neither is kept.
        waiting.seed, waiting.arguments = b"", {}

    def _stored(self, actor: Actor, key: str, digest: str) -> tuple[dict[str, Any], list[str]] | None:
        with self.database.reading_connection() as connection:
            found = connection.execute(_ANSWER_OF, {"tenant": _tenant(actor), "key": key}).first()
        if found is None:
            return None
        _require_same(found.arguments_digest, digest)
        return found.result, found.statements

    def _with_receipts(self, result: dict[str, Any], statements: list[str], waited: float = 0.0) -> Outcome:
        try:
            return Outcome(result, tuple(audit.receipts(self.services, statements, waited=waited)))
        except LedgerUnavailableError as error:
            raise _unavailable(recorded=True) from error


class _RollBack(Exception):  # noqa: N818 - control flow, never seen outside
    """Leaves the transaction without effect because a self-held key has still to sign."""


def _permitted(actor: Actor, name: str) -> Operation:
    chosen = OPERATIONS.get(name)
    if chosen is None:
        raise NotFoundError()
    allowed = actor is SYSTEM if chosen.permission is None else actor is SYSTEM or actor.may(chosen.permission)
    if not allowed:
        if actor.participant and actor.status != "verified":
            raise not_verified(actor.status)
        raise PermissionDeniedError(
            (f"Your roles do not allow {chosen.permission}.", f"您的角色不具备权限 {chosen.permission}。"),
            ("Ask an owner of your organisation for the role.", "请向贵机构的所有者申请相应角色。"),
        )
    return chosen


def _checked_key(key: str | None) -> str | None:
    if key is not None and not (1 <= len(key) <= 255 and key.isprintable()):
        raise InvalidInputError(
            (
                "An Idempotency-Key has 1 to 255 printable characters.",
                "Idempotency-Key 须为 1 至 255 个可打印字符。",
            ),
            ("Use a UUID.", "请使用 UUID。"),
            field="Idempotency-Key",
        )
    return key


def _arguments_digest(actor: Actor, name: str, arguments: dict[str, Any]) -> str:
    # The same password has another hash each time, and a repeated request must be known again.
    arguments = {key: value for key, value in arguments.items() if key not in _OF_PASSWORDS}
    try:
        return hashlib.sha256(encode({"operation": name, "arguments": arguments, "user": actor.user})).hexdigest()
    except CanonicalError as error:
        raise InvalidInputError(
            ("A value holds characters or a number that cannot be recorded.", "有内容包含无法记录的字符或数值。"),
            ("Remove broken characters; a whole number has at most 15 digits.", "请去除损坏的字符；整数不超过 15 位。"),
        ) from error


def _tenant(actor: Actor) -> str:
    return actor.participant or actor.user or "stranger"


def _answer(
    chosen: Operation, actor: Actor, key: str, digest: str, result: dict[str, Any], step: Step
) -> dict[str, Any]:
    return {
        "tenant": _tenant(actor),
        "key": key,
        "operation": chosen.name,
        "arguments_digest": digest,
        "result": {name: value for name, value in result.items() if name not in chosen.secret_fields},
        "statements": step.statements,
        "created_at": step.now,
    }


def _waiting_under(
    session: Session, actor: Actor, chosen: Operation, arguments: dict[str, Any], key: str
) -> SignatureRequest | None:
    """Return the step that waits already for this person's request of this key, or None. Raises IdempotencyError for another one's."""
    found = session.scalar(
        select(SignatureRequest).where(
            SignatureRequest.participant == actor.participant,
            SignatureRequest.user == actor.user,
            SignatureRequest.idempotency_key == key,
            SignatureRequest.state == "awaiting_signature",
            SignatureRequest.lapses_at > datetime.now(UTC),
        )
    )
    if found is not None:
        _require_same(
            _arguments_digest(actor, found.operation, found.arguments), _arguments_digest(actor, chosen.name, arguments)
        )
    return found


def _require_same(kept: str, asked: str) -> None:
    if kept != asked:
        raise IdempotencyError(
            ("This Idempotency-Key was used for another request.", "该 Idempotency-Key 已用于其他请求。"),
            ("Use a new key for a new request.", "请为新请求使用新的键。"),
            field="Idempotency-Key",
        )


def _lapsed() -> ConflictError:
    return ConflictError(
        ("This step does not wait for a signature any more.", "该步骤已不再等待签名。"),
        ("Start the step again.", "请重新发起该步骤。"),
        code="no-longer-waiting",
    )


def _unavailable(*, recorded: bool = False) -> UnavailableError:
    if recorded:
        return UnavailableError(
            (
                "The step is recorded, but its receipt cannot be given just now.",
                "该步骤已记录，但暂时无法出具回执。",
            ),
            ("Repeat the request with the same Idempotency-Key.", "请使用相同的 Idempotency-Key 重试。"),
        )
    return UnavailableError(
        (
            "The ledger cannot be written just now, so nothing was done.",
            "账本暂时无法写入，因此未执行任何操作。",
        ),
        ("Try again in a moment.", "请稍后重试。"),
    )
