"""What the API takes and gives about negotiations and agreements."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from contracts.negotiation import State
from exchange.negotiation.moves import LONGEST_TEXT
from exchange.negotiation.terms import LARGEST_PRICE_FEN
from exchange.participants.schemas import RecordedSchema

_ROLES = ("provider", "consumer")
_END = "RFC 3339 with zone; empty leaves the end open"


def _fen() -> fields.Integer:
    return fields.Integer(
        strict=True,
        load_default=None,
        allow_none=True,
        validate=validate.Range(0, LARGEST_PRICE_FEN),
        metadata={"description": "fen; 0 is free"},
    )


class NegotiationRequestSchema(Schema):
    offer = fields.String(required=True)
    purpose = fields.String(required=True, validate=validate.Length(1, 200))
    intended_use = fields.String(load_default="", validate=validate.Length(max=LONGEST_TEXT))
    proposed_price_fen = _fen()
    proposed_template = fields.String(load_default=None, allow_none=True)
    proposed_parameters = fields.Dict(keys=fields.String(), load_default=None, allow_none=True)
    valid_until = fields.String(load_default=None, allow_none=True, metadata={"description": _END})


class CounterProposalSchema(Schema):
    price_fen = _fen()
    template = fields.String(load_default=None, allow_none=True)
    parameters = fields.Dict(keys=fields.String(), load_default=None, allow_none=True)
    valid_until = fields.String(load_default=None, allow_none=True, metadata={"description": _END})
    note = fields.String(load_default="", validate=validate.Length(max=LONGEST_TEXT))


class NegotiationReasonSchema(Schema):
    reason = fields.String(required=True, validate=validate.Length(2, LONGEST_TEXT))


class NegotiationListQuerySchema(Schema):
    role = fields.String(
        load_default=None,
        validate=validate.OneOf(_ROLES),
        metadata={"description": "provider: incoming, consumer: outgoing"},
    )
    cursor = fields.String(load_default=None)
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))


class NegotiationsQuerySchema(NegotiationListQuerySchema):
    state = fields.String(load_default=None, validate=validate.OneOf([str(state) for state in State]))


class AgreementsQuerySchema(NegotiationListQuerySchema):
    state = fields.String(load_default=None, validate=validate.OneOf(["agreed", "verified", "in_force", "terminated"]))


class PurposeSchema(Schema):
    purpose = fields.String(metadata={"description": "what to state in a request"})
    title_en = fields.String()
    title_zh = fields.String()


class PurposesSchema(Schema):
    items = fields.List(fields.Nested(PurposeSchema))
    open = fields.Boolean(metadata={"description": "whether another purpose may be stated in own words"})


class NegotiatedPriceSchema(Schema):
    kind = fields.String()
    amount_fen = fields.Integer()
    currency = fields.String()


class NegotiationStepSchema(RecordedSchema):
    """What every step of a negotiation answers."""

    negotiation = fields.String()
    state = fields.String()
    price = fields.Nested(NegotiatedPriceSchema)
    terms_by = fields.String()
    valid_until = fields.String(allow_none=True)
    agreement = fields.String()
    digest = fields.String()


class TermDifferenceSchema(Schema):
    term = fields.String(metadata={"description": "price, policy, valid_until or plan"})
    before = fields.Raw(allow_none=True)
    after = fields.Raw(allow_none=True)


class NegotiationEventSchema(Schema):
    number = fields.Integer()
    at = fields.DateTime()
    role = fields.String()
    state = fields.String()
    note = fields.String()
    terms = fields.Dict(allow_none=True)
    changes = fields.List(fields.Nested(TermDifferenceSchema))
    statement = fields.String()


class NegotiationSchema(Schema):
    id = fields.String()
    state = fields.String()
    role = fields.String(metadata={"description": "the reader's side"})
    next_side = fields.String(allow_none=True, metadata={"description": "who must act next"})
    actions = fields.List(fields.String(), metadata={"description": "what the reader may do now"})
    offer_id = fields.String()
    dataset_id = fields.String()
    version_id = fields.String()
    provider_id = fields.String()
    consumer_id = fields.String()
    purpose = fields.String()
    intended_use = fields.String()
    template = fields.String()
    parameters = fields.Dict()
    policy = fields.Dict()
    plan = fields.Dict()
    plan_digest = fields.String()
    price = fields.Nested(NegotiatedPriceSchema)
    valid_until = fields.DateTime(allow_none=True)
    terms_by = fields.String()
    reason = fields.String()
    agreement_id = fields.String(allow_none=True)
    created_at = fields.DateTime()
    updated_at = fields.DateTime()


class NegotiationDetailSchema(NegotiationSchema):
    events = fields.List(fields.Nested(NegotiationEventSchema))


class NegotiationsSchema(Schema):
    items = fields.List(fields.Nested(NegotiationSchema))
    next = fields.String(allow_none=True)


class AgreementSchema(Schema):
    id = fields.String()
    ledger_id = fields.String(metadata={"description": "the random name of this agreement on the public ledger"})
    state = fields.String()
    role = fields.String()
    negotiation_id = fields.String()
    dataset_id = fields.String()
    version_id = fields.String()
    provider_id = fields.String()
    consumer_id = fields.String()
    digest = fields.String()
    valid_from = fields.DateTime()
    valid_until = fields.DateTime(allow_none=True)
    in_force_at = fields.DateTime(allow_none=True)
    created_at = fields.DateTime()


class AgreementDetailSchema(AgreementSchema):
    document = fields.Raw(
        metadata={"type": "object", "description": "the agreement; its canonical bytes are what was signed"}
    )
    provider_signature = fields.Dict()
    consumer_signature = fields.Dict(allow_none=True)


class AgreementsSchema(Schema):
    items = fields.List(fields.Nested(AgreementSchema))
    next = fields.String(allow_none=True)
