"""What the API takes and gives about organisations, people, tokens and waiting signatures."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from exchange.access import Permission, Role


class RegistrationSchema(Schema):
    name = fields.String(required=True, validate=validate.Length(2, 200))
    credit_code = fields.String(required=True)
    evidence = fields.String(required=True, validate=validate.Length(10, 2000))
    owner_name = fields.String(required=True, validate=validate.Length(1, 100))
    email = fields.Email(required=True)
    password = fields.String(required=True, load_only=True)
    industry = fields.String(load_default="", metadata={"description": "code of GB/T 4754, such as C34"})
    country = fields.String(load_default="CN", metadata={"description": "ISO 3166-1, two letters"})
    contact = fields.String(load_default="")
    custody = fields.String(load_default="custodial", validate=validate.OneOf(["custodial", "self-held"]))
    signing_public_key = fields.String(load_default="")
    encryption_public_key = fields.String(load_default="")
    locale = fields.String(load_default="en", validate=validate.OneOf(["en", "zh"]))


class RecordedSchema(Schema):
    """What every write answers besides its own fields: the receipts of the ledger entries it made."""

    receipts = fields.List(fields.Dict(), dump_only=True)


class ParticipantSchema(RecordedSchema):
    participant = fields.String()
    user = fields.String()
    status = fields.String()
    credit_code = fields.String()


class KeySchema(Schema):
    purpose = fields.String()
    custody = fields.String()
    public = fields.String(metadata={"description": "base64 of 32 bytes"})


class ParticipantDetailSchema(Schema):
    id = fields.String()
    name = fields.String()
    status = fields.String()
    credit_code = fields.String()
    industry = fields.String(metadata={"description": "as the organisation declares it"})
    country = fields.String(metadata={"description": "as the organisation declares it"})
    verified_facts = fields.Dict(
        keys=fields.String(), values=fields.String(), metadata={"description": "what policies rely on"}
    )
    status_reason = fields.String()
    waits = fields.Boolean(metadata={"description": "a declaration waits for an operator"})
    keys = fields.List(fields.Nested(KeySchema))


class VerificationSchema(Schema):
    note = fields.String(load_default="", validate=validate.Length(max=500))
    industry = fields.String(load_default=None, allow_none=True, metadata={"description": "as it was checked"})
    country = fields.String(load_default=None, allow_none=True, metadata={"description": "as it was checked"})


class DeclarationSchema(Schema):
    industry = fields.String(metadata={"description": "code of GB/T 4754, such as C34"})
    country = fields.String(metadata={"description": "ISO 3166-1, two letters"})
    name = fields.String(validate=validate.Length(2, 200))
    contact = fields.String(validate=validate.Length(max=254))
    evidence = fields.String(validate=validate.Length(10, 2000))


class DeclaredSchema(RecordedSchema):
    participant = fields.String()
    status = fields.String()
    waits = fields.Boolean()


class ReasonSchema(Schema):
    reason = fields.String(required=True, validate=validate.Length(2, 2000))


class LoginSchema(Schema):
    email = fields.String(required=True)
    password = fields.String(required=True, load_only=True)
    name = fields.String(load_default="login", validate=validate.Length(1, 100))
    days = fields.Integer(load_default=1, validate=validate.Range(1, 366))


class CaveatsSchema(Schema):
    agreements = fields.List(fields.String(validate=validate.Length(1, 64)))
    datasets = fields.List(fields.String(validate=validate.Length(1, 64)))
    actions = fields.List(
        fields.String(validate=validate.Length(1, 64)),
        metadata={"description": "last words of permissions, such as read"},
    )


class TokenRequestSchema(Schema):
    name = fields.String(required=True, validate=validate.Length(1, 100))
    scopes = fields.List(
        fields.String(validate=validate.OneOf([str(p) for p in Permission])),
        load_default=None,
        allow_none=True,
    )
    caveats = fields.Nested(
        CaveatsSchema,
        load_default=dict,
        metadata={"description": "what it may touch and do, and nothing else"},
    )
    days = fields.Integer(load_default=30, validate=validate.Range(1, 366))


class TokenSchema(RecordedSchema):
    id = fields.String()
    token = fields.String(metadata={"description": "given once"})
    name = fields.String()
    scopes = fields.List(fields.String(), allow_none=True)
    caveats = fields.Nested(CaveatsSchema)
    expires_at = fields.String()
    revoked = fields.Boolean()


class TokensSchema(Schema):
    items = fields.List(fields.Nested(TokenSchema))


class PersonRequestSchema(Schema):
    name = fields.String(required=True, validate=validate.Length(1, 100))
    email = fields.Email(required=True)
    password = fields.String(required=True, load_only=True)
    roles = fields.List(fields.String(validate=validate.OneOf([str(r) for r in Role])), required=True)
    locale = fields.String(load_default="en", validate=validate.OneOf(["en", "zh"]))


class PersonSchema(RecordedSchema):
    user = fields.String()
    name = fields.String()
    email = fields.String()
    roles = fields.List(fields.String())
    disabled = fields.Boolean()


class PeopleSchema(Schema):
    items = fields.List(fields.Nested(PersonSchema))


class RolesSchema(Schema):
    roles = fields.List(fields.String(validate=validate.OneOf([str(r) for r in Role])), required=True)


class RecoverySchema(Schema):
    email = fields.String(required=True, validate=validate.Length(3, 254))


class CodeSchema(RecordedSchema):
    user = fields.String()
    code = fields.String(metadata={"description": "given once"})
    expires_at = fields.String()


class RedemptionSchema(Schema):
    code = fields.String(required=True, validate=validate.Length(1, 100))
    password = fields.String(required=True, load_only=True)


class PasswordSchema(Schema):
    current_password = fields.String(required=True, load_only=True)
    password = fields.String(required=True, load_only=True)


class MeSchema(Schema):
    user = fields.String(allow_none=True)
    name = fields.String()
    participant = fields.String(allow_none=True)
    participant_name = fields.String()
    status = fields.String()
    roles = fields.List(fields.String())
    permissions = fields.List(fields.String())


class SignatureRequestSchema(Schema):
    id = fields.String()
    operation = fields.String()
    state = fields.String()
    payloads = fields.List(fields.Dict())
    lapses_at = fields.DateTime()


class SignatureRequestsSchema(Schema):
    items = fields.List(fields.Nested(SignatureRequestSchema))


class SignaturesSchema(Schema):
    signatures = fields.Dict(
        keys=fields.String(), values=fields.String(), required=True,
        metadata={"description": "payload digest to base64 of the 64-byte Ed25519 signature"},
    )  # fmt: skip
