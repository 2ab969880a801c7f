"""Forms of a negotiation: the request, the counter-proposal, and the fields a template of terms asks for."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import BooleanField, DateField, Field, SelectField, TextAreaField, ValidationError
from wtforms.validators import DataRequired, InputRequired, Length, Optional

from contracts.odrl.templates import Template
from exchange.audit.service import timestamp
from exchange.fields import YuanField, parameter_fields
from exchange.formatting import zone
from exchange.negotiation.moves import LONGEST_TEXT

PREFIX = "parameter_"


class ProposalForm(FlaskForm):
    """What both sides may propose: a price, an end, and (by a template) other terms."""

    price = YuanField(_("Price"), [Optional()])
    valid_until = DateField(_("Valid until the end of"), [Optional()])

    def validate_valid_until(self, field: Field) -> None:
        if field.data is not None and field.data < datetime.now(zone()).date():
            raise ValidationError(gettext("Choose a day in the future."))


class RequestForm(ProposalForm):
    purpose = SelectField(_("Purpose"), [DataRequired()], validate_choice=False)
    intended_use = TextAreaField(_("What you will do with the data"), [Optional(), Length(max=LONGEST_TEXT)])


def request_form(grade: int | None) -> type[FlaskForm]:
    """Return the form of a request; data of grade 2 goes only to those who state their need."""
    if grade != 2:
        return RequestForm
    need = TextAreaField(_("What you will do with the data"), [InputRequired(), Length(max=LONGEST_TEXT)])
    return type("RequestForm", (RequestForm,), {"intended_use": need})


class CounterForm(ProposalForm):
    open_end = BooleanField(_("No fixed end"))
    note = TextAreaField(_("Note to the other side"), [Optional(), Length(max=LONGEST_TEXT)])


class ReasonForm(FlaskForm):
    reason = TextAreaField(_("Reason"), [InputRequired(), Length(2, LONGEST_TEXT)])


def with_template(base: type[FlaskForm], template: Template | None) -> type[FlaskForm]:
    """Return `base` with one field for each parameter that `template` asks for."""
    return base if template is None else type(base.__name__, (base,), parameter_fields(template, PREFIX))


def end_of_day(day: date) -> str:
    """Return the last second of `day` in the zone that pages show, as RFC 3339: the end of a day is what its date means."""
    return timestamp(datetime.combine(day + timedelta(days=1), time(), zone()) - timedelta(seconds=1))
