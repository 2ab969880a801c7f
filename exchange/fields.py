"""Form fields that several steps share: amounts in yuan, decimal numbers, several choices, the parameters of terms."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from flask_babel import get_locale, gettext
from flask_wtf import FlaskForm
from wtforms import BooleanField, DateField, Field, IntegerField, SelectField, SelectMultipleField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, NumberRange, Optional
from wtforms.widgets import CheckboxInput, ListWidget

from contracts.odrl.templates import Parameter, Template

LARGEST_FEN = 10**12
# Digits with or without separators of thousands, and a fraction; no exponent, and no digits of other scripts.
_NUMBER = re.compile(r"(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.[0-9]+)?", re.ASCII)


def _plain(text: str) -> str:
    """Return what was typed with Western signs in the place of Chinese ones, without its currency."""
    signs = str.maketrans({"，": ",", "。": ".", "．": ".", "￥": "¥", "－": "-", "−": "-"})
    return re.sub(r"^(-?)\s*¥\s*", r"\1", text.translate(signs).strip()).removesuffix("元").strip()


class YuanField(StringField):
    """An amount in yuan whose `data` is whole fen: "12.50" is 1250, and nothing is None."""

    def process_formdata(self, valuelist: list[str]) -> None:
        self.data = None
        text = _plain(valuelist[0] if valuelist else "")
        if text:
            self.data = _fen(text)

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return "" if self.data is None else f"{Decimal(self.data) / 100:f}"


def _fen(text: str) -> int:
    if text.startswith("-") and _NUMBER.fullmatch(text[1:]):
        raise ValueError(gettext("An amount cannot be negative. Zero is free of charge."))
    if not _NUMBER.fullmatch(text):
        raise ValueError(gettext("Write an amount in yuan with digits and at most two decimals, such as 1250.00."))
    fen = Decimal(text.replace(",", "")) * 100
    if fen != fen.to_integral_value():
        raise ValueError(gettext("An amount in yuan has at most two decimals."))
    if fen > LARGEST_FEN:
        raise ValueError(gettext("An amount is at most 10 billion yuan."))
    return int(fen)


class DecimalTextField(StringField):
    """A decimal number that is kept as the text it was written in; `scale` divides it (percent)."""

    def __init__(self, *args: Any, scale: int = 1, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.scale = scale

    def process_formdata(self, valuelist: list[str]) -> None:
        self.data = (valuelist[0] if valuelist else "").strip()
        text = _plain(self.data)
        if text and not _NUMBER.fullmatch(text.removeprefix("-")):
            raise ValueError(gettext("This is not a number. Write it with digits, such as 12.5."))
        if text.startswith("-"):
            raise ValueError(gettext("This cannot be negative."))

    @property
    def exact(self) -> str:
        """The number as decimal text, divided by the scale."""
        return f"{Decimal(_plain(self.data or '').replace(',', '')) / self.scale:f}"


class MultiCheckboxField(SelectMultipleField):
    """Several choices as check boxes; other values than those shown are refused."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()


def options(names: Iterable[tuple[str, Any]]) -> list[SelectChoice]:
    """Return (value, label) pairs as the choices of a field."""
    return [SelectChoice(value, label) for value, label in names]


def parameter_fields(template: Template, prefix: str) -> dict[str, Any]:
    """Return one field for each parameter of a template of terms, by its name behind `prefix`."""
    return {prefix + item.name: _parameter(item) for item in template.parameters}


def _parameter(item: Parameter) -> Any:
    locale = str(get_locale() or "en")
    label, needed = item.label(locale), [InputRequired() if item.required else Optional()]
    choices = options((code, names[1 if locale.startswith("zh") else 0]) for code, names in item.choices.items())
    match item.type:
        case "integer":
            return IntegerField(label, [*needed, NumberRange(item.minimum, item.maximum)], default=item.default)
        case "date":
            return DateField(label, needed)
        case "choice":
            return SelectField(label, needed, choices=choices, default=item.default)
        case "choices":
            return MultiCheckboxField(label, needed, choices=choices)
        case _:
            return BooleanField(label, default=item.default)


def given_parameters(form: FlaskForm, prefix: str) -> dict[str, Any]:
    """Return the parameters that a valid form gives, as JSON data; what was left empty is left out."""
    given: dict[str, Any] = {}
    for field in fields_of(form, prefix):
        if field.data not in (None, "", []):
            given[field.name.removeprefix(prefix)] = (
                field.data.isoformat() if isinstance(field.data, date) else field.data
            )
    return given


def fields_of(form: FlaskForm, prefix: str) -> list[Field]:
    """Return the fields whose names begin with `prefix`."""
    return [field for field in form if field.name.startswith(prefix)]
