"""What each setting may be: one rule a setting, in the order of `Settings`; a refusal says why and how to mend it.

A rule looks at one value by itself and returns None or a Refusal. What two settings must agree on stands in `exchange.config`.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from exchange.errors import Bilingual
from ledger.anchors.ethereum.chain import parse_address
from ledger.errors import ProofError


@dataclass(frozen=True)
class Refusal:
    """Why a value is not taken, and what to give instead."""

    reason: Bilingual
    mend: Bilingual


Rule = Callable[[Any], Refusal | None]

_SIZE = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s?([KMGT]I?B)", re.IGNORECASE | re.ASCII)
_UNITS = {"k": 1, "m": 2, "g": 3, "t": 4}
# DuckDB needs some memory even to spill; with a few megabytes it refuses small tables.
_LEAST_MEMORY = 64 * 10**6
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_NAME = re.compile(r"(?!-)[a-z0-9_.-]{1,253}|\[[0-9a-f:.]+\]")
_HOST = re.compile(r"[A-Za-z0-9._-]*|\[[0-9A-Fa-f:.%a-z]+\]")


def _number(low: float, high: float, unit: Bilingual = ("", "")) -> Rule:
    def rule(value: Any) -> Refusal | None:
        if math.isfinite(value) and low <= value <= high:
            return None
        of = (f" {unit[0]}" if unit[0] else "", unit[1])
        return Refusal(
            (f"{value!r} is not between {low} and {high}{of[0]}.", f"{value!r} 不在 {low} 到 {high}{of[1]}之间。"),
            ("Give a number in this range, or remove the line for the default.", "请填写该范围内的数字，或删除该行以使用默认值。"),
        )  # fmt: skip

    return rule


def _word(*words: str) -> Rule:
    def rule(value: str) -> Refusal | None:
        if value in words:
            return None
        listed = ", ".join(words[:-1])
        return Refusal(
            (f"{value!r} is none of the words that it takes.", f"{value!r} 不是可用的取值。"),
            (f"Use {listed} or {words[-1]}.", f"请使用 {'、'.join(words)} 之一。"),
        )

    return rule


def _line(longest: int, *, shortest: int = 0) -> Rule:
    def rule(value: str) -> Refusal | None:
        if value.isprintable() and shortest <= len(value.strip()) and len(value) <= longest:
            return None
        return Refusal(
            (f"It takes one line of {shortest} to {longest} characters.", f"应为一行 {shortest} 至 {longest} 个字符。"),
            ("Remove line breaks and control characters, or change its length.", "请去掉换行和控制字符，或调整长度。"),
        )

    return rule


def _folder(value: Path) -> Refusal | None:
    text = str(value)
    if not text.isprintable() or len(text) > 4000:
        return Refusal(
            ("A folder's path has no line breaks or control characters.", "文件夹路径不得含换行或控制字符。"),
            ("Give another path.", "请更换路径。"),
        )
    try:
        is_other = value.exists() and not value.is_dir()
    except OSError as error:
        return Refusal(
            (f"The folder {text} cannot be looked at: {error.strerror}.", f"无法查看文件夹 {text}：{error.strerror}。"),
            ("Let the exchange's user into the folders above it, or name another.", "请允许运行用户访问其上级文件夹，或更换路径。"),
        )  # fmt: skip
    if is_other:
        return Refusal(
            (f"{text} is a file, not a folder.", f"{text} 是文件，不是文件夹。"),
            ("Name a folder; it is made where there is none.", "请指定文件夹；不存在时会自动创建。"),
        )
    return None


def _file(value: Path) -> Refusal | None:
    text = str(value)
    if text.isprintable() and len(text) <= 4000 and (value == Path() or not value.is_dir()):
        return None
    return Refusal(
        ("It takes the path of a file.", "应为文件路径。"),
        ("Name the file itself, not a folder.", "请指定文件本身，而不是文件夹。"),
    )


def _database_url(value: str) -> Refusal | None:
    if not value:
        return None
    mend = ("Use sqlite:////absolute/file.db or postgresql://user:password@host/database.",
            "请使用 sqlite:////绝对路径/file.db 或 postgresql://用户:密码@主机/数据库。")  # fmt: skip
    scheme = value.split(":", 1)[0]
    if scheme not in {"sqlite", "postgresql", "postgresql+psycopg"}:
        return Refusal(
            (f"The database dialect {scheme[:30]!r} is not supported.", f"不支持数据库类型 {scheme[:30]!r}。"), mend
        )
    if ":memory:" in value or value in {"sqlite:", "sqlite:/", "sqlite://", "sqlite:///"}:
        return Refusal(
            ("A database in memory would lose what was acknowledged.", "内存数据库会丢失已确认的内容。"),
            ("Name a file.", "请指定文件。"),
        )
    if scheme == "sqlite" and (not value.startswith("sqlite:///") or "?" in value or not value.isprintable()):
        return Refusal(("This is not the address of an SQLite file.", "这不是 SQLite 文件的地址。"), mend)
    try:
        make_url(value)
    except (ArgumentError, ValueError):
        # The address may hold a password, so neither it nor the parser's message is repeated.
        return Refusal(
            ("This is not the address of a database.", "这不是数据库地址。"),
            (f"{mend[0]} Write @ : / in a password as %40 %3A %2F.", f"{mend[1]}密码中的 @ : / 请写作 %40 %3A %2F。"),
        )
    return None


def _object_store(value: str) -> Refusal | None:
    if value.startswith("s3://"):
        if _BUCKET.fullmatch(value.removeprefix("s3://").partition("/")[0]):
            return None
        return Refusal(
            (f"{value!r} names no bucket.", f"{value!r} 未指定存储桶。"),
            ("Use s3://bucket/prefix; a bucket has 3 to 63 lower-case letters, digits, dots and hyphens.",
             "请使用 s3://存储桶/前缀；存储桶名为 3 至 63 个小写字母、数字、点和连字符。"),
        )  # fmt: skip
    if "://" in value:
        return Refusal(
            (f"{value.partition('://')[0]!r} is no kind of object store.", f"不支持 {value.partition('://')[0]!r} 类型的对象存储。"),
            ("Use a folder, or s3://bucket/prefix.", "请使用文件夹或 s3://存储桶/前缀。"),
        )  # fmt: skip
    return _folder(Path(value)) if value else None


def _address(value: str) -> Refusal | None:
    """Refuse what is not scheme, host and port alone."""
    refusal = Refusal(
        (f"{value!r} is not an http or https address of a host.", f"{value!r} 不是主机的 http 或 https 地址。"),
        ("Give scheme, host and port alone, such as https://exchange.example.org.",
         "请仅填写协议、主机和端口，例如 https://exchange.example.org。"),
    )  # fmt: skip
    try:
        url = urlsplit(value)
        found = url.hostname, url.port
    except ValueError:
        return refusal
    plain = url.path in {"", "/"} and not url.query and not url.fragment and "@" not in url.netloc
    known = url.scheme in {"http", "https"} and found[0] and found[1] != 0
    return None if plain and known and value.isprintable() and " " not in value else refusal


def _rpc(value: str) -> Refusal | None:
    """Refuse what is no address of a node. It may hold a key, so it is not repeated."""
    refusal = Refusal(
        ("This is not the http or https address of a node.", "这不是节点的 http 或 https 地址。"),
        ("Give the address that the node's operator names, such as https://node.example.org/v1/KEY.",
         "请填写节点运营方提供的地址，例如 https://node.example.org/v1/KEY。"),
    )  # fmt: skip
    try:
        url = urlsplit(value)
        known = url.scheme in {"http", "https"} and url.hostname and url.port != 0 and "@" not in url.netloc
    except ValueError:
        return refusal
    return None if known and value.isprintable() and " " not in value else refusal


def _ethereum_address(value: str) -> Refusal | None:
    try:
        parse_address(value)
    except ProofError:
        return Refusal(
            (f"{value[:60]!r} is not an address on an Ethereum chain, or a character of it is wrong.", f"{value[:60]!r} 不是以太坊链上的地址，或其中有字符错误。"),
            ("Copy it as `exchange audit anchor deploy` told it: 0x and 40 hexadecimal digits.",
             "请按 `exchange audit anchor deploy` 给出的内容复制：0x 加 40 位十六进制数字。"),
        )  # fmt: skip
    return None


def _optional(rule: Rule) -> Rule:
    return lambda value: rule(value) if value else None


def _url(value: str) -> Refusal | None:
    """Refuse what is no http or https address, with or without a path."""
    try:
        url = urlsplit(value)
        known = url.scheme in {"http", "https"} and url.hostname and url.port != 0 and "@" not in url.netloc
    except ValueError:
        known = False
    if known and value.isprintable() and " " not in value:
        return None
    return Refusal(
        (f"{value[:100]!r} is not an http or https address.", f"{value[:100]!r} 不是 http 或 https 地址。"),
        ("Give it as its operator names it, such as https://tsa.example.org/tsr, without a user name.",
         "请按服务方提供的内容填写，例如 https://tsa.example.org/tsr，不含用户名。"),
    )  # fmt: skip


def entries(value: str) -> list[str]:
    """Return the entries of a list in one line: lower case, parted by commas or spaces."""
    return value.lower().replace(",", " ").split()


def _schemes(value: str) -> Refusal | None:
    found = entries(value)
    if found and set(found) <= {"http", "https"}:
        return None
    return Refusal(
        (f"{value[:60]!r} are not schemes that may leave.", f"{value[:60]!r} 不是允许外发的协议。"),
        ("Use https, or https http where plain http to the hosts that you list is wanted.",
         "请使用 https；确需对所列主机使用明文 http 时填写 https http。"),
    )  # fmt: skip


def _hosts(value: str) -> Refusal | None:
    for entry in entries(value):
        if not _NAME.fullmatch(entry.removeprefix("*.")):
            return Refusal(
                (f"{entry[:60]!r} is not the name of a host.", f"{entry[:60]!r} 不是主机名。"),
                ("Give names such as example.org or *.example.org, parted by spaces.", "请填写 example.org 或 *.example.org 之类的名称，以空格分隔。"),
            )  # fmt: skip
    return None


def _internal(value: str) -> Refusal | None:
    for entry in entries(value):
        try:
            if "/" in entry:
                ipaddress.ip_network(entry)
                continue
            parts = urlsplit(f"//{entry}")
            sound = parts.hostname and parts.port != 0 and "@" not in entry
        except ValueError:
            sound = False
        if not sound:
            return Refusal(
                (f"{entry[:60]!r} is neither a host nor a network.", f"{entry[:60]!r} 既不是主机也不是网络。"),
                ("Give hosts, host:port, or networks such as 10.1.0.0/16, parted by spaces.", "请填写主机、主机:端口，或 10.1.0.0/16 之类的网络，以空格分隔。"),
            )  # fmt: skip
    return None


def _origin(value: str) -> Refusal | None:
    if value and "+" not in value and value.isprintable() and not any(letter.isspace() for letter in value):
        return None
    return Refusal(
        ("The log's origin is one line without spaces and plus signs.", "日志来源应为一行，不含空格和加号。"),
        ("Use a name such as example.org/log.", "请使用 example.org/log 之类的名称。"),
    )


def parse_bind(value: str) -> tuple[str, int] | Path | None:
    """Return (host, port), the path of a Unix socket, or None where it is neither; an empty host is all of them."""
    if value.startswith("unix:"):
        path = Path(value.removeprefix("unix:").removeprefix("//"))
        return path if path.is_absolute() and len(str(path)) < 108 else None
    host, colon, port = value.rpartition(":")
    if not colon or not _HOST.fullmatch(host) or not re.fullmatch(r"\d{1,5}", port, re.ASCII):
        return None
    return (host.strip("[]"), int(port)) if 1 <= int(port) <= 65535 else None


def _bind(value: str) -> Refusal | None:
    if parse_bind(value) is not None:
        return None
    return Refusal(
        (f"{value!r} is not an address to listen on.", f"{value!r} 不是可监听的地址。"),
        ("Use HOST:PORT such as 127.0.0.1:8000 or [::1]:8000, or unix:/run/exchange/socket.",
         "请使用 主机:端口，例如 127.0.0.1:8000 或 [::1]:8000，或 unix:/run/exchange/socket。"),
    )  # fmt: skip


def bytes_of(size: str) -> int | None:
    """Return the bytes of a size such as 512MB or 1.5GiB, or None where it is none."""
    found = _SIZE.fullmatch(size.strip())
    if found is None:
        return None
    base = 1024 if "i" in found[2].lower() else 1000
    return int(float(found[1]) * base ** _UNITS[found[2][0].lower()])


def _memory(value: str) -> Refusal | None:
    size = bytes_of(value)
    if size is not None and size >= _LEAST_MEMORY:
        return None
    return Refusal(
        (f"{value!r} is not a size of at least 64MB.", f"{value!r} 不是至少 64MB 的大小。"),
        ("Write a number and KB, MB, GB, TB or KiB, MiB, GiB, TiB, such as 512MB.",
         "请写数字加 KB、MB、GB、TB 或 KiB、MiB、GiB、TiB，例如 512MB。"),
    )  # fmt: skip


def _anything(_value: Any) -> Refusal | None:
    """True and false are both meant; the type alone is checked."""


_MINUTES, _HOURS, _DAYS = ("minutes", " 分钟"), ("hours", " 小时"), ("days", " 天")

RULES: dict[str, Rule] = {
    "home": _folder,
    "database_url": _database_url,
    "object_store": _object_store,
    "s3_endpoint": _optional(_address),
    "s3_region": _line(64, shortest=1),
    "s3_access_key": _line(256),
    "s3_secret_key": _line(1024),
    "key_store": _folder,
    "public_url": _address,
    "allow_insecure_http": _anything,
    "trusted_proxies": _number(0, 10),
    "exchange_name": _line(100, shortest=1),
    "ledger_origin": _origin,
    "publish_log_to": _object_store,
    "ethereum_rpc": _optional(_rpc),
    "ethereum_chain_id": _number(0, 2**53 - 1),
    "ethereum_contract": _optional(_ethereum_address),
    "ethereum_keystore": _file,
    "ethereum_password_file": _file,
    "ethereum_max_fee_gwei": _number(0.000_001, 100_000, ("gwei", " gwei")),
    "ethereum_interval_minutes": _number(1, 60 * 24 * 30, _MINUTES),
    "ethereum_confirmations": _number(1, 100_000),
    "witness_policy": _file,
    "witness_interval_minutes": _number(1, 60 * 24 * 30, _MINUTES),
    "timestamp_authority": _optional(_url),
    "timestamp_ca": _file,
    "timestamp_interval_minutes": _number(1, 60 * 24 * 30, _MINUTES),
    "egress_schemes": _schemes,
    "egress_hosts": _hosts,
    "egress_internal": _internal,
    "default_locale": _word("en", "zh"),
    "bind": _bind,
    "workers": _number(1, 64),
    "threads": _number(1, 1024),
    "job_threads": _number(1, 64),
    "jobs": _word("in-process", "external", "immediate"),
    "receipt_timeout_seconds": _number(0.1, 60, ("seconds", " 秒")),
    "session_idle_minutes": _number(1, 60 * 24 * 30, _MINUTES),
    "session_absolute_hours": _number(1, 24 * 90, _HOURS),
    # A long-lived access token would outlive a suspension.
    "access_token_minutes": _number(1, 15, _MINUTES),
    "dpop": _word("optional", "required"),
    "dpop_nonce": _anything,
    "acceptance_window_days": _number(1, 365, _DAYS),
    "artefact_days": _number(1, 3650, _DAYS),
    "login_attempts_per_minute": _number(1, 1_000_000),
    "max_upload_bytes": _number(1, 2**53, ("bytes", " 字节")),
    "max_columns": _number(1, 100_000),
    "memory_limit": _memory,
    "log_level": _word("debug", "info", "warning", "error"),
}
