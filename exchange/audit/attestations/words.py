"""Why an outsider did not vouch for the newest checkpoint, in both languages, with the mend."""

from __future__ import annotations

from exchange.errors import Bilingual, ExchangeError

_WORDS: dict[str, tuple[Bilingual, Bilingual]] = {
    "witness-ahead": (
        ("The witness has seen more of this log than there is: {sentence}.", "见证者看到的日志比现有的更长：{sentence}。"),
        (
            "The database may be an old copy. Stop the exchange and compare it with the newest backup.",
            "数据库可能是旧副本。请停止服务并与最新备份核对。",
        ),
    ),
    "witness-refuses": (
        ("The witness does not cosign: {sentence}.", "见证者未签名：{sentence}。"),
        (
            "Ask whoever runs it whether it trusts this log's key, and whether it holds a proof of misbehaviour.",
            "请向其运营者确认它是否信任本日志的密钥，以及是否持有不当行为证明。",
        ),
    ),
    "unreachable": (
        ("It does not answer: {sentence}", "没有应答：{sentence}"),
        ("It is asked again by itself. Check its address in the policy.", "系统会自动重试。请检查策略中的地址。"),
    ),
    "egress-refused": (
        ("It may not be called: {sentence}", "不允许访问：{sentence}"),
        ("Allow it with egress_schemes, egress_hosts and egress_internal.", "请通过 egress_schemes、egress_hosts 和 egress_internal 允许访问。"),
    ),
    "stamp-refused": (
        ("The time stamp was not given or does not hold: {sentence}.", "未获得时间戳或时间戳无效：{sentence}。"),
        ("Check timestamp_authority and timestamp_ca.", "请检查 timestamp_authority 和 timestamp_ca。"),
    ),
}  # fmt: skip
_OTHER: tuple[Bilingual, Bilingual] = (
    ("It could not be asked: {sentence}.", "无法询问：{sentence}。"),
    ("It is asked again by itself.", "系统会自动重试。"),
)


def explain(code: str, sentence: str) -> ExchangeError:
    """Return the reason and the mend of a code that the last look left behind."""
    reason, mend = _WORDS.get(code, _OTHER)
    plain = sentence.rstrip(".") if reason[0].endswith(".") else sentence
    return ExchangeError((reason[0].format(sentence=plain), reason[1].format(sentence=plain)), mend, code=code)
