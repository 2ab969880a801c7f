"""Forms of listing: a dataset with its files, its description, rights, grading, offer and plan."""

from __future__ import annotations

import re
from typing import Any

from flask_babel import get_locale, gettext
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from flask_wtf.file import MultipleFileField
from wtforms import BooleanField, HiddenField, RadioField, SelectField, SelectMultipleField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, InputRequired, Length, Optional

from contracts.odrl.templates import TEMPLATES
from exchange.catalog.bounds import LONGEST_REASON, SHORTEST_REASON
from exchange.catalog.datasets import DOMAINS, UPDATE_FREQUENCIES
from exchange.fields import YuanField, options, parameter_fields
from valuation.classification import categories, guide

FREQUENCIES = {
    "": _("Not stated"),
    "once": _("Once, not updated"),
    "continuous": _("Continuously"),
    "hourly": _("Hourly"),
    "daily": _("Daily"),
    "weekly": _("Weekly"),
    "monthly": _("Monthly"),
    "quarterly": _("Quarterly"),
    "yearly": _("Yearly"),
    "irregular": _("Irregularly"),
}
SOURCE_NAMES = {
    "own-production": _("Own production or operation"),
    "collected": _("Collected from others with their consent"),
    "purchased": _("Purchased"),
    "authorised": _("Authorised by its holder"),
    "public": _("Public source"),
}
DELIMITERS = {"": _("Find out"), ",": _("Comma"), ";": _("Semicolon"), "\t": _("Tab"), "|": _("Bar |")}
# What the names of the fields for a template's parameters begin with.
PARAMETER = "p_"
ENCODINGS = {
    "": _("Find out"),
    "utf-8": "UTF-8",
    "gb18030": "GB18030 (GBK, GB2312)",
    "utf-16": "UTF-16",
    "big5": "Big5",
}


class KeywordsField(StringField):
    """Words parted by commas, Chinese or Western."""

    def process_formdata(self, valuelist: list[str]) -> None:
        self.data = (
            [word.strip() for word in re.split(r"[,，、;；\n]", valuelist[0]) if word.strip()] if valuelist else []
        )

    def _value(self) -> str:
        return ", ".join(self.data or [])


def domain_choices() -> list[SelectChoice]:
    """Return the data domains by name in the page's language."""
    chinese = str(get_locale() or "en").startswith("zh")
    named = [(code, domain.name_zh if chinese else domain.name_en) for code, domain in DOMAINS.items()]
    return options([("", gettext("Choose…")), *named])


class DescriptionForm(FlaskForm):
    title = StringField(_("Title"), [InputRequired(), Length(2, 200)])
    description = TextAreaField(_("Description"), [Optional(), Length(max=8000)], render_kw={"rows": 5})
    keywords = KeywordsField(_("Keywords"), [Optional()])
    domain = SelectField(_("Data domain"), [Optional()], choices=domain_choices)
    coverage = StringField(_("Coverage"), [Optional(), Length(max=500)])
    update_frequency = SelectField(
        _("Update frequency"),
        [Optional()],
        choices=options((name, FREQUENCIES[name]) for name in ("", *UPDATE_FREQUENCIES)),
    )


class ContentForm(FlaskForm):
    files = MultipleFileField(_("Files"), [InputRequired(_("Choose at least one file."))])
    delimiter = SelectField(_("Delimiter"), choices=options(DELIMITERS.items()), default="")
    encoding = SelectField(_("Encoding"), choices=options(ENCODINGS.items()), default="")


class NewDatasetForm(DescriptionForm, ContentForm):
    """Description and files in one step; `draft` names the dataset of an attempt whose files were refused."""

    draft = HiddenField()


_WITHOUT_RIGHT = _("Without this right the dataset cannot be offered.")


class RightsForm(FlaskForm):
    holding = BooleanField(_("We hold this data lawfully (right to hold)."), [DataRequired(_WITHOUT_RIGHT)])
    processing = BooleanField(
        _("We may process and use it (right to process and use)."), [DataRequired(_WITHOUT_RIGHT)]
    )
    operating = BooleanField(_("We may offer products of it (right to operate)."), [DataRequired(_WITHOUT_RIGHT)])
    source = RadioField(_("Where the data comes from"), [InputRequired()], choices=options(SOURCE_NAMES.items()))
    source_note = TextAreaField(_("More about the source"), [Optional(), Length(max=1000)], render_kw={"rows": 2})
    evidence = TextAreaField(_("Evidence"), [InputRequired(), Length(10, 4000)], render_kw={"rows": 4})
    evidence_digest = StringField(_("SHA-256 of the evidence document"), [Optional(), Length(max=80)])


def grading_form(**values: Any) -> FlaskForm:
    """Return the form of the impact questions, whose texts are data."""
    chinese = str(get_locale() or "en").startswith("zh")
    fields: dict[str, Any] = {}
    for question in guide().questions:
        choices = [(str(item.grade), item.text_zh if chinese else item.text_en) for item in question.answers]
        label = question.question_zh if chinese else question.question_en
        fields[question.id] = RadioField(label, [InputRequired()], choices=options(choices))
    named = [(item.id, item.name_zh if chinese else item.name_en) for item in categories()]
    fields["category"] = RadioField(_("Category"), [InputRequired()], choices=options(named), default="general")
    fields["risk_assessment"] = StringField(_("Reference of the risk assessment"), [Optional(), Length(max=300)])
    fields["reason"] = TextAreaField(
        _("Why a lower answer than suggested is right"),
        [Optional(), Length(SHORTEST_REASON, LONGEST_REASON)],
        render_kw={"rows": 3},
    )
    return type("GradingForm", (FlaskForm,), fields)(data=values)


def offer_form(template: str, **values: Any) -> FlaskForm:
    """Return the form of an offer by `template`, with a field for each of its parameters."""
    fields = parameter_fields(TEMPLATES[template], PARAMETER)
    fields |= {
        "kind": RadioField(
            _("Price"),
            [InputRequired()],
            choices=options([("one-off", _("One-off price")), ("free", _("Free"))]),
            default="one-off",
        ),
        "amount": YuanField(_("Amount"), [Optional()]),
        "visibility": RadioField(
            _("Who sees the offer"),
            [InputRequired()],
            choices=options([("public", _("Everybody")), ("authorised", _("Authorised participants"))]),
            default="public",
        ),
        "audience": SelectMultipleField(_("Named recipients"), [Optional()], validate_choice=False),
    }
    return type("OfferForm", (FlaskForm,), fields)(data=values)


class FreezeForm(FlaskForm):
    dataset = StringField(_("Identifier of the dataset"), [InputRequired(), Length(max=64)])
    reason = TextAreaField(_("Reason"), [InputRequired(), Length(2, 2000)], render_kw={"rows": 3})
