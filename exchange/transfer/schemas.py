"""What the API takes and gives about transfers."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from exchange.participants.schemas import RecordedSchema


class TransferRequestSchema(Schema):
    format = fields.String(load_default="parquet", validate=validate.OneOf(["parquet"]))


class TransferStepSchema(RecordedSchema):
    transfer = fields.String()
    state = fields.String()
    job = fields.String()
    use = fields.Integer()
    reasons = fields.List(fields.Dict())


class TransferSchema(Schema):
    id = fields.String()
    agreement_id = fields.String()
    dataset_id = fields.String()
    provider_id = fields.String()
    consumer_id = fields.String()
    state = fields.String()
    format = fields.String()
    reason = fields.String()
    reasons = fields.List(fields.Dict())
    job_id = fields.String()
    use_number = fields.Integer(allow_none=True)
    sealed_digest = fields.String()
    plain_digest = fields.String()
    parts_digest = fields.String()
    sealed_size = fields.Integer()
    plain_size = fields.Integer()
    rows = fields.Integer()
    recipient_wrapped_key = fields.String(
        allow_none=True, metadata={"description": "base64 of the HPKE-wrapped key, for the consumer"}
    )
    context = fields.String(metadata={"description": "what sealed bytes and key are bound to"})
    custody = fields.String(metadata={"description": "who holds the consumer's encryption key"})
    acknowledged_digest = fields.String()
    created_at = fields.DateTime()
    started_at = fields.DateTime(allow_none=True)
    ended_at = fields.DateTime(allow_none=True)
    expires_at = fields.DateTime(allow_none=True)


class TransfersSchema(Schema):
    items = fields.List(fields.Nested(TransferSchema))


class AccessTokenSchema(Schema):
    access_token = fields.String()
    token_type = fields.String(metadata={"description": "Bearer, or DPoP where it is bound to a key"})
    cnf = fields.Dict(metadata={"description": "of a bound token: `jkt`, the thumbprint of the key"})
    expires_at = fields.String()


class AcknowledgementSchema(Schema):
    digest = fields.String(required=True, validate=validate.Regexp(r"sha256:[0-9a-f]{64}\Z"))


class ReasonSchema(Schema):
    reason = fields.String(required=True, validate=validate.Length(1, 2000))
