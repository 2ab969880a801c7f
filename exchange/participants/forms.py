"""Forms of joining, signing in and managing an organisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask_babel import get_locale
from flask_babel import lazy_gettext as _
from flask_babel.speaklater import LazyString
from flask_wtf import FlaskForm
from wtforms import (
    Field,
    HiddenField,
    IntegerField,
    PasswordField,
    RadioField,
    SelectMultipleField,
    StringField,
    TextAreaField,
    ValidationError,
)
from wtforms.fields.choices import SelectChoice
from wtforms.validators import EqualTo, InputRequired, Length, NumberRange, Optional

from exchange.errors import InvalidInputError
from exchange.participants import checks, facts, passwords
from exchange.participants.checks import LONGEST_REASON
from exchange.participants.credit_code import normalise

_ROLES = [
    SelectChoice("owner", _("Owner: everything, and the organisation's people")),
    SelectChoice("publisher", _("Publisher: lists data and answers requests")),
    SelectChoice("buyer", _("Buyer: requests, signs and receives data")),
    SelectChoice("finance", _("Finance: pays")),
    SelectChoice("compliance", _("Compliance: reads everything of the organisation")),
]


# The actions that an API token can be narrowed to, by the last word of their permissions.
ACTIONS = {
    "answer": _("answer requests"), "book": _("book money"), "control": _("steer deliveries"), "erase": _("erase"),
    "freeze": _("freeze datasets"), "give": _("sign"), "manage": _("manage people and tokens"), "pay": _("pay"),
    "read": _("read"), "recover": _("recover accounts"), "request": _("request and receive"), "supervise": _("supervise"),
    "suspend": _("suspend participants"), "use": _("use the own account"), "verify": _("verify participants"), "write": _("write"),
}  # fmt: skip

# What a password must be, in the language of the page, said before it is broken.
_RULE = LazyString(lambda: passwords.RULE[1 if str(get_locale() or "en").startswith("zh") else 0])


class LoginForm(FlaskForm):
    email = StringField(_("E-mail address"), [InputRequired()], render_kw={"autocomplete": "username", "type": "email"})
    password = PasswordField(_("Password"), [InputRequired()], render_kw={"autocomplete": "current-password"})


# WTForms says it in words of its own, which name no mend.
_NEEDED = InputRequired(_("Fill in this field."))


def _by(check: Callable[[str], object]) -> Callable[[Any, Field], None]:
    """Return a validator that says what the service would say, so that all is said at once."""

    def validate(_form: Any, field: Field) -> None:
        try:
            check(field.data or "")
        except InvalidInputError as error:
            raise ValidationError(" ".join(error.text(str(get_locale() or "en")))) from error

    return validate


def _own_key(name: str) -> Callable[[Any, Field], None]:
    """Return a validator of a public key, which is asked for where the organisation keeps its keys itself."""
    wrong = _by(lambda text: checks.public_key(name, text))

    def validate(form: Any, field: Field) -> None:
        if form.custody.data == "self-held":
            wrong(form, field)

    return validate


class RegistrationForm(FlaskForm):
    name = StringField(_("Name of the organisation"), [_NEEDED, _by(lambda text: checks.length("name", text, 2, 200))])
    credit_code = StringField(_("Unified social credit code"), [_NEEDED, _by(normalise)])
    industry = StringField(_("Industry (GB/T 4754 section or division)"), [Optional(), _by(facts.check_industry)])
    evidence = TextAreaField(
        _("Evidence for the verification"), [_NEEDED, _by(lambda text: checks.length("evidence", text, 10, 2000))]
    )
    custody = RadioField(
        _("Who keeps the signing key"),
        choices=[
            SelectChoice("custodial", _("The exchange keeps it")),
            SelectChoice("self-held", _("We keep it ourselves")),
        ],
        default="custodial",
        validators=[InputRequired()],
    )
    signing_public_key = StringField(_("Public signing key (Ed25519, base64)"), [_own_key("signing_public_key")])
    encryption_public_key = StringField(
        _("Public encryption key (X25519, base64)"), [_own_key("encryption_public_key")]
    )
    owner_name = StringField(
        _("Your name"),
        [_NEEDED, _by(lambda text: checks.length("owner_name", text, 1, 100))],
        render_kw={"autocomplete": "name"},
    )
    email = StringField(
        _("E-mail address"),
        [_NEEDED, _by(checks.email)],
        render_kw={"autocomplete": "username", "type": "email"},
    )
    password = PasswordField(
        _("Password"),
        [_NEEDED, _by(passwords.require_good)],
        description=_RULE,
        render_kw={"autocomplete": "new-password"},
    )
    repeated = PasswordField(
        _("Password again"),
        [_NEEDED, EqualTo("password", _("The two passwords differ."))],
        render_kw={"autocomplete": "new-password"},
    )


class PersonForm(FlaskForm):
    name = StringField(_("Full name"), [InputRequired(), Length(1, 100)])
    email = StringField(_("E-mail address"), [InputRequired(), Length(max=254)], render_kw={"type": "email"})
    password = PasswordField(
        _("First password"), [InputRequired()], description=_RULE, render_kw={"autocomplete": "new-password"}
    )
    roles = SelectMultipleField(_("Roles"), [InputRequired(_("Choose at least one role."))], choices=_ROLES)


class TokenForm(FlaskForm):
    name = StringField(_("What it is for"), [InputRequired(), Length(1, 100)])
    days = IntegerField(_("Valid for days"), [InputRequired(), NumberRange(1, 366)], default=30)
    agreements = SelectMultipleField(_("Only these agreements"), [Optional()])
    datasets = SelectMultipleField(_("Only these datasets"), [Optional()])
    actions = SelectMultipleField(_("Only these actions"), [Optional()])


class VerificationForm(FlaskForm):
    """What the operator found; `industry` and `country` are those that were on the page when it was looked at."""

    note = StringField(_("Note on the evidence"), [Optional(), Length(max=500)])
    industry = HiddenField()
    country = HiddenField()


class ReasonForm(FlaskForm):
    reason = TextAreaField(_("Reason"), [InputRequired(), Length(2, LONGEST_REASON)])


class RecoveryForm(FlaskForm):
    email = StringField(
        _("E-mail address of the owner"), [InputRequired(), Length(max=254)], render_kw={"type": "email"}
    )


class RolesForm(FlaskForm):
    roles = SelectMultipleField(_("Roles"), [InputRequired(_("Choose at least one role."))], choices=_ROLES)


class NewPasswordForm(FlaskForm):
    password = PasswordField(
        _("New password"), [InputRequired()], description=_RULE, render_kw={"autocomplete": "new-password"}
    )
    repeated = PasswordField(
        _("New password again"),
        [InputRequired(), EqualTo("password", _("The two passwords differ."))],
        render_kw={"autocomplete": "new-password"},
    )


class PasswordForm(NewPasswordForm):
    current_password = PasswordField(
        _("Present password"), [InputRequired()], render_kw={"autocomplete": "current-password"}
    )


class RedemptionForm(NewPasswordForm):
    code = StringField(
        _("One-time code"), [InputRequired(), Length(max=100)], render_kw={"autocomplete": "one-time-code"}
    )


class DeclarationForm(FlaskForm):
    industry = StringField(_("Industry (GB/T 4754 section or division)"), [Optional(), Length(max=8)])
    country = StringField(_("Country or region"), [InputRequired(), Length(2, 2)])
    contact = StringField(_("Contact"), [Optional(), Length(max=254)])
    evidence = TextAreaField(_("Evidence for the verification"), [InputRequired(), Length(10, 2000)])


def declaration_form(*, renamable: bool) -> type[DeclarationForm]:
    """Return the form of a declaration; the name of a verified organisation is part of its agreements and stays."""
    if not renamable:
        return DeclarationForm
    name = StringField(_("Name of the organisation"), [InputRequired(), Length(2, 200)])
    return type("DeclarationForm", (DeclarationForm,), {"name": name})
