"""Handing out the bytes of a started transfer: in parts, each decided again, never before the record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from sqlalchemy.orm import Session

from contracts.errors import SealingError
from contracts.sealing import OpenReader, unwrap_key
from exchange.access import Actor, Permission
from exchange.audit import service as audit
from exchange.errors import ConflictError, InvalidInputError, NotFoundError, StorageError
from exchange.participants import keys, tokens
from exchange.participants.models import Participant
from exchange.steps import Services
from exchange.transfer import access_tokens, service
from exchange.transfer.models import TransferProcess

BLOCK = 1024 * 1024
# A long answer is decided again after each of these.
PART = 64 * BLOCK


@dataclass(frozen=True)
class Body:
    """A stream with its size, its strong validator, and the name a browser saves it under."""

    stream: BinaryIO
    size: int
    etag: str
    filename: str


def transfer_for_grant(session: Session, grant: access_tokens.Grant) -> TransferProcess:
    """Return the transfer that an access token names.

    Raises AuthenticationError where the person it was issued to may not fetch any more, NotFoundError when it names another
    transfer.
    """
    require_holder(session, grant.user, grant.issued_at, grant.parent)
    transfer = session.get(TransferProcess, grant.transfer)
    if transfer is None or transfer.agreement_id != grant.agreement or transfer.consumer_id != grant.consumer:
        raise NotFoundError()
    return transfer


def require_holder(session: Session, user: str, since: datetime, parent: str) -> None:
    """Raise AuthenticationError unless `user` may still fetch by what was given at `since`, for the API token `parent` (if any)."""
    if not tokens.still_holds(session, user, Permission.TRANSFER_REQUEST, since, parent):
        raise access_tokens.invalid()


def sealed(services: Services, transfer: TransferProcess) -> Body:
    """Return the sealed artefact; the caller has decided. Raises ConflictError unless it is STARTED and recorded."""
    _require_recorded(services, transfer)
    return Body(
        services.objects.open(transfer.artefact), transfer.sealed_size, transfer.artefact, f"{_short(transfer)}.sealed"
    )


def opened(services: Services, session: Session, transfer: TransferProcess, actor: Actor) -> Body:
    """Return the opened artefact (a zip) for a consumer whose encryption key is custodial.

    Raises ConflictError for a self-held key: such a buyer opens the sealed package where the key is. Raises StorageError
    where the stored bytes or their key were altered.
    """
    if actor.participant != transfer.consumer_id:
        raise NotFoundError()
    _require_recorded(services, transfer)
    owner = session.get_one(Participant, transfer.consumer_id)
    row = keys.current_key(session, owner.id, keys.ENCRYPTION)
    private = keys.open_private(services.keystore, owner, row)
    context = service.context(transfer.id)
    try:
        key = unwrap_key(transfer.recipient_wrapped_key or b"", private, context)
        reader = OpenReader(services.objects.open(transfer.artefact), key, context, close_source=True)
    except SealingError as error:
        raise StorageError(
            (
                "The stored package does not open: it or its key was altered.",
                "已保存的数据包无法打开：数据包或其密钥已被改动。",
            ),
            ("Tell the operator; a new transfer makes a new package.", "请联系运营方；重新申请交付会生成新的数据包。"),
            code="wrong-key",
        ) from error
    return Body(reader, transfer.plain_size, transfer.plain_digest.removeprefix("sha256:"), f"{_short(transfer)}.zip")


def _require_recorded(services: Services, transfer: TransferProcess) -> None:
    """Promise 1: the delivery's entry is integrated under a signed checkpoint before the first byte leaves."""
    if transfer.state not in {"STARTED", "COMPLETED"}:
        raise ConflictError(
            (
                f"This transfer is {transfer.state}: there is nothing to fetch.",
                f"该交付处于 {transfer.state} 状态，没有可下载的内容。",
            ),
            (
                "Look at the transfer's page for the reason, or request it again.",
                "请查看该交付的页面了解原因，或重新申请。",
            ),
        )
    audit.receipts(services, [transfer.started_statement])


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return (start, end) of a single byte range of RFC 9110, end excluded, or None for the whole.

    Raises InvalidInputError for a range that lies outside; several ranges are answered with the whole, as the RFC allows.
    """
    if not header or not header.startswith("bytes=") or "," in header:
        return None
    first, dash, last = header.removeprefix("bytes=").partition("-")
    # Only ASCII digits are numbers here: "²" is a digit to Python, but no integer.
    if not dash or len(first + last) > 38 or not (first + last).isascii() or not (first + last).isdigit():
        return None
    start = int(first) if first else max(0, size - int(last))
    end = min(int(last) + 1, size) if first and last else size
    if start >= size or start >= end:
        raise InvalidInputError(
            (f"The range lies outside the {size} bytes.", f"请求的范围超出 {size} 字节。"),
            ("Ask for bytes that exist.", "请改用有效的字节范围。"),
            field="Range",
            code="range-not-satisfiable",
        )
    return start, end


def blocks(body: Body, start: int, end: int, decide: Callable[[], None]) -> Iterator[bytes]:
    """Yield the bytes from `start` to `end`; `decide` is asked again at every part and raises when the policy lapsed."""
    sent, left = 0, end - start
    with body.stream as stream:
        stream.seek(start)
        while left > 0:
            block = stream.read(min(BLOCK, left))
            if not block:
                raise OSError("The stored artefact is shorter than recorded.")
            yield block
            left -= len(block)
            sent += len(block)
            if left and sent % PART < len(block):
                decide()


def _short(transfer: TransferProcess) -> str:
    return f"delivery-{transfer.id[-12:]}"
