"""What falls due by time alone: steps that waited too long for a signature."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from exchange.audit.models import SignatureRequest
from exchange.steps import Step, operation

_BATCH = 100


@operation("audit.lapse_requests", None)
def lapse_requests(step: Step) -> dict[str, Any]:
    """Close the waiting steps whose time has passed (at most 100 a run) and erase what they would have done; a timer calls this.

    The seed could give back the salts of the openings, arguments and payloads hold personal data, so none of them is kept.
    """
    rows = step.session.scalars(
        select(SignatureRequest)
        .where(SignatureRequest.state == "awaiting_signature", SignatureRequest.lapses_at <= step.now)
        .order_by(SignatureRequest.lapses_at)
        .limit(_BATCH)
        .with_for_update(key_share=True, skip_locked=True)
    ).all()
    for row in rows:
        row.state, row.seed, row.arguments, row.payloads = "lapsed", b"", {}, []
    return {"lapsed": [row.id for row in rows]}
