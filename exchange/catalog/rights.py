"""The declaration of rights and the grade: without the first nothing is offered, and the second governs to whom.

Rights are the three that Chinese practice separates: to hold the data, to process (use) it, to operate (offer) products of it.
The grade follows the industrial data guide of 2020, 1 lowest to 3 highest; the category GB/T 43697-2024.
"""

from __future__ import annotations

import hashlib
from typing import Any

from exchange.access import Permission
from exchange.audit.service import record, timestamp
from exchange.catalog import bounds, checks
from exchange.catalog.datasets import CATEGORIES, current_version, own_dataset, require_no_open_offer
from exchange.catalog.models import Dataset
from exchange.errors import ConflictError, InvalidInputError
from exchange.steps import Step, operation
from valuation.classification import grade
from valuation.errors import ClassificationError

RIGHTS = ("holding", "processing", "operating")
SOURCES = ("own-production", "collected", "purchased", "authorised", "public")


@operation("catalog.declare_rights", Permission.DATASET_WRITE)
def declare_rights(
    step: Step,
    *,
    dataset: str,
    holding: bool,
    processing: bool,
    operating: bool,
    source: str,
    source_note: str = "",
    evidence: str,
    evidence_digest: str | None = None,
) -> dict[str, Any]:
    """Record what the provider declares about its rights, where the data comes from, and what proves it.

    `evidence_digest` is the SHA-256 of a document that the provider keeps; without one the digest is that of the text.
    """
    row = own_dataset(step.session, step.actor, dataset, lock=True)
    require_no_open_offer(step.session, row)
    given = {"holding": holding, "processing": processing, "operating": operating}
    for field, value in given.items():
        if not checks.truth(field, value):
            raise InvalidInputError(
                ("Without this right the dataset cannot be offered.", "没有该项权利，数据集不能上架。"),
                ("Obtain the right first, or offer what you have it for.", "请先取得该项权利，或仅上架您享有该权利的数据。"),
                field=field, code="right-missing",
            )  # fmt: skip
    text = checks.text("evidence", evidence, 4000, shortest=10)
    own_digest = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    row.rights = {
        **given,
        "source": checks.choice("source", source, SOURCES),
        "source_note": checks.text("source_note", source_note, 1000),
        "evidence": text,
        "evidence_digest": checks.digest("evidence_digest", evidence_digest) if evidence_digest else own_digest,
        "declared_at": timestamp(step.now),
    }
    row.updated_at = step.now
    published = {name: value for name, value in row.rights.items() if name not in {"evidence", "source_note"}}
    record(
        step,
        "dataset.rights_declared",
        {"provider": row.participant_id, "dataset": row.id, **published},
        signer=row.participant_id,
        subjects=[row.id],
    )
    return {"id": row.id, "rights": row.rights}


@operation("catalog.grade_dataset", Permission.DATASET_WRITE)
def grade_dataset(
    step: Step, *, dataset: str, answers: dict[str, Any], category: str, risk_assessment: str = "", reason: str = ""
) -> dict[str, Any]:
    """Record the grade that follows from the three impact answers, and the category with its risk assessment.

    Raises InvalidInputError where an answer is below what the columns suggest and no `reason` says why.
    """
    row = own_dataset(step.session, step.actor, dataset, lock=True)
    require_no_open_offer(step.session, row)
    checked = checks.choice("category", category, CATEGORIES)
    try:
        grading = grade(answers, tag=checked)
    except (ClassificationError, AttributeError, TypeError) as error:
        raise InvalidInputError(
            ("Each of the three impact questions takes an answer from 1 to 3.", "三个影响问题均需选择 1 至 3 级答案。"),
            (
                "See GET /api/v1/catalog/grading for questions and answers.",
                "问题和答案见 GET /api/v1/catalog/grading。",
            ),
            field="answers",
        ) from error
    explained = bounds.check_reason(grading.answers, current_version(step.session, row), reason)
    row.grade, row.category = grading.grade, checked
    assessment = checks.line("risk_assessment", risk_assessment, 300)
    row.grading = {**grading.to_json(), "risk_assessment": assessment, **explained}
    row.updated_at = step.now
    record(
        step,
        "dataset.graded",
        {
            "provider": row.participant_id,
            "dataset": row.id,
            "grade": row.grade,
            "category": row.category,
            "answers": dict(grading.answers),
            "rule": grading.rule,
            "guide": grading.guide,
            "risk_assessment": assessment,
            **explained,
        },
        signer=row.participant_id,
        subjects=[row.id],
    )
    return {"id": row.id, "grade": row.grade, "category": row.category}


def check_may_be_offered(dataset: Dataset, visibility: str) -> None:
    """Raise ConflictError, naming the rule, where rights, grade or category forbid an offer of this visibility."""
    if dataset.state == "frozen":
        raise ConflictError(
            ("A dispute over the rights has frozen this dataset.", "该数据集因权属争议已被冻结。"),
            ("Wait for its decision.", "请等待争议处理结果。"),
            code="dataset-frozen",
        )
    if dataset.rights is None:
        raise ConflictError(
            (
                "Nothing is offered without a declaration of rights, source and evidence.",
                "未声明权利、来源和证明材料，不得上架。",
            ),
            ("Declare the rights on the dataset's page.", "请在数据集页面声明权利。"),
            code="rights-not-declared",
        )
    if dataset.grade is None or not dataset.category:
        raise ConflictError(
            ("The grade and the category are not determined yet.", "尚未确定分级和类别。"),
            ("Answer the three questions on the dataset's page.", "请在数据集页面回答三个问题。"),
            code="not-graded",
        )
    if not dataset.domain:
        raise ConflictError(
            ("The data domain is not chosen yet.", "尚未选择数据域。"),
            ("Choose it in the description.", "请在描述中选择。"),
            code="no-domain",
        )
    if dataset.category in {"important", "core"} and not (dataset.grading or {}).get("risk_assessment"):
        raise ConflictError(
            (f"Data of the category “{dataset.category}” is not offered without a risk assessment.",
             "重要数据和核心数据未经风险评估不得上架。"),
            ("Name the risk assessment's reference in the grading.", "请在分级中填写风险评估编号。"),
            code="risk-assessment-missing",
        )  # fmt: skip
    if dataset.grade == 3:
        raise ConflictError(
            ("Grade 3 data is not offered: it may only go to named recipients with a compliance officer's release.",
             "三级数据不得上架：仅可在合规负责人放行后提供给指定接收方。"),
            ("Lower its sensitivity and grade a new dataset, or deal with the recipient directly.",
             "请降低敏感度后作为新数据集定级，或与接收方另行约定。"),
            code="grade-3-not-offered",
        )  # fmt: skip
    if dataset.grade == 2 and visibility == "public":
        raise ConflictError(
            ("Grade 2 data is offered only to authorised participants with a stated need, not publicly.",
             "二级数据仅可提供给有明确需求的授权参与方，不得公开上架。"),
            ("Choose the visibility “authorised”.", "请选择“授权可见”。"),
            code="grade-2-not-public",
        )  # fmt: skip
