"""What an API token is narrowed to, asked before every view: the agreements and datasets that it may touch.

Fails closed: a view whose thing is not known here, or that shows more than one, is closed to a token with such caveats. What lies
outside and what does not exist look the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from exchange.access import Actor
from exchange.appraisal.models import Valuation
from exchange.catalog.models import DatasetVersion, Offer
from exchange.errors import PermissionDeniedError
from exchange.negotiation.models import AgreementRecord, Negotiation
from exchange.transfer.models import TransferProcess

# Views that concern the token itself, or what everybody reads alike.
_FREE = {"participants_api.me", "participants_api.create_token", "ledger_api.checkpoint", "audit.tile"}
# Parts of an address that name no thing of their own.
_PLACES = {"number", "act", "name", "filename"}
# Views that name their thing in the body.
_IN_THE_BODY = {"negotiations_api.create": "offer"}


@dataclass(frozen=True)
class Subject:
    """What a request is about: a dataset, and the agreement where there is one."""

    dataset: str
    agreement: str | None = None


def check(
    actor: Actor, endpoint: str, named: Mapping[str, Any], body: Callable[[], Any], session: Callable[[], Session]
) -> None:
    """Raise PermissionDeniedError unless all that a request names lies within the caveats of the token it came with."""
    if (actor.agreements is None and actor.datasets is None) or endpoint in _FREE:
        return
    things = {name: value for name, value in named.items() if name not in _PLACES}
    if field := _IN_THE_BODY.get(endpoint):
        sent = body()
        things[field] = sent.get(field) if isinstance(sent, dict) else None
    if not things or not all(
        name in _SUBJECTS and isinstance(value, str) and _inside(actor, _SUBJECTS[name](session(), value))
        for name, value in things.items()
    ):
        raise outside()


def outside() -> PermissionDeniedError:
    """Return the error of a request that lies outside the token's caveats, or might."""
    return PermissionDeniedError(
        (
            "This token is narrowed to certain agreements or datasets, and this lies outside.",
            "该令牌仅限于特定协议或数据集，此请求超出其范围。",
        ),
        (
            "Name one of its own agreements or datasets in the address, or use a token without this caveat.",
            "请在地址中指定其范围内的协议或数据集，或使用不含此限制的令牌。",
        ),
        code="outside-caveats",
    )


def _inside(actor: Actor, subject: Subject | None) -> bool:
    if subject is None:
        return False
    of_agreement = actor.agreements is None or subject.agreement in actor.agreements
    return of_agreement and (actor.datasets is None or subject.dataset in actor.datasets)


def _of(*columns: Any) -> Callable[[Session, str], Subject | None]:
    """Return a reader of (dataset, agreement) by the first column's value."""
    identifier, *wanted = columns

    def read(session: Session, value: str) -> Subject | None:
        row = session.execute(select(*wanted).where(identifier == value)).first()
        return None if row is None else Subject(*row)

    return read


def _negotiation(session: Session, value: str) -> Subject | None:
    row = session.get(Negotiation, value)
    made = select(AgreementRecord.id).where(AgreementRecord.negotiation_id == value)
    return None if row is None else Subject(row.dataset_id, session.scalar(made))


_SUBJECTS: dict[str, Callable[[Session, str], Subject | None]] = {
    "dataset": lambda _session, value: Subject(value),
    "version": _of(DatasetVersion.id, DatasetVersion.dataset_id),
    "offer": _of(Offer.id, Offer.dataset_id),
    "valuation": _of(Valuation.id, Valuation.dataset_id),
    "negotiation": _negotiation,
    "agreement": _of(AgreementRecord.id, AgreementRecord.dataset_id, AgreementRecord.id),
    "transfer": _of(TransferProcess.id, TransferProcess.dataset_id, TransferProcess.agreement_id),
}
