"""Values on a page read right in both languages and never hide what they stand for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from flask import Flask, request
from flask_babel import Babel

from exchange import formatting

MOMENT = datetime(2026, 11, 21, 23, 14, 15, tzinfo=UTC)


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    app = Flask("page", static_folder=str(tmp_path), static_url_path="/static")
    Babel(app, locale_selector=lambda: request.args["in"])
    formatting.init_app(app)
    return app


@pytest.fixture(params=["zh", "en"])
def language(request: pytest.FixtureRequest, app: Flask) -> Iterator[str]:
    with app.test_request_context(f"/?in={request.param}"):
        yield request.param


@pytest.fixture
def chinese(app: Flask) -> Iterator[None]:
    with app.test_request_context("/?in=zh"):
        yield


@pytest.fixture
def english(app: Flask) -> Iterator[None]:
    with app.test_request_context("/?in=en"):
        yield


@pytest.mark.usefixtures("language")
@pytest.mark.parametrize(
    ("fen", "shown"), [(0, "¥0.00"), (5, "¥0.05"), (123450, "¥1,234.50"), (-7, "−¥0.07"), (None, "—")]
)
def test_money_is_exact_to_the_fen(fen: int | None, shown: str) -> None:
    assert formatting.money(fen) == shown


@pytest.mark.usefixtures("chinese")
def test_money_of_another_currency_names_it() -> None:
    assert formatting.money(100, "EUR") == "EUR 1.00"


@pytest.mark.usefixtures("language")
def test_numbers_are_grouped_and_rounded_as_asked() -> None:
    assert formatting.number(1234567.5) == "1,234,567.5"
    assert formatting.number(2.5, 2) == "2.50"
    assert formatting.number(1999.6, 0) == "2,000"
    assert formatting.percent(0.9412) == "94.1%"
    assert formatting.percent(0.5, 0) == "50%"


@pytest.mark.usefixtures("language")
@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 B"), (1023, "1,023 B"), (1536, "1.5 KiB"), (187300000, "179 MiB"), (5 * 1024**5, "5,120 TiB")],
)
def test_sizes_are_in_binary_units(count: int, shown: str) -> None:
    assert formatting.size(count) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.25, "250 ms"), (12.34, "12.3 s"), (3725, "1 h 2 min"), (timedelta(days=2), "2 d"), (86400 + 5, "1 d")],
)
def test_durations_keep_their_two_largest_units(value: timedelta | float, shown: str) -> None:
    assert formatting.duration(value) == shown


@pytest.mark.usefixtures("english")
@pytest.mark.parametrize("value", [MOMENT, MOMENT.replace(tzinfo=None), "2026-11-21T23:14:15Z"])
def test_a_time_is_shown_in_china_and_carries_utc(value: datetime | str) -> None:
    exact = '<time datetime="2026-11-21T23:14:15Z" title="2026-11-21T23:14:15Z">'
    assert formatting.moment(value) == f'{exact}22 Nov 2026, 07:14 <span class="zone">UTC+8</span></time>'


@pytest.mark.parametrize(
    ("name", "shown"),
    [("Asia/Shanghai", "UTC+8"), ("UTC", "UTC"), ("Asia/Kolkata", "UTC+5:30"), ("America/New_York", "UTC-5")],
)
def test_the_zone_of_a_time_is_named_beside_it(app: Flask, name: str, shown: str) -> None:
    app.config["DISPLAY_TIMEZONE"] = name
    with app.test_request_context("/?in=zh"):
        assert formatting.zone_name(MOMENT) == shown
        assert f'<span class="zone">{shown}</span>' in formatting.moment(MOMENT)


@pytest.mark.usefixtures("chinese")
def test_the_date_of_a_time_is_the_date_in_china() -> None:
    assert formatting.day(MOMENT) == '<time datetime="2026-11-22">2026-11-22</time>'
    assert formatting.day("2026-11-21") == formatting.day(date(2026, 11, 21))
    assert ">2026-11-22 07:14:15 <" in formatting.moment(MOMENT, True)


def test_a_digest_is_shortened_but_not_lost() -> None:
    digest = "sha256:" + "ab" * 32
    shown = formatting.short_digest(digest)
    assert f'title="{digest}"' in shown
    assert ">sha256:abababab…abab<" in shown
    assert ">…aa12bc34de56<" in formatting.short_digest("urn:uuid:019aa6b2-7c11-7d3e-9f20-aa12bc34de56")
    assert "&lt;b&gt;" in formatting.short_digest("<b>")


def test_texts_in_two_languages_fall_back_to_what_there_is(language: str) -> None:
    expected = "中文" if language == "zh" else "English"
    assert formatting.local(["English", "中文"]) == expected
    assert formatting.local({"en": "English", "zh": "中文"}) == expected
    assert formatting.in_locale({"label_en": "English", "label_zh": "中文"}, "label") == expected
    assert formatting.in_locale(SimpleNamespace(label_en="English", label_zh=""), "label") == "English"


def test_a_static_address_changes_with_its_content(app: Flask, tmp_path: Path) -> None:
    with app.test_request_context("/?in=en"):
        (tmp_path / "theme.css").write_text("a {}")
        first = formatting.static_url("theme.css")
        (tmp_path / "theme.css").write_text("b { color: red }")
        assert formatting.static_url("theme.css") != first
        assert formatting.static_url("absent.css") == "/static/absent.css"
