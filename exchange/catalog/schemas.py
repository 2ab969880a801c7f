"""What the API takes and gives about datasets, versions, offers and the catalogue."""

from __future__ import annotations

import json
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from exchange.catalog.datasets import CATEGORIES, UPDATE_FREQUENCIES
from exchange.catalog.listing import PRICES, VISIBILITIES
from exchange.catalog.rights import SOURCES
from exchange.participants.schemas import RecordedSchema


class DescriptionSchema(Schema):
    title = fields.String(validate=validate.Length(2, 200))
    description = fields.String(validate=validate.Length(max=8000))
    keywords = fields.List(fields.String(), validate=validate.Length(max=20))
    domain = fields.String(metadata={"description": "data domain of the 2020 guide, see GET /catalog/domains"})
    coverage = fields.String(validate=validate.Length(max=500))
    update_frequency = fields.String(validate=validate.OneOf(["", *UPDATE_FREQUENCIES]))


class NewDatasetSchema(DescriptionSchema):
    title = fields.String(required=True, validate=validate.Length(2, 200))


class ChangedDatasetSchema(RecordedSchema):
    id = fields.String()
    state = fields.String()
    rights = fields.Dict()
    grade = fields.Integer()
    category = fields.String()


class CursorSchema(Schema):
    cursor = fields.String(load_default=None)


class JsonText(fields.String):
    """A JSON object in a query parameter."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        try:
            found = json.loads(super()._deserialize(value, attr, data, **kwargs))
        except ValueError as error:
            raise ValidationError("This is not JSON.") from error
        if not isinstance(found, dict):
            raise ValidationError("This is not a JSON object.")
        return found


class UploadQuerySchema(Schema):
    filename = fields.String(required=True, metadata={"description": "its ending tells the format"})
    part = fields.Integer(load_default=1, metadata={"description": "this file's number, from 1"})
    parts = fields.Integer(load_default=1, metadata={"description": "how many files the version has"})
    encoding = fields.String(metadata={"description": "for example gb18030; detected when absent"})
    delimiter = fields.String()
    header = fields.Boolean()
    sheet = fields.String()
    types = JsonText(metadata={"description": 'JSON object of column to type, for example {"code":"text"}'})


class RereadSchema(Schema):
    encoding = fields.String()
    delimiter = fields.String()
    header = fields.Boolean()
    sheet = fields.String()
    types = fields.Dict(keys=fields.String(), values=fields.String())


class UploadSchema(RecordedSchema):
    dataset = fields.String()
    version = fields.String()
    number = fields.Integer()
    state = fields.String()
    parts = fields.Integer()
    received = fields.List(fields.Integer())
    job = fields.String(allow_none=True)


class PublishedVersionSchema(RecordedSchema):
    dataset = fields.String()
    version = fields.String()
    number = fields.Integer()
    digest = fields.String()
    state = fields.String()


class VersionSchema(Schema):
    id = fields.String()
    dataset = fields.String()
    number = fields.Integer()
    kind = fields.String()
    state = fields.String(metadata={"description": "receiving, ingesting, ready or failed"})
    digest = fields.String()
    rows = fields.Integer()
    bytes = fields.Integer()
    columns = fields.List(fields.Dict())
    findings = fields.List(fields.Dict())
    files = fields.Integer()
    created_at = fields.DateTime()
    published_at = fields.DateTime(allow_none=True)
    warnings = fields.List(fields.Dict())
    error = fields.Dict(allow_none=True)
    options = fields.Dict()
    job = fields.String(allow_none=True)
    parts = fields.Integer()
    correctable = fields.Boolean()
    job_state = fields.Dict(allow_none=True, metadata={"description": "how far the reading is"})


class VersionsSchema(Schema):
    items = fields.List(fields.Nested(VersionSchema))
    next = fields.String(allow_none=True)


class OfferSchema(RecordedSchema):
    id = fields.String()
    dataset = fields.String()
    version = fields.String()
    provider = fields.String()
    state = fields.String()
    template = fields.String()
    parameters = fields.Dict()
    policy = fields.Dict(metadata={"description": "ODRL Offer, JSON profile of the Dataspace Protocol"})
    price = fields.Dict()
    plan = fields.Dict(metadata={"description": "what happens to each column on the way out"})
    plan_digest = fields.String()
    visibility = fields.String()
    audience = fields.List(fields.String())
    terms = fields.Dict(metadata={"description": "the policy in plain words, en and zh"})
    desensitization = fields.Dict(metadata={"description": "the plan in plain words, en and zh"})
    created_at = fields.DateTime()
    published_at = fields.DateTime(allow_none=True)


class OffersSchema(Schema):
    items = fields.List(fields.Nested(OfferSchema))
    next = fields.String(allow_none=True)


class DatasetSchema(Schema):
    id = fields.String()
    title = fields.String()
    description = fields.String()
    keywords = fields.List(fields.String())
    domain = fields.String()
    coverage = fields.String()
    update_frequency = fields.String()
    kind = fields.String()
    state = fields.String()
    grade = fields.Integer(allow_none=True)
    category = fields.String()
    provider = fields.String()
    provider_name = fields.String()
    rights = fields.Dict(allow_none=True)
    version = fields.Nested(VersionSchema, allow_none=True)
    versions = fields.List(fields.Nested(VersionSchema))
    offers = fields.List(fields.Nested(OfferSchema))
    missing = fields.List(fields.String(), metadata={"description": "what is missing before it can be offered"})
    suggestion = fields.Dict(
        allow_none=True,
        metadata={"description": "data domain and lower bounds of the answers that the columns speak for"},
    )
    created_at = fields.DateTime()
    updated_at = fields.DateTime()


class DatasetsSchema(Schema):
    items = fields.List(fields.Nested(DatasetSchema))
    next = fields.String(allow_none=True)


class DisputeSchema(Schema):
    reason = fields.String(required=True, validate=validate.Length(2, 2000))


class RightsSchema(Schema):
    holding = fields.Boolean(required=True)
    processing = fields.Boolean(required=True)
    operating = fields.Boolean(required=True)
    source = fields.String(required=True, validate=validate.OneOf(SOURCES))
    source_note = fields.String(load_default="")
    evidence = fields.String(required=True)
    evidence_digest = fields.String(load_default=None, allow_none=True)


class GradingSchema(Schema):
    answers = fields.Dict(
        required=True, metadata={"description": "the three impact questions, see GET /catalog/grading"}
    )
    category = fields.String(required=True, validate=validate.OneOf(CATEGORIES))
    risk_assessment = fields.String(load_default="")
    reason = fields.String(
        load_default="", metadata={"description": "needed for an answer below what the columns suggest"}
    )


class PriceSchema(Schema):
    kind = fields.String(required=True, validate=validate.OneOf(PRICES))
    amount_fen = fields.Integer()
    currency = fields.String(validate=validate.OneOf(["CNY"]))


class OfferTermsSchema(Schema):
    template = fields.String()
    parameters = fields.Dict()
    price = fields.Nested(PriceSchema)
    visibility = fields.String(validate=validate.OneOf(VISIBILITIES))
    audience = fields.List(fields.String())
    columns = fields.List(fields.Dict(), metadata={"description": "rules that replace the derived ones, by column"})
    row_filter = fields.List(fields.Dict())


class NewOfferSchema(OfferTermsSchema):
    template = fields.String(required=True)
    price = fields.Nested(PriceSchema, required=True)
    visibility = fields.String(required=True, validate=validate.OneOf(VISIBILITIES))


class DiscardedSchema(RecordedSchema):
    id = fields.String()
    dataset = fields.String()


class PreviewSchema(Schema):
    columns = fields.List(fields.Dict())
    before = fields.List(fields.List(fields.String(allow_none=True)))
    after = fields.List(fields.List(fields.String(allow_none=True)))


class SearchSchema(Schema):
    q = fields.String(load_default="", validate=validate.Length(max=500))
    domain = fields.List(fields.String(), load_default=list)
    grade = fields.List(fields.String(), load_default=list)
    price = fields.List(fields.String(), load_default=list)
    kind = fields.List(fields.String(), load_default=list)
    cursor = fields.String(load_default=None)


class ListingSchema(Schema):
    offer = fields.String()
    dataset = fields.String()
    title = fields.String()
    description = fields.String()
    keywords = fields.List(fields.String())
    domain = fields.String()
    grade = fields.Integer()
    category = fields.String()
    coverage = fields.String()
    update_frequency = fields.String()
    kind = fields.String()
    provider = fields.String()
    provider_name = fields.String()
    price = fields.Dict()
    template = fields.String()
    visibility = fields.String()
    version = fields.String()
    rows = fields.Integer()
    bytes = fields.Integer()
    columns = fields.Integer()
    published_at = fields.DateTime()


class CatalogSchema(Schema):
    items = fields.List(fields.Nested(ListingSchema))
    next = fields.String(allow_none=True)
    facets = fields.Dict(metadata={"description": "hits of each filter value, exact up to 1,000"})


class NamedSchema(Schema):
    items = fields.List(fields.Dict())
