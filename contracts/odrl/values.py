"""The typed values that a policy compares: instants, durations, whole numbers, sums of money.

Source: W3C XML Schema Definition Language 1.1, part 2. Each parser raises ValueError for what it cannot read
exactly; callers turn that into an unknown that denies. A time without its zone is refused on purpose: it
means fourteen hours more or less.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?)?(?P<zone>Z|[+-]\d{2}:\d{2})", re.ASCII)
_DURATION = re.compile(
    r"P(?=[\dT])(?:(\d{1,6})Y)?(?:(\d{1,6})M)?(?:(\d{1,7})D)?"
    r"(?:T(?=\d)(?:(\d{1,8})H)?(?:(\d{1,9})M)?(?:(\d{1,10}(?:\.\d{1,6})?)S)?)?",
    re.ASCII,
)
_INTEGER = re.compile(r"\+?\d{1,15}", re.ASCII)
_DECIMAL = re.compile(r"\+?\d{1,15}(\.\d{1,9})?", re.ASCII)
_MONEY = re.compile(r"\+?\d{1,13}(\.\d{1,2})?", re.ASCII)

_LONGEST = timedelta(days=366_000)

# Moments outside these years are refused, so that no zone or day more leaves the calendar.
YEARS = range(1000, 9000)


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment, or a whole day when only a date was given: then `end` is its first moment after."""

    start: datetime
    end: datetime | None = None

    def position(self, at: datetime) -> int:
        """-1 when `at` lies before, 0 when it is the moment or lies within the day, 1 when it lies after."""
        if at < self.start:
            return -1
        if self.end is None:
            return 0 if at == self.start else 1
        return 0 if at < self.end else 1

    @property
    def last(self) -> datetime:
        """The moment by which something due at this instant has to be done."""
        return self.end or self.start


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time; months are kept apart, since they are not of one length."""

    months: int
    rest: timedelta

    def after(self, start: datetime) -> datetime:
        """The moment this long after `start`; the 31st becomes the last day of a shorter month."""
        years, month = divmod(start.month - 1 + self.months, 12)
        year = start.year + years
        return start.replace(year=year, month=month + 1, day=min(start.day, _days_in(year, month + 1))) + (self.rest)


def _days_in(year: int, month: int) -> int:
    first_of_next = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    return (first_of_next - timedelta(days=1)).day


def parse_instant(lexical: str) -> Instant:
    """An xsd:dateTime (seconds may be left out) or xsd:date, with its zone."""
    match = _INSTANT.fullmatch(lexical)
    if match is None or int(lexical[:4]) not in YEARS:
        raise ValueError(lexical)
    if "T" in lexical:
        return Instant(datetime.fromisoformat(lexical))
    zone = match["zone"]
    start = datetime.fromisoformat(f"{lexical.removesuffix(zone)}T00:00:00{zone}")
    return Instant(start, start + timedelta(days=1))


def parse_duration(lexical: str) -> Duration:
    """An xsd:duration that is not negative and not longer than a thousand years."""
    match = _DURATION.fullmatch(lexical)
    if match is None:
        raise ValueError(lexical)
    years, months, days, hours, minutes, seconds = (match[group] or "0" for group in range(1, 7))
    whole, _, fraction = seconds.partition(".")
    duration = Duration(
        int(years) * 12 + int(months),
        timedelta(
            days=int(days),
            hours=int(hours),
            minutes=int(minutes),
            seconds=int(whole),
            microseconds=int(fraction.ljust(6, "0") or "0"),
        ),
    )
    if duration.months > 12_000 or duration.rest > _LONGEST:
        raise ValueError(lexical)
    return duration


def parse_integer(lexical: str) -> int:
    """An xsd:nonNegativeInteger of at most fifteen digits."""
    if not _INTEGER.fullmatch(lexical):
        raise ValueError(lexical)
    return int(lexical)


def parse_decimal(lexical: str) -> Decimal:
    """An xsd:decimal that is not negative, of at most fifteen digits before the point and nine behind it."""
    if not _DECIMAL.fullmatch(lexical):
        raise ValueError(lexical)
    return Decimal(lexical)


def parse_span(lexical: str) -> timedelta:
    """An xsd:dayTimeDuration: a length of time without months or years, which are not of one length."""
    duration = parse_duration(lexical)
    if duration.months:
        raise ValueError(lexical)
    return duration.rest


def parse_flag(lexical: str) -> bool:
    """An xsd:boolean."""
    if lexical not in {"true", "false", "1", "0"}:
        raise ValueError(lexical)
    return lexical in {"true", "1"}


def parse_fen(lexical: str) -> int:
    """A sum of money in yuan with at most two decimals, as whole fen."""
    if not _MONEY.fullmatch(lexical):
        raise ValueError(lexical)
    return int(Decimal(lexical) * 100)


def parse_version(text: str) -> tuple[int, ...] | None:
    """The numbers of a dotted version such as `1.10.2`, or None when it is not made of numbers."""
    parts = text.removeprefix("v").split(".")
    if len(parts) > 8 or not all(part.isascii() and part.isdigit() and len(part) < 12 for part in parts):
        return None
    numbers = [int(part) for part in parts]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def rfc3339(moment: datetime) -> str:
    """A moment in UTC as `2026-12-31T16:00:00Z`, with microseconds only where there are any."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def iso_duration(length: timedelta) -> str:
    """A length of time as an xsd:duration of days, hours, minutes and whole seconds."""
    seconds = max(0, int(length.total_seconds()))
    days, seconds = divmod(seconds, 86_400)
    hours, seconds = divmod(seconds, 3_600)
    minutes, seconds = divmod(seconds, 60)
    clock = "".join(f"{n}{unit}" for n, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if n)
    if not clock:
        return f"P{days}D" if days else "PT0S"
    return f"P{f'{days}D' if days else ''}T{clock}"


def yuan(fen: int) -> str:
    """Whole fen as yuan with two decimals: 500000 becomes `5000.00`."""
    return f"{fen // 100}.{fen % 100:02d}"
