"""Typed values: what is read exactly, and what is refused because it could mean two things."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.odrl.values import (
    Duration,
    Instant,
    iso_duration,
    parse_duration,
    parse_fen,
    parse_instant,
    parse_integer,
    parse_version,
    rfc3339,
    yuan,
)

BEIJING = timezone(timedelta(hours=8))


def _refuses(parser: Callable[[str], object], text: str) -> bool:
    try:
        parser(text)
    except ValueError:
        return True
    return False


@pytest.mark.parametrize(
    ("lexical", "moment"),
    [
        ("2026-12-31T16:00:00Z", datetime(2026, 12, 31, 16, tzinfo=UTC)),
        ("2026-12-31T16:00Z", datetime(2026, 12, 31, 16, tzinfo=UTC)),
        ("2027-01-01T00:00:00+08:00", datetime(2026, 12, 31, 16, tzinfo=UTC)),
        ("2026-12-31T16:00:00.25Z", datetime(2026, 12, 31, 16, 0, 0, 250_000, tzinfo=UTC)),
    ],
)
def test_a_time_with_its_zone_is_a_moment(lexical, moment):
    assert parse_instant(lexical) == Instant(moment)


def test_a_date_with_its_zone_is_a_whole_day():
    day = parse_instant("2026-12-31+08:00")
    assert day.start == datetime(2026, 12, 31, tzinfo=BEIJING)
    assert [day.position(day.start + timedelta(hours=hours)) for hours in (-1, 0, 23, 24)] == [-1, 0, 0, 1]


@pytest.mark.parametrize(
    "lexical",
    [
        "",
        "2026-12-31",
        "2026-12-31T16:00:00",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-12-31T24:00:00Z",
        "2026-12-31t16:00:00z",
        "2026-W01-1T00:00:00Z",
        "20261231T160000Z",
        "2026-12-31T16:00:00.1234567Z",
        "2026-12-31T16:00:00+0800",
        "tomorrow",
        "0001-01-01T00:00:00Z",
        "9999-12-31Z",
        " 2026-12-31T16:00:00Z",
        "２０２６-12-31T16:00:00Z",
    ],
)
def test_a_time_that_could_mean_two_things_is_refused(lexical):
    assert _refuses(parse_instant, lexical)


@pytest.mark.parametrize(
    ("lexical", "duration"),
    [
        ("P30D", Duration(0, timedelta(days=30))),
        ("P1Y2M", Duration(14, timedelta())),
        ("PT36H", Duration(0, timedelta(hours=36))),
        ("P1DT2H3M4.5S", Duration(0, timedelta(days=1, hours=2, minutes=3, seconds=4, milliseconds=500))),
        ("P60M", Duration(60, timedelta())),
        ("PT60M", Duration(0, timedelta(minutes=60))),
    ],
)
def test_a_duration_is_months_and_the_rest(lexical, duration):
    assert parse_duration(lexical) == duration


@pytest.mark.parametrize(
    "lexical", ["", "P", "PT", "P1DT", "-P1D", "P1W", "30D", "P1.5D", "p30d", "P99999Y", "P999999D"]
)
def test_a_duration_in_another_form_is_refused(lexical):
    assert _refuses(parse_duration, lexical)


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [((2026, 1, 31), 1, (2026, 2, 28)), ((2024, 1, 31), 1, (2024, 2, 29)), ((2026, 12, 15), 1, (2027, 1, 15))],
)
def test_months_end_on_the_last_day_of_a_shorter_month(start, months, end):
    assert Duration(months, timedelta()).after(datetime(*start, tzinfo=UTC)) == datetime(*end, tzinfo=UTC)


def test_money_is_whole_fen():
    assert [parse_fen(text) for text in ("5000", "5000.5", "0.01", "0")] == [500_000, 500_050, 1, 0]
    for text in ("", "-1", "1e3", "1.005", "1,000", "NaN", "٣"):
        assert _refuses(parse_fen, text)


def test_whole_numbers_are_not_negative_and_not_written_in_other_forms():
    assert [parse_integer(text) for text in ("0", "5", "+5", "007")] == [0, 5, 5, 7]
    for text in ("", "-1", "5.0", "1_000", " 5", "five", "1" * 16, "٣"):
        assert _refuses(parse_integer, text)


def test_versions_compare_by_their_numbers():
    assert parse_version("1.10") > parse_version("1.9")
    assert parse_version("1.2.0") == parse_version("v1.2")
    assert [parse_version(text) for text in ("", "1.x", "latest", "1..2", "²")] == [None] * 5


@given(st.datetimes(datetime(1000, 1, 1), datetime(8999, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001 - given below.
def test_a_moment_written_out_is_read_back(moment):
    assert parse_instant(rfc3339(moment)).start == moment


@given(st.integers(0, 10**12))
def test_fen_written_as_yuan_are_read_back(fen):
    assert parse_fen(yuan(fen)) == fen


@given(st.integers(0, 10**9))
def test_a_length_of_time_written_out_is_read_back(seconds):
    assert parse_duration(iso_duration(timedelta(seconds=seconds))).rest == timedelta(seconds=seconds)


@given(st.text())
def test_no_text_makes_a_parser_raise_anything_but_value_error(text):
    for parser in (parse_instant, parse_duration, parse_fen, parse_integer, parse_version):
        assert _refuses(parser, text) in {True, False}
