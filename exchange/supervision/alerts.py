"""Alerts: what a supervisor, or a check of the program, found and somebody has to look into. They live on the ledger alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from exchange.access import Permission
from exchange.audit.models import StatementIndex
from exchange.audit.service import internal, record
from exchange.errors import ConflictError, InvalidInputError, NotFoundError
from exchange.steps import Step, operation
from ledger.entry import Opening
from ledger.log import Log

SEVERITIES = ("notice", "warning", "critical")
_RAISED, _CLOSED = "alert.raised", "alert.closed"
_MOST_FINDINGS, _LONGEST = 50, 500
_SHOWN = 200


@dataclass(frozen=True)
class Alert:
    """An alert as its statements tell it. `entry` is where it was raised; `closed` the reason that ended it."""

    id: str
    severity: str
    about: str
    findings: tuple[str, ...]
    raised_at: datetime
    entry: int
    closed: str | None = None


@operation("supervision.raise_alert", Permission.SUPERVISE)
def raise_alert(step: Step, *, about: str, severity: str, findings: list[str]) -> dict[str, Any]:
    """Raise an alert about an agreement, a participant or whatever `about` names; statement alert.raised."""
    if severity not in SEVERITIES:
        raise InvalidInputError(
            (f"{severity!r} is no severity.", f"没有级别“{severity}”。"),
            (f"Use {', '.join(SEVERITIES)}.", f"可用：{'、'.join(SEVERITIES)}。"),
            field="severity",
        )
    said = [finding.strip() for finding in findings]
    if not 1 <= len(said) <= _MOST_FINDINGS or not all(2 <= len(finding) <= _LONGEST for finding in said):
        raise InvalidInputError(
            ("An alert says in 1 to 50 sentences what was found.", "告警须以 1 至 50 句话说明发现的情况。"),
            ("Write each in 2 to 500 characters.", "每句 2 至 500 个字符。"),
            field="findings",
        )
    if not 1 <= len(about) <= 64:
        raise InvalidInputError(
            ("An alert is about one thing.", "告警须针对一个对象。"),
            ("Name its identifier.", "请填写其标识。"),
            field="about",
        )
    alert = step.new_id()
    fields = {"alert": alert, "severity": severity, "about": about, "findings": said, "operator": step.actor.user or ""}
    # `exchange/` and an identifier must fit into the index's column.
    record(step, "alert.raised", fields, concerns=[alert, *([about] if len(about) <= 55 else [])])
    return {"alert": alert}


@operation("supervision.close_alert", Permission.SUPERVISE)
def close_alert(step: Step, *, alert: str, reason: str) -> dict[str, Any]:
    """Close an alert with what came of it; statement alert.closed. Raises NotFoundError, ConflictError."""
    kinds = set(step.session.scalars(select(StatementIndex.kind).where(StatementIndex.subject == internal(alert))))
    if _RAISED not in kinds:
        raise NotFoundError()
    if _CLOSED in kinds:
        raise ConflictError(
            ("This alert is closed already.", "该告警已关闭。"),
            ("Nothing is left to do.", "无需其他操作。"),
            code="alert-closed",
        )
    cleaned = reason.strip()
    if not 2 <= len(cleaned) <= _LONGEST:
        raise InvalidInputError(
            ("A reason has 2 to 500 characters.", "理由须为 2 至 500 个字符。"),
            ("Say what came of it.", "请说明处理结果。"),
            field="reason",
        )
    fields = {"alert": alert, "reason": cleaned, "operator": step.actor.user or ""}
    record(step, "alert.closed", fields, concerns=[alert])
    return {"alert": alert}


def alerts(session: Session, log: Log[Any]) -> list[Alert]:
    """Return the newest alerts, open ones first, as the ledger tells them."""
    closed = {item["alert"]: item["reason"] for _, item in _said(session, log, _CLOSED)}
    found = [
        Alert(
            id=item["alert"],
            severity=item["severity"],
            about=item["about"],
            findings=tuple(item["findings"]),
            raised_at=row.at,
            entry=log.index_of(row.statement),
            closed=closed.get(item["alert"]),
        )
        for row, item in _said(session, log, _RAISED)
    ]
    return sorted(found, key=lambda alert: alert.closed is not None)


def _said(session: Session, log: Log[Any], kind: str) -> list[tuple[Any, dict[str, Any]]]:
    rows = session.execute(
        select(StatementIndex.statement, StatementIndex.at)
        .where(StatementIndex.kind == kind)
        .distinct()
        .order_by(StatementIndex.at.desc())
        .limit(_SHOWN)
    ).all()
    return [(row, _opened(log, row.statement)) for row in rows]


def _opened(log: Log[Any], statement: str) -> dict[str, Any]:
    """Return the fields of an alert's statement; words that were erased are left out of it."""
    found = log.openings(statement)
    return {
        name: item.value if isinstance(item, Opening) else [] if name == "findings" else ""
        for name, item in found.items()
    }
