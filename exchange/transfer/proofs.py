"""Which proofs of possession were used: each opens once, whichever worker it reaches."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, insert
from sqlalchemy.exc import IntegrityError

from exchange.database import Database
from exchange.steps import Step, operation
from exchange.transfer import dpop
from exchange.transfer.models import UsedProof


def use(database: Database, proof: dpop.Proof) -> None:
    """Use a proof up, committed before anything is given for it. Raises ProofError where it was used before."""
    # Until its time is outside the window by itself, also for a proof of the future.
    lapses = datetime.fromtimestamp(proof.issued_at + 2 * dpop.WINDOW, UTC)
    try:
        with database.writing() as session:
            session.execute(insert(UsedProof).values(digest=proof.digest, lapses_at=lapses))
    except IntegrityError as error:
        raise dpop.fault("jti", ("This proof was used before.", "该证明已被使用过。")) from error


@operation("transfer.forget_proofs", None)
def forget_proofs(step: Step) -> dict[str, Any]:
    """Forget the proofs that their own time refuses by now; a timer calls this."""
    gone = step.session.execute(delete(UsedProof).where(UsedProof.lapses_at < step.now))
    return {"forgotten": gone.rowcount}  # type: ignore[attr-defined]
