"""Settings: one frozen, typed object made at the edge from a TOML file and the environment.

The file is `exchange.toml` in the home folder or the one named by EXCHANGE_CONFIG; EXCHANGE_<NAME> variables win over it.
Unknown names and unsafe values stop the start with a sentence that says how to mend it.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import urlsplit

from exchange.config_rules import RULES
from exchange.errors import Bilingual, SettingsError

_PREFIX = "EXCHANGE_"
# These variables steer tests and start-up and are no settings of the program.
_NOT_SETTINGS = {
    "CONFIG",
    "PASSWORD",
    "STAFF_PASSWORD",
    "KEYS",
    "VECTORS",
    "DATA",
    "URL",
    "TOKEN",
    "ANCHOR_PASSWORD",
    "TEST_ANVIL",
    "TEST_NODE",
    "TEST_NODE_KEY",
    "TEST_VYPER",
    "TEST_TORCHWOOD",
    "TRACEBACK",
    "TEST_S3_ENDPOINT",
    "TEST_S3_ACCESS_KEY",
    "TEST_S3_SECRET_KEY",
}
_TRUTH = {**dict.fromkeys(("1", "true", "yes", "on"), True), **dict.fromkeys(("0", "false", "no", "off"), False)}


@dataclass(frozen=True)
class Settings:
    """All settings with their defaults; see docs/configuration.md for the meaning of each."""

    home: Path = Path("var")
    database_url: str = field(default="", repr=False)
    object_store: str = ""
    s3_endpoint: str = ""
    s3_region: str = "us-east-1"
    s3_access_key: str = ""
    s3_secret_key: str = field(default="", repr=False)
    key_store: Path = Path()
    public_url: str = "http://127.0.0.1:8000"
    allow_insecure_http: bool = False
    trusted_proxies: int = 0
    exchange_name: str = "Industrial Data Exchange"
    ledger_origin: str = "exchange.local/log"
    publish_log_to: str = ""
    ethereum_rpc: str = field(default="", repr=False)
    ethereum_chain_id: int = 0
    ethereum_contract: str = ""
    ethereum_keystore: Path = Path()
    ethereum_password_file: Path = Path()
    ethereum_max_fee_gwei: float = 50.0
    ethereum_interval_minutes: int = 60
    ethereum_confirmations: int = 64
    witness_policy: Path = Path()
    witness_interval_minutes: int = 1
    timestamp_authority: str = ""
    timestamp_ca: Path = Path()
    timestamp_interval_minutes: int = 60
    egress_schemes: str = "https"
    egress_hosts: str = ""
    egress_internal: str = ""
    default_locale: str = "en"
    bind: str = "127.0.0.1:8000"
    workers: int = 1
    threads: int = 4
    job_threads: int = 1
    jobs: str = "in-process"
    receipt_timeout_seconds: float = 5.0
    session_idle_minutes: int = 60
    session_absolute_hours: int = 12
    access_token_minutes: int = 10
    dpop: str = "optional"
    dpop_nonce: bool = False
    acceptance_window_days: int = 7
    artefact_days: int = 14
    login_attempts_per_minute: int = 10
    max_upload_bytes: int = 20 * 1024**3
    max_columns: int = 4096
    memory_limit: str = "512MB"
    log_level: str = "info"

    @property
    def spool(self) -> Path:
        """Return the private folder for work in progress; it is emptied at the start."""
        return self.home / "spool"

    @property
    def is_sqlite(self) -> bool:
        return self.database_url.startswith("sqlite")

    @property
    def secure_cookies(self) -> bool:
        return self.public_url.startswith("https://")


def load(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Return validated settings from file, environment and `overrides` (strongest).

    Raises SettingsError, naming the setting and the mend, on anything unknown, malformed or unsafe.
    """
    environ = os.environ if environ is None else environ
    given = {key.removeprefix(_PREFIX).lower(): value for key, value in environ.items() if key.startswith(_PREFIX)}
    given = {key: value for key, value in given.items() if key.upper() not in _NOT_SETTINGS}
    home = Path(str(overrides.get("home") or given.get("home") or Settings.home))
    types, known = get_type_hints(Settings), {item.name: item for item in fields(Settings)}
    values: dict[str, Any] = _from_file(home, environ) | given | overrides
    # An empty path is none, so that its default holds; an empty text is a value.
    values = {name: value for name, value in values.items() if value != "" or types.get(name) is not Path}
    for name, value in values.items():
        if name not in known:
            raise _unknown(name, list(known))
        values[name] = _convert(name, value, types[name], secret=not known[name].repr)
        if refusal := RULES[name](values[name]):
            raise SettingsError(refusal.reason, refusal.mend, field=name)
    return _agreeing(_complete(Settings(**values)))


def _unknown(name: str, known: list[str]) -> SettingsError:
    close = difflib.get_close_matches(name, known, 1)
    meant = (f"Did you mean {close[0]}? ", f"您是否想用 {close[0]}？") if close else ("", "")
    return SettingsError(
        (f"There is no setting named {name!r}.", f"没有名为 {name!r} 的设置。"),
        (f"{meant[0]}Remove it, or see docs/configuration.md for the names.", f"{meant[1]}请删除，或参阅 docs/configuration.md。"),
        field=name,
    )  # fmt: skip


def _from_file(home: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    named = environ.get(_PREFIX + "CONFIG")
    path = Path(named) if named else home / "exchange.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        if not named:
            return {}
        raise SettingsError(
            (f"The settings file {path} does not exist.", f"设置文件 {path} 不存在。"),
            ("Create it or unset EXCHANGE_CONFIG.", "请创建该文件，或取消 EXCHANGE_CONFIG。"),
        ) from error
    except OSError as error:
        raise SettingsError(
            (f"The settings file {path} cannot be read: {error.strerror}.", f"无法读取设置文件 {path}：{error.strerror}。"),
            ("Make it a file that the exchange's user can read.", "请确保其为运行用户可读取的文件。"),
        ) from error  # fmt: skip
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        place = "it is not text in UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise SettingsError(
            (f"{path} is not valid TOML: {place}.", f"{path} 不是有效的 TOML：{place}。"),
            (
                'Write lines such as workers = 2 or exchange_name = "Name".',
                '请写成 workers = 2 或 exchange_name = "名称" 的形式。',
            ),
        ) from error


# What a setting of each type looks like, for whoever wrote another one.
_KINDS: dict[type, tuple[Bilingual, str]] = {
    bool: (("true or false", "true 或 false"), "true"),
    int: (("a whole number", "整数"), "2"),
    float: (("a number", "数字"), "2.5"),
    str: (("text in quotes", "带引号的文本"), '"text"'),
    Path: (("a path in quotes", "带引号的路径"), '"/srv/exchange"'),
}


def _convert(name: str, value: Any, wanted: type, *, secret: bool) -> Any:
    """Return `value` in the setting's own type; a variable gives text, a file what TOML says. Nothing is rounded."""
    try:
        if isinstance(value, wanted) and not (wanted is int and isinstance(value, bool)):
            return value
        if wanted is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if not isinstance(value, str) or not value.strip() or wanted is str:
            raise ValueError(name)
        if wanted is bool:
            return _TRUTH[value.strip().lower()]
        return wanted(value)
    except (KeyError, ValueError, OverflowError) as error:
        kind, example = _KINDS[wanted]
        shown = "What is given" if secret else repr(value)
        raise SettingsError(
            (f"{shown} is not {kind[0]}.", f"{'所填内容' if secret else repr(value)} 不是{kind[1]}。"),
            (f"Write it as {name} = {example}.", f"请写成 {name} = {example}。"),
            field=name,
        ) from error


def _complete(settings: Settings) -> Settings:
    """Derive what is empty from the home folder; relative paths are those of the folder the program was started in."""
    home = settings.home.absolute()
    key_store = _path(settings.key_store, home / "keys")
    return replace(
        settings,
        home=home,
        database_url=settings.database_url or f"sqlite:///{home / 'exchange.db'}",
        object_store=settings.object_store or str(home / "objects"),
        key_store=key_store,
        ethereum_keystore=_path(settings.ethereum_keystore, key_store / "anchor.json"),
        public_url=settings.public_url.rstrip("/"),
    )


def _path(given: Path, otherwise: Path) -> Path:
    return given if given != Path() else otherwise


def _agreeing(settings: Settings) -> Settings:
    """Return the settings, or refuse those that are sound by themselves and unsafe together."""
    url = urlsplit(settings.public_url)
    if url.scheme == "http" and not _is_loopback(url.hostname or "") and not settings.allow_insecure_http:
        raise SettingsError(
            (
                "Plain http to another machine shows passwords and tokens to the network.",
                "以明文 http 访问其他机器会在网络上泄露密码和令牌。",
            ),
            (
                "Use an https address behind a TLS proxy, or set allow_insecure_http = true for a closed test network.",
                "请在 TLS 代理之后使用 https 地址；封闭的测试网络可设置 allow_insecure_http = true。",
            ),
            field="public_url",
        )
    for name in ("s3_access_key", "s3_secret_key"):
        places = settings.object_store, settings.publish_log_to
        if any(place.startswith("s3://") for place in places) and not getattr(settings, name):
            raise SettingsError(
                ("The S3 store needs credentials.", "S3 存储需要凭证。"),
                ("Set s3_access_key and s3_secret_key.", "请设置 s3_access_key 和 s3_secret_key。"),
                field=name,
            )
    if settings.ethereum_rpc and not settings.ethereum_chain_id:
        raise SettingsError(
            ("The chain to anchor on is not named, and a node could follow any.", "未指定用于锚定的链，而节点可能属于任意一条链。"),
            ("Set ethereum_chain_id, such as 1 for Ethereum's main net.", "请设置 ethereum_chain_id，例如以太坊主网为 1。"),
            field="ethereum_chain_id",
        )  # fmt: skip
    if settings.timestamp_authority and settings.timestamp_ca == Path():
        raise SettingsError(
            ("A time stamp proves nothing without knowing who made it.", "不知道由谁签发，时间戳就没有证明力。"),
            ("Set timestamp_ca to the certificate above the authority's, PEM or DER.", "请将 timestamp_ca 设为该机构的上级证书（PEM 或 DER）。"),
            field="timestamp_ca",
        )  # fmt: skip
    return settings


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
