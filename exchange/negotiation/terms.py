"""The terms of a negotiation: what is proposed, how a proposal changes them, and how two versions differ."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from contracts.errors import ContractsError
from contracts.odrl import Constraint, LogicalConstraint, Policy, parse, templates
from exchange.audit.service import timestamp
from exchange.catalog.models import Offer
from exchange.errors import InvalidInputError
from exchange.negotiation.models import Negotiation
from ledger.canonical import encode

LARGEST_PRICE_FEN = 10**12
LONGEST_VALIDITY = timedelta(days=3653)
# Operators of a purpose constraint whose right operand lists what is allowed.
_LISTING = frozenset({"eq", "isAnyOf", "isPartOf", "isA"})


@dataclass(frozen=True)
class Terms:
    """One version of the terms: policy (an ODRL Offer without target), plan, price, validity."""

    template: str
    parameters: dict[str, Any]
    policy: dict[str, Any]
    price: dict[str, Any]
    plan: dict[str, Any]
    plan_digest: str
    valid_until: datetime | None = None

    @classmethod
    def of_offer(cls, offer: Offer) -> Terms:
        """Return the terms that an open offer states."""
        return cls(
            template=offer.template,
            parameters=dict(offer.parameters or {}),
            policy=offer.policy,
            price=offer.price,
            plan=offer.plan,
            plan_digest=offer.plan_digest,
        )

    @classmethod
    def of_negotiation(cls, negotiation: Negotiation) -> Terms:
        """Return the terms on the table."""
        return cls(
            template=negotiation.template,
            parameters=dict(negotiation.parameters),
            policy=negotiation.policy,
            price=negotiation.price,
            plan=negotiation.plan,
            plan_digest=negotiation.plan_digest,
            valid_until=negotiation.valid_until,
        )

    def put_on_the_table(self, negotiation: Negotiation, by: str) -> None:
        """Make these the terms of `negotiation`, proposed by `by` (provider or consumer)."""
        negotiation.template, negotiation.parameters = self.template, self.parameters
        negotiation.policy, negotiation.price = self.policy, self.price
        negotiation.plan, negotiation.plan_digest = self.plan, self.plan_digest
        negotiation.valid_until, negotiation.terms_by = self.valid_until, by

    def to_json(self) -> dict[str, Any]:
        """Return the version as it is kept beside the step that proposed it; the plan stands there by its digest."""
        return {
            "template": self.template,
            "parameters": self.parameters,
            "policy": self.policy,
            "price": self.price,
            "plan_digest": self.plan_digest,
            "valid_until": timestamp(self.valid_until) if self.valid_until else None,
        }

    def digest(self) -> str:
        """Return the SHA-256 of the canonical JSON of this version."""
        return "sha256:" + hashlib.sha256(encode(self.to_json())).hexdigest()


def propose(
    base: Terms,
    now: datetime,
    *,
    price_fen: int | None,
    template: str | None,
    parameters: Mapping[str, Any] | None,
    valid_until: str | None,
) -> Terms:
    """Return `base` with what a side wants changed; None leaves a term as it is.

    Raises InvalidInputError, naming the field, on a price out of range, an unknown template or parameter, or an end
    in the past.
    """
    terms = base
    if price_fen is not None:
        terms = replace(terms, price=price(price_fen))
    if template or parameters is not None:
        name = template or base.template
        chosen = dict(parameters or {})
        terms = replace(terms, template=name, parameters=chosen, policy=build_policy(name, chosen))
    if valid_until is not None:
        terms = replace(terms, valid_until=parse_end(valid_until, now) if valid_until else None)
    return terms


def price(amount_fen: int) -> dict[str, Any]:
    """Return the price plan of a one-off amount in fen; zero is the free plan. Raises InvalidInputError."""
    if isinstance(amount_fen, bool) or not isinstance(amount_fen, int) or not 0 <= amount_fen <= LARGEST_PRICE_FEN:
        raise InvalidInputError(
            (
                "A price is a whole number of fen from 0 to ¥10 billion.",
                "价格须为 0 至 100 亿元之间的整数（单位：分）。",
            ),
            (
                "Write an amount in yuan; the API takes it in fen, so that ¥12.50 is 1250.",
                "请以元为单位填写；API 以分为单位，12.50 元为 1250。",
            ),
            field="price_fen",
        )
    return {"kind": "one-off" if amount_fen else "free", "amount_fen": amount_fen, "currency": "CNY"}


def build_policy(template: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ODRL Offer that a template makes of its parameters. Raises InvalidInputError."""
    if template not in templates.TEMPLATES:
        raise InvalidInputError(
            (f"There is no template named {template!r}.", f"没有名为 {template!r} 的条款模板。"),
            (f"Use one of {', '.join(templates.TEMPLATES)}.", f"可用模板：{'、'.join(templates.TEMPLATES)}。"),
            field="template",
        )
    try:
        return parse(templates.build(template, **parameters)).as_offer().to_json()
    except (ContractsError, TypeError) as error:
        raise invalid(error, "parameters") from error


def invalid(error: Exception, field: str) -> InvalidInputError:
    """Return the input error that a library's error amounts to for the person who filled in `field`."""
    if isinstance(error, ContractsError):
        return InvalidInputError((error.text_en, error.text_zh), (error.mend_en, error.mend_zh), field=field)
    return InvalidInputError(
        ("The parameters do not fit the template.", "参数与模板不符。"),
        ("Give exactly the parameters that the template names.", "请只填写模板所列的参数。"),
        field=field,
    )


def parse_end(text: str, now: datetime) -> datetime:
    """Return the end of validity that `text` (RFC 3339 with zone) names. Raises InvalidInputError."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError(text)
    except ValueError as error:
        raise InvalidInputError(
            (f"{text!r} is not a time with a zone.", f"{text!r} 不是带时区的时间。"),
            ("Write it as 2030-12-31T15:59:59Z.", "请写成 2030-12-31T15:59:59Z 的形式。"),
            field="valid_until",
        ) from error
    if not now < moment <= now + LONGEST_VALIDITY:
        raise InvalidInputError(
            ("An agreement ends in the future, within ten years.", "协议的截止时间须在未来十年之内。"),
            ("Choose a later day, or leave the end open.", "请选择合适的日期，或不设截止时间。"),
            field="valid_until",
        )
    return moment


def allowed_purposes(policy: Policy) -> tuple[str, ...] | None:
    """Return the purposes that the permissions of `policy` name, in their order; None where they name none."""
    named: dict[str, None] = {}
    for permission in policy.permissions:
        for constraint in _constraints(permission.constraints):
            if constraint.left_operand == "purpose" and constraint.operator in _LISTING:
                named.update(dict.fromkeys(value.text for value in constraint.right))
    return tuple(named) or None


def _constraints(conditions: Iterable[Any]) -> Iterator[Constraint]:
    for condition in conditions:
        if isinstance(condition, LogicalConstraint):
            yield from _constraints(condition.operands)
        else:
            yield condition


@dataclass(frozen=True)
class Difference:
    """One term that differs between two versions, each side as JSON, None where it is absent."""

    term: str
    before: Any
    after: Any


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Return what changed between two versions as `Terms.to_json` gives them, in a fixed order of terms."""
    pairs = (
        ("price", before["price"]["amount_fen"], after["price"]["amount_fen"]),
        ("policy", before["policy"], after["policy"]),
        ("valid_until", before["valid_until"], after["valid_until"]),
        ("plan", before["plan_digest"], after["plan_digest"]),
    )
    return tuple(Difference(term, old, new) for term, old, new in pairs if old != new)
