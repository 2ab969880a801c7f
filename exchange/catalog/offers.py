"""Offers: drafted from a policy template, a price and a desensitization plan; fixed once published; withdrawn, never changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.desensitization.engine import compile_plan
from contracts.desensitization.finding import Finding
from contracts.desensitization.keys import Keys
from contracts.desensitization.plan import Plan, derive
from contracts.errors import ContractsError, PolicyError
from contracts.fingerprint import disclosed
from contracts.odrl import parse, templates
from exchange.access import Actor, Permission
from exchange.audit.service import record
from exchange.catalog import bounds, checks
from exchange.catalog.datasets import current_version, own_dataset
from exchange.catalog.disputes import leave_listing
from exchange.catalog.listing import PRICES, VISIBILITIES, forget_offer, index_offer
from exchange.catalog.models import Dataset, DatasetVersion, Offer, OfferRecipient
from exchange.catalog.rights import check_may_be_offered
from exchange.catalog.versions import arrow_schema, deliverable, drop_sources, last_digits_of
from exchange.errors import ConflictError, InvalidInputError, NotFoundError
from exchange.participants.models import Participant
from exchange.steps import Step, operation

_MOST_FEN = 10**13
_MOST_RECIPIENTS = 500
Result = TypeVar("Result")


def own_offer(session: Session, actor: Actor, offer_id: str) -> Offer:
    """Return an offer of the actor's firm in any state. Raises NotFoundError for an unknown or foreign one."""
    query = select(Offer).where(Offer.id == offer_id, Offer.participant_id == actor.participant)
    found = session.scalar(query) if actor.participant else None
    if found is None:
        raise NotFoundError()
    return found


def own_offers(session: Session, dataset: Dataset) -> list[Offer]:
    """Return all offers of a dataset, newest first; for its owner."""
    return list(session.scalars(select(Offer).where(Offer.dataset_id == dataset.id).order_by(Offer.id.desc())))


@operation("catalog.draft_offer", Permission.OFFER_WRITE)
def draft_offer(
    step: Step,
    *,
    dataset: str,
    template: str,
    parameters: dict[str, Any] | None = None,
    price: dict[str, Any],
    visibility: str,
    audience: list[str] | None = None,
    columns: list[dict[str, Any]] | None = None,
    row_filter: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Draft an offer of the dataset's current version; the plan is derived from findings and grade unless `columns` says otherwise."""
    row = own_dataset(step.session, step.actor, dataset, lock=True)
    version = current_version(step.session, row)
    if version is None:
        raise ConflictError(
            ("This dataset has no version that is ready.", "该数据集尚无就绪的版本。"),
            ("Upload its content first.", "请先上传内容。"),
            code="no-version",
        )
    if row.grade is None:
        check_may_be_offered(row, visibility)
    identifier = step.new_id()
    offer = Offer(
        id=identifier, dataset_id=row.id, participant_id=row.participant_id, version_id=version.id, template=template,
        policy={}, price={}, plan={}, plan_digest="", visibility="authorised", state="draft", created_at=step.now,
    )  # fmt: skip
    step.session.add(offer)
    offer.version, offer.dataset = version, row
    _set_terms(offer, template, parameters or {})
    offer.price = check_price(price)
    _set_visibility(step.session, offer, visibility, audience or [])
    _set_plan(offer, derive_plan(version, row.grade or 3), columns, row_filter)
    step.session.flush()
    return result(offer)


@operation("catalog.change_offer", Permission.OFFER_WRITE)
def change_offer(
    step: Step,
    *,
    offer: str,
    template: str | None = None,
    parameters: dict[str, Any] | None = None,
    price: dict[str, Any] | None = None,
    visibility: str | None = None,
    audience: list[str] | None = None,
    columns: list[dict[str, Any]] | None = None,
    row_filter: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Change a draft; what is not given stays. A published offer is never changed: ConflictError."""
    row = _draft(step, offer)
    if template is not None or parameters is not None:
        _set_terms(row, template or row.template, parameters if parameters is not None else row.parameters)
    if price is not None:
        row.price = check_price(price)
    if visibility is not None or audience is not None:
        _set_visibility(step.session, row, visibility or row.visibility, row.audience if audience is None else audience)
    if columns is not None or row_filter is not None:
        _set_plan(row, Plan.from_json(row.plan), columns, row_filter)
    step.session.flush()
    return result(row)


def set_price(step: Step, offer: str, price: dict[str, Any]) -> None:
    """Write a price plan into a draft; appraisal does this when the owner takes a suggested price."""
    _draft(step, offer).price = check_price(price)


@operation("catalog.discard_offer", Permission.OFFER_WRITE)
def discard_offer(step: Step, *, offer: str) -> dict[str, Any]:
    """Remove a draft."""
    row = _draft(step, offer)
    step.session.delete(row)
    step.session.flush()
    return {"id": offer, "dataset": row.dataset_id}


@operation("catalog.publish_offer", Permission.OFFER_WRITE)
def publish_offer(step: Step, *, offer: str) -> dict[str, Any]:
    """Open a draft: rights, grade and category allow it, the version is published and its bytes are there."""
    row = _draft(step, offer)
    dataset, version = row.dataset, row.version
    check_may_be_offered(dataset, row.visibility)
    bounds.check_answered(dataset, version)
    if version.published_at is None:
        raise ConflictError(
            ("The provider's statement of this version is not signed yet.", "提供方尚未签署该版本的声明。"),
            ("Sign it: `exchange sign`, or publish the version on its page.", "请使用 `exchange sign` 签署，或在页面上发布该版本。"),
            code="version-not-published",
        )  # fmt: skip
    deliverable(step.services, step.session, version)
    _check_plan(row, Plan.from_json(row.plan))
    record(
        step,
        "offer.published",
        {
            "provider": row.participant_id,
            "dataset": dataset.id,
            "offer": row.id,
            "version": version.id,
            "version_digest": version.digest,
            "policy_digest": checks.digest_of(row.policy),
            "plan_digest": row.plan_digest,
            "price": row.price,
            "template": row.template,
            "visibility": row.visibility,
            "audience": row.audience,
            "grade": dataset.grade,
            "category": dataset.category,
        },
        signer=row.participant_id,
        subjects=[dataset.id, row.id],
    )
    row.state, row.published_at = "open", step.now
    dataset.state, dataset.updated_at = "offered", step.now
    step.session.flush()
    drop_sources(step, version)
    index_offer(step.session, row)
    return result(row)


@operation("catalog.withdraw_offer", Permission.OFFER_WRITE)
def withdraw_offer(step: Step, *, offer: str) -> dict[str, Any]:
    """Close an open offer; agreements made under it go on."""
    own = own_offer(step.session, step.actor, offer)
    dataset = own_dataset(step.session, step.actor, own.dataset_id, lock=True)
    row = step.session.get_one(Offer, own.id, with_for_update={"key_share": True}, populate_existing=True)
    if row.state != "open":
        raise ConflictError(
            ("Only an open offer can be withdrawn.", "仅可撤回已上架的要约。"),
            ("Load the page again.", "请重新载入页面。"),
            code="offer-not-open",
        )
    record(
        step,
        "offer.withdrawn",
        {"provider": row.participant_id, "dataset": row.dataset_id, "offer": row.id},
        signer=row.participant_id,
        subjects=[row.dataset_id, row.id],
    )
    row.state, row.closed_at = "closed", step.now
    step.session.flush()
    forget_offer(step.session, row)
    others = select(Offer.id).where(Offer.dataset_id == dataset.id, Offer.state == "open").limit(1)
    if step.session.scalar(others) is None:
        leave_listing(dataset)
    dataset.updated_at = step.now
    return result(row)


def result(offer: Offer) -> dict[str, Any]:
    """Return an offer as plain data for its owner."""
    return {
        "id": offer.id, "dataset": offer.dataset_id, "version": offer.version_id, "state": offer.state,
        "template": offer.template, "parameters": offer.parameters, "policy": offer.policy, "price": offer.price,
        "plan": offer.plan, "plan_digest": offer.plan_digest, "visibility": offer.visibility, "audience": offer.audience,
    }  # fmt: skip


def _draft(step: Step, offer_id: str) -> Offer:
    own = own_offer(step.session, step.actor, offer_id)
    own_dataset(step.session, step.actor, own.dataset_id, lock=True)
    row = step.session.get_one(Offer, own.id, with_for_update={"key_share": True}, populate_existing=True)
    if row.state != "draft":
        raise ConflictError(
            ("A published offer is never changed.", "已发布的要约不可更改。"),
            ("Withdraw it and publish a new one; agreements stay as they are.", "请撤回后发布新的要约；已签协议不受影响。"),
            code="offer-not-draft",
        )  # fmt: skip
    return row


def _set_terms(offer: Offer, template: str, parameters: dict[str, Any]) -> None:
    def build() -> dict[str, Any]:
        if not isinstance(parameters, dict) or {"uid", "assigner", "target", "name"} & set(parameters):
            raise InvalidInputError(
                ("Parameters are those of the template.", "参数应为模板的参数。"), "", field="parameters"
            )
        policy = templates.build(template, uid=offer.id, assigner=offer.participant_id, **parameters)
        parse(policy)
        return policy

    checks.choice("template", template, list(templates.TEMPLATES))
    offer.policy = guarded(build, "parameters")
    offer.template, offer.parameters = template, parameters


def check_price(price: Any) -> dict[str, Any]:
    """Return a price plan in its one form. Raises InvalidInputError for an unknown kind or a wrong amount."""
    given = price if isinstance(price, dict) else {}
    kind = checks.choice("price", given.get("kind"), PRICES)
    amount = given.get("amount_fen", 0 if kind == "free" else None)
    if (
        not isinstance(amount, int)
        or isinstance(amount, bool)
        or not (amount == 0 if kind == "free" else 1 <= amount <= _MOST_FEN)
        or given.get("currency", "CNY") != "CNY"
    ):
        raise InvalidInputError(
            ("A one-off price is an amount above zero in CNY; a free one is zero.",
             "一次性价格应为大于零的人民币金额；免费则为零。"),
            ("Write an amount above zero, or choose free (the API takes amount_fen: 1,500 yuan are 150000).", "请填写大于零的金额，或选择免费（API 使用 amount_fen：1500 元为 150000）。"),
            field="price",
        )  # fmt: skip
    return {"kind": kind, "amount_fen": amount, "currency": "CNY"}


def _set_visibility(session: Session, offer: Offer, visibility: str, audience: list[str]) -> None:
    offer.visibility = checks.choice("visibility", visibility, VISIBILITIES)
    wanted = sorted(checks.lines("audience", audience, most=_MOST_RECIPIENTS, longest=64))
    known = set(
        session.scalars(select(Participant.id).where(Participant.id.in_(wanted), Participant.status == "verified"))
    )
    if (wanted and visibility == "public") or set(wanted) - known:
        raise InvalidInputError(
            ("Recipients are verified participants, named only by an authorised offer.", "指定接收方须为已核验的参与方，且仅适用于授权可见的要约。"),
            ("Check their identifiers, or choose the visibility “authorised”.", "请核对其标识，或选择“授权可见”。"),
            field="audience",
        )  # fmt: skip
    offer.named = [OfferRecipient(participant_id=participant) for participant in wanted]


def derive_plan(version: DatasetVersion, grade: int) -> Plan:
    """Return the plan that findings and grade call for; an opaque version has none, since nothing inside is known."""
    if version.kind != "table":
        return Plan(())
    findings = [Finding(**finding) for finding in version.findings]
    return guarded(lambda: derive(arrow_schema(version), findings, grade), "plan")


def _set_plan(
    offer: Offer, base: Plan, columns: list[dict[str, Any]] | None, row_filter: list[dict[str, Any]] | None
) -> None:
    def build() -> Plan:
        document = base.to_json()
        changed = {str(rule.get("column")): rule for rule in columns or [] if isinstance(rule, dict)}
        known = {rule["column"] for rule in document["columns"]}
        if unknown := sorted(set(changed) - known):
            raise InvalidInputError(
                (f"The table has no column {unknown[0]!r}.", f"表中没有列“{unknown[0]}”。"), "", field="columns"
            )
        document["columns"] = [changed.get(rule["column"], rule) for rule in document["columns"]]
        if row_filter is not None:
            document["row_filter"] = row_filter
        plan = Plan.from_json({name: value for name, value in document.items() if value or name != "row_filter"})
        # Both sides read, before they sign, which numbers the buyer's mark may change and by how much.
        return disclosed(plan, last_digits_of(offer.version))

    plan = guarded(build, "plan")
    _check_plan(offer, plan)
    offer.plan, offer.plan_digest = plan.to_json(), plan.digest()


def _check_plan(offer: Offer, plan: Plan) -> None:
    """Raise InvalidInputError where a plan does not fit the table or would give away what identifies a person."""
    if offer.version.kind != "table":
        return
    for finding in offer.version.findings:
        rule = plan.rule(finding["column"])
        if finding["category"] == "direct" and rule is not None and rule.method == "keep":
            raise InvalidInputError(
                (f"The column {finding['column']!r} identifies people or firms directly, so it is not delivered as it is.",
                 f"“{finding['column']}”列可直接识别个人或机构，不能原样交付。"),
                ("Mask, generalise, pseudonymise or suppress it.", "请使用掩码、泛化、假名化或抑制。"),
                field="columns", code="direct-identifier",
            )  # fmt: skip
    # The methods check types alone here; this throw-away key never touches a value.
    guarded(lambda: compile_plan(plan, arrow_schema(offer.version), Keys(bytes(32), "check")), "plan")


def guarded(work: Callable[[], Result], field: str) -> Result:
    """Return what `work` returns; what the contracts library refuses becomes InvalidInputError on `field`."""
    try:
        return work()
    except ContractsError as error:
        where = error.path if isinstance(error, PolicyError) else field
        raise InvalidInputError((error.text_en, error.text_zh), (error.mend_en, error.mend_zh), field=where) from error
