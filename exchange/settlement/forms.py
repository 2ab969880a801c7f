"""Forms of payment: booking a top-up, giving a refund."""

from __future__ import annotations

from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import SelectField, StringField, TextAreaField
from wtforms.validators import DataRequired, InputRequired, Length, Optional

from exchange.fields import YuanField


class TopUpForm(FlaskForm):
    participant = SelectField(_("Organisation"), [DataRequired()])
    amount = YuanField(_("Amount received"), [InputRequired()])
    reference = StringField(_("Reference of the bank transfer"), [InputRequired(), Length(1, 100)])
    note = StringField(_("Note"), [Optional(), Length(max=500)])


class RefundForm(FlaskForm):
    reason = TextAreaField(_("Reason"), [InputRequired(), Length(2, 500)])
