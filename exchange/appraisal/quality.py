"""Quality of versions: recorded under the exchange's own key, shown with the offer; the profile is for the owner only."""

from __future__ import annotations

import base64
import json
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from exchange.access import Actor
from exchange.appraisal.models import QualityAssessment
from exchange.audit.service import record
from exchange.catalog import service as catalog
from exchange.errors import NotFoundError
from exchange.participants.keys import tenant_keys
from exchange.participants.models import Participant
from exchange.steps import Services, Step, operation
from valuation.profile import Profile


def quality_of(session: Session, version_id: str) -> QualityAssessment | None:
    """Return the assessment of a version, or None; the caller has checked that the version may be seen."""
    return session.scalar(select(QualityAssessment).where(QualityAssessment.version_id == version_id))


def scores_of(session: Session, versions: set[str]) -> dict[str, float | None]:
    """Return the overall quality of each assessed version, a share of one, or None where nothing could be assessed."""
    rows = session.scalars(select(QualityAssessment).where(QualityAssessment.version_id.in_(versions)))
    return {row.version_id: None if row.report["quality"] is None else float(row.report["quality"]) for row in rows}


def open_columns(measured: Profile) -> list[dict[str, Any]]:
    """Return what may be said of each column to anybody: counts, and no value of it."""
    return [
        {
            "name": column.name, "type": column.type, "rows": measured.rows, "nulls": column.nulls,
            "distinct": column.distinct, "blank": column.blank, "nan": column.nan,
            "infinite": column.positive_infinity + column.negative_infinity,
        }
        for column in measured.columns
    ]  # fmt: skip


def encoded_profile(measured: Profile) -> bytes:
    """Return the profile's JSON as bytes."""
    return json.dumps(measured.to_json(), ensure_ascii=False, separators=(",", ":")).encode()


@operation("appraisal.quality_ready", None)
def quality_ready(
    step: Step,
    *,
    version: str,
    report: dict[str, Any],
    digest: str,
    basis: dict[str, Any],
    columns: list[dict[str, Any]],
    profile: str,
) -> dict[str, Any]:
    """Keep a version's quality report, once, and record its digest under the exchange's statement key."""
    row = catalog.get_version(step.session, version)
    found = quality_of(step.session, version)
    if found is not None:
        return {"version": version, "digest": found.digest}
    owner = step.session.get_one(Participant, row.dataset.participant_id)
    wrapped = tenant_keys(step.services.keystore, owner).wrap(base64.b64decode(profile), f"profile/{version}")
    step.session.add(
        QualityAssessment(
            id=step.new_id(), version_id=version, dataset_id=row.dataset_id, participant_id=owner.id, report=report, basis=basis,
            columns=columns, profile=wrapped, digest=digest, created_at=step.now,
        )
    )  # fmt: skip
    record(
        step,
        "quality.reported",
        {
            "provider": owner.id,
            "dataset": row.dataset_id,
            "version": version,
            "version_digest": row.digest,
            "report_digest": digest,
            "standard": report["standard"],
            "quality": report["quality"],
            "coverage": report["coverage"],
        },
        subjects=[owner.id, row.dataset_id, version],
    )
    return {"version": version, "digest": digest}


def profile_of(services: Services, session: Session, actor: Actor, version_id: str) -> Profile:
    """Return the profile with its exact values, to the version's own firm. Raises NotFoundError for anybody else."""
    version = catalog.own_version(session, actor, version_id)
    found = quality_of(session, version_id)
    if found is None:
        raise NotFoundError()
    owner = session.get_one(Participant, version.dataset.participant_id)
    plain = tenant_keys(services.keystore, owner).unwrap(found.profile, f"profile/{version_id}")
    return Profile.from_json(json.loads(plain))
