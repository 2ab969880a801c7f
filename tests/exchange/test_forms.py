"""Every form says what it needs, and asks for just that: label, HTML and server agree; numbers are read as people write them."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, render_template_string
from flask_babel import Babel
from flask_bootstrap import Bootstrap5
from flask_wtf import FlaskForm
from werkzeug.datastructures import MultiDict
from wtforms import HiddenField, SelectField, SelectMultipleField
from wtforms.fields import FileField, MultipleFileField

import exchange
from contracts.odrl.templates import TEMPLATES
from exchange import formatting
from exchange.appraisal.forms import cost_form
from exchange.catalog.forms import grading_form, offer_form
from exchange.fields import DecimalTextField, YuanField
from exchange.negotiation.forms import CounterForm, RequestForm, request_form, with_template
from exchange.participants.forms import declaration_form

PACKAGE = Path(exchange.__file__).parent
# Forms whose fields are known only when they are made.
MADE = {
    "grading_form": lambda: grading_form().__class__,
    **{f"offer_form {name}": lambda name=name: offer_form(name).__class__ for name in TEMPLATES},
    "cost_form": lambda: cost_form().__class__,
    "request_form 2": lambda: request_form(2),
    "declaration_form": lambda: declaration_form(renamable=True),
    **{f"request {name}": lambda name=name: with_template(RequestForm, TEMPLATES[name]) for name in TEMPLATES},
    **{f"counter {name}": lambda name=name: with_template(CounterForm, TEMPLATES[name]) for name in TEMPLATES},
}


def written() -> Iterator[type[FlaskForm]]:
    """Yield every form class of the application, wherever it stands."""
    for module in pkgutil.walk_packages([str(PACKAGE)], "exchange."):
        if re.search(r"\.(forms|web)$", module.name):
            for _, found in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
                if issubclass(found, FlaskForm) and found.__module__ == module.name:
                    yield found


FORMS = {form.__name__: (lambda form=form: form) for form in written()} | MADE


@pytest.fixture(scope="module")
def app() -> Flask:
    """Flask with what forms and macros need, and no exchange behind it."""
    app = Flask("exchange")
    app.config.update(SECRET_KEY="only for this test", WTF_CSRF_ENABLED=False)
    Bootstrap5(app)
    Babel(app, locale_selector=lambda: "en")
    formatting.init_app(app)
    return app


@pytest.fixture
def request_context(app: Flask) -> Iterator[None]:
    with app.test_request_context("/", method="POST"):
        yield


def fields(form: FlaskForm) -> list[Any]:
    for field in form:
        if isinstance(field, SelectField) and field.choices is None:
            field.choices = [("a", "A")]
        if isinstance(field, SelectMultipleField) and field.choices is None:
            field.choices = []
    return [field for field in form if not isinstance(field, HiddenField) and field.name != "csrf_token"]


@pytest.mark.usefixtures("request_context")
@pytest.mark.parametrize("name", FORMS)
def test_what_a_form_calls_optional_may_stay_empty_and_nothing_else(name: str) -> None:
    """A browser sends a select always, and nothing for what is not ticked, so that is what stands for an empty form."""
    probe = fields(FORMS[name]()(meta={"csrf": False}))
    sent = {field.name: _first(field) for field in probe if type(field) is SelectField}
    form = FORMS[name]()(formdata=MultiDict(sent), meta={"csrf": False})
    listed = fields(form)
    form.validate()
    wrong = {
        field.name: list(field.errors)
        for field in listed
        if field.name not in sent and bool(field.errors) != bool(field.flags.required)
    }
    assert not wrong


def _first(field: Any) -> str:
    return str(next(iter(field.iter_choices()))[0])


@pytest.mark.usefixtures("request_context")
@pytest.mark.parametrize("name", FORMS)
def test_the_label_the_html_and_the_form_agree_on_what_is_needed(name: str) -> None:
    form = FORMS[name]()(meta={"csrf": False})
    for field in fields(form):
        kind = "file_field" if isinstance(field, FileField | MultipleFileField) else "field"
        html = render_template_string(
            '{% import "components/ui.html" as ui %}{{ ui[kind](field) }}', field=field, kind=kind
        )
        boxes = isinstance(field, SelectMultipleField)
        assert boxes or bool(re.search(r"<(?:input|select|textarea)[^>]*\srequired\b", html)) == bool(
            field.flags.required
        ), field.name
        if field.type != "BooleanField":
            assert ("(optional)" in html) != bool(field.flags.required), field.name


def test_a_field_written_by_hand_asks_for_what_its_form_asks_for() -> None:
    """Reasons stand in panels of their own, outside the macros; each is needed and bounded as its form says."""
    written = {
        path.name: re.findall(r"<textarea[^>]*>", path.read_text(encoding="utf-8"))
        for path in (PACKAGE / "templates").rglob("*.html")
    }
    [macro] = written.pop("forms.html")
    assert not any(written.values()), "a reason is asked for by its macro"
    assert 'name="reason" rows="3" required minlength="2" maxlength="{{ longest }}"' in macro


@pytest.mark.usefixtures("request_context")
@pytest.mark.parametrize(
    ("typed", "fen"),
    [
        ("1250", 125_000), ("1,250.5", 125_050), ("¥12.50", 1250), ("￥12。50", 1250), ("1，250元", 125_000), ("0", 0), ("", None),
        ("10000000000", 10**12),
    ],
)  # fmt: skip
def test_an_amount_is_read_as_people_write_it(typed: str, fen: int | None) -> None:
    form = _amount(typed)
    assert form.validate(), form.errors
    assert form.amount.data == fen


@pytest.mark.usefixtures("request_context")
@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("-5", "cannot be negative"), ("−5", "cannot be negative"), ("-¥5.00", "cannot be negative"), ("1e3", "with digits"),
        ("1E3", "with digits"), ("NaN", "with digits"), ("Infinity", "with digits"), ("1_000", "with digits"), ("12,34", "with digits"),
        ("twelve", "with digits"), ("١٢", "with digits"), ("1.234", "at most two decimals"), ("10000000000.01", "at most 10 billion"),
    ],
)  # fmt: skip
def test_what_is_no_amount_is_refused_with_its_reason_and_kept_in_sight(typed: str, said: str) -> None:
    form = _amount(typed)
    assert not form.validate()
    assert said in form.errors["amount"][0]
    assert f'value="{typed}"' in form.amount()


def _amount(typed: str) -> Any:
    return type("AmountForm", (FlaskForm,), {"amount": YuanField("Amount")})(
        formdata=MultiDict({"amount": typed}), meta={"csrf": False}
    )


@pytest.mark.usefixtures("request_context")
@pytest.mark.parametrize(("typed", "said"), [("1e3", "not a number"), ("nan", "not a number"), ("-1", "negative")])
def test_a_decimal_number_has_no_exponent_and_no_sign(typed: str, said: str) -> None:
    form = type("DecimalForm", (FlaskForm,), {"margin": DecimalTextField("Margin", scale=100)})
    made = form(formdata=MultiDict({"margin": typed}), meta={"csrf": False})
    assert not made.validate()
    assert said in made.errors["margin"][0]
    right = form(formdata=MultiDict({"margin": " 1,012.5 "}), meta={"csrf": False})
    assert right.validate()
    assert right.margin.exact == "10.125"
