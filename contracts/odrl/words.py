"""Values, actions and duties in plain English and Chinese.

Every function takes a locale: Chinese for those that start with "zh", English for all others. Nothing here
decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from types import MappingProxyType

from contracts.odrl.values import Duration, parse_duration, parse_instant
from contracts.odrl.vocabulary import ARTEFACT_STATES, DATA_CATEGORIES, LANGUAGES, PURPOSES

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)

# The verb and its object; `{data}` is "the data" or a named dataset.
ACTIONS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "use": ("use {data}", "使用{data}"),
        "display": ("display {data}", "展示{data}"),
        "read": ("read {data}", "读取{data}"),
        "aggregate": ("combine {data} with other data", "将{data}与其他数据汇聚"),
        "modify": ("modify {data}", "修改{data}"),
        "derive": ("derive new data from {data}", "基于{data}生成衍生数据"),
        "transfer": ("hand over the ownership of {data}", "转让{data}"),
        "distribute": ("pass {data} on to third parties", "向第三方提供{data}"),
        "anonymize": ("anonymize {data}", "对{data}进行匿名化"),
        "sell": ("sell {data}", "出售{data}"),
        "give": ("give {data} away", "赠与{data}"),
        "print": ("print {data}", "打印{data}"),
        "present": ("present {data} in public", "公开展示{data}"),
        "play": ("play {data}", "播放{data}"),
        "reproduce": ("copy {data}", "复制{data}"),
        "extract": ("extract parts of {data}", "摘取{data}的部分内容"),
        "archive": ("archive {data}", "归档{data}"),
        "delete": ("delete {data}", "删除{data}"),
        "index": ("index {data}", "为{data}编制索引"),
        "move": ("move {data}", "迁移{data}"),
        "transform": ("convert {data}", "转换{data}的格式"),
        "translate": ("translate {data}", "翻译{data}"),
        "annotate": ("annotate {data}", "标注{data}"),
        "grantUse": ("grant others the use of {data}", "许可他人使用{data}"),
        "inform": ("inform the other side about {data}", "就{data}告知对方"),
        "attribute": ("name the source of {data}", "注明{data}的来源"),
        "compensate": ("pay for {data}", "为{data}付款"),
        "ex:log": ("record each use of {data}", "记录{data}的每次使用"),
        "stream": ("stream {data}", "流式传输{data}"),
        "write": ("write to {data}", "写入{data}"),
    }
)

# Left operands whose values are lengths of time.
SPANS = frozenset({"elapsedTime", "ex:sinceAgreement", "timeInterval", "delayPeriod", "meteredTime"})

# What a transfer does, as a clause.
BORDER = {
    "true": ("the data would leave the country", "数据将出境"),
    "false": ("the data would stay in the country", "数据不出境"),
}

_PLACES = {"CN": ("China", "中国")}


_TERMS: Mapping[str, Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "purpose": PURPOSES,
        "spatial": _PLACES,
        "language": LANGUAGES,
        "ex:dataCategory": DATA_CATEGORIES,
        "ex:artefactState": ARTEFACT_STATES,
    }
)


def chinese(locale: str) -> bool:
    """Whether a locale asks for Chinese."""
    return locale.startswith("zh")


def pick(locale: str, en: str, zh: str) -> str:
    """One of two texts."""
    return zh if chinese(locale) else en


def action(name: str, locale: str, data: str | None = None) -> str:
    """What is done with the data: "use the data", "使用该数据"."""
    en, zh = ACTIONS.get(name, (f"perform “{name}” on {{data}}", f"对{{data}}执行“{name}”"))
    return pick(locale, en, zh).format(data=data or pick(locale, "the data", "该数据"))


def term(left_operand: str, text: str, locale: str) -> str:
    """A term in words where it is a known one, else as it was written, in quotation marks."""
    table = _TERMS.get(left_operand, {})
    if text in table:
        return table[text][1 if chinese(locale) else 0]
    return text if left_operand in {"version", "industry"} else f"“{text}”"


def join(parts: Sequence[str], locale: str, last: str = "or") -> str:
    """A list in a sentence: "A, B or C", "A、B或C"."""
    if len(parts) == 1:
        return parts[0]
    if chinese(locale):
        return "、".join(parts[:-1]) + {"or": "或", "and": "和"}[last] + parts[-1]
    return f"{', '.join(parts[:-1])} {last} {parts[-1]}"


def times(count: int, locale: str) -> str:
    """How often: "once", "5 times", "5 次"."""
    return f"{count} 次" if chinese(locale) else "once" if count == 1 else f"{count} times"


def money(yuan: str, locale: str) -> str:
    """A sum of money, given as yuan with two decimals: "CNY 5,000.00", "人民币 5,000.00 元"."""
    whole, _, cents = yuan.partition(".")
    figure = f"{int(whole):,}.{cents.ljust(2, '0')}"
    return pick(locale, f"CNY {figure}", f"人民币 {figure} 元")


def length(lexical: str, locale: str) -> str:
    """An xsd:duration: "1 year 2 months 3 days", "1 年 2 个月 3 天". As written where it cannot be read."""
    try:
        duration = parse_duration(lexical)
    except ValueError:
        return f"“{lexical}”"
    parts = [
        f"{number} {pick(locale, en if number == 1 else f'{en}s', zh)}" for number, en, zh in _units(duration) if number
    ]
    return " ".join(parts) or pick(locale, "no time", "0 秒")


def _units(duration: Duration) -> list[tuple[int, str, str]]:
    years, months = divmod(duration.months, 12)
    minutes, seconds = divmod(duration.rest.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return [
        (years, "year", "年"),
        (months, "month", "个月"),
        (duration.rest.days, "day", "天"),
        (hours, "hour", "小时"),
        (minutes, "minute", "分钟"),
        (seconds, "second", "秒"),
    ]


def zone(moment: datetime, locale: str) -> str:
    """The name of a moment's offset: "UTC", "UTC+8" (in Chinese 北京时间)."""
    minutes = int((moment.utcoffset() or timedelta()).total_seconds()) // 60
    if minutes == 480:
        return pick(locale, "UTC+8", "北京时间")
    if minutes == 0:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'+' if minutes > 0 else '-'}{hours}{f':{rest:02d}' if rest else ''}"


def date(moment: datetime, locale: str) -> str:
    """The day of a moment: "31 December 2026", "2026年12月31日"."""
    if chinese(locale):
        return f"{moment.year}年{moment.month}月{moment.day}日"
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"


def moment(at: datetime, locale: str) -> str:
    """A moment in its own offset: "31 December 2026, 16:00 (UTC)"."""
    clock = at.strftime("%H:%M:%S" if at.second or at.microsecond else "%H:%M")
    if chinese(locale):
        return f"{date(at, locale)} {clock}（{zone(at, locale)}）"
    return f"{date(at, locale)}, {clock} ({zone(at, locale)})"


def instant(lexical: str, locale: str) -> str:
    """An xsd:dateTime or xsd:date in its own offset. As written where it cannot be read."""
    try:
        found = parse_instant(lexical)
    except ValueError:
        return f"“{lexical}”"
    if found.end is None:
        return moment(found.start, locale)
    name = zone(found.start, locale)
    return f"{date(found.start, locale)}{pick(locale, f' ({name})', f'（{name}）')}"


def last_day(lexical: str) -> datetime | None:
    """For the first moment of a day, the day before it, so that "before" can be said as "until the end of"."""
    try:
        found = parse_instant(lexical)
    except ValueError:
        return None
    return _day_before(found.start) if found.end is None else None


def _day_before(at: datetime) -> datetime | None:
    if at.hour or at.minute or at.second or at.microsecond:
        return None
    return at - timedelta(days=1)


def until_end_of(day: datetime, locale: str) -> str:
    """ "until the end of 31 December 2026 (UTC+8)"."""
    return pick(
        locale,
        f"until the end of {date(day, locale)} ({zone(day, locale)})",
        f"截至{date(day, locale)}（含当日，{zone(day, locale)}）",
    )


def end_of(day: datetime, locale: str) -> str:
    """ "by the end of 31 December 2026 (UTC+8)"."""
    return pick(
        locale,
        f"by the end of {date(day, locale)} ({zone(day, locale)})",
        f"在{date(day, locale)}（含当日，{zone(day, locale)}）之前",
    )


def by(deadline: datetime, locale: str) -> str:
    """ "by 31 December 2026, 16:00 (UTC)"; the first moment of a day is said as the end of the day before."""
    day = _day_before(deadline)
    if day is not None:
        return end_of(day, locale)
    return pick(locale, f"by {moment(deadline, locale)}", f"在{moment(deadline, locale)}之前")


def in_zone_of(actual: str, lexical: str) -> datetime:
    """An actual time in the offset of the value it is compared with, so that both read alike."""
    at = datetime.fromisoformat(actual.replace("Z", "+00:00"))
    try:
        offset: tzinfo | None = parse_instant(lexical).start.tzinfo
    except ValueError:
        offset = UTC
    return at.astimezone(offset)


@dataclass(frozen=True, slots=True)
class DutyTerms:
    """What a duty says beside its action, already in words where it is a phrase.

    `remedial` duties follow from something that went wrong, not from use.
    """

    due: str | None = None
    not_before: str | None = None
    party: str | None = None
    amount: str | None = None
    assignee: str | None = None
    remedial: bool = False


def duty(name: str, terms: DutyTerms, locale: str) -> str:
    """A duty as one sentence."""
    return _duty_zh(name, terms) if chinese(locale) else _duty_en(name, terms)


def _duty_en(name: str, terms: DutyTerms) -> str:
    who = f"“{terms.assignee}”" if terms.assignee else "The consumer"
    party = f"“{terms.party}”" if terms.party else "the provider"
    due = "".join(
        f" {part}" for part in (terms.not_before and f"not before {terms.not_before},", terms.due) if part
    ).rstrip(",")
    after, each = (" at once", "") if terms.remedial else (" after using it", " of each use")
    sentences = {
        "delete": f"{who} must delete the data{due or after}.",
        "inform": f"{who} must inform {party}{each}{due}.",
        "attribute": f"{who} must name {party} as the source of the data.",
        "compensate": f"{who} must pay {terms.amount} before the data is released.",
        "anonymize": "The data must be anonymized before it is released.",
        "ex:log": "Each use must be put on record.",
    }
    return sentences.get(name, f"{who} must {action(name, 'en')}{due}.")


def _duty_zh(name: str, terms: DutyTerms) -> str:
    who = f"“{terms.assignee}”" if terms.assignee else "使用方"
    party = f"“{terms.party}”" if terms.party else "提供方"
    due = "，".join(part for part in (terms.not_before and f"不早于{terms.not_before}", terms.due) if part)
    after, each = ("立即", "有关情况") if terms.remedial else ("在使用后", "每次使用情况")
    sentences = {
        "delete": f"{who}须{due or after}删除该数据。",
        "inform": f"{who}须{due}将{each}告知{party}。",
        "attribute": f"{who}须注明数据来源为{party}。",
        "compensate": f"{who}须先支付{terms.amount}，数据方可交付。",
        "anonymize": "数据须经匿名化后方可交付。",
        "ex:log": "每次使用均须留存记录。",
    }
    return sentences.get(name, f"{who}须{due}{action(name, 'zh')}。")
