"""The form of the cost approach: one amount an account of the chart, margin, age and life."""

from __future__ import annotations

from typing import Any

from flask_babel import get_locale
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import IntegerField
from wtforms.validators import InputRequired, NumberRange, Optional

from exchange.fields import DecimalTextField, YuanField
from valuation.approaches import chart


def cost_form(**values: Any) -> FlaskForm:
    """Return the form with a field `cost_<account>` for each account, in the page's language."""
    chinese = str(get_locale() or "en").startswith("zh")
    fields: dict[str, Any] = {
        f"cost_{account.id}": YuanField(account.name_zh if chinese else account.name_en, [Optional()])
        for account in chart()
    }
    fields |= {
        "margin": DecimalTextField(_("Margin"), [InputRequired()], scale=100),
        "age_years": DecimalTextField(_("Age in years"), [InputRequired()]),
        "life_years": DecimalTextField(_("Useful life in years"), [InputRequired()]),
        "expected_licences": IntegerField(
            _("Expected licences"), [InputRequired(), NumberRange(1, 100_000)], default=1
        ),
    }
    return type("CostForm", (FlaskForm,), fields)(data=values)


def items_of(form: FlaskForm) -> dict[str, int]:
    """Return the costs that were filled in, in fen by account."""
    given = {account.id: form[f"cost_{account.id}"].data for account in chart()}
    return {name: fen for name, fen in given.items() if fen}
