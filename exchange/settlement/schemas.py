"""What the API takes and gives about accounts and money."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from exchange.participants.schemas import RecordedSchema
from exchange.settlement.service import LARGEST_TOP_UP_FEN


class TopUpRequestSchema(Schema):
    participant = fields.String(required=True)
    amount_fen = fields.Integer(required=True, strict=True, validate=validate.Range(1, LARGEST_TOP_UP_FEN))
    reference = fields.String(required=True, validate=validate.Length(1, 100))
    note = fields.String(load_default="", validate=validate.Length(max=500))


class TopUpSchema(RecordedSchema):
    journal_entry = fields.String()
    participant = fields.String()
    account = fields.String()
    amount_fen = fields.Integer()
    balance_fen = fields.Integer()
    currency = fields.String()


class FundingSchema(RecordedSchema):
    agreement = fields.String()
    state = fields.String()
    negotiation = fields.String()
    escrow = fields.String()
    amount_fen = fields.Integer()
    currency = fields.String()


class RefundRequestSchema(Schema):
    reason = fields.String(required=True, validate=validate.Length(2, 500))


class RefundSchema(RecordedSchema):
    agreement = fields.String()
    state = fields.String()
    escrow_state = fields.String()


class EscrowSchema(Schema):
    id = fields.String()
    agreement_id = fields.String()
    amount_fen = fields.Integer()
    currency = fields.String()
    state = fields.String()
    reason = fields.String()
    held_at = fields.DateTime()
    release_due_at = fields.DateTime(allow_none=True)
    settled_at = fields.DateTime(allow_none=True)


class AccountSchema(Schema):
    id = fields.String()
    kind = fields.String(metadata={"description": "available, payable, escrow, clearing or fee"})
    subject = fields.String(metadata={"description": "the agreement of an escrow account, else empty"})
    currency = fields.String()
    balance_fen = fields.Integer()
    created_at = fields.DateTime()


class AccountsSchema(Schema):
    items = fields.List(fields.Nested(AccountSchema))
    available_fen = fields.Integer()
    next = fields.String(allow_none=True)


class JournalQuerySchema(Schema):
    account = fields.String(load_default=None)
    cursor = fields.String(load_default=None)
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))


class PostingSchema(Schema):
    journal_entry = fields.String()
    at = fields.DateTime()
    kind = fields.String(metadata={"description": "top_up, hold, release, refund or reversal"})
    account = fields.String()
    account_kind = fields.String()
    amount_fen = fields.Integer(metadata={"description": "added to the account; negative: taken from it"})
    balance_after_fen = fields.Integer()
    currency = fields.String()
    agreement_id = fields.String(allow_none=True)
    reference = fields.String()
    note = fields.String()
    statement = fields.String(metadata={"description": "the ledger statement that caused it"})


class JournalSchema(Schema):
    items = fields.List(fields.Nested(PostingSchema))
    next = fields.String(allow_none=True)


class FaultSchema(Schema):
    agreement_id = fields.String()
    amount_fen = fields.Integer()
    currency = fields.String()
    attempts = fields.Integer()
    retry_at = fields.DateTime()
    fault = fields.Dict(metadata={"description": "operation, code, type, reason (English, Chinese) and when"})


class FaultsSchema(Schema):
    items = fields.List(fields.Nested(FaultSchema))
