"""Value estimates by the cost approach: the owner states its costs, the quality comes from the report, the record fixes both.

The report is the valuation library's own document, so that `python -m valuation recompute` makes every number of it again from
the version's files. Costs are the owner's affair: others see the value, its range and what limits it.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from exchange.access import Actor, Permission
from exchange.appraisal.models import QualityAssessment, Valuation
from exchange.appraisal.quality import quality_of
from exchange.audit.service import record, timestamp
from exchange.catalog import service as catalog
from exchange.catalog.models import Dataset
from exchange.errors import ConflictError, InvalidInputError, NotFoundError
from exchange.steps import Step, operation
from valuation.approaches import CostInputs, chart
from valuation.approaches.cost import COVERAGE_FLOOR
from valuation.classification import grade
from valuation.errors import EstimateError, PricingError
from valuation.report import ValuationReport, complete

_MOST_LICENCES = 100_000


@operation("appraisal.estimate", Permission.APPRAISAL_WRITE)
def estimate_value(
    step: Step,
    *,
    dataset: str,
    items: dict[str, int],
    margin: str,
    age_years: str,
    life_years: str,
    expected_licences: int = 1,
) -> dict[str, Any]:
    """Estimate the value of the dataset's current version by cost; `items` is in fen by account, shares and years are decimals."""
    row = catalog.own_dataset(step.session, step.actor, dataset, lock=True)
    version = catalog.current_version(step.session, row)
    assessed = quality_of(step.session, version.id) if version else None
    if version is None or assessed is None:
        raise ConflictError(
            ("The quality of this version is not assessed, so no value can rest on it.", "该版本的质量尚未评估，无法据此估值。"),
            ("Wait for the assessment; files that are no tables are not assessed.", "请等待质量评估完成；非表格文件不做评估。"),
            code="not-assessed",
        )  # fmt: skip
    inputs = _inputs(assessed, items, margin, age_years, life_years)
    report = _report(step, row, assessed, inputs, version_digest=version.digest, licences=expected_licences)
    found = report.estimates[0]
    valuation = Valuation(
        id=step.new_id(), dataset_id=row.id, version_id=version.id, participant_id=row.participant_id,
        approach=found["approach"], inputs=inputs.to_json(), report=report.to_json(), digest=report.digest(),
        created_at=step.now,
    )  # fmt: skip
    step.session.add(valuation)
    record(
        step,
        "valuation.reported",
        {
            "provider": row.participant_id,
            "dataset": row.id,
            "version": version.id,
            "version_digest": version.digest,
            "report_digest": valuation.digest,
            "approach": valuation.approach,
            "value_fen": found["value_fen"],
            "low_fen": found["low_fen"],
            "high_fen": found["high_fen"],
            "currency": found["currency"],
        },
        subjects=[row.participant_id, row.id, version.id],
    )
    return {"id": valuation.id, **value_view(valuation, own=True)}


def _inputs(
    assessed: QualityAssessment, items: dict[str, int], margin: str, age_years: str, life_years: str
) -> CostInputs:
    if assessed.report["quality"] is None or Decimal(assessed.report["coverage"]) < COVERAGE_FLOOR:
        raise ConflictError(
            (f"Too little of the quality could be assessed (below {COVERAGE_FLOOR}), so no value is given.",
             f"可评估的质量权重不足 {COVERAGE_FLOOR}，不予估值。"),
            ("Upload a version with complete columns.", "请上传列内容完整的版本。"),
            code="coverage-too-low",
        )  # fmt: skip
    known = {account.id for account in chart()}
    for name, fen in items.items():
        if name not in known or type(fen) is not int or not 0 <= fen <= 10**13:
            raise InvalidInputError(
                (f"The cost {name!r} is not a whole number of fen of an account of the chart.", f"成本项“{name}”须为会计科目表中的科目，金额为整数分。"),
                ("See GET /api/v1/appraisal/accounts.", "科目见 GET /api/v1/appraisal/accounts。"),
                field="items",
            )  # fmt: skip
    if not sum(items.values()):
        raise InvalidInputError(
            ("At least one cost must be more than zero.", "至少有一项成本须大于零。"),
            ("Fill in what the data cost.", "请填写数据的成本。"),
            field="items",
        )
    try:
        return CostInputs(
            items,
            _decimal("margin", margin, "0", "10"),
            _decimal("age_years", age_years, "0", "100"),
            _decimal("life_years", life_years, "0.01", "100"),
            Decimal(assessed.report["quality"]),
            coverage=Decimal(assessed.report["coverage"]),
        )
    except EstimateError as error:
        raise InvalidInputError(str(error), field="items") from error


def _decimal(field: str, text: str, low: str, high: str) -> Decimal:
    try:
        value = Decimal(text)
    except (InvalidOperation, TypeError, ValueError):
        value = Decimal("NaN")
    if not value.is_finite() or not Decimal(low) <= value <= Decimal(high) or len(str(text)) > 20:
        raise InvalidInputError(
            (f"This is a decimal number from {low} to {high}.", f"此处应为 {low} 至 {high} 之间的小数。"),
            ("Write it with a point, for example 0.08.", "请用小数点书写，例如 0.08。"),
            field=field,
        )
    return value


def _report(
    step: Step, row: Dataset, assessed: QualityAssessment, inputs: CostInputs, *, version_digest: str, licences: int
) -> ValuationReport:
    """Complete the document that was begun with the files at hand."""
    if type(licences) is not int or not 1 <= licences <= _MOST_LICENCES:
        raise InvalidInputError(
            (
                f"Between 1 and {_MOST_LICENCES} licences are expected.",
                f"预计许可份数应在 1 至 {_MOST_LICENCES} 之间。",
            ),
            ("Give a whole number.", "请填写整数。"),
            field="expected_licences",
        )
    grading = None
    if row.grading is not None and row.grade is not None:
        answers = {answer["question"]: answer["grade"] for answer in row.grading["answers"]}
        grading = grade(answers, tag=row.category)
    try:
        return complete(
            {**assessed.basis, "quality": assessed.report},
            inputs,
            subject={"dataset": row.id, "version": assessed.version_id, "version_digest": version_digest},
            at=timestamp(step.now),
            expected_licences=licences,
            grading=grading,
        )
    except (EstimateError, PricingError) as error:
        raise InvalidInputError(str(error), field="items") from error


@operation("appraisal.price_offer", Permission.APPRAISAL_WRITE)
def price_offer(step: Step, *, offer: str, valuation: str, kind: str) -> dict[str, Any]:
    """Write a price plan that a valuation suggests into a draft offer of the same dataset."""
    draft = catalog.own_offer(step.session, step.actor, offer)
    row = own_valuation(step.session, step.actor, valuation)
    plan = next((item for item in row.report["price_plans"] if item["kind"] == kind), None)
    if plan is None or draft.dataset_id != row.dataset_id:
        raise NotFoundError()
    price = {"kind": plan["kind"], "amount_fen": plan["amount_fen"], "currency": plan["currency"]}
    catalog.set_price(step, offer, price)
    return {"id": offer, "dataset": row.dataset_id, "price": price}


def own_valuation(session: Session, actor: Actor, valuation_id: str) -> Valuation:
    """Return a valuation of the actor's firm. Raises NotFoundError for an unknown or foreign one."""
    query = select(Valuation).where(Valuation.id == valuation_id, Valuation.participant_id == actor.participant)
    found = session.scalar(query) if actor.participant else None
    if found is None:
        raise NotFoundError()
    return found


def valuation_of(session: Session, version_id: str) -> Valuation | None:
    """Return the newest valuation of a version, or None; the caller has checked that the version may be seen."""
    query = select(Valuation).where(Valuation.version_id == version_id)
    return session.scalars(query.order_by(Valuation.created_at.desc(), Valuation.id.desc()).limit(1)).first()


def valuations_of(session: Session, dataset: Dataset) -> list[Valuation]:
    """Return all valuations of a dataset, newest first; for its owner."""
    query = select(Valuation).where(Valuation.dataset_id == dataset.id)
    return list(session.scalars(query.order_by(Valuation.created_at.desc(), Valuation.id.desc())))


def value_view(valuation: Valuation, *, own: bool) -> dict[str, Any]:
    """Return a valuation as plain data: value, range and limits to all who see the version, costs and steps to its owner."""
    found = valuation.report["estimates"][0]
    view = {
        "id": valuation.id, "dataset": valuation.dataset_id, "version": valuation.version_id,
        "approach": valuation.approach, "value_fen": found["value_fen"], "low_fen": found["low_fen"],
        "high_fen": found["high_fen"], "currency": found["currency"], "quality": valuation.report["quality"]["quality"],
        "coverage": valuation.report["quality"]["coverage"], "limitations": found["limitations"],
        "digest": valuation.digest, "created_at": timestamp(valuation.created_at),
    }  # fmt: skip
    if own:
        view |= {
            "inputs": valuation.inputs, "steps": found["steps"], "sensitivities": found["sensitivities"],
            "expected_licences": valuation.report["expected_licences"], "price_plans": valuation.report["price_plans"],
        }  # fmt: skip
    return view
