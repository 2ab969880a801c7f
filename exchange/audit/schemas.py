"""What the API gives and takes about the ledger."""

from __future__ import annotations

from marshmallow import Schema, fields, validate


class CheckpointSchema(Schema):
    origin = fields.String()
    size = fields.Integer()
    root = fields.String()
    vkey = fields.String()
    note = fields.String(metadata={"description": "the signed checkpoint, C2SP tlog-checkpoint"})
    former_keys = fields.List(
        fields.String(), metadata={"description": "verifier keys that signed before, the latest first"}
    )
    key_changes = fields.List(
        fields.Raw(), metadata={"description": "each change of the log's key, with its proof (docs/formats.md)"}
    )


class EntrySchema(Schema):
    index = fields.Integer()
    kind = fields.String()
    at = fields.String()
    statement_id = fields.String()
    agreement = fields.String(allow_none=True)
    counter = fields.Integer(allow_none=True)
    leaf_hash = fields.String()
    body = fields.String(metadata={"description": "the entry's exact bytes"})
    openings = fields.Dict(
        allow_none=True,
        metadata={
            "description": "field: salt and value; of an erased one `erased` and `by`, the entry that ordered it"
        },
    )
    receipt = fields.Dict()


class EntriesQuerySchema(Schema):
    start = fields.Integer(load_default=0, validate=validate.Range(0, 2**53 - 1))
    limit = fields.Integer(load_default=100, validate=validate.Range(1, 1000))


class EntriesSchema(Schema):
    items = fields.List(fields.Nested(EntrySchema))
    next = fields.Integer(allow_none=True)


class ErasureRequestSchema(Schema):
    fields_ = fields.List(
        fields.String(),
        required=True,
        data_key="fields",
        attribute="fields",
        validate=validate.Length(1, 50),
        metadata={"description": "names of erasable fields; see docs/statements.md"},
    )
    reason = fields.String(required=True, validate=validate.Length(2, 2000))


class ErasureSchema(Schema):
    statement = fields.String()
    entry = fields.Integer()
    erased = fields.List(fields.String())
    by = fields.String(metadata={"description": "the statement that orders the erasure"})
    receipts = fields.List(fields.Dict())


class ErasableQuerySchema(Schema):
    page = fields.Integer(load_default=0, validate=validate.Range(0, 1_000_000))


class ErasableFieldSchema(Schema):
    name = fields.String()
    erased = fields.Boolean()
    erased_by = fields.Integer(allow_none=True, metadata={"description": "the entry that ordered it"})


class ErasableSchema(Schema):
    index = fields.Integer()
    kind = fields.String()
    at = fields.String()
    statement_id = fields.String()
    fields_ = fields.List(fields.Nested(ErasableFieldSchema), data_key="fields", attribute="fields")


class ErasablePageSchema(Schema):
    items = fields.List(fields.Nested(ErasableSchema))
    next = fields.Integer(allow_none=True, metadata={"description": "the next page"})


class ConsistencyQuerySchema(Schema):
    old = fields.Integer(required=True, validate=validate.Range(1, 2**53 - 1))
    new = fields.Integer(
        load_default=None,
        validate=validate.Range(1, 2**53 - 1),
        metadata={"description": "the newest checkpoint's size when absent"},
    )


class ConsistencySchema(Schema):
    old = fields.Integer()
    new = fields.Integer()
    proof = fields.List(fields.String(), metadata={"description": "hashes in hex, RFC 9162 2.1.4"})
    checkpoint = fields.String(metadata={"description": "without `new`: the newest signed checkpoint"})
    extension = fields.String(
        metadata={
            "description": "without `new`: `old N`, the proof in base64, an empty line, the checkpoint (c2sp.org/tlog-witness)"
        }
    )


class VerificationRequestSchema(Schema):
    receipt = fields.String(required=True, validate=validate.Length(1, 200_000))
    entry = fields.String(load_default=None, allow_none=True, validate=validate.Length(max=70_000))


class VerificationSchema(Schema):
    ok = fields.Boolean()
    checks = fields.List(fields.Dict())
