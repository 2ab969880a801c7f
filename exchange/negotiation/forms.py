"""Forms of a negotiation: the request, the counter-proposal, and the fields a template of terms asks for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    DateField,
    Field,
    IntegerField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
    ValidationError,
)
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional
from wtforms.widgets import CheckboxInput, ListWidget

from contracts.odrl.templates import Parameter, Template
from exchange.audit.service import timestamp
from exchange.negotiation.moves import LONGEST_TEXT
from exchange.negotiation.terms import LARGEST_PRICE_FEN

PREFIX = "parameter_"
# Dates on pages are days in China; the end of a day is what its date means.
_ZONE = ZoneInfo("Asia/Shanghai")


class YuanField(StringField):
    """An amount in yuan, kept as fen: "12.50" is 1250. Empty is None."""

    fen: int | None = None

    def process_formdata(self, valuelist: list[str]) -> None:
        super().process_formdata(valuelist)
        text = (self.data or "").strip().replace(",", "").removeprefix("¥")
        self.fen = None
        if not text:
            return
        try:
            fen = Decimal(text) * 100
            if not text.isascii() or fen != fen.to_integral_value() or not 0 <= fen <= LARGEST_PRICE_FEN:
                raise InvalidOperation
        except InvalidOperation:
            raise ValueError(gettext("Write an amount such as 1250.00, from 0 to 10 billion yuan.")) from None
        self.fen = int(fen)


class MultiCheckboxField(SelectMultipleField):
    """Several choices as check boxes; other values than those shown are refused."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()


class ProposalForm(FlaskForm):
    """What both sides may propose: a price, an end, and (by a template) other terms."""

    price = YuanField(_("Price"), [Optional()])
    valid_until = DateField(_("Valid until the end of"), [Optional()])

    def validate_valid_until(self, field: Field) -> None:
        if field.data is not None and field.data < datetime.now(_ZONE).date():
            raise ValidationError(gettext("Choose a day in the future."))


class RequestForm(ProposalForm):
    purpose = SelectField(_("Purpose"), [DataRequired()], validate_choice=False)
    intended_use = TextAreaField(_("What you will do with the data"), [Optional(), Length(max=LONGEST_TEXT)])


class CounterForm(ProposalForm):
    open_end = BooleanField(_("No fixed end"))
    note = TextAreaField(_("Note to the other side"), [Optional(), Length(max=LONGEST_TEXT)])


class ReasonForm(FlaskForm):
    reason = TextAreaField(_("Reason"), [InputRequired(), Length(2, LONGEST_TEXT)])


def with_template(base: type[FlaskForm], template: Template | None, locale: str) -> type[FlaskForm]:
    """Return `base` with one field for each parameter that `template` asks for."""
    if template is None:
        return base
    fields = {PREFIX + item.name: _field(item, locale) for item in template.parameters}
    return type(base.__name__, (base,), fields)


def parameter_fields(form: FlaskForm) -> list[Field]:
    """Return the fields that belong to the template's parameters."""
    return [field for field in form if field.name.startswith(PREFIX)]


def parameters(fields: Iterable[Field]) -> dict[str, Any]:
    """Return the template's parameters as JSON data; what was left empty is left out."""
    given: dict[str, Any] = {}
    for field in fields:
        value = field.data
        if value is None or value in ("", []):
            continue
        given[field.name.removeprefix(PREFIX)] = value.isoformat() if isinstance(value, date) else value
    return given


def end_of_day(day: date) -> str:
    """Return the last second of `day` in China, as RFC 3339."""
    return timestamp(datetime.combine(day + timedelta(days=1), time(), _ZONE) - timedelta(seconds=1))


def local_day(moment: datetime | None) -> date | None:
    """Return the day in China on which `moment` falls."""
    return None if moment is None else moment.astimezone(_ZONE).date()


def _field(item: Parameter, locale: str) -> Any:
    label = item.label(locale)
    required = [InputRequired()] if item.required and item.default is None else [Optional()]
    if item.type == "integer":
        return IntegerField(label, [*required, NumberRange(item.minimum, item.maximum)])
    if item.type == "date":
        return DateField(label, required)
    if item.type == "boolean":
        return BooleanField(label)
    index = 1 if locale.startswith("zh") else 0
    choices = [SelectChoice(value, words[index]) for value, words in item.choices.items()]
    if item.type == "choices":
        return MultiCheckboxField(label, required, choices=choices)
    return SelectField(label, required, choices=choices, default=item.default)
