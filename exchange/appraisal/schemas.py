"""What the API takes and gives about quality and value."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from exchange.participants.schemas import RecordedSchema


class QualitySchema(Schema):
    version = fields.String()
    dataset = fields.String()
    digest = fields.String(metadata={"description": "SHA-256 of the report's canonical bytes, as recorded"})
    report = fields.Dict(metadata={"description": "dimensions with numerators, denominators and directions"})
    columns = fields.List(fields.Dict(), metadata={"description": "counts of each column, no values"})
    created_at = fields.DateTime()


class ProfileSchema(Schema):
    profile = fields.Dict(metadata={"description": "exact extremes and frequent values; for the owner only"})


class CostsSchema(Schema):
    items = fields.Dict(
        keys=fields.String(), values=fields.Integer(strict=True), required=True,
        metadata={"description": "costs in fen by account, see GET /appraisal/accounts"},
    )  # fmt: skip
    margin = fields.String(required=True, metadata={"description": "a share as decimal text, 0.08 for 8 %"})
    age_years = fields.String(required=True)
    life_years = fields.String(required=True)
    expected_licences = fields.Integer(load_default=1, strict=True, validate=validate.Range(1, 100_000))


class ValuationSchema(RecordedSchema):
    id = fields.String()
    dataset = fields.String()
    version = fields.String()
    approach = fields.String()
    value_fen = fields.Integer()
    low_fen = fields.Integer()
    high_fen = fields.Integer()
    currency = fields.String()
    quality = fields.String()
    coverage = fields.String()
    limitations = fields.List(fields.Dict())
    digest = fields.String()
    created_at = fields.String()
    inputs = fields.Dict()
    steps = fields.List(fields.Dict())
    sensitivities = fields.List(fields.Dict())
    expected_licences = fields.Integer()
    price_plans = fields.List(fields.Dict())


class ValuationsSchema(Schema):
    items = fields.List(fields.Nested(ValuationSchema))
    next = fields.String(allow_none=True)


class CostAccountsSchema(Schema):
    items = fields.List(fields.Dict())


class PriceChoiceSchema(Schema):
    valuation = fields.String(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(["free", "one-off"]))


class PricedOfferSchema(RecordedSchema):
    id = fields.String()
    dataset = fields.String()
    price = fields.Dict()
