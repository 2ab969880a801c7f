"""The macro library: complete, safe against markup in data, and without anything that the policy refuses."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask, render_template_string
from flask_babel import Babel
from flask_bootstrap import Bootstrap5

import exchange
from contracts.desensitization.parameters import METHODS
from exchange import formatting
from exchange.steps import OPERATIONS

PACKAGE = Path(exchange.__file__).parent
TEMPLATES = sorted((PACKAGE / "templates").rglob("*.html"))
COMPONENTS = sorted(path for path in (PACKAGE / "templates" / "components").glob("*.html"))
COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)


def source(path: Path) -> str:
    return COMMENT.sub("", path.read_text(encoding="utf-8"))


@pytest.fixture
def app() -> Iterator[Flask]:
    app = Flask("exchange", static_url_path="/static")
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    Bootstrap5(app)
    Babel(app, locale_selector=lambda: "en")
    formatting.init_app(app)
    with app.test_request_context("/here?a=1"):
        yield app


def render(text: str, **context: object) -> str:
    return render_template_string('{% import "components/ui.html" as ui %}' + text, **context)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(PACKAGE / "templates")))
def test_a_template_holds_nothing_that_the_content_security_policy_refuses(path: Path) -> None:
    text = source(path)
    assert not re.search(r"\sstyle\s*=", text)
    assert not re.search(r"<style\b", text)
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
    assert not re.search(r"\son[a-z]+\s*=\s*[\"']", text)
    assert not re.search(r"(src|href)=[\"'](https?:)?//", text)
    assert "data-bs-toggle" not in text


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(PACKAGE / "templates")))
def test_every_icon_that_a_template_names_is_in_the_sprite(path: Path) -> None:
    sprite = (PACKAGE / "static" / "icons.svg").read_text(encoding="utf-8")
    known = set(re.findall(r'<symbol id="([^"]+)"', sprite))
    assert set(re.findall(r"\bicon\(\"([a-z0-9-]+)\"", source(path))) <= known


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(PACKAGE / "templates")))
def test_an_empty_list_says_what_to_do_next(path: Path) -> None:
    for call in re.findall(r"ui\.empty\((.*?)\) }}", source(path)):
        assert re.match(r'_\("[^"]+"\), _\("[^"]+\."\), ', call), call


def test_the_library_gives_every_macro_of_every_component() -> None:
    given = set(re.findall(r"{% set (\w+) =", source(PACKAGE / "templates" / "components" / "ui.html")))
    for path in COMPONENTS:
        if path.name not in {"ui.html", "navigation.html"}:
            macros = {name for name in re.findall(r"{% macro (\w+)\(", source(path)) if not name.startswith("_")}
            assert macros <= given, path.name


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize(
    "call",
    [
        "ui.badge(x)", "ui.state(x)", "ui.hash(x)", "ui.code(x)", "ui.alert(x)", "ui.problem(x, x, x, x)",
        "ui.kv([(x, x, x)])", "ui.stat(x, x, x)", "ui.empty(x, x, (x, '/'))", "ui.page_header(x, x, x, [x])",
        "ui.breadcrumbs([(x, '/'), x])", "ui.tabs([(x, x, '/', 1)], x)", "ui.terms([x], [x], [x])",
        "ui.before_after([{'name': x, 'method': x}], [[x]], [[x]])", "ui.post_button('/', x, fields={x: x})",
        "ui.confirm('/', x, x)", "ui.signature(x, x, key=x)", "ui.checks([{'name': x, 'subject': x, 'detail': x}])",
        "ui.timeline([{'title': x, 'at': none, 'text': x, 'actor': x}])", "ui.chosen([(x, '/')])",
        "ui.facet(x, [{'label': x, 'url': '/', 'active': true}])", "ui.progress(1, 2, x, x)",
        "ui.dataset({'url': '/', 'title': x, 'provider': x, 'description': x, 'keywords': [x], 'plan': {'unit': x, 'amount_fen': 1}})",
        "ui.denied([{'rule': x, 'left_operand': x, 'operator': x, 'expected': x, 'actual': x, 'text_en': x}])",
        "ui.job({'title': x, 'state': 'running', 'message': x, 'total': 0}, '/jobs/1')",
        "ui.receipt({'index': x, 'size': x, 'leaf_hash': x, 'proof': x})",
    ],
)  # fmt: skip
def test_data_never_becomes_markup(call: str) -> None:
    hostile = "\"><img src=q onerror='x'>"
    html = render("{{ " + call + " }}", x=hostile)
    assert "<img" not in html
    assert "onerror=&#39;x&#39;" in html


@pytest.mark.usefixtures("app")
def test_every_state_of_the_journey_has_words() -> None:
    states = [
        *[
            "REQUESTED",
            "OFFERED",
            "ACCEPTED",
            "AGREED",
            "VERIFIED",
            "FINALIZED",
            "TERMINATED",
            "STARTED",
            "SUSPENDED",
            "COMPLETED",
        ],
        *[
            "pending",
            "verified",
            "suspended",
            "draft",
            "offered",
            "withdrawn",
            "frozen",
            "ingesting",
            "ready",
            "failed",
            "open",
            "closed",
        ],
        *["agreed", "in_force", "held", "released", "refunded", "queued", "running", "done", "awaiting_signature"],
    ]
    for state in states:
        html = render("{{ ui.state(x) }}", x=state)
        assert f">{state.lower().replace('_', ' ')}<" not in html
        assert f'data-state="{state.lower()}"' in html
    assert ">Listed<" in render("{{ ui.state('offered', 'dataset') }}")
    assert ">Signed by both<" in render("{{ ui.state('verified', of='agreement') }}")
    assert ">something new<" in render("{{ ui.state('something_new') }}")


@pytest.mark.usefixtures("app")
def test_the_journey_marks_what_is_done_what_runs_and_what_failed() -> None:
    html = render("{{ ui.journey('agree') }}")
    assert re.findall(r"step-(done|current|todo|failed)", html) == ["done"] * 3 + ["current"] + ["todo"] * 4
    failed = render("{{ ui.journey('pay', failed='pay') }}")
    assert re.findall(r"step-(done|current|todo|failed)", failed) == ["done"] * 4 + ["failed"] + ["todo"] * 3
    assert render("{{ ui.journey('supervise', done=true) }}").count("step-done") == 8


@pytest.mark.usefixtures("app")
def test_what_was_not_assessed_is_said_and_not_drawn_as_zero() -> None:
    html = render("{{ ui.meter(none, 'Timeliness') }}{{ ui.verdict(none) }}")
    assert html.count("Not assessed") == 2
    assert "<progress" not in html


@pytest.mark.usefixtures("app")
def test_a_running_job_is_polled_and_a_finished_one_is_not() -> None:
    job = {"title": "Seal", "state": "running", "done": 1, "total": 4, "message": ""}
    assert 'data-poll-url="/jobs/7"' in render("{{ ui.job(job, '/jobs/7') }}", job=job)
    assert "data-poll-url" not in render("{{ ui.job(job, '/jobs/7') }}", job={**job, "state": "done"})


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_named_by_what_it_does_and_not_by_its_code(name: str) -> None:
    assert f">{name}<" not in render("{{ ui.method(name) }}", name=name)
    assert render("{{ ui.method_act(name) }}", name=name) != name


# What the acting firm itself signs.
SIGNED = re.compile(
    r"participants\.(join|declare|add_user|set_roles|enable_person)|catalog\.(publish|withdraw|declare|grade|remove)_\w+|negotiation\.\w+|transfer\.\w+"
)


@pytest.mark.usefixtures("app")
def test_every_step_that_a_firms_own_key_signs_has_words() -> None:
    for step in ("participants", "catalog", "negotiation", "transfer"):
        importlib.import_module(f"exchange.{step}.service")
    names = [name for name, known in OPERATIONS.items() if known.permission and SIGNED.fullmatch(name)]
    assert len(names) > 20
    assert [name for name in names if render("{{ ui.step(name) }}", name=name) == name] == []
