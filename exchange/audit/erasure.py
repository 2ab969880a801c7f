"""Erasing what was written down of a person: an opening is destroyed, its commitment and every proof stay.

Only fields that can hold a person's name or somebody's words are erasable (see exchange.audit.statements); what proves an
agreement, a delivery or a payment is not. The erasure is a statement of its own, so that *erased* is never taken for *damaged*.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from exchange.access import Permission
from exchange.audit.erasable import not_the_signer, order_of, signer_of
from exchange.audit.service import record, subjects_of
from exchange.audit.statements import STATEMENTS
from exchange.errors import ConflictError, InvalidInputError, NotFoundError
from exchange.steps import EXCHANGE, Step, operation
from ledger.entry import Entry, Erased, Opening
from ledger.errors import LedgerUnavailableError
from ledger.errors import NotFoundError as NotOnLedgerError

_LONGEST_REASON = 2000


@operation("audit.erase", Permission.ERASE)
def erase(step: Step, *, statement: str, fields: list[str], reason: str) -> dict[str, Any]:
    """Destroy salt and value of some fields of a statement, for a stated reason; statement opening.erased.

    The reason stays readable, so it must not repeat what is erased. Raises NotFoundError for an unknown statement,
    InvalidInputError for a field that is not erasable, ConflictError for one that is erased already.
    """
    entry, openings = _found(step, statement)
    return _erase(
        step, entry, openings, fields, {"reason": _words(reason), "operator": step.actor.user or ""}, EXCHANGE
    )


@operation("audit.erase_own", Permission.ERASE_OWN)
def erase_own(step: Step, *, statement: str, fields: list[str], reason: str) -> dict[str, Any]:
    """Do as `erase` does with a statement that the acting firm signed, signed by it in its turn.

    Raises PermissionDeniedError for a statement of somebody else.
    """
    firm = step.actor.participant or ""
    entry, openings = _found(step, statement)
    if signer_of(openings) != firm:
        raise not_the_signer()
    return _erase(step, entry, openings, fields, {"reason": _words(reason), "participant": firm}, firm)


def _found(step: Step, statement: str) -> tuple[Entry, Mapping[str, Opening | Erased]]:
    log = step.services.log
    try:
        return log.entry(log.index_of(statement)), log.openings(statement)
    except NotOnLedgerError as error:
        raise NotFoundError() from error


def _erase(
    step: Step,
    entry: Entry,
    openings: Mapping[str, Opening | Erased],
    fields: list[str],
    said: dict[str, Any],
    signer: str,
) -> dict[str, Any]:
    statement = entry.statement_id
    kind = STATEMENTS.kinds.get(entry.kind)
    may = sorted((kind.erasable if kind else frozenset()) & openings.keys())
    wanted = sorted(set(fields))
    if not wanted or not set(wanted) <= set(may):
        raise InvalidInputError(
            ("Only what can hold a person's name or somebody's words can be erased.", "仅可擦除可能含有个人姓名或文字说明的字段。"),
            (f"Of this statement: {', '.join(may) or 'nothing'}.", f"该声明中可擦除的字段：{'、'.join(may) or '无'}。"),
            field="fields", code="not-erasable",
        )  # fmt: skip
    if gone := [name for name in wanted if isinstance(openings[name], Erased)]:
        said = {
            name: order_of(step.services.log, opening) for name in gone if isinstance(opening := openings[name], Erased)
        }
        told = {
            name: ("", "") if by is None else (f" by entry {by}", f"（见第 {by} 条记录）") for name, by in said.items()
        }
        raise ConflictError(
            (f"Erased already: {', '.join(name + words[0] for name, words in told.items())}.",
             f"已被擦除：{'、'.join(name + words[1] for name, words in told.items())}。"),
            ("Nothing is left to do.", "无需其他操作。"),
            field="fields", code="erased-already",
        )  # fmt: skip
    open_to, own = subjects_of(step.session, statement, opened=True), subjects_of(step.session, statement)
    order = record(
        step,
        "opening.erased",
        {"statement": statement, "erased": wanted} | said,
        signer=signer,
        subjects=open_to,
        concerns=sorted(set(own) - set(open_to)),
    )
    for name in wanted:
        step.services.log.erase(step.session.connection(), statement, name, by=order)
    # What the database still holds of it in files beside its own goes once the change is durable.
    step.after_commit.append(lambda: _scrub(step))
    return {"statement": statement, "entry": entry.index, "erased": wanted, "by": order}


def _scrub(step: Step) -> None:
    # It is recorded and done; traces that somebody still reads are removed by the log's own thread, or at the next start.
    with suppress(LedgerUnavailableError):
        step.services.log.scrub(timeout=step.services.settings.receipt_timeout_seconds)


def _words(reason: str) -> str:
    cleaned = reason.strip()
    if not 2 <= len(cleaned) <= _LONGEST_REASON:
        raise InvalidInputError(
            (f"A reason has 2 to {_LONGEST_REASON} characters.", f"理由须为 2 至 {_LONGEST_REASON} 个字符。"),
            ("Name the request and the rule, not what is erased.", "请写明请求与依据，勿重复被擦除的内容。"),
            field="reason",
        )
    return cleaned
