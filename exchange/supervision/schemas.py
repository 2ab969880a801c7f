"""What the API gives and takes about supervision."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from exchange.supervision.alerts import SEVERITIES


class AlertSchema(Schema):
    id = fields.String()
    severity = fields.String()
    about = fields.String()
    findings = fields.List(fields.String())
    raised_at = fields.AwareDateTime()
    entry = fields.Integer(metadata={"description": "where on the ledger it was raised"})
    closed = fields.String(allow_none=True, metadata={"description": "what came of it; null while it is open"})


class AlertsSchema(Schema):
    items = fields.List(fields.Nested(AlertSchema))


class RaiseSchema(Schema):
    about = fields.String(required=True, validate=validate.Length(1, 64))
    severity = fields.String(required=True, validate=validate.OneOf(SEVERITIES))
    findings = fields.List(
        fields.String(validate=validate.Length(2, 500)), required=True, validate=validate.Length(1, 50)
    )


class CloseSchema(Schema):
    reason = fields.String(required=True, validate=validate.Length(2, 500))


class AlertDoneSchema(Schema):
    alert = fields.String()
    receipts = fields.List(fields.Dict())
