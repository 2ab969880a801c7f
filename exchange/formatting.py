"""Template filters and globals: money, numbers, times, sizes, digests and two-language texts in the reader's language."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import dates, numbers
from flask import Flask, current_app, url_for
from flask_babel import get_locale
from markupsafe import Markup

from exchange.progress_words import progress_words

ABSENT = "—"
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_DATE_TIME = {
    "zh": ("yyyy-MM-dd HH:mm", "yyyy-MM-dd HH:mm:ss"),
    "en": ("d MMM yyyy, HH:mm", "d MMM yyyy, HH:mm:ss"),
}
_DATE = {"zh": "yyyy-MM-dd", "en": "d MMM yyyy"}


def init_app(app: Flask) -> None:
    """Register the filters and the globals `static_url`, `has_endpoint`, `zone_name` and `zone_key` on `app`."""
    app.jinja_env.filters.update(
        money=money,
        number=number,
        percent=percent,
        bytes=size,
        duration=duration,
        datetime=moment,
        date=day,
        hash=short_digest,
        local=local,
        in_locale=in_locale,
        progress_words=progress_words,
    )
    app.jinja_env.globals.update(
        static_url=static_url,
        has_endpoint=lambda name: name in app.view_functions,
        zone_name=zone_name,
        zone_key=zone_key,
    )


def language() -> str:
    """Return `zh` or `en`, the language of the text being rendered."""
    return "zh" if str(get_locale() or "en").startswith("zh") else "en"


def money(fen: int | None, currency: str = "CNY") -> str:
    """Return an amount in minor units as currency: 123450 is ¥1,234.50; other currencies show their code."""
    if fen is None:
        return ABSENT
    text = numbers.format_decimal(Decimal(abs(int(fen))) / 100, format="#,##0.00", locale=language())
    sign = "−" if fen < 0 else ""
    return f"{sign}¥{text}" if currency == "CNY" else f"{sign}{currency} {text}"


def number(value: float | Decimal | None, digits: int | None = None) -> str:
    """Return a number with the locale's grouping; `digits` fixes the decimals."""
    if value is None:
        return ABSENT
    pattern = "#,##0.######" if digits is None else f"#,##0.{'0' * digits}".rstrip(".")
    return numbers.format_decimal(value, format=pattern, locale=language())


def percent(value: float | Decimal | None, digits: int = 1) -> str:
    """Return a share of one as percent: 0.9412 is 94.1%."""
    if value is None:
        return ABSENT
    pattern = f"#,##0.{'0' * digits}".rstrip(".") + "%"
    return numbers.format_percent(value, format=pattern, locale=language())


def size(count: int | None) -> str:
    """Return a number of bytes in binary units: 1536 is 1.5 KiB."""
    if count is None:
        return ABSENT
    value, unit = float(count), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    pattern = "#,##0" if unit == 0 or value >= 100 else "#,##0.0"
    return f"{numbers.format_decimal(value, format=pattern, locale=language())} {_UNITS[unit]}"


def duration(value: timedelta | float | None) -> str:
    """Return seconds, or a timedelta, in its two largest units: 3725 is `1 h 2 min`."""
    if value is None:
        return ABSENT
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    counts: list[tuple[int, str]] = []
    rest = int(seconds)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, length)
        if count or counts:
            counts.append((count, unit))
    return " ".join(f"{count} {unit}" for count, unit in counts[:2] if count)


def moment(value: datetime | str | None, seconds: bool = False) -> str | Markup:
    """Return a `<time>` element in the display zone, which it names; its title and `datetime` attribute carry UTC."""
    if not value:
        return ABSENT
    at, code = _aware(value), language()
    shown = dates.format_datetime(at.astimezone(zone()), _DATE_TIME[code][int(seconds)], locale=code)
    exact = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Markup('<time datetime="{0}" title="{0}">{1} <span class="zone">{2}</span></time>').format(
        exact, shown, zone_name(at)
    )


def day(value: datetime | date | str | None) -> str | Markup:
    """Return the date alone; of a time, the date in the display zone."""
    if not value:
        return ABSENT
    if isinstance(value, str):
        value = _aware(value) if "T" in value else date.fromisoformat(value)
    shown = _aware(value).astimezone(zone()).date() if isinstance(value, datetime) else value
    text = dates.format_date(shown, _DATE[language()], locale=language())
    return Markup('<time datetime="{}">{}</time>').format(shown.isoformat(), text)


def short_digest(value: str | bytes | None, head: int = 8, tail: int = 4) -> str | Markup:
    """Return a digest or id shortened in the middle, the whole of it in the title.

    A prefix that names the algorithm (`sha256:`, `ed25519:`) stays readable. Of a UUID URN only the end is
    shown, since UUIDs of one moment begin alike.
    """
    if not value:
        return ABSENT
    text = value.hex() if isinstance(value, bytes) else str(value)
    prefix, separator, body = text.rpartition(":")
    prefix += separator
    if prefix == "urn:uuid:":
        prefix, body = "", f"…{body[-12:]}"
    elif len(body) > head + tail + 1:
        body = f"{body[:head]}…{body[-tail:]}" if tail else f"{body[:head]}…"
    return Markup('<code class="hash" title="{}">{}{}</code>').format(text, prefix, body)


def local(pair: object) -> str:
    """Return one of a bilingual pair: [English, Chinese], or a mapping with keys en and zh."""
    if isinstance(pair, Mapping):
        return str(pair.get(language()) or pair.get("en") or pair.get("zh") or "")
    if isinstance(pair, list | tuple) and len(pair) == 2:
        return str(pair[1 if language() == "zh" else 0])
    return "" if pair is None else str(pair)


def in_locale(item: Any, name: str) -> Any:
    """Return `<name>_zh` or `<name>_en` of an object or mapping in the reader's language, else what there is."""
    code = language()
    for key in (f"{name}_{code}", f"{name}_{'en' if code == 'zh' else 'zh'}", name):
        value = item.get(key) if isinstance(item, Mapping) else getattr(item, key, None)
        if value:
            return value
    return ""


def static_url(filename: str) -> str:
    """Return the address of an own static file with a version of its content, so that browsers may keep it."""
    path = Path(current_app.static_folder or "") / filename
    try:
        return url_for("static", filename=filename, v=_version(path, path.stat().st_mtime_ns))
    except FileNotFoundError:
        return url_for("static", filename=filename)


@lru_cache(maxsize=64)
def _version(path: Path, _modified: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:10]


def _aware(value: datetime | str) -> datetime:
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    # SQLite hands back naive times; every stored time is UTC.
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def zone_name(at: datetime | None = None) -> str:
    """Return how far the display zone is from UTC at `at` (now): UTC+8."""
    offset = (at or datetime.now(UTC)).astimezone(zone()).utcoffset() or timedelta()
    if not offset:
        return "UTC"
    hours, minutes = divmod(abs(offset) // timedelta(minutes=1), 60)
    return f"UTC{'-' if offset < timedelta() else '+'}{hours}" + (f":{minutes:02d}" if minutes else "")


def zone_key() -> str:
    """Return the IANA name of the display zone, by which a browser shows its own times in it."""
    return "UTC" if zone() is UTC else str(current_app.config.get("DISPLAY_TIMEZONE", "Asia/Shanghai"))


def zone() -> tzinfo:
    """Return the zone that times are shown in: DISPLAY_TIMEZONE, by default China's."""
    name = current_app.config.get("DISPLAY_TIMEZONE", "Asia/Shanghai")
    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError:
        # A machine without a time-zone database still shows Chinese time, which has no summer time.
        return timezone(timedelta(hours=8)) if name == "Asia/Shanghai" else UTC
